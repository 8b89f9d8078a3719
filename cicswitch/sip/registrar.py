"""The registrar (RFC 3261 section 10.3; Path RFC 3327): which contacts an address of record has.

A binding remembers the flow that its REGISTER came over, so that a call to a phone behind a NAT or
on TCP goes the same way back. Each binding has a timer; nothing outlives its expiry.
"""

from __future__ import annotations

from collections.abc import Callable

from cicswitch.core.timers import Timer
from cicswitch.sip.auth import Authenticator
from cicswitch.sip.events import Event, RequestReceived
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Request
from cicswitch.sip.uri import NameAddr, UriError, parse_name_addr, parse_uri, unquote
from cicswitch.sip.user_agent import UserAgent

__all__ = ["Binding", "BindingChanged", "Registrar", "aor_of"]


class Binding:
    """One contact of one address of record. `contact` is the raw URI, `expires_at` monotonic."""

    __slots__ = (
        "aor",
        "call_id",
        "contact",
        "cseq",
        "expires_at",
        "flow",
        "instance",
        "path",
        "q",
        "timer",
        "user_agent",
    )

    def __init__(self, aor: str, contact: str) -> None:
        self.aor = aor
        self.contact = contact
        self.call_id = ""
        self.cseq = 0
        self.expires_at = 0.0
        self.flow: Flow | None = None
        self.instance = ""
        self.path: tuple[str, ...] = ()
        self.q = 1.0
        self.timer: Timer | None = None
        self.user_agent = ""

    def __repr__(self) -> str:
        return f"<Binding {self.aor} {self.contact}>"


class BindingChanged(Event, frozen=True, gc=False):
    """A binding appeared or went away. `how`: registered, unregistered, expired, flow failed."""

    aor: str
    contact: str
    flow: Flow | None
    registered: bool
    how: str


def aor_of(uri: str) -> str:
    """The canonical address of record of a URI: user@host, without port and parameters.

    RFC 3261 section 10.3 step 5: "the URI MUST then be converted to a canonical form".
    """
    parsed = parse_uri(uri)
    return f"{parsed.user}@{parsed.host.lower()}"


class Registrar:
    """Answers the REGISTERs among `RequestReceived` events and keeps the bindings.

    `may_register(username, aor)` decides for whom an authenticated user speaks; by default for the
    address of record whose user part is the username. Without `authenticator` all may register.
    """

    def __init__(
        self,
        agent: UserAgent,
        authenticator: Authenticator | None = None,
        *,
        min_expires_s: int = 60,
        max_expires_s: int = 3600,
        max_contacts: int = 10,
        max_bindings: int = 100_000,
        may_register: Callable[[str, str], bool] | None = None,
    ) -> None:
        self._agent = agent
        self._authenticator = authenticator
        self._min_s = min_expires_s
        self._max_s = max_expires_s
        self._max_contacts = max_contacts
        self._max_bindings = max_bindings
        self._may_register = may_register or (
            lambda username, aor: aor.partition("@")[0] == username
        )
        self._bindings: dict[str, list[Binding]] = {}
        self._count = 0

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """The bindings of user@host that live, the highest q first, then the newest."""
        found = [item for item in self._bindings.get(aor, ()) if item.expires_at > now]
        found.sort(key=lambda item: (-item.q, -item.expires_at))
        return found

    def aors(self) -> list[str]:
        """All addresses of record that have a binding."""
        return list(self._bindings)

    def __len__(self) -> int:
        return self._count

    def handle(self, event: RequestReceived, now: float) -> bool:
        """Answer a REGISTER; False, and nothing done, if the request is another."""
        request = event.request
        if request.method != "REGISTER":
            return False
        respond = event.transaction.respond
        try:
            aor = aor_of(parse_name_addr(request.to).uri)
        except UriError as error:
            respond(now, error.status)
            return True
        if self._authenticator is not None:
            username = event.flow.user
            if not username:
                verdict = self._authenticator.check(request, now)
                if verdict.status != 200:
                    respond(now, verdict.status, headers=verdict.headers)
                    return True
                username = verdict.username
            if not self._may_register(username, aor):
                # Section 10.3 step 4: "the registrar MUST return a 403 (Forbidden)".
                respond(now, 403)
                return True
        status, headers = self._register(aor, request, event.flow, now)
        if status == 200:
            for binding in self.lookup(aor, now):
                left = max(1, round(binding.expires_at - now))
                headers.append(("Contact", f"<{binding.contact}>;expires={left}"))
        respond(now, status, headers=headers)
        return True

    def flows(self) -> set[Flow]:
        """The flows by which devices are reached."""
        items = (item for items in self._bindings.values() for item in items)
        return {item.flow for item in items if item.flow is not None}

    def flow_failed(self, flow: Flow, now: float) -> None:
        """A connection is gone, and with it the bindings that were reached over it."""
        gone = [item for items in self._bindings.values() for item in items if item.flow == flow]
        for binding in gone:
            self._remove(binding, "flow failed")

    def _register(
        self, aor: str, request: Request, flow: Flow, now: float
    ) -> tuple[int, list[tuple[str, str]]]:
        values = request.get_list("Contact")
        header = request.get("Expires")
        default = _delta_seconds(header, self._max_s)
        bindings = self._bindings.get(aor, [])
        if "*" in values:
            # Section 10.3 step 6: "If the request has additional Contact fields or an expiration
            # time other than zero, the request is invalid, and the server MUST return a 400".
            if len(values) != 1 or default != 0 or not header:
                return 400, []
            if any(not _newer(item, request) for item in bindings):
                return 500, []
            for item in list(bindings):
                self._remove(item, "unregistered")
            return 200, []
        wanted: list[tuple[NameAddr, int, Binding | None]] = []
        for value in values:
            try:
                address = parse_name_addr(value)
                parse_uri(address.uri)
            except UriError:
                return 400, []
            raw = address.params.get("expires", "")
            # Section 10.3 step 7 / 20.19: a malformed value counts as 3600.
            expires = _delta_seconds(raw, 3600) if raw else default
            if 0 < expires < self._min_s:
                # "the registrar MAY reject with 423 (Interval Too Brief) [... which] MUST contain
                # a Min-Expires header field".
                return 423, [("Min-Expires", str(self._min_s))]
            old = _find(bindings, address)
            if old is not None and not _newer(old, request):
                # "If the Call-ID is the same and the CSeq is not higher, the update MUST be
                # aborted and the request fails" and nothing may change.
                return 500, []
            wanted.append((address, min(expires, self._max_s), old))
        new = sum(1 for _, expires, old in wanted if expires and old is None)
        dropped = sum(1 for _, expires, old in wanted if not expires and old is not None)
        if len(bindings) + new - dropped > self._max_contacts:
            return 403, []
        if self._count + new > self._max_bindings:
            return 503, [("Retry-After", "60")]
        for address, expires, old in wanted:
            if not expires:
                if old is not None:
                    self._remove(old, "unregistered")
                continue
            self._bind(aor, address, expires, old, request, flow, now)
        path = request.get_list("Path")
        return 200, [("Path", item) for item in path]

    def _bind(
        self,
        aor: str,
        address: NameAddr,
        expires: int,
        old: Binding | None,
        request: Request,
        flow: Flow,
        now: float,
    ) -> None:
        binding = old or Binding(aor, address.uri)
        changed = old is None or old.flow != flow or old.contact != address.uri
        binding.contact = address.uri
        binding.call_id, binding.cseq = request.call_id, request.cseq
        binding.expires_at = now + expires
        binding.flow = flow
        binding.instance = unquote(address.params.get("+sip.instance", ""))
        binding.path = tuple(request.get_list("Path"))
        binding.user_agent = request.get("User-Agent")
        try:
            binding.q = min(1.0, max(0.0, float(address.params.get("q", "1"))))
        except ValueError:
            binding.q = 1.0
        if binding.timer is not None:
            binding.timer.cancel()
        binding.timer = self._agent.wheel.at(binding.expires_at, self._expired, binding)
        if old is None:
            self._bindings.setdefault(aor, []).append(binding)
            self._count += 1
        if changed:
            self._agent.events.append(
                BindingChanged(aor, binding.contact, flow, True, "registered")
            )

    def _expired(self, now: float, binding: Binding) -> None:
        self._remove(binding, "expired")

    def _remove(self, binding: Binding, how: str) -> None:
        items = self._bindings.get(binding.aor, [])
        if binding not in items:
            return
        items.remove(binding)
        self._count -= 1
        if not items:
            del self._bindings[binding.aor]
        if binding.timer is not None:
            binding.timer.cancel()
            binding.timer = None
        self._agent.events.append(
            BindingChanged(binding.aor, binding.contact, binding.flow, False, how)
        )


def _delta_seconds(text: str, malformed: int) -> int:
    """RFC 3261 section 20.19: "a decimal integer number of seconds between 0 and (2**32)-1"."""
    known = text.isdigit() and text.isascii() and len(text) < 11
    return int(text) if known else malformed


def _newer(binding: Binding, request: Request) -> bool:
    return binding.call_id != request.call_id or binding.cseq < request.cseq


def _find(bindings: list[Binding], address: NameAddr) -> Binding | None:
    """The binding of the same contact, by URI comparison or by the instance (RFC 5626)."""
    uri = parse_uri(address.uri)
    instance = unquote(address.params.get("+sip.instance", ""))
    for item in bindings:
        if instance and item.instance == instance:
            return item
        if item.contact == address.uri or parse_uri(item.contact) == uri:
            return item
    return None

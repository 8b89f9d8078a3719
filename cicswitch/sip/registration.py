"""Our registration at a provider (RFC 3261 section 10.2), and the OPTIONS ping of a trunk.

IDLE -> REGISTERING -> REGISTERED -> (half of the life) REGISTERING ...
             `-> FAILED -> (back-off) REGISTERING
any -> UNREGISTERING -> IDLE
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from cicswitch.core.timers import Timer
from cicswitch.sip.auth import Credentials
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Response
from cicswitch.sip.uri import UriError, parse_name_addr, parse_uri
from cicswitch.sip.user_agent import UserAgent

__all__ = ["Ping", "Registration", "RegistrationState"]


class RegistrationState(Enum):
    """See the drawing above."""

    IDLE = "idle"
    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"
    UNREGISTERING = "unregistering"


class Registration:
    """Keeps one binding alive at a registrar. `on_change(now, registration)` after each change.

    `registrar` is the Request-URI (`sip:provider.example`), `aor` the name-addr of To and From.
    """

    def __init__(
        self,
        agent: UserAgent,
        registrar: str,
        aor: str,
        flow: Flow,
        credentials: Credentials,
        *,
        contact_user: str = "",
        expires_s: int = 3600,
        on_change: Callable[[float, Registration], None] | None = None,
        retry_s: float = 5.0,
        max_retry_s: float = 300.0,
    ) -> None:
        self.state = RegistrationState.IDLE
        self.flow = flow
        self.last_status = 0
        self._agent = agent
        self._registrar = registrar
        self._aor = aor
        self._credentials = credentials
        self._contact_user = contact_user or agent.settings.contact_user
        self._expires_s = expires_s
        self._on_change = on_change
        self._retry_s = retry_s
        self._max_retry_s = max_retry_s
        self._failures = 0
        self._timer: Timer | None = None
        self._cseq = 0
        # Section 10.2: "All registrations from a UAC SHOULD use the same Call-ID header field
        # value for registrations sent to a particular registrar."
        self._call_id = agent.tokens.token(24)

    def start(self, now: float) -> None:
        """Register now, and keep it up. Nothing changes if that is being done already."""
        if self.state not in (RegistrationState.REGISTERING, RegistrationState.REGISTERED):
            self._cancel_timer()
            self._send(now, self._expires_s)
            self._become(now, RegistrationState.REGISTERING)

    def stop(self, now: float) -> None:
        """Unregister. Idempotent; IDLE follows with the answer or its timeout."""
        self._cancel_timer()
        if self.state in (RegistrationState.IDLE, RegistrationState.UNREGISTERING):
            return
        if self.state is RegistrationState.FAILED:
            self._become(now, RegistrationState.IDLE)
            return
        self._send(now, 0)
        self._become(now, RegistrationState.UNREGISTERING)

    def _send(self, now: float, expires_s: int) -> None:
        # A retry with credentials takes the next number too, so leave room for its attempts.
        self._cseq += 10
        contact = self.flow.listener.contact(self._contact_user)
        cseq = self._cseq
        self._agent.request(
            now,
            "REGISTER",
            self._registrar,
            self.flow,
            self._aor,
            self._aor,
            on_final=lambda when, status, response: self._final(when, cseq, status, response),
            headers=(("Contact", contact), ("Expires", str(expires_s))),
            credentials=self._credentials,
            call_id=self._call_id,
            cseq=cseq,
        )

    def _final(self, now: float, cseq: int, status: int, response: Response | None) -> None:
        if cseq != self._cseq or self.state is RegistrationState.IDLE:
            return
        self.last_status = status
        if self.state is RegistrationState.UNREGISTERING:
            self._become(now, RegistrationState.IDLE)
            return
        if response is not None and 200 <= status < 300:
            self._failures = 0
            granted = self._granted(response)
            # About half of its life, and never later than it lives.
            self._timer = self._agent.wheel.at(now + max(1.0, granted / 2), self._refresh)
            self._become(now, RegistrationState.REGISTERED)
            return
        if status == 423 and response is not None:
            minimum = response.get("Min-Expires")
            if minimum.isdigit() and minimum.isascii() and len(minimum) < 7:
                # Section 10.2.8: retry with an interval "equal to or greater than the expiration
                # interval within the Min-Expires header field".
                wanted = int(minimum)
                if wanted > self._expires_s:
                    self._expires_s = wanted
                    self._send(now, wanted)
                    return
        self._failures += 1
        wait = min(self._max_retry_s, self._retry_s * 2.0 ** min(self._failures - 1, 16))
        retry_after = "" if response is None else response.get("Retry-After")
        digits = retry_after.partition(";")[0].partition("(")[0].strip()
        if digits.isdigit() and digits.isascii() and len(digits) < 6:
            wait = max(wait, float(digits))
        # A tenth of jitter, so that a provider's restart is not met by all at once.
        wait *= 1.0 + int(self._agent.tokens.token(2), 16) / 2560
        self._timer = self._agent.wheel.at(now + wait, self._refresh)
        self._become(now, RegistrationState.FAILED)

    def _granted(self, response: Response) -> float:
        mine = self.flow.listener
        for value in response.get_list("Contact"):
            try:
                address = parse_name_addr(value)
                uri = parse_uri(address.uri)
            except UriError:
                continue
            if uri.host == mine.host and (uri.port or 5060) == mine.port:
                expires = address.params.get("expires", "")
                if expires.isdigit() and expires.isascii() and len(expires) < 8:
                    return float(expires)
        expires = response.get("Expires")
        if expires.isdigit() and expires.isascii() and len(expires) < 8:
            return float(expires)
        return float(self._expires_s)

    def _refresh(self, now: float) -> None:
        self._timer = None
        self._send(now, self._expires_s)
        if self.state is not RegistrationState.REGISTERED:
            self._become(now, RegistrationState.REGISTERING)

    def _become(self, now: float, state: RegistrationState) -> None:
        if state is not self.state:
            self.state = state
            if self._on_change is not None:
                self._on_change(now, self)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Ping:
    """OPTIONS to a trunk every `interval_s`: up after one answer, down after `failures` without.

    Any final response is a sign of life, except 408 and 503. `up` is None before the first
    verdict; `on_change(now, up)` at each change.
    """

    def __init__(
        self,
        agent: UserAgent,
        target: str,
        flow: Flow,
        *,
        interval_s: float = 30.0,
        failures: int = 2,
        on_change: Callable[[float, bool], None] | None = None,
    ) -> None:
        self.up: bool | None = None
        self.last_status = 0
        self._agent = agent
        self._target = target
        self._flow = flow
        self._interval_s = interval_s
        self._limit = failures
        self._failed = 0
        self._on_change = on_change
        self._timer: Timer | None = None
        self._running = False

    def start(self, now: float) -> None:
        """Send the first ping. Idempotent."""
        if not self._running:
            self._running = True
            self._send(now)

    def stop(self) -> None:
        """Send no more. Idempotent."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self, now: float) -> None:
        self._timer = None
        me = self._flow.listener.contact(self._agent.settings.contact_user)
        self._agent.request(
            now,
            "OPTIONS",
            self._target,
            self._flow,
            me,
            on_final=self._final,
            headers=(("Accept", "application/sdp"), ("Contact", me)),
        )

    def _final(self, now: float, status: int, response: Response | None) -> None:
        if not self._running:
            return
        self.last_status = status
        if response is not None and status not in (408, 503):
            self._failed = 0
            up = True
        else:
            self._failed += 1
            up = bool(self.up) and self._failed < self._limit
            if self.up is None and self._failed < self._limit:
                self._timer = self._agent.wheel.at(now + self._interval_s, self._send)
                return
        self._timer = self._agent.wheel.at(now + self._interval_s, self._send)
        if up is not self.up:
            self.up = up
            if self._on_change is not None:
                self._on_change(now, up)

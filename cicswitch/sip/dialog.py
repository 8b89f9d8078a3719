"""Dialogs (RFC 3261 section 12): identifiers, sequence numbers, route set, remote target."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cicswitch.sip.flow import Flow
from cicswitch.sip.uri import uri_of

if TYPE_CHECKING:
    from cicswitch.sip.message import Request, Response

__all__ = ["Dialog", "host_port", "next_flow"]


@lru_cache(maxsize=8192)
def host_port(uri: str) -> tuple[str, int]:
    """Host and port of a SIP URI that was checked before, without brackets; port 5060 if none."""
    start = uri.rfind("@") + 1 or uri.find(":") + 1
    end = len(uri)
    for stop in (";", "?"):
        position = uri.find(stop, start)
        if 0 <= position < end:
            end = position
    place = uri[start:end]
    if place[:1] == "[":
        host, _, port = place[1:].partition("]")
        port = port[1:]
    else:
        host, _, port = place.partition(":")
    if port.isdigit() and port.isascii() and len(port) < 6 and int(port) < 65536:
        return host, int(port)
    return host, 5061 if uri[:5].lower() == "sips:" else 5060


@lru_cache(maxsize=8192)
def _is_literal(host: str) -> bool:
    """Whether a datagram can be sent there without DNS; a zone would be one of our own links."""
    try:
        return "%" not in host and bool(ip_address(host))
    except ValueError:
        return False


def next_flow(uri: str, flow: Flow, behind_nat: bool) -> Flow:
    """Where a request to `uri` goes, when `flow` is where the peer was seen.

    Without DNS in the core a name keeps the flow, and so does a stream, whose connection is the
    only sure way back. An address behind a NAT is of no use from outside.
    """
    if behind_nat or flow.listener.reliable:
        return flow
    place = host_port(uri)
    if place == flow.remote or not _is_literal(place[0]):
        return flow
    if (":" in place[0]) != (":" in flow.remote[0]):
        # A socket of one family cannot send to the other.
        return flow
    if ";transport=" in uri and ";transport=udp" not in uri.lower():
        return flow
    return Flow(flow.listener, place, None)


class Dialog:
    """One dialog, early or confirmed, of either role.

    `local` and `remote` are whole From or To values with their tags; `remote_target` is a raw
    URI, `routes` the route set as name-addr values, first hop first. `local_cseq` is the last
    number that we used, `remote_cseq` the last that we saw (-1 for none).
    """

    __slots__ = (
        "_head",
        "_uri",
        "call_id",
        "flow",
        "local",
        "local_cseq",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "routes",
    )

    def __init__(
        self,
        call_id: str,
        local: str,
        remote: str,
        remote_tag: str,
        remote_target: str,
        routes: list[str],
        local_cseq: int,
        remote_cseq: int,
        flow: Flow,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.routes = routes
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.flow = flow
        self._head = ""
        self._uri = ""

    @classmethod
    def of_request(cls, request: Request, local: str, flow: Flow) -> Dialog:
        """The callee's side (RFC 3261 section 12.1.1)."""
        target = uri_of(request.first.get("Contact", request.from_))
        # "The route set MUST be set to the list of URIs in the Record-Route header field from
        # the request, taken in order and preserving all URI parameters."
        routes = request.get_list("Record-Route") if "Record-Route" in request.first else []
        behind_nat = not request.sent_by.startswith(flow.remote[0]) and not _same_host(
            request.sent_by, flow.remote[0]
        )
        hop = uri_of(routes[0]) if routes else target
        return cls(
            request.call_id,
            local,
            request.from_,
            request.from_tag,
            target,
            routes,
            0,
            request.cseq,
            next_flow(hop, flow, behind_nat),
        )

    @classmethod
    def of_response(
        cls, response: Response, local: str, target: str, flow: Flow, behind_nat: bool
    ) -> Dialog:
        """The caller's side (RFC 3261 section 12.1.2). `target` is used if there is no Contact."""
        contact = response.first.get("Contact")
        if contact is not None:
            target = uri_of(contact)
        # "The route set MUST be set to the list of URIs in the Record-Route header field from
        # the response, taken in reverse order".
        routes = response.get_list("Record-Route")[::-1] if "Record-Route" in response.first else []
        hop = uri_of(routes[0]) if routes else target
        return cls(
            response.call_id,
            local,
            response.to,
            response.to_tag,
            target,
            routes,
            response.cseq,
            -1,
            next_flow(hop, flow, behind_nat),
        )

    def refresh_target(self, contact: str) -> None:
        """A target refresh request or its response named a new Contact (section 12.2)."""
        target = uri_of(contact)
        if target and target != self.remote_target:
            self.remote_target = target
            self._head = ""
            if not self.routes:
                self.flow = next_flow(target, self.flow, _nat_guess(target, self.flow))

    def request(
        self, method: str, branch: str, cseq: int, extra: str = "", body: bytes = b""
    ) -> bytes:
        """A request inside the dialog as bytes. `extra` is whole header lines."""
        if not self._head:
            self._prepare()
        text = (
            f"{method} {self._uri} SIP/2.0\r\nVia: {self.flow.listener.via_prefix}{branch}\r\n"
            f"{self._head}CSeq: {cseq} {method}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return text.encode() + body if body else text.encode()

    def _prepare(self) -> None:
        """Request-URI and the fixed headers (RFC 3261 section 12.2.1.1)."""
        uri, routes = self.remote_target, self.routes
        if routes and ";lr" not in uri_of(routes[0]).lower():
            # "If the route set is not empty, and its first URI does not contain the lr parameter,
            # the UAC MUST place the first URI from the route set into the Request-URI [...] The
            # UAC MUST then place the remote target URI into the Route header field as the last
            # value."
            uri, routes = uri_of(routes[0]), [*routes[1:], f"<{uri}>"]
        self._uri = uri
        route = "".join(f"Route: {value}\r\n" for value in routes)
        self._head = (
            f"{route}Max-Forwards: 70\r\nFrom: {self.local}\r\nTo: {self.remote}\r\n"
            f"Call-ID: {self.call_id}\r\n"
        )


def _same_host(sent_by: str, host: str) -> bool:
    return sent_by.startswith("[") and sent_by[1:].partition("]")[0] == host


def _nat_guess(target: str, flow: Flow) -> bool:
    """A new Contact on another host than the one the peer was seen at: leave the flow alone.

    A peer that moved says so from its new address; one that names an address that we never saw
    is more often behind a NAT.
    """
    return host_port(target)[0] != flow.remote[0]

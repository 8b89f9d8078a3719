"""Server transactions, INVITE and others (RFC 3261 section 17.2, RFC 6026, RFC 3581)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from cicswitch.core.timers import Timer
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Request
from cicswitch.sip.names import REASONS
from cicswitch.sip.parse import parse_via
from cicswitch.sip.transaction.tables import (
    INVITE_SERVER,
    REQUEST_SERVER,
    Action,
    ServerInput,
    ServerState,
    Transitions,
)
from cicswitch.sip.uri import UriError, split_commas
from cicswitch.sip.write import header_lines

if TYPE_CHECKING:
    from cicswitch.sip.user_agent import UserAgent

__all__ = ["ServerTransaction", "ServerUser", "response_path", "server_key"]

_TRYING: Final = int(ServerState.TRYING)
_PROCEEDING: Final = int(ServerState.PROCEEDING)
_COMPLETED: Final = int(ServerState.COMPLETED)
_CONFIRMED: Final = int(ServerState.CONFIRMED)
_ACCEPTED: Final = int(ServerState.ACCEPTED)
_TERMINATED: Final = int(ServerState.TERMINATED)
_PASS: Final = int(Action.PASS)
_RESEND: Final = int(Action.RESEND)
_FAIL: Final = int(Action.FAIL)
_END: Final = int(Action.END)
_SEND: Final = int(Action.SEND)
_ON_REQUEST: Final = int(ServerInput.REQUEST)
_ON_ACK: Final = int(ServerInput.ACK)
_ON_SUCCESS: Final = int(ServerInput.SEND_SUCCESS)
_ON_FAILURE: Final = int(ServerInput.SEND_FAILURE)
_ON_PROVISIONAL: Final = int(ServerInput.SEND_PROVISIONAL)
_ON_RETRANSMIT: Final = int(ServerInput.RETRANSMIT)
_ON_TIMEOUT: Final = int(ServerInput.TIMEOUT)
_ON_LINGER: Final = int(ServerInput.LINGER)
_ON_ERROR: Final = int(ServerInput.ERROR)

Headers = Sequence[tuple[str, str]]
TRYING_S: Final = 0.2


class ServerUser(Protocol):
    """The transaction user of an INVITE server transaction."""

    def on_cancel(self, request: Request, now: float) -> None:
        """A CANCEL matched the INVITE before its final response."""

    def on_transport_error(self, now: float) -> None:
        """The transport failed before the final response."""


def server_key(request: Request, method: str) -> str:
    """RFC 3261 section 17.2.3: branch, sent-by and method; without magic cookie the RFC 2543 way.

    `method` is INVITE for an ACK or CANCEL that shall find its INVITE.
    """
    branch = request.branch
    if branch[:7] == "z9hG4bK" and len(branch) > 7:
        return f"{branch} {request.sent_by} {method}"
    uri = request.uri
    return f"{uri} {request.from_tag} {request.call_id} {request.cseq} {request.via} {method}"


def response_path(request: Request, flow: Flow) -> tuple[str, Flow]:
    """The Via lines that a response repeats, and the flow that it takes (RFC 3581 section 4)."""
    via = request.via
    host, port = flow.remote
    repeated = request.repeated
    sent_by = request.sent_by
    if ";rport" in via and ";rport=" not in via and "," not in via:
        # "When a server compliant to this specification receives a request, it [...] MUST set
        # the value of the parameter to the source port of the request. [...] MUST insert a
        # "received" parameter".
        via = via.replace(";rport", f";received={host};rport={port}", 1)
    elif sent_by != f"{host}:{port}" or "," in via or ";rport" in via:
        via, flow = _old_path(via, sent_by, flow)
    if repeated is not None and "Via" in repeated:
        rest = repeated["Via"][1:]
        return f"Via: {via}\r\n" + "".join(f"Via: {line}\r\n" for line in rest), flow
    return f"Via: {via}\r\n", flow


def _old_path(via: str, sent_by: str, flow: Flow) -> tuple[str, Flow]:
    """Without rport, or with several Via values in one line (RFC 3261 section 18.2)."""
    host, source_port = flow.remote
    top, *rest = split_commas(via)
    try:
        parsed = parse_via(top)
    except UriError:
        return via, flow
    rport = "rport" in parsed.params
    if rport:
        # A value that the client gave is none of its business: ours goes first.
        top = ";".join(
            part for part in top.split(";") if not part.strip().lower().startswith("rport")
        )
        top = f"{top};rport={source_port}"
    if rport or parsed.host != host:
        # RFC 3261 section 18.2.1: "the server MUST add a "received" parameter to that Via".
        top = f"{top};received={host}"
    if not rport and not flow.listener.reliable:
        # RFC 3261 section 18.2.2: to the received address, "using the port indicated in the
        # sent-by value, or using port 5060 if none is specified".
        port = 5060 if parsed.port is None else parsed.port
        if port != source_port:
            flow = Flow(flow.listener, (host, port), None)
    return ", ".join([top, *rest]), flow


class ServerTransaction:
    """One request of a peer until its response is done with.

    `head` and `tail` are the header lines that every response repeats, split where our To tag
    goes. `request` and `user` are dropped with the final response; only its bytes stay.
    """

    __slots__ = (
        "agent",
        "deadline",
        "flow",
        "head",
        "interval",
        "key",
        "method",
        "request",
        "response",
        "state",
        "table",
        "tag",
        "tail",
        "timer",
        "user",
    )

    def __init__(self, agent: UserAgent, key: str, request: Request, flow: Flow) -> None:
        self.agent = agent
        self.key = key
        self.method = method = request.method
        self.request: Request | None = request
        vias, self.flow = response_path(request, flow)
        self.head = f"{vias}From: {request.from_}\r\nTo: {request.to}"
        self.tail = f"\r\nCall-ID: {request.call_id}\r\nCSeq: {request.cseq} {method}\r\n"
        self.tag = ""
        self.user: ServerUser | None = None
        if method == "INVITE":
            self.table: Transitions = INVITE_SERVER
            self.state = _PROCEEDING
        else:
            self.table = REQUEST_SERVER
            self.state = _TRYING
        self.timer: Timer | None = None
        self.response = b""
        agent.servers[key] = self

    @property
    def answered(self) -> bool:
        """Whether a final response was sent."""
        return self.state >= _COMPLETED

    def await_response(self, now: float) -> None:
        """Send 100 if the transaction user has sent nothing by then.

        RFC 3261 section 17.2.1: "The server transaction MUST generate a 100 (Trying) response
        unless it knows that the TU will generate a provisional or final response within 200 ms".
        One message in seven of a call, and the client repeats its INVITE after 500 ms only.
        """
        self.timer = self.agent.wheel.at(now + TRYING_S, self._on_trying)

    def _on_trying(self, now: float) -> None:
        self.timer = None
        self.respond(now, 100)

    def respond(
        self,
        now: float,
        status: int,
        reason: str = "",
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """Build and send a response. A second final response is absorbed."""
        tag = ""
        if status > 100:
            request = self.request
            if not self.tag and request is not None and not request.to_tag:
                # RFC 3261 section 8.2.6.2: "the UAS MUST add a tag to the To header field".
                self.tag = ";tag=" + self.agent.tokens.token(16)
            tag = self.tag
        if status > 399:
            counters = self.agent.counters
            name = f"sent_{status}"
            counters[name] = counters.get(name, 0) + 1
        extra = header_lines(headers) if headers else ""
        if body:
            extra = f"{extra}Content-Type: {content_type}\r\n"
        reason = reason or REASONS.get(status, "Unknown")
        text = (
            f"SIP/2.0 {status} {reason}\r\n{self.head}{tag}{self.tail}"
            f"{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        self.send(now, status, text.encode() + body)

    def send(self, now: float, status: int, data: bytes) -> None:
        """Send a response that is built already."""
        given = _ON_PROVISIONAL if status < 200 else _ON_SUCCESS if status < 300 else _ON_FAILURE
        before = self.state
        self.state, action = self.table[before][given]
        if action != _SEND:
            return
        agent = self.agent
        self.response = data
        agent.outputs.append((self.flow, data))
        if (timer := self.timer) is not None:
            timer.cancel()  # nobody waits for a 100 any more
            self.timer = None
        if status < 200 or before >= _COMPLETED:
            return
        # What lingers for 32 s keeps the least that it needs.
        self.request = None
        self.user = None
        self.head = self.tail = self.tag = ""
        if self.table is REQUEST_SERVER:
            # Timer J: 64*T1 on unreliable transports, zero on reliable ones.
            if self.flow.listener.reliable:
                self.forget()
            else:
                agent.linger_64_t1.add(now, self)
        elif given == _ON_SUCCESS:
            # Timer L, on all transports: RFC 6026 section 8.7.
            agent.linger_64_t1.add(now, self)
            self.response = b""
        else:
            self.deadline = now + agent.t1_64
            if self.flow.listener.reliable:
                self.interval = 0.0
                self.timer = agent.wheel.at(self.deadline, self._on_timer)
            else:
                self.interval = agent.t1
                self.timer = agent.wheel.at(now + agent.t1, self._on_timer)

    def receive(self, request: Request, now: float) -> bool:
        """A retransmission or an ACK. True if an ACK is for the transaction user."""
        if request.method == "ACK":
            before = self.state
            self.state, action = self.table[before][_ON_ACK]
            if before == _COMPLETED and self.state == _CONFIRMED:
                if (timer := self.timer) is not None:
                    timer.cancel()
                    self.timer = None
                self.response = b""
                # Timer I: T4 on unreliable transports, zero on reliable ones.
                if self.flow.listener.reliable:
                    self.forget()
                else:
                    self.agent.linger_t4.add(now, self)
            return action == _PASS
        self.agent.counters["retransmissions_in"] += 1
        self.handle(_ON_REQUEST, now)
        return False

    def _on_timer(self, now: float) -> None:
        self.handle(_ON_TIMEOUT if now >= self.deadline else _ON_RETRANSMIT, now)

    def linger_over(self, now: float) -> None:
        """Timer I, J or L has fired."""
        self.handle(_ON_LINGER, now)

    def fail(self, now: float) -> None:
        """The transport could not deliver."""
        self.handle(_ON_ERROR, now)

    def handle(self, given: int, now: float) -> None:
        """An input that is neither ACK nor a response to send."""
        self.state, action = self.table[self.state][given]
        if action == _RESEND:
            agent = self.agent
            if self.response:
                agent.outputs.append((self.flow, self.response))
                agent.counters["retransmissions_out"] += 1
            elif self.table is INVITE_SERVER:
                self.respond(now, 100)  # the client is impatient
            if given == _ON_RETRANSMIT:
                # Timer G doubles up to T2 (RFC 3261 section 17.2.1).
                self.interval = min(self.interval * 2, agent.t2)
                due = min(now + self.interval, self.deadline)
                self.timer = agent.wheel.at(due, self._on_timer)
        elif action in (_END, _FAIL):
            user = self.user
            self.forget()
            if action == _FAIL and user is not None:
                user.on_transport_error(now)

    def forget(self) -> None:
        """Drop everything and leave the table."""
        self.state = _TERMINATED
        self.request = None
        self.user = None
        self.response = b""
        if (timer := self.timer) is not None:
            timer.cancel()
            self.timer = None
        servers = self.agent.servers
        if servers.get(self.key) is self:
            del servers[self.key]

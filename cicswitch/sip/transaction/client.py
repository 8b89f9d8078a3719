"""Client transactions, INVITE and others (RFC 3261 section 17.1, RFC 6026)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cicswitch.core.timers import Timer
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Response
from cicswitch.sip.transaction.tables import (
    INVITE_CLIENT,
    REQUEST_CLIENT,
    Action,
    ClientInput,
    ClientState,
    Transitions,
)

if TYPE_CHECKING:
    from cicswitch.sip.user_agent import UserAgent

__all__ = ["ClientTransaction", "ClientUser", "ack_of", "cancel_of", "client_key"]

_TRYING: Final = int(ClientState.TRYING)
_PROCEEDING: Final = int(ClientState.PROCEEDING)
_COMPLETED: Final = int(ClientState.COMPLETED)
_ACCEPTED: Final = int(ClientState.ACCEPTED)
_TERMINATED: Final = int(ClientState.TERMINATED)
_PASS: Final = int(Action.PASS)
_RESEND: Final = int(Action.RESEND)
_ACK: Final = int(Action.ACK)
_ACK_AND_PASS: Final = int(Action.ACK_AND_PASS)
_TIMEOUT: Final = int(Action.TIMEOUT)
_FAIL: Final = int(Action.FAIL)
_END: Final = int(Action.END)
_ON_RETRANSMIT: Final = int(ClientInput.RETRANSMIT)
_ON_TIMEOUT: Final = int(ClientInput.TIMEOUT)
_ON_LINGER: Final = int(ClientInput.LINGER)
_ON_ERROR: Final = int(ClientInput.ERROR)


class ClientUser(Protocol):
    """The transaction user of a client transaction."""

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response that the transaction passes up."""

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """No final response came: 408 after Timer B or F, 503 when the transport failed."""


def client_key(branch: str, method: str) -> str:
    """RFC 3261 section 17.1.3: the branch, and the method because CANCEL shares its branch."""
    return branch if method != "CANCEL" else branch + " CANCEL"


class ClientTransaction:
    """One request of ours until its responses are done with.

    `data` is the request as bytes. `user` is dropped as soon as nothing more can come. `ack` holds
    the ACK of an INVITE: for a failure this transaction makes it, for a 2xx the session puts it
    here together with `to_tag`, so that a repeated 2xx finds it even after the session's end.
    """

    __slots__ = (
        "ack",
        "agent",
        "attempts",
        "data",
        "deadline",
        "flow",
        "interval",
        "key",
        "method",
        "state",
        "table",
        "timer",
        "to_tag",
        "user",
    )

    def __init__(
        self,
        agent: UserAgent,
        method: str,
        branch: str,
        flow: Flow,
        data: bytes,
        user: ClientUser | None,
    ) -> None:
        self.agent = agent
        self.method = method
        self.key = branch if method != "CANCEL" else branch + " CANCEL"
        self.flow = flow
        self.data = data
        self.user = user
        self.table: Transitions = INVITE_CLIENT if method == "INVITE" else REQUEST_CLIENT
        self.state = _TRYING
        self.timer: Timer | None = None
        self.ack: tuple[Flow, bytes] | None = None
        self.to_tag = ""
        self.attempts = 0

    def start(self, now: float) -> None:
        """Send the request and set its timers."""
        agent = self.agent
        agent.clients[self.key] = self
        agent.outputs.append((self.flow, self.data))
        self.deadline = now + agent.t1_64
        if self.flow.listener.reliable:
            self.interval = 0.0
            self.timer = agent.wheel.at(self.deadline, self._on_timer)
        else:
            self.interval = interval = agent.t1
            self.timer = agent.wheel.at(now + interval, self._on_timer)

    def receive(self, response: Response, now: float) -> None:
        """A response that matches this transaction."""
        status = response.status
        given = 0 if status < 200 else 1 if status < 300 else 2
        before = self.state
        self.state, action = self.table[before][given]
        if action == _PASS:
            if given == 0:
                if self.table is INVITE_CLIENT:
                    # RFC 3261 section 17.1.1.2: "the client transaction SHOULD NOT retransmit
                    # the request any longer" after a provisional response.
                    if (timer := self.timer) is not None:
                        timer.cancel()
                        self.timer = None
                else:
                    # RFC 3261 section 17.1.2.2: Timer E runs with T2 in Proceeding.
                    self.interval = self.agent.t2
            elif before < _COMPLETED:
                self._finish(now)
            elif response.to_tag == self.to_tag and self.ack is not None:
                # The same 2xx again: RFC 3261 section 13.2.2.4, "the ACK MUST be passed to the
                # client transport every time a retransmission of the 2xx [...] arrives".
                self.agent.outputs.append(self.ack)
                return
            user = self.user
            if user is not None:
                if self.state == _COMPLETED:
                    self.user = None
                user.on_response(self, response, now)
                if self.state != _PROCEEDING:
                    self.data = b""
            elif given == 1 and self.table is INVITE_CLIENT:
                self.agent.end_stray(self, response, now)
        elif action == _ACK_AND_PASS:
            self.ack = (self.flow, ack_of(self.data, response.to))
            self.agent.outputs.append(self.ack)
            self._finish(now)
            user, self.user = self.user, None
            if user is not None:
                user.on_response(self, response, now)
            self.data = b""
        elif action == _ACK and self.ack is not None:
            self.agent.outputs.append(self.ack)

    def _finish(self, now: float) -> None:
        """A final response came: no more timers but the one that absorbs retransmissions."""
        if (timer := self.timer) is not None:
            timer.cancel()
            self.timer = None
        agent = self.agent
        if self.table is INVITE_CLIENT:
            # Timer D is zero on reliable transports; Timer M never is (RFC 6026 section 8.4).
            if self.state == _ACCEPTED or not self.flow.listener.reliable:
                agent.linger_64_t1.add(now, self)
            else:
                self._forget()
        elif self.flow.listener.reliable:
            self._forget()
        else:
            agent.linger_t4.add(now, self)

    def _on_timer(self, now: float) -> None:
        self.handle(_ON_TIMEOUT if now >= self.deadline else _ON_RETRANSMIT, now)

    def linger_over(self, now: float) -> None:
        """Timer D, K or M has fired."""
        self.handle(_ON_LINGER, now)

    def fail(self, now: float) -> None:
        """The transport could not deliver."""
        self.handle(_ON_ERROR, now)

    def handle(self, given: int, now: float) -> None:
        """An input that is no response."""
        self.state, action = self.table[self.state][given]
        if action == _RESEND:
            agent = self.agent
            agent.outputs.append((self.flow, self.data))
            agent.counters["retransmissions_out"] += 1
            interval = self.interval * 2
            if self.table is REQUEST_CLIENT and interval > agent.t2:
                interval = agent.t2
            self.interval = interval
            due = min(now + interval, self.deadline)
            self.timer = agent.wheel.at(due, self._on_timer)
        elif action in (_TIMEOUT, _FAIL):
            self._forget()
            user, self.user = self.user, None
            if user is not None:
                user.on_failure(self, 408 if action == _TIMEOUT else 503, now)
            self.data = b""
        elif action == _END:
            self._forget()
            self.user = None

    def abandon(self) -> None:
        """End without a word to the user: it has given up."""
        self.user = None
        self._forget()

    def _forget(self) -> None:
        self.state = _TERMINATED
        if (timer := self.timer) is not None:
            timer.cancel()
            self.timer = None
        clients = self.agent.clients
        if clients.get(self.key) is self:
            del clients[self.key]


def _pick(data: bytes, method: str, to: str | None) -> bytes:
    """ACK and CANCEL repeat parts of their INVITE (RFC 3261 sections 9.1, 17.1.1.3)."""
    head = data.partition(b"\r\n\r\n")[0].decode()
    lines = head.split("\r\n")
    uri = lines[0].split(" ")[1]
    out = [f"{method} {uri} SIP/2.0"]
    via_seen = False
    for line in lines[1:]:
        name = line.partition(":")[0]
        if name == "Via":
            # "The ACK MUST contain a single Via header field, and this MUST be equal to the top
            # Via header field of the original request."
            if not via_seen:
                out.append(line)
            via_seen = True
        elif name == "To":
            out.append(line if to is None else f"To: {to}")
        elif name == "CSeq":
            out.append(f"{line.rpartition(' ')[0]} {method}")
        elif name in ("Route", "From", "Call-ID", "Max-Forwards") or (
            method == "ACK" and name in ("Authorization", "Proxy-Authorization")
        ):
            out.append(line)
    out.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(out).encode()


def ack_of(data: bytes, to: str) -> bytes:
    """The ACK for a failure response, made of our INVITE and the To of the response."""
    return _pick(data, "ACK", to)


def cancel_of(data: bytes) -> bytes:
    """The CANCEL for our INVITE."""
    return _pick(data, "CANCEL", None)

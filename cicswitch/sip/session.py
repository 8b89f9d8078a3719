"""InviteSession: one call leg, the INVITE usage of a dialog, for both roles (RFC 3261 13 to 15).

Bodies are opaque bytes. A session owns at most one offer at a time in each direction: `offer` is
our re-INVITE or UPDATE that is on its way, `pending` the peer's that waits for our answer. What
arrives is handled in `session_requests` and `session_responses`; the verbs are here.

    CALLING --> PROCEEDING --> ESTABLISHED --> ENDED      we call
        `--------`--> CANCELLING --> ENDED
    INCOMING --> ACCEPTED --> ESTABLISHED --> ENDED       we are called
                     `--> ENDING (our BYE waits for ACK) --> ENDED
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cicswitch.core.errors import Conflict
from cicswitch.core.timers import Timer
from cicswitch.sip import session_requests, session_responses, session_timer
from cicswitch.sip.auth import Credentials
from cicswitch.sip.dialog import Dialog
from cicswitch.sip.events import EndedBy, SessionCancelled, SessionEnded, SessionRejected
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import Request, Response
from cicswitch.sip.names import REASONS
from cicswitch.sip.session_state import (
    ACCEPTED,
    CALLING,
    CANCELLING,
    ENDED,
    ENDING,
    ESTABLISHED,
    INCOMING,
    PROCEEDING,
    SessionState,
)
from cicswitch.sip.transaction.client import ClientTransaction, cancel_of
from cicswitch.sip.transaction.server import ServerTransaction
from cicswitch.sip.write import header_lines

if TYPE_CHECKING:
    from cicswitch.sip.user_agent import UserAgent

__all__ = ["InviteSession", "SessionState"]

Headers = Sequence[tuple[str, str]]


class InviteSession:
    """One call leg. All verbs take `now`, monotonic seconds, first.

    id: our tag in this dialog, unguessable and unique. local, remote: From and To values as they
    stand in our requests, tags included once known. contact: our Contact value. data: the
    transaction user's own slot; it should be set to None when the session is over.
    """

    __slots__ = (
        "ack_cseq",
        "agent",
        "auth_lines",
        "behind_nat",
        "call_id",
        "caller_cseq",
        "caller_tag",
        "contact",
        "credentials",
        "data",
        "dialog",
        "early",
        "flow",
        "id",
        "interval",
        "is_caller",
        "last_body",
        "local",
        "offer",
        "offer_retry",
        "ok",
        "ok_cseq",
        "ok_offered",
        "pending",
        "referrals",
        "refresh",
        "remote",
        "request",
        "state",
        "target",
        "timer",
        "timer_deadline",
        "transaction",
    )

    def __init__(
        self,
        agent: UserAgent,
        id_: str,
        call_id: str,
        is_caller: bool,
        local: str,
        remote: str,
        flow: Flow,
        contact: str,
    ) -> None:
        self.agent = agent
        self.id = id_
        self.call_id = call_id
        self.is_caller = is_caller
        self.local = local
        self.remote = remote
        self.flow = flow
        self.contact = contact
        self.state: SessionState = CALLING if is_caller else INCOMING
        self.data: Any = None
        self.request: Request | None = None
        self.dialog: Dialog | None = None
        self.transaction: ClientTransaction | ServerTransaction | None = None
        self.early: dict[str, Dialog | Response] | None = None
        self.offer: ClientTransaction | None = None
        self.offer_retry: Timer | None = None
        self.pending: ServerTransaction | None = None
        self.timer: Timer | None = None
        self.ok: tuple[Flow, bytes] | None = None
        self.ok_cseq = 0
        self.ok_offered = False
        self.ack_cseq = 0
        self.credentials: Credentials | None = None
        self.auth_lines = ""
        self.behind_nat = False
        self.target = ""
        self.refresh: session_timer.Refresh | None = None
        self.referrals: dict[int, str] | None = None
        self.last_body = b""
        self.caller_tag = ""
        self.caller_cseq = 0

    def __repr__(self) -> str:
        return f"<InviteSession {self.call_id} {self.state.name}>"

    # ---- the callee's verbs

    def ring(self, now: float, status: int = 180, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a provisional response, 101 to 199."""
        self._require(INCOMING, "ring")
        transaction = self.transaction
        assert isinstance(transaction, ServerTransaction)
        extra = header_lines(headers) if headers else ""
        transaction.send(now, status, self._answer(status, "", extra, body))

    def accept(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send 200 and repeat it until ACK arrives; without ACK after 64*T1 the call ends."""
        self._require(INCOMING, "accept")
        transaction, request = self.transaction, self.request
        assert isinstance(transaction, ServerTransaction)
        assert request is not None
        agent = self.agent
        extra = header_lines(headers) if headers else ""
        if "Session-Expires" in request.first:
            extra += session_timer.granted(self, request, now)
        data = self._answer(200, "", extra + agent.answer_lines, body)
        if self.dialog is None:
            self.dialog = Dialog.of_request(request, self.local, self.flow)
        self.state = ACCEPTED
        self.last_body = body
        self.ok_cseq = request.cseq
        self.ok_offered = bool(request.body)
        self.request = self.transaction = None
        self.repeat_ok(now, transaction.flow, data)
        transaction.send(now, 200, data)

    def reject(self, now: float, status: int, reason: str = "", headers: Headers = ()) -> None:
        """Send a final response 300 to 699; the session is over, without an event."""
        self._require(INCOMING, "reject")
        transaction = self.transaction
        assert isinstance(transaction, ServerTransaction)
        self.finish()
        transaction.respond(now, status, reason, headers)

    def _answer(self, status: int, reason: str, extra: str, body: bytes) -> bytes:
        """A response to the initial INVITE that makes or confirms the dialog."""
        transaction, request = self.transaction, self.request
        assert isinstance(transaction, ServerTransaction)
        assert request is not None
        if "Record-Route" in request.first:
            # RFC 3261 section 12.1.1: "the UAS MUST copy all Record-Route header field values
            # from the request into the response [...] and MUST maintain the order".
            lines = [f"Record-Route: {value}\r\n" for value in request.get_all("Record-Route")]
            extra = "".join(lines) + extra
        if body:
            extra += "Content-Type: application/sdp\r\n"
        text = (
            f"SIP/2.0 {status} {reason or REASONS.get(status, 'Session Progress')}\r\n"
            f"{transaction.head}{transaction.tag}{transaction.tail}"
            f"Contact: {self.contact}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        return text.encode() + body

    def repeat_ok(self, now: float, flow: Flow, data: bytes) -> None:
        """Repeat a 2xx to an INVITE, T1 doubling to T2, for 64*T1 (section 13.3.1.4)."""
        self.ok = (flow, data)
        self.interval = self.agent.t1
        self.timer_deadline = now + self.agent.t1_64
        self.timer = self.agent.wheel.at(now + self.interval, self._on_ok_timer)

    def _on_ok_timer(self, now: float) -> None:
        agent = self.agent
        self.timer = None
        if now >= self.timer_deadline:
            # RFC 3261 section 13.3.1.4: "If the server retransmits the 2xx response for 64*T1
            # seconds without receiving an ACK, the dialog is confirmed, but the session SHOULD
            # be terminated. This is accomplished with a BYE".
            self.ok = None
            reported = self.state is ENDING
            self.send_bye(now, ())
            if not reported:
                self.finish()
                agent.events.append(SessionEnded(self, EndedBy.TIMEOUT, "no ACK for our 2xx"))
            else:
                self.finish()
        elif self.ok is not None:
            # Over TCP too: a proxy on the way may have changed to UDP.
            agent.outputs.append(self.ok)
            agent.counters["retransmissions_out"] += 1
            self.interval = min(self.interval * 2, agent.t2)
            due = min(now + self.interval, self.timer_deadline)
            self.timer = agent.wheel.at(due, self._on_ok_timer)

    # ---- ending, both roles

    def end(self, now: float, headers: Headers = ()) -> None:
        """CANCEL, BYE or 480, as the state asks. Harmless when it is over already.

        SessionRejected follows a CANCEL, SessionEnded (LOCAL) a BYE; a 480 is not reported.
        """
        state = self.state
        if state is ESTABLISHED:
            self.send_bye(now, headers)
            self.finish()
            self.agent.events.append(SessionEnded(self, EndedBy.LOCAL, _reason(headers)))
        elif state is PROCEEDING:
            self.state = CANCELLING
            self.send_cancel(now, headers)
        elif state is CALLING:
            # RFC 3261 section 9.1: "If no provisional response has been received, the CANCEL
            # request MUST NOT be sent; rather, the client MUST wait for the arrival of a
            # provisional response before sending the request."
            self.state = CANCELLING
        elif state is INCOMING:
            self.reject(now, 480, headers=headers)
        elif state is ACCEPTED:
            # RFC 3261 section 15: the callee "MUST NOT send a BYE on a confirmed dialog until
            # it has received an ACK for its 2xx response or until the server transaction times
            # out."
            self.state = ENDING
            self.agent.events.append(SessionEnded(self, EndedBy.LOCAL, _reason(headers)))

    def send_bye(self, now: float, headers: Headers) -> None:
        """A BYE that needs the session no more."""
        if self.pending is not None:
            # Nobody will decide on the peer's offer any more, and no request stays unanswered.
            self.pending.respond(now, 487)
        dialog = self.dialog
        assert dialog is not None
        extra = header_lines(headers) if headers else ""
        user = None
        if self.credentials is not None:
            user = session_responses.ByeRetry(dialog, self.credentials)
            extra = f"{self.auth_lines}{extra}"
        self.send(now, "BYE", extra, user=user)

    def send_cancel(self, now: float, headers: Headers = ()) -> None:
        """CANCEL our INVITE; without a final response after 64*T1 it is over all the same."""
        invite = self.transaction
        assert isinstance(invite, ClientTransaction)
        agent = self.agent
        data = cancel_of(invite.data)
        if headers:
            data = data[:-4] + b"\r\n" + header_lines(headers).encode() + b"\r\n"
        branch = invite.key
        ClientTransaction(agent, "CANCEL", branch, invite.flow, data, None).start(now)
        self.timer = agent.wheel.at(now + agent.t1_64, self._on_cancel_timer)

    def _on_cancel_timer(self, now: float) -> None:
        invite = self.transaction
        if isinstance(invite, ClientTransaction):
            invite.abandon()
        self.finish()
        self.agent.events.append(SessionRejected(self, 408, "no answer to CANCEL", None))

    def finish(self) -> None:
        """Leave the agent's table, stop timers, break every cycle. Idempotent."""
        self.state = ENDED
        agent = self.agent
        agent.session_table.pop(self.id, None)
        if not self.is_caller and agent.callers.get(self.caller_tag) is self:
            del agent.callers[self.caller_tag]
        for timer in (self.timer, self.offer_retry):
            if timer is not None:
                timer.cancel()
        self.timer = self.offer_retry = self.ok = None
        transaction = self.transaction
        if transaction is not None:
            transaction.user = None
            self.transaction = None
        if self.offer is not None:
            self.offer.user = None
            self.offer = None
        if self.pending is not None and not self.pending.answered:
            self.pending.forget()
        self.request = self.early = self.pending = None
        if self.refresh is not None:
            self.refresh.stop()
            self.refresh = None

    # ---- inside the session

    def acknowledge(self, now: float, body: bytes) -> None:
        """Send the ACK that carries our answer, after a delayed offer of the peer."""
        session_responses.acknowledge(self, body, now)

    def reinvite(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a re-INVITE. Raises Conflict while another offer is in progress."""
        self._offer(now, "INVITE", body, headers)

    def update(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send UPDATE (RFC 3311). Raises Conflict while another offer is in progress."""
        self._offer(now, "UPDATE", body, headers)

    def _offer(self, now: float, method: str, body: bytes, headers: Headers) -> None:
        self._require(ESTABLISHED, method)
        if self.offer is not None or self.pending is not None or self.offer_retry is not None:
            # RFC 3261 section 14.1: "a UAC MUST NOT initiate a new INVITE transaction within a
            # dialog while another INVITE transaction is in progress in either direction."
            raise Conflict(f"{method}: another offer is in progress")
        self.send_offer(now, method, body, headers)

    def send_offer(
        self, now: float, method: str, body: bytes, headers: Headers
    ) -> ClientTransaction:
        """Send a re-INVITE or UPDATE without asking whether it may be sent."""
        extra = (
            f"{self.auth_lines}Contact: {self.contact}\r\n{self.agent.invite_lines}"
            f"{header_lines(headers)}{session_timer.asked(self)}"
        )
        if body:
            extra += "Content-Type: application/sdp\r\n"
            self.last_body = body
        self.offer = offer = self.send(now, method, extra, body, user=self)
        return offer

    def accept_reinvite(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer a ReinviteReceived with 200."""
        session_requests.accept_reinvite(self, body, headers, now)

    def reject_reinvite(self, now: float, status: int = 488, reason: str = "") -> None:
        """Answer a ReinviteReceived with a failure; the session goes on unchanged."""
        pending = self.pending
        if pending is None:
            raise Conflict("there is no re-INVITE or UPDATE to reject")
        self.pending = None
        pending.respond(now, status, reason)

    def refer(self, now: float, refer_to: str, headers: Headers = ()) -> None:
        """Ask the peer to call `refer_to` (a URI or name-addr); ReferAnswered follows."""
        self._require(ESTABLISHED, "refer")
        value = refer_to if "<" in refer_to else f"<{refer_to}>"
        extra = f"Refer-To: {value}\r\nContact: {self.contact}\r\n{header_lines(headers)}"
        self.send(now, "REFER", extra, user=self)

    def notify_refer(self, now: float, status: int, reason: str = "") -> None:
        """Tell how a ReferReceived goes; a status of 200 or more ends the subscription."""
        session_requests.notify_refer(self, status, reason, now)

    def info(self, now: float, content_type: str, body: bytes) -> None:
        """Send INFO with a body."""
        self._require(ESTABLISHED, "info")
        self.send(now, "INFO", f"Content-Type: {content_type}\r\n", body, user=self)

    def send(
        self,
        now: float,
        method: str,
        extra: str = "",
        body: bytes = b"",
        user: Any = None,
    ) -> ClientTransaction:
        """Send a request inside the dialog, in a transaction of its own."""
        dialog = self.dialog
        assert dialog is not None
        agent = self.agent
        dialog.local_cseq += 1
        branch = "z9hG4bK" + agent.tokens.token(16)
        data = dialog.request(method, branch, dialog.local_cseq, extra, body)
        transaction = ClientTransaction(agent, method, branch, dialog.flow, data, user)
        transaction.start(now)
        return transaction

    def _require(self, state: SessionState, verb: str) -> None:
        if self.state is not state:
            raise Conflict(f"{verb} is not possible in state {self.state.name}")

    # ---- from the transactions

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A response that a client transaction of this session passes up."""
        session_responses.on_response(self, transaction, response, now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """A client transaction of this session failed without a response."""
        session_responses.on_failure(self, transaction, status, now)

    def on_cancel(self, request: Request, now: float) -> None:
        """RFC 3261 section 9.2: the INVITE SHOULD be answered 487 at once."""
        transaction = self.transaction
        if self.state is not INCOMING or not isinstance(transaction, ServerTransaction):
            return
        self.finish()
        transaction.respond(now, 487)
        self.agent.events.append(SessionCancelled(self, request.get("Reason")))

    def on_transport_error(self, now: float) -> None:
        """The connection of our caller broke before we answered."""
        self.finish()
        self.agent.events.append(SessionCancelled(self, "the connection failed"))


def _reason(headers: Headers) -> str:
    for name, value in headers:
        if name.lower() == "reason":
            return value
    return ""

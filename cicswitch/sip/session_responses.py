"""Responses to what a session sent: the INVITE, re-INVITE and UPDATE, REFER, NOTIFY, BYE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.core.errors import Conflict
from cicswitch.sip import session_timer
from cicswitch.sip.auth import Credentials, again
from cicswitch.sip.dialog import Dialog, next_flow
from cicswitch.sip.events import (
    EndedBy,
    ProvisionalReceived,
    ReferAnswered,
    ReinviteAnswered,
    ReinviteRejected,
    SessionAccepted,
    SessionEnded,
    SessionRejected,
)
from cicswitch.sip.message import Response
from cicswitch.sip.names import REASONS
from cicswitch.sip.session_state import (
    CALLING,
    CANCELLING,
    ENDED,
    ESTABLISHED,
    PROCEEDING,
)
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.uri import uri_of

if TYPE_CHECKING:
    from cicswitch.sip.session import InviteSession

__all__ = ["ByeRetry", "acknowledge", "dialog_of", "on_failure", "on_response", "stray_dialog"]


class ByeRetry:
    """Answers a challenge to the BYE of a session that is gone already."""

    __slots__ = ("credentials", "dialog")

    def __init__(self, dialog: Dialog, credentials: Credentials) -> None:
        self.dialog = dialog
        self.credentials = credentials

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Try once more after 401 or 407."""
        if response.status in (401, 407):
            made = again(transaction, response, self.credentials, self.dialog)
            if made is not None:
                made[0].start(now)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        """Nobody is left to be told."""


def on_response(
    session: InviteSession, transaction: ClientTransaction, response: Response, now: float
) -> None:
    """Dispatch a response by the request it answers."""
    if transaction is session.transaction:
        _initial(session, transaction, response, now)
        return
    status = response.status
    if status < 200:
        return
    if transaction.method == "INVITE" and status < 300:
        _reinvite_accepted(session, transaction, response, now)
        return
    if transaction is session.offer:
        _offer_answered(session, transaction, response, now)
        return
    if status in (401, 407) and session.credentials is not None:
        made = again(transaction, response, session.credentials, session.dialog)
        if made is not None:
            made[0].user = session
            made[0].start(now)
            return
    if transaction.method == "REFER":
        session.agent.events.append(ReferAnswered(session, status))
    if status in (408, 481):
        _gone(session, transaction.method, status, now)


def _gone(session: InviteSession, method: str, status: int, now: float) -> None:
    """RFC 3261 section 12.2.1.2: after 481 or 408 "the UAC SHOULD terminate the dialog".

    A NOTIFY that fails ends only its subscription.
    """
    if session.state is not ESTABLISHED or method == "NOTIFY":
        return
    session.send_bye(now, ())
    session.finish()
    by = EndedBy.TIMEOUT if status == 408 else EndedBy.REMOTE
    session.agent.events.append(SessionEnded(session, by, f"{method} failed with {status}"))


def on_failure(
    session: InviteSession, transaction: ClientTransaction, status: int, now: float
) -> None:
    """No response: 408 for a timeout, 503 for the transport (RFC 3261 section 8.1.3.1)."""
    events = session.agent.events
    if transaction is session.transaction:
        session.finish()
        events.append(SessionRejected(session, status, REASONS[status], None))
        return
    if transaction.method == "REFER":
        events.append(ReferAnswered(session, status))
    if transaction is session.offer:
        session.offer = None
        events.append(ReinviteRejected(session, status, REASONS[status]))
    if session.state is ESTABLISHED and transaction.method != "NOTIFY":
        session.send_bye(now, ())
        session.finish()
        by = EndedBy.TIMEOUT if status == 408 else EndedBy.TRANSPORT
        events.append(SessionEnded(session, by, f"no response to {transaction.method}"))


def _initial(
    session: InviteSession, transaction: ClientTransaction, response: Response, now: float
) -> None:
    status = response.status
    state = session.state
    events = session.agent.events
    if status < 200:
        if state is CANCELLING:
            if session.timer is None:
                session.send_cancel(now)
            return
        session.state = PROCEEDING
        if status > 100:
            tag = response.to_tag
            if tag and (session.early is None or tag not in session.early):
                if session.early is None:
                    session.early = {}
                    session.remote = response.to
                session.early[tag] = response
            events.append(ProvisionalReceived(session, status, response.body, response))
        return
    if status < 300:
        if state is ESTABLISHED or state is ENDED:
            # RFC 3261 section 13.2.2.4: further 2xx from forks; we keep the first and end the
            # others: "it MUST [...] send a BYE" after the ACK.
            session.agent.end_stray(transaction, response, now)
            return
        if state is CANCELLING:
            # The 2xx crossed our CANCEL: the call exists now and must be hung up.
            session.finish()
            session.agent.end_stray(transaction, response, now)
            events.append(SessionRejected(session, 487, REASONS[487], response))
            return
        dialog = dialog_of(session, response)
        session.dialog = dialog
        session.early = None
        session.remote = response.to
        session.flow = dialog.flow
        session.state = ESTABLISHED
        session.ack_cseq = response.cseq
        if "Session-Expires" in response.first:
            session_timer.agreed(session, response, now)
        if session.last_body:
            _ack(session, transaction, b"", now)
        events.append(SessionAccepted(session, response.body, response))
        return
    if status in (401, 407) and session.credentials is not None and state is not CANCELLING:
        made = again(transaction, response, session.credentials, None)
        if made is not None:
            retry, session.auth_lines = made
            session.transaction = retry
            retry.user = session
            session.state = CALLING
            session.early = None
            retry.start(now)
            return
    session.finish()
    events.append(SessionRejected(session, status, response.reason, response))


def dialog_of(session: InviteSession, response: Response) -> Dialog:
    """The caller's dialog that a response with a To tag makes."""
    return Dialog.of_response(
        response, session.local, session.target, session.flow, session.behind_nat
    )


def _ack(session: InviteSession, transaction: ClientTransaction, body: bytes, now: float) -> None:
    """ACK for a 2xx: a request of its own kind, outside any transaction (section 13.2.2.4)."""
    dialog = session.dialog
    assert dialog is not None
    # "The sequence number of the CSeq header field MUST be the same as the INVITE being
    # acknowledged, but the CSeq method MUST be ACK. The ACK MUST contain the same credentials
    # as the INVITE."
    branch = "z9hG4bK" + session.agent.tokens.token(16)
    extra = session.auth_lines
    if body:
        extra += "Content-Type: application/sdp\r\n"
    data = dialog.request("ACK", branch, session.ack_cseq, extra, body)
    ack = (dialog.flow, data)
    transaction.ack = ack
    transaction.to_tag = dialog.remote_tag
    session.agent.outputs.append(ack)


def acknowledge(session: InviteSession, body: bytes, now: float) -> None:
    """The ACK with our answer to the offer in a 2xx."""
    if session.offer is not None and session.offer.method == "INVITE":
        transaction: object = session.offer
        session.offer = None
    else:
        transaction = session.transaction
    if session.state is not ESTABLISHED or not isinstance(transaction, ClientTransaction):
        raise Conflict("there is no offer in a 2xx to answer")
    if transaction.ack is not None:
        raise Conflict("the 2xx was acknowledged already")
    session.last_body = body
    _ack(session, transaction, body, now)


def _reinvite_accepted(
    session: InviteSession, transaction: ClientTransaction, response: Response, now: float
) -> None:
    dialog = session.dialog
    if dialog is None or transaction is not session.offer or session.state is not ESTABLISHED:
        return
    session.ack_cseq = response.cseq
    contact = response.first.get("Contact")
    if contact is not None:
        dialog.refresh_target(contact)
    if "Session-Expires" in response.first:
        session_timer.agreed(session, response, now)
    if b"application/sdp" in transaction.data:
        session.offer = None
        _ack(session, transaction, b"", now)
    if session.refresh is not None and session.refresh.quiet is transaction:
        session.refresh.quiet = None
        return
    session.agent.events.append(ReinviteAnswered(session, response.body))


def _offer_answered(
    session: InviteSession, transaction: ClientTransaction, response: Response, now: float
) -> None:
    """A failure of our re-INVITE, or any final response to our UPDATE."""
    status = response.status
    method = transaction.method
    dialog = session.dialog
    assert dialog is not None
    if status in (401, 407) and session.credentials is not None:
        made = again(transaction, response, session.credentials, dialog)
        if made is not None:
            retry, session.auth_lines = made
            session.offer = retry
            retry.user = session
            retry.start(now)
            return
    session.offer = None
    events = session.agent.events
    refresh = session.refresh
    quiet = refresh is not None and refresh.quiet is transaction
    if quiet and refresh is not None:
        refresh.quiet = None
    if status < 300:
        contact = response.first.get("Contact")
        if contact is not None:
            dialog.refresh_target(contact)
        if "Session-Expires" in response.first:
            session_timer.agreed(session, response, now)
        if not quiet:
            events.append(ReinviteAnswered(session, response.body))
        return
    if status == 491 and not quiet:
        # RFC 3261 section 14.1: "If the UAC is the owner of the Call-ID of the dialog ID [...],
        # T has a randomly chosen value between 2.1 and 4 seconds in units of 10 ms. If the UAC
        # is not the owner [...], between 0 and 2 seconds in units of 10 ms."
        chosen = int(session.agent.tokens.token(4), 16)
        wait = 2.1 + chosen % 191 * 0.01 if session.is_caller else chosen % 201 * 0.01
        body = transaction.data.partition(b"\r\n\r\n")[2]
        session.offer_retry = session.agent.wheel.at(
            now + wait, _retry_offer, session, method, body
        )
        return
    if not quiet:
        events.append(ReinviteRejected(session, status, response.reason))
    if status in (408, 481):
        _gone(session, method, status, now)


def _retry_offer(now: float, session: InviteSession, method: str, body: bytes) -> None:
    """Glare is over, hopefully: the same offer once more."""
    session.offer_retry = None
    if session.state is not ESTABLISHED:
        return
    if session.pending is not None:
        session.offer_retry = session.agent.wheel.at(now + 0.5, _retry_offer, session, method, body)
        return
    session.send_offer(now, method, body, ())


def stray_dialog(transaction: ClientTransaction, response: Response, local: str) -> Dialog | None:
    """The dialog that a 2xx from another fork has made."""
    contact = response.first.get("Contact")
    if contact is None:
        return None
    flow = transaction.flow
    dialog = Dialog.of_response(response, local, uri_of(contact), flow, False)
    dialog.flow = next_flow(uri_of(contact), flow, False) if not dialog.routes else dialog.flow
    return dialog

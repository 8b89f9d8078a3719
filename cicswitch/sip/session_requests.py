"""Requests that arrive inside a session (RFC 3261 section 12.2.2, RFC 3311, 3515, 6086)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from cicswitch.core.errors import Conflict
from cicswitch.sip import session_timer
from cicswitch.sip.dialog import Dialog
from cicswitch.sip.events import (
    EndedBy,
    InfoReceived,
    NotifyReceived,
    ReferReceived,
    ReinviteReceived,
    SessionAcked,
    SessionCancelled,
    SessionEnded,
)
from cicswitch.sip.flow import WEB
from cicswitch.sip.message import Request
from cicswitch.sip.names import REASONS
from cicswitch.sip.session_responses import dialog_of
from cicswitch.sip.session_state import ACCEPTED, ENDING, ESTABLISHED, INCOMING
from cicswitch.sip.transaction.server import ServerTransaction
from cicswitch.sip.uri import UriError, parse_name_addr, unescape
from cicswitch.sip.write import header_lines

if TYPE_CHECKING:
    from cicswitch.sip.session import InviteSession

__all__ = ["accept_reinvite", "notify_refer", "receive_ack", "receive_request"]


def receive_ack(session: InviteSession, request: Request, now: float) -> None:
    """ACK for a 2xx of ours, to the initial INVITE or to a re-INVITE."""
    if session.ok is None or request.cseq != session.ok_cseq:
        session.agent.counters["retransmissions_in"] += 1
        return
    if session.state is ENDING:
        session.send_bye(now, ())
        session.finish()
        return
    acked(session, request.body)


def acked(session: InviteSession, body: bytes = b"") -> None:
    """Our 2xx has arrived: repeat it no more."""
    session.ok = None
    timer = session.timer
    if timer is not None:
        timer.cancel()
        session.timer = None
    session.state = ESTABLISHED
    session.agent.events.append(SessionAcked(session, body))


def receive_request(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    """Any other request inside the dialog; `transaction` waits for an answer."""
    dialog = session.dialog
    method = request.method
    if dialog is None:
        if session.state is INCOMING and session.request is not None:
            dialog = Dialog.of_request(session.request, session.local, session.flow)
            session.dialog = dialog
        elif session.early is not None and request.from_tag in session.early:
            made = session.early[request.from_tag]
            # Early dialogs are made only where they are needed: here.
            dialog = made if isinstance(made, Dialog) else dialog_of(session, made)
            session.early[request.from_tag] = dialog
        else:
            transaction.respond(now, 481)
            return
    if request.cseq <= dialog.remote_cseq:
        # RFC 3261 section 12.2.2: "If the remote sequence number was not empty, but the sequence
        # number of the request is lower than the remote sequence number, the request is out of
        # order and MUST be rejected with a 500 (Server Internal Error) response."
        transaction.respond(now, 500, headers=(("Retry-After", "1"),))
        return
    dialog.remote_cseq = request.cseq
    if method == "BYE":
        _bye(session, transaction, request, now)
        return
    flow = transaction.flow
    if flow is not dialog.flow and flow.listener.transport in WEB and not dialog.routes:
        # A browser has no address (RFC 7118 section 5.2.1): it is where it was heard last.
        dialog.flow = flow
    handler = _HANDLERS.get(method)
    if handler is None:
        transaction.respond(now, 405, headers=session.agent.capabilities)
        return
    handler(session, transaction, request, now)


def _bye(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    reason = request.first.get("Reason", "")
    pending, invite = session.pending, session.transaction
    state = session.state
    transaction.respond(now, 200)
    agent = session.agent
    # RFC 3261 section 15.1.2: "It is RECOMMENDED that a 487 (Request Terminated) response be
    # generated to those pending requests."
    if pending is not None:
        pending.respond(now, 487)
    if state is INCOMING and isinstance(invite, ServerTransaction):
        session.finish()
        invite.respond(now, 487)
        agent.events.append(SessionCancelled(session, reason))
    elif state is ESTABLISHED or state is ACCEPTED:
        session.finish()
        agent.events.append(SessionEnded(session, EndedBy.REMOTE, reason))
    elif state is ENDING:
        session.finish()


def _offer(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    """A re-INVITE or UPDATE."""
    method = request.method
    if session.ok is not None and session.ok_offered and session.state is not ENDING:
        # The ACK was lost, but it had nothing to say, and a peer that goes on has our 2xx.
        acked(session)
    if session.pending is not None or session.state is ACCEPTED or session.ok is not None:
        # RFC 3261 section 14.2: "MUST return a 500 (Server Internal Error) response to the
        # second INVITE and MUST include a Retry-After header field with a randomly chosen
        # value of between 0 and 10 seconds."
        wait = int(session.agent.tokens.token(2), 16) % 11
        transaction.respond(now, 500, headers=(("Retry-After", str(wait)),))
        return
    if session.offer is not None:
        # "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog
        # is in progress MUST return a 491 (Request Pending) response to the received INVITE."
        transaction.respond(now, 491)
        return
    if session.state is not ESTABLISHED:
        transaction.respond(now, 491 if method == "UPDATE" else 500)
        return
    if session_timer.too_small(session, transaction, request, now):
        return
    contact = request.first.get("Contact")
    if contact is not None and session.dialog is not None:
        session.dialog.refresh_target(contact)
    if method == "UPDATE" and not request.body:
        transaction.respond(
            now,
            200,
            headers=[
                ("Contact", session.contact),
                *session_timer.granted_headers(session, request, now),
            ],
        )
        return
    if method == "INVITE":
        transaction.await_response(now)
    session.pending = transaction
    session.agent.events.append(ReinviteReceived(session, method, request.body))


def accept_reinvite(
    session: InviteSession, body: bytes, headers: Sequence[tuple[str, str]], now: float
) -> None:
    """200 for the pending re-INVITE or UPDATE; for a re-INVITE repeated until ACK."""
    pending = session.pending
    if pending is None:
        raise Conflict("there is no re-INVITE or UPDATE to accept")
    request = pending.request
    session.pending = None
    if pending.answered or request is None:
        return
    session.last_body = body or session.last_body
    extra = header_lines(headers) + session.agent.answer_lines
    if "Session-Expires" in request.first:
        extra += session_timer.granted(session, request, now)
    if body:
        extra += "Content-Type: application/sdp\r\n"
    text = (
        f"SIP/2.0 200 OK\r\n{pending.head}{pending.tail}Contact: {session.contact}\r\n"
        f"{extra}Content-Length: {len(body)}\r\n\r\n"
    )
    data = text.encode() + body
    if pending.method == "INVITE":
        session.ok_cseq = request.cseq
        session.ok_offered = bool(request.body)
        session.repeat_ok(now, pending.flow, data)
    pending.send(now, 200, data)


def _info(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    content_type, body = request.content_type, request.body
    package = request.get("Info-Package").partition(";")[0].strip().lower()
    if package:  # INFO of the older kind names none (RFC 6086 section 9)
        packages = dict(session.agent.settings.info_packages)
        carried = packages.get(package)
        if carried is None:
            transaction.respond(now, 469, headers=(("Recv-Info", ", ".join(packages)),))
            return
        if content_type != carried:
            transaction.respond(now, 415, headers=(("Accept", carried),))
            return
    transaction.respond(now, 200)
    session.agent.events.append(InfoReceived(session, content_type, body))


def _options(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    transaction.respond(now, 200, headers=session.agent.capabilities)


def _refer(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    targets = request.get_list("Refer-To")
    # RFC 3515 section 2.4.2: "An agent [...] MUST [...] return 400 if the request contained
    # zero or more than one Refer-To header field value".
    try:
        if len(targets) != 1:
            raise UriError("not exactly one Refer-To", 400)
        uri = parse_name_addr(targets[0]).uri
    except UriError:
        transaction.respond(now, 400, "Bad Refer-To")
        return
    if session.state is not ESTABLISHED:
        transaction.respond(now, 480)
        return
    referred_by = request.get("Referred-By")
    cseq = request.cseq
    uri, _, headers = uri.partition("?")
    replaces = ""
    for pair in headers.split("&"):
        name, _, value = pair.partition("=")
        if name.lower() == "replaces":
            replaces = unescape(value)
    transaction.respond(now, 202, headers=[("Contact", session.contact)])
    # RFC 4488 lets the referrer ask for no subscription.
    if request.get("Refer-Sub").strip().lower() != "false":
        if session.referrals is None:
            session.referrals = {}
        session.referrals[cseq] = ""
        # RFC 3515 section 2.4.4: "each NOTIFY MUST contain [...] a body of type
        # message/sipfrag", the first at once.
        _notify(session, cseq, 100, "", now)
    session.agent.events.append(ReferReceived(session, uri, replaces, referred_by))


def _notify(session: InviteSession, cseq: int, status: int, reason: str, now: float) -> None:
    state = "active;expires=180" if status < 200 else "terminated;reason=noresource"
    body = f"SIP/2.0 {status} {reason or REASONS.get(status, 'Unknown')}\r\n".encode()
    extra = (
        f"Event: refer;id={cseq}\r\nSubscription-State: {state}\r\n"
        f"Contact: {session.contact}\r\nContent-Type: message/sipfrag;version=2.0\r\n"
    )
    session.send(now, "NOTIFY", extra, body, user=session)


def notify_refer(session: InviteSession, status: int, reason: str, now: float) -> None:
    """Progress of the newest referral. Nothing is sent once the session or referral is over."""
    referrals = session.referrals
    if not referrals or session.state is not ESTABLISHED:
        return
    cseq = max(referrals)
    if status >= 200:
        del referrals[cseq]
    _notify(session, cseq, status, reason, now)


def _notified(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> None:
    event = request.get("Event").partition(";")[0].strip().lower()
    if event != "refer":
        transaction.respond(now, 489)
        return
    body = request.body
    terminated = request.get("Subscription-State").strip().lower().startswith("terminated")
    words = body[:40].split()
    status = 0
    if len(words) > 1 and words[0] == b"SIP/2.0" and words[1].isdigit() and len(words[1]) == 3:
        status = int(words[1])
    transaction.respond(now, 200)
    session.agent.events.append(NotifyReceived(session, status, terminated, body))


_HANDLERS: Final[dict[str, Callable[[InviteSession, ServerTransaction, Request, float], None]]] = {
    "INVITE": _offer,
    "UPDATE": _offer,
    "INFO": _info,
    "OPTIONS": _options,
    "REFER": _refer,
    "NOTIFY": _notified,
}

"""Session timers (RFC 4028): a session that nobody refreshes ends.

We grant what a caller asks for, and let it refresh unless it asks us to; as a caller we ask only
if the settings say so. A refresh is an UPDATE without body if the peer allows UPDATE, else a
re-INVITE with the description that we sent last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.core.timers import Timer
from cicswitch.sip.events import EndedBy, SessionEnded
from cicswitch.sip.message import Message, Request, Response
from cicswitch.sip.session_state import ESTABLISHED
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from cicswitch.sip.session import InviteSession

__all__ = ["Refresh", "agreed", "asked", "granted", "granted_headers", "too_small"]


class Refresh:
    """The timer of one session. `quiet` is a refresh of ours that nobody above asked for."""

    __slots__ = ("by_update", "interval_s", "ours", "quiet", "timer")

    def __init__(self, interval_s: int, ours: bool, by_update: bool) -> None:
        self.interval_s = interval_s
        self.ours = ours
        self.by_update = by_update
        self.timer: Timer | None = None
        self.quiet: ClientTransaction | None = None

    def stop(self) -> None:
        """Cancel the timer."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def _seconds(value: str) -> int:
    number = value.partition(";")[0].strip()
    return int(number) if number.isdigit() and number.isascii() and len(number) < 8 else 0


def _refresher(value: str) -> str:
    for part in value.lower().split(";")[1:]:
        name, _, role = part.partition("=")
        if name.strip() == "refresher":
            return role.strip()
    return ""


def _start(
    session: InviteSession, message: Message, interval_s: int, ours: bool, now: float
) -> None:
    old = session.refresh
    by_update = "UPDATE" in message.get("Allow")
    refresh = Refresh(interval_s, ours, by_update or (old is not None and old.by_update))
    if old is not None:
        refresh.quiet = old.quiet
        old.stop()
    session.refresh = refresh
    # RFC 4028 section 10: refresh at half the interval; who only waits, "SHOULD send a BYE" a
    # while before it ends: the lesser of 32 seconds and a third of the interval.
    wait = interval_s / 2 if ours else interval_s - min(32.0, interval_s / 3)
    refresh.timer = session.agent.wheel.at(now + wait, _on_timer, session)


def _on_timer(now: float, session: InviteSession) -> None:
    refresh = session.refresh
    if refresh is None:
        return
    refresh.timer = None
    agent = session.agent
    if not refresh.ours:
        if session.state is ESTABLISHED:
            session.send_bye(now, ())
            session.finish()
            agent.events.append(SessionEnded(session, EndedBy.TIMEOUT, "session not refreshed"))
        return
    if session.state is not ESTABLISHED:
        return
    if session.offer is None and session.pending is None and session.offer_retry is None:
        if refresh.by_update:
            refresh.quiet = session.send_offer(now, "UPDATE", b"", ())
        else:
            refresh.quiet = session.send_offer(now, "INVITE", session.last_body, ())
    # If the refresh gets no answer that starts a new interval, try again, later end the session.
    refresh.timer = agent.wheel.at(now + refresh.interval_s / 4, _on_timer, session)


def granted(session: InviteSession, request: Request, now: float) -> str:
    """The header lines for our 2xx, and the timer started."""
    lines = [f"{name}: {value}\r\n" for name, value in granted_headers(session, request, now)]
    return "".join(lines)


def granted_headers(session: InviteSession, request: Request, now: float) -> list[tuple[str, str]]:
    """The headers for our 2xx, and the timer started (RFC 4028 section 9)."""
    value = request.first.get("Session-Expires", "")
    interval_s = _seconds(value)
    if not interval_s:
        return []
    peer_knows = "timer" in request.get("Supported").lower()
    refresher = _refresher(value) or ("uac" if peer_knows else "uas")
    if not peer_knows:
        refresher = "uas"
    _start(session, request, interval_s, refresher == "uas", now)
    headers = [("Session-Expires", f"{interval_s};refresher={refresher}")]
    if refresher == "uac":
        # "If the refresher parameter [...] is 'uac', the UAS MUST place a Require header field
        # into the response with the value 'timer'."
        headers.insert(0, ("Require", "timer"))
    return headers


def too_small(
    session: InviteSession, transaction: ServerTransaction, request: Request, now: float
) -> bool:
    """Answer 422 if the interval is smaller than we take (RFC 4028 section 9)."""
    value = request.first.get("Session-Expires")
    if value is None:
        return False
    minimum = session.agent.settings.min_se_s
    if _seconds(value) >= minimum:
        return False
    transaction.respond(now, 422, headers=[("Min-SE", str(minimum))])
    return True


def asked(session: InviteSession) -> str:
    """The header lines of a refresh request of ours."""
    refresh = session.refresh
    if refresh is None:
        return ""
    role = "uac" if refresh.ours else "uas"
    return f"Session-Expires: {refresh.interval_s};refresher={role}\r\n"


def agreed(session: InviteSession, response: Response, now: float) -> None:
    """A 2xx to our INVITE or UPDATE carries Session-Expires (RFC 4028 section 7.2)."""
    value = response.first["Session-Expires"]
    interval_s = _seconds(value)
    if interval_s:
        _start(session, response, interval_s, _refresher(value) != "uas", now)

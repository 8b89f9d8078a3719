"""Reasons and SIP statuses (RFC 3261 section 21, RFC 3326), both ways."""

from __future__ import annotations

from typing import Final

from cicswitch.calls.reason import Reason

__all__ = ["reason_header", "reason_of", "status_of"]

_STATUS: Final = {
    Reason.NORMAL: 480,
    Reason.CANCELLED: 487,
    Reason.BUSY: 486,
    Reason.NO_ANSWER: 480,
    Reason.REJECTED: 603,
    Reason.NOT_FOUND: 404,
    Reason.UNAVAILABLE: 480,
    Reason.UNREACHABLE: 480,
    Reason.NOT_ACCEPTABLE: 488,
    Reason.CONGESTION: 503,
    Reason.OVERLOAD: 503,
    Reason.SHUTDOWN: 503,
    Reason.FORBIDDEN: 403,
    Reason.MEDIA_LOST: 500,
    Reason.ERROR: 500,
}

_REASON: Final = {
    401: Reason.FORBIDDEN,
    403: Reason.FORBIDDEN,
    404: Reason.NOT_FOUND,
    407: Reason.FORBIDDEN,
    408: Reason.UNREACHABLE,
    410: Reason.NOT_FOUND,
    415: Reason.NOT_ACCEPTABLE,
    480: Reason.UNAVAILABLE,
    484: Reason.NOT_FOUND,
    486: Reason.BUSY,
    487: Reason.CANCELLED,
    488: Reason.NOT_ACCEPTABLE,
    503: Reason.CONGESTION,
    600: Reason.BUSY,
    603: Reason.REJECTED,
    604: Reason.NOT_FOUND,
    606: Reason.NOT_ACCEPTABLE,
}


def status_of(reason: Reason) -> int:
    """The final status that refuses a call for a reason."""
    return _STATUS.get(reason, 480)


def reason_of(status: int) -> Reason:
    """Why a call failed, from its final status."""
    known = _REASON.get(status)
    if known is not None:
        return known
    return Reason.CONGESTION if status >= 500 else Reason.UNAVAILABLE


def reason_header(reason: Reason) -> tuple[tuple[str, str], ...]:
    """RFC 3326: tells the far end why; a phone shows no missed call for one answered elsewhere."""
    if reason is Reason.ANSWERED_ELSEWHERE:
        return (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),)
    if reason in (Reason.NORMAL, Reason.CANCELLED):
        return ()
    return (("Reason", f'SIP;cause={status_of(reason)};text="{reason.value}"'),)

"""Why a leg or an interaction ended: one list of words for SIP, records, reports and logs."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """The cause, as records keep it. `legs/sip` knows the SIP status of each."""

    NORMAL = "normal"
    CANCELLED = "cancelled"
    """The caller gave up before the answer."""
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    NOT_FOUND = "not-found"
    UNAVAILABLE = "unavailable"
    """Not registered, or the trunk is down."""
    UNREACHABLE = "unreachable"
    """No answer on the wire at all."""
    NOT_ACCEPTABLE = "not-acceptable"
    """No codec in common."""
    CONGESTION = "congestion"
    OVERLOAD = "overload"
    FORBIDDEN = "forbidden"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    TRANSFERRED = "transferred"
    TAKEN_OVER = "taken-over"
    """Somebody else has taken the agent's place."""
    MEDIA_TIMEOUT = "media-timeout"
    MEDIA_LOST = "media-lost"
    SIGNALLING_LOST = "signalling-lost"
    SHUTDOWN = "shutdown"
    RESTART = "restart"
    """It was open when the switch died; closed when it started again."""
    ERROR = "error"

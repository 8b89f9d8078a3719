"""The states of an InviteSession, drawn in `session`."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "ACCEPTED",
    "CALLING",
    "CANCELLING",
    "ENDED",
    "ENDING",
    "ESTABLISHED",
    "INCOMING",
    "PROCEEDING",
    "SessionState",
]


class SessionState(IntEnum):
    """States of a session."""

    CALLING = 0
    PROCEEDING = 1
    INCOMING = 2
    ACCEPTED = 3
    ESTABLISHED = 4
    CANCELLING = 5
    ENDING = 6
    ENDED = 7


CALLING, PROCEEDING = SessionState.CALLING, SessionState.PROCEEDING
INCOMING, ACCEPTED = SessionState.INCOMING, SessionState.ACCEPTED
ESTABLISHED, CANCELLING = SessionState.ESTABLISHED, SessionState.CANCELLING
ENDING, ENDED = SessionState.ENDING, SessionState.ENDED

"""InviteSession: one call leg, the INVITE usage of a dialog, for both roles."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from cicswitch.sip.flow import Flow

__all__ = ["InviteSession", "SessionState"]

Headers = Sequence[tuple[str, str]]


class SessionState(IntEnum):
    """States of a session; the first two are the caller's, the next two the callee's."""

    CALLING = 0
    PROCEEDING = 1
    INCOMING = 2
    ACCEPTED = 3  # 2xx sent, ACK awaited
    ESTABLISHED = 4
    CANCELLING = 5  # we gave up; waiting for a response
    ENDED = 6


class InviteSession:
    """One call leg. All verbs take `now`, monotonic seconds, first."""

    __slots__ = ("call_id", "data", "flow", "id", "is_caller", "local", "remote", "state")

    id: str
    """Our tag in this dialog: unguessable, unique, good as a key."""
    call_id: str
    state: SessionState
    is_caller: bool
    """True when we sent the INVITE."""
    local: str
    """Our From or To value, tag included."""
    remote: str
    """The peer's From or To value, tag included once known."""
    flow: Flow
    data: Any
    """The transaction user's own; set it to None when the session is over."""

    def ring(self, now: float, status: int = 180, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a provisional response 101 to 199."""
        raise NotImplementedError

    def accept(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send 200 and repeat it until ACK arrives."""
        raise NotImplementedError

    def reject(self, now: float, status: int, reason: str = "", headers: Headers = ()) -> None:
        """Send a final response 300 to 699; the session is over, without an event."""
        raise NotImplementedError

    def end(self, now: float, headers: Headers = ()) -> None:
        """CANCEL, BYE or 480, as the state asks. Harmless when it is over already.

        SessionRejected follows a CANCEL, SessionEnded (LOCAL) a BYE; a 480 is not reported.
        """
        raise NotImplementedError

    def acknowledge(self, now: float, body: bytes) -> None:
        """Send the ACK that carries our answer, after a delayed offer."""
        raise NotImplementedError

    def reinvite(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send a re-INVITE. Raises Conflict while another offer is in progress."""
        raise NotImplementedError

    def update(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send UPDATE (RFC 3311). Raises Conflict while another offer is in progress."""
        raise NotImplementedError

    def accept_reinvite(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer a ReinviteReceived with 200."""
        raise NotImplementedError

    def reject_reinvite(self, now: float, status: int = 488, reason: str = "") -> None:
        """Answer a ReinviteReceived with a failure; the session goes on unchanged."""
        raise NotImplementedError

    def refer(self, now: float, refer_to: str, headers: Headers = ()) -> None:
        """Ask the peer to call `refer_to` (a URI or name-addr); ReferAnswered follows."""
        raise NotImplementedError

    def notify_refer(self, now: float, status: int, reason: str = "") -> None:
        """Tell how a ReferReceived goes; a status of 200 or more ends the subscription."""
        raise NotImplementedError

    def info(self, now: float, content_type: str, body: bytes) -> None:
        """Send INFO with a body."""
        raise NotImplementedError

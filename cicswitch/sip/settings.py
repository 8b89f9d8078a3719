"""What can be set about a user agent; the defaults are those of the RFCs."""

from __future__ import annotations

import msgspec

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Timers in seconds (RFC 3261 section 17.1.1.1), names and limits of one UserAgent."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0
    product: str = "cicswitch"
    contact_user: str = "cicswitch"
    allow: tuple[str, ...] = (
        "INVITE",
        "ACK",
        "CANCEL",
        "BYE",
        "OPTIONS",
        "UPDATE",
        "INFO",
        "REFER",
        "NOTIFY",
        "REGISTER",
        "MESSAGE",
    )
    supported: tuple[str, ...] = ("replaces", "timer")
    accept: tuple[str, ...] = (
        "application/sdp",
        "application/dtmf-relay",
        "application/dtmf",
        "message/sipfrag",
        "application/trickle-ice-sdpfrag",
    )
    info_packages: tuple[tuple[str, str], ...] = (
        ("trickle-ice", "application/trickle-ice-sdpfrag"),
    )
    """Info packages (RFC 6086) that are taken, and what INFO of each carries."""
    max_forwards: int = 70
    session_expires_s: int = 0
    """Session interval to ask for when we call (RFC 4028); 0 leaves it to the peer."""
    min_se_s: int = 90
    max_sessions: int = 100_000

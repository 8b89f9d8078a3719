"""The SIP ladder of a call, as it is answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["LegQuality", "SipStep", "Trace"]


class SipStep(Struct, frozen=True, kw_only=True):
    """A SIP message. Headers and bodies are not kept."""

    leg: str
    at: float
    direction: str
    """`in` or `out`."""
    peer: str
    line: str
    cseq: str
    sdp: bool


class LegQuality(Struct, frozen=True, kw_only=True):
    """How a leg sounds: what came of its far end, and by its reports (`far_`) what got there."""

    leg: str
    peer: str
    live: bool
    """As of the last report by RTCP, some seconds old."""
    codec: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    far_lost: int | None
    """Of those sent; None: the far end sent no report, here and below."""
    jitter_ms: float
    far_jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    """An estimate by the E-model (ITU-T G.107), 1 to 4.5; None: nothing came."""
    far_mos: float | None


class Trace(Struct, frozen=True):
    """The messages of a call, in the order of time, and how its legs sound."""

    call: str
    steps: list[SipStep]
    legs: list[LegQuality]

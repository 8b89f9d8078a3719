"""What a listener would think of a leg: the E-model of ITU-T G.107 (06/2015), reduced to what is
measured here; all that is not measured has the Recommendation's default.

    R      = 93.2 - Idd - Ie_eff
    93.2     the rating of a line with all defaults (table 3: no noise, echo or loudness of its own)
    Idd    = 0 up to 100 ms one way, else 25 ((1 + X^6)^(1/6) - 3 (1 + (X/3)^6)^(1/6) + 2)
             with X = log2(Ta / 100 ms)                                      (equations 7-27, 7-28)
    Ie_eff = Ie + (95 - Ie) Ppl / (Ppl + Bpl), Ppl in percent, losses at random       (7-29)
    MOS    = 1 below R = 0, 4.5 above 100, else 1 + 0.035 R + R (R - 60) (100 - R) 7e-6  (annex B)

Ie and Bpl of G.711 are those of ITU-T G.113 (11/2007) appendix I, table I.4, with concealment:
0 and 25.1. Opus is in none of its tables; what is heard of it here is concealed speech at 8 kHz, so
it has the same, which is our assumption and not a standard's.

Ta is not measured either: half of the round trip by RTCP (RFC 3550 section 6.4.1), a packet of
20 ms, and a jitter buffer of twice the jitter. Without a round trip it is taken as 0, so a figure
is the best that it can be. MOS is an estimate of a conversation on narrowband phones: 1 to 4.41.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["mos", "rating"]

BEST: Final = 93.2
PACKET_MS: Final = 20.0
IMPAIRMENTS: Final = {"PCMU": (0.0, 25.1), "PCMA": (0.0, 25.1), "OPUS": (0.0, 25.1)}
"""Ie and Bpl by codec."""


def rating(codec: str, loss: float, jitter_ms: float, rtt_ms: float | None) -> float:
    """R of one direction; `loss` is a share, 0 to 1. What is not a number of the sort counts as
    the nearest that is.
    """
    loss = min(1.0, max(0.0, loss))
    delay_ms = PACKET_MS + 2 * max(0.0, jitter_ms) + max(0.0, rtt_ms or 0.0) / 2
    delay = 0.0
    if delay_ms > 100:
        x = math.log2(min(delay_ms, 1e6) / 100)
        delay = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    own, robust = IMPAIRMENTS.get(codec.upper(), IMPAIRMENTS["PCMU"])
    percent = 100 * loss
    return BEST - delay - own - (95 - own) * percent / (percent + robust)


def mos(r: float) -> float:
    """The mean opinion score of a rating, 1 to 4.5."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    # The formula dips below 1 for the first few points.
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)

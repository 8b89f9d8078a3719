"""How the legs of a switch have sounded since its start, by whom they led to: for `/metrics`."""

from __future__ import annotations

from typing import Final

from cicswitch.calls.events import LegMedia, LegStarted

__all__ = ["BOUNDS", "FIELDS", "Scores"]

FIELDS: Final = (
    *("codec", "packets_received", "packets_sent", "packets_lost", "far_lost"),
    *("jitter_ms", "far_jitter_ms", "rtt_ms", "mos", "far_mos"),
)
"""Columns of a CDR, and fields of `ports.MediaStats`."""
BOUNDS: Final = (1.0, 2.0, 2.6, 3.1, 3.6, 4.0, 4.3, 4.5)
"""Upper bounds of MOS: about the classes of satisfaction of ITU-T G.107 annex B."""


class Scores:
    """A histogram for each trunk, for all devices, for all widgets."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        """By peer: how many legs lie in each class, not cumulated."""
        self.sums: dict[str, float] = {}
        self._peers: dict[str, str] = {}

    def feed(self, event: object) -> None:
        """Take any event."""
        if isinstance(event, LegStarted):
            kind, _, _ = event.peer.partition(":")
            # Of devices there may be thousands, of trunks a few.
            self._peers[event.leg] = event.peer if kind == "trunk" else kind
        elif isinstance(event, LegMedia):
            peer = self._peers.pop(event.leg, "")
            scores = [each for each in (event.mos, event.far_mos) if each is not None]
            if peer and scores:
                self._add(peer, min(scores))

    def _add(self, peer: str, score: float) -> None:
        counts = self.counts.setdefault(peer, [0] * len(BOUNDS))
        counts[next(n for n, bound in enumerate(BOUNDS) if score <= bound)] += 1
        self.sums[peer] = self.sums.get(peer, 0.0) + score

"""Streams become arrivals, drawn in blocks: times, handle times, patience, after-call work.

Each stream has a generator of its own, seeded by the run and its place: the same customers come
with the same patience and the same questions, whoever serves them. Two configurations under the
same seeds differ by what they do with them, not by luck (common random numbers).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cicswitch.simulate.model import WHOLE, Listed, Poisson, Stream

__all__ = ["Source"]

BLOCK = 1024


class Source:
    """The arrivals of one stream, one after the other. `take` is for the next; `time` is its."""

    def __init__(self, stream: Stream, seed: int, number: int) -> None:
        self.stream = stream
        self.time = 0.0
        self.handle_s = 0.0
        self.patience_s = 0.0
        self.wrap_up_s = 0.0
        self._random = np.random.default_rng([seed, number])
        self._expected = 0.0
        self._curve: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._taken = 0
        self._at = 0
        self._times: list[float] = []
        self._handles: list[float] = []
        self._patiences: list[float] = []
        self._wrap_ups: list[float] = []
        if isinstance(stream, Poisson):
            edges = np.array(stream.edges)
            expected = np.concatenate(([0.0], np.cumsum(np.diff(edges) * np.array(stream.rates))))
            self._curve = edges, expected

    def take(self) -> bool:
        """Go to the next arrival; False: there is none."""
        if self._at >= len(self._times):
            self._refill()
            if not self._times:
                return False
        at = self._at
        self._at = at + 1
        self.time = self._times[at]
        self.handle_s = self._handles[at]
        self.patience_s = self._patiences[at]
        self.wrap_up_s = self._wrap_ups[at]
        return True

    def _refill(self) -> None:
        stream, random = self.stream, self._random
        self._at = 0
        if isinstance(stream, Listed):
            block = slice(self._taken, self._taken + BLOCK)
            self._times = list(stream.times[block])
        else:
            self._times = self._poisson()
        count = len(self._times)
        self._taken += count
        handles = stream.handle.draw(random, BLOCK)[:count]
        patiences = stream.patience.draw(random, BLOCK)[:count]
        if stream.wrap_up is None:
            wrap_ups = np.full(count, WHOLE)
        else:
            wrap_ups = stream.wrap_up.draw(random, BLOCK)[:count]
        if isinstance(stream, Listed):
            handles = _given(stream.handles[block], handles)
            patiences = _given(stream.patiences[block], patiences)
            wrap_ups = _given(stream.wrap_ups[block], wrap_ups)
        self._handles = handles.tolist()
        self._patiences = patiences.tolist()
        self._wrap_ups = wrap_ups.tolist()

    def _poisson(self) -> list[float]:
        """The next block of a Poisson process, by inversion of its expected arrivals.

        (Çinlar, Introduction to Stochastic Processes, 1975, section 4.7.)
        """
        assert self._curve is not None
        edges, expected = self._curve
        arrived = self._expected + np.cumsum(self._random.exponential(1.0, BLOCK))
        self._expected = float(arrived[-1])
        arrived = arrived[arrived < expected[-1]]
        found: list[float] = np.interp(arrived, expected, edges).tolist()
        return found


def _given(column: tuple[float, ...], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is given, and what was drawn where it is not."""
    if not column:
        return drawn
    given = np.array(column)
    return np.where(np.isnan(given), drawn, given)

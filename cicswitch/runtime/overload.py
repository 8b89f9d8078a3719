"""Overload control: new calls are refused early and cheaply, so that calls in progress go on.

Two limits. `max_calls` bounds calls in progress. The lag tells when the processor is the limit: a
probe wakes every `PROBE_S` and sees how late it is, and for how long messages have waited in the
kernel without a break (the standing queue of CoDel, RFC 8289 section 3.1: a loop that reads a batch
at a time is on time while the queue grows). While it is late, the rate at
which calls are let in is cut; while it is on time, the rate grows back, as TCP's window does. The
rate holds for probes that are on time: from one late probe to the next as many calls come in as
from one on time to the next, so a loop that is very late gets few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["PROBE_S", "OverloadGate"]

PROBE_S = 0.02
_LATE_S = 0.03
_CUT = 0.85
_GROW = 0.02
_LEAST_PER_S = 200.0


class OverloadGate:
    """Says for each new call whether it may come in. Calling it costs about 0.3 µs."""

    def __init__(
        self,
        calls: Callable[[], int],
        clock: Callable[[], float],
        *,
        max_calls: int,
        max_lag_s: float,
        retry_after_s: int,
        behind: Callable[[float], float] = lambda _now: 0.0,
    ) -> None:
        self.max_calls = max_calls
        self.refused = 0
        self.lag_s = 0.0
        """Smoothed lag of the loop and of what waits to be read."""
        self.lag_max_s = 0.0
        """The greatest lag since `take_max`."""
        self.closed = False
        """While True every new call is refused: the switch drains."""
        self._calls = calls
        self._clock = clock
        self._behind = behind
        self.max_lag_s = max_lag_s
        self.retry_after_s = retry_after_s
        self._rate = float("inf")
        self._admitted = 0
        self._window_at = 0.0
        self._seen_rate = 0.0
        self._late = False
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to probe."""
        self._loop = loop
        self._window_at = self._clock()
        self._arm()

    def stop(self) -> None:
        """Probe no more. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        self._due = self._clock() + PROBE_S
        self._handle = self._loop.call_later(PROBE_S, self._probe)

    def _probe(self) -> None:
        now = self._clock()
        lag = max(0.0, now - self._due, self._behind(now))
        lagged = self.lag_s > _LATE_S
        self.lag_s += (lag - self.lag_s) * 0.2
        self.lag_max_s = max(self.lag_max_s, lag)
        elapsed = max(1e-3, now - self._window_at)
        rate = self._admitted / elapsed
        self._seen_rate += (rate - self._seen_rate) * min(1.0, elapsed / 0.5)
        self._admitted, self._window_at = 0, now
        # One late probe is a hiccup, however late; a second one in a row is load, and so is one
        # that finds the loop late on average.
        late, self._late = self._late, lag > _LATE_S
        if self._late and (late or lagged):
            base = self._rate if self._rate != float("inf") else max(self._seen_rate, _LEAST_PER_S)
            self._rate = max(_LEAST_PER_S, base * _CUT)
        elif self._rate != float("inf"):
            self._rate *= 1.0 + _GROW
            if self._rate > 4 * self._seen_rate + 1000:
                self._rate = float("inf")  # far above what is offered: no limit any more
        self._arm()

    def __call__(self) -> int | None:
        """None: let the call in. A number: refuse it, and come back after so many seconds."""
        if (
            self.closed
            or self._calls() >= self.max_calls
            or self.lag_s > self.max_lag_s
            or self._admitted >= self._rate * PROBE_S + 1
        ):
            self.refused += 1
            return self.retry_after_s
        self._admitted += 1
        return None

    def take_max(self) -> float:
        """The greatest lag since the last call, in seconds."""
        value, self.lag_max_s = self.lag_max_s, 0.0
        return value

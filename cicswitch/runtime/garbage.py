"""The cyclic collector: off while serving, because a full pass stalls every call.

Our own calls and legs leave no cycles (a test holds that). What libraries leave is collected by
young passes in idle moments, and by a full pass only when it is quiet; each pause is a figure. A
pass looks at all that was made since the last one and lives, at 1,000 calls/s a stall of 20 ms for
nothing: with more than `_MANY` objects it waits, an hour at the most.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

__all__ = ["GarbageKeeper"]

_PERIOD_S = 5.0
_FULL_EVERY_S = 300.0
_FULL_AT_LATEST_S = 3600.0
_MANY = 50_000
"""Objects in a young pass: about 3 ms."""


class GarbageKeeper:
    """Turns automatic collection off between `start` and `stop`."""

    def __init__(self, quiet: Callable[[], bool]) -> None:
        self.pauses = 0
        self.pause_s_max = 0.0
        self.pause_s_total = 0.0
        self._quiet = quiet
        self._handle: asyncio.TimerHandle | None = None
        self._full_at = time.monotonic()
        self._was_enabled = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Collect once, set aside what lives, and turn the collector off."""
        self._was_enabled = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._loop = loop
        self._handle = loop.call_later(_PERIOD_S, self._tick)

    def stop(self) -> None:
        """Restore what was. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            gc.unfreeze()
            if self._was_enabled:
                gc.enable()

    def _tick(self) -> None:
        now = time.monotonic()
        since_full_s = now - self._full_at
        if self._quiet():
            few = gc.get_count()[0] <= _MANY
            if since_full_s > (_FULL_EVERY_S if few else _FULL_AT_LATEST_S):
                self._full_at = now
                self._collect(2)
            elif few:
                self._collect(0)
        self._handle = self._loop.call_later(_PERIOD_S, self._tick)

    def _collect(self, generation: int) -> None:
        started = time.monotonic()
        gc.collect(generation)
        pause_s = time.monotonic() - started
        self.pauses += 1
        self.pause_s_max = max(self.pause_s_max, pause_s)
        self.pause_s_total += pause_s

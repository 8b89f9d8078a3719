"""Time: one clock for everything, and the loop's one timer for the wheel.

`now()` is in seconds of the epoch, but runs with the monotonic clock: it was read off the wall once
and never steps, so it serves deadlines and records alike.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from cicswitch.core.timers import TimerWheel

__all__ = ["Clock", "WheelDriver"]

_monotonic: Final = time.monotonic
_EARLY_S: Final = 0.001
"""uvloop counts in whole milliseconds: it wakes so much too early, and then again and again."""


class Clock:
    """Seconds of the epoch that never step back."""

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset = time.time() - _monotonic()

    def now(self) -> float:
        """The time."""
        return self._offset + _monotonic()

    def behind(self) -> float:
        """Seconds by which the wall's clock was set forward since, or back."""
        return time.time() - self.now()


class WheelDriver:
    """Fires a wheel from an asyncio loop with one `call_later` at a time.

    `after_fire(now)` runs after each firing: it is where shells drain their cores. `rearm()` must
    be called after anything that may have set an earlier timer; it costs a comparison.
    """

    __slots__ = ("_after_fire", "_clock", "_due", "_handle", "_loop", "_wheel", "lag_s")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wheel: TimerWheel,
        clock: Clock,
        after_fire: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._wheel = wheel
        self._clock = clock
        self._after_fire = after_fire
        self._handle: asyncio.TimerHandle | None = None
        self._due = float("inf")
        self.lag_s = 0.0
        """How late the last firing was."""

    def rearm(self) -> None:
        """See that the loop wakes for the wheel's next slot."""
        due = self._wheel.next_due()
        if due is None or due >= self._due:
            return
        if self._handle is not None:
            self._handle.cancel()
        self._due = due
        delay = max(0.0, due - self._clock.now()) + _EARLY_S
        self._handle = self._loop.call_later(delay, self._fire)

    def _fire(self) -> None:
        now = self._clock.now()
        self.lag_s = max(0.0, now - self._due)
        self._handle, self._due = None, float("inf")
        self._wheel.fire(now)
        self._after_fire(now)
        self.rearm()

    def stop(self) -> None:
        """Wake no more. Idempotent."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._due = float("-inf")

"""One timer wheel for all timers of a process.

SIP starts four timers a call leg and cancels nearly all of them, so setting and cancelling must
cost next to nothing and firing may cost more. A timer is put into the slot of its tick, a plain
list in a dict; cancelling only marks it, and the mark is dropped when its slot comes due. A heap
holds the ticks that have a slot, so an idle wheel costs nothing and `next_due` is exact to a tick.

The wheel reads no clock: `now` is an argument everywhere, in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["Timer", "TimerWheel"]


class Timer:
    """A timer that has been set. `cancel()` is idempotent and O(1); a fired timer is inactive."""

    __slots__ = ("args", "callback", "due")

    def __init__(self, due: float, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        self.due = due
        self.callback: Callable[..., None] | None = callback
        self.args = args

    def cancel(self) -> None:
        """Make sure that the timer does not fire. Its references are dropped at once."""
        self.callback = None
        self.args = ()

    @property
    def active(self) -> bool:
        """True while the timer can still fire."""
        return self.callback is not None


class TimerWheel:
    """Timers in slots of `tick_s` seconds. Fires no timer early, and none later than one tick."""

    __slots__ = ("_slots", "_ticks", "_ticks_per_s")

    def __init__(self, tick_s: float = 0.01) -> None:
        self._ticks_per_s = 1.0 / tick_s
        self._slots: dict[int, list[Timer]] = {}
        self._ticks: list[int] = []

    def at(self, due: float, callback: Callable[..., None], *args: Any) -> Timer:
        """Call `callback(now, *args)` once `due` has passed."""
        timer = Timer(due, callback, args)
        tick = int(due * self._ticks_per_s) + 1
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [timer]
            heappush(self._ticks, tick)
        else:
            slot.append(timer)
        return timer

    def next_due(self) -> float | None:
        """The time of the earliest slot, None when there is none."""
        return self._ticks[0] / self._ticks_per_s if self._ticks else None

    def fire(self, now: float) -> int:
        """Fire all that is due, in order of ticks; the number of timers fired.

        A callback may set and cancel timers, also ones of the slot that is being fired.
        """
        fired = 0
        ticks, slots = self._ticks, self._slots
        per_s = self._ticks_per_s
        # The same quotient as in next_due: whoever waits until then finds the slot due.
        while ticks and ticks[0] / per_s <= now:
            for timer in slots.pop(heappop(ticks)):
                callback = timer.callback
                if callback is not None:
                    args = timer.args
                    timer.cancel()
                    fired += 1
                    if len(args) == 1:
                        callback(now, args[0])
                    else:
                        callback(now, *args)
        return fired

    def __len__(self) -> int:
        """Active timers. Walks the wheel: for tests and figures, not for hot paths."""
        return sum(timer.active for slot in self._slots.values() for timer in slot)

"""Timers D, I, J, K, L and M: how long a finished transaction absorbs retransmissions.

All of one kind run equally long and are never cancelled, so a queue in order of their ends and one
timer of the wheel do for all of them.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from cicswitch.core.timers import TimerWheel

__all__ = ["Linger"]


class Lingering(Protocol):
    """A transaction that waits for its end."""

    def linger_over(self, now: float) -> None:
        """The time is up."""


class Linger:
    """Transactions that end `delay_s` after they were added."""

    __slots__ = ("_armed", "_queue", "_wheel", "delay_s")

    def __init__(self, wheel: TimerWheel, delay_s: float) -> None:
        self.delay_s = delay_s
        self._wheel = wheel
        self._queue: deque[tuple[float, Lingering]] = deque()
        self._armed = False

    def add(self, now: float, transaction: Lingering) -> None:
        """Call `transaction.linger_over` once the delay has passed."""
        due = now + self.delay_s
        self._queue.append((due, transaction))
        if not self._armed:
            self._armed = True
            self._wheel.at(due, self._fire)

    def _fire(self, now: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= now:
            queue.popleft()[1].linger_over(now)
        self._armed = bool(queue)
        if queue:
            self._wheel.at(queue[0][0], self._fire)

    def __len__(self) -> int:
        return len(self._queue)

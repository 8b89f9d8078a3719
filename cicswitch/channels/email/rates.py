"""How often somebody writes, or is written to."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

__all__ = ["Sender"]

_HOUR_S: Final = 3600.0
_SENDERS: Final = 10_000


class Sender:
    """How many in the last hour, of each sender."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._known: OrderedDict[str, deque[float]] = OrderedDict()

    def full(self, sender: str, now: float) -> bool:
        """Whether one more would be too many."""
        times = self._known.get(sender.lower())
        return times is not None and len(times) == self.most and now - times[0] < _HOUR_S

    def add(self, sender: str, now: float) -> None:
        """Count one."""
        self._known.setdefault(sender.lower(), deque(maxlen=self.most)).append(now)
        self._known.move_to_end(sender.lower())
        if len(self._known) > _SENDERS:
            self._known.popitem(last=False)

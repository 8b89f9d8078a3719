"""Running figures since midnight UTC or the start, for live views; reports read the store."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from cicswitch.acd import events as acd
from cicswitch.contacts import events as contacts
from cicswitch.records.journal import Event

__all__ = ["Today"]

_DAY_S: Final = 86400
_COUNTED: Final = frozenset(
    {acd.InteractionConnected, acd.InteractionQueued, acd.InteractionLeft, acd.InteractionMoved}
)
_BACK: Final = frozenset({contacts.ContactWoken, contacts.ContactAccepted})


class _Queue:
    __slots__ = ("abandoned", "answered", "flowed_out", "offered", "short", "waited_s", "within")

    def __init__(self) -> None:
        self.offered = self.answered = self.within = self.abandoned = self.short = 0
        self.flowed_out = 0
        self.waited_s = 0.0


class Today:
    """Counts queue events; `limits(queue)` gives (service level T, short abandon), in seconds."""

    def __init__(self) -> None:
        self.limits: dict[str, tuple[float, float]] = {}
        self._day = -1
        self._queues: defaultdict[str, _Queue] = defaultdict(_Queue)
        self._again: set[str] = set()
        """Interactions that are back from being put aside: they were counted."""

    def feed(self, event: Event) -> None:
        """Take an event into account."""
        kind = type(event)
        if kind not in _COUNTED:
            if kind in _BACK:
                self._back(event)
            return
        if self._again and getattr(event, "interaction", "") in self._again:
            if kind is acd.InteractionConnected or kind is acd.InteractionLeft:
                self._again.discard(getattr(event, "interaction", ""))
            return
        if kind is acd.InteractionConnected:
            assert isinstance(event, acd.InteractionConnected)
            entry = self._entry(event.at, event.queue)
            entry.answered += 1
            entry.waited_s += event.wait_s
            entry.within += event.wait_s <= self.limits.get(event.queue, (20.0, 5.0))[0]
        elif kind is acd.InteractionQueued:
            assert isinstance(event, acd.InteractionQueued)
            self._entry(event.at, event.queue).offered += 1
        elif kind is acd.InteractionMoved:
            assert isinstance(event, acd.InteractionMoved)
            self._entry(event.at, event.queue).flowed_out += 1
        elif kind is acd.InteractionLeft:
            assert isinstance(event, acd.InteractionLeft)
            entry = self._entry(event.at, event.queue)
            if event.outcome == "merged":
                entry.offered = max(0, entry.offered - 1)
            elif event.outcome == "abandoned":
                entry.abandoned += 1
                entry.short += event.wait_s < self.limits.get(event.queue, (20.0, 5.0))[1]
            else:
                entry.flowed_out += 1

    def _back(self, event: Event) -> None:
        if isinstance(event, contacts.ContactWoken) or (
            isinstance(event, contacts.ContactAccepted) and event.again
        ):
            self._again.add(event.interaction)

    def _entry(self, at: float, queue: str) -> _Queue:
        day = int(at // _DAY_S)
        if day != self._day:
            self._day = day
            self._queues.clear()
        return self._queues[queue]

    def within(self, name: str) -> tuple[int, int, int]:
        """The day, and what its service level is made of: within T, and all that counts."""
        entry = self._queues.get(name) or _Queue()
        return self._day, entry.within, entry.answered + entry.abandoned - entry.short

    def queue(self, name: str) -> dict[str, Any]:
        """offered, answered, abandoned, flowed_out, service_level (None without calls), asa_s."""
        entry = self._queues.get(name) or _Queue()
        base = entry.answered + entry.abandoned - entry.short
        return {
            "offered": entry.offered,
            "answered": entry.answered,
            "abandoned": entry.abandoned,
            "flowed_out": entry.flowed_out,
            "service_level": round(entry.within / base, 4) if base else None,
            "asa_s": round(entry.waited_s / entry.answered, 1) if entry.answered else None,
        }

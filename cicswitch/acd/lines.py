"""Lines of what waits for the same, and profiles of agents who are alike.

A `Line` is a queue, a medium and a need; interactions that ask for the same stand in one line, in a
heap. A `Profile` is a distinct set of what an agent brings; whether it may serve a line, and how
well, is worked out once, when the line or the profile is new.

Lines have numbers, and sets of them are the bits of one int: those that a profile serves, those in
which somebody waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.groups import Group
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.queue import Queue
    from cicswitch.acd.ranking import Ranking
    from cicswitch.acd.skills import Need

Shown = tuple[Mapping[str, int], Mapping[str, int], Mapping[str, float]]
Entry = tuple[float, int, int, "Interaction"]

__all__ = ["Line", "Profile", "Row"]


class Profile:
    """Agents who bring the same."""

    __slots__ = (
        "agents",
        "attributes",
        "bits",
        "cost",
        "desire",
        "groups",
        "key",
        "lines",
        "present",
        "shown",
        "skills",
    )

    def __init__(self, key: str, agent: Agent) -> None:
        self.key = key
        self.skills = dict(agent.skills)
        self.desire = dict(agent.desire)
        self.cost = agent.cost
        self.attributes = dict(agent.attributes)
        self.shown: Shown = (
            MappingProxyType(self.skills),
            MappingProxyType(self.desire),
            MappingProxyType(self.attributes),
        )
        """Skills, desire and attributes, for those who may look and not touch."""
        self.agents: dict[str, Agent] = {}
        self.present = 0
        """How many of them are signed in."""
        self.groups: dict[tuple[int, int], Group] = {}
        """Those who are free, by the media that they are free for and the lines that name them."""
        self.lines: list[Line] = []
        """Those that they serve, of the lines that name no agents."""
        self.bits = 0
        """The same as a mask."""


class Row:
    """Interactions by a key, smallest first; equal ones by their numbers.

    Most come in order: they stand in a list, and the first is the next of it. The others are in a
    heap. An entry is (key, sequence, `Interaction.entry`, interaction), and void once that number
    is another: nobody looks for it where it stands.
    """

    __slots__ = ("_heap", "_last_key", "_last_sequence", "_list", "_start")

    def __init__(self) -> None:
        self._list: list[Entry] = []
        self._start = 0
        self._last_key = float("-inf")
        self._last_sequence = 0
        self._heap: list[Entry] = []

    def __len__(self) -> int:
        return len(self._list) - self._start + len(self._heap)

    def push(self, key: float, interaction: Interaction) -> None:
        """Put an interaction in as it stands now (`Interaction.entry`)."""
        sequence = interaction.sequence
        entry = (key, sequence, interaction.entry, interaction)
        last = self._last_key
        if key > last or (key == last and sequence >= self._last_sequence):
            self._list.append(entry)
            self._last_key, self._last_sequence = key, sequence
        else:
            heappush(self._heap, entry)

    def first(self) -> Interaction | None:
        """The first who still stands as he stood when he was put in."""
        row, start, heap = self._list, self._start, self._heap
        while start < len(row) and row[start][3].entry != row[start][2]:
            start += 1
        if start == len(row) or (start > 64 and 2 * start > len(row)):
            del row[:start]  # and what it holds of those who are gone
            start = 0
        self._start = start
        while heap and heap[0][3].entry != heap[0][2]:
            heappop(heap)
        if start == len(row):
            self._last_key = float("-inf")  # whoever comes next is in order
            return heap[0][3] if heap else None
        if heap and heap[0] < row[start]:
            return heap[0][3]
        return row[start][3]

    def trim(self, most: int) -> None:
        """Drop what is void if there are more entries than that."""
        if len(self._list) - self._start + len(self._heap) > most:
            self._list = [entry for entry in self._list[self._start :] if _stands(entry)]
            self._start = 0
            self._heap = [entry for entry in self._heap if _stands(entry)]
            heapify(self._heap)

    def standing(self) -> list[Entry]:
        """All who stand, in no order."""
        return [entry for entry in (*self._list[self._start :], *self._heap) if _stands(entry)]


def _stands(entry: Entry) -> bool:
    return entry[3].entry == entry[2]


class Line:
    """Interactions that ask for the same, most urgent first."""

    __slots__ = (
        "_by_age",
        "_row",
        "bit",
        "closed",
        "direct",
        "eldest",
        "eldest_at",
        "first",
        "first_key",
        "first_sequence",
        "key",
        "mask",
        "medium",
        "members",
        "named",
        "need",
        "profiles",
        "queue",
        "ranked",
        "ranking",
        "staffed",
        "used_at",
        "waiting",
        "witness",
    )

    def __init__(
        self,
        key: str,
        queue: Queue,
        medium: str,
        need: Need,
        members: frozenset[str] | None,
        *,
        direct: bool = False,
    ) -> None:
        self.key = key
        self.queue = queue
        self.medium = medium
        self.need = need
        self.members = members
        """Who alone may serve it; None: everybody who meets the need."""
        self.direct = direct
        """It stands at its members, whatever their skills."""
        self.bit = -1
        self.mask = 0
        """The bit of the line; none if it is direct."""
        self.profiles: dict[str, Profile] = {}
        """Those that serve it, unless it names its agents."""
        self.named: dict[str, Agent] = {}
        """The agents who serve it, if it names them."""
        self.staffed = 0
        """How many of both have somebody signed in."""
        self.ranking: Ranking | None = None
        """The order in which agents take from it; None: it is direct."""
        self.ranked = 0
        """The bit of the line in there."""
        self.closed = False
        """The queue has changed, or nobody has used it: look for another."""
        self.witness: Agent | None = None
        """The one who was last found to be there for it; see `Floor.attended`."""
        self.waiting = 0
        self.eldest: Interaction | None = None
        """The one who has waited longest; kept for queues with a bound only."""
        self.eldest_at = 0.0
        self.used_at = 0.0
        self.first: Interaction | None = None
        """The most urgent interaction that waits."""
        self.first_key = 0.0
        """Its key and its number: a match compares lines, and reads no more than the lines."""
        self.first_sequence = 0
        self._row = Row()
        self._by_age = Row()

    def push(self, interaction: Interaction) -> None:
        """Put an interaction in its place; also one that comes back after a failed offer."""
        self.waiting += 1
        interaction.entry += 1
        key, sequence = interaction.key, interaction.sequence
        self._row.push(key, interaction)
        if (
            self.first is None
            or key < self.first_key
            or (key == self.first_key and sequence < self.first_sequence)
        ):
            self.first, self.first_key, self.first_sequence = interaction, key, sequence
        if self.queue.bound_s:
            at, eldest = interaction.queued_at, self.eldest
            self._by_age.push(at, interaction)
            if (
                eldest is None
                or at < self.eldest_at
                or (at == self.eldest_at and sequence < eldest.sequence)
            ):
                self.eldest, self.eldest_at = interaction, at

    def take(self, interaction: Interaction) -> None:
        """Take an interaction out, wherever it stands. What that leaves in the rows is bounded."""
        self.waiting -= 1
        interaction.entry += 1  # what is in the rows is void
        self._row.trim(2 * self.waiting + 64)
        if interaction is self.first:
            head = self._row.first()
            self.first = head
            if head is not None:
                self.first_key, self.first_sequence = head.key, head.sequence
        if self.queue.bound_s:
            self._by_age.trim(2 * self.waiting + 64)
            if interaction is self.eldest:
                head = self._by_age.first()
                self.eldest = head
                if head is not None:
                    self.eldest_at = head.queued_at

    def ahead_of(self, key: float) -> int:
        """How many that wait are as urgent as one with this key, or more."""
        return sum([entry[0] <= key for entry in self._row.standing()])

    def interactions(self) -> list[Interaction]:
        """All that wait, most urgent first. For views and changes, not for matching."""
        return [entry[3] for entry in sorted(self._row.standing())]

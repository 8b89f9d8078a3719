"""Lines of what waits for the same, and profiles of agents who are alike.

A `Line` is a queue, a medium and a need; interactions that ask for the same stand in one line, in a
heap. A `Profile` is a distinct set of what an agent brings; whether it may serve a line, and how
well, is worked out once, when the line or the profile is new.

Lines have numbers, and sets of them are the bits of one int: those that a profile serves, those in
which somebody waits.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.order import Order
    from cicswitch.acd.queue import Queue
    from cicswitch.acd.skills import Need

__all__ = ["Line", "Profile", "first", "standing"]


class Profile:
    """Agents who bring the same."""

    __slots__ = ("agents", "attributes", "bits", "cost", "desire", "key", "lines", "skills")

    def __init__(self, key: str, agent: Agent) -> None:
        self.key = key
        self.skills = dict(agent.skills)
        self.desire = dict(agent.desire)
        self.cost = agent.cost
        self.attributes = dict(agent.attributes)
        self.agents: dict[str, Agent] = {}
        self.lines: list[Line] = []
        """Those that they serve, of the lines that name no agents."""
        self.bits = 0
        """The same as a mask."""


class Line:
    """Interactions that ask for the same, most urgent first."""

    __slots__ = (
        "_heap",
        "_oldest",
        "bit",
        "closed",
        "direct",
        "key",
        "mask",
        "medium",
        "members",
        "need",
        "queue",
        "ranked",
        "scores",
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
        self.ranked: Order | None = None
        """Who is free for it, where the policy scores agents for what is asked for; other
        policies look in an order that all lines share."""
        self.scores: dict[str, float] = {}
        """Points of the profiles that serve it, for such a policy."""
        self.closed = False
        """The queue has changed, or nobody has used it: look for another."""
        self.witness: Agent | None = None
        """The one who was last found to be there for it; see `Floor.attended`."""
        self.waiting = 0
        self.used_at = 0.0
        self._heap: list[tuple[float, int, int, Interaction]] = []
        self._oldest: list[tuple[float, int, int, Interaction]] = []

    def push(self, interaction: Interaction) -> None:
        """Put an interaction in its place; also one that comes back after a failed offer."""
        self.waiting += 1
        interaction.entry += 1
        entry = interaction.entry
        heappush(self._heap, (interaction.key, interaction.sequence, entry, interaction))
        if self.queue.bound_s:
            heappush(
                self._oldest, (interaction.queued_at, interaction.sequence, entry, interaction)
            )

    def take(self, interaction: Interaction) -> None:
        """Take an interaction out, wherever it stands. What that leaves in the heaps is bounded."""
        self.waiting -= 1
        interaction.entry += 1  # what is in the heaps is void
        most = 2 * self.waiting + 64
        if len(self._heap) > most:
            self._heap = standing(self._heap)
        if len(self._oldest) > most:
            self._oldest = standing(self._oldest)

    def head(self) -> Interaction | None:
        """The most urgent interaction that waits."""
        return first(self._heap)

    def oldest(self) -> Interaction | None:
        """The one who has waited longest; kept for queues with a bound only."""
        return first(self._oldest)

    def ahead_of(self, key: float) -> int:
        """How many that wait are as urgent as one with this key, or more."""
        return sum([entry[0] <= key and entry[3].entry == entry[2] for entry in self._heap])

    def interactions(self) -> list[Interaction]:
        """All that wait, most urgent first. For views and changes, not for matching."""
        return [entry[3] for entry in sorted(standing(self._heap))]


def first(heap: list[tuple[float, int, int, Interaction]]) -> Interaction | None:
    """The first of a heap who still stands where he stood when he was put in."""
    while heap:
        entry = heap[0]
        if entry[3].entry == entry[2]:
            return entry[3]
        heappop(heap)
    return None


def standing(
    heap: list[tuple[float, int, int, Interaction]],
) -> list[tuple[float, int, int, Interaction]]:
    """The heap without those who do not."""
    kept = [entry for entry in heap if entry[3].entry == entry[2]]
    heapify(kept)
    return kept

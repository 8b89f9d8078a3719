"""Rankings: who comes first, by the policy of a queue.

Lines that rank agents alike share a `Ranking`. For policies that look at the agent alone that is
all lines of the policy; where an agent is scored for what is asked for, those that ask for the same
skills, at whatever levels: who has them is scored by what he has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cicswitch.acd.order import Order
from cicswitch.acd.skills import Need, all_of, has

if TYPE_CHECKING:
    from cicswitch.acd.commands import Weights
    from cicswitch.acd.lines import Line, Profile
    from cicswitch.acd.queue import Queue

__all__ = ["Ranking", "ranking_key", "score_of"]

LONGEST_IDLE: Final = 0
ROUND_ROBIN: Final = 1
LEAST_OCCUPIED: Final = 2
FEWEST_ANSWERED: Final = 3
FREE_FIRST: Final = 4
FREE_LAST: Final = 5
ORDERS: Final = 6
"""Orders of the agents of a group; by the last two those who have equal points."""
_ORDER_OF = {
    "round-robin": ROUND_ROBIN,
    "least-occupied": LEAST_OCCUPIED,
    "fewest-answered": FEWEST_ANSWERED,
}
_SCORED = ("most-skilled", "least-skilled", "weighted")


class Ranking:
    """Groups of free agents in the order of a policy, and the lines that go by it."""

    __slots__ = ("_free_bits", "by_bit", "idle_points", "index", "key", "order", "scored", "served")

    def __init__(self, key: str, queue: Queue) -> None:
        self.key = key
        self.scored = queue.select in _SCORED
        self.idle_points = queue.idle_points
        """What an agent gains for each second that he is idle, where he is scored."""
        if self.scored:
            self.index = FREE_LAST if queue.idle_points < 0.0 else FREE_FIRST
        else:
            self.index = _ORDER_OF.get(queue.select, LONGEST_IDLE)
        self.order = Order()
        self.served = 0
        """Mask of the lines that somebody is free for, as `Free` has noted it."""
        self.by_bit: list[Line | None] = []
        """The lines by their numbers in here."""
        self._free_bits: list[int] = []

    @property
    def unused(self) -> bool:
        """Whether no line goes by it."""
        return len(self._free_bits) == len(self.by_bit)

    def add(self, line: Line) -> None:
        """A line goes by it from now."""
        if self._free_bits:
            bit = self._free_bits.pop()
            self.by_bit[bit] = line
        else:
            bit = len(self.by_bit)
            self.by_bit.append(line)
        line.ranking, line.ranked = self, 1 << bit

    def drop(self, line: Line) -> None:
        """A line is gone."""
        bit = line.ranked.bit_length() - 1
        self.by_bit[bit] = None
        self._free_bits.append(bit)


def ranking_key(queue: Queue, need: Need) -> str:
    """What lines have in common that rank agents alike."""
    select = queue.select
    if select not in _SCORED:
        return str(_ORDER_OF.get(select, LONGEST_IDLE))
    if select == "least-skilled":
        return select
    if select == "most-skilled":
        return f"{select} {_asked(need).key}"
    weights = queue.definition.weights
    scored_by_need = weights.proficiency != 0.0 or weights.desire != 0.0
    return (
        f"{select} {weights.proficiency} {weights.desire} {weights.cost} {weights.idle}"
        f" {sorted(weights.attributes.items())} {_asked(need).key if scored_by_need else ''}"
    )


def _asked(need: Need) -> Need:
    """A need that gives everybody who meets `need` the same points, at the least levels."""
    if need.kind == "has":
        return has(need.skill, 1)
    if need.kind == "all" and all(part.kind == "has" for part in need.parts):
        return all_of(*[has(part.skill, 1) for part in need.parts])
    return need


def score_of(queue: Queue, need: Need, profile: Profile) -> float:
    """The points of a profile that meets a need; who is free and has most is chosen."""
    if queue.select == "most-skilled":
        return float(_asked(need).score(profile.skills))
    if queue.select == "least-skilled":
        # Generalists are kept free: who brings least goes first.
        return -float(sum(profile.skills.values()))
    return static_score(queue.definition.weights, _asked(need), profile)


def static_score(weights: Weights, need: Need, profile: Profile) -> float:
    """The part of the weighted score that time does not change."""
    points: float = weights.proficiency * need.score(profile.skills)
    points += weights.desire * sum(
        [profile.desire.get(skill, 0) for skill in sorted(need.skills())]
    )
    points -= weights.cost * profile.cost
    for name, weight in weights.attributes.items():
        points += weight * profile.attributes.get(name, 0.0)
    return points

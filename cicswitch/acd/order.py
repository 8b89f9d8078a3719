"""A row in the order of a policy, and the first in it who serves a line.

An `Order` is a treap: a search tree by key that random heat keeps flat. Each place holds the lines
that are served from it as the bits of an int, and the union of those below it. The first place that
serves a line is found on one way down, past subtrees without its bit: O(log n). The heat comes from
a counter, so that the same commands build the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.groups import Group
    from cicswitch.acd.ranking import Ranking

__all__ = ["AgentPlace", "GroupPlace", "Order", "Place"]


class Place:
    """Where somebody stands in one order at a time. It is made once, and put in and out."""

    __slots__ = (
        "first",
        "heat",
        "inside",
        "left",
        "own",
        "right",
        "second",
        "tie",
        "union",
    )

    def __init__(self) -> None:
        self.first = 0.0
        self.second = 0.0
        self.tie = 0
        """Decides between equals; nobody else has it."""
        self.own = 0
        """The lines that are served from here."""
        self.union = 0
        self.heat = 0
        self.inside = False
        """Whether it is in an order now."""
        self.left: Place | None = None
        self.right: Place | None = None

    def before(self, other: Place) -> bool:
        """Whether this place comes first."""
        if self.first != other.first:
            return self.first < other.first
        if self.second != other.second:
            return self.second < other.second
        return self.tie < other.tie

    def like(self, other: Place) -> bool:
        """Whether both have the same key."""
        return self.first == other.first and self.second == other.second and self.tie == other.tie


class AgentPlace(Place):
    """An agent's, among those who may take the same."""

    __slots__ = ("agent",)

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent


class GroupPlace(Place):
    """That of a group, by the key of its first agent."""

    __slots__ = ("group", "ranking", "score")

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group
        self.ranking: Ranking | None = None
        self.score = 0.0
        """The points of its profile, where agents are scored."""


def _pull(place: Place) -> None:
    union = place.own
    if place.left is not None:
        union |= place.left.union
    if place.right is not None:
        union |= place.right.union
    place.union = union


def _split(tree: Place | None, at: Place) -> tuple[Place | None, Place | None]:
    """What comes before `at`, and what after it."""
    if tree is None:
        return None, None
    if tree.before(at):
        low, high = _split(tree.right, at)
        tree.right = low
        _pull(tree)
        return tree, high
    low, high = _split(tree.left, at)
    tree.left = high
    _pull(tree)
    return low, tree


def _merge(low: Place | None, high: Place | None) -> Place | None:
    if low is None:
        return high
    if high is None:
        return low
    if low.heat > high.heat:
        low.right = _merge(low.right, high)
        _pull(low)
        return low
    high.left = _merge(low, high.left)
    _pull(high)
    return high


def _insert(tree: Place | None, place: Place) -> Place:
    if tree is None:
        return place
    if place.heat > tree.heat:
        place.left, place.right = _split(tree, place)
        _pull(place)
        return place
    if place.before(tree):
        tree.left = _insert(tree.left, place)
    else:
        tree.right = _insert(tree.right, place)
    tree.union |= place.union
    return tree


def _remove(tree: Place | None, place: Place) -> Place | None:
    if tree is None:
        return None
    if tree is place:
        return _merge(place.left, place.right)
    if place.before(tree):
        tree.left = _remove(tree.left, place)
    else:
        tree.right = _remove(tree.right, place)
    _pull(tree)
    return tree


def _mend(tree: Place | None, place: Place) -> None:
    """Make the unions right again on the way to a place that has other lines."""
    if tree is None:
        return
    if tree is not place:
        _mend(tree.left if place.before(tree) else tree.right, place)
    _pull(tree)


def _recount(tree: Place | None) -> None:
    if tree is not None:
        _recount(tree.left)
        _recount(tree.right)
        _pull(tree)


class Order:
    """Places by key, smallest first."""

    __slots__ = ("_heat", "_size", "first", "root")

    def __init__(self) -> None:
        self.root: Place | None = None
        """The top of the tree; None: nobody is in it."""
        self.first: Place | None = None
        self._heat = 0x2545F491
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, place: Place, first: float, second: float, tie: int, own: int) -> None:
        """Put a place where it belongs, from wherever it stood in this order."""
        if place.inside:
            if place.first == first and place.second == second and place.tie == tie:
                if place.own != own:
                    place.own = own
                    _mend(self.root, place)
                return
            self.remove(place)
        if not place.heat:
            # A linear congruence (Numerical Recipes, section 7.1): flat enough, and the same each
            # time.
            self._heat = (self._heat * 1664525 + 1013904223) & 0xFFFFFFFF
            place.heat = self._heat
        place.first, place.second, place.tie = first, second, tie
        place.own = place.union = own
        place.inside = True
        self._size += 1
        if self.first is None or place.before(self.first):
            self.first = place
        self.root = _insert(self.root, place)

    def remove(self, place: Place) -> None:
        """Take a place out, if it is in."""
        if not place.inside:
            return
        root = self.root = _remove(self.root, place)
        place.inside = False
        place.left = place.right = None
        self._size -= 1
        if self.first is place:
            while root is not None and root.left is not None:
                root = root.left
            self.first = root

    def find(self, bit: int) -> Place | None:
        """The first place from which the line of this bit (a mask of one) is served."""
        place = self.root
        if place is None or not place.union & bit:
            return None
        while True:
            left = place.left
            if left is not None and left.union & bit:
                place = left
            elif place.own & bit:
                return place
            else:
                right = place.right
                assert right is not None  # the union said so
                place = right

    def walk(self, mask: int) -> Iterator[Place]:
        """All places from which one of the lines is served, in order."""
        stack: list[Place] = []
        place = self.root
        while place is not None or stack:
            while place is not None and place.union & mask:
                stack.append(place)
                place = place.left
            if not stack:
                return
            place = stack.pop()
            if place.own & mask:
                yield place
            place = place.right

    def agents(self) -> list[AgentPlace]:
        """All places of agents, in order."""
        return [place for place in self.walk(1) if isinstance(place, AgentPlace)]

    def recount(self, places: list[GroupPlace]) -> None:
        """Make the unions right again: these serve other lines, and stay where they are."""
        if len(places) * 16 < self._size:
            for place in places:
                _mend(self.root, place)
        elif places:
            _recount(self.root)

"""The agents who are free, in the order of a policy, and the first of them who serves a line.

An `Order` is a treap: a search tree by key that random heat keeps flat. Each node holds the lines
that its agent may take as the bits of an int, and the union of those below it. The first agent who
serves a line is found on one way down, past subtrees without its bit: O(log n), whoever else is
free. The heat comes from a counter, so that the same commands build the same tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent

__all__ = ["Node", "Order"]


class Node:
    """An agent's place."""

    __slots__ = ("agent", "first", "heat", "left", "own", "right", "second", "tie", "union")

    def __init__(
        self, agent: Agent, first: float, second: float, tie: int, own: int, heat: int
    ) -> None:
        self.agent = agent
        self.first = first
        self.second = second
        self.tie = tie
        self.own = own
        self.union = own
        self.heat = heat
        self.left: Node | None = None
        self.right: Node | None = None

    def before(self, other: Node) -> bool:
        """Whether this place comes first."""
        if self.first != other.first:
            return self.first < other.first
        if self.second != other.second:
            return self.second < other.second
        return self.tie < other.tie


def _pull(node: Node) -> None:
    union = node.own
    if node.left is not None:
        union |= node.left.union
    if node.right is not None:
        union |= node.right.union
    node.union = union


def _split(tree: Node | None, at: Node) -> tuple[Node | None, Node | None]:
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


def _merge(low: Node | None, high: Node | None) -> Node | None:
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


def _insert(tree: Node | None, node: Node) -> Node:
    if tree is None:
        return node
    if node.heat > tree.heat:
        node.left, node.right = _split(tree, node)
        _pull(node)
        return node
    if node.before(tree):
        tree.left = _insert(tree.left, node)
    else:
        tree.right = _insert(tree.right, node)
    tree.union |= node.union
    return tree


def _remove(tree: Node | None, node: Node) -> Node | None:
    if tree is None:
        return None
    if tree is node:
        return _merge(node.left, node.right)
    if node.before(tree):
        tree.left = _remove(tree.left, node)
    else:
        tree.right = _remove(tree.right, node)
    _pull(tree)
    return tree


def _recount(tree: Node | None) -> None:
    if tree is not None:
        _recount(tree.left)
        _recount(tree.right)
        _pull(tree)


class Order:
    """Agents by key, smallest first. `lines` is the mask of the lines that are served in it."""

    __slots__ = ("_heat", "_nodes", "lines", "root")

    def __init__(self) -> None:
        self.root: Node | None = None
        """The top of the tree; None: nobody is in it."""
        self._nodes: dict[str, Node] = {}
        self._heat = 0x2545F491
        self.lines = 0

    def __len__(self) -> int:
        return len(self._nodes)

    def __bool__(self) -> bool:
        return self.root is not None

    @property
    def served(self) -> int:
        """The mask of the lines that somebody in here may take."""
        return self.root.union if self.root is not None else 0

    def put(self, agent: Agent, first: float, second: float, own: int) -> None:
        """Put an agent into his place, from wherever he stood; with no lines, out of the order."""
        node = self._nodes.get(agent.id)
        if node is not None:
            if node.own == own and node.first == first and node.second == second:
                return
            self.root = _remove(self.root, node)
        if not own:
            if node is not None:
                del self._nodes[agent.id]
            return
        # A linear congruence (Numerical Recipes, section 7.1): flat enough, and the same each time.
        self._heat = (self._heat * 1664525 + 1013904223) & 0xFFFFFFFF
        node = Node(agent, first, second, agent.tie, own, self._heat)
        self._nodes[agent.id] = node
        self.root = _insert(self.root, node)

    def remove(self, agent: Agent) -> None:
        """Take an agent out, if he is in."""
        node = self._nodes.pop(agent.id, None)
        if node is not None:
            self.root = _remove(self.root, node)

    def find(self, bit: int) -> Agent | None:
        """The first agent who serves the line of this bit (a mask of one)."""
        node = self.root
        if node is None or not node.union & bit:
            return None
        while True:
            left = node.left
            if left is not None and left.union & bit:
                node = left
            elif node.own & bit:
                return node.agent
            else:
                right = node.right
                assert right is not None  # the union said so
                node = right

    def walk(self, mask: int) -> Iterator[Agent]:
        """All agents who serve one of the lines, in order."""
        stack: list[Node] = []
        node = self.root
        while node is not None or stack:
            while node is not None and node.union & mask:
                stack.append(node)
                node = node.left
            if not stack:
                return
            node = stack.pop()
            if node.own & mask:
                yield node.agent
            node = node.right

    def rewrite(self, agent: Agent, own: int) -> bool:
        """Give an agent who is in other lines, place kept; `recount` has to follow. False: not in.

        For a line that is new: one pass over the tree for all who may take it.
        """
        node = self._nodes.get(agent.id)
        if node is None:
            return False
        node.own = own
        return True

    def recount(self) -> None:
        """Make the unions right again after `rewrite`."""
        _recount(self.root)

"""Who is free: the agents who may take the same, and the first of them for a line.

Agents of one profile who are free for the same media are a `Group`: they serve the same lines, so a
line that is new or gone concerns groups, however many agents there are. A group keeps its agents in
the order of each policy that one of its lines goes by; and a place in the order of the groups, by
the key of the first of them. Policies that look at the agent alone share an order of groups each;
those that score a profile for what is asked for have one for each line.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING, Final

from cicswitch.acd.order import AgentPlace, GroupPlace, Order, Place

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.lines import Line, Profile

__all__ = ["SCORED", "Free", "Group", "order_of"]

LONGEST_IDLE: Final = 0
ROUND_ROBIN: Final = 1
LEAST_OCCUPIED: Final = 2
FEWEST_ANSWERED: Final = 3
SHARED: Final = 4
"""So many orders are shared by lines; the next two are for lines that score."""
FREE_FIRST: Final = 4
FREE_LAST: Final = 5
ORDERS: Final = 6
_ORDER_OF = {
    "round-robin": ROUND_ROBIN,
    "least-occupied": LEAST_OCCUPIED,
    "fewest-answered": FEWEST_ANSWERED,
}
SCORED: Final = ("most-skilled", "least-skilled", "weighted")

Candidate = tuple[tuple[float, float, int], int]
"""An agent's key in a line, and which of the rows he is the next of."""


class Group:
    """Agents of one profile who are free for the same media, and whom the same lines name."""

    __slots__ = (
        "bits",
        "media",
        "orders",
        "own_bits",
        "places",
        "profile",
        "ranked",
        "ranked_places",
        "size",
    )

    def __init__(self, profile: Profile, media: int, own_bits: int) -> None:
        self.profile = profile
        self.media = media
        self.own_bits = own_bits
        self.bits = 0
        """The lines that they may take from now."""
        self.size = 0
        self.orders: list[Order | None] = [None] * ORDERS
        """The agents in the order of each policy; None: no line has gone by it yet."""
        self.places = [GroupPlace(self) for _ in range(ORDERS)]
        """Those of the group in the orders that lines share. The last two stand nowhere: they hold
        the key that the group has in lines that score."""
        self.ranked: list[Line] = []
        """The lines that score, of those it serves."""
        self.ranked_places: list[GroupPlace] = []
        """The places in them."""


class Free:
    """The groups of those who are free, and their orders."""

    __slots__ = ("lines", "media", "orders", "ranked")

    def __init__(self) -> None:
        self.orders = [Order() for _ in range(SHARED)]
        """Groups, by the keys of the policies that lines share."""
        self.ranked = 0
        """Mask of the lines that score and that somebody is free for."""
        self.media: dict[str, int] = {}
        """A bit for each medium."""
        self.lines: dict[str, int] = {}
        """Masks of the lines by medium."""

    # -- agents ----------------------------------------------------------------------------------

    def media_of(self, agent: Agent) -> int:
        """The media that an agent may take now."""
        if not agent.open:
            return 0
        mask = 0
        for medium, bit in self.media.items():
            if agent.may_take(medium):
                mask |= bit
        return mask

    def know(self, agent: Agent) -> None:
        """An agent has this capacity: note its media."""
        for medium in agent.capacity.limits:
            if medium not in self.media:
                self.media[medium] = 1 << len(self.media)

    def refresh(self, agent: Agent) -> None:
        """Put an agent into his places, or out of them."""
        profile = agent.profile
        if profile is None:
            return
        media = self.media_of(agent)
        group = agent.group
        if not media:
            if group is not None:
                self.withdraw(agent, group)
            return
        if group is None or group.media != media or group.own_bits != agent.own_bits:
            if group is not None:
                self.withdraw(agent, group)
            group = self._group(agent, profile, media)
            agent.group = group
            group.size += 1
        for index, order in enumerate(group.orders):
            if order is not None:
                _put(order, index, agent)
                self._lead(group, index, order)

    def withdraw(self, agent: Agent, group: Group) -> None:
        """Take an agent out of his group."""
        agent.group = None
        group.size -= 1
        for index, order in enumerate(group.orders):
            if order is not None:
                place = agent.places[index]
                if place is not None:
                    order.remove(place)
                    self._lead(group, index, order)
        if not group.size and group.own_bits:
            del group.profile.groups[group.media, group.own_bits]

    def _group(self, agent: Agent, profile: Profile, media: int) -> Group:
        key = (media, agent.own_bits)
        group = profile.groups.get(key)
        if group is None:
            group = profile.groups[key] = Group(profile, media, agent.own_bits)
            for lines in (profile.lines, agent.own_lines):
                for line in lines:
                    if self._takes(group, line):
                        group.bits |= line.mask
                        self._keep(group, line)
        return group

    def _takes(self, group: Group, line: Line) -> bool:
        return bool(group.media & self.media.get(line.medium, 0))

    def _keep(self, group: Group, line: Line) -> Order:
        """The order of a group's agents that a line goes by; made if it is new."""
        index = line.order
        order = group.orders[index]
        if order is None:
            order = group.orders[index] = Order()
            for agent in group.profile.agents.values():
                if agent.group is group:
                    _put(order, index, agent)
            self._lead(group, index, order)
        if line.ranked is not None:
            group.ranked.append(line)
            group.ranked_places.append(GroupPlace(group))
        return order

    def _lead(self, group: Group, index: int, order: Order) -> None:
        """Put a group where the first of its agents belongs."""
        head, place = order.first, group.places[index]
        if index < SHARED:
            shared = self.orders[index]
            if head is None:
                shared.remove(place)
            elif not (place.inside and place.like(head)):
                shared.put(place, head.first, head.second, head.tie, group.bits & shared.lines)
            return
        if head is None:
            if place.inside:
                place.inside = False
                for number, line in enumerate(group.ranked):
                    if line.order == index:
                        self._rank(line, group, group.ranked_places[number], None)
        elif not (place.inside and place.like(head)):
            place.inside = True
            place.first, place.second, place.tie = head.first, head.second, head.tie
            for number, line in enumerate(group.ranked):
                if line.order == index:
                    self._rank(line, group, group.ranked_places[number], head)

    def _rank(self, line: Line, group: Group, place: GroupPlace, head: Place | None) -> None:
        """A group's place in a line that scores: most points first, then longest idle."""
        order = line.ranked
        assert order is not None
        if head is not None:
            first = line.key_of(group.profile, head.second)
            order.put(place, first, head.second, head.tie, 1)
            self.ranked |= line.mask
        else:
            order.remove(place)
            if order.root is None:
                self.ranked &= ~line.mask

    # -- lines -----------------------------------------------------------------------------------

    def open(self, line: Line) -> None:
        """A line is new: its profiles and the agents that it names may take it."""
        self.lines[line.medium] = self.lines.get(line.medium, 0) | line.mask
        index, select = line.order, line.queue.select
        if select in SCORED:
            line.ranked = Order()
        shared = None if line.ranked is not None else self.orders[index]
        if shared is not None:
            shared.lines |= line.mask
        places: list[Place] = []
        masks: list[int] = []
        for profile in line.profiles.values():
            for group in profile.groups.values():
                if not self._takes(group, line):
                    continue
                group.bits |= line.mask
                order = self._keep(group, line)
                if shared is None:
                    if order.first is not None:
                        self._rank(line, group, group.ranked_places[-1], order.first)
                elif group.places[index].inside:
                    places.append(group.places[index])
                    masks.append(group.bits & shared.lines)
        if shared is not None:
            shared.rewrite(places, masks)
        for agent in line.named.values():
            self.refresh(agent)

    def close(self, line: Line) -> None:
        """A line is gone."""
        mask = line.mask
        self.lines[line.medium] &= ~mask
        self.ranked &= ~mask
        index = line.order
        shared = None if line.ranked is not None else self.orders[index]
        places: list[Place] = []
        masks: list[int] = []
        if shared is not None:
            shared.lines &= ~mask
        for profile in line.profiles.values():
            for group in profile.groups.values():
                if not group.bits & mask:
                    continue
                group.bits &= ~mask
                if shared is None:
                    at = group.ranked.index(line)
                    del group.ranked[at], group.ranked_places[at]
                elif group.places[index].inside:
                    places.append(group.places[index])
                    masks.append(group.bits & shared.lines)
        if shared is not None:
            shared.rewrite(places, masks)
        for agent in line.named.values():
            self.refresh(agent)

    # -- who is next -----------------------------------------------------------------------------

    @property
    def served(self) -> int:
        """The mask of the lines that somebody is free for."""
        mask = self.ranked
        for order in self.orders:
            if order.root is not None:
                mask |= order.root.union
        return mask

    def serves(self, line: Line) -> bool:
        """Whether somebody is free for a line."""
        if line.ranked is not None:
            return line.ranked.root is not None
        return bool(self.orders[line.order].served & line.mask)

    def first(self, line: Line) -> Agent | None:
        """Whom the policy chooses; None: nobody is free for it."""
        place = (
            line.ranked.first
            if line.ranked is not None
            else self.orders[line.order].find(line.mask)
        )
        if place is None:
            return None
        assert isinstance(place, GroupPlace)
        order = place.group.orders[line.order]
        assert order is not None
        head = order.first
        assert isinstance(head, AgentPlace)
        return head.agent

    def firsts(self, line: Line, most: int) -> list[Agent]:
        """The first so many whom the policy chooses."""
        outer, mask = line.ranked, 1
        if outer is None:
            outer, mask = self.orders[line.order], line.mask
        groups = outer.walk(mask)
        coming = next(groups, None)
        rows: list[Iterator[Place]] = []
        heads: list[AgentPlace] = []
        profiles: list[Profile] = []
        heap: list[Candidate] = []
        found: list[Agent] = []
        while len(found) < most:
            # A group comes in once its first agent may be the next.
            if coming is not None:
                key = (coming.first, coming.second, coming.tie)
                if not heap or key < heap[0][0]:
                    assert isinstance(coming, GroupPlace)
                    order = coming.group.orders[line.order]
                    assert order is not None
                    row = order.walk(1)
                    head = next(row)
                    assert isinstance(head, AgentPlace)
                    heappush(heap, (key, len(rows)))
                    rows.append(row)
                    heads.append(head)
                    profiles.append(coming.group.profile)
                    coming = next(groups, None)
                    continue
            elif not heap:
                break
            number = heap[0][1]
            found.append(heads[number].agent)
            after = next(rows[number], None)
            if after is None:
                heappop(heap)
                continue
            assert isinstance(after, AgentPlace)
            heads[number] = after
            first = after.first
            if line.ranked is not None:
                first = line.key_of(profiles[number], after.second)
            heapreplace(heap, ((first, after.second, after.tie), number))
        return found


def order_of(select: str, idle_points: float) -> int:
    """Which order of a group's agents a policy goes by."""
    if select in SCORED:
        return FREE_LAST if idle_points < 0.0 else FREE_FIRST
    return _ORDER_OF.get(select, LONGEST_IDLE)


def _put(order: Order, index: int, agent: Agent) -> None:
    """Put an agent into one of the orders of his group."""
    place = agent.places[index]
    if place is None:
        place = agent.places[index] = AgentPlace(agent)
    if index == LONGEST_IDLE:
        first = float(len(agent.work))
    elif index == ROUND_ROBIN:
        first = float(agent.offered)
    elif index == LEAST_OCCUPIED:
        # As it stood when he became free: while all are free it changes for all.
        signed_in_s = agent.free_since - agent.signed_in_at
        first = agent.busy_s / signed_in_s if signed_in_s > 0.0 else 0.0
    elif index == FEWEST_ANSWERED:
        first = float(agent.answered)
    elif index == FREE_FIRST:
        first = agent.free_since
    else:
        first = -agent.free_since
    order.put(place, first, agent.free_since, agent.tie, 1)

"""Who is free: the agents who may take the same, and the first of them for a line.

Agents of one profile who are free for the same media are a `Group`: they serve the same lines, so a
line that is new or gone concerns groups, however many agents there are. A group keeps its agents in
the order of each policy that one of its lines goes by, and has a place in each `Ranking` of those,
by the key of the first of them. Who becomes free behind others changes nothing but his group.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from cicswitch.acd.order import AgentPlace, GroupPlace, Order, Place
from cicswitch.acd.ranking import (
    FEWEST_ANSWERED,
    FREE_FIRST,
    LEAST_OCCUPIED,
    LONGEST_IDLE,
    ORDERS,
    ROUND_ROBIN,
    Ranking,
    ranking_key,
    score_of,
)

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.lines import Line, Profile

__all__ = ["Free", "Group"]

Candidate = tuple[tuple[float, float, int], int]
"""An agent's key in a line, and which of the rows he is the next of."""


class Group:
    """Agents of one profile who are free for the same media, and whom the same lines name."""

    __slots__ = ("leads", "media", "orders", "own_bits", "places", "profile", "size", "stands")

    def __init__(self, profile: Profile, media: int, own_bits: int) -> None:
        self.profile = profile
        self.media = media
        self.own_bits = own_bits
        self.size = 0
        self.orders: list[Order | None] = [None] * ORDERS
        """The agents in the order of each policy; None: no line has gone by it yet."""
        self.leads = [Place() for _ in range(ORDERS)]
        """The keys of the first of each order, as the rankings have them."""
        self.places: dict[str, GroupPlace] = {}
        """Those of the group, by ranking."""
        self.stands: list[list[GroupPlace]] = [[] for _ in range(ORDERS)]
        """The same, by the order of the agents."""


class Free:
    """The groups of those who are free, and their rankings."""

    __slots__ = ("media", "rankings", "served")

    def __init__(self) -> None:
        self.rankings: dict[str, Ranking] = {}
        self.served = 0
        """The mask of the lines that somebody is free for."""
        self.media: dict[str, int] = {}
        """A bit for each medium."""

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
                    if group.media & self.media.get(line.medium, 0):
                        self._stand(group, line).own |= line.ranked
        return group

    def _stand(self, group: Group, line: Line) -> GroupPlace:
        """The place of a group in the ranking of a line that it serves; made if it is new."""
        ranking = line.ranking
        assert ranking is not None
        place = group.places.get(ranking.key)
        if place is None:
            place = group.places[ranking.key] = GroupPlace(group)
            if ranking.scored:
                place.score = score_of(line.queue, line.need, group.profile)
            group.stands[ranking.index].append(place)
            place.ranking = ranking
            if group.orders[ranking.index] is None:
                order = group.orders[ranking.index] = Order()
                for agent in group.profile.agents.values():
                    if agent.group is group:
                        _put(order, ranking.index, agent)
        return place

    def _lead(self, group: Group, index: int, order: Order) -> None:
        """Put a group where the first of its agents belongs."""
        head, lead = order.first, group.leads[index]
        if head is None:
            if lead.inside:
                lead.inside = False
                for place in group.stands[index]:
                    self._move(place, None)
        elif not (lead.inside and lead.like(head)):
            lead.inside = True
            lead.first, lead.second, lead.tie = head.first, head.second, head.tie
            for place in group.stands[index]:
                self._move(place, head)

    def _move(self, place: GroupPlace, head: Place | None) -> None:
        ranking = place.ranking
        assert ranking is not None
        if head is None:
            ranking.order.remove(place)
        else:
            first = head.first
            if ranking.scored:
                first = key_of(place, ranking, head)
            ranking.order.put(place, first, head.second, head.tie, place.own)
        self._note(ranking)

    def _note(self, ranking: Ranking) -> None:
        """Keep `served` right after a change of a ranking."""
        root = ranking.order.root
        served = root.union if root is not None else 0
        changed = served ^ ranking.served
        if not changed:
            return
        ranking.served = served
        while changed:
            lowest = changed & -changed
            changed ^= lowest
            line = ranking.by_bit[lowest.bit_length() - 1]
            assert line is not None
            if served & lowest:
                self.served |= line.mask
            else:
                self.served &= ~line.mask

    # -- lines -----------------------------------------------------------------------------------

    def open(self, line: Line) -> None:
        """A line is new: its profiles and the agents that it names may take it."""
        key = ranking_key(line.queue, line.need)
        ranking = self.rankings.get(key)
        if ranking is None:
            ranking = self.rankings[key] = Ranking(key, line.queue)
        ranking.add(line)
        medium = self.media.get(line.medium, 0)
        places: list[GroupPlace] = []
        for profile in line.profiles.values():
            for group in profile.groups.values():
                if not group.media & medium:
                    continue
                place = self._stand(group, line)
                place.own |= line.ranked
                if place.inside:
                    places.append(place)
                else:
                    order = group.orders[ranking.index]
                    if order is not None and order.first is not None:
                        self._lead(group, ranking.index, order)
                        self._move(place, order.first)
        ranking.order.recount(places)
        self._note(ranking)
        for agent in line.named.values():
            self.refresh(agent)

    def close(self, line: Line) -> None:
        """A line is gone. The agents that it named are not in its lines any more."""
        ranking = line.ranking
        assert ranking is not None
        places: list[GroupPlace] = []
        for profile in line.profiles.values():
            for group in profile.groups.values():
                place = group.places.get(ranking.key)
                if place is None or not place.own & line.ranked:
                    continue
                place.own &= ~line.ranked
                if not place.own:
                    ranking.order.remove(place)
                    del group.places[ranking.key]
                    group.stands[ranking.index].remove(place)
                elif place.inside:
                    places.append(place)
        ranking.order.recount(places)
        for agent in line.named.values():
            self.refresh(agent)
        self._note(ranking)
        ranking.drop(line)
        if ranking.unused:
            del self.rankings[ranking.key]

    # -- who is next -----------------------------------------------------------------------------

    def first(self, line: Line) -> Agent | None:
        """Whom the policy chooses; None: nobody is free for it."""
        ranking = line.ranking
        if ranking is None:
            return None
        place = ranking.order.find(line.ranked)
        if place is None:
            return None
        assert isinstance(place, GroupPlace)
        order = place.group.orders[ranking.index]
        assert order is not None
        head = order.first
        assert isinstance(head, AgentPlace)
        return head.agent

    def firsts(self, line: Line, most: int) -> list[Agent]:
        """The first so many whom the policy chooses."""
        found: list[Agent] = []
        ranking = line.ranking
        if ranking is None:
            return found
        groups = ranking.order.walk(line.ranked)
        coming = next(groups, None)
        rows: list[Iterator[Place]] = []
        heads: list[AgentPlace] = []
        of: list[GroupPlace] = []
        heap: list[Candidate] = []
        while len(found) < most:
            # A group comes in once its first agent may be the next.
            if coming is not None:
                key = (coming.first, coming.second, coming.tie)
                if not heap or key < heap[0][0]:
                    assert isinstance(coming, GroupPlace)
                    order = coming.group.orders[ranking.index]
                    assert order is not None
                    row = order.walk(1)
                    head = next(row)
                    assert isinstance(head, AgentPlace)
                    heappush(heap, (key, len(rows)))
                    rows.append(row)
                    heads.append(head)
                    of.append(coming)
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
            if ranking.scored:
                first = key_of(of[number], ranking, after)
            heapreplace(heap, ((first, after.second, after.tie), number))
        return found


def key_of(place: GroupPlace, ranking: Ranking, agent: Place) -> float:
    """What orders scored agents: most points first. Points for idle seconds grow for all alike, so
    the order of two agents stays. `agent` is one's place in the group."""
    return ranking.idle_points * agent.second - place.score


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

"""The floor: who is free, what waits, and which of them go together.

    floor.agent_for(line, now)         the free agent whom the queue's policy chooses
    floor.work_for(agent, now)         the most urgent interaction that a free agent may take

Both cost O(log n) in agents and interactions (see `order` and `lines`); the second looks at each
line that the agent serves and somebody waits in. `refresh` has to follow every change of what an
agent may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.acd.lines import Line, Profile, Tier, bits
from cicswitch.acd.order import Order
from cicswitch.acd.skills import levels

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.commands import Weights
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.queue import Queue
    from cicswitch.acd.skills import Need

__all__ = ["Choose", "Floor"]

Choose = Callable[["Interaction", "list[Agent]", float], "Agent | None"]
"""A policy in Python: the interaction, the free agents who may take it, the time."""

LONGEST_IDLE, ROUND_ROBIN, LEAST_OCCUPIED, FEWEST_ANSWERED = range(4)
_ORDER_OF = {
    "round-robin": ROUND_ROBIN,
    "least-occupied": LEAST_OCCUPIED,
    "fewest-answered": FEWEST_ANSWERED,
}
_MOST_LINES = 4096
MOST_CANDIDATES = 100
"""So many a policy in Python sees, those who have been idle longest."""


class Floor:
    """Profiles, lines and orders. Knows agents and interactions, not what is done with them."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self.lines: dict[str, Line] = {}
        self.orders = [Order() for _ in range(4)]
        """Who is free, by the keys of the policies."""
        self.staff = Order()
        """Who is signed in, by what he could serve."""
        self.present: set[str] = set()
        self.waiting = 0
        """Mask of the tiers of all lines in which somebody waits."""
        self.media: dict[str, int] = {}
        """Masks of the tiers by medium."""
        self.direct: dict[str, dict[str, Line]] = {}
        """By agent: the lines to him, while somebody waits in them."""
        self._tiers: list[Tier | None] = []
        self._free_bits: list[int] = []

    # -- agents ----------------------------------------------------------------------------------

    def profile_of(self, agent: Agent) -> Profile:
        """The profile of what an agent brings; made if it is new."""
        key = (
            f"{sorted(agent.skills.items())}{sorted(agent.desire.items())}{agent.cost}"
            f"{sorted(agent.attributes.items())}"
        )
        profile = self.profiles.get(key)
        if profile is None:
            profile = self.profiles[key] = Profile(key, agent)
            for line in list(self.lines.values()):
                if line.members is None:
                    profile.bits |= self._admit(line, profile)
        return profile

    def join(self, agent: Agent) -> None:
        """Put an agent into the profile of what he brings now, and into the lines that name him."""
        self.leave(agent)
        profile = self.profile_of(agent)
        agent.profile = profile
        profile.agents[agent.id] = agent
        agent.own_bits = 0
        for line in list(self.lines.values()):
            if line.members is not None and not line.direct and agent.id in line.members:
                agent.own_bits |= self._admit(line, profile)
        self.sign(agent)

    def sign(self, agent: Agent) -> None:
        """Note whether an agent is signed in now, and what he could serve."""
        profile = agent.profile
        assert profile is not None
        if agent.presence:
            self.present.add(agent.id)
            self.staff.put(agent, 0.0, 0.0, profile.bits | agent.own_bits)
        else:
            self.present.discard(agent.id)
            self.staff.remove(agent)

    def leave(self, agent: Agent) -> None:
        """Take an agent out of his profile. Idempotent."""
        profile = agent.profile
        if profile is None:
            return
        agent.profile = None
        del profile.agents[agent.id]
        for order in self.orders:
            order.remove(agent)
        self.staff.remove(agent)
        self.present.discard(agent.id)
        if not profile.agents:
            del self.profiles[profile.key]

    def open_bits(self, agent: Agent) -> int:
        """The tiers that an agent may take from now."""
        profile = agent.profile
        if profile is None or not agent.open:
            return 0
        serves = profile.bits | agent.own_bits
        if not serves:
            return 0
        mask = 0
        for medium, tiers in self.media.items():
            may = serves & tiers
            if may and agent.may_take(medium):
                mask |= may
        return mask

    def refresh(self, agent: Agent) -> None:
        """Put an agent into his places in the orders, or out of them."""
        mask = self.open_bits(agent)
        for index, order in enumerate(self.orders):
            if order.lines:
                self._put(index, order, agent, mask & order.lines)

    def _put(self, index: int, order: Order, agent: Agent, own: int) -> None:
        if not own:
            order.remove(agent)
        elif index == LONGEST_IDLE:
            order.put(agent, float(len(agent.work)), agent.free_since, own)
        elif index == ROUND_ROBIN:
            order.put(agent, float(agent.offered), agent.free_since, own)
        elif index == LEAST_OCCUPIED:
            # As it stood when he became free: while all are free it changes for all.
            signed_in_s = agent.free_since - agent.signed_in_at
            occupied = agent.busy_s / signed_in_s if signed_in_s > 0.0 else 0.0
            order.put(agent, occupied, agent.free_since, own)
        else:
            order.put(agent, float(agent.answered), agent.free_since, own)

    # -- lines -----------------------------------------------------------------------------------

    def line(
        self, queue: Queue, medium: str, need: Need, members: frozenset[str] | None, now: float
    ) -> Line:
        """The line for what asks for this; made if it is new."""
        key = f"{queue.name}\n{medium}\n{need.key}"
        if members is not None:
            key += "\n" + "\n".join(sorted(members))
        line = self.lines.get(key)
        if line is None:
            if len(self.lines) >= _MOST_LINES:
                self._drop_unused()
            line = Line(key, queue, medium, need, members)
            self._open(line)
        line.used_at = now
        return line

    def direct_line(self, queue: Queue, medium: str, agents: tuple[str, ...], now: float) -> Line:
        """The line that stands at these agents."""
        key = f"{queue.name}\n{medium}\n@\n" + "\n".join(sorted(agents))
        line = self.lines.get(key)
        if line is None:
            line = Line(key, queue, medium, _NOBODY_ASKED, frozenset(agents), direct=True)
            self.lines[key] = queue.lines[key] = line
        line.used_at = now
        return line

    def _open(self, line: Line) -> None:
        self.lines[line.key] = line.queue.lines[line.key] = line
        changed: list[Agent] = []
        if line.members is None:
            for profile in self.profiles.values():
                bit = self._admit(line, profile)
                if bit:
                    profile.bits |= bit
                    changed.extend(profile.agents.values())
        else:
            changed = self._admit_members(line)
        self._rewrite(changed)

    def _admit_members(self, line: Line) -> list[Agent]:
        members = line.members
        assert members is not None
        changed = []
        for profile in list(self.profiles.values()):
            for name in members.intersection(profile.agents):
                bit = self._admit(line, profile)
                if bit:
                    profile.agents[name].own_bits |= bit
                    changed.append(profile.agents[name])
        return changed

    def _rewrite(self, agents: list[Agent]) -> None:
        """As `refresh` for each, in one pass over the orders."""
        for index, order in enumerate(self.orders):
            if order.lines:
                for agent in agents:
                    own = self.open_bits(agent) & order.lines
                    if not own or not order.rewrite(agent, own):
                        self._put(index, order, agent, own)
                order.recount()
        for agent in agents:
            profile = agent.profile
            if agent.presence and profile is not None:
                serves = profile.bits | agent.own_bits
                if not serves or not self.staff.rewrite(agent, serves):
                    self.sign(agent)
        self.staff.recount()

    def _admit(self, line: Line, profile: Profile) -> int:
        """The bit of the tier in which a profile serves a line; 0 if it does not."""
        if not line.need.meets(profile.skills):
            return 0
        score = _score(line, profile)
        tiers = line.tiers
        for at, tier in enumerate(tiers):
            if tier.score == score:
                return tier.mask
            if tier.score < score:
                return self._new_tier(line, score, at)
        return self._new_tier(line, score, len(tiers))

    def _new_tier(self, line: Line, score: float, at: int) -> int:
        if self._free_bits:
            bit = self._free_bits.pop()
        else:
            bit = len(self._tiers)
            self._tiers.append(None)
        tier = Tier(line, bit, score)
        self._tiers[bit] = tier
        line.tiers.insert(at, tier)
        line.mask |= tier.mask
        self.media[line.medium] = self.media.get(line.medium, 0) | tier.mask
        self.orders[order_of(line.queue.select)].lines |= tier.mask
        if line.waiting:
            self.waiting |= tier.mask
        return tier.mask

    def close(self, line: Line) -> None:
        """Take a line away in which nobody waits."""
        line.closed = True
        del self.lines[line.key]
        line.queue.lines.pop(line.key, None)
        mask = line.mask
        if not mask:
            return
        changed: list[Agent] = []
        for profile in self.profiles.values():
            if profile.bits & mask:
                profile.bits &= ~mask
                changed.extend(profile.agents.values())
            if line.members is not None:
                for name in line.members.intersection(profile.agents):
                    profile.agents[name].own_bits &= ~mask
                    changed.append(profile.agents[name])
        self._rewrite(changed)
        for tier in line.tiers:
            self._tiers[tier.bit] = None
            self._free_bits.append(tier.bit)
        for order in self.orders:
            order.lines &= ~mask
        self.media[line.medium] &= ~mask
        self.waiting &= ~mask
        line.tiers.clear()
        line.mask = 0

    def _drop_unused(self) -> None:
        """Half of the lines in which nobody waits, those used longest ago."""
        empty = [line for line in self.lines.values() if not line.waiting]
        empty.sort(key=_used_at)
        for line in empty[: len(empty) // 2 + 1]:
            self.close(line)

    # -- what waits ------------------------------------------------------------------------------

    def wait(self, line: Line, interaction: Interaction) -> None:
        """An interaction takes its place in a line."""
        line.push(interaction)
        line.queue.waiting += 1
        self.waiting |= line.mask
        if line.direct:
            assert line.members is not None
            for name in line.members:
                self.direct.setdefault(name, {})[line.key] = line

    def take(self, line: Line, interaction: Interaction) -> None:
        """An interaction leaves its place."""
        line.take(interaction)
        line.queue.waiting -= 1
        if line.waiting:
            return
        self.waiting &= ~line.mask
        if line.direct:
            assert line.members is not None
            for name in line.members:
                lines = self.direct[name]
                del lines[line.key]
                if not lines:
                    del self.direct[name]
            self.close(line)

    # -- matching --------------------------------------------------------------------------------

    def serves(self, line: Line) -> bool:
        """Whether somebody who is free may take from a line."""
        return bool(self.orders[order_of(line.queue.select)].served & line.mask)

    def agent_for(self, line: Line, now: float) -> Agent | None:
        """The free agent whom the queue's policy chooses for a line that is not direct."""
        queue = line.queue
        order = self.orders[order_of(queue.select)]
        served = order.served & line.mask
        if not served:
            return None
        if queue.select == "weighted" and queue.definition.weights.idle:
            # Within a tier who is idle longest scores most; across tiers the sum decides.
            points = queue.definition.weights.idle
            best: Agent | None = None
            most = 0.0
            for tier in line.tiers:
                if served & tier.mask:
                    agent = order.find(tier.mask)
                    assert agent is not None
                    score = tier.score + points * (now - agent.free_since)
                    if best is None or score > most or (score == most and _idler(agent, best)):
                        best, most = agent, score
            return best
        for tier in line.tiers:
            if served & tier.mask:
                return order.find(tier.mask)
        return None

    def agents_for(self, line: Line, most: int, now: float) -> list[Agent]:
        """The first so many whom the policy chooses, one after the other."""
        found: list[Agent] = []
        while len(found) < most:
            agent = self.agent_for(line, now)
            if agent is None:
                break
            found.append(agent)
            for order in self.orders:
                order.remove(agent)
        for agent in found:
            self.refresh(agent)
        return found

    def candidates(self, line: Line, most: int = MOST_CANDIDATES) -> list[Agent]:
        """The free agents who may take from a line, longest idle first."""
        found: list[Agent] = []
        for agent in self.orders[order_of(line.queue.select)].walk(line.mask):
            found.append(agent)
            if len(found) >= most:
                break
        return found

    def work_for(self, agent: Agent, now: float) -> tuple[Line, Interaction] | None:
        """The most urgent interaction that an agent may take, and its line."""
        best: Interaction | None = None
        best_line: Line | None = None
        most = late = 0.0
        profile = agent.profile
        if profile is None or not agent.open:
            return None
        serves = (profile.bits | agent.own_bits) & self.waiting
        if serves:
            serves &= self.open_bits(agent)
        tiers = self._tiers
        while serves:
            low = serves & -serves
            serves ^= low
            tier = tiers[low.bit_length() - 1]
            assert tier is not None
            line = tier.line
            queue = line.queue
            if queue.bound_s:
                oldest = line.oldest()
                if oldest is not None and now - oldest.queued_at >= queue.bound_s:
                    # Past the bound the one who has been past it longest goes before all others.
                    over = now - oldest.queued_at - queue.bound_s + 1e-9
                    if over > late or (
                        over == late and best is not None and oldest.sequence < best.sequence
                    ):
                        best, best_line, late = oldest, line, over
                    continue
            if late:
                continue
            head = line.head()
            if head is None:
                continue
            points = queue.urgency(head, now)
            if best is None or points > most or (points == most and head.sequence < best.sequence):
                best, best_line, most = head, line, points
        if self.direct and not late:
            for line in self.direct.get(agent.id, {}).values():
                head = line.head()
                if head is None or not agent.may_take(line.medium):
                    continue
                points = line.queue.urgency(head, now)
                if (
                    best is None
                    or points > most
                    or (points == most and head.sequence < best.sequence)
                ):
                    best, best_line, most = head, line, points
        if best is None or best_line is None:
            return None
        return best_line, best

    def staffed(self, line: Line) -> bool:
        """Whether anybody who is signed in could serve a line."""
        if line.direct:
            assert line.members is not None
            return not line.members.isdisjoint(self.present)
        return bool(self.staff.served & line.mask)

    def tier(self, bit: int) -> Tier | None:
        """The tier of a bit."""
        return self._tiers[bit]

    def lines_of(self, mask: int) -> list[Line]:
        """The lines of a mask."""
        found: dict[str, Line] = {}
        for bit in bits(mask):
            tier = self._tiers[bit]
            if tier is not None:
                found[tier.line.key] = tier.line
        return list(found.values())


_NOBODY_ASKED = levels({})


def order_of(select: str) -> int:
    """Which order a policy looks in."""
    return _ORDER_OF.get(select, LONGEST_IDLE)


def _idler(agent: Agent, other: Agent) -> bool:
    if agent.free_since != other.free_since:
        return agent.free_since < other.free_since
    return agent.tie < other.tie


def _used_at(line: Line) -> float:
    return line.used_at


def _score(line: Line, profile: Profile) -> float:
    """The points that decide a profile's tier; the greatest is tried first."""
    select = line.queue.select
    if select == "most-skilled":
        return float(line.need.score(profile.skills))
    if select == "least-skilled":
        # Generalists are kept free: who brings least beside what is asked for goes first.
        return -float(sum(profile.skills.values()))
    if select == "weighted":
        return static_score(line.queue.definition.weights, line.need, profile)
    return 0.0


def static_score(weights: Weights, need: Need, profile: Profile) -> float:
    """The part of the weighted score that time does not change."""
    named = need.skills()
    points: float = weights.proficiency * need.score(profile.skills)
    points += weights.desire * sum([profile.desire.get(skill, 0) for skill in sorted(named)])
    points -= weights.cost * profile.cost
    for name, weight in weights.attributes.items():
        points += weight * profile.attributes.get(name, 0.0)
    return points

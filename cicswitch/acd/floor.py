"""The floor: who is free, what waits, and which of them go together.

    floor.agent_for(line, now)         the free agent whom the queue's policy chooses
    floor.work_for(agent, now)         the most urgent interaction that a free agent may take

The first costs O(log n) in agents: policies that look at the agent alone share a tree for each key
(see `order`), and policies that score him for what is asked for have one for each line. The second
looks at the head of each line that the agent serves. `refresh` has to follow every change of what
an agent may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.acd.lines import Line, Profile
from cicswitch.acd.order import Order
from cicswitch.acd.queue import OFFLINE
from cicswitch.acd.skills import ANYBODY

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
_RANKED = ("most-skilled", "least-skilled", "weighted")
_MOST_LINES = 4096
MOST_CANDIDATES = 100
"""So many a policy in Python sees, those who have been idle longest."""


class Floor:
    """Profiles, lines and orders. Knows agents and interactions, not what is done with them."""

    def __init__(self) -> None:
        self.profiles: dict[str, Profile] = {}
        self._bringing: dict[str, dict[str, Profile]] = {}
        """The profiles by skill."""
        self.lines: dict[str, Line] = {}
        self.orders = [Order() for _ in range(4)]
        """Who is free, by the keys of the policies that lines share."""
        self.staff = Order()
        """Who is signed in, by what he could serve."""
        self.present: set[str] = set()
        self.waiting = 0
        """Mask of the lines in which somebody waits."""
        self.ranked = 0
        """Mask of the ranked lines that somebody is free for."""
        self.leaving = 0
        """Mask of the lines of queues with a leave list."""
        self.counted: list[Queue] = []
        """The queues whose `staff` is kept."""
        self.media: dict[str, int] = {}
        """Masks of the lines by medium."""
        self.direct: dict[str, dict[str, Line]] = {}
        """By agent: the lines to him, while somebody waits in them."""
        self._by_bit: list[Line | None] = []
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
            for skill in profile.skills:
                self._bringing.setdefault(skill, {})[key] = profile
            for line in self.lines.values():
                if line.members is None and _admit(line, profile):
                    profile.lines.append(line)
                    profile.bits |= line.mask
        return profile

    def join(self, agent: Agent) -> None:
        """Put an agent into the profile of what he brings now, and into the lines that name him."""
        self.leave(agent)
        profile = self.profile_of(agent)
        agent.profile = profile
        profile.agents[agent.id] = agent
        for line in self.lines.values():
            members = line.members
            if members is None or line.direct or agent.id not in members:
                continue
            if _admit(line, profile):
                agent.own_lines.append(line)
                agent.own_bits |= line.mask
        self.sign(agent)

    def sign(self, agent: Agent) -> None:
        """Note whether an agent is signed in now, and what he could serve."""
        profile = agent.profile
        assert profile is not None
        if bool(agent.presence) != (agent.id in self.present):
            self._count(agent, profile, 1 if agent.presence else -1)
        if agent.presence:
            self.present.add(agent.id)
            self.staff.put(agent, 0.0, 0.0, profile.bits | agent.own_bits)
        else:
            self.present.discard(agent.id)
            self.staff.remove(agent)

    def _count(self, agent: Agent, profile: Profile, more: int) -> None:
        for queue in self.counted:
            members = queue.definition.agents
            if (not members or agent.id in members) and queue.need.meets(profile.skills):
                queue.staff += more

    def leave(self, agent: Agent) -> None:
        """Take an agent out of his profile. Idempotent."""
        profile = agent.profile
        if profile is None:
            return
        self._withdraw(agent, profile)
        self.staff.remove(agent)
        if agent.id in self.present:
            self.present.remove(agent.id)
            self._count(agent, profile, -1)
        agent.profile = None
        agent.own_lines = []
        agent.own_bits = 0
        del profile.agents[agent.id]
        if not profile.agents:
            del self.profiles[profile.key]
            for skill in profile.skills:
                bringing = self._bringing[skill]
                del bringing[profile.key]
                if not bringing:
                    del self._bringing[skill]

    def candidates(self, need: Need) -> dict[str, Profile]:
        """Profiles among which all are that meet a need, and not many more."""
        fewest = self.profiles
        for skill in need.necessary():
            bringing = self._bringing.get(skill)
            if bringing is None:
                return {}
            if len(bringing) < len(fewest):
                fewest = bringing
        return fewest

    def _withdraw(self, agent: Agent, profile: Profile) -> None:
        for order in self.orders:
            order.remove(agent)
        for lines in (profile.lines, agent.own_lines):
            for line in lines:
                if line.ranked is not None:
                    line.ranked.remove(agent)
                    if not line.ranked:
                        self.ranked &= ~line.mask

    def open_bits(self, agent: Agent) -> int:
        """The lines that an agent may take from now."""
        profile = agent.profile
        if profile is None or not agent.open:
            return 0
        serves = profile.bits | agent.own_bits
        if not serves:
            return 0
        mask = 0
        for medium, lines in self.media.items():
            may = serves & lines
            if may and agent.may_take(medium):
                mask |= may
        return mask

    def refresh(self, agent: Agent) -> None:
        """Put an agent into his places in the orders, or out of them."""
        profile = agent.profile
        if profile is None:
            return
        mask = self.open_bits(agent)
        if not mask:
            if agent.placed:
                agent.placed = False
                self._withdraw(agent, profile)
            return
        agent.placed = True
        for index, order in enumerate(self.orders):
            if order.lines:
                self._put(index, order, agent, mask & order.lines)
        for lines in (profile.lines, agent.own_lines):
            for line in lines:
                if line.ranked is not None:
                    self._rank(line, agent, profile, mask)

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

    def _rank(self, line: Line, agent: Agent, profile: Profile, mask: int) -> None:
        """An agent's place in a line that scores: most points first, then longest idle."""
        order = line.ranked
        assert order is not None
        if mask & line.mask:
            # Points for idle seconds grow for all alike, so the order of two agents stays.
            idle = line.queue.idle_points * agent.free_since
            order.put(agent, idle - line.scores[profile.key], agent.free_since, 1)
            self.ranked |= line.mask
        else:
            order.remove(agent)
            if not order:
                self.ranked &= ~line.mask

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
            if len(self._by_bit) - len(self._free_bits) >= _MOST_LINES:
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
            line = Line(key, queue, medium, ANYBODY, frozenset(agents), direct=True)
            self.lines[key] = queue.lines[key] = line
        line.used_at = now
        return line

    def _open(self, line: Line) -> None:
        queue = line.queue
        self.lines[line.key] = queue.lines[line.key] = line
        if self._free_bits:
            bit = self._free_bits.pop()
            self._by_bit[bit] = line
        else:
            bit = len(self._by_bit)
            self._by_bit.append(line)
        line.bit, line.mask = bit, 1 << bit
        self.media[line.medium] = self.media.get(line.medium, 0) | line.mask
        if queue.leave_absent & ~OFFLINE:
            self.leaving |= line.mask
        if queue.select in _RANKED:
            line.ranked = Order()
        else:
            self.orders[order_of(queue.select)].lines |= line.mask
        served: list[Agent] = []
        for profile in self.candidates(line.need).values():
            members = line.members
            if members is None:
                if _admit(line, profile):
                    profile.lines.append(line)
                    profile.bits |= line.mask
                    served.extend(profile.agents.values())
            else:
                for name in sorted(members.intersection(profile.agents)):
                    if _admit(line, profile):
                        agent = profile.agents[name]
                        agent.own_lines.append(line)
                        agent.own_bits |= line.mask
                        served.append(agent)
        self._rewrite(served, line)

    def _rewrite(self, served: list[Agent], line: Line) -> None:
        """A line is new or gone: as `refresh` for all who serve it, in one pass over the tree."""
        shared = None if line.ranked is not None else order_of(line.queue.select)
        for agent in served:
            profile = agent.profile
            assert profile is not None
            if agent.presence:
                serves = profile.bits | agent.own_bits
                if not serves or not self.staff.rewrite(agent, serves):
                    self.sign(agent)
            mask = self.open_bits(agent)
            agent.placed = mask != 0
            if shared is None:
                if not line.closed:
                    self._rank(line, agent, profile, mask)
                continue
            order = self.orders[shared]
            own = mask & order.lines
            if not own or not order.rewrite(agent, own):
                self._put(shared, order, agent, own)
        if shared is not None:
            self.orders[shared].recount()
        self.staff.recount()

    def close(self, line: Line) -> None:
        """Take a line away in which nobody waits."""
        line.closed = True
        del self.lines[line.key]
        line.queue.lines.pop(line.key, None)
        mask = line.mask
        if not mask:
            return
        served: list[Agent] = []
        for profile in self.candidates(line.need).values():
            if line.members is None:
                if profile.bits & mask:
                    profile.bits &= ~mask
                    profile.lines.remove(line)
                    served.extend(profile.agents.values())
            else:
                for name in sorted(line.members.intersection(profile.agents)):
                    agent = profile.agents[name]
                    if agent.own_bits & mask:
                        agent.own_bits &= ~mask
                        agent.own_lines.remove(line)
                        served.append(agent)
        for order in self.orders:
            order.lines &= ~mask
        self.media[line.medium] &= ~mask
        self.ranked &= ~mask
        self.leaving &= ~mask
        self._rewrite(served, line)
        self._by_bit[line.bit] = None
        self._free_bits.append(line.bit)

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
        if line.waiting == 1:
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

    def beside(self) -> int:
        """The lines in which somebody waits although somebody is free for them: 0, always."""
        waiting = self.waiting
        if not waiting:
            return 0
        beside = self.ranked & waiting if self.ranked else 0
        for order in self.orders:
            if order.root is not None:
                beside |= order.root.union & waiting
        return beside

    # -- matching --------------------------------------------------------------------------------

    def serves(self, line: Line) -> bool:
        """Whether somebody who is free may take from a line."""
        if line.ranked is not None:
            return bool(line.ranked)
        return bool(self.orders[order_of(line.queue.select)].served & line.mask)

    def agent_for(self, line: Line) -> Agent | None:
        """The free agent whom the queue's policy chooses for a line that is not direct."""
        if line.ranked is not None:
            return line.ranked.find(1)
        return self.orders[order_of(line.queue.select)].find(line.mask)

    def agents_for(self, line: Line, most: int) -> list[Agent]:
        """The first so many whom the policy chooses."""
        order, mask = line.ranked, 1
        if order is None:
            order, mask = self.orders[order_of(line.queue.select)], line.mask
        found: list[Agent] = []
        for agent in order.walk(mask):
            found.append(agent)
            if len(found) >= most:
                break
        return found

    def work_for(
        self, agent: Agent, now: float, passed: int = 0
    ) -> tuple[Line, Interaction] | None:
        """The most urgent interaction that an agent may take, and its line; none of the lines of
        the mask `passed`."""
        best: Interaction | None = None
        best_line: Line | None = None
        most = late = 0.0
        sequence = 0
        profile = agent.profile
        if profile is None or not agent.open:
            return None
        medium, may = "", False
        if (profile.bits | agent.own_bits) & self.waiting:
            for lines in (profile.lines, agent.own_lines):
                for line in lines:
                    if not line.waiting or (passed and line.mask & passed):
                        continue
                    if line.medium != medium:
                        medium = line.medium
                        may = agent.may_take(medium)
                    if not may:
                        continue
                    queue = line.queue
                    if queue.bound_s:
                        oldest = line.eldest
                        if oldest is not None and now - line.eldest_at >= queue.bound_s:
                            # Past the bound: who has been past it longest goes before all others.
                            over = now - line.eldest_at - queue.bound_s + 1e-9
                            if over > late or (
                                over == late
                                and best is not None
                                and oldest.sequence < best.sequence
                            ):
                                best, best_line, late = oldest, line, over
                            continue
                    if late:
                        continue
                    head = line.first
                    if head is None:
                        continue
                    points = queue.points(line.first_key, now)
                    if (
                        best is None
                        or points > most
                        or (points == most and line.first_sequence < sequence)
                    ):
                        best, best_line, most, sequence = head, line, points, line.first_sequence
        if self.direct and not late:
            for line in self.direct.get(agent.id, {}).values():
                head = line.first
                if head is None or not agent.may_take(line.medium):
                    continue
                points = line.queue.points(line.first_key, now)
                if (
                    best is None
                    or points > most
                    or (points == most and line.first_sequence < sequence)
                ):
                    best, best_line, most, sequence = head, line, points, line.first_sequence
        if best is None or best_line is None:
            return None
        return best_line, best

    def staffed(self, line: Line) -> bool:
        """Whether anybody who is signed in could serve a line."""
        if line.direct:
            assert line.members is not None
            return not line.members.isdisjoint(self.present)
        return bool(self.staff.served & line.mask)

    def attended(self, line: Line, absent: int) -> bool:
        """Whether anybody who is signed in and could serve a line is in none of these states."""
        agent = line.witness
        if agent is not None and agent.presence and not absent >> agent.state & 1:
            profile = agent.profile
            if profile is not None and (profile.bits | agent.own_bits) & line.mask:
                return True
        for agent in self.staff.walk(line.mask):
            if not absent >> agent.state & 1:
                line.witness = agent
                return True
        line.witness = None
        return False

    def lines_of(self, mask: int) -> list[Line]:
        """The lines of a mask."""
        found: list[Line] = []
        while mask:
            lowest = mask & -mask
            mask ^= lowest
            line = self._by_bit[lowest.bit_length() - 1]
            if line is not None:
                found.append(line)
        return found


def order_of(select: str) -> int:
    """Which of the shared orders a policy looks in."""
    return _ORDER_OF.get(select, LONGEST_IDLE)


def _used_at(line: Line) -> float:
    return line.used_at


def _admit(line: Line, profile: Profile) -> bool:
    """Whether a profile serves a line; its points are kept where the policy asks for them."""
    if not line.need.meets(profile.skills):
        return False
    if line.ranked is not None:
        line.scores[profile.key] = score_of(line.queue, line.need, profile)
    return True


def score_of(queue: Queue, need: Need, profile: Profile) -> float:
    """The points of a profile; who is free and has most is chosen."""
    if queue.select == "most-skilled":
        return float(need.score(profile.skills))
    if queue.select == "least-skilled":
        # Generalists are kept free: who brings least goes first.
        return -float(sum(profile.skills.values()))
    return static_score(queue.definition.weights, need, profile)


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

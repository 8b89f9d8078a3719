"""The floor: who is free, what waits, and which of them go together.

    floor.agent_for(line)              the free agent whom the queue's policy chooses
    floor.work_for(agent, now)         the most urgent interaction that a free agent may take

The first costs O(log n) in agents: see `groups`. The second looks at the head of each line that the
agent serves. `refresh` has to follow every change of what an agent may take.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.acd.groups import Free
from cicswitch.acd.lines import Line, Profile
from cicswitch.acd.queue import OFFLINE
from cicswitch.acd.skills import ANYBODY

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.queue import Queue
    from cicswitch.acd.skills import Need

__all__ = ["Choose", "Floor"]

Choose = Callable[["Interaction", "list[Agent]", float], "Agent | None"]
"""A policy in Python: the interaction, the free agents who may take it, the time."""

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
        self.free = Free()
        """Who is free, in the orders of the policies."""
        self.present: set[str] = set()
        """Who is signed in."""
        self.waiting = 0
        """Mask of the lines in which somebody waits."""
        self.leaving = 0
        """Mask of the lines of queues with a leave list."""
        self.counted: list[Queue] = []
        """The queues whose `staff` is kept."""
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
                if line.members is None and line.need.meets(profile.skills):
                    profile.lines.append(line)
                    profile.bits |= line.mask
                    line.profiles[key] = profile
        return profile

    def join(self, agent: Agent) -> None:
        """Put an agent into the profile of what he brings now, and into the lines that name him."""
        self.leave(agent)
        profile = self.profile_of(agent)
        agent.profile = profile
        profile.agents[agent.id] = agent
        self.free.know(agent)
        for line in self.lines.values():
            members = line.members
            if members is None or line.direct or agent.id not in members:
                continue
            if line.need.meets(profile.skills):
                agent.own_lines.append(line)
                agent.own_bits |= line.mask
                line.named[agent.id] = agent
        self.sign(agent)

    def sign(self, agent: Agent) -> None:
        """Note whether an agent is signed in now."""
        profile = agent.profile
        assert profile is not None
        if agent.presence:
            if agent.id not in self.present:
                self.present.add(agent.id)
                self._count(agent, profile, 1)
        elif agent.id in self.present:
            self.present.remove(agent.id)
            self._count(agent, profile, -1)

    def _count(self, agent: Agent, profile: Profile, more: int) -> None:
        for queue in self.counted:
            members = queue.definition.agents
            if (not members or agent.id in members) and queue.need.meets(profile.skills):
                queue.staff += more
        profile.present += more
        if profile.present == (1 if more > 0 else 0):
            for line in profile.lines:
                line.staffed += more
        for line in agent.own_lines:
            line.staffed += more

    def leave(self, agent: Agent) -> None:
        """Take an agent out of his profile. Idempotent."""
        profile = agent.profile
        if profile is None:
            return
        if agent.group is not None:
            self.free.withdraw(agent, agent.group)
        if agent.id in self.present:
            self.present.remove(agent.id)
            self._count(agent, profile, -1)
        agent.profile = None
        for line in agent.own_lines:
            del line.named[agent.id]
        agent.own_lines = []
        agent.own_bits = 0
        del profile.agents[agent.id]
        if not profile.agents:
            del self.profiles[profile.key]
            for line in profile.lines:
                del line.profiles[profile.key]
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

    def refresh(self, agent: Agent) -> None:
        """Put an agent into his places among those who are free, or out of them."""
        self.free.refresh(agent)

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
        if queue.leave_absent & ~OFFLINE:
            self.leaving |= line.mask
        members = line.members
        for profile in self.candidates(line.need).values():
            if members is None:
                if line.need.meets(profile.skills):
                    profile.lines.append(line)
                    profile.bits |= line.mask
                    line.profiles[profile.key] = profile
                    if profile.present:
                        line.staffed += 1
            else:
                for name in sorted(members.intersection(profile.agents)):
                    if line.need.meets(profile.skills):
                        agent = profile.agents[name]
                        agent.own_lines.append(line)
                        agent.own_bits |= line.mask
                        line.named[name] = agent
                        if agent.presence:
                            line.staffed += 1
        self.free.open(line)

    def close(self, line: Line) -> None:
        """Take a line away in which nobody waits."""
        line.closed = True
        del self.lines[line.key]
        line.queue.lines.pop(line.key, None)
        mask = line.mask
        if not mask:
            return
        for profile in line.profiles.values():
            profile.bits &= ~mask
            profile.lines.remove(line)
        for agent in line.named.values():
            agent.own_bits &= ~mask
            agent.own_lines.remove(line)
        self.leaving &= ~mask
        self.free.close(line)
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
        return self.free.served & waiting

    # -- matching --------------------------------------------------------------------------------

    def serves(self, line: Line) -> bool:
        """Whether somebody who is free may take from a line."""
        return bool(self.free.served & line.mask)

    def agent_for(self, line: Line) -> Agent | None:
        """The free agent whom the queue's policy chooses for a line that is not direct."""
        return self.free.first(line)

    def agents_for(self, line: Line, most: int) -> list[Agent]:
        """The first so many whom the policy chooses."""
        return self.free.firsts(line, most)

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
        return line.staffed > 0

    def attended(self, line: Line, absent: int) -> bool:
        """Whether anybody who is signed in and could serve a line is in none of these states."""
        agent = line.witness
        if agent is not None and agent.presence and not absent >> agent.state & 1:
            profile = agent.profile
            if profile is not None and (profile.bits | agent.own_bits) & line.mask:
                return True
        line.witness = None
        for profile in line.profiles.values():
            if profile.present:
                line.witness = _attending(profile.agents, absent)
                if line.witness is not None:
                    return True
        line.witness = _attending(line.named, absent)
        return line.witness is not None

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


def _attending(agents: dict[str, Agent], absent: int) -> Agent | None:
    """One who is signed in and in none of these states."""
    for agent in agents.values():
        if agent.presence and not absent >> agent.state & 1:
            return agent
    return None


def _used_at(line: Line) -> float:
    return line.used_at

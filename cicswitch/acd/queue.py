"""The tables that make matching cheap.

A `Profile` is a distinct set of skills; agents with the same skills share one, and its idle agents
stand in it in the order in which they became idle. A `Line` is a queue together with the skills
that an interaction asks for; interactions that ask for the same stand in one line, in a heap.

Profiles and lines have small numbers, and sets of them are the bits of one int. Which profiles can
serve a line, and which lines a profile serves, is worked out when the line or the profile is new.
A match is then two ANDs and a look at the few bits that are left, however many agents and
interactions there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from cicswitch.acd.agent import Agent
from cicswitch.acd.commands import DefineQueue
from cicswitch.acd.interaction import Interaction, InteractionState

__all__ = ["Line", "Profile", "Requirement", "bits", "member_skill", "requirement_of"]

Requirement = tuple[tuple[str, int], ...]


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, from the lowest."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def member_skill(queue: str) -> str:
    """Membership in a queue that names its agents, as a skill like any other."""
    return f"@{queue}"


def requirement_of(queue: DefineQueue, skills: dict[str, int]) -> Requirement:
    """What an interaction in a queue asks for: the greater of the queue's and its own levels."""
    needed = dict(queue.skills)
    for skill, least in skills.items():
        needed[skill] = max(least, needed.get(skill, 0))
    if queue.agents:
        needed[member_skill(queue.queue)] = 1
    return tuple(sorted(needed.items()))


class Profile:
    """Agents with the same skills. `idle` is ordered, longest idle first."""

    __slots__ = ("agents", "idle", "index", "lines", "signed_in", "skills")

    def __init__(self, index: int, skills: dict[str, int]) -> None:
        self.index = index
        self.skills = skills
        self.agents = 0
        self.signed_in = 0
        self.idle: dict[str, Agent] = {}
        self.lines = 0
        """Mask of the lines that these agents can serve."""

    def meets(self, requirement: Requirement) -> bool:
        """Whether an agent of this profile may take what asks for `requirement`."""
        skills = self.skills
        return all(skills.get(skill, 0) >= least for skill, least in requirement)

    def score(self, requirement: Requirement) -> int:
        """How much skill the profile brings: the sum over the skills asked for."""
        return sum(self.skills[skill] for skill, _ in requirement if not skill.startswith("@"))


class Line:
    """Interactions of a queue that ask for the same skills, most urgent first."""

    __slots__ = ("_heap", "index", "profiles", "queue", "requirement", "tiers", "waiting")

    def __init__(self, index: int, queue: DefineQueue, requirement: Requirement) -> None:
        self.index = index
        self.queue = queue
        self.requirement = requirement
        self.profiles = 0
        """Mask of the profiles that can serve the line."""
        self.tiers: list[tuple[int, int]] = []
        """(score, mask of profiles), most skilled first."""
        self.waiting = 0
        self._heap: list[tuple[float, int, Interaction]] = []

    def admit(self, profile: Profile) -> bool:
        """Take a profile into the masks if it can serve the line."""
        if not profile.meets(self.requirement):
            return False
        bit = 1 << profile.index
        self.profiles |= bit
        score = profile.score(self.requirement)
        for at, (other, mask) in enumerate(self.tiers):
            if other == score:
                self.tiers[at] = (score, mask | bit)
                return True
            if other < score:
                self.tiers.insert(at, (score, bit))
                return True
        self.tiers.append((score, bit))
        return True

    def expel(self, profile: Profile) -> None:
        """Take a profile out of the masks; its number may then be given to another."""
        bit = 1 << profile.index
        if self.profiles & bit:
            self.profiles ^= bit
            self.tiers = [(score, mask & ~bit) for score, mask in self.tiers if mask & ~bit]

    def push(self, interaction: Interaction) -> None:
        """Put an interaction in its place; also one that comes back after a failed offer."""
        self.waiting += 1
        heappush(self._heap, (interaction.key, interaction.sequence, interaction))

    def head(self) -> Interaction | None:
        """The most urgent interaction that waits."""
        heap = self._heap
        while heap:
            interaction = heap[0][2]
            if interaction.state is InteractionState.WAITING and interaction.line == self.index:
                return interaction
            heappop(heap)  # it left from the middle of the heap, which only marked it
        return None

    def pop(self) -> None:
        """Take out the interaction that `head` gave."""
        self.waiting -= 1
        heappop(self._heap)

    def forget(self) -> None:
        """An interaction left from the middle. What that leaves in the heap is bounded."""
        self.waiting -= 1
        if len(self._heap) > 2 * self.waiting + 64:
            self._heap = [entry for entry in self._heap if self._stands(entry[2])]
            heapify(self._heap)

    def drain(self) -> list[Interaction]:
        """Take out all that wait, most urgent first."""
        interactions = self.interactions()
        self._heap, self.waiting = [], 0
        return interactions

    def _stands(self, interaction: Interaction) -> bool:
        return interaction.state is InteractionState.WAITING and interaction.line == self.index

    def interactions(self) -> list[Interaction]:
        """All that wait, most urgent first. For views and changes, not for matching."""
        return [entry[2] for entry in sorted(self._heap) if self._stands(entry[2])]

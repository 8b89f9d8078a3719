"""Lines whose callers may have come to wait for nobody, because of what the agents do now.

A queue with a leave list (`leave_empty = ["paused", ...]`) lets those go who wait while all who
could serve them do one of these things. Which lines have to be looked at is noted as it happens:
those of an agent who begins to do such a thing, and the one in which somebody begins to wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cicswitch.acd.queue import OFFLINE

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.floor import Floor
    from cicswitch.acd.lines import Line
    from cicswitch.acd.queue import Queue

__all__ = ["Absence", "nobody"]


class Absence:
    """What has to be looked at, until `take` is called."""

    __slots__ = ("_direct", "_floor", "_mask", "noted", "states")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.states = 0
        """What counts as nobody in some queue, as bits; 0: no queue has a leave list."""
        self.noted = False
        self._mask = 0
        self._direct: dict[str, Line] = {}

    def define(self, queues: Iterable[Queue]) -> None:
        """The queues are others now."""
        self.states = 0
        for queue in queues:
            if queue.leave_absent & ~OFFLINE:
                self.states |= queue.leave_absent
        self.note_all()

    def note_all(self) -> None:
        """Agents or queues are others: look at all lines."""
        if self.states:
            self.noted = True
            self._mask = -1
            for lines in self._floor.direct.values():
                self._direct.update(lines)

    def note(self, agent: Agent) -> None:
        """An agent does what counts as nobody somewhere."""
        profile = agent.profile
        if profile is not None:
            self.noted = True
            self._mask |= profile.bits | agent.own_bits
        direct = self._floor.direct.get(agent.id)
        if direct is not None:
            self.noted = True
            self._direct.update(direct)

    def note_line(self, line: Line) -> None:
        """Somebody begins to wait."""
        if not line.queue.leave_absent & ~OFFLINE:
            return
        self.noted = True
        if line.direct:
            self._direct[line.key] = line
        else:
            self._mask |= line.mask

    def take(self) -> list[Line]:
        """The lines to look at in which somebody waits; they are noted no more."""
        floor = self._floor
        found = floor.lines_of(self._mask & floor.waiting & floor.leaving)
        if self._direct:
            found += [
                line
                for line in self._direct.values()
                if line.waiting and line.queue.leave_absent & ~OFFLINE
            ]
            self._direct.clear()
        self._mask = 0
        self.noted = False
        return found


def nobody(floor: Floor, agents: dict[str, Agent], line: Line, absent: int) -> bool:
    """Whether all who could serve a line are in states that count as nobody."""
    if not floor.staffed(line):
        return True
    if absent == OFFLINE:
        return False
    if not line.direct:
        return not floor.attended(line, absent)
    assert line.members is not None
    for name in line.members:
        agent = agents.get(name)
        if agent is not None and not absent >> agent.state & 1:
            return False
    return True

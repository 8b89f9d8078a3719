"""An agent: who he is, whether he works, and what he has in hand."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING

from cicswitch.acd.interaction import AssignmentState
from cicswitch.core.timers import Timer

if TYPE_CHECKING:
    from cicswitch.acd.groups import Group
    from cicswitch.acd.interaction import Assignment
    from cicswitch.acd.lines import Line, Profile
    from cicswitch.acd.order import AgentPlace

__all__ = ["LIVE_MEDIA", "Agent", "AgentState", "Capacity", "Presence"]

LIVE_MEDIA = frozenset(("voice", "video", "callback"))
"""Media in which the customer is on the line."""


class AgentState(IntEnum):
    """One state at a time, so that an agent's seconds partition exactly.

    It follows from presence and from what is in hand: a talk before a hold, that before written
    work, that before an offer, that before wrap-up.
    """

    OFFLINE = 0
    IDLE = 1
    ALERTING = 2
    TALKING = 3
    HOLDING = 4
    WRAP_UP = 5
    PAUSED = 6
    NOT_RESPONDING = 7
    COMMUNICATING = 8
    HANDLING = 9

    @property
    def word(self) -> str:
        """The name in events, reports and metrics."""
        return _WORDS[self]


_WORDS = {state: state.name.lower().replace("_", "-") for state in AgentState}


class Presence(IntEnum):
    """What the agent says; NOT_RESPONDING is what the ACD says after an offer that failed."""

    OFFLINE = 0
    READY = 1
    PAUSED = 2
    NOT_RESPONDING = 3


_PRESENCE_STATES = {
    Presence.OFFLINE: AgentState.OFFLINE,
    Presence.READY: AgentState.IDLE,
    Presence.PAUSED: AgentState.PAUSED,
    Presence.NOT_RESPONDING: AgentState.NOT_RESPONDING,
}


class Capacity:
    """How many interactions of each medium an agent may hold, and which may interrupt which.

    A medium that `limits` does not name is not served. While anything of medium X is in hand,
    another medium comes in only if `interrupted_by[X]` names it.
    """

    __slots__ = ("interrupted_by", "limits")

    def __init__(
        self, limits: Mapping[str, int], interrupted_by: Mapping[str, frozenset[str]]
    ) -> None:
        self.limits = dict(limits)
        self.interrupted_by = dict(interrupted_by)

    def allows(self, medium: str, load: dict[str, int]) -> bool:
        """Whether one more of `medium` may come to an agent who has `load` in hand."""
        if load.get(medium, 0) >= self.limits.get(medium, 0):
            return False
        for other, count in load.items():
            if count and other != medium and medium not in self.interrupted_by.get(other, ()):
                return False
        return True


class Agent:
    """A person who takes interactions. Changed by the engine only."""

    __slots__ = (
        "answered",
        "attributes",
        "away_code",
        "booked_s",
        "busy_s",
        "capacity",
        "code",
        "cost",
        "desire",
        "free_since",
        "group",
        "id",
        "interaction",
        "leaving",
        "load",
        "made_at",
        "name",
        "offered",
        "own_bits",
        "own_lines",
        "places",
        "presence",
        "profile",
        "queue",
        "resting",
        "seized",
        "signed_in_at",
        "since",
        "skills",
        "state",
        "tie",
        "timer",
        "work",
    )

    def __init__(self, agent_id: str, now: float, capacity: Capacity, tie: int) -> None:
        self.id = agent_id
        self.name = agent_id
        self.skills: dict[str, int] = {}
        self.desire: dict[str, int] = {}
        self.cost = 0.0
        self.attributes: dict[str, float] = {}
        self.capacity = capacity
        self.tie = tie
        """Decides between equals: drawn from the engine's seed and the name."""
        self.profile: Profile | None = None
        self.own_lines: list[Line] = []
        """Those that he serves of the lines that name their agents."""
        self.own_bits = 0
        self.group: Group | None = None
        """Those who may take the same; None: he is not free."""
        self.places: list[AgentPlace | None] = [None] * 6
        """His places in the orders of his group."""
        self.presence = Presence.OFFLINE
        self.away_code = ""
        """The pause code, or why the agent does not respond."""
        self.leaving = False
        """Signs out when what is in hand is over."""
        self.seized = False
        """The device is in a call of its own."""
        self.resting = False
        """Ready, but gets nothing for a while after an offer that failed."""
        self.timer: Timer | None = None
        """Ends resting or not responding."""
        self.work: dict[int, Assignment] = {}
        """What is in hand, by reservation number."""
        self.load: dict[str, int] = {}
        """Interactions in hand by medium; silent ones do not count."""
        self.state = AgentState.OFFLINE
        self.since = self.made_at = now
        self.booked_s = 0.0
        """Seconds in all states before this one: with `made_at` they give `since`."""
        self.code = ""
        self.interaction = ""
        """What decides the state: alerted for, handled, or wrapped up."""
        self.queue = ""
        self.free_since = now
        """Since when nothing is in hand, or the last time that something was taken out of it."""
        self.signed_in_at = now
        self.busy_s = 0.0
        """Seconds since the sign-in with something in hand."""
        self.answered = 0
        """Since the sign-in."""
        self.offered = 0
        """The number of the last reservation: round robin goes by it."""

    @property
    def then(self) -> str:
        """What is to come when the work in hand is over: `sign-out`, `pause`, or nothing."""
        if not self.busy:
            return ""
        return "sign-out" if self.leaving else "pause" if self.presence is Presence.PAUSED else ""

    @property
    def busy(self) -> bool:
        """Whether the agent handles an interaction; an offer or a wrap-up does not count."""
        for assignment in self.work.values():
            if assignment.state in (AssignmentState.ACTIVE, AssignmentState.HELD):
                return True
        return False

    @property
    def open(self) -> bool:
        """Whether anything at all may be offered."""
        return (
            self.presence is Presence.READY
            and not self.leaving
            and not self.seized
            and not self.resting
        )

    def may_take(self, medium: str) -> bool:
        """Whether one more of this medium may be offered now."""
        if not self.open:
            return False
        if not self.load:
            return self.capacity.limits.get(medium, 0) > 0
        return self.capacity.allows(medium, self.load)

    def derive(self) -> tuple[AgentState, Assignment | None]:
        """The state that follows from all this, and the assignment that decides it."""
        best: Assignment | None = None
        state = AgentState.OFFLINE
        rank = 0
        for assignment in self.work.values():
            if assignment.silent:
                continue
            of = assignment.state
            if of is AssignmentState.ACTIVE:
                live = assignment.medium in LIVE_MEDIA
                found, weight = (AgentState.TALKING, 5) if live else (AgentState.HANDLING, 3)
            elif of is AssignmentState.HELD:
                live = assignment.medium in LIVE_MEDIA
                found, weight = (AgentState.HOLDING, 4) if live else (AgentState.HANDLING, 3)
            elif of is AssignmentState.ALERTING:
                found, weight = AgentState.ALERTING, 2
            else:
                found, weight = AgentState.WRAP_UP, 1
            if weight > rank:
                best, state, rank = assignment, found, weight
        if best is not None:
            return state, best
        if self.seized:
            return AgentState.COMMUNICATING, None
        return _PRESENCE_STATES[self.presence], None

"""An interaction in the ACD, and what an agent has of it."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from cicswitch.core.tables import Table
from cicswitch.core.timers import Timer

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.lines import Line
    from cicswitch.acd.queue import Queue
    from cicswitch.acd.skills import Need

__all__ = [
    "ASSIGNMENT_TABLE",
    "INTERACTION_TABLE",
    "Assignment",
    "AssignmentInput",
    "AssignmentState",
    "Interaction",
    "InteractionInput",
    "InteractionState",
]


class InteractionState(IntEnum):
    """Waiting, offered to agents, or being handled; when it is over the engine forgets it.

    AWAY: its customer is not there; it has a place, and stands in no line until he is.
    """

    WAITING = 1
    RESERVED = 2
    CONNECTED = 3
    HELD = 4
    OVER = 5
    AWAY = 6


class InteractionInput(IntEnum):
    """What can happen to an interaction."""

    RESERVE = 1
    RETURN = 2
    ACCEPT = 3
    LEAVE = 4
    HOLD = 5
    RESUME = 6
    FINISH = 7
    JOIN = 8


_S, _I = InteractionState, InteractionInput

INTERACTION_TABLE = Table(
    "interaction",
    {
        _S.WAITING: {_I.RESERVE: _S.RESERVED, _I.LEAVE: _S.OVER},
        _S.RESERVED: {_I.RETURN: _S.WAITING, _I.ACCEPT: _S.CONNECTED, _I.LEAVE: _S.OVER},
        _S.CONNECTED: {_I.HOLD: _S.HELD, _I.FINISH: _S.OVER},
        _S.HELD: {_I.RESUME: _S.CONNECTED, _I.FINISH: _S.OVER},
        _S.OVER: {},
        _S.AWAY: {_I.JOIN: _S.WAITING, _I.LEAVE: _S.OVER},
    },
)


class Interaction:
    """One contact while the ACD holds it. Changed by the engine only."""

    __slots__ = (
        "agent",
        "assignment",
        "closing",
        "connected_at",
        "customer",
        "deadline",
        "direct",
        "entry",
        "held_at",
        "hold_s",
        "id",
        "joined",
        "joined_at",
        "key",
        "levels",
        "line",
        "medium",
        "need",
        "offers",
        "own_priority",
        "patience",
        "prefer",
        "priority",
        "queue",
        "queued_at",
        "ring",
        "ring_timer",
        "rung",
        "segment",
        "sequence",
        "state",
        "timer",
    )

    def __init__(
        self,
        interaction_id: str,
        medium: str,
        need: Need,
        own_priority: int,
        queued_at: float,
        sequence: int,
        queue: Queue,
    ) -> None:
        self.id = interaction_id
        self.medium = medium
        self.need = need
        """What it asks for beside its queue."""
        self.own_priority = own_priority
        self.priority = 0
        """Its own, its queue's and that of the rings that it has gone through."""
        self.queue = queue
        self.queued_at = queued_at
        """When the wait began that its place in line counts from."""
        self.joined_at = queued_at
        """When it came into this queue: what waits are counted from."""
        self.customer = ""
        self.segment = ""
        self.sequence = sequence
        """Order of arrival: the tie-break."""
        self.state = InteractionState.WAITING
        self.line: Line | None = None
        self.prefer: tuple[str, ...] = ()
        """Agents who are waited for before all others, until the patience is over."""
        self.direct: Line | None = None
        """The line to them."""
        self.patience: Timer | None = None
        self.entry = 0
        """Which of the entries in a line's heap is valid: the last, while it waits."""
        self.key = 0.0
        """`ageing * queued_at - priority`: smaller is sooner, and time does not change the order
        within a line."""
        self.ring = 0
        """How many relaxation steps it has gone through."""
        self.ring_timer: Timer | None = None
        self.levels: dict[str, int] = {}
        """Least levels that the rings put in the place of those asked for."""
        self.joined: tuple[str, ...] = ()
        """Agents whom the rings added to the queue's."""
        self.offers: list[Assignment] = []
        """The reservations that are pending, in the order in which they were made."""
        self.rung: list[str] = []
        """Agents who were offered it since it stood in line last, where several ring."""
        self.assignment: Assignment | None = None
        """That of the agent who has it."""
        self.agent = ""
        self.connected_at = 0.0
        self.held_at = 0.0
        self.hold_s = 0.0
        self.deadline = 0.0
        self.closing = False
        """Its queue has closed while it rings at an agent: it leaves if that comes to nothing."""
        self.timer: Timer | None = None

    @property
    def reservation(self) -> int:
        """The number of the first pending reservation; 0 without one."""
        return self.offers[0].number if self.offers else 0


class AssignmentState(IntEnum):
    """What an agent does with an interaction."""

    ALERTING = 1
    ACTIVE = 2
    HELD = 3
    WRAP_UP = 4


class AssignmentInput(IntEnum):
    """What can happen between an agent and an interaction."""

    ACCEPT = 1
    HOLD = 2
    RESUME = 3
    FINISH = 4


_A, _J = AssignmentState, AssignmentInput

ASSIGNMENT_TABLE = Table(
    "assignment",
    {
        _A.ALERTING: {_J.ACCEPT: _A.ACTIVE},
        _A.ACTIVE: {_J.HOLD: _A.HELD, _J.FINISH: _A.WRAP_UP},
        _A.HELD: {_J.RESUME: _A.ACTIVE, _J.FINISH: _A.WRAP_UP},
        _A.WRAP_UP: {},
    },
)


class Assignment:
    """One interaction at one agent, from the offer to the end of the wrap-up.

    Its number is the reservation's: who answers an offer names it, and an answer to an offer that
    is over finds nothing (a fencing token).
    """

    __slots__ = (
        "agent",
        "code",
        "interaction",
        "medium",
        "number",
        "previewing",
        "queue",
        "silent",
        "since",
        "state",
        "timer",
    )

    def __init__(
        self, number: int, interaction: Interaction, agent: Agent, queue: Queue, now: float
    ) -> None:
        self.number = number
        self.interaction = interaction
        self.agent = agent
        self.queue = queue
        self.medium = interaction.medium
        self.state = AssignmentState.ALERTING
        self.previewing = False
        """He has answered, and hears who it is."""
        self.silent = False
        """A chat in which nobody says anything takes no capacity."""
        self.since = now
        self.code = ""
        """The wrap-up code."""
        self.timer: Timer | None = None

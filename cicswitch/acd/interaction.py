"""The states of an interaction in the ACD."""

from __future__ import annotations

from enum import IntEnum

from cicswitch.core.tables import Table
from cicswitch.core.timers import Timer

__all__ = ["INTERACTION_TABLE", "Interaction", "InteractionInput", "InteractionState"]


class InteractionState(IntEnum):
    """Waiting, offered to an agent, or being handled; when it is over the engine forgets it."""

    WAITING = 1
    RESERVED = 2
    CONNECTED = 3
    HELD = 4
    OVER = 5


class InteractionInput(IntEnum):
    """What can happen to an interaction."""

    RESERVE = 1
    RETURN = 2
    ACCEPT = 3
    LEAVE = 4
    HOLD = 5
    RESUME = 6
    FINISH = 7


_S, _I = InteractionState, InteractionInput

INTERACTION_TABLE = Table(
    "interaction",
    {
        _S.WAITING: {_I.RESERVE: _S.RESERVED, _I.LEAVE: _S.OVER},
        _S.RESERVED: {_I.RETURN: _S.WAITING, _I.ACCEPT: _S.CONNECTED, _I.LEAVE: _S.OVER},
        _S.CONNECTED: {_I.HOLD: _S.HELD, _I.FINISH: _S.OVER},
        _S.HELD: {_I.RESUME: _S.CONNECTED, _I.FINISH: _S.OVER},
        _S.OVER: {},
    },
)


class Interaction:
    """One contact while the ACD holds it. Changed by the engine only."""

    __slots__ = (
        "agent",
        "connected_at",
        "deadline",
        "held_at",
        "hold_s",
        "id",
        "key",
        "line",
        "priority",
        "queue",
        "queued_at",
        "reservation",
        "sequence",
        "state",
        "timer",
    )

    def __init__(
        self, interaction_id: str, queue: str, priority: int, queued_at: float, sequence: int
    ) -> None:
        self.id = interaction_id
        self.queue = queue
        self.priority = priority
        self.queued_at = queued_at
        self.sequence = sequence
        """Order of arrival: the tie-break."""
        self.state = InteractionState.WAITING
        self.line = -1
        self.key = 0.0
        """`ageing * queued_at - priority`: smaller is sooner, and time does not change the order
        within a line."""
        self.agent = ""
        self.reservation = 0
        self.connected_at = 0.0
        self.held_at = 0.0
        self.hold_s = 0.0
        self.deadline = 0.0
        self.timer: Timer | None = None

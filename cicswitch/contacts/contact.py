"""One contact in writing, while the switch has it."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cicswitch.contacts.events import ContactAccepted
    from cicswitch.core.timers import Timer
    from cicswitch.dialplan.actions import EnterQueue
    from cicswitch.dialplan.run import Run

__all__ = ["CONVERSATION", "Contact", "Stage"]

CONVERSATION: Final = "conversation"
"""In the context of a call: the chat out of which it is made."""


class Stage(IntEnum):
    """What a contact is doing."""

    DIALPLAN = 1
    """Its run has the word: a bot, or what chooses the queue."""
    QUEUED = 2
    """It waits for an agent, or is offered to one."""
    TALKING = 3
    """An agent has it."""
    OVER = 4
    SNOOZED = 5
    """It is put aside until a time."""


class Contact:
    """The conductor's state of one interaction in writing."""

    __slots__ = (
        "asked",
        "due",
        "entered",
        "idle",
        "leaving",
        "offers",
        "origin",
        "run",
        "seq",
        "silent",
        "stage",
        "timer",
    )

    def __init__(self, origin: ContactAccepted, seq: int) -> None:
        self.origin = origin
        """As it stands now: with its place, and who has it."""
        self.seq = seq
        """The number of the last message of its conversation."""
        self.stage = Stage.DIALPLAN
        self.run: Run | None = None
        self.timer: Timer | None = None
        """The run's, or that of a contact which no queue has taken."""
        self.leaving: Timer | None = None
        """Runs while the customer is away."""
        self.idle: Timer | None = None
        """Runs while an agent has it and nobody writes."""
        self.due: Timer | None = None
        """Runs until it is overdue, or while it is put aside."""
        self.silent = False
        """The ACD counts it as a chat in which nobody says anything."""
        self.asked: EnterQueue | None = None
        self.entered = 0.0
        self.offers: dict[int, str] = {}
        """Reservation -> the agent to whom it is offered."""

    @property
    def id(self) -> str:
        """The interaction."""
        return self.origin.interaction

    @property
    def agent(self) -> str:
        """Who has it, empty: nobody."""
        return self.origin.agent

"""Who is in a call beside the customer and the one who talks to him, and how a consultation goes.

A guest is a leg that we called for the call: a supervisor who listens in, whispers or barges in; a
third party whom the agent consults while the customer waits; a colleague in a conference.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from cicswitch.core.tables import Table

if TYPE_CHECKING:
    from cicswitch.core.timers import Timer

__all__ = ["CONSULT_TABLE", "Consult", "ConsultInput", "Guest", "Mode", "Role"]


class Role(StrEnum):
    """What a leg is in a call."""

    CUSTOMER = "customer"
    AGENT = "agent"
    """Who talks to the customer: an agent, or whoever was dialled."""
    SUPERVISOR = "supervisor"
    CONSULTED = "consulted"
    COLLEAGUE = "colleague"
    """In a conference with the two."""


class Mode(StrEnum):
    """What a supervisor does: who hears whom is in `bridge_plan`."""

    MONITOR = "monitor"
    WHISPER = "whisper"
    BARGE = "barge"


class Consult(IntEnum):
    """How far a consultation has come."""

    NONE = 0
    RINGING = 1
    """The third party rings; the agent hears that, the customer hears music."""
    TALKING = 2
    """The agent talks to the third party, the customer hears music."""
    ASIDE = 3
    """The agent has gone back to the customer for a while, the third party hears music."""


class ConsultInput(IntEnum):
    """What can happen to a consultation."""

    START = 1
    ANSWER = 2
    SWAP = 3
    COMPLETE = 4
    """The third party takes the agent's place."""
    JOIN = 5
    """It comes in: a conference."""
    END = 6
    """It is gone or let go: the agent is back with the customer."""


_S, _I = Consult, ConsultInput

CONSULT_TABLE = Table(
    "consultation",
    {
        _S.NONE: {_I.START: _S.RINGING},
        _S.RINGING: {_I.ANSWER: _S.TALKING, _I.END: _S.NONE},
        _S.TALKING: {
            _I.SWAP: _S.ASIDE,
            _I.COMPLETE: _S.NONE,
            _I.JOIN: _S.NONE,
            _I.END: _S.NONE,
        },
        _S.ASIDE: {
            _I.SWAP: _S.TALKING,
            _I.COMPLETE: _S.NONE,
            _I.JOIN: _S.NONE,
            _I.END: _S.NONE,
        },
    },
)


class Guest:
    """One of them. `L` legs are `ports.Leg`."""

    __slots__ = (
        "account",
        "agent",
        "held",
        "leg",
        "may_speak",
        "mode",
        "name",
        "number",
        "ringing",
        "role",
        "takes_over",
        "timer",
    )

    def __init__(self, name: str, role: Role, number: str, agent: str, account: str) -> None:
        self.name = name
        """The id of the first leg that was called: what people and events call the guest by."""
        self.role = role
        self.number = number
        """Whom we called: a device's number, or `TRUNK:NUMBER`."""
        self.agent = agent
        """The agent of that device; empty: nobody's."""
        self.account = account
        """Of a supervisor."""
        self.mode = Mode.MONITOR
        self.may_speak = False
        """A supervisor who may do more than listen."""
        self.takes_over = False
        """A supervisor who takes the call over as soon as his phone is answered."""
        self.ringing: dict[str, Any] = {}
        """Legs that ring, until one is answered; several where a device has several phones."""
        self.leg: Any = None
        self.held = False
        """His phone has put us on hold."""
        self.timer: Timer | None = None

    @property
    def up(self) -> bool:
        """Whether he is on the line."""
        return self.leg is not None

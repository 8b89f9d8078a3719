"""The states of an agent: what the ACD knows, and what its seconds are booked as."""

from __future__ import annotations

from enum import IntEnum

from cicswitch.core.tables import Table
from cicswitch.core.timers import Timer

__all__ = ["AGENT_TABLE", "Agent", "AgentInput", "AgentState"]


class AgentState(IntEnum):
    """One state at a time, so that an agent's seconds partition exactly."""

    OFFLINE = 0
    IDLE = 1
    ALERTING = 2
    TALKING = 3
    HOLDING = 4
    WRAP_UP = 5
    PAUSED = 6
    NOT_RESPONDING = 7
    COMMUNICATING = 8

    @property
    def word(self) -> str:
        """The name in events, reports and metrics."""
        return _WORDS[self]


_WORDS = {state: state.name.lower().replace("_", "-") for state in AgentState}


class AgentInput(IntEnum):
    """What can happen to an agent."""

    SIGN_IN = 1
    SIGN_OUT = 2
    PAUSE = 3
    READY = 4
    RESERVE = 5
    ACCEPT = 6
    RELEASE = 7
    FAIL = 8
    HOLD = 9
    RESUME = 10
    FINISH = 11
    WRAPPED = 12
    SEIZE = 13
    FREE = 14


_S, _I = AgentState, AgentInput

AGENT_TABLE = Table(
    "agent",
    {
        _S.OFFLINE: {_I.SIGN_IN: _S.IDLE},
        _S.IDLE: {
            _I.SIGN_OUT: _S.OFFLINE,
            _I.PAUSE: _S.PAUSED,
            _I.READY: _S.IDLE,
            _I.RESERVE: _S.ALERTING,
            _I.SEIZE: _S.COMMUNICATING,
        },
        _S.ALERTING: {
            _I.ACCEPT: _S.TALKING,
            _I.RELEASE: _S.IDLE,
            _I.FAIL: _S.NOT_RESPONDING,
            _I.PAUSE: _S.PAUSED,
            _I.SIGN_OUT: _S.OFFLINE,
        },
        _S.TALKING: {_I.HOLD: _S.HOLDING, _I.FINISH: _S.WRAP_UP},
        _S.HOLDING: {_I.RESUME: _S.TALKING, _I.FINISH: _S.WRAP_UP},
        _S.WRAP_UP: {
            _I.WRAPPED: _S.IDLE,
            _I.READY: _S.IDLE,
            _I.PAUSE: _S.PAUSED,
            _I.SIGN_OUT: _S.OFFLINE,
        },
        _S.PAUSED: {
            _I.READY: _S.IDLE,
            _I.PAUSE: _S.PAUSED,
            _I.SIGN_OUT: _S.OFFLINE,
            _I.SEIZE: _S.COMMUNICATING,
        },
        _S.NOT_RESPONDING: {
            _I.READY: _S.IDLE,
            _I.PAUSE: _S.PAUSED,
            _I.SIGN_OUT: _S.OFFLINE,
            _I.SEIZE: _S.COMMUNICATING,
        },
        _S.COMMUNICATING: {
            _I.FREE: _S.IDLE,
            _I.PAUSE: _S.PAUSED,
            _I.SIGN_OUT: _S.OFFLINE,
        },
    },
)
"""A pair that is not here is refused with `Conflict`. While an agent handles an interaction,
`Pause` and `SignOut` are kept and take effect after it (`Agent.then`), so they stand not here."""


class Agent:
    """A person who takes interactions. Changed by the engine only."""

    __slots__ = (
        "code",
        "id",
        "interaction",
        "name",
        "profile",
        "queue",
        "reservation",
        "since",
        "skills",
        "state",
        "then",
        "then_code",
        "timer",
    )

    def __init__(self, agent_id: str, name: str, skills: dict[str, int], now: float) -> None:
        self.id = agent_id
        self.name = name
        self.skills = skills
        self.profile = -1
        self.state = AgentState.OFFLINE
        self.since = now
        self.code = ""
        """The pause code, or why the agent does not respond."""
        self.interaction = ""
        """What the agent alerts for, handles, or wraps up."""
        self.queue = ""
        self.reservation = 0
        self.then: AgentInput | None = None
        """What takes effect when the interaction is over: PAUSE or SIGN_OUT."""
        self.then_code = ""
        self.timer: Timer | None = None

"""What can be asked of the engine. `Engine.handle` takes one, with the time."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "Accept",
    "Command",
    "DefineAgent",
    "DefineQueue",
    "Enqueue",
    "Finish",
    "Free",
    "Hold",
    "Leave",
    "Pause",
    "Ready",
    "Reject",
    "RemoveAgent",
    "RemoveQueue",
    "Resume",
    "Seize",
    "SignIn",
    "SignOut",
    "WrapUp",
]


class DefineQueue(Struct, frozen=True, kw_only=True, tag=True):
    """Make a queue, or change it: what waits is judged anew."""

    queue: str
    skills: dict[str, int] = {}
    agents: tuple[str, ...] = ()
    """Who may serve it; empty: everyone with the skills."""
    select: str = "longest-idle"
    priority: int = 0
    ageing: float = 1.0
    """Priority points gained per second of waiting."""
    ring_s: float = 20
    wrap_up_s: float = 0
    reject_pause_s: float = 10
    max_wait_s: float = 0
    max_waiting: int = 0
    join_empty: bool = True
    leave_empty: bool = False


class RemoveQueue(Struct, frozen=True, tag=True):
    """Take a queue away; what waits in it leaves with outcome `removed`."""

    queue: str


class DefineAgent(Struct, frozen=True, kw_only=True, tag=True):
    """Make an agent (offline), or change name and skills of one."""

    agent: str
    name: str = ""
    skills: dict[str, int] = {}


class RemoveAgent(Struct, frozen=True, tag=True):
    """Take an agent away. Refused while the agent handles an interaction."""

    agent: str


class Enqueue(Struct, frozen=True, kw_only=True, tag=True):
    """Put an interaction into a queue. InteractionQueued or QueueRefused follows."""

    interaction: str
    queue: str
    skills: dict[str, int] = {}
    """Asked for beside the queue's own."""
    priority: int = 0
    timeout_s: float = 0
    """Longest wait; 0: the queue's own."""
    queued_at: float = 0
    """When it first began to wait, if it is to keep that place; 0: now."""


class Leave(Struct, frozen=True, tag=True):
    """A waiting or offered interaction leaves: `abandoned`, or why it flowed out."""

    interaction: str
    outcome: str = "abandoned"


class Accept(Struct, frozen=True, tag=True):
    """The agent took the offer. The reservation's number fences off late answers."""

    reservation: int


class Reject(Struct, frozen=True, tag=True):
    """The offer failed: `rejected`, `busy` or `unreachable`."""

    reservation: int
    cause: str = "rejected"


class Hold(Struct, frozen=True, tag=True):
    """The agent put the customer on hold."""

    interaction: str


class Resume(Struct, frozen=True, tag=True):
    """The agent took the customer back."""

    interaction: str


class Finish(Struct, frozen=True, tag=True):
    """The agent's share of the interaction is over; wrap-up begins."""

    interaction: str


class WrapUp(Struct, frozen=True, tag=True):
    """Give the wrap-up code; ends the wrap-up if `done`."""

    agent: str
    code: str
    done: bool = True


class SignIn(Struct, frozen=True, tag=True):
    """The agent begins to work and is idle."""

    agent: str


class SignOut(Struct, frozen=True, tag=True):
    """The agent goes, or will when the interaction in hand is over."""

    agent: str


class Pause(Struct, frozen=True, tag=True):
    """The agent takes no interactions, now or when the one in hand is over."""

    agent: str
    code: str


class Ready(Struct, frozen=True, tag=True):
    """The agent is idle again, after a pause, wrap-up or not responding."""

    agent: str


class Seize(Struct, frozen=True, tag=True):
    """The agent's device is in a call of its own."""

    agent: str


class Free(Struct, frozen=True, tag=True):
    """That call is over."""

    agent: str


Command = (
    DefineQueue
    | RemoveQueue
    | DefineAgent
    | RemoveAgent
    | Enqueue
    | Leave
    | Accept
    | Reject
    | Hold
    | Resume
    | Finish
    | WrapUp
    | SignIn
    | SignOut
    | Pause
    | Ready
    | Seize
    | Free
)

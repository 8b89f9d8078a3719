"""What can be asked of the engine. `Engine.handle` takes one, with the time."""

from __future__ import annotations

from msgspec import Struct, field

__all__ = [
    "DEFAULT_CAPACITY",
    "DEFAULT_INTERRUPTED_BY",
    "Accept",
    "Close",
    "Command",
    "DefineAgent",
    "DefineQueue",
    "Enqueue",
    "FailRule",
    "Finish",
    "Free",
    "Hold",
    "Join",
    "Leave",
    "Lose",
    "Move",
    "Open",
    "Pause",
    "Preview",
    "Prioritise",
    "Ready",
    "Reject",
    "RemoveAgent",
    "RemoveQueue",
    "Resume",
    "Ring",
    "Seize",
    "SignIn",
    "SignOut",
    "Silent",
    "TakeOver",
    "Weights",
    "WrapUp",
]

DEFAULT_CAPACITY: dict[str, int] = {
    "voice": 1,
    "video": 1,
    "callback": 1,
    "chat": 2,
    "email": 1,
    "fax": 1,
    "task": 1,
}
_LIVE = ("voice", "video", "callback")
DEFAULT_INTERRUPTED_BY: dict[str, tuple[str, ...]] = {
    "email": (*_LIVE, "chat"),
    "fax": (*_LIVE, "chat"),
    "task": (*_LIVE, "chat"),
}
"""A call or a chat may come in while an agent writes; nothing comes in during a call."""


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `select = "weighted"` adds up: points for each unit of its terms."""

    proficiency: float = 1.0
    """For each level of the skills asked for."""
    desire: float = 0.0
    """For each level of desire for these skills."""
    cost: float = 0.0
    """Taken off, for each unit of the agent's cost."""
    idle: float = 0.0
    """For each second that the agent has been free."""
    attributes: dict[str, float] = {}
    """For each unit of an attribute of the agent."""


class FailRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an offer that failed does to the agent."""

    then: str = "not-responding"
    """`not-responding`, `pause`, or `rest`: ready, but without offers for `seconds`."""
    seconds: float = 0
    """After these the agent gets offers again; 0: the agent has to say so."""
    code: str = ""
    """The pause code of `pause`."""


class Ring(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A relaxation step. It takes effect at the first of its conditions; the place is kept."""

    after_s: float = 0
    """Seconds waited in this queue."""
    ewt_s: float = 0
    """Estimated wait of the queue from which on."""
    unstaffed: bool = False
    """At once when nobody who could serve is signed in."""
    skills: dict[str, int] = {}
    """New least levels; 0: the skill is asked for no more."""
    agents: tuple[str, ...] = ()
    """Who joins those whom the queue names."""
    priority: int = 0
    """Points gained."""
    queue: str = ""
    """The queue that takes over."""


class DefineQueue(Struct, frozen=True, kw_only=True, tag=True):
    """Make a queue, or change it: what waits is judged anew."""

    queue: str
    skills: dict[str, int] = {}
    require: str = ""
    """More than levels can say: see `skills.parse`."""
    agents: tuple[str, ...] = ()
    """Who may serve it; empty: everyone with the skills."""
    select: str = "longest-idle"
    weights: Weights = Weights()
    offer_to: int = 1
    """How many agents are alerted at the same time; the first to accept gets it."""
    priority: int = 0
    ageing: float = 1.0
    """Priority points gained per second of waiting."""
    weight: float = 1.0
    """Multiplies priority and ageing where queues compete for an agent."""
    goal: float = 0.0
    """The service level to reach, 0 to 1; a queue below it gains points. 0: none."""
    goal_s: float = 20
    """Answered within so many seconds counts for the goal."""
    goal_points: float = 1.0
    """Points for each percent below the goal."""
    bound_s: float = 0
    """Nobody waits longer than this behind others: the oldest past it goes first. 0: no bound."""
    rings: tuple[Ring, ...] = ()
    exhausted: str = "wait"
    """After the last ring: `wait`, or `leave` the queue."""
    patience_s: float = 30
    """How long preferred agents are waited for."""
    ring_s: float = 20
    wrap_up_s: float = 0
    wrap_up: dict[str, float] = {}
    """Seconds of wrap-up by medium, where they differ."""
    on_fail: dict[str, FailRule] = {}
    """By outcome of the offer: `timed-out`, `rejected`, `busy`, `unreachable`."""
    max_wait_s: float = 0
    max_waiting: int = 0
    max_ewt_s: float = 0
    """Nobody joins while the estimated wait is longer than this. 0: no limit."""
    join_empty: bool | tuple[str, ...] = True
    """False: nobody joins while nobody who could serve is signed in. Names (see `queue.ABSENT`):
    nor while all who are do one of these things."""
    leave_empty: bool | tuple[str, ...] = False
    """True: who waits leaves when the last one signs out. Names: also when all do these things."""
    at_close: str = "stay"
    """When it closes, who waits may `stay` and is served, or has to `leave`."""
    redial_s: float = 0
    """A caller who abandoned and calls again within these seconds takes the old place."""


class RemoveQueue(Struct, frozen=True, tag=True):
    """Take a queue away; what waits in it leaves with outcome `removed`."""

    queue: str


class Close(Struct, frozen=True, tag=True):
    """A queue takes nobody any more. What waits in it stays or leaves, as the queue says."""

    queue: str


class Open(Struct, frozen=True, tag=True):
    """A queue that was closed takes interactions again."""

    queue: str


class DefineAgent(Struct, frozen=True, kw_only=True, tag=True):
    """Make an agent (offline), or change one."""

    agent: str
    name: str = ""
    skills: dict[str, int] = {}
    desire: dict[str, int] = {}
    cost: float = 0.0
    attributes: dict[str, float] = {}
    capacity: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_CAPACITY))
    """How many interactions of each medium at once."""
    interrupted_by: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: dict(DEFAULT_INTERRUPTED_BY)
    )
    """By medium in hand: the other media that may come in."""


class RemoveAgent(Struct, frozen=True, tag=True):
    """Take an agent away. Refused while the agent handles an interaction."""

    agent: str


class Enqueue(Struct, frozen=True, kw_only=True, tag=True):
    """Put an interaction into a queue. InteractionQueued or QueueRefused follows."""

    interaction: str
    queue: str
    medium: str = "voice"
    skills: dict[str, int] = {}
    """Asked for beside the queue's own."""
    require: str = ""
    priority: int = 0
    prefer: tuple[str, ...] = ()
    """Agents to wait for first, `patience_s` long; skills are not asked of them."""
    patience_s: float = 0
    """0: the queue's own."""
    timeout_s: float = 0
    """Longest wait; 0: the queue's own."""
    queued_at: float = 0
    """When it first began to wait, if it is to keep that place; 0: now."""
    customer: str = ""
    """Who it is, for the place of one who redials."""
    segment: str = ""
    """Which customers he belongs to: for people and records, its points are in `priority`."""
    away: bool = False
    """The customer is not there yet (a callback): it keeps a place, and gets no agent until
    `Join`. Only `timeout_s` limits its wait, and no queue refuses it."""


class Join(Struct, frozen=True, kw_only=True, tag=True):
    """The customer of an interaction that was away is there: it takes its place in line."""

    interaction: str
    prefer: tuple[str, ...] = ()
    patience_s: float = 0


class Leave(Struct, frozen=True, tag=True):
    """A waiting or offered interaction leaves: `abandoned`, or why it flowed out."""

    interaction: str
    outcome: str = "abandoned"


class Move(Struct, frozen=True, tag=True):
    """A waiting interaction goes to another queue and keeps its place in time."""

    interaction: str
    queue: str


class Prioritise(Struct, frozen=True, tag=True):
    """A waiting interaction gets another priority of its own."""

    interaction: str
    priority: int


class Accept(Struct, frozen=True, tag=True):
    """The agent took the offer. The reservation's number fences off late answers."""

    reservation: int


class Preview(Struct, frozen=True, tag=True):
    """The agent has answered and looks at what it is: he has so many seconds from now, and the
    others who ring are let go."""

    reservation: int
    seconds: float


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


class Silent(Struct, frozen=True, tag=True):
    """A written interaction has gone silent and takes no capacity, or is lively again."""

    interaction: str
    silent: bool = True


class Finish(Struct, frozen=True, tag=True):
    """The agent's share of the interaction is over; wrap-up begins."""

    interaction: str


class Lose(Struct, frozen=True, tag=True):
    """The agent's end of the interaction is gone, and not by his doing: his share is over without
    wrap-up, and he is not responding until he says otherwise.
    """

    interaction: str


class TakeOver(Struct, frozen=True, tag=True):
    """Another agent goes on with an interaction that one handles, whose share is over by that.

    Refused if the other is not signed in or handles something with a customer on the line.
    """

    interaction: str
    agent: str


class WrapUp(Struct, frozen=True, tag=True):
    """Give the wrap-up code; ends the wrap-up if `done`. Without interaction: the only one."""

    agent: str
    code: str
    done: bool = True
    interaction: str = ""


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
    | Close
    | Open
    | DefineAgent
    | RemoveAgent
    | Enqueue
    | Join
    | Leave
    | Move
    | Prioritise
    | Accept
    | Preview
    | Reject
    | Hold
    | Resume
    | Silent
    | Finish
    | Lose
    | TakeOver
    | WrapUp
    | SignIn
    | SignOut
    | Pause
    | Ready
    | Seize
    | Free
)

"""The Structs of a dialplan file, and the compiled `Plan` that `run` walks.

Steps share `name` (for jumps) and `next` (where to go on; without it, the step that follows; after
the last step of a flow the call is hung up). A target is the name of a step in the same flow, or
of a flow in the same file. Texts may hold `{variable}`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.hours import Schedule

__all__ = [
    "STEPS",
    "Answer",
    "Callback",
    "Collect",
    "Dial",
    "Dialplan",
    "Fax",
    "Hangup",
    "If",
    "Menu",
    "Plan",
    "Play",
    "Python",
    "Queue",
    "Route",
    "Say",
    "Set",
    "Step",
    "Transfer",
    "Voicemail",
]

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Route(Struct, frozen=True, kw_only=True):
    """Which calls follow which flow. The first route that matches takes the call."""

    flow: str
    name: str = ""
    trunk: str | tuple[str, ...] = ()
    """Trunks that the call may come from; `device` stands for registered phones,
    `widget:NAME` for visitors of a page. Or channels in writing, which have to be named. Empty: any
    call."""
    called: str | tuple[str, ...] = ()
    """Numbers: exact, or `_` and a pattern: X 0-9, Z 1-9, N 2-9, [125-7], `.` one or more of
    anything, `!` any number of anything. Empty: any."""
    caller: str | tuple[str, ...] = ()
    hours: str = ""
    """A table of hours, here or in the configuration, that must be open; `!name`: closed."""
    fax: str = ""
    """The flow for a caller who turns out to be a fax machine while prompts play or he waits."""


class Step(Struct, frozen=True, kw_only=True):
    """What all steps share."""

    name: str = ""
    next: str = ""


class Answer(Step, frozen=True, kw_only=True):
    """Answer the call. Steps that need an answered call answer it themselves."""


class Play(Step, frozen=True, kw_only=True):
    """Play prompts, one after the other; a digit ends them if `interrupt`."""

    prompt: str | tuple[str, ...]
    interrupt: bool = False
    early: bool = False
    """Before the answer, as early media (183), without answering."""


class Say(Step, frozen=True, kw_only=True):
    """Speak a text."""

    text: str
    language: str = ""


class Menu(Step, frozen=True, kw_only=True):
    """Play or say, wait for one choice, and go where it points."""

    choices: dict[str, str]
    prompt: str | tuple[str, ...] = ()
    say: str = ""
    timeout_s: Seconds = 5.0
    between_s: Seconds = 2.0
    """Longest pause between digits where a choice has more than one."""
    tries: Count = 3
    invalid_prompt: str = ""
    on_timeout: str = ""
    """After the last try without a digit; empty: as `on_invalid`."""
    on_invalid: str = ""
    """After the last wrong digit; empty: hang up."""


class Collect(Step, frozen=True, kw_only=True):
    """Collect digits into a variable."""

    into: str
    prompt: str | tuple[str, ...] = ()
    say: str = ""
    least: Count = 1
    most: Count = 32
    finish: str = "#"
    pattern: str = ""
    """What the digits must match, as in `called`."""
    timeout_s: Seconds = 8.0
    between_s: Seconds = 3.0
    tries: Count = 3
    invalid_prompt: str = ""
    on_timeout: str = ""
    on_invalid: str = ""


class Set(Step, frozen=True, kw_only=True):
    """Set variables. `language` chooses prompts and voices; `priority` and `segment` are the
    interaction's."""

    values: dict[str, str | int]


class If(Step, frozen=True, kw_only=True):
    """Go to `then` or `otherwise` (empty: on) by a variable or by hours."""

    variable: str = ""
    equals: str | int | None = None
    matches: str = ""
    hours: str = ""
    then: str = ""
    otherwise: str = ""


class Queue(Step, frozen=True, kw_only=True):
    """Wait in a queue for an agent; goes on when the call left it without one."""

    queue: str
    skills: dict[str, Annotated[int, Meta(ge=1, le=100)]] = {}
    """Asked for beside the queue's own; `{language}` in a name is replaced."""
    require: str = ""
    """The same as an expression."""
    prefer: str | tuple[str, ...] = ()
    """Agents to wait for first."""
    patience_s: Seconds = 0.0
    """How long; 0: as the queue says."""
    priority: int = 0
    timeout_s: float = 0
    keys: dict[str, str] = {}
    """Where a key leads out of the queue, like `{ 1 = "voicemail" }`."""
    on_timeout: str = ""
    on_full: str = ""
    on_empty: str = ""
    on_long: str = ""
    """The estimated wait is longer than the queue takes."""
    on_exhausted: str = ""
    """After the last ring, where the queue says so."""
    on_closed: str = ""
    """The queue's hours are closed, or it closes while the call waits."""


class Callback(Step, frozen=True, kw_only=True):
    """Call the customer back at his turn: he may hang up and keeps his place in the queue."""

    queue: str = ""
    """Empty: the queue that the call came from."""
    number: str = "{caller}"
    on_failed: str = ""
    """The number cannot be called, or the request could not be stored."""


class Dial(Step, frozen=True, kw_only=True):
    """Ring devices or numbers at once, first answer wins; the call ends with the talk."""

    to: str | tuple[str, ...]
    """A device, an agent (`agent:kim`), or `trunk:number`."""
    timeout_s: Seconds = 30.0
    music: str = ""
    """Answers the caller and plays this while it rings; empty: ring back as the far end does."""
    record: bool = False
    on_busy: str = ""
    on_no_answer: str = ""
    on_failed: str = ""


class Fax(Step, frozen=True, kw_only=True):
    """Receive a fax; sets `fax_pages`, `fax_ident`, `fax_cause`, `fax_t38` and `fax_rate`."""

    channel: str = ""
    """Which channel gets it; empty: the only one of type `fax`."""
    t38: bool = True
    """Offer T.38, and take it."""
    on_received: str = ""
    on_failed: str = ""
    """Nothing came, or only a part; what there is the channel has."""


class Voicemail(Step, frozen=True, kw_only=True):
    """Record a message into a box."""

    box: str
    prompt: str | tuple[str, ...] = ()
    say: str = ""
    most_s: Seconds = 120.0
    finish: str = "#"


class Transfer(Step, frozen=True, kw_only=True):
    """Hand the call to a number: through the routes here, or by REFER to where it came from."""

    to: str
    refer: bool = False
    on_failed: str = ""


class Hangup(Step, frozen=True, kw_only=True):
    """End the call; before the answer, the caller gets the reason as a SIP status."""

    reason: Literal["normal", "busy", "rejected", "not-found", "unavailable", "congestion"] = (
        "normal"
    )


class Python(Step, frozen=True, kw_only=True):
    """Call a Python function that the embedding program gave; its answer is the next target."""

    call: str
    arguments: dict[str, str | int] = {}
    on_failed: str = ""


STEPS: dict[str, type[Step]] = {
    "answer": Answer,
    "play": Play,
    "say": Say,
    "menu": Menu,
    "collect": Collect,
    "set": Set,
    "if": If,
    "queue": Queue,
    "callback": Callback,
    "dial": Dial,
    "fax": Fax,
    "voicemail": Voicemail,
    "transfer": Transfer,
    "hangup": Hangup,
    "python": Python,
}
"""The steps by the text of their key `do`."""


class Plan(Struct, frozen=True, kw_only=True):
    """One file, compiled: the steps of all flows in one row, jumps as positions in it."""

    file: str
    name: str = ""
    """The file's name without its folder, for records."""
    steps: tuple[Step, ...] = ()
    lines: tuple[int, ...] = ()
    flow_of: tuple[str, ...] = ()
    follows: tuple[int, ...] = ()
    """Where each step goes on; -1: the flow ends."""
    targets: dict[tuple[str, str], int] = {}
    """(flow, name) -> position, and ("", flow) -> its first step."""
    hours: dict[str, Schedule] = {}
    """Those of the file, and those of the configuration that it does not name again."""
    own_hours: frozenset[str] = frozenset()
    """Which of them are the file's."""

    def find(self, flow: str, target: str) -> int:
        """The position of a target as seen from a flow; -1 where there is none."""
        at = self.targets.get((flow, target))
        return self.targets.get(("", target), -1) if at is None else at


class Dialplan(Struct, frozen=True, kw_only=True):
    """All files: routes in order, each with its plan."""

    routes: tuple[tuple[Route, Plan], ...] = ()
    plans: tuple[Plan, ...] = ()

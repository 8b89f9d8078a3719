"""What happens to legs, calls and interactions. Past tense, as the journal keeps it.

Shells send the leg events to the conductor; the conductor adds those of the call and the
interaction. `at` is in seconds of the epoch, from a clock that never steps back.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "AgentLost",
    "AlertAcknowledged",
    "AlertCleared",
    "AlertRaised",
    "AnnouncementFailed",
    "Bridged",
    "CallEvent",
    "CallbackAccepted",
    "CallbackDialling",
    "CallbackEnded",
    "CallbackReached",
    "CallbackTried",
    "ConsultAnswered",
    "ConsultEnded",
    "ConsultStarted",
    "ConsultSwapped",
    "CustomerHeld",
    "CustomerRemoved",
    "CustomerSaved",
    "HelpAsked",
    "HelpEnded",
    "InteractionEnded",
    "InteractionStarted",
    "LegAnswered",
    "LegDigit",
    "LegEnded",
    "LegHeld",
    "LegImage",
    "LegImageAsked",
    "LegMedia",
    "LegOffered",
    "LegRang",
    "LegStarted",
    "LegTransfer",
    "LegVideo",
    "MessageSent",
    "NoteWritten",
    "NumberAllowed",
    "NumberBlocked",
    "PartyJoined",
    "PartyLeft",
    "RecordingEnded",
    "RecordingStarted",
    "ReferAnswered",
    "SupervisorJoined",
    "SupervisorLeft",
    "SupervisorModeChanged",
    "SwitchStarted",
    "SwitchStopped",
    "TakenOver",
    "Transferred",
    "VoicemailLeft",
    "VoicemailStarted",
]


class LegOffered(Struct, frozen=True, tag=True, gc=False):
    """A call arrives on a new leg. `peer` is the trunk's name, or `device:NUMBER` for a phone."""

    at: float
    leg: str
    peer: str
    caller: str
    caller_name: str
    called: str
    sip_call_id: str = ""
    context: dict[str, str] = {}
    """What the page says that a visitor calls from."""


class LegStarted(Struct, frozen=True, tag=True, gc=False):
    """A leg belongs to an interaction: `in` it came to us, `out` we called."""

    at: float
    leg: str
    interaction: str
    direction: str
    peer: str
    caller: str
    called: str
    sip_call_id: str = ""


class LegRang(Struct, frozen=True, tag=True, gc=False):
    """The far end rings; with `early_media` it also sends sound."""

    at: float
    leg: str
    early_media: bool = False


class LegAnswered(Struct, frozen=True, tag=True, gc=False):
    """The leg is up. `codec` is what offer/answer agreed."""

    at: float
    leg: str
    codec: str = ""


class LegHeld(Struct, frozen=True, tag=True, gc=False):
    """The far end put us on hold, or took us back."""

    at: float
    leg: str
    held: bool


class LegVideo(Struct, frozen=True, tag=True, gc=False):
    """A leg that is up has video from now on."""

    at: float
    leg: str


class LegImage(Struct, frozen=True, tag=True, gc=False):
    """A leg speaks T.38 from now on (a fax), or sound: again, or because T.38 was refused."""

    at: float
    leg: str
    t38: bool


class LegImageAsked(Struct, frozen=True, tag=True, gc=False):
    """The far end offers T.38 and waits for our answer."""

    at: float
    leg: str


class LegDigit(Struct, frozen=True, tag=True, gc=False):
    """The far end pressed a key (SIP INFO or RTP). Never journalled: digits can be secrets."""

    at: float
    leg: str
    digit: str


class LegTransfer(Struct, frozen=True, tag=True, gc=False):
    """The far end asks to transfer (REFER): to a number, or into the call of another leg."""

    at: float
    leg: str
    target: str
    replaces: str = ""


class ReferAnswered(Struct, frozen=True, tag=True, gc=False):
    """The far end answered our REFER, or told how it went; `status` as in SIP."""

    at: float
    leg: str
    status: int


class LegEnded(Struct, frozen=True, tag=True, gc=False):
    """A leg is over. `remote`: the far end ended it. `status`: the SIP status, 0 for a BYE."""

    at: float
    leg: str
    reason: str
    remote: bool = False
    status: int = 0


class LegMedia(Struct, frozen=True, tag=True, gc=False):
    """The RTP figures of a leg that is over."""

    at: float
    leg: str
    codec: str
    packets_received: int
    packets_sent: int
    packets_lost: int
    jitter_ms: float
    rtt_ms: float | None
    far_lost: int | None = None
    far_jitter_ms: float | None = None
    mos: float | None = None
    far_mos: float | None = None


class InteractionStarted(Struct, frozen=True, tag=True, gc=False):
    """A contact begins. `flow` is `FILE flow` of the dialplan that took it."""

    at: float
    interaction: str
    medium: str
    peer: str
    caller: str
    called: str
    flow: str = ""
    address: str = ""
    """What the customer is found by where that is not `caller`: `id:4711`, or a mail address in
    lower case, `email:park@example.com`."""
    customer_id: str = ""
    """Who he is, if he is known and it is sure."""


class AgentLost(Struct, frozen=True, tag=True, gc=False):
    """The leg of the agent who had it is gone without a word; the customer waits again."""

    at: float
    interaction: str
    agent: str
    leg: str


class Bridged(Struct, frozen=True, tag=True, gc=False):
    """Two legs hear each other."""

    at: float
    interaction: str
    a: str
    b: str


class Transferred(Struct, frozen=True, tag=True, gc=False):
    """A leg passed its call on; `kind` is `blind` or `attended`."""

    at: float
    interaction: str
    leg: str
    target: str
    kind: str


class CustomerHeld(Struct, frozen=True, tag=True, gc=False):
    """The customer was put on hold, or taken back: by the agent's phone, by hand, or because a
    third party is consulted."""

    at: float
    interaction: str
    held: bool
    agent: str = ""


class SupervisorJoined(Struct, frozen=True, tag=True, gc=False):
    """A supervisor's phone is answered; `mode` is `monitor`, `whisper` or `barge`."""

    at: float
    interaction: str
    leg: str
    account: str
    number: str
    mode: str


class SupervisorModeChanged(Struct, frozen=True, tag=True, gc=False):
    """A supervisor does something else."""

    at: float
    interaction: str
    leg: str
    account: str
    mode: str
    previous: str


class SupervisorLeft(Struct, frozen=True, tag=True, gc=False):
    """A supervisor is gone, or could not be called; `reason` says why."""

    at: float
    interaction: str
    leg: str
    account: str
    reason: str


class TakenOver(Struct, frozen=True, tag=True, gc=False):
    """A supervisor has taken the place of `previous` (an agent, or empty: a leg of no agent).

    `agent` is the supervisor's own in the ACD; empty: he has none that is signed in.
    """

    at: float
    interaction: str
    leg: str
    account: str
    agent: str
    previous: str


class ConsultStarted(Struct, frozen=True, tag=True, gc=False):
    """An agent calls a third party while the customer waits; `leg` names it."""

    at: float
    interaction: str
    leg: str
    number: str
    agent: str


class ConsultAnswered(Struct, frozen=True, tag=True, gc=False):
    """The third party has answered."""

    at: float
    interaction: str
    leg: str
    agent: str


class ConsultSwapped(Struct, frozen=True, tag=True, gc=False):
    """The agent talks to the other of the two; `aside`: the third party waits."""

    at: float
    interaction: str
    leg: str
    aside: bool
    agent: str


class ConsultEnded(Struct, frozen=True, tag=True, gc=False):
    """`completed` (transferred), `joined` (a conference), `back`, `failed` (not answered), `left`
    (the third party hung up), or `lost` (the agent is gone); `reason` says why it was."""

    at: float
    interaction: str
    leg: str
    outcome: str
    reason: str
    agent: str


class PartyJoined(Struct, frozen=True, tag=True, gc=False):
    """A colleague is in a conference with the customer and the agent whose call it is."""

    at: float
    interaction: str
    leg: str
    number: str
    agent: str


class PartyLeft(Struct, frozen=True, tag=True, gc=False):
    """A colleague is gone, or could not be called."""

    at: float
    interaction: str
    leg: str
    reason: str
    agent: str


class HelpAsked(Struct, frozen=True, tag=True, gc=False):
    """An agent asks a supervisor for help."""

    at: float
    interaction: str
    agent: str
    note: str = ""


class HelpEnded(Struct, frozen=True, tag=True, gc=False):
    """He asks no more: he says so, or the talk is over."""

    at: float
    interaction: str
    agent: str


class MessageSent(Struct, frozen=True, tag=True, gc=False):
    """Somebody has written to all who listen: every reader of events gets it."""

    at: float
    account: str
    text: str


class _Alert(Struct, frozen=True, kw_only=True):
    """An alert, whole in each of its events: who reads one needs no earlier one."""

    at: float
    alert: str
    name: str
    """That of its table in the configuration."""
    figure: str
    subject: str
    """A queue, a trunk; empty: the switch."""
    queue: str
    direction: Literal["above", "below"]
    threshold: float
    clear: float
    severity: str
    value: float
    raised_at: float
    acknowledged_by: str = ""
    acknowledged_at: float | None = None


class AlertRaised(_Alert, frozen=True, tag=True, kw_only=True):
    """A figure has been past a threshold for as long as it has to be."""


class AlertAcknowledged(_Alert, frozen=True, tag=True, kw_only=True):
    """Somebody looks after an alert."""


class AlertCleared(_Alert, frozen=True, tag=True, kw_only=True):
    """An alert is over. `reason`: back (the figure is), gone (the subject), changed (the rule)."""

    reason: str


class RecordingStarted(Struct, frozen=True, tag=True, gc=False):
    """Recording began."""

    at: float
    interaction: str
    recording: str
    path: str


class RecordingEnded(Struct, frozen=True, tag=True, gc=False):
    """Recording ended; `error` where it did so early."""

    at: float
    interaction: str
    recording: str
    path: str
    duration_ms: int
    error: str = ""


class VoicemailStarted(Struct, frozen=True, tag=True, gc=False):
    """The tone is over: a message is recorded."""

    at: float
    interaction: str
    box: str
    recording: str
    path: str


class VoicemailLeft(Struct, frozen=True, tag=True, gc=False):
    """A message is in a box; `error` where its recording ended early."""

    at: float
    interaction: str
    box: str
    path: str
    duration_ms: int
    error: str = ""
    recording: str = ""


class AnnouncementFailed(Struct, frozen=True, tag=True, gc=False):
    """A prompt or a text could not be played; the call goes on without it."""

    at: float
    interaction: str
    what: str
    error: str


class CallbackAccepted(Struct, frozen=True, tag=True):
    """A customer is to be called back: all that it takes to do so after a restart.

    `origin` is the interaction that asked for it; its place in `queue` counts from `queued_at`.
    """

    at: float
    interaction: str
    origin: str
    queue: str
    queued_at: float
    number: str
    target: str
    """What is dialled: a device's number, or `TRUNK:NUMBER`."""
    called: str
    """The number that the customer had called: it is shown to him, and in records."""
    peer: str
    language: str = ""
    skills: dict[str, int] = {}
    require: str = ""
    prefer: tuple[str, ...] = ()
    patience_s: float = 0.0
    priority: int = 0
    segment: str = ""
    expires_at: float = 0.0
    """0: never."""
    attempts: int = 0
    not_before: float = 0.0
    zone: str = ""
    """The customer's time zone; empty: that of the queue's hours for callbacks."""
    name: str = ""
    """Of the customer, as he or who asked for him says."""
    note: str = ""
    """What it is about, for the agent."""
    told: bool = False
    """A message was left with a machine."""
    by: str = ""
    """Who asked for it: empty, the customer on the line; `account:NAME`; `widget:NAME`."""


class CallbackDialling(Struct, frozen=True, tag=True, gc=False):
    """The customer is about to be dialled. It is on disk before the first packet goes out, so a
    switch that dies in between does not dial him twice in a row: the next attempt is at
    `not_before`."""

    at: float
    interaction: str
    attempts: int
    not_before: float


class CallbackReached(Struct, frozen=True, tag=True, gc=False):
    """The customer is on the line, and waits for an agent. If the switch dies now, he is called
    again at once, and this attempt does not count."""

    at: float
    interaction: str
    attempts: int
    not_before: float = 0.0


class CallbackTried(Struct, frozen=True, tag=True, gc=False):
    """The customer was dialled and could not be reached; the next attempt is at `not_before`."""

    at: float
    interaction: str
    attempts: int
    reason: str
    not_before: float


class NumberBlocked(Struct, frozen=True, tag=True, gc=False):
    """A number is not to be called any more, other than by people."""

    at: float
    number: str
    by: str
    """`account:NAME`, or `customer`."""
    note: str = ""


class NumberAllowed(Struct, frozen=True, tag=True, gc=False):
    """A number may be called again."""

    at: float
    number: str
    by: str


class CustomerSaved(Struct, frozen=True, tag=True, gc=False):
    """A customer is known as a person, or what is known of him has changed. Who he is says the
    API: no event has it."""

    at: float
    customer_id: str
    by: str
    """`account:NAME`."""


class CustomerRemoved(Struct, frozen=True, tag=True, gc=False):
    """A customer is no person any more; `into`: he is one with this one."""

    at: float
    customer_id: str
    by: str
    into: str = ""


class CallbackEnded(Struct, frozen=True, tag=True, gc=False):
    """Nobody is to be called any more: `connected` with an agent, `abandoned` while he waited on
    the line, `unreachable`, `expired`, `cancelled`, or why the queue let it go."""

    at: float
    interaction: str
    outcome: str


class NoteWritten(Struct, frozen=True, tag=True, gc=False):
    """What an agent, or `account` in his place, keeps of an interaction; the last one counts."""

    at: float
    interaction: str
    agent: str
    account: str
    text: str


class InteractionEnded(Struct, frozen=True, tag=True, gc=False):
    """A contact is over."""

    at: float
    interaction: str
    reason: str


class SwitchStarted(Struct, frozen=True, tag=True, gc=False):
    """The switch runs."""

    at: float
    version: str


class SwitchStopped(Struct, frozen=True, tag=True, gc=False):
    """The switch stopped in order."""

    at: float
    reason: str


CallEvent = (
    LegOffered
    | LegStarted
    | LegRang
    | LegAnswered
    | LegHeld
    | LegImage
    | LegImageAsked
    | LegDigit
    | LegVideo
    | LegTransfer
    | ReferAnswered
    | LegEnded
    | LegMedia
    | InteractionStarted
    | AgentLost
    | Bridged
    | Transferred
    | CustomerHeld
    | SupervisorJoined
    | SupervisorModeChanged
    | SupervisorLeft
    | TakenOver
    | ConsultStarted
    | ConsultAnswered
    | ConsultSwapped
    | ConsultEnded
    | PartyJoined
    | PartyLeft
    | HelpAsked
    | HelpEnded
    | MessageSent
    | AlertRaised
    | AlertAcknowledged
    | AlertCleared
    | RecordingStarted
    | RecordingEnded
    | VoicemailStarted
    | VoicemailLeft
    | AnnouncementFailed
    | CallbackAccepted
    | CallbackDialling
    | CallbackReached
    | CallbackTried
    | NumberBlocked
    | NumberAllowed
    | CustomerSaved
    | CustomerRemoved
    | CallbackEnded
    | NoteWritten
    | InteractionEnded
    | SwitchStarted
    | SwitchStopped
)

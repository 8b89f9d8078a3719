"""What happens to legs, calls and interactions. Past tense, as the journal keeps it.

Shells send the leg events to the conductor; the conductor adds those of the call and the
interaction. `at` is in seconds of the epoch, from a clock that never steps back.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "AnnouncementFailed",
    "Bridged",
    "CallEvent",
    "CallbackAccepted",
    "CallbackEnded",
    "CallbackTried",
    "InteractionEnded",
    "InteractionStarted",
    "LegAnswered",
    "LegDigit",
    "LegEnded",
    "LegHeld",
    "LegMedia",
    "LegOffered",
    "LegRang",
    "LegStarted",
    "LegTransfer",
    "RecordingEnded",
    "RecordingStarted",
    "ReferAnswered",
    "SwitchStarted",
    "SwitchStopped",
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


class InteractionStarted(Struct, frozen=True, tag=True, gc=False):
    """A contact begins. `flow` is `FILE flow` of the dialplan that took it."""

    at: float
    interaction: str
    medium: str
    peer: str
    caller: str
    called: str
    flow: str = ""


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


class CallbackTried(Struct, frozen=True, tag=True, gc=False):
    """The customer was dialled and could not be reached; the next attempt is at `not_before`."""

    at: float
    interaction: str
    attempts: int
    reason: str
    not_before: float


class CallbackEnded(Struct, frozen=True, tag=True, gc=False):
    """Nobody is to be called any more: `connected` with an agent, `abandoned` while he waited on
    the line, `unreachable`, `expired`, `cancelled`, or why the queue let it go."""

    at: float
    interaction: str
    outcome: str


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
    | LegDigit
    | LegTransfer
    | ReferAnswered
    | LegEnded
    | LegMedia
    | InteractionStarted
    | Bridged
    | Transferred
    | RecordingStarted
    | RecordingEnded
    | VoicemailStarted
    | VoicemailLeft
    | AnnouncementFailed
    | CallbackAccepted
    | CallbackTried
    | CallbackEnded
    | InteractionEnded
    | SwitchStarted
    | SwitchStopped
)

"""What a dialplan run asks for, and what it is told: the border between `run` and the conductor."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "Action",
    "AnswerCall",
    "CallPython",
    "ClearTimer",
    "DialTargets",
    "EndCall",
    "EnterCallback",
    "EnterQueue",
    "EnterVoicemail",
    "PlayPrompts",
    "ReceiveFax",
    "SetTimer",
    "SpeakText",
    "StopPlaying",
    "TransferCall",
]


class AnswerCall(Struct, frozen=True, gc=False):
    """Answer; `Run.answered` follows."""


class PlayPrompts(Struct, frozen=True, gc=False):
    """Play prompts in a language; `Run.played` follows at their end."""

    prompts: tuple[str, ...]
    language: str
    early: bool = False


class SpeakText(Struct, frozen=True, gc=False):
    """Speak a text in a language; `Run.played` follows at its end."""

    text: str
    language: str


class StopPlaying(Struct, frozen=True, gc=False):
    """Stop what plays or speaks; `Run.played` must not follow."""


class SetTimer(Struct, frozen=True, gc=False):
    """Call `Run.timed_out` after so many seconds; replaces the run's timer."""

    seconds: float


class ClearTimer(Struct, frozen=True, gc=False):
    """Forget the run's timer."""


class EnterQueue(Struct, frozen=True):
    """Wait in a queue; `Run.outcome` follows: timeout, full, empty, long, exhausted, closed, or
    ended."""

    queue: str
    skills: dict[str, int]
    priority: int
    timeout_s: float
    require: str = ""
    prefer: tuple[str, ...] = ()
    patience_s: float = 0.0
    segment: str = ""


class EnterCallback(Struct, frozen=True, gc=False):
    """Call the number back when it is its turn; `Run.outcome` follows: accepted (and on disk), or
    failed."""

    queue: str
    number: str


class DialTargets(Struct, frozen=True):
    """Ring targets; `Run.outcome` follows: busy, no_answer, failed, or ended."""

    targets: tuple[str, ...]
    timeout_s: float
    music: str
    record: bool


class EnterVoicemail(Struct, frozen=True):
    """Play a beep and record; `Run.outcome` follows: ended or failed."""

    box: str
    most_s: float
    finish: str


class TransferCall(Struct, frozen=True, gc=False):
    """Hand the call over; `Run.outcome` follows only if it failed."""

    to: str
    refer: bool


class CallPython(Struct, frozen=True):
    """Call an embedder's function; `Run.returned` follows, or `Run.outcome("failed")`."""

    name: str
    arguments: dict[str, str | int]


class ReceiveFax(Struct, frozen=True, gc=False):
    """Receive a fax into a channel; `Run.outcome` follows: received or failed."""

    channel: str
    t38: bool


class EndCall(Struct, frozen=True, gc=False):
    """End the call with a reason."""

    reason: str


Action = (
    AnswerCall
    | PlayPrompts
    | SpeakText
    | StopPlaying
    | SetTimer
    | ClearTimer
    | EnterQueue
    | EnterCallback
    | DialTargets
    | EnterVoicemail
    | TransferCall
    | CallPython
    | ReceiveFax
    | EndCall
)

Outcome = Literal[
    "timeout", "full", "empty", "closed", "busy", "no_answer", "failed", "ended", "received"
]

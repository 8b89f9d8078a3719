"""What the conductor asks of its shells, and the events that they send it.

    Leg          one side of a live call             legs/sip, legs/loopback
    MediaPlane   RTP ports, relay, prompts, records  media/
    Store        the durable journal                 store/
    Speech       text to a WAV file                  media/speech

A port is called from the signalling loop only, never blocks and never awaits unless it says so;
what comes of a call arrives later as an event. Times are seconds, durations in `_s` or `_ms`.
Legs and media legs share one name space of ids: a media leg has the id of the leg it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from cicswitch.calls.events import CallEvent
from cicswitch.calls.reason import Reason
from cicswitch.records.journal import Event

__all__ = [
    "Journal",
    "Leg",
    "Legs",
    "LegsUnavailable",
    "MediaAddress",
    "MediaDtmf",
    "MediaEvent",
    "MediaExhausted",
    "MediaLegClosed",
    "MediaParams",
    "MediaPlane",
    "MediaSource",
    "MediaStats",
    "MediaTimeout",
    "MediaWorkerLost",
    "PlayFinished",
    "RecordingClosed",
    "Speech",
    "Tasks",
]


class LegsUnavailable(Exception):
    """No leg can be made towards a target; `reason` says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Leg(Protocol):
    """One side of a live call. Its events carry `id`; `ended` legs ignore every verb."""

    id: str
    peer: str
    """The trunk's name, or `device:NUMBER` for a registered phone."""
    codec: str
    """`PCMU`, `PCMA`, or empty until it is agreed."""
    up: bool
    """Answered and not ended."""
    sip_call_id: str

    def ring(self, now: float, *, early_media: bool = False) -> None:
        """Tell the caller that it rings; with `early_media` sound can be sent before the answer."""

    def answer(self, now: float) -> None:
        """Answer; `LegAnswered` follows."""

    def end(self, now: float, reason: Reason) -> None:
        """Refuse, cancel or hang up, as the state asks. `LegEnded` follows, unless it has ended."""

    def refer(self, now: float, target: str) -> None:
        """Ask the far end to call `target` instead; `ReferAnswered` follows."""

    def transfer_progress(self, now: float, status: int) -> None:
        """Tell the far end how the transfer that it asked for goes (a SIP status)."""


class Legs(Protocol):
    """Makes outbound legs."""

    def originate(
        self,
        now: float,
        target: str,
        *,
        caller: str,
        caller_name: str = "",
        near: str | None = None,
        codec: str = "",
        auto_answer: bool = False,
    ) -> Sequence[Leg]:
        """Call `NUMBER` of a device, or `TRUNK:NUMBER`: a leg for each contact that is known.

        `near` puts the media beside that leg's; `codec` is offered first; `auto_answer` asks the
        device to answer by itself. Raises `LegsUnavailable`. Events of a leg come only after this
        has returned.
        """

    def is_device(self, number: str) -> bool:
        """Whether a device of that number is configured."""


class Journal(Protocol):
    """Where events are kept."""

    def append(self, event: Event) -> None:
        """Keep an event."""

    async def committed(self) -> None:
        """Return when all that was appended before is on disk."""


class Tasks(Protocol):
    """Runs what has to wait, beside the loop."""

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; its failure reaches the log."""


LegEvent = CallEvent


class MediaExhausted(Exception):
    """No RTP port is free; the call that wanted one is answered 503."""


class MediaAddress(msgspec.Struct, frozen=True):
    """Where a media leg listens: RTP at `port`, RTCP at `port + 1`."""

    host: str
    port: int


class MediaParams(msgspec.Struct, frozen=True, kw_only=True):
    """What offer/answer agreed for a media leg. A later call with new params replaces the old."""

    codec: str
    """`PCMU` or `PCMA`."""
    payload_type: int
    host: str
    """The far end's address from its SDP; the true one is learned from its packets (latching)."""
    port: int
    dtmf_payload_type: int | None = None
    """Payload type of `telephone-event/8000`; None: the far end has none, listen in-band."""
    send: bool = True
    """False: we send nothing (the far end is `sendonly` or `inactive`)."""
    receive: bool = True
    """False: the far end sends nothing (it is `recvonly` or `inactive`), so silence is no death."""
    ptime_ms: int = 20


class MediaSource(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to play: exactly one of `path` (WAV), `tone_hz` (up to two) and silence."""

    path: str = ""
    tone_hz: tuple[float, ...] = ()
    duration_ms: int = 0
    """For tones and silence; 0 is without end."""


class MediaStats(msgspec.Struct, frozen=True, kw_only=True):
    """RTP figures of one leg, as the media plane saw them (RFC 3550)."""

    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    packets_stray: int = 0
    """From addresses that the leg is not latched to, or not RTP at all."""
    jitter_ms: float = 0.0
    rtt_ms: float | None = None
    """Round trip from RTCP, None when the far end sent no report."""
    codec: str = ""


class MediaDtmf(msgspec.Struct, frozen=True, tag=True):
    """A digit that a leg sent, once at its end."""

    leg: str
    digit: str
    """One of `0-9*#ABCD`."""
    duration_ms: int
    in_band: bool


class PlayFinished(msgspec.Struct, frozen=True, tag=True):
    """A `play` is over. `error` is empty when it played to its end; a stopped play reports none."""

    leg: str
    play_id: str
    error: str = ""


class MediaTimeout(msgspec.Struct, frozen=True, tag=True):
    """A leg that should send has been silent for `silent_s`, RTP and RTCP alike."""

    leg: str
    silent_s: float


class RecordingClosed(msgspec.Struct, frozen=True, tag=True):
    """A recording has its final header and is closed. `error` says what ended it early."""

    recording_id: str
    path: str
    duration_ms: int
    error: str = ""


class MediaLegClosed(msgspec.Struct, frozen=True, tag=True):
    """A leg's ports are free again; its final figures."""

    leg: str
    stats: MediaStats


class MediaWorkerLost(msgspec.Struct, frozen=True, tag=True):
    """A media worker died; these legs have no media any more. The plane has started another."""

    legs: tuple[str, ...]
    error: str


MediaEvent = (
    MediaDtmf | PlayFinished | MediaTimeout | RecordingClosed | MediaLegClosed | MediaWorkerLost
)


class MediaPlane(Protocol):
    """RTP for legs. Commands are not answered; trouble arrives as an event."""

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Start the workers. `on_event` is called in the signalling loop."""

    async def stop(self) -> None:
        """Close every leg and recording, end the workers. Idempotent."""

    def open(self, leg: str, *, ipv6: bool = False, near: str | None = None) -> MediaAddress:
        """Give the leg a port that is bound already; `near` puts it on that leg's worker.

        Raises `MediaExhausted`.
        """

    def configure(self, leg: str, params: MediaParams) -> None:
        """Send and expect media as agreed. Before it, packets are counted and dropped."""

    def bridge(self, a: str, b: str) -> None:
        """Pass audio and DTMF both ways, ending any other bridge and play of the two."""

    def unbridge(self, leg: str) -> None:
        """End the leg's bridge, if it has one. Both sides then hear nothing."""

    def play(
        self, leg: str, play_id: str, sources: Sequence[MediaSource], *, loop: bool = False
    ) -> None:
        """Play to the leg, one source after the other; replaces a play, suspends a bridge's audio
        towards this leg until the play is over.
        """

    def stop_play(self, leg: str) -> None:
        """Stop what plays, if anything."""

    def record(self, leg: str, recording_id: str, path: Path) -> None:
        """Record to a stereo WAV: left what the leg sends, right what it is sent."""

    def pause_recording(self, recording_id: str, paused: bool) -> None:
        """Leave out (silence in place, so that time stays true) or take in what is said."""

    def stop_recording(self, recording_id: str) -> None:
        """End a recording; `RecordingClosed` follows."""

    def send_dtmf(self, leg: str, digits: str, *, duration_ms: int = 100) -> None:
        """Send digits to the leg: RFC 4733 where agreed, else in-band tones."""

    def close(self, leg: str) -> None:
        """End the leg: its bridge, play and recordings; `MediaLegClosed` follows."""

    def figures(self) -> dict[str, float]:
        """Gauges and counters for `/metrics` and `top`: legs, free ports, packets, workers."""


class Speech(Protocol):
    """Text to speech."""

    async def synthesize(self, text: str, language: str) -> Path:
        """A WAV file (8 kHz mono PCM) of the text, from the cache where it was said before.

        Raises `cicswitch.core.errors.ResourceError` with what is missing.
        """

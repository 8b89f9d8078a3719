"""Commands to a worker and events from it: batches of msgpack, each behind a 32-bit length.

A batch is what one pass of a loop had to say, so a busy plane pays one write for many commands.
Legs are numbers here, never used twice; the plane keeps the ids.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.fax.udptl import Recovery
from cicswitch.ports import MediaSource

__all__ = ["COMMANDS", "ENCODER", "EVENTS", "Command", "Event", "Frames", "frame"]

_LENGTH = struct.Struct("!I")


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    pass


class Grow(_Message, frozen=True):
    """Bind so many more port pairs."""

    pairs: int
    ipv6: bool = False


class Shrink(_Message, frozen=True):
    """Close these pairs, which no leg has and none will get."""

    ports: list[int]
    ipv6: bool = False


class Open(_Message, frozen=True):
    """The leg has this port."""

    leg: int
    port: int
    ipv6: bool = False


class Configure(_Message, frozen=True):
    """New parameters, the fields of `ports.MediaParams` (flat: half the price)."""

    leg: int
    codec: str
    payload_type: int
    host: str
    port: int
    dtmf_payload_type: int | None = None
    send: bool = True
    receive: bool = True
    ptime_ms: int = 20


class Bridge(_Message, frozen=True):
    """Join two legs."""

    a: int
    b: int


class Mix(_Message, frozen=True):
    """Join legs in a room; `hears` lists for each of them whom it hears."""

    legs: list[int]
    hears: list[list[int]]


class Unbridge(_Message, frozen=True):
    """Part a leg from its bridge or room."""

    leg: int


class Play(_Message, frozen=True):
    """Play sources."""

    leg: int
    play_id: str
    sources: list[MediaSource]
    loop: bool = False
    over: bool = False
    """Mixed into what the leg hears of others."""


class StopPlay(_Message, frozen=True):
    """End a play."""

    leg: int


class Record(_Message, frozen=True):
    """Begin a recording."""

    leg: int
    recording_id: str
    path: str


class PauseRecording(_Message, frozen=True):
    """Pause, resume."""

    recording_id: str
    paused: bool


class StopRecording(_Message, frozen=True):
    """End a recording."""

    recording_id: str


class SendDtmf(_Message, frozen=True):
    """Send digits."""

    leg: int
    digits: str
    duration_ms: int


class T38(_Message, frozen=True):
    """From now on the leg speaks T.38, until it is configured for sound again."""

    leg: int
    host: str
    port: int
    recovery: Recovery
    max_datagram: int
    max_bit_rate: int
    version: int


class Fax(_Message, frozen=True):
    """Put a fax terminal on a leg, in place of what it hears and is told."""

    leg: int
    fax_id: str
    job: FaxJob


class StopFax(_Message, frozen=True):
    """Take it away."""

    leg: int
    reason: str = ""


class HearFax(_Message, frozen=True):
    """Listen for the calling tone of a fax machine, or no more."""

    leg: int
    on: bool


class HearAnswer(_Message, frozen=True):
    """Listen whether a person or a machine has answered, or no more."""

    leg: int
    on: bool


class Close(_Message, frozen=True):
    """End a leg."""

    leg: int


class Quit(_Message, frozen=True):
    """Close everything and end."""


class Ports(_Message, frozen=True):
    """These ports are bound and free: new ones, and ones out of quarantine."""

    ports: list[int]
    ipv6: bool = False
    full: bool = False
    """No more can be bound; `reason` says why."""
    reason: str = ""
    bound: int = 0
    """How many were newly bound (the rest come back from quarantine)."""


class Dtmf(_Message, frozen=True):
    """A digit was heard."""

    leg: int
    digit: str
    duration_ms: int
    in_band: bool


class Played(_Message, frozen=True):
    """A play is over."""

    leg: int
    play_id: str
    error: str = ""


class Silent(_Message, frozen=True):
    """RTP timeout."""

    leg: int
    silent_s: float


class Recorded(_Message, frozen=True):
    """A recording is closed."""

    recording_id: str
    path: str
    duration_ms: int
    error: str = ""


class Closed(_Message, frozen=True):
    """A leg is closed."""

    leg: int
    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    packets_stray: int = 0
    jitter_ms: float = 0.0
    rtt_ms: float | None = None
    codec: str = ""
    far_lost: int | None = None
    """What the far end reports of what it is sent; None: it never did."""
    far_jitter_ms: float | None = None


class Heard(_Message, frozen=True):
    """A leg so far, with each report that is sent to its far end."""

    leg: int
    packets_received: int
    packets_sent: int
    packets_lost: int
    packets_stray: int
    jitter_ms: float
    rtt_ms: float | None
    codec: str
    far_lost: int | None
    far_jitter_ms: float | None


class FaxOver(_Message, frozen=True):
    """A fax terminal is done."""

    leg: int
    fax_id: str
    result: FaxResult


class FaxTone(_Message, frozen=True):
    """A leg sends the calling tone of a fax machine."""

    leg: int


class AnswerHeard(_Message, frozen=True):
    """Who has answered: `human`, `machine`; then `ready`: it records."""

    leg: int
    word: str


class Figures(_Message, frozen=True):
    """Counters of the worker, each second."""

    values: dict[str, float]


Command = (
    Grow
    | Shrink
    | Open
    | Configure
    | Bridge
    | Mix
    | Unbridge
    | Play
    | StopPlay
    | Record
    | PauseRecording
    | StopRecording
    | SendDtmf
    | T38
    | Fax
    | StopFax
    | HearFax
    | HearAnswer
    | Close
    | Quit
)
Event = (
    Ports
    | Dtmf
    | Played
    | Silent
    | Recorded
    | Closed
    | Heard
    | FaxOver
    | FaxTone
    | AnswerHeard
    | Figures
)

ENCODER = msgspec.msgpack.Encoder()
COMMANDS: msgspec.msgpack.Decoder[list[Command]] = msgspec.msgpack.Decoder(list[Command])
EVENTS: msgspec.msgpack.Decoder[list[Event]] = msgspec.msgpack.Decoder(list[Event])


def frame(messages: list[Command] | list[Event]) -> bytes:
    """One batch, ready to be written."""
    body = ENCODER.encode(messages)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a byte stream into the bodies of batches."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Add what was read; the batches that are now complete."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 4:
            (size,) = _LENGTH.unpack_from(buffer, at)
            if len(buffer) - at - 4 < size:
                break
            yield bytes(buffer[at + 4 : at + 4 + size])
            at += 4 + size
        del buffer[:at]

"""Commands to the process that talks to browsers, and events from it. Legs are numbers here."""

from __future__ import annotations

import struct

import msgspec

__all__ = ["COMMANDS", "EVENTS", "Command", "Event", "frame"]

_LENGTH = struct.Struct("!I")


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    pass


class Open(_Message, frozen=True):
    """A leg: its ICE credentials, and where the media plane has it."""

    leg: int
    ufrag: str
    password: str
    host: str
    port: int


class Connect(_Message, frozen=True):
    """What the browser's description says. Another `ufrag` restarts ICE (RFC 8445 section 9).

    `video` is the payload type of VP8, -1 without video. `events` is that of telephone events
    beside Opus, -1 without them; what is not Opus goes to the media plane and back as it is.
    """

    leg: int
    ufrag: str
    password: str
    fingerprint_kind: str
    fingerprint: str
    audio: int
    video: int = -1
    video_send: bool = False
    opus: bool = False
    events: int = -1
    events_hz: int = 48_000


class See(_Message, frozen=True):
    """The leg is shown the first of these that has video. None of them: it is shown nobody, and
    nobody is shown it any more.
    """

    leg: int
    others: list[int]


class Relay(_Message, frozen=True):
    """The leg's Opus goes to the other leg as it is, where that speaks it as well; 0: to nobody.

    `beside`: it is decoded for the media plane all the same.
    """

    leg: int
    to: int
    beside: bool


class Record(_Message, frozen=True):
    """Record the video of the leg's browser and of the one that it is shown, beside this WAV."""

    leg: int
    recording: str
    path: str


class Pause(_Message, frozen=True):
    """Leave out what comes, or take it in again."""

    recording: str
    paused: bool


class Stop(_Message, frozen=True):
    """End a recording."""

    recording: str


class Close(_Message, frozen=True):
    """End a leg."""

    leg: int


class Quit(_Message, frozen=True):
    """End."""


class Failed(_Message, frozen=True):
    """A packet could not be handled, which none may bring about: once for each kind of error."""

    error: str


class Lost(_Message, frozen=True):
    """The browser is gone, or never came."""

    leg: int
    reason: str
    silent_s: float = 0.0


class Recorded(_Message, frozen=True):
    """The video of a recording could not be written."""

    recording: str
    error: str


class Sound(_Message, frozen=True):
    """What came and went of a leg that speaks Opus, each second and at its end."""

    leg: int
    packets_received: int
    packets_sent: int
    packets_lost: int
    jitter_ms: float
    rtt_ms: float | None
    far_lost: int | None
    far_jitter_ms: float | None


class Closed(_Message, frozen=True):
    """A leg has ended; its last `Sound`, if it has one, came before."""

    leg: int


class Figures(_Message, frozen=True):
    """Counters of the process, each second."""

    values: dict[str, float]


Command = Open | Connect | See | Relay | Record | Pause | Stop | Close | Quit
Event = Failed | Lost | Recorded | Sound | Closed | Figures

_ENCODER = msgspec.msgpack.Encoder()
COMMANDS: msgspec.msgpack.Decoder[list[Command]] = msgspec.msgpack.Decoder(list[Command])
EVENTS: msgspec.msgpack.Decoder[list[Event]] = msgspec.msgpack.Decoder(list[Event])


def frame(messages: list[Command] | list[Event]) -> bytes:
    """One batch, ready to be written; `media.wire.Frames` cuts them apart again."""
    body = _ENCODER.encode(messages)
    return _LENGTH.pack(len(body)) + body

"""What the conductor asks of its shells, and the events that they send it.

    Leg          one side of a live call             legs/sip, legs/loopback
    MediaPlane   RTP ports, relay, prompts, records  media/
    Webrtc       ICE, DTLS, SRTP, video of browsers  media/webrtc/
    Store        the durable journal                 store/
    Reader       asks what is in it                  store/
    Speech       text to a WAV file                  media/speech
    Channel      a medium in writing                 channels/
    Archive      conversations on disk               archive.py

A port is called from the signalling loop only, never blocks and never awaits unless it says so;
what comes of a call arrives later as an event. Times are seconds, durations in `_s` or `_ms`.
Legs and media legs share one name space of ids: a media leg has the id of the leg it serves.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from cicswitch.calls.events import CallEvent
from cicswitch.calls.reason import Reason
from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.contacts.messages import Attachment, First, Incoming, Message, Outgoing
from cicswitch.records.journal import Event
from cicswitch.records.rows import ConversationRecord, FaxRecord, Row

__all__ = [
    "Accepted",
    "AnswerHeard",
    "Archive",
    "BrowserGone",
    "BrowserLocal",
    "BrowserRemote",
    "Channel",
    "ChannelHost",
    "FaxCall",
    "FaxChannel",
    "FaxEnded",
    "FaxToneHeard",
    "HttpAnswer",
    "HttpChannel",
    "HttpRequest",
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
    "News",
    "PlayFinished",
    "Reader",
    "RecordingClosed",
    "Rows",
    "Speech",
    "T38Params",
    "Tasks",
    "Undeliverable",
    "Webrtc",
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

    @property
    def has_video(self) -> bool:
        """Whether video is agreed on with the far end."""

    def ring(self, now: float, *, early_media: bool = False) -> None:
        """Tell the caller that it rings; with `early_media` sound can be sent before the answer."""

    def answer(self, now: float) -> None:
        """Answer; `LegAnswered` follows."""

    def end(self, now: float, reason: Reason) -> None:
        """Refuse, cancel or hang up, as the state asks. `LegEnded` follows, unless it has ended."""

    def refer(self, now: float, target: str) -> None:
        """Ask the far end to call `target` instead; `ReferAnswered` follows."""

    def offer_video(self, now: float) -> None:
        """The other side has video now: ask the far end for its own, if it can have any."""

    def take_t38(self, allowed: bool) -> None:
        """Accept an offer of T.38 from now on, or no more; `LegImage` tells of one."""

    def offer_t38(self, now: float) -> bool:
        """Ask the far end for T.38; `LegImage` follows if it can be asked at all. False: not now,
        another offer is in progress.
        """

    def answer_t38(self, now: float, accept: bool) -> None:
        """Answer what `LegImageAsked` told of."""

    def offer_sound(self, now: float) -> None:
        """Ask the far end to go back from T.38 to sound."""

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

    def append(self, event: Event, rows: Sequence[Row] = ()) -> None:
        """Keep an event, and in the same transaction rows that are no part of the journal."""

    async def committed(self) -> None:
        """Return when all that was appended before is on disk."""


class Rows(Protocol):
    """What an SQL query has found; each row once."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """The next row; None: there is no more."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""


class Reader(Protocol):
    """Asks the store by SQL, with `?` for each value. A connection of `sqlite3` is one."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Rows:
        """Ask."""


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


class T38Params(msgspec.Struct, frozen=True, kw_only=True):
    """What offer/answer agreed for a leg that speaks T.38 over UDPTL."""

    host: str
    port: int
    recovery: Literal["none", "redundancy", "fec"] = "redundancy"
    """What protects the datagrams that we send."""
    max_datagram: int = 400
    max_bit_rate: int = 14400
    version: int = 0


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
    far_lost: int | None = None
    """Packets to the far end that it reports as lost by RTCP, None when it sent no report."""
    far_jitter_ms: float | None = None
    mos: float | None = None
    """An estimate of how what comes sounds (`rtp.quality`), 1 to 4.5; None: nothing came."""
    far_mos: float | None = None
    """The same of what the far end hears, by its reports."""


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


class FaxEnded(msgspec.Struct, frozen=True, tag=True):
    """The fax terminal of a leg is done; the leg is still there."""

    leg: str
    fax_id: str
    result: FaxResult


class FaxToneHeard(msgspec.Struct, frozen=True, tag=True):
    """A leg that is listened to sends the calling tone of a fax machine."""

    leg: str


class AnswerHeard(msgspec.Struct, frozen=True, tag=True):
    """Who has answered on a leg that is listened to: `human` or `machine`; then `ready`, when a
    machine records."""

    leg: str
    word: str


class BrowserGone(msgspec.Struct, frozen=True, tag=True):
    """The browser of a leg has ended its connection, or nothing has come of it for `silent_s`."""

    leg: str
    silent_s: float
    reason: str


MediaEvent = (
    MediaDtmf
    | PlayFinished
    | MediaTimeout
    | RecordingClosed
    | MediaLegClosed
    | MediaWorkerLost
    | BrowserGone
    | FaxEnded
    | FaxToneHeard
    | AnswerHeard
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

    def mix(self, hears: Mapping[str, Sequence[str]]) -> None:
        """Join legs in a room: each key is sent the sum of what its legs say, and nothing if it
        has none. Legs that are keys must be on one worker.

        It ends any other bridge and play of theirs, and a room that they were in goes on as this
        one: who is not named any more leaves it. Digits pass between the first two. Raises
        `ValueError` for legs on two workers.
        """

    def unbridge(self, leg: str) -> None:
        """End the leg's part in a bridge or a room, if it has one. Both sides of a bridge then hear
        nothing; a room goes on without the leg.
        """

    def play(
        self,
        leg: str,
        play_id: str,
        sources: Sequence[MediaSource],
        *,
        loop: bool = False,
        over: bool = False,
    ) -> None:
        """Play to the leg, one source after the other; replaces a play, suspends what a bridge or
        a room sends to this leg until the play is over. With `over` it is mixed into that instead,
        which the others do not hear.
        """

    def stop_play(self, leg: str) -> None:
        """Stop what plays, if anything."""

    def record(self, leg: str, recording_id: str, path: Path) -> None:
        """Record to a stereo WAV: left what the leg sends, right what it is sent. In a room too:
        what a supervisor whispers to another leg is not in it.
        """

    def pause_recording(self, recording_id: str, paused: bool) -> None:
        """Leave out (silence in place, so that time stays true) or take in what is said."""

    def stop_recording(self, recording_id: str) -> None:
        """End a recording; `RecordingClosed` follows."""

    def send_dtmf(self, leg: str, digits: str, *, duration_ms: int = 100) -> None:
        """Send digits to the leg: RFC 4733 where agreed, else in-band tones."""

    def t38(self, leg: str, params: T38Params) -> None:
        """Speak T.38 on the leg's port from now on, until `configure` agrees on sound again.

        A fax terminal that is there begins anew; without one datagrams go as they are to the leg
        that it is bridged with, if that speaks T.38 too.
        """

    def fax(self, leg: str, fax_id: str, job: FaxJob) -> None:
        """Put a fax terminal on the leg, ending its bridge and play; `FaxEnded` follows always,
        but with the leg's worker.
        """

    def stop_fax(self, leg: str, reason: str) -> None:
        """Take the terminal away; `FaxEnded` says what it has done."""

    def hear_fax(self, leg: str, on: bool) -> None:
        """Listen for the calling tone of a fax machine while the leg is not bridged, or no more;
        `FaxToneHeard` follows once.
        """

    def hear_answer(self, leg: str, on: bool) -> None:
        """Listen whether a person or a machine has answered, while the leg is not bridged, or no
        more; `AnswerHeard` follows.
        """

    def stats(self, leg: str) -> MediaStats | None:
        """A leg so far, as of its last report by RTCP, some seconds old; None before the first."""

    def close(self, leg: str) -> None:
        """End the leg: its bridge, play and recordings; `MediaLegClosed` follows."""

    def figures(self) -> dict[str, float]:
        """Gauges and counters for `/metrics` and `top`: legs, free ports, packets, workers."""


class BrowserLocal(msgspec.Struct, frozen=True):
    """What our description says of a leg to a browser (RFC 8839, RFC 8122)."""

    ufrag: str
    password: str
    fingerprint: str
    """`sha-256 AB:CD:…`"""
    hosts: tuple[str, ...]
    """Where the browser is to look for us: a host candidate each."""
    port: int


class BrowserRemote(msgspec.Struct, frozen=True, kw_only=True):
    """What the browser's description says. Payload types are the same both ways."""

    fingerprint: str
    audio: int
    opus: bool = False
    """Whether its audio is Opus; else it is what its media leg speaks."""
    events: int = -1
    """The payload type of telephone events beside Opus, -1: none, and their clock."""
    events_hz: int = 48_000
    video: int = -1
    """The payload type of VP8; -1: no video."""
    video_send: bool = False
    """Whether the browser wants to see video."""


class Webrtc(Protocol):
    """Browsers. A leg has a media leg of the same id, which hears and speaks plain RTP: G.711, by
    payload type 0 and events by 101 where the browser speaks Opus, else what the browser speaks.
    """

    def open(self, leg: str, plane: MediaAddress) -> BrowserLocal:
        """Expect a browser whose audio goes to the media leg at `plane`.

        Raises `cicswitch.core.errors.ResourceError`.
        """

    def restart(self, leg: str) -> BrowserLocal:
        """New credentials, because the browser restarts ICE: it has changed its network."""

    def connect(self, leg: str, remote: BrowserRemote) -> MediaAddress:
        """Take what the browser's description says; where its media leg has to send to."""

    def close(self, leg: str) -> None:
        """End the leg."""

    def figures(self) -> dict[str, float]:
        """Gauges and counters for `/metrics`."""


class Undeliverable(Exception):
    """A message can never be delivered; the text says why. Whatever may pass by itself is a
    `ResourceError`: the message is tried again.
    """


class Accepted(msgspec.Struct, frozen=True):
    """A message is on disk: its sender may be told so."""

    message: str
    conversation: str
    seq: int
    again: bool = False
    """It had come before, and nothing was done."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer who reads along is told beside messages."""

    state: str = ""
    """`waiting`, `talking`, or `ended`; empty: as before."""
    name: str = ""
    """Who talks to him."""
    position: int = 0
    """His place in the queue, 1 is next."""
    typing: bool = False
    read: int = 0
    """The agent has read as far as this message."""
    reason: str = ""
    """Why it has ended."""


class Channel(Protocol):
    """A medium in writing. `channels.load` makes it: `factory(name, config, host, archive)`."""

    name: str
    medium: str
    """What the ACD counts capacity by: `chat`, `email`, `fax`, `task`."""
    live: bool
    """The customer waits for an answer now: he may abandon, and who is silent is let go. A channel
    whose customers do not wait and still talk (a messenger) may have `talks = True`: the dialplan
    writes to them, and their silence counts."""
    stored: bool
    """He reads in the store what is there for him: nothing has to be sent to him again."""
    queue: str
    """Where a contact goes that no route of the dialplan takes; empty: it is refused."""
    silent_s: float
    """After so long without a word a contact takes none of its agent's capacity; 0: never."""
    end_s: float
    """After so long it is over; 0: never."""
    away_s: float
    """How long a customer who is gone may take to come back."""

    async def start(self) -> None:
        """Begin to take messages. Raises `ResourceError` in one line."""

    async def stop(self) -> None:
        """Take no more. Idempotent."""

    async def deliver(self, out: Outgoing) -> None:
        """Give a message to the customer. Raises `Undeliverable`, or `ResourceError` for what may
        pass. The same message may come twice; its id tells.
        """

    def told(self, conversation: str, news: News) -> None:
        """Tell a customer who reads along."""

    def state(self) -> dict[str, str | int | float]:
        """How it does, for `cicswitch channels` and `/metrics`; `problem` says what is wrong."""

    async def test(self) -> str:
        """Try whether it can do its work; what was found. Raises `ResourceError`."""


@runtime_checkable
class StartingChannel(Protocol):
    """A channel by which a customer can be written to who has not written himself."""

    starts: bool
    """True."""

    async def opens(self, first: First) -> First:
        """A first message as it is kept and then delivered: address and sender as the medium
        writes them, and what it has to know. Raises `CommandError`, `ResourceError`.
        """


class HttpRequest(msgspec.Struct, frozen=True):
    """What somebody has asked of `/channel/NAME`."""

    method: str
    """GET or POST."""
    headers: dict[str, str]
    """Names in lower case."""
    query: dict[str, str]
    body: bytes


class HttpAnswer(msgspec.Struct, frozen=True):
    """What he is answered."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    name: str = ""
    """It is a file of this name."""


@runtime_checkable
class HttpChannel(Protocol):
    """A channel to which its medium speaks by HTTP, at `/channel/NAME`."""

    async def asked(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request. It may come from anybody."""


class ShortMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A text that has come by SIP."""

    peer: str
    """A trunk, or `device`."""
    caller: str
    called: str
    name: str
    text: str
    external: str
    """What tells it from all others."""
    typing: bool = False
    """It says that somebody types: the text is `active`, or he has stopped."""


@runtime_checkable
class TextCarrier(Protocol):
    """What texts go by: `legs.sip.messages`."""

    taker: Callable[[ShortMessage], Awaitable[None]] | None

    def knows(self, target: str) -> bool:
        """Whether there is such a device or trunk, there now or not."""

    def fits(self, target: str, text: str) -> bool:
        """Whether a text may go there as one message. Raises `ResourceError`."""

    async def send(self, target: str, text: str, caller: str, name: str, call_id: str) -> None:
        """Give a text to `device:NUMBER` or `TRUNK:NUMBER`. Raises `NotReached` if it will not have
        it, `ResourceError` for what may pass."""


class FaxCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that brings a fax."""

    interaction: str
    caller: str
    called: str
    at: float
    caller_name: str = ""
    language: str = ""


class FaxChannel(Channel, Protocol):
    """A channel of faxes, which come and go by calls."""

    def receives(self, call: FaxCall) -> FaxJob:
        """A fax is about to come: where to, and what we say of ourselves."""

    async def received(self, call: FaxCall, result: FaxResult) -> None:
        """It is over, whole or not: it is kept and accepted when this returns.

        Raises `CicError`; the channel takes it up again by itself then.
        """


class ChannelHost(Protocol):
    """What a channel tells the switch."""

    async def accept(self, channel: Channel, incoming: Incoming) -> Accepted:
        """Take a message; it is on disk and in its place when this returns.

        Raises `CommandError` for one that nobody takes, `ResourceError` when it could not be
        stored in time: it is to be sent again.
        """

    async def write_first(self, channel: str, first: First) -> Accepted:
        """Write to somebody over a channel of this name, in a conversation of its own without a
        contact; it is on disk when this returns, and delivered then.

        Raises `CommandError`, and `ResourceError` when it could not be stored in time.
        """

    async def undelivered(self, channel: Channel, message: Message, error: str) -> None:
        """A message that was sent did not arrive, as the medium says later: it is shown so, and may
        be sent again.
        """

    def typing(self, conversation: str) -> None:
        """The customer types."""

    def away(self, conversation: str) -> None:
        """The customer's connection is gone; he may come back."""

    def back(self, conversation: str) -> News:
        """He is there (again); how it stands."""

    def leave(self, conversation: str, reason: str = "customer") -> None:
        """The customer ends it."""

    def shown(self, agent: str) -> str:
        """An agent's name for customers."""

    async def send_fax(
        self, channel: FaxChannel, target: str, caller: str, job: FaxJob, ring_s: float
    ) -> FaxResult:
        """Call `TRUNK:NUMBER` and send a fax; how it went. Raises `NotReached`, `CommandError`."""

    def fax_kept(self, record: FaxRecord) -> None:
        """Write down how a fax stands, and tell of it."""

    async def stored(self) -> None:
        """Return when all that has been done is on disk. Raises `ResourceError`."""

    def path(self, name: str) -> Path:
        """A path of the configuration: it stands where the configuration file does."""


class Attachments(Protocol):
    """The files of messages, by their SHA-256."""

    @property
    def file_bytes(self) -> int:
        """The most that a file may have."""

    @property
    def message_bytes(self) -> int:
        """The most that the files of a message may have together."""

    async def keep(
        self, given: bytes | AsyncIterable[bytes], name: str, *, clean: bool = False
    ) -> Attachment:
        """Keep a file: it is whole and on disk when this returns, for a day if no message names it.

        Raises `TooLarge`, and `ResourceError` where there is no room: it is to be sent again. What
        a virus is in, or what could not be scanned, is kept and not given out; with `clean` the
        first raises `CommandError`, the second `ResourceError`, and nothing is kept.
        """

    async def read(self, digest: str) -> bytes:
        """Its bytes, to be delivered. Raises `NotFound` if it is gone, `Conflict` if a virus is in
        it, `ResourceError` if it was not scanned yet or cannot be read.
        """

    async def offered(self, owner: str, digests: Iterable[str]) -> tuple[Attachment, ...]:
        """Files that a conversation or a visitor has uploaded, to go with a message.

        Raises `CommandError` for what was not, `TooLarge`.
        """

    async def sent(self, owner: str, attachments: Iterable[Attachment]) -> None:
        """They are in a message now."""


class Archive(Protocol):
    """Conversations that are on disk."""

    def key(self, channel: str) -> bytes:
        """A secret of a channel's, made at the first time. Raises `ResourceError`."""

    def aside(self, channel: str) -> Path:
        """A folder of a channel's own beside the store, which the channel makes."""

    @property
    def attachments(self) -> Attachments:
        """The files of their messages."""

    async def known(self, channel: str, external: str) -> Accepted | None:
        """What the store has under this name of the medium's."""

    async def conversation(self, name: str) -> ConversationRecord | None:
        """A conversation as it stands."""

    async def heir(self, message: str, name: str) -> str:
        """Where an answer belongs to a message that was written in this conversation, which may
        have been merged or split since."""

    async def answered(self, channel: str, names: Sequence[str]) -> ConversationRecord | None:
        """The conversation of the first message whose `external` is one of these, or one of these
        before a `#`."""

    async def by_token(self, channel: str, digest: str) -> ConversationRecord | None:
        """The conversation that a secret belongs to, by its SHA-256."""

    async def message(self, name: str) -> Message | None:
        """A message."""

    async def fax(self, name: str) -> FaxRecord | None:
        """A fax, by its call or its message."""

    async def messages(self, name: str, after: int = 0, limit: int = 200) -> list[Message]:
        """Messages of a conversation behind a number, in order."""


class Speech(Protocol):
    """Text to speech."""

    async def synthesize(self, text: str, language: str) -> Path:
        """A WAV file (8 kHz mono PCM) of the text, from the cache where it was said before.

        Raises `cicswitch.core.errors.ResourceError` with what is missing.
        """

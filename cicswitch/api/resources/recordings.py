"""Recordings and voicemail messages: looked for, listened to, removed."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.paging import Page, Paging, cursor_of, key_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.ranges import wanted as wanted_part
from cicswitch.api.sending import Flow, room
from cicswitch.records.rows import RecordingRecord

if TYPE_CHECKING:
    from cicswitch.recordings import Shape

__all__ = ["RecordingQuery", "RecordingView", "Waveform", "WaveformQuery"]

_SEE = ("recordings:read", "recordings:self")
_LISTEN = ("recordings:listen", "recordings:self")


class RecordingView(Struct, frozen=True, kw_only=True):
    """A recording, or a voicemail message."""

    recording: str
    interaction: str
    kind: str
    """`recording` or `voicemail`."""
    started_at: float
    duration_s: float | None
    queue: str
    agent: str
    """Whose talk it is; empty for a message, and where no agent of the ACD had the call."""
    caller: str
    called: str
    segment: str
    box: str
    """Of a message: where it lies."""
    error: str
    """What ended it early; empty: nothing did."""
    gone: bool
    """Its file is not there any more."""
    channels: int | None
    size: int | None
    """Of the file, in bytes."""


class RecordingQuery(Paging, frozen=True, kw_only=True):
    """Which recordings."""

    since: float = 0.0
    """Begun then or later, in seconds of the epoch."""
    until: float = 1e12
    """Begun before."""
    queue: str = ""
    agent: str = ""
    number: str = ""
    """What the caller's or the called number begins with."""
    segment: str = ""
    kind: Literal["", "recording", "voicemail"] = ""
    shortest_s: Annotated[float, Meta(ge=0)] = 0.0


class WaveformQuery(Struct, frozen=True, kw_only=True):
    """How fine."""

    points: Annotated[int, Meta(ge=10, le=2000)] = 800


class Waveform(Struct, frozen=True, kw_only=True):
    """The loudest of each part, 0 to 1, by channel: the customer, and what he hears."""

    duration_s: float
    channels: list[list[float]]


@endpoint("GET", "/recordings", scopes=_SEE)
async def recordings(ask: Ask, query: RecordingQuery) -> Page[RecordingView]:
    """Recordings and messages, newest first.

    One that is under way is not among them yet. With recordings:self only those of one's own agent.
    """
    source = ask.api.sources.recordings
    agent = query.agent
    if not ask.may("recordings:read"):
        own = ask.account.agent
        if not own or agent not in ("", own):
            return Page([])
        agent = own
    found, after = await source.page(
        query.limit,
        since=query.since,
        until=query.until,
        queue=query.queue,
        agent=agent,
        number=query.number,
        segment=query.segment,
        kind=query.kind,
        shortest_s=query.shortest_s,
        before=_place(query.cursor),
    )
    items = [_view(record, shape) for record, shape in found]
    return Page(items, None if after is None else cursor_of(f"{after[0]!r} {after[1]}"))


@endpoint("GET", "/recordings/{recording}", scopes=_SEE, tagged=True)
async def recording(ask: Ask, recording: str) -> RecordingView:
    """One of them."""
    record, shape = await ask.api.sources.recordings.find(recording)
    ask.only_own(record.agent, "recordings:read")
    return _view(record, shape)


@endpoint(
    *("GET", "/recordings/{recording}/audio"),
    scopes=_LISTEN,
    errors=(416,),
    media_type="audio/wav",
)
async def audio(ask: Ask, recording: str) -> Answer[Flow]:
    """Its sound, a WAV file: all of it, or the part that Range asks for.

    Left is the customer, right what he hears. Who listens is in the audit log.
    """
    record, _ = await ask.api.sources.recordings.find(recording)
    ask.only_own(record.agent, "recordings:listen")
    room()
    file = await ask.api.sources.recordings.open(record)
    try:
        tag = f'"{file.modified_ns:x}-{file.size:x}"'
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": formatdate(file.modified_ns / 1e9, usegmt=True),
            "Content-Disposition": f'inline; filename="{record.recording}.wav"',
        }
        none = [each.strip() for each in ask.headers.get("if-none-match", "").split(",")]
        if tag in none:
            file.close()
            return Answer(None, 304, headers)  # type: ignore[arg-type]  # nothing is sent
        part = wanted_part(ask.headers, file.size, tag)
        await _heard(ask, record)
    except BaseException:
        file.close()
        raise
    headers["Content-Type"] = "audio/wav"
    begin, end = part or (0, file.size)
    if part is not None:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{file.size}"
    return Answer(Flow(file, begin, end), 206 if part is not None else 200, headers)


@endpoint("GET", "/recordings/{recording}/waveform", scopes=_LISTEN)
async def waveform(ask: Ask, recording: str, query: WaveformQuery) -> Waveform:
    """How loud it is, part by part, of each channel."""
    source = ask.api.sources.recordings
    record, shape = await source.find(recording)
    ask.only_own(record.agent, "recordings:listen")
    found = await source.waveform(record, query.points)
    return Waveform(
        duration_s=round(shape.duration_s, 3) if shape is not None else 0.0,
        channels=[[round(each / 32767, 3) for each in channel] for channel in found],
    )


@endpoint("DELETE", "/recordings/{recording}", scopes="recordings:write", errors=(412,))
async def remove(ask: Ask, recording: str) -> None:
    """Remove its file. The record of the call stays."""
    source = ask.api.sources.recordings
    record, shape = await source.find(recording)
    ask.match(_view(record, shape))
    await source.remove(record)
    await ask.note("recording.remove", recording, _told(record), None)


async def _heard(ask: Ask, record: RecordingRecord) -> None:
    """Note who listens, before anything is given out."""
    heard, account = ask.api.heard, ask.account.name
    async with heard.lock:
        if heard.lately(account, record.recording, ask.now):
            return
        try:
            await ask.note("recording.listen", record.recording, None, _told(record))
        except Problem:
            raise Problem(503, "it is not given out: the audit log has failed") from None
        heard.noted(account, record.recording, ask.now)


def _told(record: RecordingRecord) -> dict[str, object]:
    return {key: getattr(record, key) for key in ("kind", "interaction", "queue", "agent")}


def _place(cursor: str) -> tuple[float, int] | None:
    if not cursor:
        return None
    at, _, number = key_of(cursor).partition(" ")
    try:
        place = float(at), int(number)
        if 0 <= place[0] < 1e13 and 0 <= place[1] < 2**63:
            return place
    except ValueError:
        pass
    error = FieldError(parameter="cursor", expected="`next` of a page of this list")
    raise Problem(422, "the cursor is none", errors=[error])


def _view(record: RecordingRecord, shape: Shape | None) -> RecordingView:
    duration_s = record.duration_s if shape is None else shape.duration_s
    return RecordingView(
        recording=record.recording,
        interaction=record.interaction,
        kind=record.kind,
        started_at=round(record.started_at, 3),
        duration_s=None if duration_s is None else round(duration_s, 3),
        queue=record.queue,
        agent=record.agent,
        caller=record.caller,
        called=record.called,
        segment=record.segment,
        box=record.box,
        error=_without_name(record),
        gone=shape is None,
        channels=None if shape is None else shape.channels,
        size=None if shape is None else shape.size,
    )


def _without_name(record: RecordingRecord) -> str:
    return record.error.replace(record.path, "…")

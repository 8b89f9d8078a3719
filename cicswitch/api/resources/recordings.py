"""Recordings and voicemail messages: looked for, listened to, removed."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import TYPE_CHECKING

from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.paging import Page, cursor_of, place_of
from cicswitch.api.problems import Problem
from cicswitch.api.ranges import wanted as wanted_part
from cicswitch.api.sending import Flow, room
from cicswitch.api.shapes.recordings import (
    RecordingQuery,
    RecordingView,
    VideoView,
    Waveform,
    WaveformQuery,
)
from cicswitch.records.rows import RecordingRecord

if TYPE_CHECKING:
    from cicswitch.recordings import OpenFile, Shape

__all__ = ["RecordingQuery", "RecordingView", "VideoView", "Waveform", "WaveformQuery"]

_SEE = ("recordings:read", "recordings:self")
_LISTEN = ("recordings:listen", "recordings:self")


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
        before=place_of(query.cursor),
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
    return await _given(ask, record, file, "audio/wav", f"{record.recording}.wav")


@endpoint(
    *("GET", "/recordings/{recording}/video/{side}"),
    scopes=_LISTEN,
    errors=(416,),
    media_type="video/webm",
)
async def video(ask: Ask, recording: str, side: str) -> Answer[Flow]:
    """The video of one side, `customer` or `agent`, a WebM file: all of it, or what Range asks for.

    It has that side's sound where that was Opus. It begins `start_s` after the sound, as the
    recording says. Who looks is in the audit log, as who listens.
    """
    record, _ = await ask.api.sources.recordings.find(recording)
    ask.only_own(record.agent, "recordings:listen")
    room()
    file = await ask.api.sources.recordings.open_video(record, side)
    return await _given(ask, record, file, "video/webm", f"{record.recording}.{side}.webm")


async def _given(
    ask: Ask, record: RecordingRecord, file: OpenFile, media_type: str, name: str
) -> Answer[Flow]:
    """The file, or the part of it that is asked for, noted before it is given out."""
    try:
        tag = f'"{file.modified_ns:x}-{file.size:x}"'
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": formatdate(file.modified_ns / 1e9, usegmt=True),
            "Content-Disposition": f'inline; filename="{name}"',
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
    headers["Content-Type"] = media_type
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
    """Remove its files, sound and video. The record of the call stays."""
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


def _view(record: RecordingRecord, shape: Shape | None) -> RecordingView:
    duration_s = record.duration_s if shape is None else shape.duration_s
    return RecordingView(
        recording=record.recording,
        interaction=record.interaction,
        kind=record.kind,
        # Down, so that `since` finds it and `until` does not.
        started_at=math.floor(record.started_at * 1000) / 1000,
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
        videos=[
            VideoView(side=film.side, size=film.size, start_s=film.start_s)
            for film in (shape.videos if shape is not None else ())
        ],
    )


def _without_name(record: RecordingRecord) -> str:
    return record.error.replace(record.path, "…")

"""Recordings and voicemail messages: what is asked and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.api.shapes.common import Paging

__all__ = ["RecordingQuery", "RecordingView", "VideoView", "Waveform", "WaveformQuery"]


class VideoView(Struct, frozen=True, kw_only=True):
    """The video of one side of a recording."""

    side: str
    """`customer`, or `agent`: whom the customer was shown."""
    size: int
    """Of the file, in bytes."""
    start_s: float
    """How long after the sound it begins."""


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
    videos: list[VideoView]


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

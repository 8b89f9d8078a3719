"""Methods about recordings and voicemail messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

from cicswitch.api.shapes.recordings import RecordingView, Waveform
from cicswitch.client.wire import Wire, part

__all__ = ["RecordingCalls"]


class RecordingCalls(Wire):
    """Recordings and voicemail messages."""

    def recordings(
        self,
        *,
        since: float | None = None,
        until: float | None = None,
        queue: str = "",
        agent: str = "",
        number: str = "",
        segment: str = "",
        kind: Literal["", "recording", "voicemail"] = "",
        shortest_s: float | None = None,
    ) -> AsyncIterator[RecordingView]:
        """Recordings and messages, newest first, begun from `since` to before `until` in seconds of
        the epoch. `number` is what the caller's or the called number begins with."""
        query = {
            "since": since,
            "until": until,
            "queue": queue,
            "agent": agent,
            "number": number,
            "segment": segment,
            "kind": kind,
            "shortest_s": shortest_s,
        }
        return self.each("/recordings", RecordingView, query)

    async def recording(self, recording: str) -> RecordingView:
        """A recording."""
        path = "/recordings/{recording}"
        return await self.call("GET", path, RecordingView, recording=recording)

    async def audio(self, recording: str, begin: int = 0, end: int | None = None) -> bytes:
        """Its WAV file, or the bytes of it from `begin` to before `end`: left is the customer,
        right what he hears. An hour is some 115 MB: ask for parts then, `size` of the recording
        says how far. A part that begins behind the end is an `ApiProblem` 416; `ValueError` where
        `end` is not behind `begin`."""
        path = "/recordings/{recording}/audio"
        return await self.fetch(path, part(begin, end), recording=recording)

    async def video(
        self, recording: str, side: str, begin: int = 0, end: int | None = None
    ) -> bytes:
        """The WebM file of one side, `customer` or `agent`, or a part of it, as of `audio`;
        `videos` of the recording says which there are, how large, and when they begin."""
        path = "/recordings/{recording}/video/{side}"
        return await self.fetch(path, part(begin, end), recording=recording, side=side)

    async def waveform(self, recording: str, points: int = 800) -> Waveform:
        """The loudest of each part, 0 to 1, by channel."""
        path, query = "/recordings/{recording}/waveform", {"points": points}
        return await self.call("GET", path, Waveform, query=query, recording=recording)

    async def remove_recording(self, recording: str, *, tag: Any = None) -> None:
        """Remove its file. The record of the call stays."""
        path = "/recordings/{recording}"
        await self.call("DELETE", path, type(None), tag=tag, recording=recording)

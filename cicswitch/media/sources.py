"""What can be played, encoded once a law and shared by every leg that plays it.

A leg on hold then costs a slice, a header and a send. The cache is bounded in bytes; the source
used longest ago goes first. A file that changed on disk is read again.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from cicswitch.core.errors import ResourceError
from cicswitch.media.wav import read_wav
from cicswitch.ports import MediaSource
from cicswitch.rtp import g711, tones

__all__ = ["FRAME", "Sources", "Track"]

FRAME = 160
"""Samples in 20 ms."""
CACHE_BYTES = 64 << 20
ENDLESS_S = 10
"""An endless tone is a loop of this length, or of 1 s where its frequencies are whole."""


class Track:
    """Encoded audio in whole frames: `data` is one byte a sample; `endless` starts over."""

    __slots__ = ("data", "endless", "size")

    def __init__(self, data: bytes, *, endless: bool = False) -> None:
        self.data = data
        self.size = len(data)
        self.endless = endless


class Sources:
    """Tracks by source and codec."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._tracks: OrderedDict[tuple[object, ...], Track] = OrderedDict()
        self._bytes = 0
        self._limit = limit_bytes

    def track(self, source: MediaSource, codec: str) -> Track:
        """The encoded source. Raises `ResourceError` with what is wrong with it."""
        key = self._key(source, codec)
        found = self._tracks.get(key)
        if found is not None:
            self._tracks.move_to_end(key)
            return found
        made = self._make(source, codec)
        self._tracks[key] = made
        self._bytes += made.size
        while self._bytes > self._limit and len(self._tracks) > 1:
            _, dropped = self._tracks.popitem(last=False)
            self._bytes -= dropped.size
        return made

    @property
    def cached_bytes(self) -> int:
        """Encoded bytes held."""
        return self._bytes

    @staticmethod
    def _key(source: MediaSource, codec: str) -> tuple[object, ...]:
        if not source.path:
            return (codec, source.tone_hz, source.duration_ms)
        try:
            stat = Path(source.path).stat()
        except OSError as error:
            raise ResourceError(f"{source.path}: {error.strerror}") from error
        return (codec, source.path, stat.st_mtime_ns, stat.st_size)

    @staticmethod
    def _make(source: MediaSource, codec: str) -> Track:
        law = g711.LAWS[codec]
        if source.path:
            samples = read_wav(Path(source.path))
            if len(samples) == 0:
                raise ResourceError(f"{source.path}: no audio in it")
            short = -len(samples) % FRAME
            return Track(g711.encode(samples, law) + bytes([law.silence]) * short)
        endless = source.duration_ms <= 0
        if not source.tone_hz:
            frames = 1 if endless else max(1, round(source.duration_ms / 20))
            return Track(bytes([law.silence]) * (frames * FRAME), endless=endless)
        if endless:
            whole = all(float(hz).is_integer() for hz in source.tone_hz)
            length = 8000 * (1 if whole else ENDLESS_S)
        else:
            length = 8 * source.duration_ms
        samples = tones.tone(source.tone_hz, length, fade=not endless)
        short = -len(samples) % FRAME
        padded = np.concatenate([samples, np.zeros(short, np.int16)])
        return Track(g711.encode(padded, law), endless=endless)

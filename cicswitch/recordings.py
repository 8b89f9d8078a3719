"""Recordings for the API: found in the store, read from the disk. All that blocks is in threads of
their own, so that a slow disk holds up nothing else.

A path comes from the store only: what a request names is looked up, never opened.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from cicswitch.core.errors import NotFound, ResourceError
from cicswitch.media.wav import HEADER_SIZE
from cicswitch.media.webrtc.webm import start_of
from cicswitch.records.rows import RecordingRecord
from cicswitch.runtime.place import Place
from cicswitch.store.reader import reading
from cicswitch.store.recordings import RecordingFilter, find, page

__all__ = ["Film", "OpenFile", "Recordings", "Shape", "peaks"]

P = ParamSpec("P")
T = TypeVar("T")

_MOST_BYTES: Final = 128 << 20
"""So much of a file is looked at for its peaks; of a longer one the beginning of each part."""
SIDES: Final = ("customer", "agent")
_CACHED: Final = 256
_WAITING: Final = 64


class Film(Struct, frozen=True):
    """The video of one side, a WebM beside the WAV."""

    side: str
    size: int
    start_s: float
    """How long after the sound it begins."""


class Shape(Struct, frozen=True):
    """What a file is on the disk."""

    size: int
    modified_ns: int
    channels: int
    duration_s: float
    videos: tuple[Film, ...] = ()


class OpenFile:
    """A file that is being sent. `close` is idempotent."""

    def __init__(self, descriptor: int, run: Callable[..., asyncio.Future[bytes]]) -> None:
        found = os.fstat(descriptor)
        self.size, self.modified_ns = found.st_size, found.st_mtime_ns
        self._descriptor = descriptor
        self._run = run

    async def read(self, count: int, at: int) -> bytes:
        """At most so many bytes from there."""
        return await self._run(os.pread, self._descriptor, count, at)

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Recordings:
    """The recordings of a switch."""

    def __init__(self, store: Callable[[], Place]) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(2, "recordings")
        self._waiting = 0
        self._peaks: OrderedDict[tuple[str, int, int, int], NDArray[np.int16]] = OrderedDict()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    async def _counted(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _WAITING:
            raise ResourceError("too many ask for recordings at the same time")
        self._waiting += 1
        try:
            return await self._run(work, *args, **kwargs)
        finally:
            self._waiting -= 1

    async def page(
        self, limit: int, **wanted: Any
    ) -> tuple[list[tuple[RecordingRecord, Shape | None]], tuple[float, int] | None]:
        """Recordings with what they are on the disk, newest first, and the place to go on behind.

        `wanted` are the fields of a `RecordingFilter`. No shape: the file is gone.

        Raises `ResourceError`.
        """
        return await self._counted(self._page, RecordingFilter(**wanted), limit)

    async def find(self, name: str) -> tuple[RecordingRecord, Shape | None]:
        """One of them. Raises `NotFound`."""
        found = await self._counted(self._find, name)
        if found is None:
            raise NotFound(f'there is no recording "{name[:80]}"')
        return found, await self._counted(_shape, found.path)

    async def open(self, record: RecordingRecord) -> OpenFile:
        """Its file, to be sent. Raises `NotFound` if it is gone."""
        return OpenFile(await self._counted(_open, record.path), self._run)

    async def open_video(self, record: RecordingRecord, side: str) -> OpenFile:
        """The video of one of `SIDES`, to be sent. Raises `NotFound` if there is none."""
        if side not in SIDES:
            raise NotFound(f'there is no side "{side[:80]}"')
        path = _film(record.path, side)
        return OpenFile(await self._counted(_open, path), self._run)

    async def waveform(self, record: RecordingRecord, points: int) -> list[list[int]]:
        """The loudest of each of so many parts, 0 to 32767, for each channel. Raises `NotFound`."""
        return await self._counted(self._waveform, record.path, points)

    async def remove(self, record: RecordingRecord) -> None:
        """Remove its files. Raises `NotFound` if its sound is gone, `ResourceError`."""
        await self._counted(_remove, record.path)

    # -- in a thread -----------------------------------------------------------------------------

    def _page(
        self, wanted: RecordingFilter, limit: int
    ) -> tuple[list[tuple[RecordingRecord, Shape | None]], tuple[float, int] | None]:
        with reading(self._store()) as db:
            found, after = page(db, wanted, limit)
        return [(record, _shape(record.path)) for record in found], after

    def _find(self, name: str) -> RecordingRecord | None:
        with reading(self._store()) as db:
            return find(db, name)

    def _waveform(self, path: str, points: int) -> list[list[int]]:
        descriptor = _open(path)
        try:
            found = os.fstat(descriptor)
            key = (path, found.st_mtime_ns, found.st_size, points)
            kept = self._peaks.get(key)
            if kept is None:
                kept = peaks(descriptor, found.st_size, points)
                self._peaks[key] = kept
                while len(self._peaks) > _CACHED:
                    self._peaks.popitem(last=False)
        finally:
            os.close(descriptor)
        return kept.tolist()  # type: ignore[no-any-return]  # two lists of whole numbers


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("its file is gone") from None
    except OSError as error:
        raise ResourceError(f"its file cannot be read: {error.strerror}") from None


def _shape(path: str) -> Shape | None:
    try:
        descriptor = _open(path)
    except (NotFound, ResourceError):
        return None
    try:
        found = os.fstat(descriptor)
        channels, _, frames = _format(descriptor, found.st_size)
        rate_hz = struct.unpack("<I", os.pread(descriptor, 4, 24).ljust(4, b"\1"))[0]
        duration_s = frames / max(1, rate_hz)
        return Shape(found.st_size, found.st_mtime_ns, channels, duration_s, _films(path))
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _film(path: str, side: str) -> str:
    return str(Path(path).with_suffix(f".{side}.webm"))


def _films(path: str) -> tuple[Film, ...]:
    found: list[Film] = []
    for side in SIDES:
        try:
            descriptor = os.open(_film(path, side), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            start_ms = start_of(os.pread(descriptor, 1024, 0))
            if start_ms is not None:
                found.append(Film(side, os.fstat(descriptor).st_size, start_ms / 1000))
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return tuple(found)


def _format(descriptor: int, size: int) -> tuple[int, int, int]:
    """Channels, bytes a frame, frames; of what is no recording of ours, as if it were."""
    head = os.pread(descriptor, HEADER_SIZE, 0)
    whole = len(head) == HEADER_SIZE and head[:4] == b"RIFF"
    channels = min(8, max(1, struct.unpack_from("<H", head, 22)[0])) if whole else 2
    frame = channels * 2
    return channels, frame, max(0, size - HEADER_SIZE) // frame


def peaks(descriptor: int, size: int, points: int) -> NDArray[np.int16]:
    """The loudest sample of each part, (channels, points). Memory: a part, and no more."""
    channels, frame, frames = _format(descriptor, size)
    found = np.zeros((channels, points), np.int16)
    most = max(1, _MOST_BYTES // points // frame)
    edges = np.linspace(0, frames, points + 1).astype(np.int64).tolist()
    for index in range(points):
        count = min(edges[index + 1] - edges[index], most)
        if count <= 0:
            continue
        raw = os.pread(descriptor, count * frame, HEADER_SIZE + edges[index] * frame)
        samples = np.frombuffer(raw[: len(raw) // frame * frame], "<i2").reshape(-1, channels)
        if len(samples):
            high, low = samples.max(axis=0), samples.min(axis=0)
            found[:, index] = np.maximum(high, -np.maximum(low, -32767)).clip(0)
    return found


def _remove(path: str) -> None:
    try:
        # The video first: what fails half way leaves the sound, by which it is tried again.
        for side in SIDES:
            Path(_film(path, side)).unlink(missing_ok=True)
        Path(path).unlink()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("its file is gone") from None
    except OSError as error:
        raise ResourceError(f"its file cannot be removed: {error.strerror}") from None

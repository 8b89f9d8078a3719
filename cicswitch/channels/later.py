"""What is still to be got of a channel's files, on disk: a file of JSON for each, in a folder.

    FOLDER/abcd…   written beside, fsync, renamed, fsync of the folder

It is there before its message is acknowledged, and goes when what it says of is a message of its
own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from cicswitch.core.errors import ResourceError
from cicswitch.gateways.files import FileAt

__all__ = ["Later", "Wanted", "named"]

log = structlog.get_logger("channels")

_FIRST_S = 5.0
_MOST_S: Final = 3600.0
_AGE_S: Final = 86_400.0
"""So long it is tried, and at least `_TRIES` times: a clock that is set counts for little."""
_TRIES: Final = 12
_MOST: Final = 10_000
_AT_ONCE: Final = 4


class Wanted(Struct, frozen=True):
    """A file, and whose it is."""

    file: FileAt
    name: str
    """What it is known by; that of its file on disk too."""
    at: float
    customer: str
    called: str
    shown: str
    language: str


class Later:
    """What one channel has to get. `work` gets one; whether it is done with, at the last try or
    not."""

    def __init__(self, folder: Path, work: Callable[[Wanted, bool], Awaitable[bool]]) -> None:
        self._folder, self._work = folder, work
        self._due: list[tuple[float, int, int, Wanted]] = []
        self._count = 0
        self._names: set[str] = set()
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    async def start(self) -> None:
        """Take up what the run before has left. Raises `ResourceError`."""
        try:
            for wanted in await asyncio.to_thread(self._left):
                self._put(wanted, 0.0, 0)
        except OSError as error:
            raise ResourceError(f"{self._folder}: {error.strerror or error}") from None
        for number in range(_AT_ONCE):
            name = f"{self._folder.name} {number}"
            self._tasks.append(asyncio.create_task(self._run(), name=name))

    async def stop(self) -> None:
        """End the work; what is left stays on disk. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._due.clear()
        self._names.clear()

    async def add(self, wanted: list[Wanted]) -> None:
        """Remember them; they are on disk when this returns. Raises `ResourceError`."""
        if len(self._names) + len(wanted) > _MOST:
            raise ResourceError("too many files wait to be got: send it again")
        try:
            await asyncio.to_thread(self._keep, wanted)
        except OSError as error:
            raise ResourceError(f"{self._folder}: {error.strerror or error}") from None

    def begin(self, wanted: list[Wanted]) -> None:
        """Their message is there: get them."""
        for each in wanted:
            if each.name not in self._names:
                self._put(each, _FIRST_S, 0)
        self._news.set()

    async def drop(self, wanted: list[Wanted]) -> None:
        """They are not to be got after all."""
        for each in wanted:
            with contextlib.suppress(OSError):
                await asyncio.to_thread((self._folder / each.name).unlink)

    def _put(self, wanted: Wanted, wait_s: float, tries: int) -> None:
        self._count += 1
        self._names.add(wanted.name)
        heapq.heappush(self._due, (time.monotonic() + wait_s, self._count, tries, wanted))

    async def _run(self) -> None:
        while True:
            self._news.clear()
            wait_s = self._due[0][0] - time.monotonic() if self._due else None
            if wait_s is None or wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), wait_s)
                continue
            _, _, tries, wanted = heapq.heappop(self._due)
            last = tries + 1 >= _TRIES and abs(time.time() - wanted.at) > _AGE_S
            done = False
            try:
                done = await self._work(wanted, last)
            except Exception:
                log.exception("file_failed", file=wanted.name)
            if done:
                await self.drop([wanted])
                self._names.discard(wanted.name)
            else:
                self._put(wanted, min(_FIRST_S * 2.0 ** min(tries, 20), _MOST_S), tries + 1)

    # -- on disk ---------------------------------------------------------------------------------

    def _left(self) -> list[Wanted]:
        found: list[Wanted] = []
        if not self._folder.is_dir():
            return found
        for path in sorted(self._folder.iterdir()):
            if path.suffix == ".part":
                path.unlink(missing_ok=True)
                continue
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Wanted))
            except msgspec.MsgspecError as error:
                log.error("file_note_broken", path=str(path), error=str(error))
        return found

    def _keep(self, wanted: list[Wanted]) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, exist_ok=True)
            _sync(self._folder.parent)
        for each in wanted:
            part = self._folder / f"{each.name}.part"
            with part.open("wb") as file:
                file.write(msgspec.json.encode(each))
                file.flush()
                os.fsync(file.fileno())
            part.rename(self._folder / each.name)
        _sync(self._folder)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def named(external: str, number: int) -> str:
    """What a file of a message is known by."""
    return hashlib.sha256(f"{external}\n{number}".encode("utf-8", "replace")).hexdigest()

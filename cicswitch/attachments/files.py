"""The files of messages on disk, by their SHA-256.

    FOLDER/ab/cd/abcd…              the bytes
    FOLDER/ab/cd/abcd….unscanned    the scanner has not seen them
    FOLDER/ab/cd/abcd….infected     what it has found
    FOLDER/parts/…                  what is being written
    FOLDER/offers/OWNER/abcd…       JSON: uploaded, and not sent yet; of a conversation or a visitor

Written beside, fsync, renamed, fsync of the folder: who is told that a file is kept has it after a
crash. Everything on the disk is done in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

import msgspec
import structlog

from cicswitch.attachments import clamd
from cicswitch.attachments.kinds import HEAD, kind_of, safe_name
from cicswitch.config import AttachmentsConfig
from cicswitch.contacts.messages import Attachment
from cicswitch.core.errors import CommandError, Conflict, NotFound, ResourceError, TooLarge
from cicswitch.ports import Reader
from cicswitch.recordings import OpenFile
from cicswitch.runtime.place import Place
from cicswitch.store.reader import reading

__all__ = ["DAY_S", "Attachments"]

log = structlog.get_logger("attachments")

P = ParamSpec("P")
T = TypeVar("T")
DAY_S: Final = 86_400.0
_SCAN_S: Final = 60.0
_AGAIN_S: Final = 60.0
"""How often what was not scanned is tried again."""
_OFFERS: Final = 50
"""Files that one conversation or visitor may have uploaded and not sent."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_OWNER: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_decode: Final = msgspec.json.Decoder(Attachment).decode


class Attachments:
    """The files of one switch. `folder` and `config` are asked each time: a reload may change
    limits."""

    def __init__(self, folder: Path, config: Callable[[], AttachmentsConfig], store: Place) -> None:
        self.folder = folder
        self._config = config
        self._store = store
        self._threads = ThreadPoolExecutor(4, "attachments")
        self._lock = threading.Lock()
        """Held while a file comes to its place or goes."""
        self.bytes = 0
        """On the disk, and reserved by what is being written."""
        self.unscanned = 0
        self._working: asyncio.Task[None] | None = None

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Look at what is there. Raises `ResourceError`."""
        try:
            await self._run(self._begin)
        except OSError as error:
            raise ResourceError(f"{self.folder}: {error.strerror or error}") from None
        self._working = asyncio.create_task(self._tidy(), name="attachments")

    async def stop(self) -> None:
        """End the work. Idempotent."""
        if self._working is not None:
            self._working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._working
            self._working = None
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        for each in ("parts", "offers"):
            (self.folder / each).mkdir(parents=True, exist_ok=True)
        for part in (self.folder / "parts").iterdir():
            part.unlink(missing_ok=True)
        self.bytes = sum(path.stat().st_size for path in self._files())
        self.unscanned = sum(1 for _ in self.folder.glob("??/??/*.unscanned"))

    def _files(self) -> Iterator[Path]:
        for path in self.folder.glob("??/??/*"):
            if _DIGEST.fullmatch(path.name):
                yield path

    async def _tidy(self) -> None:
        swept_at = -DAY_S
        while True:
            now = time.monotonic()
            try:
                if now - swept_at >= DAY_S:
                    swept_at = now
                    await self.sweep()
                if self.unscanned:
                    await self.rescan()
            except (OSError, ResourceError) as error:
                log.warning("attachments_untidy", error=str(error))
            await asyncio.sleep(_AGAIN_S)

    def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    # -- limits ----------------------------------------------------------------------------------

    @property
    def file_bytes(self) -> int:
        """The most that a file may have."""
        return self._config().file_mb << 20

    @property
    def message_bytes(self) -> int:
        """The most that the files of a message may have together."""
        return self._config().message_mb << 20

    # -- keeping ---------------------------------------------------------------------------------

    async def keep(
        self, given: bytes | AsyncIterable[bytes], name: str, *, clean: bool = False
    ) -> Attachment:
        """See `ports.Attachments`."""
        try:
            part = await self._run(self._part)
            try:
                if isinstance(given, bytes):
                    await self._run(self._add, part, given, clean)
                else:
                    async for piece in given:
                        await self._run(self._add, part, piece, clean)
                return await self._run(self._keep, part, safe_name(name), clean)
            finally:
                await asyncio.shield(self._run(self._drop, part))
        except OSError as error:
            raise ResourceError(f"the file cannot be kept: {error.strerror or error}") from None

    def _part(self) -> _Part:
        return _Part(self.folder / "parts" / secrets.token_hex(16))

    def _add(self, part: _Part, piece: bytes, upload: bool) -> None:
        if part.size + len(piece) > self.file_bytes:
            raise TooLarge(f"a file has at most {self._config().file_mb} MiB")
        quota = self._config().quota_mb << 20
        if upload:
            quota -= quota // 5  # who chats does not take the room of what cannot be sent again
        with self._lock:
            if quota and self.bytes + len(piece) > quota:
                raise ResourceError("there is no more room for files: see attachments.quota_mb")
            self.bytes += len(piece)
            part.reserved += len(piece)
        part.add(piece)

    def _keep(self, part: _Part, name: str, clean: bool) -> Attachment:
        part.file.flush()
        os.fsync(part.file.fileno())
        mark, finding = self._scanned(part.file)
        if clean and mark == "infected":
            raise CommandError(f"the file is refused: it has {finding}")
        if clean and mark:
            raise ResourceError(f"the file cannot be scanned now, send it again: {finding}")
        digest = part.digest.hexdigest()
        path = self._path(digest)
        with self._lock:
            self._fan_out(path)
            self._mark(path, mark, finding)
            if path.exists():
                os.utime(path)
            else:
                part.path.rename(path)
                part.reserved = 0
                _sync_folder(path.parent)
        return Attachment(digest, name, kind_of(part.head), part.size)

    def _drop(self, part: _Part) -> None:
        with contextlib.suppress(OSError):  # what a full disk has not taken is written once more
            part.file.close()
        part.path.unlink(missing_ok=True)
        with self._lock:
            self.bytes -= part.reserved

    def _scanned(self, file: BinaryIO) -> tuple[str, str]:
        where = self._config().clamd
        if not where:
            return "", ""
        try:
            found = clamd.scan(file, clamd.place(where), _SCAN_S)
        except ResourceError as error:
            log.warning("attachment_not_scanned", error=str(error))
            return "unscanned", str(error)
        return ("infected", found) if found else ("", "")

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NotFound("there is no such file")
        return self.folder / digest[:2] / digest[2:4] / digest

    def _fan_out(self, path: Path) -> None:
        for folder in (path.parent.parent, path.parent):
            if not folder.is_dir():
                folder.mkdir(exist_ok=True)
                _sync_folder(folder.parent)

    def _mark(self, path: Path, mark: str, finding: str) -> None:
        """Before the file is in its place: it is never there without its mark."""
        for other in ("unscanned", "infected"):
            beside = path.with_name(f"{path.name}.{other}")
            if other == mark:
                self.unscanned += other == "unscanned" and not beside.exists()
                with beside.open("w") as file:
                    file.write(finding)
                    file.flush()
                    os.fsync(file.fileno())
                _sync_folder(path.parent)
            elif beside.exists():
                beside.unlink()
                self.unscanned -= other == "unscanned"

    # -- giving out ------------------------------------------------------------------------------

    async def states(self, digests: Iterable[str]) -> dict[str, str]:
        """Of each file `unscanned`, `infected` or `gone`; those that are well are left out."""
        wanted = list(digests)
        return await self._run(self._states, wanted) if wanted else {}

    def _states(self, digests: list[str]) -> dict[str, str]:
        return {digest: state for digest in digests if (state := self._state(digest))}

    def _state(self, digest: str) -> str:
        path = self._path(digest)
        for mark in ("infected", "unscanned"):
            if path.with_name(f"{digest}.{mark}").exists():
                return mark
        return "" if path.exists() else "gone"

    async def open(self, digest: str) -> OpenFile:
        """A file, to be sent. Raises `NotFound`, `Conflict` if a virus is in it, `ResourceError` if
        it was not scanned yet."""
        return OpenFile(await self._run(self._open, digest), self._run)

    async def read(self, digest: str) -> bytes:
        """See `ports.Attachments`."""

        def work() -> bytes:
            with os.fdopen(self._open(digest), "rb") as file:
                return file.read()

        return await self._run(work)

    def _open(self, digest: str) -> int:
        state = self._state(digest)
        if state == "infected":
            raise Conflict("the file is not given out: the virus scanner has found something")
        if state == "unscanned":
            raise ResourceError("the file was not scanned yet: ask again")
        try:
            return os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound("the file is gone") from None
        except OSError as error:
            raise ResourceError(f"the file cannot be read: {error.strerror}") from None

    # -- offers ----------------------------------------------------------------------------------

    async def offer(self, owner: str, attachment: Attachment) -> None:
        """Remember that a conversation or a visitor has uploaded it, to send it with a message.

        Raises `CommandError` if too much is uploaded and not sent, `ResourceError`.
        """
        try:
            await self._run(self._offer, owner, attachment)
        except OSError as error:
            raise ResourceError(f"the file cannot be kept: {error.strerror}") from None

    def _offer(self, owner: str, attachment: Attachment) -> None:
        folder = self._offers(owner)
        if not folder.is_dir():
            folder.mkdir()
            _sync_folder(folder.parent)
        before = [_decode(each.read_bytes()) for each in folder.iterdir()]
        size = sum(each.size for each in before if each.digest != attachment.digest)
        if len(before) >= _OFFERS or size + attachment.size > self.message_bytes:
            most = f"{_OFFERS} files or {self._config().message_mb} MiB"
            raise Conflict(f"at most {most} are uploaded and not sent")
        part = self.folder / "parts" / secrets.token_hex(16)
        with part.open("wb") as file:
            file.write(msgspec.json.encode(attachment))
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / attachment.digest)
        _sync_folder(folder)

    async def offered(self, owner: str, digests: Iterable[str]) -> tuple[Attachment, ...]:
        """Files that were uploaded, to go with a message. Raises `CommandError`, `TooLarge`."""
        wanted = list(dict.fromkeys(digests))
        return await self._run(self._offered, owner, wanted) if wanted else ()

    def _offered(self, owner: str, digests: list[str]) -> tuple[Attachment, ...]:
        folder, found = self._offers(owner), []
        for digest in digests:
            path = self._path(digest)
            try:
                found.append(_decode((folder / digest).read_bytes()))
                os.utime(path)  # it is not swept before its message is on disk
            except OSError:
                raise NotFound(f"{digest[:16]}… was not uploaded here, or is gone") from None
        if sum(each.size for each in found) > self.message_bytes:
            raise TooLarge(f"the files of a message have at most {self._config().message_mb} MiB")
        return tuple(found)

    async def sent(self, owner: str, attachments: Iterable[Attachment]) -> None:
        """They are in a message now."""
        digests = [each.digest for each in attachments]

        def work() -> None:
            for digest in digests:
                with contextlib.suppress(OSError):
                    (self._offers(owner) / digest).unlink()

        if digests:
            await self._run(work)

    def _offers(self, owner: str) -> Path:
        if not _OWNER.fullmatch(owner):
            raise NotFound("nobody of this name has uploaded anything")
        return self.folder / "offers" / owner

    # -- tidying ---------------------------------------------------------------------------------

    async def sweep(self, age_s: float = DAY_S) -> int:
        """Remove what nothing names and nobody has touched for so long; how many files."""
        return await self._run(self._sweep, age_s)

    def _sweep(self, age_s: float) -> int:
        before, gone = time.time() - age_s, 0
        for offer in (self.folder / "offers").glob("*/*"):
            if offer.stat().st_mtime < before:
                offer.unlink(missing_ok=True)
        for owner in (self.folder / "offers").iterdir():
            with contextlib.suppress(OSError):  # it has something
                owner.rmdir()
        with reading(self._store) as db:
            for path in self._files():
                with contextlib.suppress(FileNotFoundError):
                    gone += self._swept(db, path, before)
        if gone:
            log.info("attachments_swept", files=gone)
        return gone

    def _swept(self, db: Reader, path: Path, before: float) -> bool:
        query = "SELECT 1 FROM attachment WHERE digest = ? LIMIT 1"
        if path.stat().st_mtime >= before or db.execute(query, (path.name,)).fetchone():
            return False
        with self._lock:
            found = path.stat()
            if found.st_mtime >= before:
                return False
            path.unlink()
            self._mark(path, "", "")
            self.bytes -= found.st_size
        return True

    async def rescan(self) -> None:
        """Try again what the scanner has not seen."""
        await self._run(self._rescan)

    def _rescan(self) -> None:
        for beside in self.folder.glob("??/??/*.unscanned"):
            path = beside.with_suffix("")
            try:
                with path.open("rb") as file:
                    mark, finding = self._scanned(file)
            except FileNotFoundError:
                mark, finding = "", ""
            if mark == "unscanned":
                return  # the scanner is not there
            with self._lock:
                self._mark(path, mark, finding)


class _Part:
    """A file that is being written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("xb+")
        self.digest = hashlib.sha256()
        self.size = self.reserved = 0
        self.head = b""

    def add(self, piece: bytes) -> None:
        """Write what came."""
        self.file.write(piece)
        self.digest.update(piece)
        self.size += len(piece)
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

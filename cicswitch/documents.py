"""The files of the configuration as texts: read, checked, written, taken over.

`cicswitch.toml` and the dialplans that it names, and no other file: what a request names is looked
up among those and never becomes a path. A text is written only if the whole configuration with it
has no mistake:

    a backup of what was there, NAME.~N~     fsync
    the new text beside it                   fsync
    renamed over the file                    fsync of the folder
    reload                                   where that fails, what was there is put back

So a crash leaves the old file or the new one, whole. The text itself is kept, with its comments.

A dialplan is made where `dialplans` already looks, under a name that nothing there has, from a
text that passes the same check; and removed only if nobody needs it (`cicswitch.dialplan.users`).
What it held stays as its backup.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from cicswitch.config import Config, candidate, covered, dialplan_files
from cicswitch.core.errors import CicError, ConfigError, Conflict, NotFound, ResourceError
from cicswitch.core.toml import Finding
from cicswitch.dialplan.model import Dialplan
from cicswitch.dialplan.users import template, users

__all__ = [
    "BACKUPS",
    "Document",
    "Documents",
    "Written",
    "create_file",
    "remove_file",
    "replace_file",
]

BACKUPS = 50
"""So many of a file are kept, the newest."""
_BUILT_IN = Path(__file__).parent / "_data"
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
_NAME = re.compile(rf"(?:{_PART}:){{0,4}}{_PART}\.toml", re.ASCII)


class Document(Struct, frozen=True):
    """A file of the configuration."""

    name: str
    """For requests: its path from the folder of `cicswitch.toml`, with `:` for `/`."""
    kind: str
    """`configuration` or `dialplan`."""
    path: Path


class Written(Struct, frozen=True):
    """What came of it."""

    before: str
    backup: int
    """N of the file NAME.~N~; 0: the text was there already, and nothing was written."""
    notes: list[str]
    """What takes effect only at the next start."""


class Documents:
    """The documents of one switch."""

    def __init__(
        self,
        file: Callable[[], Path | None],
        config: Callable[[], Config],
        reload: Callable[[], Awaitable[list[str]]],
    ) -> None:
        self._file = file
        self._config = config
        self._reload = reload
        self._turn = asyncio.Lock()

    async def all(self) -> dict[str, Document]:
        """All of them by name, `cicswitch.toml` first."""
        return await asyncio.to_thread(self._all)

    async def read(self, name: str) -> tuple[Document, str]:
        """One with its text. Raises `NotFound`, `ResourceError`."""
        found = await self._find(name)
        return found, await asyncio.to_thread(_text, found.path)

    async def check(self, name: str, text: str) -> list[Finding]:
        """Every mistake of the configuration if this text stood there. Raises `NotFound`."""
        found = await self._find(name)
        return await asyncio.to_thread(self._findings, found, text)

    async def write(self, name: str, text: str, match: Callable[[Document, str], None]) -> Written:
        """Put a text there and take it over. `match` raises where what is there is not expected.

        Raises `NotFound`; `ConfigError` for mistakes, `Conflict` for the built-in configuration,
        `ResourceError` for a disk that refuses. Nothing is changed then.
        """
        async with self._turn:
            found, before = await self.read(name)
            match(found, before)
            self._own(found.path)
            findings = await asyncio.to_thread(self._findings, found, text)
            if findings:
                raise ConfigError(findings)
            if text == before:
                return Written(before, 0, await self._reload())
            backup = await asyncio.to_thread(replace_file, found.path, text.encode())
            try:
                notes = await self._reload()
            except CicError:
                await asyncio.to_thread(_put_back, found.path, before)
                raise
            return Written(before, backup, notes)

    async def create(self, name: str, text: str | None) -> Document:
        """A new dialplan, taken over; without a text it is a template's.

        Raises `ConfigError` for a name or a text with a mistake, `Conflict` if there is such a
        file, `ResourceError`. Nothing is there then.
        """
        async with self._turn:
            document = await asyncio.to_thread(self._new, name)
            if text is None:
                text = template(document.path.name, self._config().plan or Dialplan())
            findings = await asyncio.to_thread(self._findings, document, text)
            if findings:
                raise ConfigError(findings)
            await asyncio.to_thread(create_file, document.path, text.encode())
            try:
                await self._reload()
            except CicError:
                await asyncio.to_thread(_remove, document.path)
                raise
            return document

    async def delete(self, name: str, match: Callable[[Document, str], None]) -> Written:
        """Remove a dialplan; what it held stays as a backup. `match` as in `write`.

        Raises `NotFound`, `Conflict` with who needs it, `ResourceError`.
        """
        async with self._turn:
            found, before = await self.read(name)
            match(found, before)
            if found.kind != "dialplan":
                raise Conflict(f"{found.name} is the configuration itself")
            self._own(found.path)
            needed = await asyncio.to_thread(self._needed, found)
            if needed:
                raise Conflict("it is in use: " + "; ".join(needed))
            backup = await asyncio.to_thread(remove_file, found.path)
            try:
                notes = await self._reload()
            except CicError:
                await asyncio.to_thread(create_file, found.path, before.encode())
                raise
            return Written(before, backup, notes)

    def _new(self, name: str) -> Document:
        file = self._file()
        if file is None:
            raise Conflict("this switch was not started from a file")
        folder = file.parent.absolute()
        path = folder.joinpath(*name.split(":"))
        self._own(file.absolute())

        def wrong(found: str, expected: str) -> ConfigError:
            return ConfigError([Finding(str(file), 1, "dialplans", found, expected)])

        if not _NAME.fullmatch(name) or name.endswith(".test.toml"):
            told = 'a name like "dialplans:night.toml", of letters, digits, ".", "-" and "_"'
            raise wrong(f'"{name[:120]}"', told)
        if not covered(self._config(), path):
            patterns = ", ".join(f'"{each}"' for each in self._config().dialplans)
            raise wrong(f'"{name}"', f"a file that dialplans = [{patterns}] names")
        if not path.parent.is_dir() or not path.parent.resolve().is_relative_to(folder.resolve()):
            raise wrong(f'"{name}"', f"a folder that is there, in {folder}")
        if os.path.lexists(path):
            raise Conflict(f"there is a file {name} already")
        return Document(name, "dialplan", path)

    def _needed(self, document: Document) -> list[str]:
        """Who needs a dialplan."""
        file = self._file()
        assert file is not None
        config = self._config()
        _, findings = candidate(file.absolute(), {document.path: None})
        needed = [f"{each.file}:{each.line}: {each.key} names it" for each in findings]
        dialplan = config.plan or Dialplan()
        for plan in dialplan.plans:
            if Path(plan.file) == document.path:
                needed += users(
                    plan,
                    dialplan,
                    trunks=config.trunk,
                    widgets={name: each.number for name, each in config.widget.items()},
                    queues={
                        name: [ring.queue for ring in each.ring if ring.queue]
                        for name, each in config.queue.items()
                    },
                )
        return needed

    def _own(self, path: Path) -> None:
        if path.resolve().is_relative_to(_BUILT_IN):
            told = "the built-in configuration is not changed: `cicswitch init` writes a copy"
            raise Conflict(told)

    async def _find(self, name: str) -> Document:
        found = (await self.all()).get(name)
        if found is None:
            raise NotFound(f'the configuration has no document "{name[:120]}"')
        return found

    def _all(self) -> dict[str, Document]:
        file = self._file()
        if file is None:
            return {}
        folder = file.parent.absolute()
        documents = [Document(file.name, "configuration", folder / file.name)]
        documents += [
            Document(_name(path, folder), "dialplan", path)
            for path in dialplan_files(self._config())
        ]
        found: dict[str, Document] = {}
        for document in documents:
            found.setdefault(document.name, document)
        return found

    def _findings(self, document: Document, text: str) -> list[Finding]:
        file = self._file()
        assert file is not None
        config, findings = candidate(file.absolute(), {document.path: text})
        if config is not None and document.kind == "configuration":
            findings += self._strangers(config, document)
        return sorted(findings)

    def _strangers(self, config: Config, document: Document) -> list[Finding]:
        """Dialplans that are neither beside the configuration nor in use: who may write the
        configuration over the API must not come by it to other files of the machine."""
        folder = document.path.parent.resolve()
        known = {each.path.resolve() for each in self._all().values()}
        return [
            Finding(
                str(document.path),
                1,
                "dialplans",
                f'"{path}"',
                f"files in {folder}; others are named at the machine itself",
            )
            for path in dialplan_files(config)
            if path.resolve() not in known and not path.resolve().is_relative_to(folder)
        ]


def _name(path: Path, folder: Path) -> str:
    near = path.relative_to(folder) if path.is_relative_to(folder) else path
    return near.as_posix().replace("/", ":")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ResourceError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ResourceError(f"{path} is no UTF-8 text") from None


def replace_file(path: Path, data: bytes) -> int:
    """Write it, and what was there as a backup; the number of that."""
    real = path.resolve()  # a link stays one
    try:
        like = real.stat()
        number, old_ones = _keep(real, like)
        _rename(real, data, like)
    except OSError as error:
        raise ResourceError(f"{real} cannot be written: {error.strerror}") from None
    _forget(old_ones)
    return number


def _keep(real: Path, like: os.stat_result) -> tuple[int, list[Path]]:
    """Write what is there as a backup: its number, and those that are too many then."""
    backups = _backups(real)
    number = 1 + max(backups, default=0)
    _write(real.with_name(f"{real.name}.~{number}~"), real.read_bytes(), like)
    return number, [backups[each] for each in sorted(backups)[: len(backups) + 1 - BACKUPS]]


def _forget(old_ones: list[Path]) -> None:
    for each in old_ones:
        with contextlib.suppress(OSError):
            each.unlink()


def create_file(path: Path, data: bytes) -> None:
    """Write a file that is not there: whole, or not at all."""
    other = path.with_name(f".{path.name}.new")
    try:
        _write(other, data, None)
        try:
            os.link(other, path)  # which never replaces one
        finally:
            other.unlink()
        _settle(path.parent)
    except FileExistsError:
        raise Conflict(f"there is a file {path.name} already") from None
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}") from None


def _remove(path: Path) -> None:
    try:
        path.unlink()
        _settle(path.parent)
    except OSError as error:
        raise ResourceError(f"{path} cannot be removed: {error.strerror}") from None


def remove_file(path: Path) -> int:
    """Remove it (of a link, the link) with a backup beside it; the number of that."""
    try:
        number, old_ones = _keep(path, path.stat())
        _settle(path.parent)
    except OSError as error:
        raise ResourceError(f"{path} cannot be kept: {error.strerror}") from None
    _remove(path)
    _forget(old_ones)
    return number


def _put_back(path: Path, text: str) -> None:
    real = path.resolve()
    try:
        _rename(real, text.encode(), real.stat())
    except OSError as error:
        raise ResourceError(f"{real} cannot be put back: {error.strerror}") from None


def _backups(real: Path) -> dict[int, Path]:
    numbered = re.compile(re.escape(real.name) + r"\.~([0-9]{1,9})~")
    found = ((numbered.fullmatch(each.name), each) for each in real.parent.iterdir())
    return {int(match[1]): each for match, each in found if match is not None}


def _rename(real: Path, data: bytes, like: os.stat_result) -> None:
    other = real.with_name(f".{real.name}.new")
    try:
        _write(other, data, like)
        other.replace(real)
    except OSError:
        with contextlib.suppress(OSError):
            other.unlink()
        raise
    _settle(real.parent)


def _settle(folder: Path) -> None:
    """What was done in a folder is on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, like: os.stat_result | None) -> None:
    """A file with the mode and the owner of another, on the disk when this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if like is not None:
            os.fchmod(descriptor, like.st_mode & 0o777)
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, like.st_uid, like.st_gid)
        file.write(data)
        file.flush()
        os.fsync(descriptor)

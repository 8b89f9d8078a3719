"""Prompts that people manage: listed, made of a file or a text, removed.

Calls find a prompt by the library (`cicswitch.media.library`). What is made here goes into the
folder `media.uploads`, which the library asks first; files elsewhere are never touched. A call that
plays a file has it in memory and finishes it; the next one gets the new one.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from cicswitch.core.errors import CommandError, Conflict, NotFound, ResourceError
from cicswitch.documents import create_file, remove_file, replace_file
from cicswitch.media.library import data_dir
from cicswitch.media.wav import header, read_wav
from cicswitch.runtime.aside import aside

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["Prompt", "Prompts"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_CONVERT_S = 60.0


class Prompt(Struct, frozen=True, kw_only=True):
    """A prompt as a call in its language would get it."""

    language: str
    name: str
    path: Path
    source: str
    """`uploaded`, `folder` (of the operator) or `built-in`."""
    duration_s: float
    transcript: str
    version: str
    """Another one with each change of the file."""
    used_by: list[str]


class Prompts:
    """The prompts of one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._turn = asyncio.Lock()
        self._converting = asyncio.Lock()
        """Held while a file is read: one has tens of megabytes in hand."""
        self._built_in: dict[str, tuple[float, str]] | None = None
        self._lengths: dict[tuple[Path, int, int], float] = {}

    async def all(self) -> list[Prompt]:
        """All of them by language and name."""
        users = self._users()
        return await asyncio.to_thread(self._all, users)

    async def find(self, language: str, name: str) -> Prompt:
        """One of them. Raises `NotFound`."""
        users = self._users()
        return await asyncio.to_thread(self._one, language, name, users)

    async def sound(self, prompt: Prompt) -> bytes:
        """Its sound as a WAV file that browsers play. Raises `ResourceError`."""

        def read() -> bytes:
            body = read_wav(prompt.path).astype("<i2").tobytes()
            return header(len(body), channels=1) + body

        return await asyncio.to_thread(read)

    async def put(
        self,
        language: str,
        name: str,
        wav: bytes,
        transcript: str,
        match: Callable[[Prompt | None], None],
    ) -> tuple[Prompt, int]:
        """Make or replace a prompt by a WAV file: how it is, and the number of the backup (0: there
        was none). Raises `CommandError` for a name or a file that is none, `ResourceError`."""
        self._check_name(language, name)
        async with self._converting:
            sound = await _converted(wav)
        return await self._keep(language, name, sound, transcript, match)

    async def speak(
        self, language: str, name: str, text: str, match: Callable[[Prompt | None], None]
    ) -> tuple[Prompt, int]:
        """Make or replace a prompt by a text, spoken by espeak-ng. Raises as `put`."""
        self._check_name(language, name)
        path = await self._switch.speech.synthesize(text, language)
        sound = await asyncio.to_thread(path.read_bytes)
        return await self._keep(language, name, sound, text, match)

    async def remove(
        self, language: str, name: str, match: Callable[[Prompt | None], None]
    ) -> tuple[Prompt, int]:
        """Remove one that was made here; what it was, and the number of its backup.

        Raises `NotFound`; `Conflict` for one that is used and would be missing.
        """
        async with self._turn:
            before = await self.find(language, name)
            match(before)
            if before.source != "uploaded":
                raise Conflict(f"it was not made here: it is the file {before.path}")
            if before.used_by and not await asyncio.to_thread(self._elsewhere, language, name):
                raise Conflict("it is in use: " + "; ".join(before.used_by))
            number = await asyncio.to_thread(remove_file, before.path)
            await asyncio.to_thread(_told_of(before.path).unlink, True)
            self._switch.library.forget()
            return before, number

    async def _keep(
        self,
        language: str,
        name: str,
        sound: bytes,
        transcript: str,
        match: Callable[[Prompt | None], None],
    ) -> tuple[Prompt, int]:
        async with self._turn:
            try:
                match(await self.find(language, name))
            except NotFound:
                match(None)
            path = self._uploads / "prompts" / language / f"{name}.wav"
            number = await asyncio.to_thread(_written, path, sound, transcript)
            self._switch.library.forget()
        return await self.find(language, name), number

    @property
    def _uploads(self) -> Path:
        config = self._switch.config
        return config.path(config.media.uploads)

    @staticmethod
    def _check_name(language: str, name: str) -> None:
        if not _LANGUAGE.fullmatch(language):
            raise CommandError(f'"{language[:80]}" is no language, like ko or en-GB')
        if not _NAME.fullmatch(name):
            told = 'a-z, 0-9, "-" and "_", 64 at most, like after-hours'
            raise CommandError(f'"{name[:80]}" is no name of a prompt: {told}')

    def _all(self, users: dict[str, list[str]]) -> list[Prompt]:
        found: dict[tuple[str, str], Prompt] = {}
        for folder in self._switch.library.folders:
            for path in sorted((folder / "prompts").glob("*/*.wav")):
                key = (path.parent.name, path.stem)
                if key not in found and path.is_file():
                    try:
                        found[key] = self._made(folder, path, users)
                    except (OSError, ResourceError):
                        continue  # a file that is none is no prompt either
        return [found[key] for key in sorted(found)]

    def _one(self, language: str, name: str, users: dict[str, list[str]]) -> Prompt:
        if _LANGUAGE.fullmatch(language) and _NAME.fullmatch(name):
            for folder in self._switch.library.folders:
                path = folder / "prompts" / language / f"{name}.wav"
                if path.is_file():
                    return self._made(folder, path, users)
        raise NotFound(f'there is no prompt "{name[:80]}" in language "{language[:20]}"')

    def _elsewhere(self, language: str, name: str) -> bool:
        return any(
            (folder / "prompts" / language / f"{name}.wav").is_file()
            for folder in self._switch.library.folders
            if folder != self._uploads
        )

    def _made(self, folder: Path, path: Path, users: dict[str, list[str]]) -> Prompt:
        language, name, stat = path.parent.name, path.stem, path.stat()
        key = (path, stat.st_mtime_ns, stat.st_size)
        transcript, source = "", "folder"
        if folder == data_dir():
            source = "built-in"
            length, transcript = self._manifest().get(f"prompts/{language}/{name}.wav", (0.0, ""))
            self._lengths.setdefault(key, length) if length else None
        elif folder == self._uploads:
            source, transcript = "uploaded", _transcript(path)
        if key not in self._lengths:
            if len(self._lengths) > 10_000:
                self._lengths.clear()
            self._lengths[key] = len(read_wav(path)) / 8000
        return Prompt(
            language=language,
            name=name,
            path=path,
            source=source,
            duration_s=round(self._lengths[key], 3),
            transcript=transcript,
            version=f"{stat.st_mtime_ns:x}-{stat.st_size:x}",
            used_by=users.get(name, []),
        )

    def _manifest(self) -> dict[str, tuple[float, str]]:
        """Of the built-in ones: seconds and transcript."""
        if self._built_in is None:
            folder = data_dir()
            told = tomllib.loads((folder / "manifest.toml").read_text("utf-8")) if folder else {}
            self._built_in = {
                each["path"]: (each["duration_ms"] / 1000, each["transcript"])
                for each in told.get("file", [])
            }
        return self._built_in

    def _users(self) -> dict[str, list[str]]:
        """Prompt -> the places of dialplans and configuration that name it."""
        found: dict[str, list[str]] = {}
        config = self._switch.config
        for plan in config.plan.plans if config.plan is not None else ():
            for step, line in zip(plan.steps, plan.lines, strict=True):
                for name in _named(step):
                    found.setdefault(name, []).append(f"{plan.name}:{line}")
        for name, queue in config.queue.items():
            for key, prompt in (
                ("comfort", queue.comfort),
                ("preview_prompt", queue.preview_prompt),
                ("callback.prompt", queue.callback.prompt),
            ):
                if prompt:
                    found.setdefault(prompt, []).append(f"queue.{name}.{key}")
        return found


def _named(step: Any) -> Iterator[str]:
    for key in ("prompt", "invalid_prompt"):
        value = getattr(step, key, "")
        yield from (value,) if isinstance(value, str) else value


def _told_of(path: Path) -> Path:
    """Where the transcript of a prompt is."""
    return path.with_suffix(".json")


def _transcript(path: Path) -> str:
    try:
        return str(msgspec.json.decode(_told_of(path).read_bytes())["transcript"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return ""


def _written(path: Path, sound: bytes, transcript: str) -> int:
    told = _told_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{path.parent} cannot be made: {error.strerror}") from None
    number = 0
    if path.is_file():
        number = replace_file(path, sound)
    else:
        create_file(path, sound)
    try:
        told.write_bytes(msgspec.json.encode({"transcript": transcript}))
    except OSError as error:
        raise ResourceError(f"{told} cannot be written: {error.strerror}") from None
    return number


async def _converted(wav: bytes) -> bytes:
    """8 kHz mono PCM16, by a process of its own. Raises `CommandError` with what is wrong."""
    made, wrong = await aside("cicswitch.media.convert", wav, "the file", _CONVERT_S)
    if wrong:
        raise CommandError(wrong)
    return made

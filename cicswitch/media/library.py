"""Prompt names to files.

A name is `welcome` or `tones/beep`, without its ending. Prompts lie in `prompts/<language>/`,
everything else under its own folder. The operator's folders come first, so one file there replaces
ours; a language that lacks a prompt falls back to its base language (`ko-KR` to `ko`) and then to
the default one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cicswitch.core.errors import NotFound

__all__ = ["FRESH_S", "Library", "data_dir"]

FRESH_S = 5.0
_MOST = 10_000


def data_dir() -> Path | None:
    """`media/` of the checkout, or what the installed package carries; None where neither is."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data" / "media", package.parent / "media"):
        if (folder / "manifest.toml").is_file():
            return folder
    return None


class Library:
    """Looks names up in folders, the first one first."""

    def __init__(
        self,
        folders: Sequence[Path] = (),
        *,
        default_language: str = "en",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        ours = data_dir()
        self.folders: tuple[Path, ...] = (*folders, *((ours,) if ours is not None else ()))
        self.default_language = default_language
        self._clock = clock
        self._found: dict[tuple[str, str], tuple[float, Path]] = {}

    def find(self, name: str, language: str = "") -> Path:
        """The file of a prompt, music or tone. Raises `NotFound` with what was looked for.

        What was found is looked for again after `FRESH_S`: a file that an operator puts before ours
        is heard by then, and a busy queue does not ask the disk for its music at every call.
        """
        now = self._clock()
        known = self._found.get((name, language))
        if known is not None and now - known[0] < FRESH_S:
            return known[1]
        path = self._look_for(name, language)
        if len(self._found) >= _MOST:
            self._found.clear()
        self._found[name, language] = (now, path)
        return path

    def _look_for(self, name: str, language: str) -> Path:
        for relative in self._candidates(name, language):
            for folder in self.folders:
                path = (folder / relative).resolve()
                if path.is_relative_to(folder.resolve()) and path.is_file():
                    return path
        where = ", ".join(str(folder) for folder in self.folders) or "no folder"
        raise NotFound(
            f"no sound {name!r} in language {language or self.default_language!r}: {where}"
        )

    def forget(self) -> None:
        """Look everything up anew: a file has come or gone."""
        self._found.clear()

    def has(self, name: str, language: str = "") -> bool:
        """Whether `find` finds it."""
        try:
            self.find(name, language)
        except NotFound:
            return False
        return True

    def names(self, language: str) -> list[str]:
        """Prompts that this very language has, for `check` and completion."""
        found = {
            path.stem
            for folder in self.folders
            for path in (folder / "prompts" / language).glob("*.wav")
        }
        return sorted(found)

    def _candidates(self, name: str, language: str) -> list[Path]:
        file = name if name.endswith(".wav") else f"{name}.wav"
        if "/" in name:
            return [Path(file)]
        languages = [language, language.partition("-")[0].lower(), self.default_language]
        unique = dict.fromkeys(each for each in languages if each)
        return [Path("prompts") / each / file for each in unique]

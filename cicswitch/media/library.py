"""Prompt names to files.

A name is `welcome` or `tones/beep`, without its ending. Prompts lie in `prompts/<language>/`,
everything else under its own folder. The operator's folders come first, so one file there replaces
ours; a language that lacks a prompt falls back to its base language (`ko-KR` to `ko`) and then to
the default one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cicswitch.core.errors import NotFound

__all__ = ["Library", "data_dir"]


def data_dir() -> Path | None:
    """`media/` of the checkout, or what the installed package carries; None where neither is."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_data" / "media", package.parent / "media"):
        if (folder / "manifest.toml").is_file():
            return folder
    return None


class Library:
    """Looks names up in folders, the first one first."""

    def __init__(self, folders: Sequence[Path] = (), *, default_language: str = "en") -> None:
        ours = data_dir()
        self.folders: tuple[Path, ...] = (*folders, *((ours,) if ours is not None else ()))
        self.default_language = default_language

    def find(self, name: str, language: str = "") -> Path:
        """The file of a prompt, music or tone. Raises `NotFound` with what was looked for."""
        for relative in self._candidates(name, language):
            for folder in self.folders:
                path = (folder / relative).resolve()
                if path.is_relative_to(folder.resolve()) and path.is_file():
                    return path
        where = ", ".join(str(folder) for folder in self.folders) or "no folder"
        raise NotFound(
            f"no sound {name!r} in language {language or self.default_language!r}: {where}"
        )

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

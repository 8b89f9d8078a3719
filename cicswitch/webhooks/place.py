"""Where a hook is in the journal, kept in a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

__all__ = ["Place", "Saved", "load", "remove", "save"]


class Place(Struct, frozen=True, order=True):
    """All before it is done: the events of rows before `row`, and of it those up to `index`."""

    row: int
    index: int = -1


class Saved(Struct, frozen=True):
    """What is on the disk for a hook."""

    journal: str
    """Which journal the place is in: a new one begins at its beginning."""
    place: Place
    url: str
    disabled: str = ""
    """Why nothing is sent to this URL any more; empty: it is."""


def load(file: Path) -> Saved | None:
    """What a file holds; None: there is none, or none that can be read. Raises `OSError`."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Saved)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def save(file: Path, saved: Saved) -> None:
    """Write it so that a crash leaves the old one or the new one. Raises `OSError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    other = file.with_name(file.name + ".new")
    descriptor = os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(saved))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    other.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove(file: Path) -> None:
    """Forget it. Harmless where there is none."""
    with contextlib.suppress(FileNotFoundError):
        file.unlink()

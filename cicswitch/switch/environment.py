"""The shells and settings that a conductor works with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from cicswitch.config import Config
    from cicswitch.core.ids import Tokens
    from cicswitch.core.timers import TimerWheel
    from cicswitch.ports import Archive, Journal, Legs, MediaPlane, Speech, Tasks

__all__ = ["Environment"]


class Environment(Struct):
    """What the composition root gives the conductor."""

    config: Config
    legs: Legs
    media: MediaPlane
    journal: Journal
    archive: Archive
    speech: Speech
    tasks: Tasks
    wheel: TimerWheel
    tokens: Tokens
    clock: Callable[[], float]
    rearm: Callable[[], None]
    """See that the wheel wakes for a timer that was set outside of its own firing."""
    prompt: Callable[[str, str], Path | None]
    """(name, language) -> the file, or None."""
    can_record: Callable[[], bool]
    recorded: Callable[[str], None]
    """Told of each recording that was closed: "", or the error that ended it early."""
    recordings: Path
    voicemail: Path
    music: str
    functions: dict[str, Callable[..., Any]]
    """Python steps of an embedding program."""

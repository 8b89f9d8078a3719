"""What `StoreWriter` asks of a database, and what it gives it."""

from __future__ import annotations

from typing import Any, Protocol

from cicswitch.ports import Reader

__all__ = ["Batch", "Database", "Entry", "Rows"]

Entry = tuple[float, int, bool, str]
"""A row of the journal: when it begins, how many events, whether the switch starts in it, JSON."""
Rows = dict[type, list[tuple[Any, ...]]]
"""By the rows' class, in the order in which they were made."""


class Batch:
    """What is written in one transaction: all of it or nothing, and as often as it is tried the
    same."""

    __slots__ = ("entry", "events", "ladders", "rows", "said", "traced", "waiters")

    def __init__(
        self,
        entry: Entry | None,
        rows: Rows,
        ladders: list[tuple[float, float, bytes]],
        said: list[tuple[str, tuple[Any, ...]]],
        *,
        events: int = 0,
        traced: int = 0,
        waiters: int = 0,
    ) -> None:
        self.entry = entry
        self.rows = rows
        self.ladders = ladders
        """Rows of the table `trace`."""
        self.said = said
        """Statements of `store.chat`, and their values."""
        self.events = events
        """How many events, ladders and waiters it takes of those that wait."""
        self.traced = traced
        self.waiters = waiters


class Database(Protocol):
    """All of it is called from the writer's thread."""

    @property
    def name(self) -> str:
        """Where it is, as people may read it."""

    def open(self) -> Reader:
        """Connect, make or take over the tables; what reads and changes single rows until `close`.

        Raises `ResourceError`.
        """

    def write(self, batch: Batch) -> None:
        """Write a batch; on disk when it returns. Raises `ResourceError`, and then the same batch
        comes again until it is written, before any other."""

    def tidy(self) -> None:
        """Called between batches, when those who wait for one have been told."""

    def close(self) -> None:
        """Let go of it. Idempotent."""

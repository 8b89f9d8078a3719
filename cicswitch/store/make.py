"""The store of a switch, wherever it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cicswitch.runtime.place import Place
from cicswitch.store.sqlite import SqliteStore
from cicswitch.store.writer import StoreWriter

__all__ = ["make_store"]


def make_store(
    place: Place,
    *,
    commit_ms: int = 50,
    synchronous: str = "full",
    trace_hours: int = 24,
    chat_days: int = 0,
    on_degraded: Callable[[str], None] | None = None,
) -> StoreWriter:
    """The writer for a place. `synchronous` is SQLite's: PostgreSQL commits to its disk always."""
    if isinstance(place, Path):
        return SqliteStore(
            place,
            commit_ms=commit_ms,
            synchronous=synchronous,
            trace_hours=trace_hours,
            chat_days=chat_days,
            on_degraded=on_degraded,
        )
    from cicswitch.store.postgres import PostgresDatabase  # who has a file needs no asyncpg

    return StoreWriter(
        PostgresDatabase(place),
        commit_ms=commit_ms,
        trace_hours=trace_hours,
        chat_days=chat_days,
        on_degraded=on_degraded,
    )

"""Asking a store, wherever it is: `with reading(place) as db: db.execute(query, values)`.

SQL is the same for SQLite and PostgreSQL but where it looks into JSON. Tables of PostgreSQL have a
column `rowid`, as those of SQLite do unseen; so columns are named, never `*`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.rows import Row, columns
from cicswitch.runtime.place import Place
from cicswitch.store.sqlite import connect_reader
from cicswitch.store.tables import TABLES

__all__ = ["let_go", "read_rows", "reading"]


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Reader]:
    """What asks a store, also beside a running switch. Raises `ResourceError`, and so does all that
    is asked within."""
    if not isinstance(place, Path):
        from cicswitch.store.pool import pool_of  # who has a file needs no asyncpg

        with pool_of(place).reading() as asked:
            yield asked
        return
    db = connect_reader(place)
    try:
        yield db
    except sqlite3.Error as error:
        raise ResourceError(f"the store {place} cannot be read: {error}") from None
    finally:
        db.close()


def let_go(place: Place) -> None:
    """Close the connections that `reading` has kept of a place. Idempotent."""
    if not isinstance(place, Path):
        from cicswitch.store.pool import close_pool

        close_pool(place)


def read_rows(
    db: Reader, row: type[Row], where: str = "TRUE", arguments: Sequence[Any] = ()
) -> list[Any]:
    """Rows of one kind as their Structs. `where` is SQL with `?` marks for `arguments`."""
    query = f"SELECT {columns(row)} FROM {TABLES[row]} WHERE {where}"
    return [row(*values) for values in db.execute(query, arguments)]

"""A store in SQLite into an empty database of PostgreSQL, in one transaction: all of it or nothing.

Numbers and the order of rows stay, so that webhooks go on where they were.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from cicswitch.core.errors import ResourceError
from cicswitch.runtime.place import Postgres
from cicswitch.store.postgres import PostgresDatabase
from cicswitch.store.postgres_clean import row_of
from cicswitch.store.postgres_schema import PLAIN, column_types
from cicswitch.store.sqlite import SCHEMA_VERSION, connect_reader
from cicswitch.store.tables import TABLES

__all__ = ["copy"]

_AT_ONCE: Final = 2000
_NUMBERED: Final = {"journal": "seq"}
"""Tables that give numbers by another column than `rowid`."""


def copy(path: Path, place: Postgres, told: Callable[[str, int, int], None]) -> dict[str, int]:
    """Copy, and count what has come; rows by table. `told(table, rows, of)` hears how far it is.

    Raises `ResourceError` and leaves the database as it was: where it is not empty, where the file
    is of another version, where a count differs.
    """
    with contextlib.closing(connect_reader(path)) as source:
        try:
            version = source.execute("PRAGMA user_version").fetchone()[0]
            if version != SCHEMA_VERSION:
                asked = "start the switch with it once"
                raise ResourceError(f"{path} has schema {version}, not {SCHEMA_VERSION}: {asked}")
            source.execute("BEGIN")  # what a switch writes beside this stays out
            return _copied(source, place, told)
        except sqlite3.Error as error:
            raise ResourceError(f"the store {path} cannot be read: {error}") from None


def _copied(
    source: sqlite3.Connection, place: Postgres, told: Callable[[str, int, int], None]
) -> dict[str, int]:
    tables = {name: {**column_types(row), "rowid": int} for row, name in TABLES.items()}
    tables |= PLAIN
    # Files of messages last: what a trigger has made of the messages goes before.
    order = sorted(tables, key=lambda name: name == "attachment")
    database = PostgresDatabase(place)
    database.open()
    try:
        found: dict[str, int] = {}
        with database.at_once() as put:
            if put.count("journal"):
                raise ResourceError(f"{place} is not empty: copy into a new database")
            for table in order:
                total = source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                put.clear(table)
                done = 0
                told(table, done, total)
                for rows in _pages(source, table, tables[table]):
                    put.rows(table, [*tables[table]], rows)
                    done += len(rows)
                    told(table, done, total)
                column = _NUMBERED.get(table, "rowid")
                if column in tables[table]:
                    put.go_on(table, column)
                found[table] = put.count(table)
                if found[table] != total:
                    raise ResourceError(f"{table}: {found[table]} rows have come of {total}")
        return found
    finally:
        database.close()


def _pages(
    source: sqlite3.Connection, table: str, types: dict[str, type]
) -> Iterator[list[tuple[Any, ...]]]:
    cursor = source.execute(f"SELECT {', '.join(types)} FROM {table} ORDER BY rowid")
    while rows := cursor.fetchmany(_AT_ONCE):
        yield [row_of(table, types, row) for row in rows]

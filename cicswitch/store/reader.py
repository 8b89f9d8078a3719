"""Asking a store, wherever it is: `with reading(place) as db: db.execute(query, values)`.

SQL is the same for SQLite and PostgreSQL but where it looks into JSON. Tables of PostgreSQL have a
column `rowid`, as those of SQLite do unseen; so columns are named, never `*`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.rows import Row, columns
from cicswitch.runtime.place import Place
from cicswitch.store.sqlite import connect_reader
from cicswitch.store.tables import TABLES

__all__ = ["let_go", "read_rows", "reading"]


_KEPT: Final = 8
"""Connections to files that stay open, of all places together."""


class _Asked:
    """A connection while somebody asks. What he leaves half read is ended with it: as long as one
    row of an answer is still to come, SQLite cannot begin its log anew."""

    __slots__ = ("_answers", "_db")

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._answers: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    def execute(self, query: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        answer = self._db.execute(query, values)
        self._answers.add(answer)
        return answer

    def end(self) -> None:
        for answer in list(self._answers):
            answer.close()


class _Files:
    """Connections to files that nobody uses at the moment. To open one costs more than most
    questions: SQLite reads the whole schema first."""

    def __init__(self) -> None:
        self._idle: list[tuple[Path, tuple[int, int], sqlite3.Connection]] = []
        self._lock = threading.Lock()

    def take(self, path: Path, file: tuple[int, int] | None) -> sqlite3.Connection | None:
        with self._lock:
            for number in range(len(self._idle) - 1, -1, -1):
                if self._idle[number][:2] == (path, file):
                    return self._idle.pop(number)[2]
        return None

    def keep(self, path: Path, file: tuple[int, int], db: sqlite3.Connection) -> None:
        with self._lock:
            self._idle.append((path, file, db))
            oldest = self._idle.pop(0)[2] if len(self._idle) > _KEPT else None
        if oldest is not None:
            oldest.close()

    def close(self, path: Path) -> None:
        with self._lock:
            gone = [each for each in self._idle if each[0] == path]
            self._idle = [each for each in self._idle if each[0] != path]
        for _, _, db in gone:
            db.close()


_files = _Files()


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Reader]:
    """What asks a store, also beside a running switch. Raises `ResourceError`, and so does all that
    is asked within."""
    if not isinstance(place, Path):
        from cicswitch.store.pool import pool_of  # who has a file needs no asyncpg

        with pool_of(place).reading() as asked:
            yield asked
        return
    file = _file(place)
    db = _files.take(place, file) or connect_reader(place)
    answers, well = _Asked(db), False
    try:
        yield answers
        well = True
    except sqlite3.Error as error:
        raise ResourceError(f"the store {place} cannot be read: {error}") from None
    finally:
        answers.end()
        if well and file is not None:
            _files.keep(place, file, db)
        else:
            db.close()


def _file(path: Path) -> tuple[int, int] | None:
    """Which file it is now: another one may have been put in its place."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def let_go(place: Place) -> None:
    """Close the connections that `reading` has kept of a place. Idempotent."""
    if isinstance(place, Path):
        _files.close(place)
        return
    from cicswitch.store.pool import close_pool

    close_pool(place)


def read_rows(
    db: Reader, row: type[Row], where: str = "TRUE", arguments: Sequence[Any] = ()
) -> list[Any]:
    """Rows of one kind as their Structs. `where` is SQL with `?` marks for `arguments`."""
    query = f"SELECT {columns(row)} FROM {TABLES[row]} WHERE {where}"
    return [row(*values) for values in db.execute(query, arguments)]

"""The events of the journal after a place, by SQL: what is not wanted never comes into Python.

SQLite, or a server of PostgreSQL's, parses a row of the journal without the interpreter's lock, so
a hook that has much to catch up with does not hold up calls.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from cicswitch.core.errors import ResourceError
from cicswitch.records.journal import KINDS
from cicswitch.runtime.place import Place as StorePlace
from cicswitch.store.reader import reading
from cicswitch.store.sql import marks
from cicswitch.store.sqlite import connect_reader
from cicswitch.webhooks.place import Place

__all__ = ["JournalReader", "Kept", "Page", "Wanted"]

_ROWS = 500
"""Rows that are looked at before another hook has its turn."""
_EVENTS = 50
"""Events of a page: what a hook has in memory."""

_SELECT = (
    "SELECT journal.seq, entry.key, entry.value FROM journal, json_each(journal.data) AS entry"
    " WHERE journal.seq BETWEEN ? AND ? AND (journal.seq > ? OR entry.key > ?)"
)
_FIELD = "json_extract(entry.value, '$.{key}')"
_SELECT_POSTGRES = (
    "SELECT journal.seq, entry.key - 1, entry.value::text FROM journal,"
    " json_array_elements(journal.data::json) WITH ORDINALITY AS entry (value, key)"
    " WHERE journal.seq BETWEEN ? AND ? AND (journal.seq > ? OR entry.key - 1 > ?)"
)
_FIELD_POSTGRES = "entry.value ->> '{key}'"


class Wanted(Struct, frozen=True):
    """Which events: any of each; empty: all. As in the stream of events."""

    kinds: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


class Kept(Struct, frozen=True):
    """An event as the journal has it."""

    row: int
    index: int
    type: str
    at: float
    text: str
    """Its JSON."""


class Page(Struct, frozen=True):
    """Some events, and where to go on behind them."""

    events: list[Kept]
    after: Place
    end: bool
    """There is no more for now."""


class _Head(Struct):
    type: str
    at: float


_head = msgspec.json.Decoder(_Head)


class JournalReader:
    """Reads one journal. All calls come from one thread; `close` is idempotent."""

    def __init__(self, place: StorePlace) -> None:
        self.place = place
        self._db: sqlite3.Connection | None = None

    def journal(self) -> str:
        """What tells this journal from any other: when it begins, in ms, in hex; "" without rows.

        Raises `ResourceError`.
        """
        found = self._rows("SELECT at FROM journal ORDER BY seq LIMIT 1")
        return f"{int(found[0][0] * 1000):x}" if found else ""

    def last(self) -> int:
        """The number of the last row. Raises `ResourceError`."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM journal")[0][0])

    def page(self, place: Place, wanted: Wanted) -> Page:
        """The next events after a place. Raises `ResourceError`."""
        last = self.last()
        until = min(last, place.row + _ROWS - 1)
        if until < place.row:
            return Page([], place, True)
        file = isinstance(self.place, Path)
        field = _FIELD if file else _FIELD_POSTGRES
        query, values = (
            _SELECT if file else _SELECT_POSTGRES,
            [place.row, until, place.row, place.index],
        )
        chosen = {"type": wanted.kinds or tuple(KINDS)}
        chosen |= {"queue": wanted.queues} if wanted.queues else {}
        chosen |= {"agent": wanted.agents} if wanted.agents else {}
        given: list[int | str] = [*values]
        for key, names in chosen.items():
            query += f" AND {field.format(key=key)} IN ({marks(names)})"
            given += names
        # json_each gives an array in its order; the rows are sorted by their number.
        order = "journal.seq" if file else "journal.seq, entry.key"
        found = self._rows(f"{query} ORDER BY {order} LIMIT {_EVENTS}", given)
        events = []
        for row, index, text in found:
            head = _head.decode(text)
            events.append(Kept(row, index, head.type, head.at, text))
        if len(events) == _EVENTS:
            return Page(events, Place(events[-1].row, events[-1].index), False)
        return Page(events, Place(until + 1), until == last)

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _rows(self, query: str, values: Sequence[int | str] = ()) -> list[Any]:
        if not isinstance(self.place, Path):
            with reading(self.place) as db:
                return db.execute(query, values).fetchall()
        try:
            if self._db is None:
                self._db = connect_reader(self.place)
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self.close()
            raise ResourceError(f"the journal cannot be read: {error}") from None

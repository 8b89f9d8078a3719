"""What the journal holds, and stores of older versions."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from cicswitch.calls.events import InteractionEnded, InteractionStarted, SwitchStarted
from cicswitch.records.journal import Event, encode_batch
from cicswitch.store.sqlite import SqliteStore

EVENTS: list[Event] = [
    InteractionStarted(10.0, "i1", "voice", "pbx", "5551", "5000"),
    InteractionEnded(12.5, "i1", "normal"),
]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_every_event_can_be_asked_for_in_sql(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.open(9.0, "1")
    for event in EVENTS:
        store.append(event)
    store.close(13.0, "stopped")
    assert rows(path, "SELECT at, type FROM event ORDER BY seq, at") == [
        (9.0, "SwitchStarted"),
        (10.0, "InteractionStarted"),
        (12.5, "InteractionEnded"),
        (13.0, "SwitchStopped"),
    ]
    query = "SELECT json_extract(data, '$.caller') FROM event WHERE type = 'InteractionStarted'"
    assert rows(path, query) == [("5551",)]
    assert rows(path, "SELECT sum(events) FROM journal") == [(4,)]


def test_a_store_of_version_1_is_taken_over_and_what_was_open_in_it_is_closed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE journal"
            " (seq INTEGER PRIMARY KEY, at REAL NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL)"
        )
        for event in (SwitchStarted(9.0, "0"), EVENTS[0]):
            line = encode_batch([event]).decode()[1:-1]
            values = (event.at, type(event).__name__, line)
            db.execute("INSERT INTO journal (at, type, data) VALUES (?, ?, ?)", values)
        db.execute("PRAGMA user_version = 1")
        db.commit()
    store = SqliteStore(path)
    assert store.open(20.0, "1") == 1
    store.close(21.0, "stopped")
    assert [row[0] for row in rows(path, "SELECT type FROM event ORDER BY seq, at")] == [
        "SwitchStarted",
        "InteractionStarted",
        "InteractionEnded",
        "SwitchStopped",
        "SwitchStarted",
        "SwitchStopped",
    ]
    assert rows(path, "SELECT interaction, reason FROM interaction") == [("i1", "restart")]
    assert rows(path, "PRAGMA user_version") == [(2,)]


def test_a_store_that_ended_in_order_has_nothing_to_close(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for start in (9.0, 20.0):
        store = SqliteStore(path)
        assert store.open(start, "1") == 0
        for event in EVENTS:
            store.append(event)
        store.close(start + 4, "stopped")

"""What the journal holds, and stores of older versions."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from cicswitch.calls.events import (
    CallbackAccepted,
    InteractionEnded,
    InteractionStarted,
    SwitchStarted,
)
from cicswitch.legs.sip.ladder import parse_ladder
from cicswitch.records.journal import Event, encode_batch
from cicswitch.records.ledger import Ledger
from cicswitch.records.rows import InteractionRecord, Pending
from cicswitch.runtime.place import Place
from cicswitch.store.database import Batch
from cicswitch.store.make import make_store
from cicswitch.store.reader import reading
from cicswitch.store.sqlite import SqliteStore
from cicswitch.store.traces import find
from cicswitch.store.writer import _booked

EVENTS: list[Event] = [
    InteractionStarted(10.0, "i1", "voice", "pbx", "5551", "5000"),
    InteractionEnded(12.5, "i1", "normal"),
]


def called_back(interaction: str) -> CallbackAccepted:
    return CallbackAccepted(9.5, interaction, "i0", "support", 9.0, "5551", "2001", "5000", "pbx")


def rows(place: Place, query: str) -> list[tuple[object, ...]]:
    if isinstance(place, Path):
        with contextlib.closing(sqlite3.connect(place)) as db:
            return db.execute(query).fetchall()
    with reading(place) as asked:
        return asked.execute(query).fetchall()


def test_every_event_can_be_asked_for_in_sql(place: Place) -> None:
    store = make_store(place)
    store.open(9.0, "1")
    for event in EVENTS:
        store.append(event)
    store.close(13.0, "stopped")
    assert rows(place, "SELECT at, type FROM event ORDER BY seq, at") == [
        (9.0, "SwitchStarted"),
        (10.0, "InteractionStarted"),
        (12.5, "InteractionEnded"),
        (13.0, "SwitchStopped"),
    ]
    field = (
        "json_extract(data, '$.caller')" if isinstance(place, Path) else "data::json ->> 'caller'"
    )
    assert rows(place, f"SELECT {field} FROM event WHERE type = 'InteractionStarted'") == [
        ("5551",)
    ]
    assert rows(place, "SELECT sum(events) FROM journal") == [(4,)]


def test_what_a_crash_left_open_is_closed_once_and_taken_up_in_its_order(place: Place) -> None:
    died = make_store(place).database
    died.open()
    entry, made = _booked([SwitchStarted(9.0, "1"), EVENTS[0]], Ledger())
    promises = [(name, msgspec.json.encode(called_back(name)).decode()) for name in "abca"]
    promises += [("c", "")]
    died.write(Batch(entry, {**made, Pending: promises}, [], []))
    died.close()  # and nothing of an end
    store = make_store(place)
    assert store.open(20.0, "1") == 1
    assert [each.interaction for each in store.callbacks] == ["b", "a"]
    store.close(21.0, "stopped")
    assert rows(place, "SELECT interaction, reason FROM interaction") == [("i1", "restart")]
    assert store.open(30.0, "1") == 0
    store.close(31.0, "stopped")


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
    assert rows(path, "PRAGMA user_version") == [(11,)]


def test_a_store_of_version_4_gets_the_columns_that_it_has_not(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        columns = [name for name in InteractionRecord.__struct_fields__ if name != "segment"]
        db.execute(f"CREATE TABLE interaction ({', '.join(columns)})")
        db.execute("INSERT INTO interaction (interaction) VALUES ('old')")
        db.execute("PRAGMA user_version = 4")
        db.commit()
    store = SqliteStore(path)
    store.open(9.0, "1")
    for event in EVENTS:
        store.append(event)
    store.close(21.0, "stopped")
    found = rows(path, "SELECT interaction, segment FROM interaction ORDER BY interaction")
    assert found == [("i1", ""), ("old", "")]


def test_the_ladders_of_a_store_of_version_2_are_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE trace (at REAL, interaction TEXT, leg TEXT, data BLOB)")
        db.execute("CREATE INDEX trace_leg ON trace (leg)")
        for number in range(1200):
            steps = msgspec.msgpack.encode([(1.0, "in", "UDP a:1", b"BYE", b"1 BYE", False)])
            values = (100.0 + number, "i", f"leg{number}", steps)
            db.execute("INSERT INTO trace VALUES (?, ?, ?, ?)", values)
        db.execute("PRAGMA user_version = 2")
        db.commit()
    store = SqliteStore(path)
    store.open(2000.0, "1")
    store.close(2001.0, "stopped")
    with contextlib.closing(sqlite3.connect(path)) as db:
        for number in (0, 499, 500, 1199):
            (steps,) = find(db, f"leg{number}", 95.0 + number)
            assert parse_ladder(steps)[0].line == "BYE"
        assert not find(db, "leg0", 1000.0)
    assert rows(path, "SELECT name FROM sqlite_master WHERE name LIKE 'trace_%'") == [
        ("trace_until",)
    ]


def test_a_ladder_is_found_by_the_end_of_its_leg(place: Place) -> None:
    store = make_store(place)
    store.open(0.0, "1")
    for number in range(1200):
        step = (1.0, "in", "UDP a:1", b"BYE %d" % number, b"1 BYE", False)
        store.append_trace(
            100.0 + number / 100, "i", f"leg{number}", msgspec.msgpack.encode([step])
        )
    store.close(200.0, "stopped")
    assert rows(place, "SELECT count(*) FROM trace") <= [(4,)]
    with reading(place) as db:
        for ended_at in (104.0, None):
            (steps,) = find(db, "leg1000", ended_at)
            assert parse_ladder(steps)[0].line == "BYE 1000"
        assert not find(db, "leg1000", 500.0)


def test_a_store_that_ended_in_order_has_nothing_to_close(place: Place) -> None:
    for start in (9.0, 20.0):
        store = make_store(place)
        assert store.open(start, "1") == 0
        for event in EVENTS:
            store.append(event)
        store.close(start + 4, "stopped")


def test_the_recordings_of_a_store_of_version_5_are_found(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        columns = ", ".join(InteractionRecord.__struct_fields__)
        db.execute(f"CREATE TABLE interaction ({columns})")
        for name, file in (("i1", "/r/i1-1.wav"), ("i2", "")):
            db.execute(
                "INSERT INTO interaction (interaction, started_at, answered_at, caller, recording)"
                " VALUES (?, 10.0, 11.0, '2001', ?)",
                (name, file),
            )
        db.execute("PRAGMA user_version = 5")
        db.commit()
    for _ in range(2):  # once, not at every start
        store = SqliteStore(path)
        store.open(20.0, "1")
        store.close(21.0, "stopped")
    query = "SELECT recording, path, started_at, caller, queue FROM recording"
    assert rows(path, query) == [("i1-1", "/r/i1-1.wav", 11.0, "2001", "")]

"""What the store knows of customers and of agents' days."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicswitch.calls import events as ev
from cicswitch.ports import Reader
from cicswitch.records.journal import Event
from cicswitch.runtime.place import Place
from cicswitch.store import history
from cicswitch.store.make import make_store
from cicswitch.store.reader import reading
from cicswitch.store.sqlite import SqliteStore, connect_reader
from cicswitch.store.writer import StoreWriter


def contact(number: int, caller: str) -> list[Event]:
    name, at = f"i{number}", 10.0 + number // 2  # two at the same time
    return [
        ev.InteractionStarted(at, name, "voice", "pbx", caller, "5000"),
        ev.InteractionEnded(at + 1, name, "normal"),
    ]


def fill(store: StoreWriter) -> None:
    store.open(9.0, "1")
    for number in range(20):
        for event in contact(number, "010" if number % 2 else "02"):
            store.append(event)
    for at, text in ((40.0, "first"), (41.0, "last")):
        store.append(ev.NoteWritten(at, "i3", "kim", "kim", text))
    store.close(50.0, "stopped")


@pytest.fixture
def db(place: Place) -> Iterator[Reader]:
    fill(make_store(place))
    with reading(place) as reader:
        yield reader


def test_the_contacts_of_a_caller_come_page_by_page_and_nobody_elses(
    db: Reader,
) -> None:
    seen: list[str] = []
    place = None
    while True:
        found, place = history.contacts(db, ["number:010"], 3, place)
        assert len(found) <= 3
        seen += [each.interaction for each in found]
        if place is None:
            break
    assert seen == [f"i{number}" for number in range(19, 0, -2)]
    assert history.contacts(db, [":01"], 3) == ([], None)
    assert history.contacts(db, [":' OR 1=1 --"], 3) == ([], None)


def of_kim() -> list[tuple[str, str, str, str]]:
    """Medium, peer, caller and address of contacts: his, and those that only look like his."""
    his = [
        *(("voice", "pbx", "+82", ""), ("callback", "pbx", "+82", ""), ("fax", "fax", "+82", "")),
        ("chat", "texts", "+82", "number:+82"),
        ("email", "mail", "kim@x.example", ""),
        ("email", "mail", "Kim@X.example", "email:kim@x.example"),
        *(("chat", "line", "U1", ""), ("chat", "web", "visitor:1", "id:4711")),
        ("task", "crm", "4711", ""),
    ]
    others = [
        *(
            ("chat", "whatsapp", "+82", ""),
            ("voice", "pbx", "4711", ""),
            ("chat", "kakao", "U1", ""),
        ),
        *(("chat", "web", "visitor:2", "id:47"), ("voice", "pbx", "kim@x.example", "")),
    ]
    return [*his, *others]


def test_one_has_one_history_over_all_media_and_each_contact_once(place: Place) -> None:
    store = make_store(place)
    store.open(9.0, "1")
    for number in range(28):  # all of them twice, and two at the same time
        medium, peer, caller, address = of_kim()[number % 14]
        name, at = f"i{number}", 10.0 + number // 2
        store.append(ev.InteractionStarted(at, name, medium, peer, caller, "5000", address=address))
        store.append(ev.InteractionEnded(at + 1, name, "normal"))
    store.close(50.0, "stopped")
    kim = ["number:+82", "email:Kim@X.example", "chat:line/U1", "id:4711", "number:+82"]
    seen: list[str] = []
    after = None
    with reading(place) as db:
        while True:
            found, after = history.contacts(db, kim, 4, after)
            seen += [each.interaction for each in found]
            if after is None:
                break
        assert history.contacts(db, [], 4) == ([], None)
    assert seen == [f"i{number}" for number in range(27, -1, -1) if number % 14 < 9]


def test_of_several_notes_the_last_one_counts(db: Reader) -> None:
    found, _ = history.contacts(db, [":010"], 100)
    notes = {each.interaction: each.note for each in found}
    assert notes["i3"] == "last"
    assert set(notes.values()) == {"last", ""}
    assert history.note(db, "i5") is None


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (history._BY_CALLER, ("010", 1e13, 0, 10)),
        (history._BY_NUMBER, ("010", 1e13, 0, 10)),
        (history._BY_MEDIUM, ("a@b.example", "email", 1e13, 0, 10)),
        (history._BY_CHANNEL, ("U1", "line", 1e13, 0, 10)),
        (history._BY_ADDRESS, ("id:4711", 1e13, 0, 10)),
        (history._CODE, ("i1",)),
        (history._FILES, ("i1",)),
        (history._NOTE, ("i1",)),
        (history._AGENT, ("i1",)),
        (history._SEGMENTS, ("kim", 0.0, 10)),
        (history._HANDLED, ("kim", 0.0, 10)),
    ],
)
def test_each_question_goes_by_an_index(
    tmp_path: Path, query: str, values: tuple[object, ...]
) -> None:
    fill(SqliteStore(tmp_path / "store.db"))
    with contextlib.closing(connect_reader(tmp_path / "store.db")) as db:
        steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    for step in steps:  # to the rows of one caller, one contact or one agent, not along a time
        assert step.startswith("SEARCH"), steps
        assert "USING INDEX" in step, steps
        assert "=?" in step, steps


def test_a_store_of_version_6_gets_the_indexes_and_keeps_its_contacts(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.open(9.0, "1")
    for event in contact(1, "010"):
        store.append(event)
    store.close(50.0, "stopped")
    with contextlib.closing(sqlite3.connect(path)) as old:
        for statement in history.INDEXES:
            old.execute(f"DROP INDEX {statement.split()[5]}")
        old.execute("DROP TABLE note")
        old.execute("PRAGMA user_version = 6")
        old.commit()
    store.open(60.0, "2")
    store.append(ev.NoteWritten(61.0, "i1", "kim", "kim", "kept"))
    store.close(62.0, "stopped")
    with contextlib.closing(connect_reader(path)) as reader:
        (found,), _ = history.contacts(reader, [":010"], 10)
        assert (found.interaction, found.note) == ("i1", "kept")
        plan = reader.execute(f"EXPLAIN QUERY PLAN {history._BY_CALLER}", ("010", 1e13, 0, 10))
        assert "interaction_caller" in plan.fetchone()[3]


def test_a_store_that_is_opened_again_keeps_what_comes_later(place: Place) -> None:
    store = make_store(place, commit_ms=1)
    for number in range(3):
        store.open(number * 100.0, "1")
        time.sleep(0.05)  # the writer has written the start by now, and goes on
        for event in contact(number, "010"):
            store.append(event)
        store.close(number * 100.0 + 50, "stopped")
    with reading(place) as reader:
        found, _ = history.contacts(reader, [":010"], 10)
    assert len(found) == 3

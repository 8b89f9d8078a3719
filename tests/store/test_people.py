"""Customers as persons in the store: SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from cicswitch.calls.events import (
    CustomerRemoved,
    CustomerSaved,
    InteractionEnded,
    InteractionStarted,
)
from cicswitch.records.rows import CustomerGone, CustomerRecord
from cicswitch.runtime.place import Place, Postgres
from cicswitch.store import people
from cicswitch.store.copy import copy
from cicswitch.store.make import make_store
from cicswitch.store.postgres import PostgresDatabase
from cicswitch.store.reader import reading
from cicswitch.store.sqlite import SCHEMA_VERSION, SqliteStore
from cicswitch.store.writer import StoreWriter


def person(name: str, number: int = 0) -> CustomerRecord:
    return CustomerRecord(
        *(f"c{number}", name, "ko", "gold", '{"plan":"a"}', '["number:010"]', 1.0, 2.0),
        name.lower(),
        f"{name.lower()} 010 100%",
    )


def put(store: StoreWriter, *records: CustomerRecord) -> None:
    for each in records:
        store.append(CustomerSaved(2.0, each.id, "account:root"), [each])


def test_who_is_known_is_found_again_as_he_stood_last(place: Place) -> None:
    store = make_store(place)
    store.open(1.0, "1")
    put(store, person("Kim"), person("Lee", 1), person("Choi", 2), person("Kim Min", 0))
    gone = CustomerRemoved(3.0, "c1", "account:root", "c2")
    store.append(gone, [CustomerGone("c1")])
    store.close(4.0, "stopped")
    store = make_store(place)
    store.open(5.0, "1")
    known = {each.id: each for each in store.customers}
    assert known.keys() == {"c0", "c2"}
    assert (known["c0"].name, known["c0"].segment, known["c0"].search) == ("Kim Min", "gold", "")
    store.close(6.0, "stopped")


def test_people_are_found_by_a_text_page_by_page_and_no_sign_is_special(place: Place) -> None:
    store = make_store(place)
    store.open(1.0, "1")
    put(store, *(person(f"Kim {number:02}", number) for number in range(7)))
    store.close(4.0, "stopped")
    with reading(place) as db:
        assert [name for _, name in people.found(db, "", 3, None)] == ["c0", "c1", "c2"]
        assert [name for _, name in people.found(db, "KIM", 9, ("kim 04", "c4"))] == ["c5", "c6"]
        assert len(people.found(db, "100%", 9, None)) == 7
        for nothing in ("k%", "k_m", "!", "'", "\\"):
            assert people.found(db, nothing, 9, None) == []


def test_a_store_of_version_10_learns_of_customers(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.open(1.0, "1")
    store.close(2.0, "stopped")
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("DROP TABLE customer")
        old.execute("DROP INDEX interaction_address")
        old.execute("ALTER TABLE interaction DROP COLUMN address")
        old.execute("PRAGMA user_version = 10")
        old.commit()
    store.open(3.0, "2")
    put(store, person("Kim"))
    store.close(4.0, "stopped")
    with contextlib.closing(sqlite3.connect(path)) as new:
        assert new.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION == 11
        assert new.execute("SELECT name FROM customer").fetchall() == [("Kim",)]
        plan = "EXPLAIN QUERY PLAN SELECT 1 FROM interaction WHERE address != '' AND address = ?"
        assert "interaction_address" in new.execute(plan, ("id:1",)).fetchone()[3]


def test_a_database_of_the_first_version_learns_of_customers(database: Postgres) -> None:
    writer = PostgresDatabase(database)
    db = writer.open()
    for statement in (
        "DROP TABLE customer",
        "ALTER TABLE interaction DROP COLUMN address",
        "UPDATE cicswitch SET version = 1",
    ):
        db.execute(statement)
    writer.close()
    store = make_store(database)
    store.open(3.0, "2")
    store.append(InteractionStarted(3.0, "i1", "chat", "web", "v", "w", address="id:4711"))
    store.append(InteractionEnded(3.5, "i1", "normal"))
    put(store, person("Kim"))
    store.close(4.0, "stopped")
    with reading(database) as reader:
        assert [each.name for each in people.everybody(reader)] == ["Kim"]
        query = "SELECT interaction FROM interaction WHERE address = ?"
        assert reader.execute(query, ("id:4711",)).fetchall() == [("i1",)]


def test_customers_move_to_postgres(tmp_path: Path, database: Postgres) -> None:
    store = SqliteStore(tmp_path / "store.db")
    store.open(1.0, "1")
    put(store, person("Kim"), person("Lee", 1))
    store.close(2.0, "stopped")
    assert copy(tmp_path / "store.db", database, lambda *_: None)["customer"] == 2
    with reading(database) as db:
        assert [each.name for each in people.everybody(db)] == ["Kim", "Lee"]

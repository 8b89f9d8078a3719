"""A store that moves from SQLite to PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from cicswitch.calls.events import InteractionEnded, InteractionStarted, SwitchStarted
from cicswitch.cli import app
from cicswitch.core.errors import ResourceError
from cicswitch.records.rows import FaxRecord, MessageRecord, NoteRecord, OutboxRecord, Pending
from cicswitch.runtime.place import Postgres
from cicswitch.store import chat, contacts
from cicswitch.store.copy import copy
from cicswitch.store.make import make_store
from cicswitch.store.postgres_schema import PLAIN
from cicswitch.store.reader import reading
from cicswitch.store.sqlite import SCHEMA_VERSION, SqliteStore
from cicswitch.store.tables import TABLES
from tests.store.test_journal import called_back
from tests.support.center import rows_of
from tests.support.postgres import PASSWORD

FILE = '[{"digest":"d","name":"a.pdf","media_type":"t/t","size":1}]'


def filled(path: Path) -> None:
    """A store with something in every corner."""
    store = SqliteStore(path)
    store.open(9.0, "1")
    for number in range(3000):
        store.append(InteractionStarted(10.0, f"i{number}", "voice", "pbx", "5551", "5000"))
        store.append(InteractionEnded(11.0, f"i{number}", "normal"))
    fax = FaxRecord("f1", "out", "fax", "c1", "m1", "5551", "5000", 2.0, 2.0, "waiting")
    message = MessageRecord("m1", "c1", 1, "i1", 2.0, "customer", "a\0b", FILE, "web", "")
    outbox = OutboxRecord("m1", "c1", "fax", 3.0, 1, "busy", True)
    promise = msgspec.json.encode(called_back("x")).decode()
    store.append(SwitchStarted(12.0, "1"), [fax, message, outbox, Pending("x", promise)])
    fax.tiff = "t" * 64
    store.append(SwitchStarted(13.0, "1"), [fax, NoteRecord("i1", 13.0, "kim", "kim", "note")])
    store.append_trace(13.0, "i1", "leg1", b"\x90")
    store.append_chat(chat.ADD, (7, 13.0, "supervisors", "kim", "m-0001", "hello"))
    store.append_chat(chat.READ, ("lee", "supervisors", 7))
    store.close(14.0, "stopped")


def test_all_of_it_moves_and_goes_on_behind_the_last_numbers(
    tmp_path: Path, database: Postgres
) -> None:
    path = tmp_path / "store.db"
    filled(path)
    heard: list[tuple[str, int, int]] = []
    found = copy(path, database, lambda *told: heard.append(told))
    tables = {*TABLES.values(), *PLAIN}
    assert {name for name, _, _ in heard} == found.keys() == tables
    assert found["interaction"] == 3000
    assert ("interaction", 2000, 3000) in heard
    for name in tables - {"alert", "trace", "message"}:
        assert found[name] or name not in ("fax", "outbox", "attachment", "chat", "pending")
        assert rows_of(database, name) == [whole(row) for row in rows_of(path, name)], name
    with contextlib.closing(sqlite3.connect(path)) as old:
        last = old.execute("SELECT max(seq) FROM journal").fetchone()[0]
    store = make_store(database)
    assert (store.open(20.0, "1"), store.chat_seq) == (0, 7)
    assert [each.interaction for each in store.callbacks] == ["x"]
    assert [each.dead for each in store.outbox] == [True]
    store.close(21.0, "stopped")
    with reading(database) as db:
        assert db.execute("SELECT max(seq) FROM journal").fetchone()[0] > last
        assert contacts.messages(db, "c1")[0].text == "a�b"
        assert db.execute("SELECT data FROM trace").fetchone()
    with pytest.raises(ResourceError, match="is not empty"):
        copy(path, database, lambda *_: None)


def test_the_command_says_what_has_come_and_what_is_wrong(
    tmp_path: Path, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    (tmp_path / "c.toml").write_text("dialplans = []\n")
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.open(9.0, "1")
    store.close(10.0, "stopped")
    run = CliRunner().invoke
    done = run(app, ["store", "copy", str(path), str(database)])
    assert done.exit_code == 0, done.output
    assert "journal" in done.output
    assert f"is in {database}" in done.output
    for arguments, expected in (
        (["mysql://db/x"], "does not begin with postgresql://"),
        (["-c", str(tmp_path / "c.toml")], "names none"),
    ):
        done = run(app, ["store", "copy", str(path), *arguments])
        assert done.exit_code == 2
        assert expected in " ".join(done.output.split())


def whole(row: dict[str, Any]) -> dict[str, Any]:
    """SQLite has no true and false."""
    made = dict(row)
    for name in ("dead", "remote", "starts"):
        if name in made:
            made[name] = bool(made[name])
    return made


def test_what_cannot_be_copied_is_told_and_nothing_is_left(
    tmp_path: Path, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(ResourceError, match="there is no store"):
        copy(path, database, lambda *_: None)
    filled(path)

    def told(table: str, done: int, _: int) -> None:
        if done == 2000:
            raise ResourceError("somebody has pulled the plug")

    with pytest.raises(ResourceError, match="the plug"):
        copy(path, database, told)
    assert not any(rows_of(database, name) for name in {*TABLES.values(), *PLAIN})
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("PRAGMA user_version = 8")
    with pytest.raises(ResourceError, match=f"has schema 8, not {SCHEMA_VERSION}"):
        copy(path, database, lambda *_: None)

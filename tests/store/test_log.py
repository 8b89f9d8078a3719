"""SQLite's log: it is begun anew while people read, and whole files are left at the end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cicswitch.calls import events as ev
from cicswitch.core.errors import ResourceError
from cicswitch.records.rows import MessageRecord
from cicswitch.store.database import Batch, Rows
from cicswitch.store.reader import let_go, reading
from cicswitch.store.sqlite import SqliteDatabase, SqliteStore

LIMIT = 1 << 20
BATCHES = 120
TEXT = "x" * 50_000


def write(database: SqliteDatabase, number: int) -> None:
    """A batch of about 200 kB."""
    row = (f"m{number}", "c1", number, "i1", 2.0, "customer", TEXT, "", "mail", f"<{number}>", "")
    rows: Rows = {MessageRecord: [row] * 4}
    database.write(Batch((1.0, 1, False, "[]"), rows, [], []))
    database.tidy()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    made = SqliteDatabase(tmp_path / "store.db", log_bytes=LIMIT)
    made.open()
    yield made
    let_go(made.path)
    made.close()


def log_of(database: SqliteDatabase) -> int:
    return database.path.with_name("store.db-wal").stat().st_size


@contextlib.contextmanager
def followed(path: Path) -> Iterator[None]:
    """Readers of whom one begins before the other ends: there is always one."""
    over, begun = threading.Event(), threading.Event()

    def work() -> None:
        readers = [sqlite3.connect(path, isolation_level=None) for _ in range(2)]
        number = 0
        while not over.wait(0.002):
            now, before = readers[number % 2], readers[(number + 1) % 2]
            now.execute("BEGIN")
            now.execute("SELECT 1 FROM journal LIMIT 1").fetchone()
            begun.set()
            if before.in_transaction:
                before.execute("ROLLBACK")
            number += 1
        for each in readers:
            each.close()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


async def test_the_log_is_begun_anew_while_there_is_always_somebody_who_reads(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path / "store.db", commit_ms=1)
    database = store.database
    assert isinstance(database, SqliteDatabase)
    database.log_bytes = LIMIT
    store.open(1.0, "1")
    written = 0
    with followed(store.path):
        async with asyncio.timeout(30):
            while written < BATCHES or log_of(database) > LIMIT:
                written += 1
                store.append(ev.InteractionStarted(2.0, f"i{written}", "x", "x", TEXT * 4, "5000"))
                await store.committed()
                if written > BATCHES:  # a reader may have been held up: it is tried again
                    await asyncio.sleep(0.05)
    store.close(9.0, "stopped")


def test_who_reads_without_an_end_is_waited_for_a_moment_and_named_in_the_log(
    database: SqliteDatabase,
) -> None:
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM journal").fetchone()
        with capture_logs() as logs:
            began = time.monotonic()
            for number in range(BATCHES):
                write(database, number)
            assert time.monotonic() - began < 20
        assert [each["event"] for each in logs] == ["store_log_held"]
        reader.execute("ROLLBACK")
    database._tidy_at = 0.0
    database.tidy()
    assert log_of(database) == 0


def ask_wrongly(path: Path) -> None:
    with reading(path) as db:
        again = db.execute("SELECT id FROM message")
        again.fetchone()
        db.execute("SELECT none FROM journal")


def test_what_is_left_half_read_holds_up_nothing(database: SqliteDatabase) -> None:
    for number in range(4):
        write(database, number)
    with reading(database.path) as db:
        kept = db.execute("SELECT id FROM message")
        more = db.execute("SELECT id FROM message ORDER BY seq")
        assert kept.fetchone() == more.fetchone() == ("m0",)
    with pytest.raises(ResourceError, match="cannot be read"):
        ask_wrongly(database.path)
    for number in range(20):
        write(database, number)
    assert log_of(database) < LIMIT
    with pytest.raises(sqlite3.ProgrammingError):
        kept.fetchone()


def test_a_connection_is_kept_and_another_file_in_its_place_is_seen(
    tmp_path: Path, database: SqliteDatabase
) -> None:
    write(database, 0)
    counted = "SELECT count(*) FROM message"
    with reading(database.path) as first, reading(database.path) as second:
        assert first._db is not second._db  # type: ignore[attr-defined]  # who asks within asks it
    with reading(database.path) as again:
        assert again._db in (first._db, second._db)  # type: ignore[attr-defined]  # as above
        assert again.execute(counted).fetchone() == (4,)
    write(database, 1)
    with reading(database.path) as again:
        assert again.execute(counted).fetchone() == (8,)
    database.close()
    other = SqliteDatabase(tmp_path / "other.db")
    other.open()
    other.close()
    (tmp_path / "other.db").rename(database.path)
    with reading(database.path) as again:
        assert again.execute(counted).fetchone() == (0,)


def test_the_file_is_whole_without_its_log_when_it_is_closed_and_others_have_it_open(
    tmp_path: Path, database: SqliteDatabase
) -> None:
    write(database, 0)
    with contextlib.closing(sqlite3.connect(database.path)) as other:
        assert other.execute("SELECT count(*) FROM message").fetchone() == (4,)
        database.close()
        shutil.copy(database.path, tmp_path / "copy.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT count(*) FROM message").fetchone() == (4,)

"""The store while it cannot write: what waits is kept, what is lost is told, nothing is doubled."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cicswitch.calls.events import InteractionEnded, InteractionStarted
from cicswitch.core.errors import ResourceError
from cicswitch.runtime.place import Place
from cicswitch.store import writer as module
from cicswitch.store.make import make_store
from cicswitch.store.sqlite import SqliteStore
from cicswitch.store.traces import find
from tests.support.disk import small_disk


class Watched:
    """A store, and what it says about its state."""

    def __init__(self, place: Place, trace_hours: int = 24) -> None:
        self.reasons: list[str] = []
        self.changed = threading.Event()
        self.store = make_store(
            place, commit_ms=5, trace_hours=trace_hours, on_degraded=self._heard
        )
        self.store.open(1.0, "test")

    def _heard(self, reason: str) -> None:
        self.reasons.append(reason)
        self.changed.set()

    async def next_state(self) -> str:
        """Wait for the next change; the reason, "" when it is well again."""
        assert await asyncio.to_thread(self.changed.wait, 10)
        self.changed.clear()
        return self.reasons[-1]


@contextlib.contextmanager
def watched(path: Path, trace_hours: int = 24) -> Iterator[Watched]:
    one = Watched(path, trace_hours)
    try:
        yield one
    finally:
        one.store.close(99.0, "test")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes and does not come to an end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def call(number: int, at: float) -> list[InteractionStarted | InteractionEnded]:
    return [
        InteractionStarted(at, f"i{number}", "voice", "device:2001", "2001", "5000", ""),
        InteractionEnded(at + 1, f"i{number}", "normal"),
    ]


def count(path: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_a_locked_database_degrades_the_store_and_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    with watched(path) as w:
        await w.store.committed()
        with locked(path):
            for event in call(1, 2.0):
                w.store.append(event)
            assert "database is locked" in await w.next_state()
            # What comes while the first batch waits to be tried again.
            for event in call(2, 4.0):
                w.store.append(event)
            waiting = asyncio.create_task(w.store.committed())
            assert w.store.pending == 4
            assert not waiting.done()
        assert await w.next_state() == ""
        await asyncio.wait_for(waiting, 10)
        assert w.store.pending == 0
        assert count(path, "interaction") == 2
        assert count(path, "event") == 5  # SwitchStarted and these four
    assert w.store.lost == 0
    assert count(path, "event") == 6


async def test_a_full_disk_degrades_the_store_until_there_is_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk, watched(disk.path / "store.db") as w:
        await w.store.committed()
        disk.fill()
        number = 0
        while not w.reasons:  # what SQLite has allocated already is filled first
            number += 1
            for event in call(number, number * 2.0):
                w.store.append(event)
            await asyncio.to_thread(w.changed.wait, 0.02)
        assert "full" in await w.next_state()
        for event in call(number + 1, 9e6):
            w.store.append(event)
        disk.make_room()
        assert await w.next_state() == ""
        await w.store.committed()
        assert count(disk.path / "store.db", "interaction") == number + 1
        assert w.store.lost == 0


async def test_what_is_past_the_bound_is_lost_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 50)
    monkeypatch.setattr(module, "MAX_TRACES", 3)
    path = tmp_path / "store.db"
    with capture_logs() as logs, watched(path) as w:
        await w.store.committed()
        with locked(path):
            for event in call(0, 2.0):
                w.store.append(event)
            await w.next_state()
            for number in range(1, 40):
                for event in call(number, 2.0 + number):
                    w.store.append(event)
            for number in range(5):
                w.store.append_trace(2.0, f"i{number}", f"leg{number}", b"\x90")
        assert await w.next_state() == ""
        await w.store.committed()
    told = sum(line["lost"] for line in logs if line["event"] == "store_events_lost")
    assert told == w.store.lost > 0
    # The batch that had been booked is whole; the oldest behind it are those that went.
    assert count(path, "event") == 2 + 80 - w.store.lost
    with contextlib.closing(sqlite3.connect(path)) as db:
        kept = [row[0] for row in db.execute("SELECT interaction FROM interaction")]
        assert kept[0] == "i0"
        assert kept[-1] == "i39"
        traced = [number for number in range(5) if find(db, f"leg{number}", None)]
    assert traced == [2, 3, 4]
    assert w.store.traces_lost == 2
    assert [line["lost"] for line in logs if line["event"] == "traces_lost"] == [2]


async def test_what_has_gathered_is_written_in_pieces_and_who_waits_waits_for_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BATCH", 10)
    path = tmp_path / "store.db"
    with watched(path) as w:
        await w.store.committed()
        with locked(path):
            for number in range(20):
                for event in call(number, 2.0 + number):
                    w.store.append(event)
            await w.next_state()
            waiting = asyncio.create_task(w.store.committed())
        await asyncio.wait_for(waiting, 10)
        assert w.store.pending == 0
        assert count(path, "journal") == 1 + 4
        assert count(path, "interaction") == 20
        assert w.store.committed_events == 41


async def test_what_cannot_be_written_at_the_end_is_said(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    one = Watched(path)
    await one.store.committed()
    with capture_logs() as logs, locked(path):
        for event in call(1, 2.0):
            one.store.append(event)
        await one.next_state()
        await asyncio.to_thread(one.store.close, 9.0, "test")
    (last,) = [line for line in logs if line["event"] == "store_lost_at_exit"]
    assert last["events"] == 3  # the two, and SwitchStopped
    assert "locked" in last["error"]


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(ResourceError, match="cannot be opened"):
        store.open(1.0, "test")
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database" * 1000)
    with pytest.raises(ResourceError, match="not a database"):
        SqliteStore(garbage).open(1.0, "test")


async def test_ladders_are_kept_for_their_hours_only(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with watched(path, trace_hours=1) as w:
        w.store.append_trace(1000.0, "i", "old", b"\x90")
        await w.store.committed()
        w.store.append_trace(9000.0, "i", "new", b"\x90")
        for event in call(1, 9000.0):  # which tells the store what time it is
            w.store.append(event)
        await w.store.committed()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert not find(db, "old", None)
        assert find(db, "new", None)


async def test_no_ladder_is_kept_for_zero_hours(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with watched(path, trace_hours=0) as w:
        w.store.append_trace(1000.0, "i", "leg", b"\x90")
        await w.store.committed()
    assert count(path, "trace") == 0

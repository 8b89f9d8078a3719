"""Looking for recordings in the store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicswitch.calls.events import SwitchStarted
from cicswitch.ports import Reader
from cicswitch.records.rows import RecordingRecord
from cicswitch.runtime.place import Place
from cicswitch.store import recordings
from cicswitch.store.make import make_store
from cicswitch.store.reader import reading
from cicswitch.store.recordings import RecordingFilter, find, page
from cicswitch.store.sqlite import SqliteStore, connect_reader
from cicswitch.store.writer import StoreWriter


def record(number: int, **more: object) -> RecordingRecord:
    values = {"kind": "recording", "queue": "support", "agent": "kim", "caller": f"010{number}"}
    return RecordingRecord(
        recording=f"i{number}-1",
        interaction=f"i{number}",
        path=f"/r/i{number}-1.wav",
        started_at=1000.0 + number // 2,  # two at the same time
        duration_s=float(number),
        called="5000",
        **{**values, **more},  # type: ignore[arg-type]  # fields of a record
    )


def fill(store: StoreWriter) -> None:
    store.open(9.0, "1")
    for number in range(20):
        more = {"queue": "korean", "agent": "lee"} if number % 5 == 0 else {}
        store.append(SwitchStarted(9.0, "1"), [record(number, **more)])
    store.close(10.0, "stopped")


@pytest.fixture
def db(place: Place) -> Iterator[Reader]:
    fill(make_store(place))
    with reading(place) as reader:
        yield reader


def names(db: Reader, limit: int = 100, **wanted: object) -> list[int]:
    found, _ = page(db, RecordingFilter(**wanted), limit)  # type: ignore[arg-type]  # its fields
    return [int(each.interaction[1:]) for each in found]


def test_the_newest_come_first_and_each_filter_counts(db: Reader) -> None:
    assert names(db) == list(range(19, -1, -1))
    assert names(db, queue="korean") == [15, 10, 5, 0]
    assert names(db, agent="lee", shortest_s=5.5) == [15, 10]
    assert names(db, since=1003.0, until=1004.0) == [7, 6]
    assert names(db, number="0101") == [19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 1]
    assert names(db, number="50", queue="korean") == [15, 10, 5, 0]
    assert names(db, number="%") == []
    assert names(db, kind="voicemail") == []
    assert names(db, segment="vip") == []
    assert page(db, RecordingFilter(before=(1e13, 2**63 - 1)), 1)[0]


@pytest.mark.parametrize("limit", [1, 3, 7])
@pytest.mark.parametrize("looked_at", [2, 5000])
def test_pages_have_everything_once(
    db: Reader, limit: int, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "LOOKED_AT", looked_at)
    of_0101 = [*range(19, 9, -1), 1]
    for wanted, expected in (({}, [*range(19, -1, -1)]), ({"number": "0101"}, of_0101)):
        seen: list[str] = []
        before = None
        for _ in range(40):
            found, before = page(db, RecordingFilter(before=before, **wanted), limit)  # type: ignore[arg-type]  # text
            seen += [each.interaction for each in found]
            if before is None:
                break
        assert before is None
        assert seen == [f"i{number}" for number in expected]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "recording_started"),
        ({"queue": "korean"}, "recording_queue"),
        ({"agent": "lee"}, "recording_agent"),
    ],
)
def test_a_page_goes_along_an_index(tmp_path: Path, wanted: dict[str, str], index: str) -> None:
    fill(SqliteStore(tmp_path / "store.db"))
    with contextlib.closing(connect_reader(tmp_path / "store.db")) as db:
        _goes_along(db, wanted, index)


def _goes_along(db: sqlite3.Connection, wanted: dict[str, str], index: str) -> None:
    asked: list[str] = []
    db.set_trace_callback(asked.append)
    page(db, RecordingFilter(**wanted), 10)  # type: ignore[arg-type]  # text
    db.set_trace_callback(None)
    assert len(asked) == 2
    for query in asked:
        plan = " ".join(str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert index in plan, plan
    first = " ".join(str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {asked[0]}"))
    assert "TEMP B-TREE" not in first


def test_one_is_found_by_its_name_and_by_nothing_else(db: Reader) -> None:
    found = find(db, "i3-1")
    assert found is not None
    assert found.path == "/r/i3-1.wav"
    for name in ("", "i3", "../i3-1", "%", "i3-1\0"):
        assert find(db, name) is None

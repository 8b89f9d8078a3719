"""SIP ladders in the store: a row holds what one commit took, in the order of time.

A row and its index entries for each leg cost a busy switch a quarter of what its whole journal
does, and nearly no ladder is ever looked at. So a leg is found by the time at which it ended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from cicswitch.ports import Reader

__all__ = [
    "EXPIRE",
    "INSERT",
    "TABLES",
    "Trace",
    "find",
    "packed",
    "set_version_2_aside",
    "take_over_version_2",
]

Trace = tuple[float, str, str, bytes]
"""When it was kept, interaction, leg, steps: a value in msgpack."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS trace (at REAL NOT NULL, until REAL NOT NULL, data BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS trace_until ON trace (until)",
)
INSERT = "INSERT INTO trace (at, until, data) VALUES (?, ?, ?)"
EXPIRE = "DELETE FROM trace WHERE until < ?"

_A_ROW = 500
_AT_ONCE = 20
_KEPT_WITHIN_S = 60.0
"""A ladder is kept some seconds after its leg's end, later only on a loop that is stuck."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, str, msgspec.Raw]]).decode


def packed(traces: Sequence[Trace]) -> list[tuple[float, float, bytes]]:
    """The rows for ladders in the order in which they were kept."""
    rows = []
    for start in range(0, len(traces), _A_ROW):
        part = traces[start : start + _A_ROW]
        data = _encode(
            [(interaction, leg, msgspec.Raw(steps)) for _, interaction, leg, steps in part]
        )
        rows.append((part[0][0], part[-1][0], data))
    return rows


def find(db: Reader, leg: str, ended_at: float | None) -> list[bytes]:
    """The encoded steps of a leg. Without the time of its end all rows are read."""
    return [
        bytes(steps)
        for data in _rows(db, ended_at)
        for _, kept_leg, steps in _decode(data)
        if kept_leg == leg
    ]


def _rows(db: Reader, ended_at: float | None) -> Iterator[bytes]:
    if ended_at is not None:
        query = "SELECT data FROM trace WHERE until >= ? AND at <= ? ORDER BY at"
        for (data,) in db.execute(query, (ended_at - 1, ended_at + _KEPT_WITHIN_S)):
            yield data
        return
    after = 0
    query = "SELECT rowid, data FROM trace WHERE rowid > ? ORDER BY rowid LIMIT ?"
    while found := db.execute(query, (after, _AT_ONCE)).fetchall():
        for _, data in found:
            yield data
        after = found[-1][0]


def set_version_2_aside(db: sqlite3.Connection) -> None:
    """Make room for the table of today."""
    db.execute("CREATE TABLE IF NOT EXISTS trace (at REAL, interaction TEXT, leg TEXT, data BLOB)")
    db.execute("ALTER TABLE trace RENAME TO trace_2")


def take_over_version_2(db: sqlite3.Connection) -> None:
    """Up to version 2 there was a row a leg."""
    old = db.execute("SELECT at, interaction, leg, data FROM trace_2 ORDER BY at")
    while part := old.fetchmany(_A_ROW):
        legs = [(interaction, leg, msgspec.Raw(data)) for _, interaction, leg, data in part]
        db.execute(INSERT, (part[0][0], part[-1][0], _encode(legs)))
    db.execute("DROP TABLE trace_2")

"""Recordings in the store: their table's indexes, and looking for them, newest first.

A page costs a page: at most `LOOKED_AT` rows are looked at, along an index, even where the filter
leaves few of them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cicswitch.ports import Reader
from cicswitch.records.rows import RecordingRecord, columns

__all__ = ["INDEXES", "LOOKED_AT", "TAKE_OVER", "RecordingFilter", "find", "page"]

LOOKED_AT: Final = 5000

INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS recording_name ON recording (recording)",
    "CREATE INDEX IF NOT EXISTS recording_started ON recording (started_at)",
    "CREATE INDEX IF NOT EXISTS recording_queue ON recording (queue, started_at)",
    "CREATE INDEX IF NOT EXISTS recording_agent ON recording (agent, started_at)",
)

TAKE_OVER: Final = """
INSERT INTO recording (recording, interaction, kind, path, started_at, queue, agent, caller, called,
    segment, box, error)
SELECT interaction || '-1', interaction, 'recording', recording, coalesce(answered_at, started_at),
    coalesce(queue, ''), coalesce(agent, ''), coalesce(caller, ''), coalesce(called, ''),
    coalesce(segment, ''), '', ''
FROM interaction WHERE recording != '' AND started_at IS NOT NULL
"""
"""A store before version 6 knew the last recording of each interaction, and no voicemail."""

_COLUMNS: Final = columns(RecordingRecord)


class RecordingFilter(Struct, frozen=True, kw_only=True):
    """Which recordings; what is empty does not count."""

    since: float = 0.0
    until: float = 1e12
    queue: str = ""
    agent: str = ""
    number: str = ""
    """What the caller's or the called number begins with."""
    segment: str = ""
    kind: str = ""
    shortest_s: float = 0.0
    before: tuple[float, int] | None = None
    """Only what lies behind this place, as `page` gave it."""


def page(
    db: Reader, wanted: RecordingFilter, limit: int
) -> tuple[list[RecordingRecord], tuple[float, int] | None]:
    """So many recordings, newest first, and the place to go on behind; None: there are no more."""
    at, number = wanted.before or (1e13, 0)
    where = "(started_at, rowid) < (?, ?) AND started_at >= ? AND started_at < ?"
    values: list[object] = [at, number, wanted.since, wanted.until]
    for column in ("queue", "agent"):
        if name := getattr(wanted, column):
            where += f" AND {column} = ?"
            values.append(name)
    order = "ORDER BY started_at DESC, rowid DESC"
    last = db.execute(
        f"SELECT started_at, rowid FROM recording WHERE {where} {order} LIMIT 1 OFFSET ?",
        (*values, LOOKED_AT - 1),
    ).fetchone()
    found = db.execute(
        f"SELECT place, {_COLUMNS} FROM"
        f" (SELECT rowid AS place, {_COLUMNS} FROM recording WHERE {where} {order} LIMIT ?)"
        " AS looked_at"
        " WHERE (? = '' OR segment = ?) AND (? = '' OR kind = ?)"
        " AND coalesce(duration_s, 1e9) >= ?"
        " AND (? = '' OR substr(caller, 1, length(?)) = ? OR substr(called, 1, length(?)) = ?)"
        " ORDER BY started_at DESC, place DESC LIMIT ?",
        (
            *(*values, LOOKED_AT),
            *(wanted.segment, wanted.segment, wanted.kind, wanted.kind),
            wanted.shortest_s,
            *((wanted.number,) * 5),
            limit + 1,
        ),
    ).fetchall()
    records = [RecordingRecord(*row[1:]) for row in found[:limit]]
    if len(found) > limit:
        return records, (records[-1].started_at, found[limit - 1][0])
    return records, last


def find(db: Reader, name: str) -> RecordingRecord | None:
    """One recording by its name."""
    row = db.execute(f"SELECT {_COLUMNS} FROM recording WHERE recording = ?", (name,)).fetchone()
    return None if row is None else RecordingRecord(*row)

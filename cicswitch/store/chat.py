"""What colleagues write to one another: two tables beside the journal, so that it can be forgotten.

It is in no event and no webhook: only those concerned get it. Numbers (`seq`) are given by the
switch, in the order of the commits; the highest one is never deleted, so none is given twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cicswitch.ports import Reader
from cicswitch.records.chat import Said
from cicswitch.store.sql import marks

__all__ = ["ADD", "EXPIRE", "LAST", "READ", "TABLES", "by_id", "counts", "said"]

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS chat (seq INTEGER PRIMARY KEY, at REAL NOT NULL,"
    " room TEXT NOT NULL, sender TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE UNIQUE INDEX IF NOT EXISTS chat_id ON chat (sender, id)",
    "CREATE INDEX IF NOT EXISTS chat_room ON chat (room, seq)",
    "CREATE TABLE IF NOT EXISTS chat_read (account TEXT, room TEXT, seq INTEGER NOT NULL,"
    " PRIMARY KEY (account, room))",
)
ADD: Final = (
    "INSERT INTO chat (seq, at, room, sender, id, text) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
READ: Final = (
    "INSERT INTO chat_read (account, room, seq) VALUES (?, ?, ?) ON CONFLICT (account, room)"
    " DO UPDATE SET seq = excluded.seq WHERE excluded.seq > chat_read.seq"
)
EXPIRE: Final = "DELETE FROM chat WHERE at < ? AND seq < (SELECT max(seq) FROM chat)"
LAST: Final = "SELECT coalesce(max(seq), 0) FROM chat"

_COLUMNS: Final = "seq, at, room, sender, id, text"


def by_id(db: Reader, sender: str, name: str) -> Said | None:
    """The message that somebody has sent under a name of his."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM chat WHERE sender = ? AND id = ?", (sender, name)
    ).fetchone()
    return None if row is None else Said(*row)


def said(
    db: Reader,
    rooms: Sequence[str],
    own_in: Sequence[str],
    me: str,
    *,
    after: int,
    before: int | None,
    limit: int,
) -> list[Said]:
    """Messages in these rooms, and one's own in `own_in`, in their order: the first ones after a
    number, or the last ones before one."""
    where = f"(room IN ({marks(rooms)}) OR room IN ({marks(own_in)}) AND sender = ?)"
    values: list[Any] = [*rooms, *own_in, me]
    if before is None:
        query = f"SELECT {_COLUMNS} FROM chat WHERE seq > ? AND {where} ORDER BY seq LIMIT ?"
        return [Said(*row) for row in db.execute(query, (after, *values, limit))]
    query = f"SELECT {_COLUMNS} FROM chat WHERE seq < ? AND {where} ORDER BY seq DESC LIMIT ?"
    return [Said(*row) for row in db.execute(query, (before, *values, limit))][::-1]


def counts(db: Reader, rooms: Sequence[str], me: str) -> dict[str, tuple[int, int]]:
    """Of each room in which something was said: what I have not read of others, the last number."""
    query = (
        "SELECT chat.room, count(*) FILTER (WHERE chat.seq > coalesce(chat_read.seq, 0)"
        " AND sender != ?), max(chat.seq) FROM chat LEFT JOIN chat_read"
        " ON chat_read.account = ? AND chat_read.room = chat.room"
        f" WHERE chat.room IN ({marks(rooms)}) GROUP BY chat.room"
    )
    found = db.execute(query, (me, me, *rooms))
    return {room: (unread, last) for room, unread, last in found}

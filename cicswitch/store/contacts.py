"""Conversations, their messages, and what is still to be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from cicswitch.contacts.messages import Attachment, Message
from cicswitch.ports import Reader
from cicswitch.records.rows import (
    ConversationRecord,
    CustomerGone,
    CustomerRecord,
    DraftRecord,
    FaxRecord,
    MergeRecord,
    OutboxDone,
    OutboxRecord,
    SplitRecord,
    columns,
)
from cicswitch.store.sql import shortened

__all__ = [
    "INDEXES",
    "KEYED",
    "TABLES",
    "answered",
    "attachment",
    "by_token",
    "conversation",
    "conversations",
    "drafts",
    "fax",
    "faxes",
    "heir",
    "known",
    "message",
    "messages",
    "outbox",
    "put",
]

KEYED: Final[dict[type, str]] = {
    ConversationRecord: "id",
    CustomerRecord: "id",
    DraftRecord: "conversation",
    FaxRecord: "id",
    OutboxRecord: "message",
}
_NAMES: Final[dict[type, str]] = {
    ConversationRecord: "conversation",
    CustomerRecord: "customer",
    DraftRecord: "draft",
    FaxRecord: "fax",
    OutboxRecord: "outbox",
}
"""Rows of which the last one counts, and their key."""

# Numbers and names are unique by who gives them; an index that insists would hold up all that is
# written together with a mistake.
INDEXES: Final = (
    "CREATE UNIQUE INDEX IF NOT EXISTS conversation_id ON conversation (id)",
    "CREATE INDEX IF NOT EXISTS conversation_customer ON conversation (customer, updated_at)",
    "CREATE INDEX IF NOT EXISTS conversation_token ON conversation (token) WHERE token != ''",
    "CREATE INDEX IF NOT EXISTS conversation_updated ON conversation (updated_at)",
    "CREATE INDEX IF NOT EXISTS message_seq ON message (conversation, seq)",
    "CREATE INDEX IF NOT EXISTS message_id ON message (id)",
    "CREATE INDEX IF NOT EXISTS message_external ON message (channel, external)"
    " WHERE external != ''",
    "CREATE UNIQUE INDEX IF NOT EXISTS outbox_message ON outbox (message)",
    "CREATE UNIQUE INDEX IF NOT EXISTS draft_conversation ON draft (conversation)",
    "CREATE UNIQUE INDEX IF NOT EXISTS fax_id ON fax (id)",
    "CREATE INDEX IF NOT EXISTS fax_at ON fax (at)",
    "CREATE INDEX IF NOT EXISTS fax_conversation ON fax (conversation)",
)

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS attachment (digest TEXT NOT NULL, conversation TEXT NOT NULL,"
    " message TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS attachment_digest ON attachment (digest, conversation)",
    "CREATE INDEX IF NOT EXISTS attachment_message ON attachment (message)",
    "CREATE TRIGGER IF NOT EXISTS message_written AFTER INSERT ON message"
    " WHEN new.attachments != '' BEGIN INSERT INTO attachment"
    " SELECT json_extract(value, '$.digest'), new.conversation, new.id,"
    " json_extract(value, '$.name'), json_extract(value, '$.media_type'),"
    " json_extract(value, '$.size') FROM json_each(new.attachments); END",
    "CREATE TRIGGER IF NOT EXISTS message_removed AFTER DELETE ON message"
    " WHEN old.attachments != '' BEGIN DELETE FROM attachment WHERE message = old.id; END",
    # The pages as they were sent are no file of the message; they go with the fax.
    "CREATE TRIGGER IF NOT EXISTS fax_sent AFTER UPDATE OF tiff ON fax WHEN new.direction = 'out'"
    " AND new.tiff != '' AND new.tiff != old.tiff BEGIN INSERT INTO attachment"
    " VALUES (new.tiff, new.conversation, new.message, 'fax.tif', 'image/tiff', 0); END",
)
"""Which message has which file: a file goes when the last row that names it has gone."""

_attachments: Final = msgspec.json.Decoder(tuple[Attachment, ...]).decode
_MOST_ROWS: Final = 1000
_MOST_STEPS: Final = 20


def _goes(table: str) -> tuple[str, tuple[int, ...]]:
    """What a message takes along that has gone into another conversation."""
    return (
        f"UPDATE {table} SET conversation = ? WHERE conversation = ?"
        " AND message IN (SELECT id FROM message WHERE conversation = ?)",
        (1, 0, 1),
    )


MOVES: Final[dict[type, tuple[tuple[str, tuple[int, ...]], ...]]] = {
    MergeRecord: (
        *(
            (f"UPDATE {table} SET conversation = ? WHERE conversation = ?", (1, 0))
            for table in ("message", "attachment", "fax", "outbox")
        ),
        (
            "UPDATE message SET seq = placed.place FROM (SELECT rowid AS line, row_number()"
            " OVER (ORDER BY at, rowid) AS place FROM message WHERE conversation = ?) AS placed"
            " WHERE message.rowid = placed.line",
            (1,),
        ),
    ),
    SplitRecord: (
        (
            "UPDATE message SET conversation = ?, seq = seq - ? + 1"
            " WHERE conversation = ? AND seq >= ? AND at <= ?",
            (1, 2, 0, 2, 3),
        ),
        _goes("attachment"),
        _goes("fax"),
        _goes("outbox"),
    ),
}
"""What moves messages: statements with the fields of the row that each takes, in order, for each
row by itself."""

AFTER: Final[dict[type, str]] = {
    DraftRecord: "DELETE FROM draft WHERE text = '' AND subject = ''",
}
"""What is done when all rows of a kind are written."""


@cache
def put(kind: type) -> str:
    """What writes a row of which the last counts; empty: it is of another kind."""
    if kind is OutboxDone:
        return "DELETE FROM outbox WHERE message = ?"
    if kind is CustomerGone:
        return "DELETE FROM customer WHERE id = ?"
    if kind not in KEYED:
        return ""
    key = KEYED[kind]
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]  # a Struct
    marks = ", ".join("?" * len(names))
    news = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
    # An update in place: REPLACE would give the row a new place in every index.
    return (
        f"INSERT INTO {_NAMES[kind]} ({columns(kind)}) VALUES ({marks})"
        f" ON CONFLICT ({key}) DO UPDATE SET {news}"
    )


def heir(db: Reader, message: str, name: str) -> str:
    """Where an answer to a message belongs that was written in a conversation: it may have gone
    into another since, by itself or with all of it."""
    seen = [name]
    while len(seen) < _MOST_STEPS:
        record = conversation(db, seen[-1])
        if record is None or not record.merged:
            break
        seen.append(record.merged)
    row = db.execute("SELECT conversation FROM message WHERE id = ?", (message,)).fetchone()
    if row is None or row[0] == seen[-1]:
        return seen[-1]
    # Who was written to in one may answer in what was split off it, and in no other.
    at = row[0]
    for _ in range(_MOST_STEPS):
        record = conversation(db, at)
        if record is None or not record.split:
            break
        if record.split in seen:
            return str(row[0])
        at = record.split
    return seen[-1]


def conversation(db: Reader, name: str) -> ConversationRecord | None:
    """A conversation by its id."""
    row = db.execute(
        f"SELECT {columns(ConversationRecord)} FROM conversation WHERE id = ?", (name,)
    ).fetchone()
    return None if row is None else ConversationRecord(*row)


def by_token(db: Reader, channel: str, digest: str) -> ConversationRecord | None:
    """The conversation of a secret."""
    row = db.execute(
        f"SELECT {columns(ConversationRecord)} FROM conversation"
        " WHERE channel = ? AND token = ? AND token != '' ORDER BY rowid LIMIT 1",
        (channel, digest),
    ).fetchone()
    return None if row is None else ConversationRecord(*row)


def conversations(
    db: Reader, limit: int, before: tuple[float, int] | None = None, **wanted: str
) -> list[tuple[int, ConversationRecord]]:
    """Conversations with their rows, the one that was written in last first; `wanted` by column."""
    where, values = "TRUE", list[Any]()
    for column, value in wanted.items():
        where += f" AND {column} = ?"
        values.append(value)
    if before is not None:
        where += " AND (updated_at, rowid) < (?, ?)"
        values += before
    rows = db.execute(
        f"SELECT rowid, {columns(ConversationRecord)} FROM conversation WHERE {where}"
        " ORDER BY updated_at DESC, rowid DESC LIMIT ?",
        (*values, min(limit, _MOST_ROWS)),
    )
    return [(row[0], ConversationRecord(*row[1:])) for row in rows]


def fax(db: Reader, name: str) -> FaxRecord | None:
    """A fax by its id."""
    row = db.execute(f"SELECT {columns(FaxRecord)} FROM fax WHERE id = ?", (name,)).fetchone()
    return None if row is None else FaxRecord(*row)


def faxes(
    db: Reader, limit: int, before: tuple[float, int] | None = None, **wanted: str
) -> list[tuple[int, FaxRecord]]:
    """Faxes with their rows, the latest first; `wanted` by column."""
    where, values = "TRUE", list[Any]()
    for column, value in wanted.items():
        where += f" AND {column} = ?"
        values.append(value)
    if before is not None:
        where += " AND (at, rowid) < (?, ?)"
        values += before
    rows = db.execute(
        f"SELECT rowid, {columns(FaxRecord)} FROM fax WHERE {where}"
        " ORDER BY at DESC, rowid DESC LIMIT ?",
        (*values, min(limit, _MOST_ROWS)),
    )
    return [(row[0], FaxRecord(*row[1:])) for row in rows]


def messages(db: Reader, name: str, after: int = 0, limit: int = 200) -> list[Message]:
    """Messages of a conversation behind a number, in order."""
    rows = db.execute(
        "SELECT id, conversation, interaction, seq, at, author, text, attachments, subject"
        " FROM message"
        " WHERE conversation = ? AND seq > ? ORDER BY seq LIMIT ?",
        (name, after, min(limit, _MOST_ROWS)),
    )
    return [_message(row) for row in rows]


def _message(row: tuple[Any, ...]) -> Message:
    return Message(
        id=row[0],
        conversation=row[1],
        interaction=row[2],
        seq=row[3],
        at=row[4],
        author=row[5],
        text=row[6],
        attachments=_attachments(row[7]) if row[7] else (),
        subject=row[8],
    )


def known(db: Reader, channel: str, external: str) -> tuple[str, str, int] | None:
    """The message that a medium knows by this: its id, its conversation, its number there."""
    # The index has no empty names, and is taken only by who says that he wants none.
    query = (
        "SELECT id, conversation, seq FROM message"
        " WHERE channel = ? AND external = ? AND external != '' LIMIT 1"
    )
    for name in {external, shortened(external)}:  # as it may be where it was too long for an index
        row = db.execute(query, (channel, name)).fetchone()
        if row is not None:
            return row[0], row[1], row[2]
    return None


def attachment(db: Reader, conversation: str, digest: str) -> Attachment | None:
    """A file of a message of a conversation, under the name that it last had."""
    row = db.execute(
        "SELECT digest, name, media_type, size FROM attachment"
        " WHERE digest = ? AND conversation = ? ORDER BY rowid DESC LIMIT 1",
        (digest, conversation),
    ).fetchone()
    return None if row is None else Attachment(*row)


def answered(db: Reader, channel: str, names: Sequence[str]) -> ConversationRecord | None:
    """The conversation of the first message with one of these names, or one of these before a
    `#`."""
    asked = "SELECT conversation FROM message WHERE channel = ? AND external != '' AND"
    for name in names:  # two questions: an OR would go through all that the channel has
        row = db.execute(f"{asked} external = ? LIMIT 1", (channel, name)).fetchone()
        if row is None:
            behind = (channel, f"{name}#", f"{name}$")
            row = db.execute(f"{asked} external >= ? AND external < ? LIMIT 1", behind).fetchone()
        if row is not None:
            return conversation(db, row[0])
    return None


def outbox(db: Reader) -> list[OutboxRecord]:
    """What is to be delivered, in the order in which it was written."""
    rows = db.execute(f"SELECT {columns(OutboxRecord)} FROM outbox ORDER BY rowid")
    records = [OutboxRecord(*row) for row in rows]
    for record in records:
        record.dead = bool(record.dead)  # SQLite has none of these, and compiled code insists
    return records


def drafts(db: Reader) -> list[DraftRecord]:
    """Answers that were not sent yet."""
    found = db.execute(f"SELECT {columns(DraftRecord)} FROM draft")
    return [DraftRecord(*row) for row in found]


def message(db: Reader, name: str) -> Message | None:
    """A message by its id, for who has to deliver it."""
    row = db.execute(
        "SELECT id, conversation, interaction, seq, at, author, text, attachments, subject"
        " FROM message"
        " WHERE id = ?",
        (name,),
    ).fetchone()
    return None if row is None else _message(row)

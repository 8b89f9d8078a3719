"""The journal in SQLite: one writer thread, group commit, write-ahead log.

`append` costs the signalling loop a list append. The thread wakes every `commit_ms`, encodes and
books what has come since, and writes it in one transaction; the journal and the rows booked from
it are in the same transaction, so they can never differ. `await committed()` returns when all that
was appended before it is on disk.

A row of `journal` is what one commit took, a JSON array: an event costs a call six times less than
a row of its own. The view `event` shows one event a row (`at`, `type`, `data`) to whoever asks in
SQL.

Failure. A disk that is full or a database that is locked leaves the batch in memory and the store
`degraded` with the reason; it is tried again every second, and the switch goes on. What waits is
bounded by `MAX_PENDING` events and `MAX_TRACES` SIP ladders; past it the oldest are counted as
lost, loudly, never silently.
After a crash `open` finds what had no end and closes it with reason `restart`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from msgspec.structs import astuple, fields

from cicswitch.calls.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertRaised,
    CallbackAccepted,
    LegDigit,
    NumberBlocked,
    SwitchStarted,
    SwitchStopped,
)
from cicswitch.calls.reason import Reason
from cicswitch.contacts.events import ContactAccepted
from cicswitch.core.errors import ResourceError
from cicswitch.records.alerts import ENDED
from cicswitch.records.journal import Event, Kept, decode_batch, encode_batch
from cicswitch.records.ledger import Ledger
from cicswitch.records.rows import (
    AgentSegment,
    AlertRecord,
    ConversationRecord,
    FaxRecord,
    HandledRecord,
    InteractionRecord,
    LegRecord,
    MessageRecord,
    NoteRecord,
    OutboxRecord,
    Pending,
    QueueVisit,
    RecordingRecord,
    Row,
)
from cicswitch.store import chat, contacts, history, recordings, traces
from cicswitch.store.traces import Trace

__all__ = ["MAX_PENDING", "SqliteStore", "connect_reader", "read_rows"]

log = structlog.get_logger("store")

MAX_PENDING = 2_000_000
MAX_TRACES = 20_000
MAX_CHAT = 10_000

TABLES: Final[dict[type, str]] = {
    LegRecord: "leg",
    InteractionRecord: "interaction",
    QueueVisit: "queue_visit",
    HandledRecord: "handled",
    AgentSegment: "agent_segment",
    RecordingRecord: "recording",
    NoteRecord: "note",
    MessageRecord: "message",
    ConversationRecord: "conversation",
    FaxRecord: "fax",
    OutboxRecord: "outbox",
}

_INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS leg_interaction ON leg (interaction)",
    "CREATE INDEX IF NOT EXISTS interaction_ended ON interaction (ended_at)",
    "CREATE INDEX IF NOT EXISTS queue_visit_ended ON queue_visit (ended_at)",
    "CREATE INDEX IF NOT EXISTS handled_ended ON handled (ended_at)",
    "CREATE INDEX IF NOT EXISTS agent_segment_ended ON agent_segment (ended_at)",
    *recordings.INDEXES,
    *history.INDEXES,
    *contacts.INDEXES,
)

_SCHEMA_VERSION: Final = 9


def _create_table(row: type, table: str) -> str:
    columns = ", ".join(row.__struct_fields__)  # type: ignore[attr-defined]  # rows are Structs
    return f"CREATE TABLE IF NOT EXISTS {table} ({columns})"


def _add_columns(db: sqlite3.Connection, row: type, table: str) -> None:
    """Columns that an older version did not know; new ones stand at the end of a row."""
    known = {column[1] for column in db.execute(f"PRAGMA table_info({table})")}
    for field in fields(row):
        if field.name not in known:
            default = f"'{field.default}'" if isinstance(field.default, str) else "NULL"
            db.execute(f"ALTER TABLE {table} ADD COLUMN {field.name} DEFAULT {default}")


_PAGE: Final = 16_384
"""Rows come in their hundreds: fewer pages to log, to write and to copy to their place."""
_AT_ONCE: Final = 10
"""Rows a statement: each statement lets go of Python's lock and asks for it again."""


def _insert(row: type, table: str, rows: int) -> str:
    marks = ", ".join("?" * len(row.__struct_fields__))  # type: ignore[attr-defined]  # as above
    return f"INSERT INTO {table} VALUES {', '.join([f'({marks})'] * rows)}"


_INSERTS: Final = {
    row: (_insert(row, table, 1), _insert(row, table, _AT_ONCE)) for row, table in TABLES.items()
}
_JOURNAL: Final = "INSERT INTO journal (at, events, starts, data) VALUES (?, ?, ?, ?)"
_EVENTS: Final = """
CREATE VIEW IF NOT EXISTS event AS
SELECT seq, json_extract(value, '$.at') AS at, json_extract(value, '$.type') AS type, value AS data
FROM journal, json_each(journal.data)
"""


_PENDING = "CREATE TABLE IF NOT EXISTS pending (interaction TEXT PRIMARY KEY, data TEXT NOT NULL)"
_PROMISE = "INSERT OR REPLACE INTO pending VALUES (?, ?)"
_DONE = "DELETE FROM pending WHERE interaction = ?"

_decode_pending: Final = msgspec.json.Decoder(
    CallbackAccepted | ContactAccepted | NumberBlocked
).decode
_ALERT_TABLE = (
    "CREATE TABLE IF NOT EXISTS alert (alert TEXT PRIMARY KEY, ended_at REAL, data TEXT NOT NULL)"
)
_ALERT = "INSERT OR REPLACE INTO alert VALUES (?, ?, ?)"
_ALERTS = (
    "SELECT data FROM alert WHERE ended_at IS NULL UNION ALL SELECT data FROM"
    " (SELECT data, ended_at FROM alert WHERE ended_at NOT NULL ORDER BY ended_at DESC LIMIT ?)"
)
_OLD_ALERTS = (
    "DELETE FROM alert WHERE ended_at < (SELECT ended_at FROM alert WHERE ended_at NOT NULL"
    " ORDER BY ended_at DESC LIMIT 1 OFFSET ?)"
)

_Entry = tuple[float, int, bool, str]
_Rows = dict[type, list[tuple[Any, ...]]]


def _write_rows(db: sqlite3.Connection, rows: _Rows) -> None:
    for kind, values in rows.items():
        if kind is Pending:
            for interaction, data in values:
                if data:
                    db.execute(_PROMISE, (interaction, data))
                else:
                    db.execute(_DONE, (interaction,))
            continue
        if contacts.put(db, kind, values):
            continue
        if kind is AlertRecord:
            db.executemany(_ALERT, values)
            continue
        single, many = _INSERTS[kind]
        whole = len(values) - len(values) % _AT_ONCE
        for start in range(0, whole, _AT_ONCE):
            db.execute(many, [*chain.from_iterable(values[start : start + _AT_ONCE])])
        db.executemany(single, values[whole:])


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1.0)
    db.execute(f"PRAGMA page_size = {_PAGE}")  # of a new database; others stay as they are
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise ResourceError(
            f"{path} was written by a newer version (schema {version}, known: {_SCHEMA_VERSION})"
        )
    db.execute("BEGIN IMMEDIATE")
    if version == 1:
        db.execute("ALTER TABLE journal RENAME TO journal_1")
    db.execute(
        "CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY, at REAL NOT NULL,"
        " events INTEGER NOT NULL, starts INTEGER NOT NULL, data TEXT NOT NULL)"
    )
    db.execute(_EVENTS)
    if version == 1:
        _take_over_version_1(db)
    for row, table in TABLES.items():
        db.execute(_create_table(row, table))
        _add_columns(db, row, table)
    if version in (1, 2):
        traces.set_version_2_aside(db)
    for statement in (
        *(*traces.TABLES, *_INDEXES, _PENDING, _ALERT_TABLE, *chat.TABLES),
        *contacts.TABLES,
    ):
        db.execute(statement)
    if version in (1, 2):
        traces.take_over_version_2(db)
    if 0 < version < 6:
        db.execute(recordings.TAKE_OVER)
    db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    db.execute("COMMIT")
    return db


def _take_over_version_1(db: sqlite3.Connection) -> None:
    """Version 1 had a row an event; each becomes an array of one."""
    db.execute(
        "INSERT INTO journal (at, events, starts, data)"
        " SELECT at, 1, type = 'SwitchStarted', '[' || data || ']' FROM journal_1 ORDER BY seq"
    )
    db.execute("DROP TABLE journal_1")


def connect_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection for reports, also beside a running switch. Raises ResourceError."""
    if not path.exists():
        raise ResourceError(f"there is no store at {path}: has the switch ever run with it?")
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        db.execute("SELECT 1 FROM journal LIMIT 1")
    except sqlite3.Error as error:
        raise ResourceError(f"{path} is no store of cicswitch: {error}") from None
    return db


def read_rows(
    db: sqlite3.Connection, row: type[Row], where: str = "1", arguments: Sequence[Any] = ()
) -> list[Any]:
    """Rows of one kind as their Structs. `where` is SQL with `?` marks for `arguments`."""
    query = f"SELECT * FROM {TABLES[row]} WHERE {where}"
    return [row(*values) for values in db.execute(query, arguments)]


class SqliteStore:
    """The writer. `open` and `close` bracket its life; everything else is safe from the loop."""

    def __init__(
        self,
        path: Path,
        *,
        commit_ms: int = 50,
        synchronous: str = "full",
        trace_hours: int = 24,
        chat_days: int = 0,
        on_degraded: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.degraded = ""
        """Why nothing can be written at the moment; empty when all is well."""
        self.lost = 0
        self.traces_lost = 0
        self.committed_events = 0
        self.recovered = 0
        self.callbacks: list[CallbackAccepted] = []
        """Who was to be called back when the switch stopped; filled by `open`."""
        self.blocked: list[NumberBlocked] = []
        """Who is not to be called; filled by `open`."""
        self.contacts: list[tuple[ContactAccepted, ConversationRecord]] = []
        """Contacts in writing that were not over when it stopped."""
        self.outbox: list[OutboxRecord] = []
        """What was not delivered yet."""
        self.alerts: list[AlertRaised | AlertAcknowledged | AlertCleared] = []
        """Alerts that were open then, and the last that had ended; filled by `open`."""
        self._commit_s = commit_ms / 1000
        self._synchronous = synchronous
        self._trace_hours = trace_hours
        self.chat_days = chat_days
        """How long what colleagues write is kept; 0: for good."""
        self.chat_seq = 0
        """The last number of a message; filled by `open`."""
        self._chat: list[tuple[str, tuple[Any, ...]]] = []
        self._on_degraded = on_degraded
        self._pending: list[Event | Kept] = []
        self._traces: list[Trace] = []
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._ledger = Ledger()
        self._wake = threading.Event()
        self._stopping = False
        self._writer: threading.Thread | None = None
        self._db: sqlite3.Connection | None = None

    def open(self, now: float, version: str) -> int:
        """Open or make the database, close what a crash left open, start the writer.

        The number of legs and interactions that were closed. Raises `ResourceError` in one line.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = _connect(self.path, self._synchronous)
            self.recovered = self._recover(self._db)
            self._take_up(self._db)
            self._expire_chat(now)
            self.chat_seq = self._db.execute(chat.LAST).fetchone()[0]
            self._db.execute(_OLD_ALERTS, (ENDED,))
            self.alerts = [
                msgspec.json.decode(data, type=AlertRaised | AlertAcknowledged | AlertCleared)
                for (data,) in self._db.execute(_ALERTS, (ENDED,))
            ]
            self.alerts.sort(key=_when)
        except (OSError, sqlite3.Error, msgspec.MsgspecError) as error:
            raise ResourceError(f"the store {self.path} cannot be opened: {error}") from None
        self.append(SwitchStarted(now, version))
        self._stopping = False  # it may have been closed before
        self._wake.clear()
        self._writer = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._writer.start()
        return self.recovered

    def _take_up(self, db: sqlite3.Connection) -> None:
        """What is not done, of the run before."""
        self.callbacks, self.contacts, self.blocked = [], [], []
        for (data,) in db.execute("SELECT data FROM pending ORDER BY rowid"):
            event = _decode_pending(data)
            if isinstance(event, CallbackAccepted):
                self.callbacks.append(event)
                continue
            if isinstance(event, NumberBlocked):
                self.blocked.append(event)
                continue
            found = contacts.conversation(db, event.conversation)
            if found is None:
                log.error("conversation_missing", interaction_id=event.interaction)
                continue
            self.contacts.append((event, found))
        self.outbox = contacts.outbox(db)

    def append(self, event: Event, rows: Sequence[Row] = ()) -> None:
        """Journal an event and book it. Digits can be secrets and are not kept.

        `rows` are written in the same transaction, and are no part of the journal.
        """
        if rows:
            self._pending.append(Kept(event, rows))
        elif type(event) is not LegDigit:
            self._pending.append(event)

    def append_trace(self, at: float, interaction: str, leg: str, steps: bytes) -> None:
        """Keep a leg's SIP ladder, which is in msgpack, for `trace_hours`."""
        if self._trace_hours:
            self._traces.append((at, interaction, leg, steps))

    def append_chat(self, statement: str, values: tuple[Any, ...]) -> None:
        """Keep what a colleague has written, or up to where he has read: `store.chat` has the
        statements. Raises `ResourceError` where too much waits already."""
        if len(self._chat) >= MAX_CHAT:
            raise ResourceError(self.degraded or "too much waits to be written")
        self._chat.append((statement, values))

    @property
    def pending(self) -> int:
        """Events that are not on disk yet."""
        return len(self._pending)

    async def committed(self) -> None:
        """Return when all that was appended before is on disk. Waits as long as it is not."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiters.append((loop, future))
        self._wake.set()
        await future

    def close(self, now: float, reason: str) -> None:
        """Write what is left, with the mark of an orderly end, and close. Idempotent."""
        if self._writer is None:
            return
        self.append(SwitchStopped(now, reason))
        self._stopping = True
        self._wake.set()
        self._writer.join(timeout=30)
        self._writer = None
        if self._db is not None:
            self._db.close()
            self._db = None

    # -- the writer thread -----------------------------------------------------------------------

    def _run(self) -> None:
        expired_at = 0.0
        while True:
            stopping = self._stopping
            if not self._write() and stopping:
                log.error("store_lost_at_exit", events=len(self._pending), error=self.degraded)
                return
            if stopping and not self._pending:
                return
            if self._ledger.last_at > expired_at + 600:
                expired_at = self._ledger.last_at
                self._expire_chat(expired_at)
                if self._trace_hours:
                    self._expire_traces(expired_at)
            self._wake.wait(1.0 if self.degraded else self._commit_s)
            self._wake.clear()

    def _write(self) -> bool:
        """One group commit; False where the disk refused, and all is kept for the next try."""
        batch, ladders = self._pending, self._traces
        if len(batch) > MAX_PENDING:
            excess = len(batch) - MAX_PENDING
            kept = self._unbooked[2] if self._unbooked is not None else 0
            del batch[kept : kept + excess]
            self.lost += excess
            log.error("store_events_lost", lost=excess, total=self.lost, error=self.degraded)
        if len(ladders) > MAX_TRACES:
            excess = len(ladders) - MAX_TRACES
            del ladders[:excess]
            self.traces_lost += excess
            log.error("traces_lost", lost=excess, total=self.traces_lost, error=self.degraded)
        count, trace_count, waiters = len(batch), len(ladders), len(self._waiters)
        said = len(self._chat)
        if not (count or trace_count or waiters or said):
            return True
        if self._unbooked is None:
            self._unbooked = self._book(batch[:count])
        entry, rows, booked = self._unbooked
        assert self._db is not None
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if booked:
                self._db.execute(_JOURNAL, entry)
            _write_rows(self._db, rows)
            if trace_count:
                self._db.executemany(traces.INSERT, traces.packed(ladders[:trace_count]))
            for statement, values in self._chat[:said]:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._set_degraded(f"the store cannot be written: {error}")
            return False
        self._unbooked = None
        del batch[:booked]
        del ladders[:trace_count]
        del self._chat[:said]
        self.committed_events += booked
        self._set_degraded("")
        if booked >= count:
            done, self._waiters[:waiters] = self._waiters[:waiters], []
            for loop, future in done:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_resolve, future)
        return True

    _unbooked: tuple[_Entry, _Rows, int] | None = None
    """A batch that has been booked but not written: booking twice would count twice."""

    def _book(self, batch: list[Event | Kept]) -> tuple[_Entry, _Rows, int]:
        entry, rows = _booked(batch, self._ledger)
        return entry, rows, len(batch)

    def _set_degraded(self, reason: str) -> None:
        if reason != self.degraded:
            self.degraded = reason
            if reason:
                log.error("store_degraded", error=reason)
            else:
                log.info("store_recovered", pending=len(self._pending))
            if self._on_degraded is not None:
                self._on_degraded(reason)

    def _expire_traces(self, now: float) -> None:
        assert self._db is not None
        try:
            self._db.execute(traces.EXPIRE, (now - self._trace_hours * 3600,))
        except sqlite3.Error as error:
            log.warning("trace_expiry_failed", error=str(error))

    def _expire_chat(self, now: float) -> None:
        if not self.chat_days:
            return
        assert self._db is not None
        try:
            self._db.execute(chat.EXPIRE, (now - self.chat_days * 86400,))
        except sqlite3.Error as error:
            log.warning("chat_expiry_failed", error=str(error))

    # -- recovery --------------------------------------------------------------------------------

    def _recover(self, db: sqlite3.Connection) -> int:
        """Close what was open when the switch died: the books end at its last event."""
        newest = db.execute("SELECT data FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        if newest is None or isinstance(decode_batch(newest[0])[-1], SwitchStopped):
            return 0
        ledger = Ledger()
        for (data,) in db.execute(
            "SELECT data FROM journal"
            " WHERE seq >= (SELECT max(seq) FROM journal WHERE starts) ORDER BY seq"
        ):
            for event in decode_batch(data):
                if isinstance(event, SwitchStarted):
                    ledger = Ledger()
                ledger.feed(event)
        open_count = ledger.open
        closing = [*ledger.closing_events(Reason.RESTART)]
        closing.append(SwitchStopped(ledger.last_at, Reason.RESTART))
        entry, rows = _booked(closing, ledger)
        db.execute("BEGIN IMMEDIATE")
        db.execute(_JOURNAL, entry)
        _write_rows(db, rows)
        db.execute("COMMIT")
        return open_count


def _when(event: AlertRaised | AlertAcknowledged | AlertCleared) -> float:
    return event.at


def _booked(batch: Sequence[Event | Kept], ledger: Ledger) -> tuple[_Entry, _Rows]:
    """The journal's entry of a batch, and the rows that it completes."""
    rows: _Rows = {}
    starts = False
    events: list[Event] = []
    for each in batch:
        event: Event
        made: Sequence[Row]
        if isinstance(each, Kept):
            event = each.event
            made = [*each.rows, *ledger.feed(event)]
        else:
            event = each
            made = ledger.feed(event)
        events.append(event)
        if type(event) is SwitchStarted:
            starts = True
        for row in made:
            values = rows.get(type(row))
            if values is None:
                values = rows[type(row)] = []
            values.append(astuple(row))
    at = events[0].at if events else 0.0
    return (at, len(events), starts, encode_batch(events).decode()), rows


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""The journal in SQLite, with a write-ahead log. See `store.writer`."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import fields

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.rows import AlertRecord, Pending, columns
from cicswitch.store import chat, contacts, recordings, tables, traces
from cicswitch.store.database import Batch, Rows
from cicswitch.store.tables import TABLES
from cicswitch.store.writer import StoreWriter

__all__ = ["SCHEMA_VERSION", "SqliteDatabase", "SqliteStore", "connect_reader"]

log = structlog.get_logger("store")

SCHEMA_VERSION: Final = 11


def _create_table(row: type, table: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {table} ({columns(row)})"


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


_BUSY_MS: Final = 1000
"""So long is waited for who writes the file besides us."""
LOG_BYTES: Final = 64 << 20
"""Four times what SQLite itself begins the log anew from, where nobody reads."""
_WAIT_MS: Final = 100
_LONGEST_WAIT_MS: Final = 2000
_HELD: Final = 4


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
_ALERT_TABLE = (
    "CREATE TABLE IF NOT EXISTS alert (alert TEXT PRIMARY KEY, ended_at REAL, data TEXT NOT NULL)"
)


def _write_rows(db: sqlite3.Connection, rows: Rows) -> None:
    for kind, values in rows.items():
        if kind is Pending:
            for interaction, data in values:
                if data:
                    db.execute(_PROMISE, (interaction, data))
                else:
                    db.execute(_DONE, (interaction,))
            continue
        moves = contacts.MOVES.get(kind)
        if moves is not None:
            for row in values:
                for move, fields_of in moves:
                    db.execute(move, [row[field] for field in fields_of])
            continue
        statement = tables.ALERT if kind is AlertRecord else contacts.put(kind)
        if statement:
            db.executemany(statement, values)
            after = contacts.AFTER.get(kind)
            if after is not None:
                db.execute(after)
            continue
        single, many = _INSERTS[kind]
        whole = len(values) - len(values) % _AT_ONCE
        for start in range(0, whole, _AT_ONCE):
            db.execute(many, [*chain.from_iterable(values[start : start + _AT_ONCE])])
        db.executemany(single, values[whole:])


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(
        path, check_same_thread=False, isolation_level=None, timeout=_BUSY_MS / 1000
    )
    db.execute(f"PRAGMA page_size = {_PAGE}")  # of a new database; others stay as they are
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ResourceError(
            f"{path} was written by a newer version (schema {version}, known: {SCHEMA_VERSION})"
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
        *(*traces.TABLES, *tables.INDEXES, _PENDING, _ALERT_TABLE, *chat.TABLES),
        *contacts.TABLES,
    ):
        db.execute(statement)
    if version in (1, 2):
        traces.take_over_version_2(db)
    if 0 < version < 6:
        db.execute(recordings.TAKE_OVER)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
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
        # Threads use it in turn, never two at the same time.
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        db.execute("SELECT 1 FROM journal LIMIT 1")
    except sqlite3.Error as error:
        raise ResourceError(f"{path} is no store of cicswitch: {error}") from None
    return db


class SqliteDatabase:
    """`store.database.Database` in a file."""

    def __init__(
        self, path: Path, synchronous: str = "full", *, log_bytes: int = LOG_BYTES
    ) -> None:
        self.path = path
        self._synchronous = synchronous
        self._db: sqlite3.Connection | None = None
        self._log = path.with_name(f"{path.name}-wal")
        self.log_bytes = log_bytes
        """From this size on the log is begun anew by force."""
        self._wait_ms = _WAIT_MS
        self._tidy_at = 0.0
        self._told = False

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection, while it is open."""
        assert self._db is not None
        return self._db

    def open(self) -> Reader:
        """See `Database`; errors are those of `sqlite3`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _connect(self.path, self._synchronous)
        return self._db

    def write(self, batch: Batch) -> None:
        """One transaction. Raises `ResourceError`."""
        db = self.reader
        try:
            db.execute("BEGIN IMMEDIATE")
            if batch.entry is not None:
                db.execute(_JOURNAL, batch.entry)
            _write_rows(db, batch.rows)
            if batch.ladders:
                db.executemany(traces.INSERT, batch.ladders)
            for statement, values in batch.said:
                db.execute(statement, values)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise ResourceError(str(error)) from None

    def tidy(self) -> None:
        """Begin the log anew where it has grown. SQLite does so by itself only if it finds a moment
        in which nobody reads; with readers who follow one another there is none, so they are waited
        for: not long, longer each time that it was in vain, and for a tenth of the time at most."""
        try:
            size = self._log.stat().st_size
        except OSError:
            return
        if size < self.log_bytes:
            self._wait_ms, self._told = _WAIT_MS, False
            return
        if time.monotonic() >= self._tidy_at:
            if self._begun_anew(self._wait_ms):
                return
            self._tidy_at = time.monotonic() + self._wait_ms / 100
            self._wait_ms = min(2 * self._wait_ms, _LONGEST_WAIT_MS)
        if size > _HELD * self.log_bytes and not self._told:
            self._told = True
            log.warning("store_log_held", bytes=size, hint="somebody reads without an end")

    def _begun_anew(self, wait_ms: int) -> bool:
        """Copy the log to its place and empty it. Who reads new things meanwhile waits for nobody,
        and nobody for him."""
        db = self.reader
        try:
            db.execute(f"PRAGMA busy_timeout = {wait_ms}")
            busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error:  # a full disk, say: the next batch tells
            return False
        finally:
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        return not busy

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._db is not None:
            self._begun_anew(_BUSY_MS)  # others may have it open: it is whole without its log
            self._db.close()
            self._db = None


class SqliteStore(StoreWriter):
    """The store in a file."""

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
        super().__init__(
            SqliteDatabase(path, synchronous),
            commit_ms=commit_ms,
            trace_hours=trace_hours,
            chat_days=chat_days,
            on_degraded=on_degraded,
        )
        self.path = path

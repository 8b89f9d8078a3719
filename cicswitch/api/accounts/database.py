"""The accounts' file: SQLite, mode 0600, WAL, every change on disk when it returns.

Everything here blocks. A connection belongs to one thread at a time; the switch and the command
line may have the file open at once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from cicswitch.api.accounts.model import Actor
from cicswitch.core.errors import ResourceError

__all__ = ["Database"]

SCHEMA = 1
_TABLES = (
    """CREATE TABLE account (
        name TEXT PRIMARY KEY, display_name TEXT NOT NULL, role TEXT NOT NULL, agent TEXT NOT NULL,
        disabled INTEGER NOT NULL, version INTEGER NOT NULL, created_at REAL NOT NULL,
        changed_at REAL NOT NULL, password TEXT NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE session (
        digest BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        created_at REAL NOT NULL, seen_at REAL NOT NULL, expires_at REAL NOT NULL,
        address TEXT NOT NULL, client TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX session_account ON session (account)",
    """CREATE TABLE token (
        digest BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES account ON DELETE CASCADE,
        label TEXT NOT NULL, scopes TEXT NOT NULL, created_at REAL NOT NULL, expires_at REAL,
        used_at REAL) WITHOUT ROWID""",
    "CREATE INDEX token_account ON token (account)",
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, who TEXT NOT NULL,
        via TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL)""",
    """CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
    """CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END""",
)


class Database:
    """The file, open. `changing()` brackets a change, `note` adds to the audit log in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self.generation = 0
        """One more with every change by this connection."""

    @property
    def db(self) -> sqlite3.Connection:
        """The connection. Raises `ResourceError` while the file is not open."""
        if self._db is None:
            raise ResourceError(f"the accounts in {self.path} are not open")
        return self._db

    def open(self) -> None:
        """Open the file, or make it. Raises `ResourceError` in one line; idempotent."""
        if self._db is not None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its other files the mode of this one.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            db = sqlite3.connect(
                self.path, timeout=10, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise ResourceError(f"cannot open the accounts in {self.path}: {error}") from None
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            self._db = db
            self._prepare(db)
        except (sqlite3.Error, ResourceError) as error:
            self._db = None
            db.close()
            raise ResourceError(f"cannot open the accounts in {self.path}: {error}") from None

    def _prepare(self, db: sqlite3.Connection) -> None:
        with self.changing():
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > SCHEMA:
                raise ResourceError(f"they are of a later version (schema {version})")
            if not version:
                for statement in _TABLES:
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {SCHEMA}")

    def close(self) -> None:
        """Close. Idempotent."""
        if self._db is not None:
            self._db.close()
            self._db = None

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """A change: on disk as a whole at the end of the block, or not at all."""
        db = self.db
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise ResourceError(f"the accounts cannot be written: {error}") from None
        finally:
            self.generation += 1

    def rows(self, query: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        try:
            return self.db.execute(query, arguments).fetchall()
        except sqlite3.Error as error:
            raise ResourceError(f"the accounts cannot be read: {error}") from None

    def note(
        self, actor: Actor, now: float, action: str, target: str, before: Any, after: Any
    ) -> None:
        """Add to the audit log, in the change that it tells of."""
        self.db.execute(
            "INSERT INTO audit (at, who, via, address, action, target, before, after)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(now, actor.who, actor.via, actor.address, action, target),
                *(msgspec.json.encode(value, enc_hook=str).decode() for value in (before, after)),
            ),
        )

"""The journal in PostgreSQL: the connection that writes.

It lives in a loop of the writer's thread, so the loop that calls run in never waits for a server.

Authority. Who holds the advisory lock of the database writes; it goes with the connection, so what
is written without it cannot be. A second switch is refused at its start.

A commit whose answer was lost. Each transaction sets the number of its batch in the table
`cicswitch`. After a failure the next connection first gets the lock, which the old one lets go of
when its transaction is over, one way or the other, and then looks at the number: the batch is there
or it is not. A number of somebody else's means that another switch has had the database since: this
one writes no more.

What SQLite takes and PostgreSQL does not (a NUL in a text, a text too long for an index) must not
hold up all that is written together: such a batch is written with these put right.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.rows import AlertRecord, Pending
from cicswitch.runtime.place import Postgres
from cicswitch.store import contacts, tables, traces
from cicswitch.store.asking import ERRORS, Answer, connect, given, in_words, refused
from cicswitch.store.database import Batch
from cicswitch.store.postgres_clean import clean, without_nul
from cicswitch.store.postgres_schema import (
    DONE,
    INSERTS,
    JOURNAL,
    PROMISE,
    VERSION,
    added_columns,
    statements,
)
from cicswitch.store.sql import numbered
from cicswitch.store.tables import TABLES

__all__ = ["PostgresDatabase"]

log = structlog.get_logger("store")

T = TypeVar("T")
LOCK: Final = 0x6369637377  # "cicsw"
LOCK_WAIT_S = 5.0
"""A switch that was killed has its lock until the server notices."""
_STATEMENT_S: Final = 60.0
_OLDEST: Final = 140000

_STATE: Final = (
    "CREATE TABLE IF NOT EXISTS cicswitch (one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),"
    " version INTEGER NOT NULL, run TEXT NOT NULL, batch BIGINT NOT NULL)"
)
_TAKEN: Final = (
    "INSERT INTO cicswitch (version, run, batch) VALUES ($1, $2, 0)"
    " ON CONFLICT (one) DO UPDATE SET version = $1, run = $2, batch = 0"
)
_HOLDER: Final = (
    "SELECT host(client_addr), to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS')"
    " FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = $1::bigint >> 32 AND objid = $1::bigint & 4294967295"
)
_DURABLE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false), current_setting('fsync')"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
)
# What the server does not take, and (ValueError) what its client does not.
_SPOILT: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError)


@contextlib.asynccontextmanager
async def _transaction(connection: Any) -> AsyncIterator[None]:
    """A transaction. That of asyncpg tells of its own end where the connection was cut, and no more
    of why."""
    await connection.execute("BEGIN;")
    try:
        yield
    except BaseException:
        if not connection.is_closed():
            with contextlib.suppress(*ERRORS):
                await connection.execute("ROLLBACK;")
        raise
    await connection.execute("COMMIT;")


class _Own:
    """What asks on the connection that writes."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Answer:
        """Ask, or change. Raises `ResourceError`."""
        return Answer(self._database.fetch(query, values))


class Bulk:
    """Rows by the thousand, within a transaction."""

    def __init__(self, connection: Any, do: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._connection = connection
        self._do = do

    def rows(self, table: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
        """Put them."""
        put = self._connection.copy_records_to_table
        self._do(put(table, records=rows, columns=names, timeout=_STATEMENT_S))

    def clear(self, table: str) -> None:
        """Remove all rows of a table."""
        self._do(self._connection.execute(f"DELETE FROM {table}"))

    def count(self, table: str) -> int:
        """How many it has."""
        return int(self._do(self._connection.fetchval(f"SELECT count(*) FROM {table}")))

    def go_on(self, table: str, column: str) -> None:
        """Give numbers behind those that are there."""
        last = f"(SELECT coalesce(max({column}), 0) + 1 FROM {table})"
        query = f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), {last}, false)"
        self._do(self._connection.execute(query))


class PostgresDatabase:
    """`store.database.Database` on a server."""

    def __init__(self, place: Postgres) -> None:
        self.place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Any = None
        self._run = ""
        """What tells this run from every other; "": it has not begun."""
        self._batch = 0
        """The number of the last batch that is known to be written."""
        self._doubt = False
        """Whether the one after it may be."""

    @property
    def name(self) -> str:
        """Where it is, without the password."""
        return str(self.place)

    # -- `Database` ------------------------------------------------------------------------------

    def open(self) -> Reader:
        """See `Database`."""
        self._loop = asyncio.new_event_loop()
        self._run, self._batch, self._doubt = "", 0, False
        try:
            self._do(self._begin())
        except ERRORS as error:
            self.close()
            text = f"the store {self.name} cannot be opened: {in_words(error)}"
            raise ResourceError(text) from None
        except ResourceError as error:
            self.close()
            raise ResourceError(f"the store {self.name} cannot be opened: {error}") from None
        return _Own(self)

    def write(self, batch: Batch) -> None:
        """See `Database`."""
        if not (batch.entry or batch.rows or batch.ladders or batch.said):
            return  # somebody waits for what is written already
        try:
            self._do(self._written(batch))
        except ResourceError:
            raise
        except Exception as error:  # whatever it is: the batch is kept, and people see why
            raise ResourceError(in_words(error)) from None

    def tidy(self) -> None:
        """The server does that by itself."""

    def close(self) -> None:
        """Close the connection, and with it let go of the lock. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        if self._connection is not None:
            with contextlib.suppress(*ERRORS):
                loop.run_until_complete(self._connection.close(timeout=2))
            self._connection = None
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def fetch(self, query: str, values: Sequence[Any]) -> list[Any]:
        """Ask, or change a row. Raises `ResourceError`."""
        try:
            return self._do(self._fetched(numbered(query), values))
        except ERRORS as error:
            raise refused(error, self.place) from None

    @contextlib.contextmanager
    def at_once(self) -> Iterator[Bulk]:
        """Put rows by the thousand, in one transaction. Raises `ResourceError`."""
        try:
            transaction = _transaction(self._connection)
            self._do(transaction.__aenter__())
            try:
                yield Bulk(self._connection, self._do)
            except BaseException as error:
                with contextlib.suppress(type(error)):
                    self._do(transaction.__aexit__(type(error), error, None))
                raise
            self._do(transaction.__aexit__(None, None, None))
        except ERRORS as error:
            raise refused(error, self.place) from None

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._loop is not None
        return self._loop.run_until_complete(work)

    # -- connections -----------------------------------------------------------------------------

    async def _begin(self) -> None:
        connection = await self._connected()
        number = int(await connection.fetchval("SHOW server_version_num"))
        if number < _OLDEST:
            raise ResourceError(f"it is PostgreSQL {number // 10000}, and 14 is the oldest")
        if await connection.fetchval("SHOW fsync") == "off":
            log.warning("postgres_without_fsync", store=self.name)
        async with _transaction(connection):
            await connection.execute(_STATE)
            version = await connection.fetchval("SELECT version FROM cicswitch") or 0
            if version > VERSION:
                raise ResourceError(
                    f"it was written by a newer version (schema {version}, known: {VERSION})"
                )
            if version < VERSION:
                for statement in statements(version):
                    await connection.execute(statement)
            for row, table in TABLES.items():
                found = await connection.fetch(
                    "SELECT attname::text FROM pg_attribute"
                    " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
                    table,
                )
                for statement in added_columns(row, table, {each[0] for each in found}):
                    await connection.execute(statement)
            self._run = secrets.token_hex(8)
            await connection.execute(_TAKEN, VERSION, self._run)

    async def _connected(self) -> Any:
        """The connection, with the lock: the one that is there, or another."""
        for _ in range(3):  # the loop has stood still: a server that has gone meanwhile is noticed
            await asyncio.sleep(0)
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await connect(self.place, _STATEMENT_S)
        try:
            await connection.execute(f"SET lock_timeout = '{LOCK_WAIT_S * 1000:.0f}ms'")
            try:
                await connection.execute(f"SELECT pg_advisory_lock({LOCK})")
            except asyncpg.LockNotAvailableError:
                raise ResourceError(await self._held(connection)) from None
            await connection.execute("RESET lock_timeout")
            await connection.execute(_DURABLE)
            if self._run:
                await self._compared(connection)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection

    async def _held(self, connection: Any) -> str:
        """Who has the lock, in words."""
        found = None if self._run else await connection.fetchrow(_HOLDER, LOCK)
        who = f", from {found[0] or 'this machine'} since {found[1]}" if found else ""
        return f"another switch writes to it already{who}: each needs a database of its own"

    async def _compared(self, connection: Any) -> None:
        """Whether the batch in doubt is there. Raises `ResourceError` if the database is no more
        ours."""
        found = await connection.fetchrow("SELECT run, batch FROM cicswitch")
        if found is None or found[0] != self._run:
            raise ResourceError(
                "another switch has written to it since: stop one of them and start this one again"
            )
        if found[1] < self._batch:
            log.error("store_commits_gone", batches=self._batch - found[1], store=self.name)
        self._batch, known = found[1], self._batch
        self._doubt = self._doubt and self._batch == known + 1

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _fetched(self, query: str, values: Sequence[Any]) -> list[Any]:
        connection = await self._connected()
        return await connection.fetch(query, *given(values))  # type: ignore[no-any-return]  # records

    # -- a batch ---------------------------------------------------------------------------------

    async def _written(self, batch: Batch) -> None:
        connection = await self._connected()
        if self._doubt:  # and it is there: the answer to its commit was lost
            self._doubt = False
            log.info("store_commit_found", batch=self._batch)
            return
        self._doubt = True
        try:
            try:
                await self._transaction(connection, batch)
            except _SPOILT as error:
                log.warning("store_batch_put_right", error=str(error).split("\n")[0])
                await self._transaction(connection, clean(batch))
        except BaseException:
            # Whether it is written, the number tells the next connection.
            self._drop()
            raise
        self._doubt = False
        self._batch += 1

    async def _transaction(self, connection: Any, batch: Batch) -> None:
        async with _transaction(connection):
            await connection.execute("UPDATE cicswitch SET batch = $1", self._batch + 1)
            if batch.entry is not None:
                at, events, starts, data = batch.entry
                await connection.execute(numbered(JOURNAL), at, events, starts, without_nul(data))
            for kind, values in batch.rows.items():
                if kind is Pending:
                    await self._promise(connection, values)
                    continue
                moves = contacts.MOVES.get(kind)
                if moves is not None:
                    for row in values:
                        for move, fields in moves:
                            await connection.execute(numbered(move), *(row[n] for n in fields))
                    continue
                statement = tables.ALERT if kind is AlertRecord else contacts.put(kind)
                await connection.executemany(numbered(statement or INSERTS[kind]), values)
                if after := contacts.AFTER.get(kind):
                    await connection.execute(numbered(after))
            if batch.ladders:
                await connection.executemany(numbered(traces.INSERT), batch.ladders)
            for said, own in batch.said:
                await connection.execute(numbered(said), *own)

    @staticmethod
    async def _promise(connection: Any, values: list[tuple[Any, ...]]) -> None:
        last: dict[str, str] = {}
        for interaction, data in values:
            last.pop(interaction, None)  # the order is that of the last ones
            last[interaction] = data
        done = [(interaction,) for interaction, data in last.items() if not data]
        kept = [each for each in last.items() if each[1]]
        if done:
            await connection.executemany(numbered(DONE), done)
        if kept:
            await connection.executemany(numbered(PROMISE), kept)

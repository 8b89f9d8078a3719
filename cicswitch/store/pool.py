"""Connections that read from PostgreSQL: few, shared by the threads of this process.

asyncpg lives in a loop, and who asks sits in a thread of his own; so the connections have a loop in
one thread more. They cannot write. One that was cut is thrown away, and the next who asks gets a
new one.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, Final, TypeVar

import asyncpg

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.runtime.place import Postgres
from cicswitch.store.asking import CONNECT_S, ERRORS, Answer, given, refused, settings
from cicswitch.store.sql import numbered

__all__ = ["ReaderPool", "close_pool", "pool_of"]

T = TypeVar("T")
_MOST: Final = 8
_STATEMENT_S: Final = 60.0
_IDLE_S: Final = 60.0


class _Asked:
    """A connection while somebody has it."""

    def __init__(self, pool: ReaderPool, connection: Any) -> None:
        self._pool = pool
        self._connection = connection

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Answer:
        """Ask. Raises `ResourceError`."""
        return Answer(self._pool.run(self._connection.fetch(numbered(query), *given(values))))


class ReaderPool:
    """The connections to one place. `close` is idempotent."""

    def __init__(self, place: Postgres) -> None:
        self.place = place
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="store-readers", daemon=True)
        self._thread.start()
        self._closed = False
        self._taking = threading.Lock()
        """What is handed to the loop is in it before it is told to stop, or is not handed over."""
        self._stopped = False
        self._pool: Any = None
        try:
            self._pool = self.run(self._made())
        except ResourceError:
            self.close()
            raise

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)  # somebody waits for each
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _made(self) -> Any:
        return await asyncpg.create_pool(
            self.place.reveal(),
            min_size=0,
            max_size=_MOST,
            max_inactive_connection_lifetime=_IDLE_S,
            timeout=CONNECT_S,
            command_timeout=_STATEMENT_S + 5,
            server_settings={**settings(_STATEMENT_S), "default_transaction_read_only": "on"},
            reset=_nothing,
        )

    async def _taken(self) -> Any:
        return await self._pool.acquire(timeout=_STATEMENT_S)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done in the connections' thread. Raises `ResourceError`."""
        with self._taking:
            if self._stopped:
                work.close()
                raise ResourceError(f"{self.place} is not asked any more")
            asked = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return asked.result(2 * _STATEMENT_S)
        except CancelledError:
            raise ResourceError(f"{self.place} is not asked any more") from None
        except ERRORS as error:
            raise refused(error, self.place) from None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        """A connection. Raises `ResourceError`."""
        connection = self.run(self._taken())
        try:
            yield _Asked(self, connection)
        finally:
            with contextlib.suppress(ResourceError):  # it is cut: the pool knows
                self.run(self._pool.release(connection, timeout=CONNECT_S))

    def close(self) -> None:
        """End the connections and their thread."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):  # they go with the loop, in order or not
            self.run(self._ended())
        with self._taking:
            self._stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=CONNECT_S)

    async def _ended(self) -> None:
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_S)
        except TimeoutError:
            self._pool.terminate()


async def _nothing(_: Any) -> None:
    """A connection that only reads leaves nothing behind."""


_pools: dict[Postgres, ReaderPool] = {}
_lock = threading.Lock()


def pool_of(place: Postgres) -> ReaderPool:
    """The connections of this process to a place."""
    with _lock:
        found = _pools.get(place)
        if found is None:
            found = _pools[place] = ReaderPool(place)
        return found


def close_pool(place: Postgres) -> None:
    """End them. Idempotent."""
    with _lock:
        found = _pools.pop(place, None)
    if found is not None:
        found.close()


@atexit.register
def _close_all() -> None:
    for place in list(_pools):
        close_pool(place)

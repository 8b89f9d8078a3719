"""What is known of customers and of agents' days, for the API: read from the store in threads of
their own, so that a slow disk holds up no call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.rows import AgentSegment, HandledRecord, NoteRecord
from cicswitch.runtime.place import Place
from cicswitch.store import history, people
from cicswitch.store.history import Past
from cicswitch.store.reader import reading

__all__ = ["Customers"]

T = TypeVar("T")
_WAITING: Final = 64


class Customers:
    """The store's memory of people."""

    def __init__(self, store: Callable[[], Place]) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(2, "customers")
        self._waiting = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def contacts(
        self, addresses: Sequence[str], limit: int, before: tuple[float, int] | None
    ) -> tuple[list[tuple[Past, bool]], tuple[float, int] | None]:
        """Contacts of who has these addresses, newest first, with whether a recording is there, and
        the place to go on behind. Raises `ResourceError`.
        """

        def work(
            db: Reader,
        ) -> tuple[list[tuple[Past, bool]], tuple[float, int] | None]:
            found, after = history.contacts(db, addresses, limit, before)
            return [(each, _there(each.recordings)) for each in found], after

        return await self._ask(work)

    async def found(
        self, text: str, limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, str]]:
        """Names and keys of persons who have a text in what they are found by, by their names.
        Raises `ResourceError`.
        """
        return await self._ask(lambda db: people.found(db, text, limit, after))

    async def note(self, interaction: str) -> NoteRecord | None:
        """The note to an interaction as it is on disk. Raises `ResourceError`."""
        return await self._ask(lambda db: history.note(db, interaction))

    async def agent_of(self, interaction: str) -> str | None:
        """Who handled a contact that is over; None: there is none. Raises `ResourceError`."""
        return await self._ask(lambda db: history.agent_of(db, interaction))

    async def agent_day(
        self, agent: str, since: float
    ) -> tuple[list[AgentSegment], list[HandledRecord]]:
        """An agent's time and what he handled since then. Raises `ResourceError`."""
        return await self._ask(lambda db: history.agent_day(db, agent, since))

    async def _ask(self, work: Callable[[Reader], T]) -> T:
        if self._waiting >= _WAITING:
            raise ResourceError("too many ask the store at the same time")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read, work)
        finally:
            self._waiting -= 1

    def _read(self, work: Callable[[Reader], T]) -> T:
        with reading(self._store()) as db:
            return work(db)


def _there(paths: tuple[str, ...]) -> bool:
    try:
        return any(Path(path).is_file() for path in paths)
    except (OSError, ValueError):
        return False

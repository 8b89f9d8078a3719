"""What colleagues write to one another: kept by the store's writer, told to those concerned only.

A room is `direct:A:B` (two accounts, in order), `queue:NAME` (its agents and all supervisors) or
`supervisors`: everybody may write to these, and of what is there sees what he wrote himself.
A message has a name that its sender gave, so that one that is sent again is not there twice, and a
number that grows. It is told, and answered, once it is on disk; who was away asks for all after the
last number that he has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cicswitch.core.errors import Conflict, ResourceError
from cicswitch.ports import Reader
from cicswitch.records.chat import Listener, Said
from cicswitch.runtime.place import Place
from cicswitch.store import chat
from cicswitch.store.reader import reading
from cicswitch.store.writer import StoreWriter

__all__ = ["Chat"]

T = TypeVar("T")
_STORED_S = 10.0
_BEHIND = 200
_WAITING = 256


class Chat:
    """The rooms of one switch."""

    def __init__(self, store: StoreWriter, place: Callable[[], Place], now: Callable[[], float]):
        self._store = store
        self._place = place
        self._now = now
        self._threads = ThreadPoolExecutor(1, "chat")
        self._waiting = 0
        self._sending: dict[tuple[str, str], tuple[str, str, asyncio.Task[Said]]] = {}
        self.listeners: set[Listener] = set()

    def close(self) -> None:
        """End the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def online(self) -> set[str]:
        """The accounts that are told at once."""
        return {each.account for each in self.listeners}

    async def send(self, sender: str, room: str, text: str, name: str) -> Said:
        """Keep a message and tell it. The same again is the same message.

        Raises `Conflict` for another one under this name, `ResourceError`.
        """
        key = (sender, name)
        known = self._sending.get(key)
        if known is None:
            task = asyncio.create_task(self._keep(sender, room, text, name), name="chat-message")
            known = self._sending[key] = (room, text, task)
            task.add_done_callback(lambda _: self._sending.pop(key, None))
        try:
            found = await asyncio.wait_for(asyncio.shield(known[2]), _STORED_S)
        except TimeoutError:
            told = self._store.degraded or "it is not on disk yet"
            raise ResourceError(f"{told}: send it again under the same id") from None
        if (found.room, found.text) != (room, text):
            raise Conflict("another message has this id already")
        return found

    async def _keep(self, sender: str, room: str, text: str, name: str) -> Said:
        found = await self._ask(lambda db: chat.by_id(db, sender, name))
        if found is not None:
            return found
        made = Said(self._store.chat_seq + 1, self._now(), room, sender, name, text)
        self._store.append_chat(
            chat.ADD, (made.seq, made.at, made.room, made.sender, made.id, made.text)
        )
        self._store.chat_seq = made.seq
        await self._store.committed()
        for listener in self.listeners:
            if listener.wants(room, sender):
                if len(listener.news) >= _BEHIND:
                    listener.news.clear()
                    listener.missed = True
                listener.news.append(made)
                listener.wake()
        return made

    async def read(self, account: str, room: str, seq: int) -> None:
        """Somebody has read up to a number; on disk when this returns. Raises `ResourceError`."""
        self._store.append_chat(chat.READ, (account, room, min(seq, self._store.chat_seq)))
        try:
            await asyncio.wait_for(self._store.committed(), _STORED_S)
        except TimeoutError:
            raise ResourceError(self._store.degraded or "it is not on disk yet") from None

    async def said(
        self,
        rooms: Sequence[str],
        own_in: Sequence[str],
        me: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Said]:
        """Messages: see `store.chat.said`. Raises `ResourceError`."""
        return await self._ask(
            lambda db: chat.said(db, rooms, own_in, me, after=after, before=before, limit=limit)
        )

    async def counts(self, rooms: Sequence[str], me: str) -> dict[str, tuple[int, int]]:
        """Unread, and the last number, of each room. Raises `ResourceError`."""
        return await self._ask(lambda db: chat.counts(db, rooms, me))

    async def _ask(self, work: Callable[[Reader], T]) -> T:
        def asked() -> T:
            with reading(self._place()) as db:
                return work(db)

        if self._waiting >= _WAITING:
            raise ResourceError(f"{_WAITING} questions wait already")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, asked)
        finally:
            self._waiting -= 1

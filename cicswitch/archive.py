"""Conversations on disk, for the switch and the API: read in threads of their own, so that a slow
disk holds up no call.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from cicswitch.attachments.files import Attachments
from cicswitch.contacts.messages import Attachment, Message
from cicswitch.core.errors import ResourceError
from cicswitch.ports import Accepted, Reader
from cicswitch.records.rows import ConversationRecord, FaxRecord, OutboxRecord
from cicswitch.runtime.place import Place
from cicswitch.store import contacts
from cicswitch.store.reader import reading

__all__ = ["Archive"]

T = TypeVar("T")
_THREADS: Final = 2
_WAITING: Final = 256


class Archive:
    """`ports.Archive`, and what people look up. All of it may raise `ResourceError`."""

    def __init__(self, path: Path, attachments: Attachments, place: Place | None = None) -> None:
        self._path = path
        self._place = place or path
        """Where the store is; its secrets are beside `path`."""
        self.attachments = attachments
        """The files of messages."""
        self._threads = ThreadPoolExecutor(_THREADS, "archive")
        self._waiting = 0

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def known(self, channel: str, external: str) -> Accepted | None:
        """What the store has under this name of the medium's."""
        found = await self._ask(lambda db: contacts.known(db, channel, external))
        return None if found is None else Accepted(*found, again=True)

    async def conversation(self, name: str) -> ConversationRecord | None:
        """A conversation as it stands on disk."""
        return await self._ask(lambda db: contacts.conversation(db, name))

    async def heir(self, message: str, name: str) -> str:
        """Where an answer belongs to a message that was written in this conversation."""
        return await self._ask(lambda db: contacts.heir(db, message, name))

    async def answered(self, channel: str, names: Sequence[str]) -> ConversationRecord | None:
        """The conversation of the first message that the medium knows by one of these names, or by
        one of these before a `#`."""
        return await self._ask(lambda db: contacts.answered(db, channel, names))

    def key(self, channel: str) -> bytes:
        """A secret of a channel's, in a file beside the store; made at the first time."""
        path = self._path.with_name(f"{self._path.stem}-{channel}.key")
        try:
            if path.exists():
                return bytes.fromhex(path.read_text("ascii").strip())
            made = secrets.token_bytes(32)
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(made.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            return made
        except (OSError, ValueError) as error:
            raise ResourceError(f"the key {path}: {error}") from None

    def aside(self, channel: str) -> Path:
        """A folder of a channel's own beside the store."""
        return self._path.with_name(f"{self._path.stem}-{channel}.files")

    async def by_token(self, channel: str, digest: str) -> ConversationRecord | None:
        """The conversation that a secret belongs to, by its SHA-256."""
        return await self._ask(lambda db: contacts.by_token(db, channel, digest))

    async def conversations(
        self, limit: int, before: tuple[float, int] | None = None, **wanted: str
    ) -> list[tuple[int, ConversationRecord]]:
        """Conversations with their rows, the one that was written in last first."""
        return await self._ask(lambda db: contacts.conversations(db, limit, before, **wanted))

    async def messages(self, name: str, after: int = 0, limit: int = 200) -> list[Message]:
        """Messages of a conversation behind a number, in order."""
        return await self._ask(lambda db: contacts.messages(db, name, after, limit))

    async def attachment(self, conversation: str, digest: str) -> Attachment | None:
        """A file of a message of a conversation."""
        return await self._ask(lambda db: contacts.attachment(db, conversation, digest))

    async def message(self, name: str) -> Message | None:
        """A message."""
        return await self._ask(lambda db: contacts.message(db, name))

    async def fax(self, name: str) -> FaxRecord | None:
        """A fax."""
        return await self._ask(lambda db: contacts.fax(db, name))

    async def faxes(
        self, limit: int, before: tuple[float, int] | None = None, **wanted: str
    ) -> list[tuple[int, FaxRecord]]:
        """Faxes with their rows, the latest first."""
        return await self._ask(lambda db: contacts.faxes(db, limit, before, **wanted))

    async def outbox(self) -> list[OutboxRecord]:
        """What is not delivered yet, or never will be."""
        return await self._ask(contacts.outbox)

    async def _ask(self, work: Callable[[Reader], T]) -> T:
        if self._waiting >= _WAITING:
            raise ResourceError("too many ask the store at the same time")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)
        finally:
            self._waiting -= 1

    def _read(self, work: Callable[[Reader], T]) -> T:
        with reading(self._place) as db:
            return work(db)

"""Files of a page's visitor: his secret opens those of his own chat, and no other."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from litestar.types import Receive

from cicswitch.api.context import Api
from cicswitch.api.endpoint import Answer, encode
from cicswitch.api.files import attachment_view, given_out
from cicswitch.api.problems import Problem
from cicswitch.api.sending import Flow
from cicswitch.core.errors import CommandError
from cicswitch.records.rows import ConversationRecord

__all__ = ["VisitorFiles"]


class VisitorFiles:
    """Of one request."""

    def __init__(self, api: Api, widget: str, authorization: str) -> None:
        self._api = api
        self._channel = api.config.widget[widget].chat
        kind, _, secret = authorization.partition(" ")
        if kind.lower() != "bearer" or len(secret) < 32:
            raise Problem(401, "the secret of a chat is missing")
        self._digest = hashlib.sha256(secret.strip().encode()).hexdigest()

    async def _talk(self) -> ConversationRecord:
        found = await self._api.switch.archive.by_token(self._channel, self._digest)
        if found is None:
            raise Problem(409, "nothing was said in this chat yet")
        return found

    async def take(self, name: str, receive: Receive) -> bytes:
        """Keep a file that he wants to send; what is known of it, as JSON."""
        talk = await self._talk()
        if talk.id not in self._api.switch.conductor.contacts.by_conversation:
            raise Problem(409, "the chat has ended: write first")
        attachments = self._api.switch.attachments
        made = await attachments.keep(_pieces(receive), name, clean=True)
        if not made.size:
            raise CommandError("the file is empty")
        await attachments.offer(self._digest, made)
        return encode(attachment_view(made))

    async def give(self, digest: str, headers: Mapping[str, str]) -> Answer[Flow]:
        """A file of a message of his chat."""
        talk = await self._talk()
        found = await self._api.switch.archive.attachment(talk.id, digest)
        if found is None:
            raise Problem(404, "there is no such file in this chat")
        return await given_out(self._api.switch.attachments, found, headers)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "the request was cut off")
        yield message.get("body", b"")
        more = message.get("more_body", False)

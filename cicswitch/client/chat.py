"""Methods about what colleagues write to one another."""

from __future__ import annotations

from collections.abc import AsyncIterator

from cicswitch.api.shapes.chat import ChatMessage, ChatMessages, ChatRead, ChatRoom, ChatText
from cicswitch.client.wire import Wire

__all__ = ["ChatCalls"]


class ChatCalls(Wire):
    """Chat."""

    def chat_rooms(self) -> AsyncIterator[ChatRoom]:
        """Colleagues and teams to write to."""
        return self.each("/chat", ChatRoom)

    async def chat_messages(
        self, to: str = "", *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> ChatMessages:
        """Messages of a room, or of all, after a number or before one."""
        query = {"to": to, "after": after, "before": before, "limit": limit}
        return await self.call("GET", "/chat/messages", ChatMessages, query=query)

    async def send_chat(self, to: str, text: str, id: str) -> ChatMessage:  # noqa: A002  # its name
        """Write to `account:NAME`, `queue:NAME` or `supervisors`; the same `id` again is the same
        message."""
        body = ChatText(to, text, id)
        return await self.call("POST", "/chat/messages", ChatMessage, body=body, keyed=False)

    async def read_chat(self, to: str, seq: int) -> None:
        """Say up to where one has read."""
        body = ChatRead(to, seq)
        await self.call("POST", "/chat/read", type(None), body=body, keyed=False)

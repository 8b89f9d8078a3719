"""Methods about conversations in writing, tasks and channels."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Any

from cicswitch.api.shapes.conversations import (
    Answers,
    AnswerView,
    AttachmentView,
    ChannelTested,
    ChannelView,
    ConversationView,
    Drafting,
    DraftView,
    Merging,
    MessageView,
    OpenConversations,
    OutboxView,
    Reading,
    Splitting,
    StartBody,
    StartingChannels,
    StartingView,
    TaskBody,
    TaskTaken,
    Writing,
)
from cicswitch.api.shapes.interactions import DueDate, InteractionView, Snoozing
from cicswitch.client.wire import Wire, part

__all__ = ["ConversationCalls"]


class ConversationCalls(Wire):
    """Chats, emails, tasks: taken, read, answered, finished."""

    async def take(self, interaction: str) -> InteractionView:
        """Take what one's own agent is offered."""
        path = "/interactions/{interaction}/take"
        return await self.call("POST", path, InteractionView, interaction=interaction)

    async def reject(self, interaction: str) -> InteractionView:
        """Decline it; it keeps its place."""
        path = "/interactions/{interaction}/reject"
        return await self.call("POST", path, InteractionView, interaction=interaction)

    async def finish(self, interaction: str, *, tag: Any = None) -> None:
        """End it; the wrap-up begins."""
        path = "/interactions/{interaction}/finish"
        await self.call("POST", path, type(None), tag=tag, interaction=interaction)

    async def snooze(
        self, interaction: str, until: float | None = None, *, preset: Any = None, tag: Any = None
    ) -> InteractionView:
        """Put it aside until a time, or by a preset: `hour`, `tomorrow`."""
        path, body = "/interactions/{interaction}/snooze", Snoozing(until=until, preset=preset)
        answer = InteractionView
        return await self.call("POST", path, answer, body=body, tag=tag, interaction=interaction)

    async def wake(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Have one back now that was put aside."""
        path = "/interactions/{interaction}/wake"
        return await self.call("POST", path, InteractionView, tag=tag, interaction=interaction)

    async def set_due(
        self, interaction: str, due_at: float | None = None, *, tag: Any = None
    ) -> InteractionView:
        """Say until when it is to be answered; None: as its queue says."""
        path, body = "/interactions/{interaction}/due", DueDate(due_at)
        answer = InteractionView
        return await self.call("POST", path, answer, body=body, tag=tag, interaction=interaction)

    def conversations(
        self, *, customer: str = "", agent: str = "", channel: str = ""
    ) -> AsyncIterator[ConversationView]:
        """Conversations, the one that was written in last first."""
        query = {"customer": customer, "agent": agent, "channel": channel}
        return self.each("/conversations", ConversationView, query)

    async def start_conversation(self, message: StartBody) -> ConversationView:
        """Write to a customer who has not written; it is on disk when this returns."""
        return await self.call("POST", "/conversations", ConversationView, body=message)

    async def conversation(self, conversation: str) -> ConversationView:
        """A conversation."""
        path = "/conversations/{conversation}"
        return await self.call("GET", path, ConversationView, conversation=conversation)

    async def messages(
        self, conversation: str, *, after: int = 0, limit: int = 200
    ) -> list[MessageView]:
        """Its messages behind a number, in order."""
        return await self.call(
            *("GET", "/conversations/{conversation}/messages", list[MessageView]),
            query={"after": after, "limit": limit},
            conversation=conversation,
        )

    async def write(
        self,
        conversation: str,
        text: str,
        attachments: Sequence[str] = (),
        *,
        subject: str = "",
    ) -> MessageView:
        """Write to the customer, with files that were uploaded, by their digests; it is on disk
        when this returns."""
        path = "/conversations/{conversation}/messages"
        body = Writing(text=text, subject=subject, attachments=list(attachments))
        return await self.call("POST", path, MessageView, body=body, conversation=conversation)

    async def upload(
        self, conversation: str, name: str, file: bytes | AsyncIterable[bytes]
    ) -> AttachmentView:
        """Upload a file, for a message of this conversation within a day; "": of a new one."""
        query = {"conversation": conversation, "name": name}
        return await self.send("POST", "/attachments", AttachmentView, file, query)

    async def attachment(
        self, conversation: str, digest: str, begin: int = 0, end: int | None = None
    ) -> bytes:
        """A file of its messages, or the bytes of it from `begin` to before `end`."""
        path = "/conversations/{conversation}/attachments/{digest}"
        headers = part(begin, end)
        return await self.fetch(path, headers, conversation=conversation, digest=digest)

    async def answers(self, conversation: str) -> list[AnswerView]:
        """The texts of the configuration that are at hand for it, with their fields filled in."""
        path = "/conversations/{conversation}/answers"
        return (await self.call("GET", path, Answers, conversation=conversation)).items

    async def html(self, conversation: str, message: str) -> bytes:
        """What a message of an email looks like: a document that can do nothing."""
        path = "/conversations/{conversation}/messages/{message}/html"
        return await self.fetch(path, {}, conversation=conversation, message=message)

    async def draft(self, conversation: str) -> DraftView:
        """The answer that is being written."""
        path = "/conversations/{conversation}/draft"
        return await self.call("GET", path, DraftView, conversation=conversation)

    async def keep_draft(
        self, conversation: str, text: str, *, subject: str = "", tag: Any = None
    ) -> DraftView:
        """Keep an answer so far; empty, it is thrown away."""
        path, body = "/conversations/{conversation}/draft", Drafting(text=text, subject=subject)
        answer = DraftView
        return await self.call("PUT", path, answer, body=body, tag=tag, conversation=conversation)

    async def mergeable(self, conversation: str) -> list[ConversationView]:
        """The open conversations with which it can be made one."""
        path = "/conversations/{conversation}/mergeable"
        answer = await self.call("GET", path, OpenConversations, conversation=conversation)
        return answer.items

    async def merge(self, conversation: str, other: str) -> ConversationView:
        """Make one of two open conversations: the one that stays."""
        path, body = "/conversations/{conversation}/merge", Merging(conversation=other)
        answer = ConversationView
        return await self.call("POST", path, answer, body=body, conversation=conversation)

    async def split(
        self, conversation: str, message: str, *, subject: str = ""
    ) -> ConversationView:
        """Make a conversation of its own of a message and what follows: the new one."""
        path = "/conversations/{conversation}/split"
        body, answer = Splitting(message=message, subject=subject), ConversationView
        return await self.call("POST", path, answer, body=body, conversation=conversation)

    async def typing(self, conversation: str) -> None:
        """Tell a customer who reads along that he is being written to."""
        path = "/conversations/{conversation}/typing"
        await self.call("POST", path, type(None), conversation=conversation)

    async def mark_read(self, conversation: str, seq: int) -> None:
        """Tell a customer who reads along how far his messages were read."""
        path, body = "/conversations/{conversation}/read", Reading(seq=seq)
        await self.call("POST", path, type(None), body=body, conversation=conversation)

    async def hand_in(self, task: TaskBody) -> TaskTaken:
        """Hand in work for an agent; with `external` the same again is the same task."""
        return await self.call("POST", "/tasks", TaskTaken, body=task)

    async def starting_channels(self) -> list[StartingView]:
        """The channels by which a customer can be written to first."""
        return (await self.call("GET", "/channels/starting", StartingChannels)).items

    async def channels(self) -> list[ChannelView]:
        """The channels in writing, and how each does."""
        return await self.call("GET", "/channels", list[ChannelView])

    async def test_channel(self, channel: str) -> str:
        """Have a channel try whether it can do its work: what it has found. Raises
        `UnavailableProblem` with what it cannot."""
        path = "/channels/{channel}/test"
        return (await self.call("POST", path, ChannelTested, channel=channel, keyed=False)).found

    async def outbox(self) -> list[OutboxView]:
        """Messages that are not delivered."""
        return await self.call("GET", "/outbox", list[OutboxView])

    async def retry(self, message: str) -> None:
        """Try a message again that was given up."""
        await self.call("POST", "/outbox/{message}/retry", type(None), message=message)

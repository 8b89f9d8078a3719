"""What a customer is written who has not written himself: a conversation without a contact.

    write(channel, first)    on disk when it returns; once for each `external`
    begin(channel, first)    the same, written and not yet on disk

The conversation has who wrote as its agent, so that the customer's answer goes to him first. A fax
that is ordered is the same, with a row that says how it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec.structs import replace

from cicswitch.contacts import events as ce
from cicswitch.contacts.messages import Message
from cicswitch.core.errors import CommandError, Conflict, NotFound, ResourceError
from cicswitch.ports import Accepted, StartingChannel
from cicswitch.records.rows import ConversationRecord, FaxRecord, MessageRecord, OutboxRecord

if TYPE_CHECKING:
    from cicswitch.contacts.messages import First
    from cicswitch.ports import Channel
    from cicswitch.records.rows import Row
    from cicswitch.switch.conductor import Conductor

__all__ = ["Starting"]

_MOST_TEXT: Final = 1_000_000
_encode: Final = msgspec.json.Encoder().encode


class Starting:
    """First messages of one switch."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    async def write(self, name: str, first: First) -> Accepted:
        """See `ports.ChannelHost.write_first`."""
        channel = self._c.contacts.channels.get(name)
        if channel is None:
            raise NotFound(f'there is no channel "{name[:80]}"')
        known = channel  # for the function below, which is compiled: it is none no more
        key, able = (name, first.external), cast("object", channel)
        opened = first
        if isinstance(able, StartingChannel) and able.starts:
            opened = await able.opens(first)
        return await self._c.contacts.once(key, lambda: self._write(known, opened))

    async def _write(self, channel: Channel, first: First) -> Accepted:
        c, read = self._c, None
        if first.conversation:
            read = await c.contacts.heir(first.conversation)
        message = c.do(lambda: self.begin(channel, first, read))
        accepted = Accepted(message.id, message.conversation, message.seq)
        return await c.contacts.settled((channel.name, first.external), accepted)

    def begin(
        self, channel: Channel, first: First, read: ConversationRecord | None = None
    ) -> Message:
        """Write it. Raises `CommandError`, `ResourceError`, and has changed nothing then."""
        c = self._c
        if c.draining:
            raise ResourceError("the switch stops: send it again")
        if len(first.text) > _MOST_TEXT:
            raise CommandError(f"a message has at most {_MOST_TEXT} characters")
        record = c.contacts.known(read.id) or read if read is not None else None
        if record is not None and (record.channel != channel.name or record.merged):
            record = None
        if record is not None and record.id in c.contacts.by_conversation:
            raise Conflict("there is an open contact with this customer: answer in that one")
        agent = first.author.partition(":")[2]
        if record is None:
            record = self._opened(channel, first)
        record.seq += 1
        record.updated_at = c.now
        record.agent = agent or record.agent
        if first.data:
            record.data = _encode(first.data).decode()
        message = Message(
            id=c.names.name(),
            conversation=record.id,
            interaction="",
            seq=record.seq,
            at=c.now,
            author=first.author,
            text=first.text,
            attachments=first.attachments,
        )
        files = _encode(first.attachments).decode() if first.attachments else ""
        rows: list[Row] = [
            MessageRecord(
                *(message.id, record.id, record.seq, "", c.now, first.author, first.text),
                *(files, channel.name, first.external),
            ),
            replace(record),
        ]
        if not channel.stored:
            rows.append(OutboxRecord(message.id, record.id, channel.name, c.now, 0, "", False))
        if channel.medium == "fax":
            rows.append(self._fax(channel, message, first))
        c.contacts.close(record)
        c.emit(
            ce.MessageWritten(
                *(c.now, record.id, "", message.id, record.seq, first.author),
                *(channel.name, record.agent),
            ),
            rows,
        )
        c.outbox.send(message, record)
        return message

    def _opened(self, channel: Channel, first: First) -> ConversationRecord:
        c = self._c
        return ConversationRecord(
            id=c.names.name(),
            channel=channel.name,
            medium=channel.medium,
            customer=first.customer,
            called=first.called,
            name=first.name,
            subject=first.subject,
            language=first.language or c.env.config.media.language,
            opened_at=c.now,
            updated_at=c.now,
            interaction="",
            agent="",
            queue="",
            seq=0,
            token=first.token,
            data="",
        )

    def _fax(self, channel: Channel, message: Message, first: First) -> FaxRecord:
        return FaxRecord(
            id=message.id,
            direction="out",
            channel=channel.name,
            conversation=message.conversation,
            message=message.id,
            number=first.customer,
            called="",
            at=message.at,
            updated_at=message.at,
            state="waiting",
        )

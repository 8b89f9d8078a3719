"""Messages on their way out: delivered after they are on disk, tried again until they are.

A row of the outbox stands for each message that the medium has to be given; it goes with the
delivery, in the transaction of the event that says so. A medium that takes a message just before
the switch dies is given it again at the next start, with the same id.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from cicswitch.contacts import events as ce
from cicswitch.contacts.messages import Message, Outgoing
from cicswitch.core.errors import Later, ResourceError
from cicswitch.ports import Undeliverable
from cicswitch.records.rows import ConversationRecord, OutboxDone, OutboxRecord
from cicswitch.switch.contacts import talks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cicswitch.ports import Channel
    from cicswitch.switch.conductor import Conductor

__all__ = ["Outbox"]

log = structlog.get_logger("switch")

_FIRST_S: Final = 5.0
_MOST_S: Final = 3600.0
_ATTEMPTS: Final = 60
"""With an hour between the later ones, more than two days."""
_AT_ONCE: Final = 16
Turn = tuple[asyncio.Future[None] | None, asyncio.Future[None]]
"""The message before, if one is under way, and one's own end."""
_data: Final = msgspec.json.Decoder(dict[str, str]).decode


class Outbox:
    """What is still to be delivered."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.waiting: dict[str, OutboxRecord] = {}
        """By message; those of media that read in the store are not among them."""
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._lines: dict[str, asyncio.Future[None]] = {}
        """Conversation -> the last message before whose end the next one is not delivered."""

    def send(self, message: Message, record: ConversationRecord) -> None:
        """Deliver a message that was just written."""
        c = self._c
        channel = c.contacts.channels[record.channel]
        if not channel.stored:
            self.waiting[message.id] = OutboxRecord(
                message.id, record.id, channel.name, c.now, 0, "", False
            )
        out = self._outgoing(message, record)
        turn = self._turn(channel, record.id)
        c.env.tasks.spawn(f"deliver {message.id}", self._deliver(channel, out, turn))

    def restore(self, records: Iterable[OutboxRecord]) -> None:
        """Go on with what the run before has not delivered."""
        c = self._c
        for record in records:
            if record.channel not in c.contacts.channels:
                log.error("message_left", message=record.message, channel=record.channel)
                continue
            self.waiting[record.message] = record
            if not record.dead:
                turn = self._turn(c.contacts.channels[record.channel], record.conversation)
                c.env.tasks.spawn(f"deliver {record.message}", self._again(record, turn))

    def retry(self, message: str) -> bool:
        """Try one again that was given up; False: there is none."""
        record = self.waiting.get(message)
        if record is None or not record.dead:
            return False
        record.dead, record.attempts, record.due_at = False, 0, self._c.env.clock()
        self._c.env.tasks.spawn(f"deliver {message}", self._again(record))
        return True

    def came_back(self, message: Message, channel: str, error: str) -> None:
        """It was sent, and did not arrive: it stands among those that were given up."""
        c = self._c
        row = OutboxRecord(message.id, message.conversation, channel, c.now, 1, error, True)
        self.waiting[message.id] = row
        log.warning("message_came_back", channel=channel, message=message.id)
        news = ce.MessageDelivered(c.now, message.conversation, message.id, "failed", error)
        c.emit(news, [row])

    def _turn(self, channel: Channel, conversation: str) -> Turn | None:
        """A place behind what is being delivered of a conversation, where people talk: what was
        said later does not come earlier. None: each goes by itself."""
        if channel.stored or not talks(channel):
            return None
        before = self._lines.get(conversation)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines[conversation] = mine
        return before, mine

    async def _again(self, waits: OutboxRecord, turn: Turn | None = None) -> None:
        c = self._c
        left_s = waits.due_at - c.env.clock()
        if left_s > _MOST_S:  # the clock was set back since: nothing waits for so long
            left_s = _pause(waits.attempts)
        await asyncio.sleep(max(0.0, left_s))
        while True:
            try:
                async with self._gate(waits.channel):  # a thousand must not ask the store at once
                    message = await c.env.archive.message(waits.message)
                    record = await c.env.archive.conversation(waits.conversation)
                break
            except ResourceError as error:
                log.warning("message_not_read", message=waits.message, error=str(error))
                await asyncio.sleep(_FIRST_S)
        if message is None or record is None:
            log.error("message_missing", message=waits.message)
            self._over(waits.conversation, turn)
            return
        channel = c.contacts.channels[waits.channel]
        await self._deliver(channel, self._outgoing(message, record), turn)

    def _gate(self, channel: str) -> asyncio.Semaphore:
        return self._gates.setdefault(channel, asyncio.Semaphore(_AT_ONCE))

    def _outgoing(self, message: Message, record: ConversationRecord) -> Outgoing:
        kind, _, name = message.author.partition(":")
        return Outgoing(
            message=message,
            customer=record.customer,
            called=record.called,
            subject=record.subject,
            name=self._c.contacts.shown(name) if kind == "agent" else "",
            data=_data(record.data) if record.data else {},
        )

    def _over(self, conversation: str, turn: Turn | None) -> None:
        """The next one's turn."""
        if turn is not None:
            turn[1].set_result(None)
            if self._lines.get(conversation) is turn[1]:
                del self._lines[conversation]

    async def _deliver(self, channel: Channel, out: Outgoing, turn: Turn | None) -> None:
        c = self._c
        await c.env.journal.committed()
        if turn is not None and turn[0] is not None:
            await turn[0]
        await self._until_done(channel, out)
        self._over(out.message.conversation, turn)

    async def _until_done(self, channel: Channel, out: Outgoing) -> None:
        gate = self._gate(channel.name)
        while True:
            error, dead, after_s = "", False, 0.0
            try:
                async with gate:
                    await channel.deliver(out)
            except Undeliverable as failure:
                error, dead = str(failure) or "it cannot be delivered", True
            except ResourceError as failure:
                error = str(failure)
                if isinstance(failure, Later):
                    after_s = failure.after_s
            except Exception as failure:
                # A mistake of the channel: seen, and tried again as if it were the medium's.
                log.exception("delivery_failed", channel=channel.name, message=out.message.id)
                error = f"{type(failure).__name__}: {failure}"
            waits = self.waiting.get(out.message.id)
            if waits is None:
                return  # it is read in the store
            wait_s = self._booked(waits, error, dead, after_s)
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)

    def _booked(self, waits: OutboxRecord, error: str, dead: bool, after_s: float) -> float:
        """Write down how an attempt went; seconds to the next one, 0: there is none."""
        c, now = self._c, self._c.env.clock()
        if not error:
            del self.waiting[waits.message]
            sent = ce.MessageDelivered(now, waits.conversation, waits.message, "sent")
            c.do(lambda: c.emit(sent, [OutboxDone(waits.message)]))
            return 0.0
        waits.attempts += 1
        waits.error = error
        waits.dead = dead or waits.attempts >= _ATTEMPTS
        wait_s = after_s or _pause(waits.attempts)
        waits.due_at = now + wait_s
        state = "failed" if waits.dead else "deferred"
        log.warning(
            f"message_{state}",
            channel=waits.channel,
            message=waits.message,
            attempts=waits.attempts,
            error=error,
        )
        news = ce.MessageDelivered(now, waits.conversation, waits.message, state, error)
        row = OutboxRecord(
            waits.message,
            waits.conversation,
            waits.channel,
            waits.due_at,
            waits.attempts,
            error,
            waits.dead,
        )
        c.do(lambda: c.emit(news, [row]))
        return 0.0 if waits.dead else wait_s


def _pause(attempts: int) -> float:
    return min(_FIRST_S * 2.0 ** min(attempts - 1, 20), _MOST_S)

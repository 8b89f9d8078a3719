"""Contacts in writing: arrival, dialplan, queue, agent, end. `ports.ChannelHost` is this.

    accept(channel, incoming)   a message has come: on disk and in its place when it returns
    restore(contacts)           what was not over in the run before
    take, reject, write,        what an agent does with one; `switch/aside.py` puts it aside
    transfer, finish

A message, its contact and the place are written in one transaction; the medium is told after it.
What the dialplan says is sent to who reads along, and what he writes counts as keys; to a medium
that nobody waits at a menu has no answer.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import CONVERSATION, Contact, Stage
from cicswitch.contacts.messages import Attachment, First, Incoming, Message
from cicswitch.core.errors import CommandError, Conflict, NotFound, ResourceError
from cicswitch.dialplan import actions as a
from cicswitch.dialplan.actions import EnterQueue
from cicswitch.dialplan.model import Say
from cicswitch.dialplan.run import Run
from cicswitch.ports import Accepted, Channel, News
from cicswitch.records.rows import ConversationRecord, MessageRecord, OutboxRecord
from cicswitch.switch.aside import PATIENCE_S
from cicswitch.switch.queueing import FRONT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from cicswitch.calls.call import Call
    from cicswitch.contacts.faxes import FaxJob, FaxResult
    from cicswitch.ports import FaxChannel
    from cicswitch.records.rows import FaxRecord, Row
    from cicswitch.switch.conductor import Conductor

__all__ = ["Contacts", "talks"]

log = structlog.get_logger("switch")

_STORED_S: Final = 5.0
_MOST_TEXT: Final = 1_000_000
_AGAIN_S: Final = 30.0
"""When a queue is asked again that has not taken what must not be lost."""
_MOST_STEPS: Final = 20
_CLOSED: Final = 100_000
"""Conversations that are over and may not be on disk yet, at most."""
_facts: Final = msgspec.json.Decoder(dict[str, str]).decode
_encode: Final = msgspec.json.Encoder().encode


def _json(value: object) -> str:
    return _encode(value).decode()


def talks(channel: Channel) -> bool:
    """Whether somebody reads what the dialplan writes, and his silence counts: he waits now, or
    looks into his messenger as he likes (`talks`, which a channel may have)."""
    return channel.live or bool(getattr(channel, "talks", False))


class Contacts:
    """All contacts in writing that are not over."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.channels: dict[str, Channel] = {}
        self.live: dict[str, Contact] = {}
        """By interaction."""
        self.by_conversation: dict[str, Contact] = {}
        self.records: dict[str, ConversationRecord] = {}
        """Conversations with a contact that is not over."""
        self._closed: dict[str, ConversationRecord] = {}
        """Those that were over last: the store may be behind."""
        self._coming: dict[tuple[str, str], asyncio.Future[Accepted]] = {}
        self._unstored: dict[tuple[str, str], Accepted] = {}
        """Messages that were not on disk in time: who sends one again waits for it again."""

    async def send_fax(
        self, channel: FaxChannel, target: str, caller: str, job: FaxJob, ring_s: float
    ) -> FaxResult:
        """See `ports.ChannelHost`."""
        return await self._c.faxes.send(channel, target, caller, job, ring_s)

    def fax_kept(self, record: FaxRecord) -> None:
        """See `ports.ChannelHost`."""
        c = self._c
        c.do(lambda: c.faxes.kept(record))

    def path(self, name: str) -> Path:
        """See `ports.ChannelHost`."""
        return self._c.env.config.path(name)

    # -- messages in -----------------------------------------------------------------------------

    async def accept(self, channel: Channel, incoming: Incoming) -> Accepted:
        """See `ports.ChannelHost`."""
        key = (channel.name, incoming.external)
        return await self.once(key, lambda: self._accept(channel, incoming))

    async def write_first(self, channel: str, first: First) -> Accepted:
        """See `ports.ChannelHost`."""
        return await self._c.starting.write(channel, first)

    async def once(self, key: tuple[str, str], work: Callable[[], Awaitable[Accepted]]) -> Accepted:
        """Take or write what is known by a channel and a name of its medium's, which may be empty:
        what is known already is not done again."""
        if not key[1]:
            return await work()
        coming = self._coming.get(key)
        if coming is not None:
            return replace(await asyncio.shield(coming), again=True)
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._coming[key] = future
        try:
            accepted = self._unstored.get(key)
            if accepted is not None:
                await self.stored()
                self._unstored.pop(key, None)
                accepted = replace(accepted, again=True)
            else:
                accepted = await self._c.env.archive.known(*key)
            if accepted is None:
                accepted = await work()
            future.set_result(accepted)
            return accepted
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # nobody has to have waited for it
            else:
                future.cancel()
            raise
        finally:
            del self._coming[key]

    async def _accept(self, channel: Channel, incoming: Incoming) -> Accepted:
        c = self._c
        if len(incoming.text) > _MOST_TEXT:
            raise Conflict(f"a message has at most {_MOST_TEXT} characters")
        record: ConversationRecord | None = None
        if incoming.conversation:
            record = await self.heir(incoming.conversation)
        accepted = c.do(lambda: self._arrived(channel, incoming, record))
        return await self.settled((channel.name, incoming.external), accepted)

    async def settled(self, key: tuple[str, str], accepted: Accepted) -> Accepted:
        """Return when it is on disk. Raises `ResourceError`; who tries again waits for the same."""
        try:
            await self.stored()
        except ResourceError:
            if key[1]:
                self._unstored[key] = accepted
                self._c.env.tasks.spawn("message not stored", self._forget(key))
            raise
        return accepted

    async def heir(self, name: str) -> ConversationRecord | None:
        """A conversation, or the one that it has gone into."""
        record: ConversationRecord | None = None
        for _ in range(_MOST_STEPS):
            record = self.known(name)
            if record is None:
                record = await self._c.env.archive.conversation(name)
            if record is None or not record.merged:
                break
            name = record.merged
        return record

    async def _forget(self, key: tuple[str, str]) -> None:
        """Once it is on disk, the store knows it."""
        await self._c.env.journal.committed()
        self._unstored.pop(key, None)

    def known(self, conversation: str) -> ConversationRecord | None:
        """A conversation that is open, or was over a moment ago: newer than on disk."""
        return self.records.get(conversation) or self._closed.get(conversation)

    async def stored(self) -> None:
        """Return when all that has been done is on disk. Raises `ResourceError`."""
        try:
            async with asyncio.timeout(_STORED_S):
                await self._c.env.journal.committed()
        except TimeoutError:
            raise ResourceError("it is not on disk yet: send it again") from None

    def _arrived(
        self, channel: Channel, incoming: Incoming, read: ConversationRecord | None
    ) -> Accepted:
        """Raises `CommandError` if nobody takes it, and has changed nothing then."""
        c = self._c
        record = self.known(read.id) or read if read is not None else None
        while record is not None and record.merged:
            record = self.known(record.merged)  # since it was read
        if record is not None and record.channel != channel.name:
            record = None  # a stranger's reference
        contact = self.by_conversation.get(record.id) if record is not None else None
        quiet = incoming.quiet and contact is None
        if contact is None and not quiet and c.draining:
            raise ResourceError("the switch stops: send it again")
        run = self._route(channel, incoming, record) if contact is None and not quiet else None
        if record is None:
            record = self._opened(channel, incoming)
        record.seq += 1
        record.updated_at = c.now
        if incoming.data:
            record.data = _json(incoming.data)
        interaction = "" if quiet else c.names.name()
        if contact is not None:
            interaction = contact.id
        message = Message(
            id=c.names.name(),
            conversation=record.id,
            interaction=interaction,
            seq=record.seq,
            at=c.now,
            author="customer",
            text=incoming.text,
            attachments=incoming.attachments,
        )
        rows: list[Row] = [self._row(message, channel, incoming.external)]
        if quiet:
            rows.append(replace(record))
            self.close(record)
            self._told(message, channel, "", rows)
        elif contact is None:
            record.interaction, record.queue = interaction, ""
            rows.append(replace(record))
            contact = self._begin(channel, incoming, record, interaction, run, rows)
            self._written(contact, message, channel, ())
            self._start(contact)
        else:
            rows.append(replace(record))
            self._written(contact, message, channel, rows)
            self._heard(contact)
            if not incoming.quiet:
                c.aside.asked(contact)
                if contact.stage is Stage.SNOOZED:
                    c.aside.wake(contact, "customer")
            if contact.stage is Stage.DIALPLAN:
                self._keys(contact, incoming.text)
        return Accepted(message.id, record.id, message.seq)

    def _opened(self, channel: Channel, incoming: Incoming) -> ConversationRecord:
        c = self._c
        return ConversationRecord(
            id=c.names.name(),
            channel=channel.name,
            medium=channel.medium,
            customer=incoming.customer,
            called=incoming.called,
            name=incoming.name,
            subject=incoming.subject,
            language=incoming.language or c.env.config.media.language,
            opened_at=c.now,
            updated_at=c.now,
            interaction="",
            agent="",
            queue="",
            seq=0,
            token=incoming.token,
            data="",
        )

    def _row(self, message: Message, channel: Channel, external: str) -> MessageRecord:
        attachments = _json(message.attachments) if message.attachments else ""
        return MessageRecord(
            message.id,
            message.conversation,
            message.seq,
            message.interaction,
            message.at,
            message.author,
            message.text,
            attachments,
            channel.name,
            external,
            message.subject,
        )

    def _written(
        self, contact: Contact, message: Message, channel: Channel, rows: Sequence[Row]
    ) -> None:
        contact.seq = message.seq
        self._told(message, channel, contact.agent, rows)

    def _told(self, message: Message, channel: Channel, agent: str, rows: Sequence[Row]) -> None:
        event = ce.MessageWritten(
            *(self._c.now, message.conversation, message.interaction, message.id),
            *(message.seq, message.author, channel.name, agent),
        )
        self._c.emit(event, rows)

    def _route(
        self, channel: Channel, incoming: Incoming, record: ConversationRecord | None
    ) -> Run | None:
        """The dialplan's run; None: straight into the channel's queue. Raises `NotFound`."""
        c = self._c
        called = incoming.called or (record.called if record is not None else "")
        found = c.matcher.match(channel.name, called, incoming.customer, c.now, named=True)
        if found is None:
            if channel.queue not in c.engine.queues:
                raise NotFound(f"nobody takes what is sent to {called or channel.name!r}")
            return None
        route, plan = found
        language = incoming.language or (record.language if record is not None else "")
        data = _json(incoming.data) if incoming.data else record.data if record is not None else ""
        known = c.recognising.written(channel.medium, channel.name, incoming.customer, data)
        variables = {
            "caller": incoming.customer,
            "caller_name": incoming.name,
            "called": called,
            "trunk": channel.name,
            "medium": channel.medium,
            "subject": incoming.subject,
            "last_agent": record.agent if record is not None else "",
            "language": language or c.env.config.media.language,
            **c.recognising.variables(known, incoming.customer),
            # What an email says of itself; a page's context is told apart by its prefix.
            **{
                key: value
                for key, value in incoming.context.items()
                if channel.medium == "email" and key.startswith("mail_")
            },
            **{f"context_{key}": value for key, value in incoming.context.items()},
        }
        return Run(plan, route.flow, variables, answered=True)

    def _begin(
        self,
        channel: Channel,
        incoming: Incoming,
        record: ConversationRecord,
        interaction: str,
        run: Run | None,
        rows: Sequence[Row],
    ) -> Contact:
        c = self._c
        origin = ce.ContactAccepted(
            at=c.now,
            interaction=interaction,
            conversation=record.id,
            channel=channel.name,
            medium=channel.medium,
            customer=record.customer,
            called=record.called,
            name=incoming.name or record.name,
            subject=incoming.subject or record.subject,
            language=record.language,
            context=incoming.context,
            asked_at=0.0 if channel.live else c.now,
        )
        contact = self.keep(origin, record)
        contact.run = run
        self.announce(contact)
        c.emit(origin, rows)
        return contact

    def keep(self, origin: ce.ContactAccepted, record: ConversationRecord) -> Contact:
        """Have a contact that begins."""
        contact = Contact(origin, record.seq)
        self.live[contact.id] = contact
        self.by_conversation[record.id] = contact
        self.records[record.id] = record
        self._closed.pop(record.id, None)
        return contact

    def announce(self, contact: Contact) -> None:
        """Tell that it begins."""
        origin = contact.origin
        address, customer_id = self._c.recognising.of_contact(contact)
        self._c.emit(
            ev.InteractionStarted(
                *(origin.at, origin.interaction, origin.medium, origin.channel),
                *(origin.customer, origin.called),
                address=address,
                customer_id=customer_id,
            )
        )

    def _start(self, contact: Contact) -> None:
        if contact.run is not None:
            self._execute(contact, contact.run.start(self._c.now))
        else:
            channel = self.channels[contact.origin.channel]
            record = self.records[contact.origin.conversation]
            prefer = (record.agent,) if record.agent in self._c.engine.agents else ()
            self.enqueue(contact, EnterQueue(channel.queue, {}, 0, 0.0, prefer=prefer))

    def restore(self, contacts: Iterable[tuple[ce.ContactAccepted, ConversationRecord]]) -> None:
        """Take up what the run before has left; who had it is asked first."""
        c = self._c
        c.now = c.env.clock()
        count = 0
        for event, record in contacts:
            if event.channel not in self.channels:
                log.error("contact_left", interaction_id=event.interaction, channel=event.channel)
                continue
            count += 1
            agent = event.agent
            origin = replace(event, agent="")
            contact = self.keep(origin, record)
            self.announce(contact)
            c.emit(origin)
            if self.channels[event.channel].live:
                self._await(contact)
            c.aside.restore(contact)
            if contact.stage is Stage.SNOOZED:
                continue
            if not event.queue:
                incoming = Incoming(
                    customer=event.customer,
                    called=event.called,
                    name=event.name,
                    subject=event.subject,
                    language=event.language,
                    context=event.context,
                )
                try:
                    contact.run = self._route(self.channels[event.channel], incoming, record)
                except NotFound:
                    self._park(contact)
                    continue
                self._start(contact)
                continue
            prefer, patience_s, priority = event.prefer, event.patience_s, event.priority
            if agent in c.engine.agents:
                prefer, patience_s = (agent,), PATIENCE_S
                priority += FRONT if priority < FRONT else 0
            # Where the clock was set back since, it waits no longer, and has not come later than
            # those to come.
            queued_at = min(event.queued_at, c.now)
            left_s = 0.0
            if event.expires_at:
                left_s = max(1.0, event.expires_at - max(c.now, event.queued_at))
            asked = EnterQueue(
                *(event.queue, event.skills, priority, left_s, event.require),
                *(prefer, patience_s, event.segment),
            )
            self.enqueue(contact, asked, queued_at)
        if count:
            log.info("contacts_restored", count=count)
            c.pump()

    # -- the dialplan ----------------------------------------------------------------------------

    def _execute(self, contact: Contact, actions: Sequence[a.Action]) -> None:
        """Carry out actions in order; the contact may be over after any."""
        for action in actions:
            if contact.stage is Stage.OVER:
                return
            self._one(contact, action)

    def _one(self, contact: Contact, action: a.Action) -> None:
        c, run = self._c, contact.run
        assert run is not None
        if isinstance(action, a.SpeakText):
            if self._may_say(contact, run):
                self._say(contact, "bot", action.text)
            self._execute(contact, run.played(c.now))
        elif isinstance(action, a.PlayPrompts):
            self._execute(contact, run.played(c.now))
        elif isinstance(action, a.SetTimer):
            self._clear(contact)
            if talks(self.channels[contact.origin.channel]):
                contact.timer = c.later(action.seconds, lambda: self._timed_out(contact))
            else:
                self._execute(contact, run.timed_out(c.now))
        elif isinstance(action, a.ClearTimer):
            self._clear(contact)
        elif isinstance(action, a.EnterQueue):
            self.enqueue(contact, action)
        elif isinstance(action, a.CallPython):
            c.env.tasks.spawn(f"python {action.name}", self._python(contact, action))
        elif isinstance(action, a.EndCall):
            if contact.asked is not None and not self.channels[contact.origin.channel].live:
                self._park(contact)  # what came in writing is not thrown away for want of agents
            else:
                self.over(contact, "normal")
        elif isinstance(
            action,
            a.DialTargets | a.EnterVoicemail | a.TransferCall | a.EnterCallback | a.ReceiveFax,
        ):
            self._execute(contact, run.outcome("failed", c.now))

    def _may_say(self, contact: Contact, run: Run) -> bool:
        """Whether the dialplan may write: to who waits; to an email by a step `say`, if no machine
        has written it (RFC 3834 section 2)."""
        channel = self.channels[contact.origin.channel]
        if channel.medium != "email" or not isinstance(run.step, Say):
            return talks(channel)
        data = self.records[contact.origin.conversation].data
        return not (data and _facts(data).get("silent"))

    def _clear(self, contact: Contact) -> None:
        if contact.timer is not None:
            contact.timer.cancel()
            contact.timer = None

    def _timed_out(self, contact: Contact) -> None:
        contact.timer = None
        if contact.stage is Stage.DIALPLAN and contact.run is not None:
            self._execute(contact, contact.run.timed_out(self._c.now))

    def _keys(self, contact: Contact, text: str) -> None:
        """What is written while the dialplan asks something: keys, each of them."""
        run = contact.run
        keys = text.strip()
        if run is None:
            return
        if not keys or len(keys) > 32 or any(key not in "0123456789*#ABCD" for key in keys):
            keys = "?"  # no choice that there is
        for key in keys:
            if contact.stage is not Stage.DIALPLAN:
                return
            self._execute(contact, run.digit(key, self._c.now))

    async def _python(self, contact: Contact, action: a.CallPython) -> None:
        run, function = contact.run, self._c.env.functions.get(action.name)
        target, failed = "", function is None
        if function is not None:
            try:
                result = function(contact, **action.arguments)
                if inspect.isawaitable(result):
                    result = await result
                target = str(result or "")
            except Exception:
                # An embedder's mistake is his to see, and the dialplan's `on_failed` to answer.
                self._c.counters["errors"] += 1
                log.exception("python_step_failed", step=action.name, interaction_id=contact.id)
                failed = True
        else:
            self._c.counters["errors"] += 1
            log.error("python_step_unknown", step=action.name, interaction_id=contact.id)

        def proceed() -> None:
            if run is None or contact.stage is not Stage.DIALPLAN:
                return
            now = self._c.now
            done = run.outcome("failed", now) if failed else run.returned(target, now)
            self._execute(contact, done)

        self._c.run_soon(proceed)

    # -- the queue -------------------------------------------------------------------------------

    def enqueue(self, contact: Contact, asked: EnterQueue, queued_at: float = 0.0) -> None:
        """Put it into a queue, or have its dialplan say what is next."""
        c, origin = self._c, contact.origin
        self._clear(contact)
        contact.stage = Stage.QUEUED
        settings = c.env.config.queue.get(asked.queue)
        overrides = settings.segments if settings is not None else {}
        own = asked.priority
        if not queued_at:  # who comes back has his points already
            own += c.segments.priority(asked.segment, overrides)
        contact.asked = asked = replace(asked, priority=own)
        try:
            c.acd(
                acd.Enqueue(
                    interaction=contact.id,
                    queue=asked.queue,
                    medium=origin.medium,
                    skills=asked.skills,
                    require=asked.require,
                    prefer=asked.prefer,
                    patience_s=asked.patience_s,
                    priority=own,
                    timeout_s=asked.timeout_s,
                    queued_at=queued_at,
                    customer=origin.customer,
                    segment=asked.segment,
                )
            )
        except CommandError as error:
            log.error("contact_not_queued", interaction_id=contact.id, reason=str(error))
            self._let_go(contact, "failed")
            return
        entry = c.engine.interactions.get(contact.id)
        if entry is None:
            return  # refused: its event follows
        expires_at = c.now + asked.timeout_s if asked.timeout_s else 0.0
        self._place(contact, asked, asked.queue, entry.queued_at, expires_at)

    def _place(
        self,
        contact: Contact,
        asked: EnterQueue,
        queue: str,
        queued_at: float,
        expires_at: float,
    ) -> None:
        """It has a place: on disk with all that made it."""
        event = ce.ContactPlaced(
            *(self._c.now, contact.id, queue, queued_at, asked.skills, asked.require),
            *(asked.prefer, asked.patience_s, asked.priority, asked.segment, expires_at),
        )
        contact.origin = replace(
            contact.origin,
            queue=queue,
            queued_at=queued_at,
            skills=asked.skills,
            require=asked.require,
            prefer=asked.prefer,
            patience_s=asked.patience_s,
            priority=asked.priority,
            segment=asked.segment,
            expires_at=expires_at,
        )
        record = self.records[contact.origin.conversation]
        record.queue = queue
        self._c.emit(event, [replace(record)])
        self._c.aside.placed(contact)
        if self.channels[record.channel].live:
            self._tell(contact, News(state="waiting", position=self._c.engine.position(contact.id)))

    def prioritise(self, contact: Contact, priority: int) -> None:
        """One that waits gets another priority of its own. Raises `CommandError`."""
        c, asked, origin = self._c, contact.asked, contact.origin
        c.acd(acd.Prioritise(contact.id, priority))
        if asked is not None:
            contact.asked = asked = replace(asked, priority=priority)
            self._place(contact, asked, origin.queue, origin.queued_at, origin.expires_at)

    def reserved(self, event: acd_events.Reserved) -> None:
        """It is offered to an agent."""
        contact = self.live.get(event.interaction)
        if contact is not None:
            contact.offers[event.reservation] = event.agent

    def reservation_ended(self, event: acd_events.ReservationEnded) -> None:
        """An offer is over."""
        contact = self.live.get(event.interaction)
        if contact is not None:
            contact.offers.pop(event.reservation, None)

    def left(self, event: acd_events.InteractionLeft) -> None:
        """The queue let it go."""
        contact = self.live.get(event.interaction)
        if contact is None or contact.stage is not Stage.QUEUED:
            return
        known = event.outcome in ("timeout", "empty", "exhausted", "closed")
        self._let_go(contact, event.outcome if known else "failed")

    def refused(self, event: acd_events.QueueRefused) -> None:
        """The queue did not take it."""
        contact = self.live.get(event.interaction)
        if contact is not None and contact.stage is Stage.QUEUED:
            self._let_go(contact, event.reason)

    def moved(self, event: acd_events.InteractionMoved) -> None:
        """Another queue has it now, with its place."""
        contact = self.live.get(event.interaction)
        entry = self._c.engine.interactions.get(event.interaction)
        if contact is None or contact.asked is None or entry is None:
            return
        contact.asked = replace(contact.asked, queue=event.to, priority=entry.own_priority)
        expires_at = contact.origin.expires_at
        self._place(contact, contact.asked, event.to, entry.queued_at, expires_at)

    def _let_go(self, contact: Contact, outcome: str) -> None:
        """Back to the dialplan; what nothing takes waits until something does."""
        contact.offers.clear()
        contact.stage = Stage.DIALPLAN
        if contact.run is not None:
            self._execute(contact, contact.run.outcome(outcome, self._c.now))
        elif self.channels[contact.origin.channel].live:
            self.over(contact, outcome)
        else:
            self._park(contact)

    def _park(self, contact: Contact) -> None:
        """Ask its queue, or the channel's, again in a while."""
        self._clear(contact)
        contact.stage = Stage.DIALPLAN
        contact.run = None
        contact.timer = self._c.later(_AGAIN_S, lambda: self._unpark(contact))
        log.warning("contact_parked", interaction_id=contact.id, seconds=_AGAIN_S)

    def _unpark(self, contact: Contact) -> None:
        contact.timer = None
        if contact.stage is not Stage.DIALPLAN:
            return
        channel, origin = self.channels[contact.origin.channel], contact.origin
        asked = contact.asked or EnterQueue(channel.queue, {}, 0, 0.0)
        if asked.queue not in self._c.engine.queues:
            asked = replace(asked, queue=channel.queue)
        if asked.queue not in self._c.engine.queues:
            self._park(contact)
            return
        self.enqueue(contact, replace(asked, timeout_s=0.0), origin.queued_at or origin.at)

    def talk_of(self, call: Call) -> Contact | None:
        """The chat out of which a visitor calls, if an agent has it: the call goes to him.

        Of what is known of the visitor, this is what the switch has put there itself.
        """
        contact = self.by_conversation.get(call.context.get(CONVERSATION, ""))
        if contact is None or contact.stage is not Stage.TALKING:
            return None
        c = self._c
        c.emit(ce.ContactCalled(c.now, contact.id, contact.origin.conversation, call.id))
        return contact

    # -- the agent -------------------------------------------------------------------------------

    def of(self, interaction: str) -> Contact:
        """A contact that is not over. Raises `NotFound`."""
        contact = self.live.get(interaction)
        if contact is None:
            raise NotFound(f'there is no contact in writing "{interaction[:80]}"')
        return contact

    def take(self, interaction: str, agent: str) -> None:
        """The agent takes what he is offered. Raises `CommandError`."""
        c, contact = self._c, self.of(interaction)
        reservation = self._offer(contact, agent)
        c.acd(acd.Accept(reservation))
        self._clear(contact)
        contact.offers.clear()
        contact.stage = Stage.TALKING
        contact.origin = replace(contact.origin, agent=agent, again=False)
        record = self.records[contact.origin.conversation]
        record.agent = agent
        c.emit(ce.ContactAssigned(c.now, contact.id, record.id, agent), [replace(record)])
        self._heard(contact)
        self._tell(contact, News(state="talking", name=self.shown(agent)))

    def reject(self, interaction: str, agent: str) -> None:
        """He does not. Raises `CommandError`."""
        contact = self.of(interaction)
        self._c.acd(acd.Reject(self._offer(contact, agent), "rejected"))

    def _offer(self, contact: Contact, agent: str) -> int:
        for reservation, offered in contact.offers.items():
            if offered == agent and reservation in self._c.engine.reservations:
                return reservation
        raise Conflict("it is not offered to this agent, or not any more")

    def write(
        self,
        interaction: str,
        author: str,
        text: str,
        external: str = "",
        attachments: tuple[Attachment, ...] = (),
        subject: str = "",
    ) -> Message:
        """A message to the customer; on disk after `stored`. Raises `CommandError`."""
        contact = self.of(interaction)
        if contact.stage is not Stage.TALKING:
            raise Conflict("no agent has it: it has to be taken first")
        if self.channels[contact.origin.channel].medium == "task":
            raise Conflict("a task has nobody who could be written to")
        message = self._say(contact, author, text, external, attachments, subject)
        self._c.aside.answered(contact, contact.agent)
        return message

    def _say(
        self,
        contact: Contact,
        author: str,
        text: str,
        external: str = "",
        attachments: tuple[Attachment, ...] = (),
        subject: str = "",
    ) -> Message:
        c, record = self._c, self.records[contact.origin.conversation]
        channel = self.channels[record.channel]
        record.seq += 1
        record.updated_at = c.now
        message = Message(
            id=c.names.name(),
            conversation=record.id,
            interaction=contact.id,
            seq=record.seq,
            at=c.now,
            author=author,
            text=text,
            attachments=attachments,
            subject=subject,
        )
        rows: list[Row] = [self._row(message, channel, external), replace(record)]
        if author.startswith("agent:"):
            rows += c.drafts.dropped(record.id)
        if not channel.stored:
            rows.append(OutboxRecord(message.id, record.id, channel.name, c.now, 0, "", False))
        self._written(contact, message, channel, rows)
        self._heard(contact)
        c.outbox.send(message, record)
        return message

    def transfer(self, interaction: str, queue: str = "", agent: str = "") -> None:
        """Hand it on: to a queue, or to an agent first. Raises `CommandError`."""
        c, contact = self._c, self.of(interaction)
        if contact.stage is not Stage.TALKING:
            raise Conflict("no agent has it: what waits is moved")
        asked = contact.asked
        assert asked is not None
        if queue and queue not in c.engine.queues:
            raise NotFound(f'there is no queue "{queue[:80]}"')
        if agent and agent not in c.engine.agents:
            raise NotFound(f'there is no agent "{agent[:80]}"')
        if agent == contact.agent:
            raise Conflict("he has it already")
        self.release(contact, "transferred")
        priority = contact.origin.priority
        new = replace(
            asked,
            queue=queue or contact.origin.queue,
            skills={} if queue else asked.skills,
            require="" if queue else asked.require,
            prefer=(agent,) if agent else (),
            patience_s=PATIENCE_S if agent else 0.0,
            priority=priority if priority >= FRONT else priority + FRONT,
            timeout_s=0.0,
        )
        self.enqueue(contact, new, contact.origin.queued_at)

    def release(self, contact: Contact, reason: str) -> None:
        """The agent's share is over; his wrap-up begins."""
        c, agent = self._c, contact.agent
        self._still(contact)
        c.acd(acd.Finish(contact.id))
        contact.origin = replace(contact.origin, agent="")
        contact.stage = Stage.DIALPLAN
        c.emit(ce.ContactFreed(c.now, contact.id, agent, reason))

    def finish(self, interaction: str, reason: str = "normal") -> None:
        """It is done. Raises `CommandError`."""
        contact = self.of(interaction)
        if contact.stage is Stage.TALKING:
            if contact.origin.medium == "task":
                self._c.aside.answered(contact, contact.agent)
            self._c.acd(acd.Finish(contact.id))
        elif contact.id in self._c.engine.interactions:
            contact.stage = Stage.DIALPLAN  # so that the queue's word of it finds nobody who waits
            self._c.acd(acd.Leave(contact.id, reason))
        self.over(contact, reason)

    def stopping(self) -> None:
        """The switch stops: the books of the agents are closed, all contacts keep their places."""
        c = self._c
        for contact in list(self.live.values()):
            self._clear(contact)
            c.aside.forget(contact)
            self._here(contact)
            self._still(contact)
            talking, contact.stage = contact.stage is Stage.TALKING, Stage.OVER
            try:
                if talking:
                    c.acd(acd.Finish(contact.id))
                elif contact.id in c.engine.interactions:
                    c.acd(acd.Leave(contact.id, "shutdown"))
            except CommandError as error:
                log.debug("stop_refused", interaction_id=contact.id, reason=str(error))
        self.live.clear()
        self.by_conversation.clear()
        self.records.clear()

    def shown(self, agent: str) -> str:
        """An agent's name for customers."""
        settings = self._c.env.config.agent.get(agent)
        return settings.name or agent if settings is not None else agent

    # -- who reads along -------------------------------------------------------------------------

    def typing(self, conversation: str) -> None:
        """See `ports.ChannelHost`. It is told to those who listen, and kept nowhere."""
        contact = self.by_conversation.get(conversation)
        if contact is not None and contact.agent:
            c = self._c
            c.tell(ce.CustomerTyped(c.now, contact.id, conversation, contact.agent))

    def agent_typing(self, interaction: str) -> None:
        """The agent types."""
        self._tell(self.of(interaction), News(typing=True))

    def agent_read(self, interaction: str, seq: int) -> None:
        """The agent has read as far as this."""
        self._tell(self.of(interaction), News(read=seq))

    def away(self, conversation: str) -> None:
        """See `ports.ChannelHost`."""

        def work() -> None:
            contact = self.by_conversation.get(conversation)
            if contact is not None:
                self._await(contact)

        self._c.run_soon(work)

    def _await(self, contact: Contact) -> None:
        """The customer is not there: he may come back for a while."""
        self._here(contact)
        away_s = self.channels[contact.origin.channel].away_s
        contact.leaving = self._c.later(away_s, lambda: self._gone(contact))

    def _here(self, contact: Contact) -> None:
        if contact.leaving is not None:
            contact.leaving.cancel()
            contact.leaving = None

    def _gone(self, contact: Contact) -> None:
        contact.leaving = None
        if contact.stage is not Stage.OVER:
            self.leave(contact.origin.conversation, "away")

    def back(self, conversation: str) -> News:
        """See `ports.ChannelHost`."""
        contact = self.by_conversation.get(conversation)
        if contact is None:
            return News(state="ended")
        self._here(contact)
        if contact.agent:
            return News(state="talking", name=self.shown(contact.agent))
        return News(state="waiting", position=self._c.engine.position(contact.id))

    def leave(self, conversation: str, reason: str = "customer") -> None:
        """See `ports.ChannelHost`."""

        def work() -> None:
            contact = self.by_conversation.get(conversation)
            if contact is not None:
                waits = contact.stage is Stage.QUEUED
                self.finish(contact.id, "abandoned" if waits else reason)

        self._c.run_soon(work)

    def _tell(self, contact: Contact, news: News) -> None:
        channel = self.channels[contact.origin.channel]
        if channel.live:
            channel.told(contact.origin.conversation, news)

    def _heard(self, contact: Contact) -> None:
        """Somebody has written: the clock of silence begins again."""
        self._still(contact)
        channel = self.channels[contact.origin.channel]
        if contact.stage is not Stage.TALKING or not talks(channel):
            return
        if contact.silent:
            contact.silent = False
            self._silent(contact, False)
        wait_s = channel.silent_s or channel.end_s
        if wait_s:
            contact.idle = self._c.later(wait_s, lambda: self._quiet(contact))

    def _still(self, contact: Contact) -> None:
        if contact.idle is not None:
            contact.idle.cancel()
            contact.idle = None

    def _quiet(self, contact: Contact) -> None:
        contact.idle = None
        channel = self.channels[contact.origin.channel]
        if contact.stage is not Stage.TALKING:
            return
        if channel.silent_s and not contact.silent:
            contact.silent = True
            self._silent(contact, True)
            if channel.end_s > channel.silent_s:
                more_s = channel.end_s - channel.silent_s
                contact.idle = self._c.later(more_s, lambda: self._quiet(contact))
        else:
            self.finish(contact.id, "idle")

    def _silent(self, contact: Contact, silent: bool) -> None:
        try:
            self._c.acd(acd.Silent(contact.id, silent))
        except CommandError as error:
            log.debug("silence_refused", interaction_id=contact.id, reason=str(error))

    # -- the end ---------------------------------------------------------------------------------

    def close(self, record: ConversationRecord) -> None:
        """Have it at hand while the store may be behind."""
        if record.id not in self._closed and len(self._closed) >= _CLOSED:
            del self._closed[next(iter(self._closed))]
        self._closed[record.id] = record

    async def undelivered(self, channel: Channel, message: Message, error: str) -> None:
        """See `ports.ChannelHost`."""
        c = self._c
        c.do(lambda: c.outbox.came_back(message, channel.name, error))
        await self.stored()

    def moved_into(
        self, contact: Contact, record: ConversationRecord, merged: ConversationRecord
    ) -> None:
        """A contact goes on in this conversation, into which another has gone."""
        for each in (record, merged):
            self.by_conversation.pop(each.id, None)
            self.records.pop(each.id, None)
            self._closed.pop(each.id, None)
        contact.origin = replace(contact.origin, conversation=record.id, subject=record.subject)
        self.by_conversation[record.id] = contact
        self.records[record.id] = record
        merged.interaction = ""
        self.close(merged)

    def over(self, contact: Contact, reason: str) -> None:
        """It is over; the ACD knows already."""
        c = self._c
        self._clear(contact)
        self._still(contact)
        self._here(contact)
        c.aside.forget(contact)
        contact.stage = Stage.OVER
        contact.run = None
        if contact.id in c.engine.interactions or contact.agent:
            c.recognising.keep(contact.id, c.recognising.addresses_of_contact(contact))
        conversation = contact.origin.conversation
        del self.live[contact.id]
        del self.by_conversation[conversation]
        record = self.records.pop(conversation)
        self.close(record)
        record.interaction, record.updated_at = "", c.now
        self._tell(contact, News(state="ended", reason=reason))
        rows: list[Row] = [replace(record), *c.drafts.dropped(conversation)]
        c.behind(ev.InteractionEnded(c.now, contact.id, reason), rows)
        log.info(
            "interaction",
            interaction_id=contact.id,
            medium=contact.origin.medium,
            peer=contact.origin.channel,
            seconds=round(c.now - contact.origin.at, 3),
            reason=reason,
        )

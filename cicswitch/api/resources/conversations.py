"""Conversations in writing: read and answered by agents; tasks; channels and what they could not
deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from cicswitch.api.endpoint import Answer, Ask, Raw, endpoint
from cicswitch.api.files import attachment_view, given_out
from cicswitch.api.paging import Page, cursor_of, place_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.resources.interactions import found, view_of
from cicswitch.api.sending import Flow
from cicswitch.api.shapes.conversations import (
    Answers,
    AnswerView,
    AttachmentQuery,
    AttachmentView,
    ChannelTested,
    ChannelView,
    ConversationQuery,
    ConversationView,
    MessageQuery,
    MessageView,
    OutboxView,
    Reading,
    StartBody,
    StartingChannels,
    StartingView,
    TaskBody,
    TaskTaken,
    Writing,
)
from cicswitch.api.shapes.interactions import InteractionView
from cicswitch.api.views import channel_views, tested
from cicswitch.contacts.answers import asked_fields, filled, unfilled
from cicswitch.contacts.contact import Contact, Stage
from cicswitch.contacts.messages import First, Incoming, Message
from cicswitch.core.errors import CommandError, Conflict, NotFound
from cicswitch.mail.quoting import split
from cicswitch.ports import StartingChannel
from cicswitch.records.rows import ConversationRecord

if TYPE_CHECKING:
    from cicswitch.switch.contacts import Contacts

__all__ = [
    "AnswerView",
    "Answers",
    "AttachmentQuery",
    "AttachmentView",
    "ChannelTested",
    "ChannelView",
    "ConversationQuery",
    "ConversationView",
    "MessageQuery",
    "MessageView",
    "OutboxView",
    "Reading",
    "StartBody",
    "StartingChannels",
    "StartingView",
    "TaskBody",
    "TaskTaken",
    "Writing",
    "readable",
    "view_of_conversation",
]

_decode_facts: Final = msgspec.json.Decoder(dict[str, str]).decode
_SEE: Final = ("interactions:read", "interactions:self")
_STEER: Final = ("interactions:write", "interactions:self")


def _contacts(ask: Ask) -> Contacts:
    return ask.api.switch.conductor.contacts


# -- what an agent does with a contact ---------------------------------------------------------


@endpoint("POST", "/interactions/{interaction}/take", scopes="interactions:self", errors=(409,))
async def take(ask: Ask, interaction: str) -> InteractionView:
    """Take a contact in writing that one's own agent is offered."""
    return await _do(ask, interaction, "take", lambda c: c.take(interaction, _own(ask)))


@endpoint("POST", "/interactions/{interaction}/reject", scopes="interactions:self", errors=(409,))
async def reject(ask: Ask, interaction: str) -> InteractionView:
    """Decline it; it keeps its place."""
    return await _do(ask, interaction, "reject", lambda c: c.reject(interaction, _own(ask)))


@endpoint("POST", "/interactions/{interaction}/finish", scopes=_STEER, errors=(409, 412))
async def finish(ask: Ask, interaction: str) -> None:
    """End a contact in writing; the agent's wrap-up begins."""
    view = found(ask, interaction)
    ask.only_own(view.agent, "interactions:write")
    ask.match(view)
    await _do(ask, interaction, "finish", lambda c: c.finish(interaction))


def _own(ask: Ask) -> str:
    if not ask.account.agent:
        raise Conflict("the account has no agent")
    return ask.account.agent


async def _do(ask: Ask, name: str, verb: str, work: Callable[[Contacts], None]) -> InteractionView:
    before = found(ask, name)
    contacts = _contacts(ask)
    contacts.of(name)
    ask.api.switch.conductor.do(lambda: work(contacts))
    await ask.note(f"interaction.{verb}", name, {"agent": before.agent}, None)
    return view_of(ask, name) or before


# -- conversations -----------------------------------------------------------------------------


@endpoint("GET", "/conversations", scopes=_SEE)
async def conversations(ask: Ask, query: ConversationQuery) -> Page[ConversationView]:
    """Conversations, the one that was written in last first.

    With interactions:self those of one's own agent only.
    """
    wanted = {
        name: value for name in ("customer", "agent", "channel") if (value := getattr(query, name))
    }
    if not ask.may("interactions:read"):
        own = _own(ask)
        if query.agent and query.agent != own:
            raise Problem(403, "for any agent but one's own this takes interactions:read")
        wanted["agent"] = own
    read = await ask.api.switch.archive.conversations(
        query.limit + 1, place_of(query.cursor), **wanted
    )
    items = [view_of_conversation(ask, each) for _, each in read[: query.limit]]
    after = None
    if len(read) > query.limit:
        row, last = read[query.limit - 1]
        after = cursor_of(f"{last.updated_at!r} {row}")
    return Page(items, after)


@endpoint("POST", "/conversations", scopes="conversations:start", status=201, errors=(409, 413))
async def start(ask: Ask, body: StartBody) -> ConversationView:
    """Write to a customer who has not written; it is on disk when this is answered.

    It makes a conversation without a contact, and its first message, which is delivered then. What
    the customer answers goes to one's own agent first.
    """
    contacts, attachments = _contacts(ask), ask.api.switch.attachments
    channels: Mapping[str, object] = contacts.channels
    channel = channels.get(body.channel)
    if not isinstance(channel, StartingChannel) or not channel.starts:
        able = sorted(name for name, each in channels.items() if getattr(each, "starts", False))
        expected = f"a channel that can write first: {', '.join(able) or 'none is configured'}"
        raise Problem(422, errors=[FieldError(pointer="/channel", expected=expected)])
    if not (body.text.strip() or body.attachments):
        raise Problem(422, errors=[FieldError(pointer="/text", expected="a text or attachments")])
    first = First(
        customer=body.to,
        called=body.called,
        text=body.text,
        name=body.name,
        subject=body.subject,
        language=body.language,
        attachments=await attachments.offered(_owner(ask), body.attachments),
        author=f"agent:{ask.account.agent}" if ask.account.agent else "system",
    )
    accepted = await contacts.write_first(body.channel, first)
    await attachments.sent(_owner(ask), first.attachments)
    await ask.note("conversation.start", accepted.conversation, None, {"channel": body.channel})
    name = accepted.conversation
    record = contacts.known(name) or await ask.api.switch.archive.conversation(name)
    if record is None:
        raise NotFound("the conversation is not there any more")
    return view_of_conversation(ask, record)


def _owner(ask: Ask) -> str:
    return f"start-{ask.account.name}"


@endpoint("GET", "/conversations/{conversation}", scopes=_SEE)
async def conversation(ask: Ask, conversation: str) -> ConversationView:
    """A conversation.

    With interactions:self while one's own agent has it or is offered it, or if he had it last.
    """
    return view_of_conversation(ask, await readable(ask, conversation))


@endpoint("GET", "/conversations/{conversation}/messages", scopes=_SEE)
async def messages(ask: Ask, conversation: str, query: MessageQuery) -> list[MessageView]:
    """Its messages, in order."""
    medium = (await readable(ask, conversation)).medium
    read = await ask.api.switch.archive.messages(conversation, query.after, query.limit)
    digests = [file.digest for each in read for file in each.attachments]
    states = await ask.api.switch.attachments.states(digests)
    return [_message(ask, each, states, medium) for each in read]


@endpoint(
    *("POST", "/conversations/{conversation}/messages"), scopes=_STEER, status=201, errors=(409,)
)
async def write(ask: Ask, conversation: str, body: Writing) -> MessageView:
    """Write to the customer; it is on disk when this is answered, and delivered then."""
    contact = _mine(ask, conversation)
    contacts = _contacts(ask)
    if not (body.text.strip() or body.attachments):
        raise Problem(422, errors=[FieldError(pointer="/text", expected="a text or attachments")])
    for name, given in (("/text", body.text), ("/subject", body.subject)):
        left = unfilled(given)
        if left:
            error = FieldError(pointer=name, found=left, expected="all fields filled in")
            raise Problem(422, f"{left} is not filled in", errors=[error])
    if body.subject and contact.origin.medium != "email":
        raise Problem(422, errors=[FieldError(pointer="/subject", expected="none: it is no email")])
    author, attachments = f"agent:{contact.agent}", ask.api.switch.attachments
    files = await attachments.offered(conversation, body.attachments)
    written = ask.api.switch.conductor.do(
        lambda: contacts.write(
            contact.id, author, body.text, attachments=files, subject=body.subject
        )
    )
    await contacts.stored()
    await attachments.sent(conversation, files)
    return _message(ask, written, {}, contact.origin.medium)


@endpoint("GET", "/conversations/{conversation}/answers", scopes=_SEE)
async def answers(ask: Ask, conversation: str) -> Answers:
    """The texts of the configuration that are at hand for it, with their fields filled in."""
    record = await readable(ask, conversation)
    values = {
        "agent": _contacts(ask).shown(ask.account.agent or record.agent),
        "called": record.called,
        "customer": record.customer,
        "name": record.name or record.customer,
        "queue": record.queue,
        "subject": record.subject,
    }
    found = [
        AnswerView(
            name,
            each.title or name,
            filled(each.text, values),
            filled(each.subject, values) if record.medium == "email" else "",
            each.whole,
            asked_fields(each.subject if record.medium == "email" else "", each.text),
        )
        for name, each in ask.api.config.answer.items()
        if (not each.media or record.medium in each.media)
        and (not each.queues or record.queue in each.queues)
        and (not each.language or record.language == each.language)
    ]
    return Answers(found)


@endpoint("POST", "/conversations/{conversation}/typing", scopes=_STEER, errors=(409,))
async def typing(ask: Ask, conversation: str) -> None:
    """Tell a customer who reads along that he is being written to."""
    _contacts(ask).agent_typing(_mine(ask, conversation).id)


@endpoint("POST", "/conversations/{conversation}/read", scopes=_STEER, errors=(409,))
async def mark_read(ask: Ask, conversation: str, body: Reading) -> None:
    """Tell a customer who reads along how far his messages were read."""
    _contacts(ask).agent_read(_mine(ask, conversation).id, body.seq)


def _mine(ask: Ask, name: str) -> Contact:
    """The contact of a conversation that whoever asks may write in."""
    contact = _contacts(ask).by_conversation.get(name)
    if contact is None:
        raise Conflict("nothing of this conversation is open")
    ask.only_own(contact.agent, "interactions:write")
    if contact.stage is not Stage.TALKING:
        raise Conflict("no agent has it: it has to be taken first")
    return contact


async def readable(ask: Ask, name: str) -> ConversationRecord:
    """A conversation that whoever asks may read. Raises `NotFound`, `Problem`."""
    contacts = _contacts(ask)
    record = contacts.records.get(name) or await ask.api.switch.archive.conversation(name)
    if record is None:
        raise NotFound(f'there is no conversation "{name[:80]}"')
    contact = contacts.by_conversation.get(name)
    offered = contact is not None and ask.account.agent in contact.offers.values()
    if not offered:
        ask.only_own(record.agent, "interactions:read")
    return record


def view_of_conversation(ask: Ask, record: ConversationRecord) -> ConversationView:
    """A conversation as it is shown."""
    contacts = _contacts(ask)
    record = contacts.records.get(record.id, record)
    contact = contacts.by_conversation.get(record.id)
    known = ask.api.switch.conductor.recognising.conversation(record)
    return ConversationView(
        conversation=record.id,
        channel=record.channel,
        medium=record.medium,
        customer=record.customer,
        name=record.name,
        customer_id=known.person.id if known is not None else "",
        customer_name=known.person.name if known is not None else "",
        customer_sure=known is None or known.sure,
        called=record.called,
        subject=record.subject,
        language=record.language,
        opened_at=round(record.opened_at, 3),
        updated_at=round(record.updated_at, 3),
        messages=record.seq,
        interaction=contact.id if contact is not None else "",
        state=contact.stage.name.lower() if contact is not None else "",
        queue=contact.origin.queue if contact is not None else record.queue,
        agent=record.agent,
        authentication=_facts(record).get("authentication", ""),
        signature=_signature(ask, record),
        merged=record.merged,
        split=record.split,
    )


def _facts(record: ConversationRecord) -> dict[str, str]:
    return _decode_facts(record.data) if record.data and record.medium == "email" else {}


def _signature(ask: Ask, record: ConversationRecord) -> str:
    channel = ask.api.config.channel.get(record.channel)
    if channel is None or channel.type != "email":
        return ""
    contact = _contacts(ask).by_conversation.get(record.id)
    name = (contact.agent if contact is not None else "") or ask.account.agent or record.agent
    agent = _contacts(ask).shown(name) if name else ""
    return str(channel.settings.get("signature", "")).replace("{agent}", agent).strip("\n")


def _message(ask: Ask, message: Message, states: dict[str, str], medium: str) -> MessageView:
    waits = ask.api.switch.conductor.outbox.waiting.get(message.id)
    new = split(message.text) if medium == "email" and message.author == "customer" else 0
    return MessageView(
        message=message.id,
        seq=message.seq,
        at=round(message.at, 3),
        author=message.author,
        text=message.text,
        interaction=message.interaction,
        attachments=[
            attachment_view(each, states.get(each.digest, "")) for each in message.attachments
        ],
        folded=0 if new == len(message.text) else new,
        delivery="" if waits is None else ("failed" if waits.dead else "waiting"),
        error="" if waits is None else waits.error,
        subject=message.subject,
    )


# -- files -------------------------------------------------------------------------------------


@endpoint(
    *("POST", "/attachments"),
    scopes=("contacts:write", "interactions:self", "conversations:start"),
    status=201,
    errors=(409, 413, 422),
    repeatable=False,
)
async def upload(ask: Ask, query: AttachmentQuery, body: Raw) -> AttachmentView:
    """Upload a file for a conversation; a message of it names the digest within a day.

    The body is the file. With interactions:self for what one's own agent has. Without a
    conversation it is for the first message of a new one, with conversations:start.
    """
    if not query.conversation:
        if not ask.may("conversations:start"):
            raise Problem(403, "without a conversation this takes conversations:start")
        return await _uploaded(ask, _owner(ask), query.name, body)
    contact = _contacts(ask).by_conversation.get(query.conversation)
    if contact is None:
        raise Conflict("nothing of this conversation is open")
    ask.only_own(contact.agent, "contacts:write")
    return await _uploaded(ask, query.conversation, query.name, body)


async def _uploaded(ask: Ask, owner: str, name: str, body: Raw) -> AttachmentView:
    attachments = ask.api.switch.attachments
    made = await attachments.keep(aiter(body), name, clean=True)
    if not made.size:
        raise CommandError("the file is empty")
    await attachments.offer(owner, made)
    return attachment_view(made)


@endpoint(
    *("GET", "/conversations/{conversation}/attachments/{digest}"),
    scopes=_SEE,
    errors=(409, 416),
    media_type="application/octet-stream",
)
async def attachment(ask: Ask, conversation: str, digest: str) -> Answer[Flow]:
    """A file of its messages: all of it, or the part that Range asks for.

    It is for saving: no browser shows it as a page.
    """
    await readable(ask, conversation)
    found = await ask.api.switch.archive.attachment(conversation, digest)
    if found is None:
        raise NotFound("there is no such file in this conversation")
    return await given_out(ask.api.switch.attachments, found, ask.headers)


# -- tasks, channels ---------------------------------------------------------------------------


@endpoint("POST", "/tasks", scopes="contacts:write", status=201, errors=(409,))
async def hand_in(ask: Ask, body: TaskBody) -> TaskTaken:
    """Hand in work: it goes through dialplan and queue to an agent, as a call does."""
    contacts = _contacts(ask)
    channel = contacts.channels.get(body.channel)
    if channel is None or channel.medium != "task":
        known = sorted(name for name, each in contacts.channels.items() if each.medium == "task")
        expected = f"a channel of type task: {', '.join(known) or 'none is configured'}"
        raise Problem(422, errors=[FieldError(pointer="/channel", expected=expected)])
    accepted = await contacts.accept(
        channel,
        Incoming(
            customer=body.customer,
            called=body.called,
            text=body.text,
            name=body.name,
            external=body.external,
            subject=body.subject,
            language=body.language,
            context=dict(body.context),
        ),
    )
    contact = contacts.by_conversation.get(accepted.conversation)
    interaction = contact.id if contact is not None else ""
    if not accepted.again:
        await ask.note("task.hand-in", interaction, None, {"channel": body.channel})
    return TaskTaken(
        conversation=accepted.conversation, interaction=interaction, again=accepted.again
    )


@endpoint("GET", "/channels/starting", scopes="conversations:start")
async def starting(ask: Ask) -> StartingChannels:
    """The channels by which a customer can be written to first."""
    channels = _contacts(ask).channels
    return StartingChannels(
        [
            StartingView(channel=name, medium=each.medium, called=list(getattr(each, "own", ())))
            for name, each in sorted(channels.items())
            if getattr(each, "starts", False)
        ]
    )


@endpoint("GET", "/channels", scopes="config:read")
async def channels(ask: Ask) -> list[ChannelView]:
    """The channels in writing, and how each does."""
    return channel_views(ask.api.switch)


@endpoint("POST", "/channels/{channel}/test", scopes="config:write", errors=(404,))
async def test(ask: Ask, channel: str) -> ChannelTested:
    """Have a channel try whether it can do its work: 503 says what it cannot."""
    return await tested(ask.api.switch, channel)


@endpoint("GET", "/outbox", scopes="config:read")
async def outbox(ask: Ask) -> list[OutboxView]:
    """Messages that are not delivered, those first that were given up; a thousand at most."""
    waiting = ask.api.switch.conductor.outbox.waiting.values()
    return [
        OutboxView(
            message=each.message,
            conversation=each.conversation,
            channel=each.channel,
            attempts=each.attempts,
            due_at=round(each.due_at, 3),
            error=each.error,
            dead=each.dead,
        )
        for each in sorted(waiting, key=lambda each: (not each.dead, each.due_at))[:1000]
    ]


@endpoint("POST", "/outbox/{message}/retry", scopes="config:write", errors=(409,))
async def retry(ask: Ask, message: str) -> None:
    """Try a message again that was given up."""
    conductor = ask.api.switch.conductor
    if message not in conductor.outbox.waiting:
        raise NotFound(f'nothing waits for delivery as "{message[:80]}"')
    if not conductor.do(lambda: conductor.outbox.retry(message)):
        raise Conflict("it is tried again anyway")
    await ask.note("outbox.retry", message)

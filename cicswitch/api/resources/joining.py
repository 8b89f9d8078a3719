"""Two conversations made one, and one made two."""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.problems import Problem
from cicswitch.api.resources.conversations import readable, view_of_conversation
from cicswitch.api.shapes.conversations import (
    ConversationView,
    Merging,
    OpenConversations,
    Splitting,
)
from cicswitch.contacts.contact import Contact, Stage
from cicswitch.contacts.messages import Message
from cicswitch.core.errors import Conflict, NotFound

__all__ = ["Merging", "OpenConversations", "Splitting"]

_SEE = ("interactions:read", "interactions:self")
_STEER = ("interactions:write", "interactions:self")
_PAGE = 1000
_PAGES = 50


@endpoint("GET", "/conversations/{conversation}/mergeable", scopes=_SEE)
async def mergeable(ask: Ask, conversation: str) -> OpenConversations:
    """The open conversations of the same customer with which it can be made one."""
    await readable(ask, conversation)
    conductor = ask.api.switch.conductor
    contacts = conductor.contacts
    contact = contacts.by_conversation.get(conversation)
    if contact is None or contact.stage is not Stage.TALKING:
        return OpenConversations([])
    if not ask.may("interactions:read") and contact.agent != ask.account.agent:
        return OpenConversations([])  # it is only offered to him
    origin = contact.origin
    known = await ask.api.switch.archive.conversations(
        100, None, customer=origin.customer, channel=origin.channel
    )
    open_ = [contacts.by_conversation.get(record.id) for _, record in known]
    found = [
        each for each in open_ if each is not None and not conductor.joining.fit(contact, each)
    ]
    records = [contacts.records[each.origin.conversation] for each in found]
    return OpenConversations([view_of_conversation(ask, each) for each in records])


@endpoint(*("POST", "/conversations/{conversation}/merge"), scopes=_STEER, errors=(409,))
async def merge(ask: Ask, conversation: str, body: Merging) -> ConversationView:
    """Make one of two open conversations of a customer; it is the older one that stays.

    With interactions:self if one's own agent has one of them, and nobody else the other.
    """
    conductor = ask.api.switch.conductor
    one, other = await _open(ask, conversation), await _open(ask, body.conversation)
    if not ask.may("interactions:write"):
        own = [
            each for each in (one, other) if ask.account.agent and each.agent == ask.account.agent
        ]
        taken = [each for each in (one, other) if each.agent]
        if not own or len(taken) != len(own):
            raise Problem(403, "for any agent but one's own this takes interactions:write")
    names = sorted((one.origin.conversation, other.origin.conversation))
    kept = conductor.do(lambda: conductor.joining.merge(one, other, ask.account.name))
    await conductor.contacts.stored()
    gone = [each for each in names if each != kept.origin.conversation]
    await ask.note("conversation.merge", kept.origin.conversation, None, {"merged": gone[0]})
    return view_of_conversation(ask, await readable(ask, kept.origin.conversation))


@endpoint(*("POST", "/conversations/{conversation}/split"), scopes=_STEER, errors=(409,))
async def split(ask: Ask, conversation: str, body: Splitting) -> ConversationView:
    """Make a conversation of its own of a message and what follows it; the new one.

    Its contact goes to the agent who has the old one, behind what he has in hand.
    """
    conductor = ask.api.switch.conductor
    contact = await _open(ask, conversation)
    ask.only_own(contact.agent, "interactions:write")
    message = await ask.api.switch.archive.message(body.message)
    if message is None or message.conversation != conversation:
        raise NotFound(f'there is no message "{body.message[:80]}" in it')
    said = await _said(ask, conversation, message)
    made = conductor.do(
        lambda: conductor.joining.split(contact, message, said, body.subject, ask.account.name)
    )
    await conductor.contacts.stored()
    told = {"message": message.id, "split": made.origin.conversation}
    await ask.note("conversation.split", conversation, None, told)
    record = conductor.contacts.records.get(made.origin.conversation)
    return view_of_conversation(ask, record or await readable(ask, made.origin.conversation))


async def _said(ask: Ask, conversation: str, message: Message) -> list[Message]:
    """From the last answer before a message on, all of them."""
    archive = ask.api.switch.archive
    found: list[Message] = []
    after = max(0, message.seq - 50)
    for _ in range(_PAGES):
        read = await archive.messages(conversation, after, _PAGE)
        found += read
        if len(read) < _PAGE:
            return found
        after = read[-1].seq
    raise Conflict("it is too long")


async def _open(ask: Ask, name: str) -> Contact:
    contact = ask.api.switch.conductor.contacts.by_conversation.get(name)
    if contact is None:
        await readable(ask, name)
        raise Conflict("nothing of this conversation is open")
    return contact

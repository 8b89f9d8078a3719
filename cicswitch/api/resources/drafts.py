"""Answers that are being written, kept in the switch: on any device, and for who takes over."""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.resources.conversations import readable
from cicswitch.api.shapes.conversations import Drafting, DraftView
from cicswitch.core.errors import Conflict

__all__ = ["DraftView", "Drafting"]

_SEE = ("interactions:read", "interactions:self")
_STEER = ("interactions:write", "interactions:self")


@endpoint("GET", "/conversations/{conversation}/draft", scopes=_SEE, tagged=True)
async def draft(ask: Ask, conversation: str) -> DraftView:
    """The answer that is being written; without an agent: none is."""
    await readable(ask, conversation)
    return _view(ask, conversation)


@endpoint(
    *("PUT", "/conversations/{conversation}/draft"),
    scopes=_STEER,
    tagged=True,
    errors=(409, 412),
)
async def keep_draft(ask: Ask, conversation: str, body: Drafting) -> DraftView:
    """Keep an answer so far, for whoever goes on with it. It goes when an answer is sent.

    With `If-Match` nobody's words are written over.
    """
    conductor = ask.api.switch.conductor
    contact = conductor.contacts.by_conversation.get(conversation)
    if contact is None:
        await readable(ask, conversation)
        raise Conflict("nothing of this conversation is open")
    agent = contact.agent or contact.origin.snoozed_for
    ask.only_own(agent, "interactions:write")
    ask.match(_view(ask, conversation))
    account = ask.account
    writer = account.agent or agent
    conductor.do(
        lambda: conductor.drafts.keep(contact, writer, account.name, body.subject, body.text)
    )
    await conductor.contacts.stored()
    return _view(ask, conversation)


def _view(ask: Ask, name: str) -> DraftView:
    kept = ask.api.switch.conductor.drafts.kept.get(name)
    if kept is None:
        return DraftView(conversation=name)
    return DraftView(
        conversation=name,
        text=kept.text,
        subject=kept.subject,
        agent=kept.agent,
        account=kept.account,
        at=round(kept.at, 3),
    )

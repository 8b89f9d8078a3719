"""What colleagues write to one another. It is in no event and no webhook, and not in the audit log.

Rooms are named from the side of who asks: `account:NAME` is the one with him.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.api.accounts.model import Account
from cicswitch.api.context import Api
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.chat import ChatMessage, ChatMessages, ChatRead, ChatRoom, ChatText
from cicswitch.core.errors import NotFound
from cicswitch.records.chat import SUPERVISORS, Said, direct

__all__ = [
    "ChatMessage",
    "ChatMessages",
    "ChatRead",
    "ChatRoom",
    "ChatText",
    "concerns",
    "message_of",
]

_SCOPE, _SUPERVISES = "chat:self", "agents:write"
_MOST = 2000


class ChatPlace(Struct, frozen=True):
    """Which messages: of one room or of all, after a number or before one."""

    to: str = ""
    after: Annotated[int, Meta(ge=0)] = 0
    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


@endpoint("GET", "/chat", scopes=_SCOPE)
async def rooms(ask: Ask, query: Paging) -> Page[ChatRoom]:
    """Colleagues and teams to write to, with presence and unread messages."""
    api, me = ask.api, ask.account
    colleagues = {each.name: each for each in await _accounts(api) if each.name != me.name}
    names = [f"account:{name}" for name in colleagues] + _teams(api, me) + [SUPERVISORS]
    page = page_of(sorted({*names}), query, lambda name: name)
    counts = await api.sources.chat.counts([_room(me.name, to) for to in page.items], me.name)
    online = api.sources.chat.online()
    found = []
    for to in page.items:
        kind, _, name = to.partition(":")
        unread, last = counts.get(_room(me.name, to), (0, 0))
        if kind == SUPERVISORS and not supervises(me):
            unread = last = 0
        account = colleagues.get(name) if kind == "account" else None
        found.append(
            ChatRoom(
                to=to,
                name=(account.display_name or name) if account is not None else name or to,
                presence="" if account is None else _presence(api, account, online),
                online=account is not None and account.name in online,
                number=_number(api, account),
                unread=unread,
                last=last,
            )
        )
    return Page(found, page.next)


@endpoint("GET", "/chat/messages", scopes=_SCOPE, errors=(404,))
async def messages(ask: Ask, query: ChatPlace) -> ChatMessages:
    """Messages of one room, or (without `to`) of all that concern one, in their order."""
    api, me = ask.api, ask.account
    if query.to:
        await _known(ask, query.to)
        names = [query.to]
    else:
        colleagues = [each.name for each in await _accounts(api) if each.name != me.name]
        names = [f"account:{name}" for name in colleagues] + _teams(api, me) + [SUPERVISORS]
    own = [SUPERVISORS] if SUPERVISORS in names and not supervises(me) else []
    found = await api.sources.chat.said(
        [_room(me.name, to) for to in names if to not in own],
        own,
        me.name,
        after=query.after,
        before=query.before,
        limit=query.limit + 1,
    )
    more = len(found) > query.limit
    if more:
        found = found[1:] if query.before is not None else found[:-1]
    return ChatMessages([message_of(me.name, each) for each in found], more)


@endpoint("POST", "/chat/messages", scopes=_SCOPE, status=201, errors=(404, 409), repeatable=False)
async def send(ask: Ask, body: ChatText) -> ChatMessage:
    """Write to a colleague or a team; on disk when it is answered."""
    api, me = ask.api, ask.account
    if not body.text.strip() or any(ord(char) < 32 and char not in "\n\t" for char in body.text):
        error = FieldError(pointer="/text", expected="text, without control characters")
        raise Problem(422, "it is no text", errors=[error])
    await _known(ask, body.to)
    api.writing.per_minute = api.config.chat.messages_per_minute
    allowed, _, wait_s = api.writing.take(me.name, ask.now)
    if not allowed:
        told = f"{api.writing.per_minute} messages a minute are the most"
        raise Problem(429, told, headers={"Retry-After": str(wait_s)})
    room = _room(me.name, body.to)
    return message_of(me.name, await api.sources.chat.send(me.name, room, body.text, body.id))


@endpoint("POST", "/chat/read", scopes=_SCOPE, errors=(404,), repeatable=False)
async def read(ask: Ask, body: ChatRead) -> None:
    """Say up to where one has read a room."""
    await _known(ask, body.to)
    room = _room(ask.account.name, body.to)
    await ask.api.sources.chat.read(ask.account.name, room, body.seq)


def supervises(account: Account) -> bool:
    """Whether an account belongs to all teams."""
    return _SUPERVISES in account.scopes


def concerns(api: Api, account: Account, room: str, sender: str) -> bool:
    """Whether what is said in a room is for an account."""
    kind, _, name = room.partition(":")
    if kind == "direct":
        return account.name in name.split(":")
    if kind == SUPERVISORS:
        return supervises(account) or account.name == sender
    return room in _teams(api, account)


def message_of(me: str, said: Said) -> ChatMessage:
    """A message as one of those concerned gets it."""
    kind, _, name = said.room.partition(":")
    to = said.room
    if kind == "direct":
        one, _, other = name.partition(":")
        to = f"account:{other if one == me else one}"
    return ChatMessage(
        seq=said.seq, at=said.at, to=to, sender=said.sender, id=said.id, text=said.text
    )


def _room(me: str, to: str) -> str:
    kind, _, name = to.partition(":")
    return direct(me, name) if kind == "account" else to


async def _known(ask: Ask, to: str) -> None:
    """See that there is such a room for who asks. Raises `NotFound`."""
    api, me = ask.api, ask.account
    kind, _, name = to.partition(":")
    there = to == SUPERVISORS or to in _teams(api, me)
    if kind == "account" and name != me.name:
        there = any(each.name == name for each in await _accounts(api))
    if not there:
        raise NotFound(f'nobody can be written to as "{to[:120]}"')


async def _accounts(api: Api) -> list[Account]:
    people = await api.directory.run(api.directory.file.people.page, "", _MOST)
    return [each for each in people if not each.disabled]


def _teams(api: Api, account: Account) -> list[str]:
    """The queues whose team an account belongs to."""
    engine = api.switch.engine
    if supervises(account):
        return [f"queue:{name}" for name in engine.queues]
    agent = engine.agents.get(account.agent)
    if agent is None:
        return []
    return [
        f"queue:{name}"
        for name, queue in engine.queues.items()
        if (not queue.definition.agents or agent.id in queue.definition.agents)
        and queue.need.meets(agent.skills)
    ]


def _presence(api: Api, account: Account, online: set[str]) -> str:
    agent = api.switch.engine.agents.get(account.agent)
    if agent is not None and agent.presence:
        return agent.state.word
    return "online" if account.name in online else "offline"


def _number(api: Api, account: Account | None) -> str:
    if account is None:
        return ""
    return api.switch.conductor.workplaces.of(account.agent)

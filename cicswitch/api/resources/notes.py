"""Notes: what is kept of an interaction beside its wrap-up code."""

from __future__ import annotations

import asyncio
from typing import Final

from cicswitch.acd.interaction import AssignmentState
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.resources.interactions import view_of
from cicswitch.api.shapes.customers import NoteText, NoteView
from cicswitch.calls.events import NoteWritten
from cicswitch.core.errors import Conflict, NotFound, ResourceError

__all__ = ["NoteText", "NoteView"]

_SEE = ("interactions:read", "interactions:self")
_WRITE = ("interactions:write", "interactions:self")
_STORED_S: Final = 5.0


@endpoint("GET", "/interactions/{interaction}/note", scopes=_SEE, tagged=True)
async def note(ask: Ask, interaction: str) -> NoteView:
    """The note to an interaction, in progress or over.

    With interactions:self only while one's own agent handles or wraps it up.
    """
    await _agent_of(ask, interaction, "interactions:read")
    return await _now(ask, interaction)


@endpoint("PUT", "/interactions/{interaction}/note", scopes=_WRITE, tagged=True, errors=(409, 412))
async def put_note(ask: Ask, interaction: str, body: NoteText) -> NoteView:
    """Write the note, in the place of what was there; it is on disk when this is answered.

    With interactions:self only while one's own agent handles or wraps it up.
    """
    agent = await _agent_of(ask, interaction, "interactions:write")
    switch = ask.api.switch
    try:
        async with asyncio.timeout(_STORED_S), ask.api.noting:
            before = await _now(ask, interaction)
            ask.match(before)
            at = switch.clock.now()
            event = NoteWritten(at, interaction, agent, ask.account.name, body.text)
            switch.conductor.post(event)
            await switch.store.committed()
    except TimeoutError:
        raise ResourceError("the note is not on disk yet: write it again") from None
    after = _view(event)
    told = {"agent": agent, "characters": len(body.text)}
    await ask.note("interaction.note", interaction, {"characters": len(before.text)}, told)
    return after


async def _now(ask: Ask, interaction: str) -> NoteView:
    found = await ask.api.sources.customers.note(interaction)
    if found is None:
        return NoteView(interaction=interaction, text="", agent="", account="", at=None)
    return NoteView(
        interaction=interaction,
        text=found.text,
        agent=found.agent,
        account=found.account,
        at=round(found.at, 3),
    )


def _view(event: NoteWritten) -> NoteView:
    return NoteView(
        interaction=event.interaction,
        text=event.text,
        agent=event.agent,
        account=event.account,
        at=round(event.at, 3),
    )


async def _agent_of(ask: Ask, name: str, scope: str) -> str:
    """Whose interaction it is. Raises `NotFound`, `Conflict`, and `Problem` 403 for who has neither
    the scope nor the interaction.
    """
    own = ask.api.switch.engine.agents.get(ask.account.agent) if ask.account.agent else None
    for assignment in own.work.values() if own is not None else ():
        if assignment.interaction.id == name:
            if assignment.state is AssignmentState.ALERTING and not ask.may(scope):
                raise Conflict("it is only offered so far: answer it first")
            return ask.account.agent
    view = view_of(ask, name)
    if view is not None:
        ask.only_own(view.agent, scope)
        return view.agent
    if ask.may(scope):
        agent = await ask.api.sources.customers.agent_of(name)
        if agent is not None:
            return agent
    raise NotFound(f'there is no interaction "{name[:80]}"')

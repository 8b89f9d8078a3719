"""Interactions, waiting and in progress: looked at, explained, moved, prioritised, ended."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.acd import commands as acd
from cicswitch.acd.explain import InteractionExplained, of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.acd.interaction import Interaction
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.resources.agents import Language, spoken
from cicswitch.calls.call import Call
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound

__all__ = [
    "ExplainedInteraction",
    "InteractionQuery",
    "InteractionView",
    "MoveTo",
    "Placed",
    "Priority",
]

_LONG_S = 0.005
_SEE = ("interactions:read", "interactions:self")
_END = ("interactions:write", "interactions:self")


class InteractionView(Struct, frozen=True, kw_only=True):
    """An interaction as it is now."""

    interaction: str
    medium: str
    state: str
    """In the ACD: `waiting`, `away` (to be called back), `reserved` (offered to an agent),
    `connected`, `held`. A call that is not: what it is doing, `dialplan`, `voicemail` …"""
    queue: str
    agent: str
    priority: int
    """Its own: what `prioritise` sets."""
    segment: str
    caller: str
    called: str
    peer: str
    """The trunk that it came by, or `device:NUMBER`."""
    started_at: float | None
    queued_at: float | None
    """When the wait began that its place counts from."""
    connected_at: float | None


class InteractionQuery(Paging, frozen=True, kw_only=True):
    """Which interactions."""

    queue: str = ""
    state: str = ""
    agent: str = ""


class MoveTo(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it goes."""

    queue: str


class Priority(Struct, frozen=True, forbid_unknown_fields=True):
    """Its own priority from now."""

    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]


class Placed(Struct, frozen=True):
    """Where it waits now; place 0: it is offered to an agent already."""

    interaction: str
    queue: str
    position: int


class ExplainedInteraction(Struct, frozen=True):
    """Why it waits and who could take it, in sentences and as values."""

    text: list[str]
    explained: InteractionExplained
    position: int


@endpoint("GET", "/interactions", scopes=_SEE)
async def interactions(ask: Ask, query: InteractionQuery) -> Page[InteractionView]:
    """Interactions in the order in which they began.

    With interactions:self only those that one's own agent has.
    """
    switch = ask.api.switch
    calls, waiting = switch.conductor.calls, switch.engine.interactions
    own = "" if ask.may("interactions:read") else ask.account.agent or "\0"

    def item(name: str) -> InteractionView | None:
        view = _view(ask, name)
        if view is None or (own and view.agent != own):
            return None
        for field in ("queue", "state", "agent"):
            wanted = getattr(query, field)
            if wanted and getattr(view, field) != wanted:
                return None
        return view

    return page_of(ask.api.interactions.of({**calls, **waiting}), query, item)


@endpoint("GET", "/interactions/{interaction}", scopes=_SEE, tagged=True)
async def interaction(ask: Ask, interaction: str) -> InteractionView:
    """An interaction."""
    view = _found(ask, interaction)
    ask.only_own(view.agent, "interactions:read")
    return view


@endpoint("GET", "/interactions/{interaction}/explain", scopes="explain:read")
async def explain(ask: Ask, interaction: str, query: Language) -> ExplainedInteraction:
    """Why it waits, and who could take it."""
    switch = ask.api.switch
    async with ask.api.explaining:
        begun = perf_counter()
        explained = of_interaction(
            switch.engine, interaction, switch.clock.now(), spoken(ask, query)
        )
        position = switch.engine.position(interaction)
        took_s = perf_counter() - begun
        if took_s > _LONG_S:
            await asyncio.sleep(took_s * 10)  # it looks at all agents at once: calls first
    return ExplainedInteraction(text(explained), explained, position)


@endpoint(
    "POST", "/interactions/{interaction}/move", scopes="interactions:write", errors=(409, 412)
)
async def move(ask: Ask, interaction: str, body: MoveTo) -> Placed:
    """Put one that waits into another queue; its place counts from the same time."""
    command = acd.Move(interaction, body.queue)
    return await _change(ask, interaction, "interaction.move", command)


@endpoint(
    *("POST", "/interactions/{interaction}/prioritise"),
    scopes="interactions:write",
    errors=(409, 412),
)
async def prioritise(ask: Ask, interaction: str, body: Priority) -> Placed:
    """Give one that waits another priority of its own."""
    command = acd.Prioritise(interaction, body.priority)
    return await _change(ask, interaction, "interaction.prioritise", command)


@endpoint("POST", "/interactions/{interaction}/hang-up", scopes=_END, errors=(409, 412))
async def hang_up(ask: Ask, interaction: str) -> None:
    """End a call."""
    view = _found(ask, interaction)
    ask.only_own(view.agent, "interactions:write")
    ask.match(view)
    conductor = ask.api.switch.conductor
    call = conductor.calls.get(interaction)
    if call is None:
        raise Conflict("it is no call, or not yet: a callback is cancelled")
    conductor.run_soon(lambda: conductor.end(call, Reason.NORMAL))
    await ask.note("interaction.hang-up", interaction, _told(view), None)


async def _change(ask: Ask, name: str, action: str, command: acd.Command) -> Placed:
    switch = ask.api.switch
    before = _found(ask, name)
    ask.match(before)
    switch.command(command)
    after = _view(ask, name)
    await ask.note(action, name, _told(before), _told(after) if after is not None else None)
    queue = after.queue if after is not None else ""
    return Placed(name, queue, switch.engine.position(name))


def _told(view: InteractionView) -> dict[str, object]:
    return {key: getattr(view, key) for key in ("state", "queue", "agent", "priority")}


def _found(ask: Ask, name: str) -> InteractionView:
    view = _view(ask, name)
    if view is None:
        raise NotFound(f'there is no interaction "{name[:80]}"')
    return view


def _view(ask: Ask, name: str) -> InteractionView | None:
    switch = ask.api.switch
    call: Call | None = switch.conductor.calls.get(name)
    found: Interaction | None = switch.engine.interactions.get(name)
    if call is None and found is None:
        return None
    state = call.phase.name.lower().replace("_", "-") if call is not None else ""
    if found is not None:
        state = found.state.name.lower().replace("_", "-")
    return InteractionView(
        interaction=name,
        medium=found.medium if found is not None else "voice",
        state=state,
        queue=found.queue.name if found is not None else "",
        agent=(found.agent if found is not None else "")
        or (call.agent if call is not None else ""),
        priority=found.own_priority if found is not None else 0,
        segment=found.segment if found is not None else "",
        caller=call.caller if call is not None else "",
        called=call.called if call is not None else "",
        peer=call.peer if call is not None else "",
        started_at=round(call.started_at, 3) if call is not None else None,
        queued_at=round(found.queued_at, 3) if found is not None else None,
        connected_at=(
            round(found.connected_at, 3) if found is not None and found.connected_at else None
        ),
    )

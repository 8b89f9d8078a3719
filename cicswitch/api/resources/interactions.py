"""Interactions, waiting and in progress: looked at, explained, moved, prioritised, ended."""

from __future__ import annotations

import asyncio
from time import perf_counter

from cicswitch.acd import commands as acd
from cicswitch.acd.explain import of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, page_of
from cicswitch.api.resources.agents import Language, spoken
from cicswitch.api.shapes.interactions import (
    ExplainedInteraction,
    InteractionQuery,
    InteractionView,
    MoveTo,
    PartyView,
    Placed,
    Priority,
)
from cicswitch.api.views import interaction_view
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound

__all__ = [
    "ExplainedInteraction",
    "InteractionQuery",
    "InteractionView",
    "MoveTo",
    "PartyView",
    "Placed",
    "Priority",
    "found",
    "view_of",
]

_LONG_S = 0.005
_SEE = ("interactions:read", "interactions:self")
_END = ("interactions:write", "interactions:self")


@endpoint("GET", "/interactions", scopes=_SEE)
async def interactions(ask: Ask, query: InteractionQuery) -> Page[InteractionView]:
    """Interactions in the order in which they began.

    With interactions:self only those that one's own agent has or is offered.
    """
    switch = ask.api.switch
    calls, waiting = switch.conductor.calls, switch.engine.interactions
    own = "" if ask.may("interactions:read") else ask.account.agent or "\0"

    def item(name: str) -> InteractionView | None:
        view = view_of(ask, name)
        if view is None or (own and view.agent != own and own not in _offered_to(ask, name)):
            return None
        for field in ("queue", "state", "agent"):
            wanted = getattr(query, field)
            if wanted and getattr(view, field) != wanted:
                if field == "agent" and wanted in _offered_to(ask, name):
                    continue
                return None
        return view

    return page_of(
        ask.api.interactions.of({**calls, **waiting, **switch.conductor.contacts.live}), query, item
    )


@endpoint("GET", "/interactions/{interaction}", scopes=_SEE, tagged=True)
async def interaction(ask: Ask, interaction: str) -> InteractionView:
    """An interaction."""
    view = found(ask, interaction)
    if ask.account.agent not in _offered_to(ask, interaction):
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
    view = found(ask, interaction)
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
    before = found(ask, name)
    ask.match(before)
    switch.command(command)
    after = view_of(ask, name)
    await ask.note(action, name, _told(before), _told(after) if after is not None else None)
    queue = after.queue if after is not None else ""
    return Placed(name, queue, switch.engine.position(name))


def _told(view: InteractionView) -> dict[str, object]:
    return {key: getattr(view, key) for key in ("state", "queue", "agent", "priority")}


def _offered_to(ask: Ask, name: str) -> list[str]:
    """The agents at whom it rings, also beside others."""
    waits = ask.api.switch.engine.interactions.get(name)
    return [offer.agent.id for offer in waits.offers] if waits is not None else []


def found(ask: Ask, name: str) -> InteractionView:
    """An interaction as it is. Raises `NotFound`."""
    view = view_of(ask, name)
    if view is None:
        raise NotFound(f'there is no interaction "{name[:80]}"')
    return view


def view_of(ask: Ask, name: str) -> InteractionView | None:
    """An interaction as it is, None if there is none any more; who may not see all interactions
    is not told who listens in.
    """
    return interaction_view(ask.api.switch, name, hidden=not ask.may("interactions:read"))

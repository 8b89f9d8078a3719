"""Customers: what they called for before."""

from __future__ import annotations

from typing import Final

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, cursor_of, place_of
from cicswitch.api.problems import Problem
from cicswitch.api.shapes.customers import ContactView

__all__ = ["ContactView"]

_NOBODY: Final = frozenset(("", "anonymous", "unknown", "unavailable", "restricted", "private"))


@endpoint("GET", "/customers/{number}/history", scopes=("interactions:read", "interactions:self"))
async def history(ask: Ask, number: str, query: Paging) -> Page[ContactView]:
    """The contacts of a customer that are over, on any medium, newest first.

    With interactions:self only while one's own agent is offered, handles or wraps up an interaction
    of this customer. Who hides his number has no history.
    """
    if not ask.may("interactions:read") and not _has(ask, number):
        raise Problem(
            403, "of a customer whom one's own agent does not have this takes interactions:read"
        )
    if number.lower() in _NOBODY:
        return Page([])
    found, after = await ask.api.sources.customers.contacts(
        number, query.limit, place_of(query.cursor)
    )
    items = [
        ContactView(
            interaction=past.interaction,
            medium=past.medium,
            called=past.called,
            started_at=round(past.started_at, 3),
            ended_at=None if past.ended_at is None else round(past.ended_at, 3),
            queue=past.queue,
            agent=past.agent,
            wait_s=round(past.wait_s, 1),
            talk_s=round(past.talk_s, 1),
            outcome=past.outcome,
            reason=past.reason,
            code=past.code,
            recorded=recorded,
            note=past.note,
            note_agent=past.note_agent,
        )
        for past, recorded in found
    ]
    return Page(items, None if after is None else cursor_of(f"{after[0]!r} {after[1]}"))


def _has(ask: Ask, number: str) -> bool:
    """Whether the asker's agent has an interaction of this customer in hand."""
    switch = ask.api.switch
    agent = switch.engine.agents.get(ask.account.agent) if ask.account.agent else None
    if agent is None:
        return False
    for assignment in agent.work.values():
        call = switch.conductor.calls.get(assignment.interaction.id)
        if number == (call.caller if call is not None else assignment.interaction.customer):
            return True
    return False

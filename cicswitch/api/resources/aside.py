"""Contacts in writing that are put aside, and until when they are to be answered."""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.resources.interactions import found, view_of
from cicswitch.api.shapes.interactions import DueDate, InteractionView, Snoozing

__all__ = ["DueDate", "Snoozing"]

_STEER = ("interactions:write", "interactions:self")
_HOUR_S = 3600.0


@endpoint("POST", "/interactions/{interaction}/snooze", scopes=_STEER, errors=(409, 412))
async def snooze(ask: Ask, interaction: str, body: Snoozing) -> InteractionView:
    """Put a contact in writing aside until a time: it takes none of its agent's capacity.

    It comes back to him then, or when the customer writes; to its queue if he is not there.
    """
    view = found(ask, interaction)
    ask.only_own(view.agent, "interactions:write")
    ask.match(view)
    if (body.until is None) == (body.preset is None):
        raise Problem(422, errors=[FieldError(pointer="/until", expected="until, or a preset")])
    conductor = ask.api.switch.conductor
    contact = conductor.contacts.of(interaction)
    if body.until is not None:
        until = body.until
    elif body.preset == "hour":
        until = ask.now + _HOUR_S
    else:
        until = conductor.aside.tomorrow(contact)
    conductor.do(lambda: conductor.aside.snooze(contact, until, ask.account.name))
    await conductor.contacts.stored()
    await ask.note("interaction.snooze", interaction, {"agent": view.agent}, {"until": until})
    return view_of(ask, interaction) or view


@endpoint("POST", "/interactions/{interaction}/wake", scopes=_STEER, errors=(409, 412))
async def wake(ask: Ask, interaction: str) -> InteractionView:
    """Have one back now that was put aside."""
    view = found(ask, interaction)
    ask.only_own(view.agent, "interactions:write")
    ask.match(view)
    conductor = ask.api.switch.conductor
    contact = conductor.contacts.of(interaction)
    conductor.do(lambda: conductor.aside.wake(contact, ask.account.name))
    await ask.note("interaction.wake", interaction, {"until": view.snoozed_until}, None)
    return view_of(ask, interaction) or view


@endpoint("POST", "/interactions/{interaction}/due", scopes=_STEER, errors=(409, 412))
async def due(ask: Ask, interaction: str, body: DueDate) -> InteractionView:
    """Say until when a contact in writing is to be answered, in the place of its queue."""
    view = found(ask, interaction)
    ask.only_own(view.agent, "interactions:write")
    ask.match(view)
    conductor = ask.api.switch.conductor
    contact, due_at = conductor.contacts.of(interaction), body.due_at or 0.0
    conductor.do(lambda: conductor.aside.set_due(contact, due_at, ask.account.name))
    await conductor.contacts.stored()
    after = view_of(ask, interaction) or view
    told = {"due_at": view.due_at}, {"due_at": after.due_at}
    await ask.note("interaction.due", interaction, *told)
    return after

"""Customers who are to be called, and numbers that nobody is to call."""

from __future__ import annotations

from typing import Any, Final

from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.callbacks import Blocked, BlockedView, CallbackOrder, CallbackView
from cicswitch.core.errors import NotFound
from cicswitch.reach import is_zone
from cicswitch.switch.callbacks import Promise

__all__ = ["Blocked", "BlockedView", "CallbackOrder", "CallbackView", "check_time"]

_AHEAD_S: Final = 60 * 86400.0
_BEHIND_S: Final = 60.0


@endpoint("GET", "/callbacks", scopes="callbacks:read")
async def callbacks(ask: Ask, query: Paging) -> Page[CallbackView]:
    """All of them, in the order in which they were asked for."""
    promises = ask.api.switch.conductor.callbacks.promises
    return page_of(sorted(promises), query, lambda name: _view(name, promises[name], None))


@endpoint("POST", "/callbacks", scopes="callbacks:order", status=201, errors=(404, 409))
async def order(ask: Ask, body: CallbackOrder) -> Answer[CallbackView]:
    """Have a customer called, now or at a time; on disk when this is answered.

    Who is promised a call already, by the same queue and number, is called once: that promise is
    the answer, with 200.
    """
    if body.priority and not ask.may("callbacks:write"):
        raise Problem(403, "a priority takes callbacks:write")
    conductor = ask.api.switch.conductor
    check_time(body.at, body.zone, conductor.env.clock())
    unknown = [each for each in body.skills if each not in ask.api.config.skills]
    if unknown:
        raise Problem(422, errors=[FieldError(pointer=f"/skills/{unknown[0]}", expected="a skill")])
    by = f"account:{ask.account.name}"
    promise, new = conductor.do(
        lambda: conductor.callbacks.order(
            body.queue,
            body.number,
            at=body.at,
            zone=body.zone,
            name=body.name,
            note=body.note,
            language=body.language,
            skills=body.skills,
            priority=body.priority,
            by=by,
        )
    )
    await conductor.contacts.stored()
    name = promise.event.interaction
    view = _view(name, promise, None)
    if new:
        await ask.note("callback.order", name, None, {"queue": view.queue, "number": view.number})
    return Answer(view, status=201 if new else 200)


@endpoint("GET", "/callbacks/{callback}", scopes="callbacks:read", tagged=True)
async def callback(ask: Ask, callback: str) -> CallbackView:
    """One of them, with its place in line."""
    return _found(ask, callback)


@endpoint("DELETE", "/callbacks/{callback}", scopes="callbacks:write", errors=(412,))
async def cancel(ask: Ask, callback: str) -> None:
    """Call this customer no more."""
    before = _found(ask, callback)
    ask.match(before)
    ask.api.switch.conductor.callbacks.cancel(callback)
    told: dict[str, Any] = {"queue": before.queue, "state": before.state}
    await ask.note("callback.cancel", callback, told, None)


@endpoint("GET", "/do-not-call", scopes="callbacks:read")
async def blocked(ask: Ask, query: Paging) -> Page[BlockedView]:
    """Numbers that nobody is to call, beside those of the configuration's `[do_not_call]`."""
    found = ask.api.switch.conductor.reach.blocked
    return page_of(
        sorted(found),
        query,
        lambda name: BlockedView(
            number=name, at=found[name].at, by=found[name].by, note=found[name].note
        ),
    )


@endpoint("POST", "/do-not-call", scopes="callbacks:write", status=201)
async def block(ask: Ask, body: Blocked) -> BlockedView:
    """Call a number no more, other than by a person's own hand; what it was promised is over."""
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    event = conductor.do(lambda: conductor.callbacks.block(body.number, by, body.note))
    await conductor.contacts.stored()
    await ask.note("do-not-call.add", event.number, None, {"note": body.note})
    return BlockedView(number=event.number, at=event.at, by=event.by, note=event.note)


@endpoint("DELETE", "/do-not-call/{number}", scopes="callbacks:write")
async def allow(ask: Ask, number: str) -> None:
    """A number may be called again."""
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    conductor.do(lambda: conductor.callbacks.allow(number, by))
    await conductor.contacts.stored()
    await ask.note("do-not-call.remove", number, {"number": number}, None)


def check_time(at: float, zone: str, now: float) -> None:
    """A time that somebody may be called at. Raises `Problem`."""
    errors = []
    if at and not now - _BEHIND_S <= at <= now + _AHEAD_S:
        errors.append(FieldError(pointer="/at", expected="a time from now to 60 days ahead"))
    if zone and not is_zone(zone):
        errors.append(FieldError(pointer="/zone", expected='a time zone, like "Asia/Seoul"'))
    if errors:
        raise Problem(422, errors=errors)


def _found(ask: Ask, name: str) -> CallbackView:
    conductor = ask.api.switch.conductor
    promise = conductor.callbacks.promises.get(name)
    if promise is None:
        raise NotFound(f'there is no callback "{name[:80]}"')
    return _view(name, promise, conductor.engine.position(name))


def _view(name: str, promise: Promise, position: int | None) -> CallbackView:
    event = promise.event
    return CallbackView(
        interaction=name,
        queue=event.queue,
        number=event.number,
        name=event.name,
        note=event.note,
        by=event.by,
        state=promise.state,
        queued_at=event.queued_at,
        attempts=event.attempts,
        not_before=event.not_before,
        expires_at=event.expires_at,
        zone=event.zone,
        position=position,
    )

"""Customers who are to be called back."""

from __future__ import annotations

from typing import Any

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.shapes.callbacks import CallbackView
from cicswitch.core.errors import NotFound
from cicswitch.switch.callbacks import Promise

__all__ = ["CallbackView"]


@endpoint("GET", "/callbacks", scopes="callbacks:read")
async def callbacks(ask: Ask, query: Paging) -> Page[CallbackView]:
    """All of them, in the order in which they were asked for."""
    promises = ask.api.switch.conductor.callbacks.promises
    return page_of(sorted(promises), query, lambda name: _view(name, promises[name], None))


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
        state=promise.state,
        queued_at=event.queued_at,
        attempts=event.attempts,
        not_before=event.not_before,
        expires_at=event.expires_at,
        position=position,
    )

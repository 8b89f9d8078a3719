"""Queues with their figures: now, and of today."""

from __future__ import annotations

import asyncio
from math import isfinite

from msgspec import Struct

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, cursor_of, page_of
from cicswitch.core.errors import NotFound

__all__ = ["QueueView"]

_FRESH_S = 1.0
"""Figures are worked out once in this time, however many look at them: with thousands of agents
that takes milliseconds for a queue."""


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue. Figures of today begin at midnight UTC, or when the switch was started."""

    queue: str
    at: float
    """When the figures were right; they are never older than a second."""
    open: bool
    waiting: int
    callbacks: int
    """Those who have a place and are to be called back."""
    longest_wait_s: float
    ewt_p50_s: float | None
    """Estimated wait of one who comes now; null: nobody could ever serve."""
    ewt_p90_s: float | None
    signed_in: int
    """Agents who could serve."""
    idle: int
    offered: int
    answered: int
    abandoned: int
    flowed_out: int
    service_level: float | None
    """Of today, by the default formula; null: no call yet."""
    asa_s: float | None


@endpoint("GET", "/queues", scopes="queues:read")
async def queues(ask: Ask, query: Paging) -> Page[QueueView]:
    """All queues by name."""
    keys = ask.api.queues.of(ask.api.switch.engine.queues.keys())
    page = page_of(keys, query, lambda name: name)
    views = []
    for name in page.items:
        views.append(_view(ask, name))
        await asyncio.sleep(0)  # calls first
    found = [view for view in views if view is not None]
    return Page(found, cursor_of(page.items[-1]) if page.next else None)


@endpoint("GET", "/queues/{queue}", scopes="queues:read")
async def queue(ask: Ask, queue: str) -> QueueView:
    """A queue."""
    view = _view(ask, queue)
    if view is None:
        raise NotFound(f'there is no queue "{queue[:80]}"')
    return view


def _view(ask: Ask, name: str) -> QueueView | None:
    switch = ask.api.switch
    queue = switch.engine.queues.get(name)
    if queue is None:
        ask.api.figures.pop(name, None)
        return None
    now = switch.clock.now()
    made_at, view = ask.api.figures.get(name, (0.0, None))
    if view is not None and now < made_at + _FRESH_S:
        return view  # type: ignore[no-any-return]  # what is put there below
    seen = switch.engine.view(name, now)
    ewt = switch.conductor.estimator.of(name, now)
    view = QueueView(
        queue=name,
        at=now,
        open=not queue.closed,
        waiting=seen.waiting,
        callbacks=len(queue.away),
        longest_wait_s=round(seen.longest_wait_s, 1),
        ewt_p50_s=round(ewt.p50_s, 1) if isfinite(ewt.p50_s) else None,
        ewt_p90_s=round(ewt.p90_s, 1) if isfinite(ewt.p90_s) else None,
        signed_in=seen.signed_in,
        idle=seen.idle,
        **switch.today.queue(name),
    )
    ask.api.figures[name] = (now, view)
    return view

"""Queues with their figures: now, and of today."""

from __future__ import annotations

import asyncio
from math import isfinite

from cicswitch.api.context import Api
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, cursor_of, page_of
from cicswitch.api.shapes.queues import QueueView
from cicswitch.core.errors import NotFound
from cicswitch.figures import oldest_of, staff_of

__all__ = ["QueueView"]

_FRESH_S = 1.0
"""Figures are worked out once in this time, however many look at them."""


@endpoint("GET", "/queues", scopes="queues:read")
async def queues(ask: Ask, query: Paging) -> Page[QueueView]:
    """All queues by name."""
    keys = ask.api.queues.of(ask.api.switch.engine.queues)
    page = page_of(keys, query, lambda name: name)
    views = [await _view(ask.api, name) for name in page.items]
    found = [view for view in views if view is not None]
    return Page(found, cursor_of(page.items[-1]) if page.next else None)


@endpoint("GET", "/queues/{queue}", scopes="queues:read")
async def queue(ask: Ask, queue: str) -> QueueView:
    """A queue."""
    view = await _view(ask.api, queue)
    if view is None:
        raise NotFound(f'there is no queue "{queue[:80]}"')
    return view


async def _view(api: Api, name: str) -> QueueView | None:
    async with api.counting:
        switch = api.switch
        queue = switch.engine.queues.get(name)
        if queue is None:
            api.figures.pop(name, None)
            return None
        now = switch.clock.now()
        made_at, view = api.figures.get(name, (0.0, None))
        if view is not None and now < made_at + _FRESH_S:
            return view  # type: ignore[no-any-return]  # what is put there below
        signed_in, idle = await staff_of(switch.engine, queue)
        oldest = await oldest_of(queue, now)
        ewt = switch.conductor.estimator.of(name, now)
        snoozed, overdue = switch.conductor.aside.count(name)
        view = QueueView(
            queue=name,
            at=now,
            open=not queue.closed,
            waiting=queue.waiting,
            callbacks=len(queue.away),
            longest_wait_s=round(now - oldest, 1),
            ewt_p50_s=round(ewt.p50_s, 1) if isfinite(ewt.p50_s) else None,
            ewt_p90_s=round(ewt.p90_s, 1) if isfinite(ewt.p90_s) else None,
            signed_in=signed_in,
            idle=idle,
            snoozed=snoozed,
            overdue=overdue,
            **switch.today.queue(name),
        )
        api.figures[name] = (now, view)
        await asyncio.sleep(0)
        return view

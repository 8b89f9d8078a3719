"""Queues with their figures: now, and of today."""

from __future__ import annotations

import asyncio
from math import isfinite

from msgspec import Struct

from cicswitch.acd.engine import Engine
from cicswitch.acd.queue import Queue
from cicswitch.api.context import Api
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, cursor_of, page_of
from cicswitch.core.errors import NotFound

__all__ = ["QueueView"]

_FRESH_S = 1.0
"""Figures are worked out once in this time, however many look at them."""
_AT_ONCE = 500
"""Agents, or interactions, that are looked at before calls have their turn: some 0.3 ms."""


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
        signed_in, idle = await _staff(switch.engine, queue)
        oldest = await _oldest(queue, now)
        ewt = switch.conductor.estimator.of(name, now)
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
            **switch.today.queue(name),
        )
        api.figures[name] = (now, view)
        await asyncio.sleep(0)
        return view


async def _staff(engine: Engine, queue: Queue) -> tuple[int, int]:
    """Who could serve, and who of them is idle, as `Engine.view` counts: a part at a time."""
    need, members = queue.need, queue.definition.agents
    if members:
        among = [[engine.agents[name] for name in members if name in engine.agents]]
    else:
        among = [
            list(profile.agents.values())
            for profile in list(engine.floor.candidates(need).values())
            if need.meets(profile.skills)
        ]
    signed_in = idle = looked_at = 0
    for agents in among:
        for agent in agents:
            looked_at += 1
            if looked_at % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if agent.presence and need.meets(agent.skills):
                signed_in += 1
                idle += agent.open and not agent.load
    return signed_in, idle


async def _oldest(queue: Queue, now: float) -> float:
    """When the longest wait began."""
    oldest, looked_at = now, 0
    for line in list(queue.lines.values()):
        for interaction in list(line.interactions()):
            looked_at += 1
            if looked_at % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if interaction.queued_at < oldest and interaction.queue is queue:
                oldest = interaction.queued_at
    return oldest

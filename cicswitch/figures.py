"""Figures of a queue that take a look at many agents or interactions: a part at a time, so that
calls have their turn between the parts."""

from __future__ import annotations

import asyncio

from cicswitch.acd.engine import Engine
from cicswitch.acd.queue import Queue

__all__ = ["oldest_of", "staff_of"]

_AT_ONCE = 500
"""Agents, or interactions, that are looked at before calls have their turn: some 0.3 ms."""


async def staff_of(engine: Engine, queue: Queue) -> tuple[int, int]:
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


async def oldest_of(queue: Queue, now: float) -> float:
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

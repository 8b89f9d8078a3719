"""Configuration -> the ACD's commands: for the switch, and for the simulation of one."""

from __future__ import annotations

from collections.abc import Iterator

from cicswitch.acd import commands as acd
from cicswitch.config import AgentConfig, Config, QueueConfig

__all__ = ["agent_definition", "definitions", "queue_definition"]


def queue_definition(name: str, queue: QueueConfig) -> acd.DefineQueue:
    """The command that makes a queue as it is configured."""
    rules = {
        outcome: acd.FailRule(seconds=queue.reject_pause_s)
        for outcome in ("rejected", "busy", "unreachable")
    }
    for outcome, rule in queue.on_fail.items():
        rules[outcome.replace("_", "-")] = acd.FailRule(
            then=rule.then, seconds=rule.seconds, code=rule.code
        )
    weights, joins = queue.weights, queue.join_empty
    return acd.DefineQueue(
        queue=name,
        skills=queue.skills,
        require=queue.require,
        agents=queue.agents,
        select=queue.select,
        weights=acd.Weights(
            proficiency=weights.proficiency,
            desire=weights.desire,
            cost=weights.cost,
            idle=weights.idle,
            attributes=weights.attributes,
        ),
        offer_to=queue.offer_to,
        priority=queue.priority,
        ageing=queue.ageing,
        weight=queue.weight,
        goal=queue.goal,
        goal_s=queue.service_level_s,
        goal_points=queue.goal_points,
        bound_s=queue.bound_s,
        rings=tuple(
            acd.Ring(
                after_s=ring.after_s,
                ewt_s=ring.ewt_s,
                unstaffed=ring.unstaffed,
                skills=ring.skills,
                agents=ring.agents,
                priority=ring.priority,
                queue=ring.queue,
            )
            for ring in queue.ring
        ),
        exhausted=queue.exhausted,
        patience_s=queue.patience_s,
        ring_s=queue.ring_s,
        wrap_up_s=queue.wrap_up_s,
        wrap_up={str(m): float(s) for m, s in queue.wrap_up.items()},
        on_fail=rules,
        max_wait_s=queue.max_wait_s,
        max_waiting=queue.max_waiting,
        max_ewt_s=queue.max_ewt_s,
        join_empty=joins if isinstance(joins, tuple) else joins == "allow",
        leave_empty=queue.leave_empty,
        at_close=queue.at_close,
        redial_s=queue.redial_s,
    )


def agent_definition(name: str, agent: AgentConfig) -> acd.DefineAgent:
    """The command that makes an agent as configured."""
    return acd.DefineAgent(
        agent=name,
        name=agent.name,
        skills=agent.skills,
        desire=agent.desire,
        cost=agent.cost,
        attributes=agent.attributes,
        capacity={**acd.DEFAULT_CAPACITY, **{str(m): n for m, n in agent.capacity.items()}},
        interrupted_by={
            **acd.DEFAULT_INTERRUPTED_BY,
            **{str(medium): tuple(by) for medium, by in agent.interrupted_by.items()},
        },
    )


def definitions(config: Config) -> Iterator[acd.Command]:
    """All queues and agents of a configuration; who is signed in from the start signs in."""
    for name, queue in config.queue.items():
        yield queue_definition(name, queue)
    for name, agent in config.agent.items():
        yield agent_definition(name, agent)
        if agent.signed_in:
            yield acd.SignIn(name)

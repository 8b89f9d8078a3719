"""What always holds: nobody waits beside an agent who may take him, a slot has one reservation,
nothing is past its deadline, and an agent's seconds partition.

`breaches` walks everything: for tests, and for whoever doubts. `Engine.check` looks at the first
after every command, which costs nothing, and at the rest with a `Patrol`: one agent and one
interaction every so many commands, until it has been round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.acd.agent import AgentState
from cicswitch.acd.interaction import AssignmentState, InteractionState
from cicswitch.acd.queue import OFFLINE
from cicswitch.acd.ranking import score_of

if TYPE_CHECKING:
    from cicswitch.acd.agent import Agent
    from cicswitch.acd.engine import Engine
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.lines import Line

__all__ = ["Patrol", "breaches"]

_LATE_S = 0.02
"""Two steps of the wheel."""


def breaches(engine: Engine, now: float) -> list[str]:
    """Broken invariants, in words; empty when all is well."""
    return [*_floor(engine), *_agents(engine, now), *_interactions(engine, now)]


def _floor(engine: Engine) -> list[str]:
    floor = engine.floor
    wrong = [
        f"queue {queue.name} counts {queue.staff} who are signed in"
        for queue in engine.queues.values()
        if queue.counts and queue.staff != len(engine.serving(queue))
    ]
    for queue in engine.queues.values():
        rings = queue.definition.rings
        awaits = [
            interaction
            for line in queue.lines.values()
            if not line.direct
            for interaction in line.interactions()
            if interaction.ring < len(rings) and rings[interaction.ring].ewt_s
        ]
        most = min(awaits, key=lambda each: (each.key, each.sequence), default=None)
        if queue.awaits_ewt(float("inf")) is not most:
            wrong.append(f"queue {queue.name} would open its ring to another than the most urgent")
    for line in floor.lines.values():
        standing = line.interactions()
        if line.waiting != len(standing):
            wrong.append(f"line {line.key!r} counts {line.waiting}, {len(standing)} stand")
        if line.mask and bool(floor.waiting & line.mask) != (line.waiting > 0):
            wrong.append(f"line {line.key!r}: the mask of waiting is wrong")
        if line.first is not (standing[0] if standing else None):
            wrong.append(f"line {line.key!r}: another is first")
        if line.queue.bound_s:
            eldest = min(standing, key=lambda each: (each.queued_at, each.sequence), default=None)
            if line.eldest is not eldest:
                wrong.append(f"line {line.key!r}: another has waited longest")
        if not standing:
            continue
        absent = line.queue.leave_absent
        if absent & ~OFFLINE and not any(
            not absent >> agent.state & 1
            and (line.members is None or agent.id in line.members)
            and (line.direct or line.need.meets(agent.skills))
            for agent in engine.agents.values()
        ):
            wrong.append(f"{standing[0].id} waits for nobody")
        for agent in engine.agents.values():
            if not agent.may_take(line.medium):
                continue
            if line.direct or line.members is not None:
                assert line.members is not None
                if agent.id not in line.members:
                    continue
            if line.direct or line.need.meets(agent.skills):
                wrong.append(f"{standing[0].id} waits beside {agent.id}, who may take it")
    wrong += _free(engine)
    if floor.beside():
        wrong.append("somebody waits beside a free agent")
    return wrong


def _free(engine: Engine) -> list[str]:
    """Groups, and the orders that they stand in."""
    floor, wrong = engine.floor, []
    free = floor.free
    for agent in engine.agents.values():
        media, group = free.media_of(agent), agent.group
        if bool(media) != (group is not None):
            wrong.append(f"{agent.id} is in a group wrongly, or is not")
        elif group is not None and (group.media, group.own_bits) != (media, agent.own_bits):
            wrong.append(f"{agent.id} is in another group")
        if (agent.presence > 0) != (agent.id in floor.present):
            wrong.append(f"{agent.id} is noted as signed in wrongly, or is not")
    for profile in floor.profiles.values():
        among = list(profile.agents.values())
        if profile.present != sum(agent.presence > 0 for agent in among):
            wrong.append(f"profile {profile.key} counts {profile.present} who are signed in")
        for group in profile.groups.values():
            members = {agent.id for agent in among if agent.group is group}
            if group.size != len(members):
                wrong.append(f"a group counts {group.size}, {len(members)} are in it")
            wrong += [
                "the order of a group has others in it than the group"
                for order in group.orders
                if order is not None and {each.agent.id for each in order.agents()} != members
            ]
    for line in floor.lines.values():
        if line.direct:
            continue
        able = [
            agent
            for agent in engine.agents.values()
            if agent.may_take(line.medium)
            and line.need.meets(agent.skills)
            and (line.members is None or agent.id in line.members)
        ]
        profiles = [p for p in line.profiles.values() if p.present]
        named = [agent for agent in line.named.values() if agent.presence]
        if line.staffed != len(profiles) + len(named):
            wrong.append(f"line {line.key!r} counts {line.staffed} who could serve it")
        able.sort(key=lambda agent: _rank(line, agent))
        listed = floor.agents_for(line, len(able) + 1)
        if listed != able:
            wrong.append(f"line {line.key!r}: others are free for it, or in another order")
        if floor.agent_for(line) is not (able[0] if able else None):
            wrong.append(f"line {line.key!r}: another is found than the first")
        if floor.serves(line) != bool(able):
            wrong.append(f"line {line.key!r}: the mask of who is free is wrong")
    return wrong


def _rank(line: Line, agent: Agent) -> tuple[float, float, int]:
    """An agent's place in a line, as he was when he last took his places."""
    ranking = line.ranking
    assert ranking is not None
    place = agent.places[ranking.index]
    if place is None or agent.group is None:
        return float("inf"), 0.0, agent.tie  # told already
    first = place.first
    if ranking.scored:
        assert agent.profile is not None
        score = score_of(line.queue, line.need, agent.profile)
        first = ranking.idle_points * place.second - score
    return first, place.second, agent.tie


def _agents(engine: Engine, now: float) -> list[str]:
    return [wrong for agent in engine.agents.values() for wrong in _agent(engine, agent, now)]


def _agent(engine: Engine, agent: Agent, now: float) -> list[str]:
    wrong: list[str] = []
    state, decides = agent.derive()
    if state is not agent.state:
        wrong.append(f"{agent.id} is booked as {agent.state.word}, and is {state.word}")
    if agent.interaction != (decides.interaction.id if decides is not None else ""):
        wrong.append(f"{agent.id} is booked with another interaction")
    load: dict[str, int] = {}
    for number, assignment in agent.work.items():
        if assignment.number != number or assignment.agent is not agent:
            wrong.append(f"{agent.id} holds what is not his")
        if not assignment.silent:
            load[assignment.medium] = load.get(assignment.medium, 0) + 1
        alerting = assignment.state is AssignmentState.ALERTING
        if alerting != (number in engine.reservations):
            wrong.append(f"{agent.id}: reservation {number} and state differ")
        timer = assignment.timer
        if timer is not None and timer.active and timer.due < now - _LATE_S:
            wrong.append(f"{agent.id}: reservation {number} is past its deadline")
    if load != agent.load:
        wrong.append(f"{agent.id} counts {agent.load}, holds {load}")
    timer = agent.timer
    if timer is not None and timer.active and timer.due < now - _LATE_S:
        wrong.append(f"{agent.id} is past a deadline")
    if agent.state is AgentState.OFFLINE and (agent.work or agent.leaving):
        wrong.append(f"{agent.id} is offline with work in hand")
    if abs(agent.made_at + agent.booked_s - agent.since) > 1e-6 * (1.0 + agent.booked_s):
        wrong.append(f"{agent.id}: the seconds in his states do not add up to the time")
    return wrong


def _interactions(engine: Engine, now: float) -> list[str]:
    wrong: list[str] = []
    for queue in engine.queues.values():
        wrong += [
            f"{name} has a place in {queue.name} and is gone"
            for name, interaction in queue.away.items()
            if engine.interactions.get(name) is not interaction
        ]
    for number, offer in engine.reservations.items():
        if offer.number != number or offer not in offer.interaction.offers:
            wrong.append(f"reservation {number} is not its interaction's")
        if engine.interactions.get(offer.interaction.id) is not offer.interaction:
            wrong.append(f"reservation {number} is for an interaction that is gone")
    wrong += [
        f"{name} rings at too few, and is gone"
        for name, interaction in engine.ringing_short.items()
        if engine.interactions.get(name) is not interaction
    ]
    for name, interaction in engine.ringing_short.items():
        rings_in = engine.line_of(interaction, now)
        wrong += [
            f"{agent.id} is free and {name} does not ring at him"
            for agent in engine.agents.values()
            if agent.id not in interaction.rung
            and all(offer.agent is not agent for offer in interaction.offers)
            and agent.may_take(rings_in.medium)
            and (rings_in.members is None or agent.id in rings_in.members)
            and rings_in.need.meets(agent.skills)
        ]
    for interaction in engine.interactions.values():
        wrong += _interaction(engine, interaction, now)
        if interaction.state is InteractionState.WAITING:
            line = interaction.direct if interaction.direct is not None else interaction.line
            if line is None or interaction not in line.interactions():
                wrong.append(f"{interaction.id} waits in no line")
    return wrong


def _interaction(engine: Engine, interaction: Interaction, now: float) -> list[str]:
    wrong: list[str] = []
    state = interaction.state
    if bool(interaction.offers) != (state is InteractionState.RESERVED):
        wrong.append(f"{interaction.id} is {state.name} with {len(interaction.offers)} offers")
    handled = state in (InteractionState.CONNECTED, InteractionState.HELD)
    if handled != (interaction.assignment is not None):
        wrong.append(f"{interaction.id} is {state.name}; its assignment says otherwise")
    away = interaction.queue.away.get(interaction.id) is interaction
    if away != (state is InteractionState.AWAY):
        wrong.append(f"{interaction.id} is {state.name}; its queue says otherwise")
    short = interaction.id in engine.ringing_short
    wants = interaction.queue.offer_to
    if (
        state is InteractionState.RESERVED
        and len(interaction.offers) < wants
        and not interaction.prefer
        and not interaction.offers[0].previewing
    ) != short:
        wrong.append(f"{interaction.id} rings at {len(interaction.offers)} of {wants} agents")
    timers = (interaction.timer, interaction.ring_timer, interaction.patience)
    if any(timer and timer.active and timer.due < now - _LATE_S for timer in timers):
        wrong.append(f"{interaction.id} is past a deadline")
    return wrong


class Patrol:
    """Goes round agents and interactions, one of each at a time."""

    __slots__ = ("_agents", "_interactions")

    def __init__(self) -> None:
        self._agents: list[str] = []
        self._interactions: list[str] = []

    def look(self, engine: Engine, now: float) -> list[str]:
        """What is broken at the next ones; empty when all is well."""
        wrong: list[str] = []
        if not self._agents:
            self._agents = list(engine.agents)
        if self._agents:
            agent = engine.agents.get(self._agents.pop())
            if agent is not None:
                wrong += _agent(engine, agent, now)
        if not self._interactions:
            self._interactions = list(engine.interactions)
        if self._interactions:
            interaction = engine.interactions.get(self._interactions.pop())
            if interaction is not None:
                wrong += _interaction(engine, interaction, now)
        return wrong

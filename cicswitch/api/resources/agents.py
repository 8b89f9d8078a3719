"""Agents: their states, what they can do, and acting for them."""

from __future__ import annotations

import time
from typing import Any

from cicswitch.acd import commands as acd
from cicswitch.acd.agent import Agent, AgentState
from cicswitch.acd.explain import of_agent
from cicswitch.acd.explain_text import text
from cicswitch.acd.interaction import AssignmentState
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, page_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.agents import (
    AgentCapacity,
    AgentQuery,
    AgentSkills,
    AgentToday,
    AgentView,
    ExplainedAgent,
    Language,
    MediumCapacity,
    PauseCode,
    Workplace,
    WrapUpCode,
)
from cicswitch.core.errors import NotFound
from cicswitch.records.report import agent_figures
from cicswitch.records.rows import AgentSegment

__all__ = [
    "AgentCapacity",
    "AgentQuery",
    "AgentSkills",
    "AgentToday",
    "AgentView",
    "ExplainedAgent",
    "Language",
    "MediumCapacity",
    "PauseCode",
    "Workplace",
    "WrapUpCode",
]

_SEE = ("agents:read", "agents:self")
_ACT = ("agents:write", "agents:self")


@endpoint("GET", "/agents", scopes="agents:read")
async def agents(ask: Ask, query: AgentQuery) -> Page[AgentView]:
    """All agents by their names in the configuration, or those in a state."""
    engine = ask.api.switch.engine

    def item(name: str) -> AgentView | None:
        found = engine.agents[name]
        if query.state and found.state.word != query.state:
            return None
        return _view(ask, found)

    return page_of(ask.api.agents.of(engine.agents), query, item)


@endpoint("GET", "/agents/{agent}", scopes=_SEE, tagged=True)
async def agent(ask: Ask, agent: str) -> AgentView:
    """An agent."""
    ask.only_own(agent, "agents:read")
    return _view(ask, _agent(ask, agent))


@endpoint("GET", "/agents/{agent}/capacity", scopes=_SEE)
async def capacity(ask: Ask, agent: str) -> AgentCapacity:
    """How many of each medium the agent may hold, how many he has, and what may interrupt what."""
    ask.only_own(agent, "agents:read")
    found = _agent(ask, agent)
    limits, by = found.capacity.limits, found.capacity.interrupted_by
    return AgentCapacity(
        agent,
        [
            MediumCapacity(
                medium,
                most,
                found.load.get(medium, 0),
                sorted(each for each in by.get(medium, ()) if limits.get(each)),
            )
            for medium, most in sorted(limits.items())
            if most
        ],
    )


@endpoint("GET", "/agents/{agent}/today", scopes=_SEE)
async def today(ask: Ask, agent: str) -> AgentToday:
    """An agent's figures since midnight where the switch runs.

    What is handled counts when its wrap-up is over; the state that he is in counts up to now.
    """
    ask.only_own(agent, "agents:read")
    found = _agent(ask, agent)
    now = ask.api.switch.clock.now()
    since = midnight(now)
    running = AgentSegment(agent, found.state.word, found.since, now, found.code)
    segments, handled = await ask.api.sources.customers.agent_day(agent, since)
    if found.state is not AgentState.OFFLINE:
        segments = [each for each in segments if each.started_at < running.started_at]
        segments.append(running)
    figures = agent_figures(segments, handled, [], (since, now))
    mine = figures[0] if figures else None
    return AgentToday(
        agent=agent,
        since=since,
        at=round(now, 3),
        handled=len(handled),
        missed=mine.rona if mine is not None else 0,
        talk_s=round(sum(each.talk_s for each in handled), 1),
        hold_s=round(sum(each.hold_s for each in handled), 1),
        wrap_up_s=round(sum(each.acw_s for each in handled), 1),
        aht_s=mine.aht_s if mine is not None else None,
        occupancy=mine.occupancy if mine is not None else None,
        signed_in_s=round(mine.signed_in_s, 1) if mine is not None else 0.0,
    )


def midnight(now: float) -> float:
    """When the day began where the switch runs."""
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))


@endpoint("POST", "/agents/{agent}/sign-in", scopes=_ACT, tagged=True, errors=(409, 412))
async def sign_in(ask: Ask, agent: str) -> AgentView:
    """The agent begins to work, at his device or at the one that he has taken."""
    ask.only_own(agent, "agents:write")
    ask.api.switch.conductor.workplaces.check(agent)
    return await _act(ask, agent, "agent.sign-in", acd.SignIn(agent))


@endpoint("GET", "/agents/{agent}/device", scopes=_SEE, tagged=True)
async def device(ask: Ask, agent: str) -> Workplace:
    """The phone at which an agent works."""
    ask.only_own(agent, "agents:read")
    _agent(ask, agent)
    return Workplace(ask.api.switch.conductor.workplaces.of(agent))


@endpoint("PUT", "/agents/{agent}/device", scopes=_ACT, tagged=True, errors=(404, 409, 412))
async def put_device(ask: Ask, agent: str, body: Workplace) -> Workplace:
    """The agent works at another phone until he signs out: a device, or an extension of a PBX."""
    ask.only_own(agent, "agents:write")
    _agent(ask, agent)
    conductor = ask.api.switch.conductor
    before = Workplace(conductor.workplaces.of(agent))
    ask.match(before)
    conductor.do(lambda: conductor.workplaces.take(agent, body.device))
    after = Workplace(conductor.workplaces.of(agent))
    await ask.note("agent.device", agent, before, after)
    return after


@endpoint("POST", "/agents/{agent}/sign-out", scopes=_ACT, tagged=True, errors=(412,))
async def sign_out(ask: Ask, agent: str) -> AgentView:
    """The agent goes, after the interaction in hand."""
    return await _act(ask, agent, "agent.sign-out", acd.SignOut(agent))


@endpoint("POST", "/agents/{agent}/ready", scopes=_ACT, tagged=True, errors=(412,))
async def ready(ask: Ask, agent: str) -> AgentView:
    """The agent is idle again, after a pause, wrap-up or not responding."""
    return await _act(ask, agent, "agent.ready", acd.Ready(agent))


@endpoint("POST", "/agents/{agent}/pause", scopes=_ACT, tagged=True, errors=(412,))
async def pause(ask: Ask, agent: str, body: PauseCode) -> AgentView:
    """The agent takes no interactions, now or after the one in hand."""
    _known(body.code, ask.api.config.codes.pause, empty=True)
    return await _act(ask, agent, "agent.pause", acd.Pause(agent, body.code))


@endpoint("POST", "/agents/{agent}/wrap-up", scopes=_ACT, tagged=True, errors=(412,))
async def wrap_up(ask: Ask, agent: str, body: WrapUpCode) -> AgentView:
    """Give the wrap-up code; ends the wrap-up if `done`."""
    _known(body.code, ask.api.config.codes.wrap_up)
    command = acd.WrapUp(agent, body.code, body.done, body.interaction)
    return await _act(ask, agent, "agent.wrap-up", command)


@endpoint("GET", "/agents/{agent}/skills", scopes=_SEE, tagged=True)
async def skills(ask: Ask, agent: str) -> AgentSkills:
    """What an agent can do."""
    ask.only_own(agent, "agents:read")
    return _skills(_agent(ask, agent))


@endpoint("PUT", "/agents/{agent}/skills", scopes="agents:write", tagged=True, errors=(409, 412))
async def put_skills(ask: Ask, agent: str, body: AgentSkills) -> AgentSkills:
    """Change what an agent can do, from now on: what waits is judged anew.

    It lasts until the switch stops, or a reload brings a change of this agent in the file.
    """
    found = _agent(ask, agent)
    before = _skills(found)
    ask.match(before)
    known = ask.api.config.skills
    errors = [
        FieldError(pointer=f"/{field}/{skill[:80]}", found="no skill", expected=_listed(known))
        for field in ("skills", "desire")
        for skill in getattr(body, field)
        if skill not in known
    ]
    if errors:
        raise Problem(422, "there are no such skills", errors=errors[:100])
    command = acd.DefineAgent(
        agent=agent,
        name=found.name,
        skills=body.skills,
        desire=body.desire,
        cost=found.cost,
        attributes=dict(found.attributes),
        capacity=dict(found.capacity.limits),
        interrupted_by={
            medium: tuple(sorted(by)) for medium, by in found.capacity.interrupted_by.items()
        },
    )
    ask.api.switch.command(command)
    after = _skills(_agent(ask, agent))
    await ask.note("agent.skills", agent, before, after)
    return after


@endpoint("GET", "/agents/{agent}/explain", scopes="explain:read")
async def explain(ask: Ask, agent: str, query: Language) -> ExplainedAgent:
    """Why the agent gets what he gets."""
    _agent(ask, agent)
    switch = ask.api.switch
    explained = of_agent(switch.engine, agent, switch.clock.now(), spoken(ask, query))
    return ExplainedAgent(text(explained), explained)


def spoken(ask: Ask, query: Language) -> str:
    """The language to answer in."""
    return query.language or ask.headers.get("accept-language", "en").split(",")[0].strip()


def _agent(ask: Ask, name: str) -> Agent:
    found = ask.api.switch.engine.agents.get(name)
    if found is None:
        raise NotFound(f'there is no agent "{name[:80]}"')
    return found


def _view(ask: Ask, agent: Agent) -> AgentView:
    return AgentView(
        agent=agent.id,
        name=agent.name or agent.id,
        state=agent.state.word,
        since=round(agent.since, 3),
        code=agent.code,
        then=agent.then,
        interaction=agent.interaction,
        queue=agent.queue,
        in_hand={medium: count for medium, count in agent.load.items() if count},
        device=ask.api.switch.conductor.workplaces.of(agent.id),
        deadline=_deadline(agent),
    )


def _deadline(agent: Agent) -> float | None:
    for assignment in agent.work.values():
        if assignment.state is AssignmentState.ALERTING and assignment.timer is not None:
            return round(assignment.timer.due, 3)
    return None


def _skills(agent: Agent) -> AgentSkills:
    return AgentSkills(dict(sorted(agent.skills.items())), dict(sorted(agent.desire.items())))


async def _act(ask: Ask, name: str, action: str, command: acd.Command) -> AgentView:
    ask.only_own(name, "agents:write")
    before = _view(ask, _agent(ask, name))
    ask.match(before)
    ask.api.switch.command(command)
    after = _view(ask, _agent(ask, name))
    told: dict[str, Any] = {"state": after.state, "code": after.code, "then": after.then}
    if isinstance(command, acd.WrapUp):
        told["wrap_up"] = command.code
    then = {"state": before.state, "code": before.code, "then": before.then}
    await ask.note(action, name, then, told)
    return after


def _known(code: str, codes: dict[str, str], *, empty: bool = False) -> None:
    if code in codes.values() or (empty and not code):
        return
    error = FieldError(pointer="/code", found=f'"{code[:80]}"', expected=_listed(codes.values()))
    raise Problem(422, "there is no such code", errors=[error])


def _listed(names: Any) -> str:
    return "one of " + ", ".join(sorted(names)[:20])

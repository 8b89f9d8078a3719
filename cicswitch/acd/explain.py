"""Why an interaction waits or whom it goes to, and why an agent gets what he gets.

`of_interaction` and `of_agent` ask the engine's own tables, change nothing, and give a value that
`explain_text.text` makes sentences of. They walk all agents or all lines: for people, not for
matching. What they say is in the language that is asked for; `code` is for programs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from cicswitch.acd.agent import Agent, Presence
from cicswitch.acd.interaction import AssignmentState, Interaction
from cicswitch.acd.phrases import Say
from cicswitch.acd.queue import Queue
from cicswitch.acd.ranking import score_of
from cicswitch.acd.skills import Need
from cicswitch.core.errors import NotFound

if TYPE_CHECKING:
    from cicswitch.acd.engine import Engine
    from cicswitch.acd.lines import Line

__all__ = [
    "AgentExplained",
    "Candidate",
    "InteractionExplained",
    "Offered",
    "Terms",
    "of_agent",
    "of_interaction",
]

_SHOWN = 50
_NOT_HIS = ("skills", "not-of-this-queue", "waits-for-others")


class Terms(Struct, frozen=True):
    """What makes an interaction urgent: `weight * (priority + ageing * waited_s) + debt`."""

    priority: float
    ageing: float
    waited_s: float
    weight: float
    debt: float
    points: float
    past_bound_s: float = 0.0
    """More than 0: past the queue's bound, and before all that are not."""


class Candidate(Struct, frozen=True):
    """An agent, looked at for one interaction."""

    agent: str
    code: str = ""
    """What rules him out: `skills`, `paused`, `busy` …; empty if nothing does."""
    rule: str = ""
    """The same in words."""
    change: str = ""
    """What would change that."""
    score: dict[str, float] = {}
    """The terms that the queue's policy chooses by, in its order; the first agent is chosen."""


class InteractionExplained(Struct, frozen=True, kw_only=True):
    """An interaction, and everybody who could or could not take it."""

    interaction: str
    queue: str
    medium: str
    state: str
    language: str = "en"
    agent: str = ""
    needs: str = ""
    """The skills asked for now; empty: none."""
    members: list[str] | None = None
    """Who alone may take it; None: everybody with the skills."""
    select: str = ""
    position: int = 0
    terms: Terms | None = None
    segment: str = ""
    """Of which customers it is; its points are part of the priority."""
    closed: bool = False
    """The queue takes nobody any more; who waits in it stays."""
    ring: int = 0
    rings: int = 0
    next_ring: str = ""
    prefers: list[str] = []
    free: list[Candidate] = []
    """Who may take it now, in the order in which the policy would choose."""
    ruled_out: list[Candidate] = []
    """The others, 50 at most."""
    counts: dict[str, int] = {}
    """How many each rule rules out, by its code."""


class Offered(Struct, frozen=True):
    """The most urgent interaction of a line, for one agent."""

    interaction: str
    queue: str
    terms: Terms
    code: str = ""
    rule: str = ""
    """Why he does not get it; empty if he would."""


class AgentExplained(Struct, frozen=True, kw_only=True):
    """An agent, what he could take, and what he would get next."""

    agent: str
    state: str
    language: str = "en"
    code: str = ""
    """The pause code, or why he does not respond."""
    rule: str = ""
    """Why nothing is offered to him; empty if something could be."""
    change: str = ""
    in_hand: dict[str, int] = {}
    capacity: dict[str, int] = {}
    next: list[Offered] = []
    """What waits for somebody like him, in the order in which he would get it."""
    serves: list[str] = []
    does_not_serve: dict[str, str] = {}
    """Queues, and what he lacks for them."""
    closed: list[str] = []
    """Those that he serves of the queues that are closed."""


# -- an interaction ------------------------------------------------------------------------------


def of_interaction(
    engine: Engine, name: str, now: float, language: str = "en"
) -> InteractionExplained:
    """Explain an interaction. Raises `NotFound`."""
    say, mute = Say(language), Say(language, mute=True)
    interaction = engine.interactions.get(name)
    if interaction is None:
        raise NotFound(f'there is no interaction "{name}" in the ACD')
    queue = interaction.queue
    line = engine.line_of(interaction, now)
    free: list[Agent] = []
    ruled_out: list[Candidate] = []
    counts: Counter[str] = Counter()
    for agent in engine.agents.values():
        told = len(ruled_out) < _SHOWN
        code, rule, change = _rule(say if told else mute, interaction, line, agent, now)
        if code:
            counts[code] += 1
            if told:
                ruled_out.append(Candidate(agent.id, code, rule, change))
        else:
            free.append(agent)
    chosen = sorted(free, key=lambda agent: tuple(_score(line, agent, now).values()))
    definition = queue.definition
    return InteractionExplained(
        interaction=interaction.id,
        queue=queue.name,
        medium=interaction.medium,
        state=interaction.state.name.lower(),
        language=say.language,
        agent=interaction.agent,
        needs=line.need.text(),
        members=sorted(line.members) if line.members is not None else None,
        select=queue.select,
        position=engine.position(interaction.id),
        terms=_terms(queue, interaction, now),
        segment=interaction.segment,
        closed=queue.closed,
        ring=interaction.ring,
        rings=len(definition.rings),
        next_ring=_next_ring(say, interaction, now),
        prefers=list(interaction.prefer),
        free=[
            Candidate(agent.id, score=_shown(_score(line, agent, now))) for agent in chosen[:_SHOWN]
        ],
        ruled_out=ruled_out,
        counts=dict(counts),
    )


def _terms(queue: Queue, interaction: Interaction, now: float) -> Terms:
    waited_s = now - interaction.queued_at
    past = waited_s - queue.bound_s if queue.bound_s else 0.0
    return Terms(
        float(interaction.priority),
        queue.ageing,
        waited_s,
        queue.weight,
        queue.debt,
        queue.weight * (interaction.priority + queue.ageing * waited_s) + queue.debt,
        max(0.0, past),
    )


def _next_ring(say: Say, interaction: Interaction, now: float) -> str:
    rings = interaction.queue.definition.rings
    if interaction.ring >= len(rings):
        return ""
    ring = rings[interaction.ring]
    when = []
    if ring.after_s:
        left_s = max(0.0, interaction.joined_at + ring.after_s - now)
        when.append(say("in {seconds} s", seconds=f"{left_s:.0f}"))
    if ring.ewt_s:
        when.append(say("when the estimated wait passes {seconds} s", seconds=f"{ring.ewt_s:g}"))
    if ring.unstaffed:
        when.append(say("when nobody who could serve is signed in"))
    what = [
        say("{skill} from {least}", skill=skill, least=least)
        if least
        else say("no {skill}", skill=skill)
        for skill, least in ring.skills.items()
    ]
    if ring.agents:
        what.append(say("joined by {agents}", agents=", ".join(ring.agents)))
    if ring.priority:
        what.append(say("{points} priority", points=f"{ring.priority:+d}"))
    if ring.queue:
        what.append(say("on to queue {queue}", queue=ring.queue))
    return f"{say.either(when)}: {', '.join(what)}"


_Rule = tuple[str, str, str]
"""(code, what rules an agent out, what would change it); empty if nothing does."""


def _rule(say: Say, interaction: Interaction, line: Line, agent: Agent, now: float) -> _Rule:
    if interaction.prefer and agent.id not in interaction.prefer:
        patience = interaction.patience
        left_s = max(0.0, patience.due - now if patience is not None else 0.0)
        return (
            "waits-for-others",
            say("waits for others: {agents}", agents=", ".join(interaction.prefer)),
            say("in {seconds} s its patience is over", seconds=f"{left_s:.0f}"),
        )
    if not interaction.prefer:
        if line.members is not None and agent.id not in line.members:
            return (
                "not-of-this-queue",
                say("not of this queue: it names its agents"),
                say("a ring or a change of the queue"),
            )
        if not line.need.meets(agent.skills):
            if say.mute:
                return "skills", "", ""
            missing = _missing(say, line.need, agent)
            ring = _next_ring(say, interaction, now)
            return (
                "skills",
                say("skills: {missing}", missing=missing),
                say("the next ring, {ring}", ring=ring) if ring else say("a skill"),
            )
    away = _away(say, agent, now)
    if away[0]:
        return away
    full = _full(say, agent, interaction.medium, now)
    return full if full[0] or not interaction.offers else _ringing(say, interaction, agent)


def _ringing(say: Say, interaction: Interaction, agent: Agent) -> _Rule:
    """Why it does not ring at an agent too, who is free."""
    first = interaction.offers[0]
    if first.previewing and first.agent is not agent:
        decides = say("looked at: {agent} has answered and decides", agent=first.agent.id)
        return "looked-at", decides, say("declining it")
    rings = any(offer.agent is agent for offer in interaction.offers)
    if agent.id in interaction.rung and not rings:
        refused = say("has refused it: it rings at others")
        return "refused", refused, say("its coming back into line")
    return "", "", ""


def _missing(say: Say, need: Need, agent: Agent) -> str:
    words = []
    for kind, asked, level in need.missing(agent.skills):
        if kind == "has" and level:
            words.append(say("needs {need}, has {level}", need=asked, level=level))
        elif kind == "has":
            words.append(say("needs {need}, does not have it", need=asked))
        elif kind == "any":
            words.append(say("needs one of: {needs}", needs=asked))
        else:
            words.append(say("must not have {need}", need=asked))
    return "; ".join(words)


def _away(say: Say, agent: Agent, now: float) -> _Rule:
    """Why an agent gets nothing at all."""
    timer = agent.timer
    back = say("being ready again")
    if timer is not None:
        left_s = max(0.0, timer.due - now)
        back = say("in {seconds} s, or when he says so", seconds=f"{left_s:.0f}")
    if agent.presence is Presence.OFFLINE:
        return "not-signed-in", say("not signed in"), say("signing in")
    if agent.leaving:
        leaving = say("signs out when his work is done")
        return "signs-out", leaving, say("being ready again")
    if agent.presence is Presence.PAUSED:
        code = f": {agent.away_code}" if agent.away_code else ""
        return "paused", say("paused") + code, back
    if agent.presence is Presence.NOT_RESPONDING:
        why = say(agent.away_code)
        return "not-responding", say("not responding: {why}", why=why), back
    if agent.seized:
        return "own-call", say("in a call of his own"), say("the end of that call")
    if agent.resting:
        return "rests", say("rests after an offer that failed"), back
    return "", "", ""


def _full(say: Say, agent: Agent, medium: str, now: float) -> _Rule:
    """Why an agent cannot take one more of a medium."""
    if agent.may_take(medium):
        return "", "", ""
    limit = agent.capacity.limits.get(medium, 0)
    named = say(medium)
    if not limit:
        none = say("takes no {medium}: his capacity has none", medium=named)
        return "no-capacity", none, say("another capacity")
    held = agent.load.get(medium, 0)
    change = _soonest(say, agent, now)
    if held >= limit:
        full = say("busy: {held} of {limit} {medium} in hand", held=held, limit=limit, medium=named)
        return "busy", full, change
    other = next(
        each
        for each, count in agent.load.items()
        if count and each != medium and medium not in agent.capacity.interrupted_by.get(each, ())
    )
    rule = say("busy: {medium} may not interrupt {other}", medium=named, other=say(other))
    return "busy", rule, change


def _soonest(say: Say, agent: Agent, now: float) -> str:
    ends: list[str] = []
    if say.mute:
        return ""
    for assignment in agent.work.values():
        name = assignment.interaction.id
        if assignment.state is AssignmentState.WRAP_UP and assignment.timer is not None:
            left_s = max(0.0, assignment.timer.due - now)
            ends.append(say("his wrap-up ends in {seconds} s", seconds=f"{left_s:.0f}"))
        elif assignment.state is AssignmentState.ALERTING:
            ends.append(say("he answers or does not answer {interaction}", interaction=name))
        else:
            ends.append(say("{interaction} ends", interaction=name))
    return say.either(ends[:3])


def _score(line: Line, agent: Agent, now: float) -> dict[str, float]:
    """The terms that decide between free agents, smallest first."""
    queue, profile = line.queue, agent.profile
    idle = {"free_since": agent.free_since, "draw": float(agent.tie)}
    if line.direct:
        return {"in_hand": float(len(agent.work)), **idle}
    match queue.select:
        case "round-robin":
            return {"last_offer": float(agent.offered), **idle}
        case "fewest-answered":
            return {"answered": float(agent.answered), **idle}
        case "least-occupied":
            signed_in_s = agent.free_since - agent.signed_in_at
            occupied = agent.busy_s / signed_in_s if signed_in_s > 0 else 0.0
            return {"occupancy": occupied, **idle}
        case "most-skilled" | "least-skilled" | "weighted":
            assert profile is not None
            points = score_of(queue, line.need, profile)
            points += queue.idle_points * (now - agent.free_since)
            return {"points": -points, **idle}
    return {"in_hand": float(len(agent.work)), **idle}


def _shown(score: dict[str, float]) -> dict[str, float]:
    return {
        name: -value if name == "points" else value
        for name, value in score.items()
        if name != "draw"
    }


# -- an agent ------------------------------------------------------------------------------------


def of_agent(engine: Engine, name: str, now: float, language: str = "en") -> AgentExplained:
    """Explain an agent. Raises `NotFound`."""
    say = Say(language)
    agent = engine.agents.get(name)
    if agent is None:
        raise NotFound(f'there is no agent "{name}"')
    _, rule, change = _away(say, agent, now)
    offers = []
    for line in list(engine.floor.lines.values()):
        head = line.first
        if head is None:
            continue
        code, why, _ = _rule(say, head, line, agent, now)
        if code in _NOT_HIS:
            continue
        terms = _terms(line.queue, head, now)
        offers.append(Offered(head.id, line.queue.name, terms, code, why))
    offers.sort(key=lambda o: (-o.terms.past_bound_s, -o.terms.points))
    serves, lacks = [], {}
    for queue in engine.queues.values():
        members = queue.definition.agents
        missing = _missing(say, queue.need, agent)
        if members and agent.id not in members:
            lacks[queue.name] = say("it names its agents, and not him")
        elif missing:
            lacks[queue.name] = missing
        else:
            serves.append(queue.name)
    return AgentExplained(
        agent=agent.id,
        state=agent.state.word,
        language=say.language,
        code=agent.code,
        rule=rule,
        change=change,
        in_hand=dict(agent.load),
        capacity={medium: limit for medium, limit in agent.capacity.limits.items() if limit},
        next=offers[:_SHOWN],
        serves=serves,
        does_not_serve=lacks,
        closed=[name for name in serves if engine.queues[name].closed],
    )

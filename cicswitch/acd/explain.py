"""Why an interaction waits or whom it goes to, and why an agent gets what he gets.

`of_interaction` and `of_agent` ask the engine's own tables, change nothing, and give a value that
`text` puts into words. They walk all agents or all lines: for people, not for matching.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from cicswitch.acd.agent import Agent, Presence
from cicswitch.acd.floor import score_of
from cicswitch.acd.interaction import AssignmentState, Interaction, InteractionState
from cicswitch.acd.queue import Queue
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
    "text",
]

_SHOWN = 50


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
    rule: str
    """What rules him out; empty if nothing does."""
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
    """How many each rule rules out."""


class Offered(Struct, frozen=True):
    """The most urgent interaction of a line, for one agent."""

    interaction: str
    queue: str
    terms: Terms
    rule: str = ""
    """Why he does not get it; empty if he would."""


class AgentExplained(Struct, frozen=True, kw_only=True):
    """An agent, what he could take, and what he would get next."""

    agent: str
    state: str
    code: str = ""
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


def of_interaction(engine: Engine, name: str, now: float) -> InteractionExplained:
    """Explain an interaction. Raises `NotFound`."""
    interaction = engine.interactions.get(name)
    if interaction is None:
        raise NotFound(f'there is no interaction "{name}" in the ACD')
    queue = interaction.queue
    line = engine.line_of(interaction, now)
    free, ruled_out = [], []
    counts: Counter[str] = Counter()
    for agent in engine.agents.values():
        rule, change = _rule(interaction, line, agent, now)
        if rule:
            counts[_kind(rule)] += 1
            ruled_out.append(Candidate(agent.id, rule, change))
        else:
            free.append(agent)
    chosen = sorted(free, key=lambda agent: tuple(_score(line, agent, now).values()))
    definition = queue.definition
    return InteractionExplained(
        interaction=interaction.id,
        queue=queue.name,
        medium=interaction.medium,
        state=interaction.state.name.lower(),
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
        next_ring=_next_ring(interaction, now),
        prefers=list(interaction.prefer),
        free=[
            Candidate(agent.id, "", "", _shown(_score(line, agent, now)))
            for agent in chosen[:_SHOWN]
        ],
        ruled_out=ruled_out[:_SHOWN],
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


def _next_ring(interaction: Interaction, now: float) -> str:
    rings = interaction.queue.definition.rings
    if interaction.ring >= len(rings):
        return ""
    ring = rings[interaction.ring]
    when = []
    if ring.after_s:
        when.append(f"in {max(0.0, interaction.joined_at + ring.after_s - now):.0f} s")
    if ring.ewt_s:
        when.append(f"when the estimated wait passes {ring.ewt_s:g} s")
    if ring.unstaffed:
        when.append("when nobody who could serve is signed in")
    what = [
        f"{skill} from {least}" if least else f"no {skill}" for skill, least in ring.skills.items()
    ]
    if ring.agents:
        what.append(f"joined by {', '.join(ring.agents)}")
    if ring.priority:
        what.append(f"{ring.priority:+d} priority")
    if ring.queue:
        what.append(f"on to queue {ring.queue}")
    return f"{' or '.join(when)}: {', '.join(what)}"


def _kind(rule: str) -> str:
    return rule.partition(":")[0]


def _rule(interaction: Interaction, line: Line, agent: Agent, now: float) -> tuple[str, str]:
    """(what rules an agent out, what would change it); empty if nothing does."""
    if interaction.prefer and agent.id not in interaction.prefer:
        patience = interaction.patience
        left = patience.due - now if patience is not None else 0.0
        return (
            f"waits for others: {', '.join(interaction.prefer)}",
            f"in {max(0.0, left):.0f} s its patience is over",
        )
    if not interaction.prefer:
        if line.members is not None and agent.id not in line.members:
            return "not of this queue: it names its agents", "a ring or a change of the queue"
        missing = line.need.missing(agent.skills)
        if missing:
            ring = _next_ring(interaction, now)
            return f"skills: {'; '.join(missing)}", f"the next ring, {ring}" if ring else "a skill"
    rule, change = _away(agent, now)
    if rule:
        return rule, change
    return _full(agent, interaction.medium, now)


def _away(agent: Agent, now: float) -> tuple[str, str]:
    """Why an agent gets nothing at all."""
    timer = agent.timer
    back = f"in {max(0.0, timer.due - now):.0f} s, or when he says so" if timer is not None else ""
    if agent.presence is Presence.OFFLINE:
        return "not signed in", "signing in"
    if agent.leaving:
        return "signs out when his work is done", "being ready again"
    if agent.presence is Presence.PAUSED:
        code = f": {agent.away_code}" if agent.away_code else ""
        return f"paused{code}", back or "being ready again"
    if agent.presence is Presence.NOT_RESPONDING:
        return f"not responding: {agent.away_code}", back or "being ready again"
    if agent.seized:
        return "in a call of his own", "the end of that call"
    if agent.resting:
        return "rests after an offer that failed", back
    return "", ""


def _full(agent: Agent, medium: str, now: float) -> tuple[str, str]:
    """Why an agent cannot take one more of a medium."""
    if agent.may_take(medium):
        return "", ""
    limit = agent.capacity.limits.get(medium, 0)
    if not limit:
        return f"takes no {medium}: his capacity has none", "another capacity"
    held = agent.load.get(medium, 0)
    change = _soonest(agent, now)
    if held >= limit:
        return f"busy: {held} of {limit} {medium} in hand", change
    other = next(
        each
        for each, count in agent.load.items()
        if count and each != medium and medium not in agent.capacity.interrupted_by.get(each, ())
    )
    return f"busy: {medium} may not interrupt {other}", change


def _soonest(agent: Agent, now: float) -> str:
    ends = []
    for assignment in agent.work.values():
        if assignment.state is AssignmentState.WRAP_UP and assignment.timer is not None:
            ends.append(f"his wrap-up ends in {max(0.0, assignment.timer.due - now):.0f} s")
        elif assignment.state is AssignmentState.ALERTING:
            ends.append(f"he answers or does not answer {assignment.interaction.id}")
        else:
            ends.append(f"{assignment.interaction.id} ends")
    return " or ".join(ends[:3])


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


def of_agent(engine: Engine, name: str, now: float) -> AgentExplained:
    """Explain an agent. Raises `NotFound`."""
    agent = engine.agents.get(name)
    if agent is None:
        raise NotFound(f'there is no agent "{name}"')
    rule, change = _away(agent, now)
    offers = []
    for line in list(engine.floor.lines.values()):
        head = line.head()
        if head is None:
            continue
        why, _ = _rule(head, line, agent, now)
        if _kind(why) in ("skills", "not of this queue", "waits for others"):
            continue
        offers.append(Offered(head.id, line.queue.name, _terms(line.queue, head, now), why))
    offers.sort(key=lambda o: (-o.terms.past_bound_s, -o.terms.points))
    serves, lacks = [], {}
    for queue in engine.queues.values():
        members = queue.definition.agents
        missing = queue.need.missing(agent.skills)
        if members and agent.id not in members:
            lacks[queue.name] = "it names its agents, and not him"
        elif missing:
            lacks[queue.name] = "; ".join(missing)
        else:
            serves.append(queue.name)
    return AgentExplained(
        agent=agent.id,
        state=agent.state.word,
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


# -- in words ------------------------------------------------------------------------------------


def text(explained: InteractionExplained | AgentExplained) -> list[str]:
    """Lines for a supervisor."""
    if isinstance(explained, AgentExplained):
        return _agent_text(explained)
    return _interaction_text(explained)


def _points(terms: Terms) -> str:
    inner = f"{terms.priority:g} + {terms.ageing:g} x {terms.waited_s:.0f} s waited"
    if terms.weight != 1.0:
        inner = f"{terms.weight:g} x ({inner})"
    if terms.debt:
        inner += f" + {terms.debt:.1f} for a service level below the goal"
    words = f"{terms.points:.1f} points: priority {inner}"
    if terms.past_bound_s:
        words += f"; {terms.past_bound_s:.0f} s past the queue's bound, so before all others"
    return words


def _interaction_text(x: InteractionExplained) -> list[str]:
    asks = f"asks for {x.needs}" if x.needs else "asks for no skill"
    if x.members is not None:
        asks += f", of {', '.join(x.members)}"
    lines = [f"{x.interaction} ({x.medium}) in queue {x.queue}, {x.state}; {asks}."]
    if x.state != InteractionState.WAITING.name.lower():
        lines.append(f"It is at {x.agent}." if x.agent else "It is at nobody.")
    elif x.terms is not None:
        lines.append(f"Place {x.position} with {_points(x.terms)}.")
    if x.segment:
        lines.append(f"Its customer is of segment {x.segment}.")
    if x.closed:
        lines.append(f"Queue {x.queue} is closed: nobody joins, who waits is served.")
    if x.rings:
        then = f"; next {x.next_ring}" if x.next_ring else "; there is no further one"
        lines.append(f"Ring {x.ring} of {x.rings}{then}.")
    if x.free:
        lines.append(f"Free for it, as {x.select} would choose:")
        for number, candidate in enumerate(x.free, 1):
            terms = ", ".join(f"{name} {value:g}" for name, value in candidate.score.items())
            lines.append(f"  {number}. {candidate.agent}  ({terms})")
    else:
        lines.append("Nobody is free for it.")
    for kind, count in sorted(x.counts.items(), key=lambda item: -item[1]):
        lines.append(f"{count} ruled out, {kind}:")
        for candidate in x.ruled_out:
            if _kind(candidate.rule) == kind:
                detail = candidate.rule.partition(": ")[2]
                what = f" {detail};" if detail else ""
                until = f" until {candidate.change}" if candidate.change else ""
                lines.append(f"  {candidate.agent}:{what}{until}".rstrip(";:"))
    return lines


def _agent_text(x: AgentExplained) -> list[str]:
    code = f" ({x.code})" if x.code else ""
    hand = ", ".join(f"{count} {medium}" for medium, count in x.in_hand.items()) or "nothing"
    limits = ", ".join(f"{limit} {medium}" for medium, limit in x.capacity.items())
    lines = [f"{x.agent} is {x.state}{code}, with {hand} in hand of {limits}."]
    if x.rule:
        until = f", until {x.change}" if x.change else ""
        lines.append(f"Nothing is offered: {x.rule}{until}.")
    if x.next:
        lines.append("What waits that he serves, in the order in which he would get it:")
        for number, offer in enumerate(x.next, 1):
            why = f"  [not now: {offer.rule}]" if offer.rule else ""
            points = _points(offer.terms)
            lines.append(f"  {number}. {offer.interaction} of {offer.queue}, {points}{why}")
    else:
        lines.append("Nothing waits that he serves.")
    lines.append(f"Serves: {', '.join(x.serves) or 'no queue'}.")
    lines += [f"Queue {queue} is closed: nobody joins it." for queue in x.closed]
    lines += [f"Does not serve {queue}: {why}." for queue, why in x.does_not_serve.items()]
    return lines

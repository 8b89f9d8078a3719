"""What `explain` found, as sentences for a supervisor, in English or Korean."""

from __future__ import annotations

from cicswitch.acd.explain import AgentExplained, InteractionExplained, Terms
from cicswitch.acd.phrases import Say

__all__ = ["text"]


def text(explained: InteractionExplained | AgentExplained) -> list[str]:
    """Lines, in the language in which it was explained."""
    say = Say(explained.language)
    if isinstance(explained, AgentExplained):
        return _agent(say, explained)
    return _interaction(say, explained)


def _points(say: Say, terms: Terms) -> str:
    inner = say(
        "{priority} + {ageing} x {seconds} s waited",
        priority=f"{terms.priority:g}",
        ageing=f"{terms.ageing:g}",
        seconds=f"{terms.waited_s:.0f}",
    )
    if terms.weight != 1.0:
        inner = f"{terms.weight:g} x ({inner})"
    if terms.debt:
        debt = say("{points} for a service level below the goal", points=f"{terms.debt:.1f}")
        inner += f" + {debt}"
    words = say("{points} points: priority {terms}", points=f"{terms.points:.1f}", terms=inner)
    if terms.past_bound_s:
        past = say(
            "{seconds} s past the queue's bound, so before all others",
            seconds=f"{terms.past_bound_s:.0f}",
        )
        words += f"; {past}"
    return words


def _interaction(say: Say, x: InteractionExplained) -> list[str]:
    asks = say("asks for {needs}", needs=x.needs) if x.needs else say("asks for no skill")
    if x.members is not None:
        asks += say(", of {agents}", agents=", ".join(x.members))
    lines = [
        say(
            "{interaction} ({medium}) in queue {queue}, {state}; {asks}.",
            interaction=x.interaction,
            medium=say(x.medium),
            queue=x.queue,
            state=say(x.state),
            asks=asks,
        )
    ]
    if x.state in ("waiting", "away") and x.terms is not None:
        lines.append(
            say("Place {place} with {points}.", place=x.position, points=_points(say, x.terms))
        )
    if x.state == "away":
        lines.append(say("Its customer is called back when its turn is near."))
    elif x.state != "waiting":
        at = say("It is at {agent}.", agent=x.agent) if x.agent else say("It is at nobody.")
        lines.append(at)
    if x.segment:
        lines.append(say("Its customer is of segment {segment}.", segment=x.segment))
    if x.closed:
        lines.append(
            say("Queue {queue} is closed: nobody joins, who waits is served.", queue=x.queue)
        )
    if x.rings:
        then = (
            say("; next {ring}", ring=x.next_ring)
            if x.next_ring
            else say("; there is no further one")
        )
        lines.append(say("Ring {ring} of {rings}{then}.", ring=x.ring, rings=x.rings, then=then))
    if x.free:
        lines.append(say("Free for it, as {select} would choose:", select=x.select))
        for number, candidate in enumerate(x.free, 1):
            terms = ", ".join(f"{name} {value:g}" for name, value in candidate.score.items())
            lines.append(f"  {number}. {candidate.agent}  ({terms})")
    else:
        lines.append(say("Nobody is free for it."))
    for code, count in sorted(x.counts.items(), key=lambda item: -item[1]):
        lines.append(say("{count} ruled out, {rule}:", count=count, rule=say(code)))
        for candidate in x.ruled_out:
            if candidate.code == code:
                detail = candidate.rule.partition(": ")[2]
                what = f" {detail};" if detail else ""
                until = say(" until {change}", change=candidate.change) if candidate.change else ""
                lines.append(f"  {candidate.agent}:{what}{until}".rstrip(";:"))
    return lines


def _agent(say: Say, x: AgentExplained) -> list[str]:
    hand = ", ".join(f"{count} {say(medium)}" for medium, count in x.in_hand.items())
    lines = [
        say(
            "{agent} is {state}{code}, with {hand} in hand of {limits}.",
            agent=x.agent,
            state=say(x.state),
            code=f" ({x.code})" if x.code else "",
            hand=hand or say("nothing"),
            limits=", ".join(f"{limit} {say(medium)}" for medium, limit in x.capacity.items()),
        )
    ]
    if x.rule:
        until = say(", until {change}", change=x.change) if x.change else ""
        lines.append(say("Nothing is offered: {rule}{until}.", rule=x.rule, until=until))
    if x.next:
        lines.append(say("What waits that he serves, in the order in which he would get it:"))
        for number, offer in enumerate(x.next, 1):
            why = say("  [not now: {rule}]", rule=offer.rule) if offer.rule else ""
            line = say(
                "{interaction} of {queue}, {points}",
                interaction=offer.interaction,
                queue=offer.queue,
                points=_points(say, offer.terms),
            )
            lines.append(f"  {number}. {line}{why}")
    else:
        lines.append(say("Nothing waits that he serves."))
    lines.append(say("Serves: {queues}.", queues=", ".join(x.serves) or say("no queue")))
    lines += [say("Queue {queue} is closed: nobody joins it.", queue=name) for name in x.closed]
    lines += [
        say("Does not serve {queue}: {why}.", queue=queue, why=why)
        for queue, why in x.does_not_serve.items()
    ]
    return lines

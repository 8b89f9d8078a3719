"""What waits: what it asks for, the line that it stands in, and how that changes while it waits.

The engine's half between agents and commands: `_place` finds an agent or a place in line, `_work`
gives an agent what waits, and the rings and preferred agents change what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import Agent
from cicswitch.acd.floor import MOST_CANDIDATES, Choose
from cicswitch.acd.interaction import Interaction, InteractionState
from cicswitch.acd.lines import Line
from cicswitch.acd.queue import Queue
from cicswitch.acd.roster import Roster
from cicswitch.acd.skills import ANYBODY, Need, SkillsError, all_of, levels, parse
from cicswitch.core.errors import Conflict, NotFound

__all__ = ["Waiting", "urgency"]

_NEEDS = 4096
_NOBODY: Final = "it named nobody of those who are free"
_MOST_JUDGED: Final = 50


class Waiting(Roster):
    """Interactions that wait. `Engine` adds how they come, are offered, handled and go."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.choosers: dict[str, Choose] = {}
        """Policies in Python by queue."""
        self.policy_failures = 0
        self._needs: dict[tuple[object, ...], Need] = {}

    # -- what the engine does --------------------------------------------------------------------

    def _reserve(self, interaction: Interaction, agent: Agent, now: float) -> None:
        """Offer an interaction to an agent."""
        raise NotImplementedError

    def _leave(self, interaction: Interaction, outcome: str, now: float) -> None:
        """A waiting interaction leaves."""
        raise NotImplementedError

    # -- look-ups --------------------------------------------------------------------------------

    def _queue(self, name: str) -> Queue:
        try:
            return self.queues[name]
        except KeyError:
            raise NotFound(f'there is no queue "{name}"') from None

    def _interaction(self, name: str) -> Interaction:
        try:
            return self.interactions[name]
        except KeyError:
            raise NotFound(f'there is no interaction "{name}" in the ACD') from None

    def serving(self, queue: Queue) -> list[Agent]:
        """Who is signed in and meets a queue's own requirement."""
        return self._present(queue.need, queue.definition.agents)

    def able(self, interaction: Interaction) -> list[Agent]:
        """Who is signed in and meets what an interaction asks for now."""
        named = interaction.queue.definition.agents
        members = (*named, *interaction.joined) if named else ()
        return self._present(self._need(interaction), members)

    def _present(self, need: Need, members: tuple[str, ...]) -> list[Agent]:
        if members:
            among = [self.agents[name] for name in members if name in self.agents]
        else:
            among = [
                agent
                for profile in self.floor.candidates(need).values()
                if need.meets(profile.skills)
                for agent in profile.agents.values()
            ]
        return [agent for agent in among if agent.presence and need.meets(agent.skills)]

    def _count_staff(self, queue: Queue) -> None:
        """The floor keeps the number from here."""
        queue.staff = len(self.serving(queue)) if queue.counts else 0

    def ewt(self, queue: Queue, now: float) -> float:
        """The wait that the next one to join would have, in seconds: a rough mean."""
        agents = queue.staff if queue.counts else len(self.serving(queue))
        if not agents:
            return float("inf")
        return (queue.waiting + 1) * queue.handle_s / agents

    def _announce(self, interaction: Interaction, now: float) -> None:
        self.events.append(
            e.InteractionQueued(
                now,
                interaction.id,
                interaction.queue.name,
                interaction.priority,
                interaction.medium,
                self._need(interaction).key,
                interaction.queued_at,
                interaction.segment,
            )
        )

    # -- interactions: places --------------------------------------------------------------------

    def _own_need(self, command: c.Enqueue) -> Need:
        """What an interaction asks for by itself; the same need is the same object, mostly."""
        if not command.skills and not command.require:
            return ANYBODY
        key = (command.require, tuple(command.skills.items()))
        need = self._needs.get(key)
        if need is None:
            try:
                need = all_of(levels(command.skills), parse(command.require))
            except SkillsError as error:
                raise Conflict(f'"{command.interaction}": require: expected {error}') from None
            if len(self._needs) >= _NEEDS:
                self._needs.clear()
            self._needs[key] = need
        return need

    def _need(self, interaction: Interaction) -> Need:
        need = interaction.queue.asked(interaction.need)
        return need.relax(interaction.levels) if interaction.levels else need

    def _line(self, interaction: Interaction, now: float) -> Line:
        """The line of an interaction: found again if the rings or its queue have changed."""
        line = interaction.line
        if line is None or line.closed:
            queue = interaction.queue
            named = queue.definition.agents
            members = frozenset((*named, *interaction.joined)) if named else None
            line = self.floor.line(queue, interaction.medium, self._need(interaction), members, now)
            interaction.line = line
        return line

    def _place(self, interaction: Interaction, now: float) -> None:
        """Find an agent for an interaction that waits, or give it its place in line."""
        interaction.key = interaction.queue.key(interaction)
        if interaction.prefer:
            direct = self.floor.direct_line(
                interaction.queue, interaction.medium, interaction.prefer, now
            )
            interaction.direct = direct
            agent = self._direct_agent(direct)
            if agent is not None:
                self._reserve(interaction, agent, now)
            else:
                self._wait(direct, interaction, now)
            return
        line = self._line(interaction, now)
        if interaction.queue.offer_to > 1:
            for agent in self.floor.agents_for(line, interaction.queue.offer_to):
                self._reserve(interaction, agent, now)
        else:
            chosen = self._agent_for(line, interaction, now)
            if chosen is not None:
                self._reserve(interaction, chosen, now)
        if not interaction.offers:
            self._wait(line, interaction, now)

    def _wait(self, line: Line, interaction: Interaction, now: float) -> None:
        self.floor.wait(line, interaction)
        if self.absence.states:
            self.absence.note_line(line)
        queue = line.queue
        if queue.ewt_least:
            if not line.direct:
                queue.await_ewt(interaction)
            if queue.judged is None:
                self._judge_soon(now)

    def _agent_for(self, line: Line, interaction: Interaction, now: float) -> Agent | None:
        chooser = self.choosers.get(line.queue.name) if self.choosers else None
        if chooser is None:
            return self.floor.agent_for(line)
        candidates = self.floor.agents_for(line, MOST_CANDIDATES)
        if not candidates:
            return None
        try:
            chosen = chooser(interaction, candidates, now)
        except Exception as error:
            chosen, reason = None, f"{type(error).__name__}: {error}"
        else:
            if chosen is not None and chosen in candidates:
                return chosen
            if chosen is None and len(candidates) == 1:
                return candidates[0]  # would rather wait; but nobody waits beside who is free
            reason = _NOBODY
        self._policy_failed(interaction, reason, now)
        return candidates[0]

    def _direct_agent(self, line: Line) -> Agent | None:
        best: Agent | None = None
        assert line.members is not None
        for name in sorted(line.members):
            agent = self.agents.get(name)
            if agent is None or not agent.may_take(line.medium):
                continue
            if best is None or _freer(agent, best):
                best = agent
        return best

    def _leave_line(self, interaction: Interaction) -> None:
        line = interaction.direct if interaction.direct is not None else interaction.line
        assert line is not None
        self.floor.take(line, interaction)

    def _work(self, agent: Agent, now: float) -> None:
        """Give an agent what he may take, until there is nothing or his capacity is used."""
        while True:
            found = self.floor.work_for(agent, now)
            if found is None:
                if self.ringing_short:
                    self._ring_too(agent, now)
                return
            if self.choosers:
                found = self._asked_work(agent, found, now)
            line, interaction = found
            self.floor.take(line, interaction)
            self._reserve(interaction, agent, now)

    def _ring_too(self, agent: Agent, now: float) -> None:
        """An agent is free and nothing waits for him: he joins those at whom something rings."""
        for interaction in sorted(self.ringing_short.values(), key=_more_urgent(now)):
            line = self._line(interaction, now)
            if self._may_ring(line, interaction, agent):
                self._reserve(interaction, agent, now)

    def _may_ring(self, line: Line, interaction: Interaction, agent: Agent) -> bool:
        profile = agent.profile
        return (
            profile is not None
            and bool((profile.bits | agent.own_bits) & line.mask)
            and agent.id not in interaction.rung
            and agent.may_take(line.medium)
            # Offers of a queue that rang at one agent until now are not among `rung`.
            and all(offer.agent is not agent for offer in interaction.offers)
        )

    def _note_short(self, interaction: Interaction) -> None:
        """Whether it rings at fewer agents than its queue wants."""
        offers = interaction.offers
        if (
            offers
            and interaction.state is InteractionState.RESERVED
            and len(offers) < interaction.queue.offer_to
            and not interaction.prefer
            and not offers[0].previewing
        ):
            self.ringing_short[interaction.id] = interaction
        else:
            self.ringing_short.pop(interaction.id, None)

    def _fill(self, interaction: Interaction, now: float) -> None:
        """Something has changed for what rings: others who are free may ring too."""
        self._note_short(interaction)
        if interaction.id not in self.ringing_short:
            return
        line = self._line(interaction, now)
        most = interaction.queue.offer_to + len(interaction.rung)
        for agent in self.floor.agents_for(line, most):
            if len(interaction.offers) >= interaction.queue.offer_to:
                return
            if self._may_ring(line, interaction, agent):
                self._reserve(interaction, agent, now)

    def _asked_work(
        self, agent: Agent, found: tuple[Line, Interaction], now: float
    ) -> tuple[Line, Interaction]:
        """What an agent who is free gets, where policies in Python have a word in it.

        One that answers None would rather wait for somebody else: the agent gets the next most
        urgent of another line, and this one all the same if there is none. So nobody is idle beside
        what he may take.
        """
        first, passed = found, 0
        while True:
            line, interaction = found
            queue = line.queue
            chooser = self.choosers.get(queue.name)
            if chooser is None or line.direct:
                return found
            if queue.bound_s and now - interaction.queued_at >= queue.bound_s:
                return found  # nobody waits longer than the bound for a policy
            try:
                chosen = chooser(interaction, [agent], now)
            except Exception as error:
                self._policy_failed(interaction, f"{type(error).__name__}: {error}", now)
                return found
            if chosen is agent:
                return found
            if chosen is not None:
                self._policy_failed(interaction, _NOBODY, now)
                return found
            passed |= line.mask
            other = self.floor.work_for(agent, now, passed)
            if other is None:
                return first
            found = other

    def _policy_failed(self, interaction: Interaction, reason: str, now: float) -> None:
        self.policy_failures += 1
        queue = interaction.queue.name
        self.events.append(e.PolicyFailed(now, queue, interaction.id, reason[:500]))

    # -- preferred agents and rings --------------------------------------------------------------

    def _prefer(
        self, interaction: Interaction, agents: tuple[str, ...], patience_s: float, now: float
    ) -> None:
        known = tuple([name for name in agents if name in self.agents])
        here = [name for name in known if self.agents[name].presence]
        if not here:
            return  # they are not at work: nothing to wait for
        interaction.prefer = known
        seconds = patience_s or interaction.queue.definition.patience_s
        interaction.patience = self.wheel.at(now + seconds, self._patience_is_over, interaction.id)

    def _patience_is_over(self, now: float, interaction_id: str) -> None:
        interaction = self.interactions.get(interaction_id)
        if interaction is None or not interaction.prefer:
            return
        waits = interaction.state is InteractionState.WAITING
        if waits:
            self._leave_line(interaction)
        interaction.prefer, interaction.direct = (), None
        self.events.append(
            e.Relaxed(
                now,
                interaction.id,
                interaction.queue.name,
                0,
                self._need(interaction).key,
                "patience",
            )
        )
        if waits:
            self._place(interaction, now)
            self._relax_at_once(interaction, now)
        else:
            self._fill(interaction, now)

    def _set_ring_timer(self, interaction: Interaction, now: float) -> None:
        """Wait for the next ring, if time is what it waits for."""
        after = interaction.queue.after_s
        if interaction.ring >= len(after):
            return
        after_s = after[interaction.ring]
        if after_s:
            due = interaction.joined_at + after_s
            interaction.ring_timer = self.wheel.at(
                max(due, now), self._ring_is_due, interaction.id, interaction.ring
            )

    def _ring_is_due(self, now: float, interaction_id: str, number: int) -> None:
        interaction = self.interactions.get(interaction_id)
        if interaction is not None and interaction.ring == number:
            self._next_ring(interaction, "waited", now)
            self._relax_at_once(interaction, now)

    def _relax_at_once(self, interaction: Interaction, now: float) -> None:
        """Go through the rings whose condition is not time and holds now.

        Queues that hand over to one another at once would do so for ever: each may do it once.
        """
        visited = [interaction.queue]
        while interaction.state is InteractionState.WAITING and not interaction.prefer:
            if interaction.queue is not visited[-1]:
                if interaction.queue in visited:
                    return
                visited.append(interaction.queue)
            queue = interaction.queue
            if interaction.ring >= len(queue.rings) or not queue.at_once[interaction.ring]:
                return
            ring = queue.rings[interaction.ring]
            if ring.unstaffed and not self.floor.staffed(self._line(interaction, now)):
                self._next_ring(interaction, "unstaffed", now)
            elif ring.ewt_s and self.ewt(queue, now) >= ring.ewt_s:
                self._next_ring(interaction, "ewt", now)
            else:
                return

    def _judge(self, now: float, queue: str) -> None:
        """Who waits goes through the rings that the estimated wait opens, the most urgent first,
        as long as it is so long. A few at a time: the others are next."""
        found = self.queues.get(queue)
        if found is None:
            return
        found.judged = None
        if not found.ewt_least or not found.waiting:
            return
        wait_s = self.ewt(found, now)
        if wait_s < found.ewt_least:
            return
        through: set[str] = set()
        while True:
            interaction = found.awaits_ewt(wait_s)
            if interaction is None:
                return
            if interaction.id in through or len(through) == _MOST_JUDGED:
                self._judge_soon(now)
                return
            through.add(interaction.id)
            self._next_ring(interaction, "ewt", now)
            self._relax_at_once(interaction, now)
            wait_s = self.ewt(found, now)

    def waiting(self, queue: str) -> list[Interaction]:
        """All that wait in a queue, most urgent first. Raises `NotFound`."""
        lines = self._queue(queue).lines.values()
        found = [interaction for line in lines for interaction in line.interactions()]
        return sorted(found, key=urgency)

    def _next_ring(self, interaction: Interaction, reason: str, now: float) -> None:
        definition = interaction.queue.definition
        ring = definition.rings[interaction.ring]
        waits = interaction.state is InteractionState.WAITING
        if waits:
            self._leave_line(interaction)
        self._cancel_ring_timer(interaction)
        interaction.ring += 1
        to = self.queues.get(ring.queue)
        if to is not None and to is not interaction.queue and not to.closed:
            self._hand_over(interaction, to, "overflow", now)
        else:
            if ring.skills:
                interaction.levels = {**interaction.levels, **ring.skills}
            interaction.joined = (*interaction.joined, *ring.agents)
            interaction.priority += ring.priority
            interaction.key = interaction.queue.key(interaction)
            interaction.line = None
            self.events.append(
                e.Relaxed(
                    now,
                    interaction.id,
                    interaction.queue.name,
                    interaction.ring,
                    self._need(interaction).key,
                    reason,
                )
            )
            self._set_ring_timer(interaction, now)
            if interaction.ring == len(definition.rings) and definition.exhausted == "leave":
                # Give the last ring its chance, then go.
                if waits:
                    self._place(interaction, now)
                    if interaction.state is InteractionState.WAITING:
                        self._leave(interaction, "exhausted", now)
                elif interaction.state is InteractionState.RESERVED:
                    interaction.deadline = now
                    self._fill(interaction, now)
                return
        if waits:
            self._place(interaction, now)
        else:
            self._fill(interaction, now)

    def _hand_over(self, interaction: Interaction, to: Queue, reason: str, now: float) -> None:
        """Into another queue, in no line yet. The place counts from the same time."""
        before = interaction.queue
        self._cancel_ring_timer(interaction)
        if interaction.patience is not None:
            interaction.patience.cancel()
            interaction.patience = None
        self.events.append(
            e.InteractionMoved(
                now, interaction.id, before.name, to.name, now - interaction.joined_at, reason
            )
        )
        if interaction.state is InteractionState.AWAY:
            del before.away[interaction.id]
            to.away[interaction.id] = interaction
        interaction.queue = to
        interaction.line = interaction.direct = None
        interaction.prefer = ()
        interaction.closing = False
        interaction.priority += to.priority - before.priority
        interaction.ring, interaction.levels, interaction.joined = 0, {}, ()
        interaction.joined_at = now
        interaction.key = to.key(interaction)
        self._announce(interaction, now)
        self._set_ring_timer(interaction, now)

    def _cancel_ring_timer(self, interaction: Interaction) -> None:
        if interaction.ring_timer is not None:
            interaction.ring_timer.cancel()
            interaction.ring_timer = None

    def _move_command(self, command: c.Move, now: float) -> None:
        interaction = self._interaction(command.interaction)
        to = self._queue(command.queue)
        waits = self._waits(interaction)
        if to.closed:
            raise Conflict(f'queue "{to.name}" is closed')
        if to is interaction.queue:
            raise Conflict(f'interaction "{interaction.id}" is in queue "{to.name}" already')
        if not waits:
            self._hand_over(interaction, to, "moved", now)
            return
        self._leave_line(interaction)
        self._hand_over(interaction, to, "moved", now)
        self._place(interaction, now)
        self._relax_at_once(interaction, now)

    def _prioritise(self, command: c.Prioritise, now: float) -> None:
        interaction = self._interaction(command.interaction)
        waits = self._waits(interaction)
        if waits:
            self._leave_line(interaction)
        interaction.priority += command.priority - interaction.own_priority
        interaction.own_priority = command.priority
        interaction.key = interaction.queue.key(interaction)
        if waits:
            self._place(interaction, now)

    @staticmethod
    def _waits(interaction: Interaction) -> bool:
        """Whether it stands in line; False: it has a place. Raises `Conflict` if it has neither."""
        if interaction.state is InteractionState.WAITING:
            return True
        if interaction.state is InteractionState.AWAY:
            return False
        raise Conflict(f'interaction "{interaction.id}" does not wait')


def _more_urgent(now: float) -> Callable[[Interaction], tuple[float, int]]:
    return lambda interaction: (-interaction.queue.urgency(interaction, now), interaction.sequence)


def urgency(interaction: Interaction) -> tuple[float, int]:
    """What sorts those of one queue: the smallest is next."""
    return interaction.key, interaction.sequence


def _freer(agent: Agent, other: Agent) -> bool:
    if len(agent.work) != len(other.work):
        return len(agent.work) < len(other.work)
    if agent.free_since != other.free_since:
        return agent.free_since < other.free_since
    return agent.tie < other.tie

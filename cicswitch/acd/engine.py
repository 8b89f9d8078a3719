"""The engine: commands in, events out, and the one owner of agents, queues and interactions.

    engine.handle(command, now)      refuses with NotFound or Conflict, or changes state
    engine.advance(now)              lets the deadlines pass that are due
    engine.take_events()             what came of it, in order

It reads no clock and draws no lots: the same commands with the same times give the same events, on
the telephone, in a simulation and from a journal. A command lets the deadlines before it pass
first, each at its own time, so that it does not matter how late somebody calls `advance`.

Which agent and which interaction go together is worked out in `floor`; what agents do and say is
in `roster`, what happens to those who wait in `waiting`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.absence import nobody
from cicswitch.acd.agent import LIVE_MEDIA, Agent, Presence
from cicswitch.acd.interaction import (
    INTERACTION_TABLE,
    Assignment,
    AssignmentInput,
    AssignmentState,
    Interaction,
    InteractionInput,
    InteractionState,
)
from cicswitch.acd.invariants import Patrol
from cicswitch.acd.lines import Line
from cicswitch.acd.queue import Queue, QueueView
from cicswitch.acd.skills import SkillsError, parse
from cicswitch.acd.waiting import Waiting, urgency
from cicswitch.core.errors import Conflict

__all__ = ["Engine", "QueueView"]

_REDIALS = 10_000
_PATROL = 128
"""Commands and deadlines between two looks at one agent and one interaction."""
_IN_LINE = (InteractionState.WAITING, InteractionState.AWAY)
"""Who has a place and no agent."""


class Engine(Waiting):
    """The ACD."""

    def __init__(self, seed: int = 0, *, check: bool = False) -> None:
        super().__init__(seed)
        self.check = check
        """Look at the invariants after every command; a breach is an event."""
        self.now = float("-inf")
        """The latest time that it was told."""
        self.breached = 0
        self._patrol = Patrol()
        self._commands = 0
        self._abandoned: dict[tuple[str, str], tuple[float, float]] = {}
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            c.DefineQueue: self._define_queue,
            c.RemoveQueue: self._remove_queue,
            c.Close: self._close_queue,
            c.Open: self._open_queue,
            c.DefineAgent: self._define_agent,
            c.RemoveAgent: self._remove_agent,
            c.Enqueue: self._enqueue,
            c.Join: self._join,
            c.Leave: self._leave_command,
            c.Move: self._move_command,
            c.Prioritise: self._prioritise,
            c.Accept: self._accept,
            c.Preview: self._preview,
            c.Reject: self._reject,
            c.Hold: self._hold,
            c.Resume: self._resume,
            c.Silent: self._silent,
            c.Finish: self._finish,
            c.Lose: self._lose,
            c.TakeOver: self._take_over,
            c.WrapUp: self._wrap_up,
            c.SignIn: self._sign_in,
            c.SignOut: self._sign_out,
            c.Pause: self._pause,
            c.Ready: self._ready,
            c.Seize: self._seize,
            c.Free: self._free,
        }

    def handle(self, command: c.Command, now: float) -> None:
        """Carry out a command, or raise `NotFound` or `Conflict` and change nothing.

        Time does not go back: a command of an earlier time is carried out at `self.now`.
        """
        self.advance(now)
        now = self.now
        self._handlers[type(command)](command, now)
        if self.absence.noted:
            self._leave_absent(now)
        if self.check:
            self._look(now)

    def advance(self, now: float) -> int:
        """Let the deadlines pass that are due, each at its time; how many they were."""
        if now > self.now:
            self.now = now
        wheel, passed = self.wheel, 0
        while True:
            due = wheel.next_due()
            if due is None or due > now:
                return passed
            passed += wheel.fire(due)
            if self.absence.noted:
                self._leave_absent(due)
            if self.check:
                self._look(due)

    @property
    def next_due(self) -> float | None:
        """When `advance` has something to do; None: nothing is to come."""
        return self.wheel.next_due()

    def take_events(self) -> list[e.AcdEvent]:
        """The events since the last call, in order; the list is the caller's."""
        events = self.events
        if not events:
            return []
        self.events = []
        return events

    def _look(self, now: float) -> None:
        """The invariant that costs nothing: nobody waits beside an agent who may take him. The
        others in turn."""
        self._commands += 1
        if self._commands >= _PATROL:
            self._commands = 0
            wrong = self._patrol.look(self, now)
            if wrong:
                self.breached += 1
                self.events.append(e.InvariantBroken(now, wrong[0], "; ".join(wrong)))
        floor = self.floor
        beside = floor.beside()
        if not beside:
            return
        self.breached += 1
        lines = floor.lines_of(beside)
        shown = [
            f"{line.key!r}: {[agent.id for agent in floor.agents_for(line, 5)]}" for line in lines
        ]
        self.events.append(
            e.InvariantBroken(
                now, "an interaction waits beside agents who may take it", "; ".join(shown)
            )
        )

    # -- views -----------------------------------------------------------------------------------

    def definition(self, queue: str) -> c.DefineQueue | None:
        """What a queue was defined as; None if there is none."""
        found = self.queues.get(queue)
        return found.definition if found is not None else None

    def view(self, queue: str, now: float) -> QueueView:
        """The numbers of a queue. Raises `NotFound`."""
        found = self._queue(queue)
        oldest = now
        for line in found.lines.values():
            for interaction in line.interactions():
                oldest = min(oldest, interaction.queued_at)
        serving = self.serving(found)
        return QueueView(
            found.waiting,
            now - oldest,
            len(serving),
            len([agent for agent in serving if agent.open and not agent.load]),
        )

    def queue(self, name: str) -> Queue:
        """A queue while it runs. Raises `NotFound`."""
        return self._queue(name)

    def line_of(self, interaction: Interaction, now: float) -> Line:
        """The line that an interaction stands in, or came from."""
        if interaction.direct is not None:
            return interaction.direct
        return self._line(interaction, now)

    def position(self, interaction: str) -> int:
        """The place in its queue, 1 is next; 0 when it does not wait. For announcements."""
        found = self.interactions.get(interaction)
        if found is None or found.state not in _IN_LINE:
            return 0
        own = (found.key, found.sequence)
        ahead = 0
        for line in found.queue.lines.values():
            for other in line.interactions():
                if (other.key, other.sequence) < own:
                    ahead += 1
        for other in found.queue.away.values():
            if (other.key, other.sequence) < own:
                ahead += 1
        return ahead + 1

    # -- queues ----------------------------------------------------------------------------------

    def _define_queue(self, command: c.DefineQueue, now: float) -> None:
        try:
            parse(command.require)
        except SkillsError as error:
            raise Conflict(f'queue "{command.queue}": require: expected {error}') from None
        queue = self.queues.get(command.queue)
        if queue is None:
            queue = self.queues[command.queue] = Queue(command)
            self._count_staff(queue)
            self._gather(now)
            return
        waiting = self.waiting(command.queue)
        for interaction in waiting:
            self._leave_line(interaction)
        for line in list(queue.lines.values()):
            self.floor.close(line)
        queue.define(command)
        self._count_staff(queue)
        self._gather(now)
        # What is being offered goes to the new lines if it comes back.
        for interaction in (*waiting, *self._offered(queue), *queue.away.values()):
            self._rejudge(interaction, now)
        for interaction in sorted(waiting, key=urgency):
            self._place(interaction, now)
            self._relax_at_once(interaction, now)
        for interaction in self._offered(queue):
            self._fill(interaction, now)
        if queue.closed and command.at_close == "leave":
            for interaction in self.waiting(command.queue):
                self._leave(interaction, "closed", now)

    def _rejudge(self, interaction: Interaction, now: float) -> None:
        """What it asks for and how urgent it is, by its queue as it is defined now. It has gone
        through as many rings as before, if there are so many."""
        self._cancel_ring_timer(interaction)
        queue = interaction.queue
        rings = queue.rings
        interaction.ring = min(interaction.ring, len(rings))
        interaction.priority = interaction.own_priority + queue.priority
        interaction.levels, interaction.joined = {}, ()
        for ring in rings[: interaction.ring]:
            interaction.levels = {**interaction.levels, **ring.skills}
            interaction.joined = (*interaction.joined, *ring.agents)
            interaction.priority += ring.priority
        interaction.key = queue.key(interaction)
        self._set_ring_timer(interaction, now)

    def _offered(self, queue: Queue) -> list[Interaction]:
        found: dict[str, Interaction] = {}
        for assignment in self.reservations.values():
            if assignment.interaction.queue is queue:
                found[assignment.interaction.id] = assignment.interaction
        return list(found.values())

    def _remove_queue(self, command: c.RemoveQueue, now: float) -> None:
        queue = self._queue(command.queue)
        for interaction in self.waiting(queue.name):
            self._leave(interaction, "removed", now)
        for interaction in (*self._offered(queue), *queue.away.values()):
            self._leave(interaction, "removed", now)
        for line in list(queue.lines.values()):
            self.floor.close(line)
        # What is being handled keeps the queue's settings.
        del self.queues[queue.name]
        self.choosers.pop(queue.name, None)
        self._gather(now)

    def _close_queue(self, command: c.Close, now: float) -> None:
        queue = self._queue(command.queue)
        if queue.closed:
            raise Conflict(f'queue "{queue.name}" is closed')
        queue.closed = True
        self.events.append(e.QueueClosed(now, queue.name))
        if queue.definition.at_close == "leave":
            for interaction in self._offered(queue):
                interaction.closing = True
            for interaction in self.waiting(queue.name):
                self._leave(interaction, "closed", now)

    def _open_queue(self, command: c.Open, now: float) -> None:
        queue = self._queue(command.queue)
        if not queue.closed:
            raise Conflict(f'queue "{queue.name}" is open')
        queue.closed = False
        self.events.append(e.QueueOpened(now, queue.name))

    # -- interactions: in ------------------------------------------------------------------------

    def _enqueue(self, command: c.Enqueue, now: float) -> None:
        queue = self._queue(command.queue)
        if command.interaction in self.interactions:
            raise Conflict(f'interaction "{command.interaction}" is in a queue already')
        need = self._own_need(command)
        queued_at = command.queued_at or self._old_place(queue, command.customer, now)
        self._sequence += 1
        interaction = Interaction(
            command.interaction,
            command.medium,
            need,
            command.priority,
            queued_at,
            self._sequence,
            queue,
        )
        interaction.joined_at = now
        interaction.customer = command.customer
        interaction.segment = command.segment
        interaction.priority = command.priority + queue.priority
        if command.away:
            self._keep_place(interaction, command.timeout_s, now)
            return
        refused = self._refusal(interaction, queue, now)
        if refused:
            self.events.append(e.QueueRefused(now, command.interaction, queue.name, refused))
            return
        self.interactions[interaction.id] = interaction
        self._announce(interaction, now)
        limit = command.timeout_s
        if not limit or 0.0 < queue.max_wait_s < limit:
            limit = queue.max_wait_s
        if limit:
            interaction.timer = self.wheel.at(now + limit, self._wait_is_over, interaction.id)
        if command.prefer:
            self._prefer(interaction, command.prefer, command.patience_s, now)
        self._set_ring_timer(interaction, now)
        self._place(interaction, now)
        self._relax_at_once(interaction, now)

    def _keep_place(self, interaction: Interaction, timeout_s: float, now: float) -> None:
        """A place for one who is not there."""
        interaction.state = InteractionState.AWAY
        interaction.key = interaction.queue.key(interaction)
        self.interactions[interaction.id] = interaction
        interaction.queue.away[interaction.id] = interaction
        self._announce(interaction, now)
        if timeout_s:
            interaction.timer = self.wheel.at(now + timeout_s, self._wait_is_over, interaction.id)
        self._set_ring_timer(interaction, now)

    def _join(self, command: c.Join, now: float) -> None:
        interaction = self._interaction(command.interaction)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.JOIN)
        queue = interaction.queue
        del queue.away[interaction.id]
        if interaction.timer is not None:
            interaction.timer.cancel()
            interaction.timer = None
        away_s = now - interaction.joined_at
        self.events.append(e.InteractionJoined(now, interaction.id, queue.name, away_s))
        if command.prefer:
            self._prefer(interaction, command.prefer, command.patience_s, now)
        self._place(interaction, now)
        self._relax_at_once(interaction, now)

    def _old_place(self, queue: Queue, customer: str, now: float) -> float:
        """The place of one who hung up and calls again in time, or a new one."""
        window = queue.redial_s
        if not window or not customer:
            return now
        queued_at, left_at = self._abandoned.pop((queue.name, customer), (now, -window))
        return queued_at if now - left_at <= window else now

    def _refusal(self, interaction: Interaction, queue: Queue, now: float) -> str:
        """Why a queue does not take an interaction; empty if it does."""
        if queue.closed:
            return "closed"
        if not queue.limited:
            return ""
        definition = queue.definition
        line = self._line(interaction, now)
        free = self.floor.serves(line)
        if not free:
            if definition.max_waiting and queue.waiting >= definition.max_waiting:
                return "full"
            if definition.max_ewt_s and self.ewt(queue, now) > definition.max_ewt_s:
                return "long"
        absent = queue.join_absent
        if absent and not free and nobody(self.floor, self.agents, line, absent):
            return "empty"
        return ""

    # -- interactions: out -----------------------------------------------------------------------

    def _wait_is_over(self, now: float, interaction_id: str) -> None:
        interaction = self.interactions.get(interaction_id)
        if interaction is None:
            return
        if interaction.state in _IN_LINE:
            self._leave(interaction, "timeout", now)
        elif interaction.state is InteractionState.RESERVED:
            # It is ringing at an agent: let that end, and leave then if it comes to nothing.
            interaction.deadline = now

    def _leave_command(self, command: c.Leave, now: float) -> None:
        self._leave(self._interaction(command.interaction), command.outcome, now)

    def _leave(self, interaction: Interaction, outcome: str, now: float) -> None:
        before = interaction.state
        after = INTERACTION_TABLE.next(before, InteractionInput.LEAVE)
        freed: list[Agent] = []
        if before is InteractionState.WAITING:
            self._leave_line(interaction)
        elif before is InteractionState.AWAY:
            del interaction.queue.away[interaction.id]
        else:
            for offer in list(interaction.offers):
                self._end_offer(offer, "rescinded", now)
                freed.append(offer.agent)
        interaction.state = after
        self._drop(interaction)
        queue, wait_s = interaction.queue, now - interaction.joined_at
        if before is not InteractionState.AWAY:
            queue.count(wait_s, answered=False, now=now)
        if outcome == "abandoned" and queue.redial_s and interaction.customer:
            if len(self._abandoned) >= _REDIALS:
                del self._abandoned[next(iter(self._abandoned))]
            self._abandoned[queue.name, interaction.customer] = (interaction.queued_at, now)
        self.events.append(e.InteractionLeft(now, interaction.id, queue.name, outcome, wait_s))
        for agent in freed:
            self._settle(agent, now)

    def _drop(self, interaction: Interaction) -> None:
        for timer in (interaction.timer, interaction.ring_timer, interaction.patience):
            if timer is not None:
                timer.cancel()
        interaction.timer = interaction.ring_timer = interaction.patience = None
        del self.interactions[interaction.id]

    def _leave_if_empty(self, now: float) -> None:
        """Somebody signed out: who waits for nobody now goes, or on to the next ring."""
        for queue in list(self.queues.values()):
            definition = queue.definition
            if not queue.waiting:
                continue
            if not definition.leave_empty and not any(r.unstaffed for r in queue.rings):
                continue
            for line in list(queue.lines.values()):
                if line.waiting and not self.floor.staffed(line):
                    for interaction in line.interactions():
                        self._relax_at_once(interaction, now)
                        if definition.leave_empty and self._waits_for_nobody(interaction):
                            self._leave(interaction, "empty", now)

    def _gather(self, now: float) -> None:
        """Queues were defined: what has to be looked at when an agent changes."""
        self.absence.define(self.queues.values())
        self._judging = [queue for queue in self.queues.values() if queue.ewt_least]
        self.floor.counted = [queue for queue in self.queues.values() if queue.counts]
        self._judge_soon(now)

    def _leave_absent(self, now: float) -> None:
        """Who waits for agents who all count as nobody leaves."""
        for line in self.absence.take():
            if nobody(self.floor, self.agents, line, line.queue.leave_absent):
                for interaction in line.interactions():
                    self._leave(interaction, "empty", now)

    def _waits_for_nobody(self, interaction: Interaction) -> bool:
        if interaction.state is not InteractionState.WAITING:
            return False
        if not interaction.queue.definition.leave_empty:
            return False
        line = interaction.direct if interaction.direct is not None else interaction.line
        return line is not None and not self.floor.staffed(line)

    # -- reservations ----------------------------------------------------------------------------

    def _reserve(self, interaction: Interaction, agent: Agent, now: float) -> None:
        if interaction.state is InteractionState.WAITING:
            interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RESERVE)
        self._reservation += 1
        number = self._reservation
        queue = interaction.queue
        assignment = Assignment(number, interaction, agent, queue, now)
        interaction.offers.append(assignment)
        interaction.agent = interaction.offers[0].agent.id
        if queue.offer_to > 1:
            interaction.rung.append(agent.id)
            self._note_short(interaction)
        self.reservations[number] = assignment
        agent.offered = number
        self._take_in_hand(agent, assignment, now)
        deadline = now + queue.ring_s
        assignment.timer = self.wheel.at(deadline, self._not_answered, number)
        self.events.append(e.Reserved(now, number, interaction.id, queue.name, agent.id, deadline))

    def _end_offer(self, offer: Assignment, outcome: str, now: float) -> None:
        """An offer is over; the agent has it no more unless he accepted it."""
        del self.reservations[offer.number]
        interaction = offer.interaction
        interaction.offers.remove(offer)
        if interaction.queue.offer_to > 1 or self.ringing_short:
            self._note_short(interaction)
        interaction.agent = interaction.offers[0].agent.id if interaction.offers else ""
        if offer.timer is not None:
            offer.timer.cancel()
            offer.timer = None
        self.events.append(
            e.ReservationEnded(
                now, offer.number, interaction.id, interaction.queue.name, offer.agent.id, outcome
            )
        )
        if outcome != "accepted":
            self._put_down(offer, now)

    def _not_answered(self, now: float, number: int) -> None:
        offer = self.reservations.get(number)
        if offer is not None:
            self._fail(offer, "timed-out", now)

    def _preview(self, command: c.Preview, now: float) -> None:
        offer = self._reserved(command.reservation)
        if offer.previewing:
            raise Conflict(f"reservation {offer.number} is being looked at")
        interaction = offer.interaction
        offer.previewing = True
        self.ringing_short.pop(interaction.id, None)
        if offer.timer is not None:
            offer.timer.cancel()
        deadline = now + command.seconds
        offer.timer = self.wheel.at(deadline, self._not_answered, offer.number)
        self.events.append(
            e.PreviewBegan(
                *(now, offer.number, interaction.id, interaction.queue.name),
                *(offer.agent.id, deadline),
            )
        )
        others = [other for other in interaction.offers if other is not offer]
        for other in others:
            self._end_offer(other, "rescinded", now)
        for other in others:
            self._settle(other.agent, now)

    def _reject(self, command: c.Reject, now: float) -> None:
        self._fail(self._reserved(command.reservation), command.cause, now)

    def _fail(self, offer: Assignment, outcome: str, now: float) -> None:
        """The offer came to nothing: the queue's rule says what the agent does; the interaction
        keeps its place."""
        interaction, agent = offer.interaction, offer.agent
        self._end_offer(offer, outcome, now)
        self._apply_rule(agent, interaction.queue.rule(outcome), outcome, now)
        self._settle(agent, now)
        self._return(interaction, now)

    def _return(self, interaction: Interaction, now: float) -> None:
        """Back into line at the same place, once no offer is left."""
        if interaction.state is not InteractionState.RESERVED:
            return
        if interaction.offers:
            self._fill(interaction, now)
            return
        interaction.rung.clear()
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RETURN)
        self._place(interaction, now)
        if interaction.state is not InteractionState.WAITING:
            return
        if interaction.deadline:
            last = interaction.ring and interaction.ring == len(interaction.queue.rings)
            exhausted = last and interaction.queue.definition.exhausted == "leave"
            self._leave(interaction, "exhausted" if exhausted else "timeout", now)
            return
        if interaction.closing and interaction.queue.closed:
            self._leave(interaction, "closed", now)
            return
        self._relax_at_once(interaction, now)
        if self._waits_for_nobody(interaction):
            self._leave(interaction, "empty", now)

    def _accept(self, command: c.Accept, now: float) -> None:
        offer = self._reserved(command.reservation)
        interaction, agent = offer.interaction, offer.agent
        self._end_offer(offer, "accepted", now)
        others = list(interaction.offers)
        for other in others:
            self._end_offer(other, "rescinded", now)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.ACCEPT)
        interaction.agent, interaction.assignment = agent.id, offer
        interaction.connected_at = now
        for timer in (interaction.timer, interaction.ring_timer, interaction.patience):
            if timer is not None:
                timer.cancel()
        interaction.timer = interaction.ring_timer = interaction.patience = None
        agent.answered += 1
        wait_s = now - interaction.joined_at
        interaction.queue.count(wait_s, answered=True, now=now)
        self._step(offer, AssignmentInput.ACCEPT, now)
        self.events.append(
            e.InteractionConnected(now, interaction.id, interaction.queue.name, agent.id, wait_s)
        )
        for other in others:
            self._settle(other.agent, now)

    # -- while an agent has it -------------------------------------------------------------------

    def _assigned(self, interaction: Interaction) -> Assignment:
        assignment = interaction.assignment
        assert assignment is not None  # the interaction's table has allowed it
        return assignment

    def _hold(self, command: c.Hold, now: float) -> None:
        interaction = self._interaction(command.interaction)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.HOLD)
        interaction.held_at = now
        self._step(self._assigned(interaction), AssignmentInput.HOLD, now)

    def _resume(self, command: c.Resume, now: float) -> None:
        interaction = self._interaction(command.interaction)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RESUME)
        interaction.hold_s += now - interaction.held_at
        self._step(self._assigned(interaction), AssignmentInput.RESUME, now)

    def _silent(self, command: c.Silent, now: float) -> None:
        interaction = self._interaction(command.interaction)
        assignment = interaction.assignment
        if assignment is None:
            raise Conflict(f'nobody handles interaction "{interaction.id}"')
        self._set_silent(assignment, command.silent, now)

    def _finish(self, command: c.Finish, now: float) -> None:
        self._begin_wrap_up(self._end(command.interaction, now), now)

    def _lose(self, command: c.Lose, now: float) -> None:
        assignment = self._end(command.interaction, now)
        self._apply_rule(assignment.agent, c.FailRule(), "lost", now)
        self._begin_wrap_up(assignment, now, wraps=False)

    def _end(self, name: str, now: float) -> Assignment:
        """The interaction is over, and with it the share of the agent who had it."""
        interaction = self._interaction(name)
        after = INTERACTION_TABLE.next(interaction.state, InteractionInput.FINISH)
        if interaction.state is InteractionState.HELD:
            interaction.hold_s += now - interaction.held_at
        interaction.state = after
        assignment = self._assigned(interaction)
        self._drop(interaction)
        self._handled(assignment, now)
        return assignment

    def _handled(self, assignment: Assignment, now: float) -> None:
        interaction = assignment.interaction
        talk_s = now - interaction.connected_at - interaction.hold_s
        self.events.append(
            e.InteractionHandled(
                now,
                interaction.id,
                interaction.queue.name,
                assignment.agent.id,
                talk_s,
                interaction.hold_s,
            )
        )

    def _take_over(self, command: c.TakeOver, now: float) -> None:
        interaction = self._interaction(command.interaction)
        agent = self._agent(command.agent)
        if interaction.state not in (InteractionState.CONNECTED, InteractionState.HELD):
            raise Conflict(f'nobody handles interaction "{interaction.id}"')
        before = self._assigned(interaction)
        if agent.presence is Presence.OFFLINE:
            raise Conflict(f'agent "{agent.id}" is not signed in')
        for assignment in agent.work.values():
            handled = assignment.state in (AssignmentState.ACTIVE, AssignmentState.HELD)
            if handled and assignment.medium in LIVE_MEDIA:
                raise Conflict(f'agent "{agent.id}" is {agent.state.word}')
        if interaction.state is InteractionState.HELD:
            interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RESUME)
            interaction.hold_s += now - interaction.held_at
        self._handled(before, now)
        returned = self._cancel_offers(agent, now)
        self._reservation += 1
        taken = Assignment(self._reservation, interaction, agent, interaction.queue, now)
        self._take_in_hand(agent, taken, now)
        self._step(taken, AssignmentInput.ACCEPT, now)
        self.events.append(
            e.InteractionTaken(
                now, interaction.id, interaction.queue.name, agent.id, before.agent.id
            )
        )
        self._begin_wrap_up(before, now)
        interaction.agent, interaction.assignment = agent.id, taken
        interaction.connected_at, interaction.hold_s = now, 0.0
        self._settle(agent, now)
        for other in returned:
            self._return(other, now)

    # -- look-ups --------------------------------------------------------------------------------

    def _reserved(self, number: int) -> Assignment:
        try:
            return self.reservations[number]
        except KeyError:
            raise Conflict(f"reservation {number} is over") from None

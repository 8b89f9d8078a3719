"""The engine: commands in, events out, and the one owner of agents, queues and interactions.

    engine.handle(command, now)      refuses with NotFound or Conflict, or changes state
    engine.take_events()             what came of it, also of deadlines that the wheel fired

Cost of a match: two ANDs of masks and a look at the bits that are left (see `queue`).

Longer than 600 lines because nothing else may change agents and queues: commands, deadlines and
definitions all end in `_change`, `_place` and `_reserve`, and read best beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import AGENT_TABLE, Agent, AgentInput, AgentState
from cicswitch.acd.interaction import (
    INTERACTION_TABLE,
    Interaction,
    InteractionInput,
    InteractionState,
)
from cicswitch.acd.queue import Line, Profile, Requirement, bits, member_skill, requirement_of
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.core.timers import TimerWheel

__all__ = ["Engine", "QueueView"]

_AGENT_BUSY = (AgentState.TALKING, AgentState.HOLDING)
_AGENT_AT_WORK = (*_AGENT_BUSY, AgentState.WRAP_UP)


class QueueView:
    """A queue's numbers right now: how many wait, how long the longest has, who could serve."""

    __slots__ = ("idle", "longest_wait_s", "signed_in", "waiting")

    def __init__(self, waiting: int, longest_wait_s: float, signed_in: int, idle: int) -> None:
        self.waiting = waiting
        self.longest_wait_s = longest_wait_s
        self.signed_in = signed_in
        self.idle = idle


class Engine:
    """The ACD. Reads no clock: `now` is an argument, deadlines are set on `wheel`."""

    def __init__(self, wheel: TimerWheel) -> None:
        self.agents: dict[str, Agent] = {}
        self.interactions: dict[str, Interaction] = {}
        self.queues: dict[str, c.DefineQueue] = {}
        self.reservations: dict[int, Interaction] = {}
        self._wheel = wheel
        self._events: list[e.AcdEvent] = []
        self._lines: list[Line] = []
        self._line_of: dict[tuple[str, Requirement], Line] = {}
        self._queue_lines: dict[str, list[Line]] = {}
        self._profiles: list[Profile] = []
        self._profile_of: dict[tuple[tuple[str, int], ...], Profile] = {}
        self._idle = 0  # mask of the profiles that have an idle agent
        self._waiting = 0  # mask of the lines that have an interaction
        self._sequence = 0
        self._reservation = 0
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            c.DefineQueue: self._define_queue,
            c.RemoveQueue: self._remove_queue,
            c.DefineAgent: self._define_agent,
            c.RemoveAgent: self._remove_agent,
            c.Enqueue: self._enqueue,
            c.Leave: self._leave,
            c.Accept: self._accept,
            c.Reject: self._reject,
            c.Hold: self._hold,
            c.Resume: self._resume,
            c.Finish: self._finish,
            c.WrapUp: self._wrap_up,
            c.SignIn: self._sign_in,
            c.SignOut: self._sign_out,
            c.Pause: self._pause,
            c.Ready: self._ready,
            c.Seize: self._seize,
            c.Free: self._free,
        }

    def handle(self, command: c.Command, now: float) -> None:
        """Carry out a command, or raise `NotFound` or `Conflict` and change nothing."""
        self._handlers[type(command)](command, now)

    def take_events(self) -> list[e.AcdEvent]:
        """The events since the last call, in order; the list is the caller's."""
        events = self._events
        if events:
            self._events = []
        return events

    # -- views -----------------------------------------------------------------------------------

    def view(self, queue: str, now: float) -> QueueView:
        """The numbers of a queue. Raises `NotFound`."""
        lines = self._queue_lines[self._queue(queue).queue]
        waiting = sum(line.waiting for line in lines)
        heads = [head for line in lines if (head := line.head())]
        longest = now - min(head.queued_at for head in heads) if heads else 0.0
        serving = self._served_by(queue)
        return QueueView(
            waiting,
            longest,
            sum(profile.signed_in for profile in serving),
            sum(len(profile.idle) for profile in serving),
        )

    def position(self, interaction: str) -> int:
        """The place in its queue, 1 is next; 0 when it does not wait. For announcements."""
        found = self.interactions.get(interaction)
        if found is None or found.state is not InteractionState.WAITING:
            return 0
        ahead = [
            other
            for line in self._queue_lines[found.queue]
            for other in line.interactions()
            if (other.key, other.sequence) < (found.key, found.sequence)
        ]
        return len(ahead) + 1

    def waiting(self, queue: str) -> list[Interaction]:
        """All that wait in a queue, most urgent first. Raises `NotFound`."""
        lines = self._queue_lines[self._queue(queue).queue]
        found = [interaction for line in lines for interaction in line.interactions()]
        return sorted(found, key=lambda i: (i.key, i.sequence))

    def breaches(self, now: float) -> list[str]:
        """Broken invariants, in words; empty when all is well. Walks everything: for tests."""
        wrong: list[str] = []
        for line in self._lines:
            head = line.head()
            if head is not None and line.profiles & self._idle:
                wrong.append(f"{head.id} waits beside an idle agent who may take it")
            if line.waiting != len(line.interactions()):
                wrong.append(f"line {line.index} counts {line.waiting}")
            if bool(self._waiting >> line.index & 1) != (line.waiting > 0):
                wrong.append(f"line {line.index}: the mask of waiting is wrong")
        for profile in self._profiles:
            if bool(self._idle >> profile.index & 1) != bool(profile.idle):
                wrong.append(f"profile {profile.index}: the mask of idle is wrong")
            wrong += [
                f"{agent.id} is {agent.state.word} among the idle"
                for agent in profile.idle.values()
                if agent.state is not AgentState.IDLE or agent.profile != profile.index
            ]
        for agent in self.agents.values():
            profile = self._profiles[agent.profile]
            if (agent.state is AgentState.IDLE) != (agent.id in profile.idle):
                wrong.append(f"{agent.id} is idle and cannot be found")
            if (agent.state is AgentState.ALERTING) != (agent.reservation != 0):
                wrong.append(f"{agent.id}: reservation and state differ")
            if agent.timer is not None and agent.timer.active and agent.timer.due < now - 1:
                wrong.append(f"{agent.id} is past its deadline")
        for number, interaction in self.reservations.items():
            holder = self.agents.get(interaction.agent)
            if interaction.reservation != number or holder is None or holder.reservation != number:
                wrong.append(f"reservation {number} is not one agent's and one interaction's")
        return wrong

    # -- definitions -----------------------------------------------------------------------------

    def _define_queue(self, command: c.DefineQueue, now: float) -> None:
        known = self.queues.get(command.queue)
        self.queues[command.queue] = command
        if known is None:
            self._queue_lines[command.queue] = []
        if known is None or known.agents != command.agents:
            for agent in list(self.agents.values()):
                self._move_to_profile(agent, now)
        if known is not None:
            self._rejudge(command, now)

    def _rejudge(self, queue: c.DefineQueue, now: float) -> None:
        """Put what waits into the lines that the changed queue asks for, places kept."""
        moved: list[tuple[Interaction, dict[str, int]]] = []
        for line in self._queue_lines[queue.queue]:
            before, line.queue = line.queue, queue
            own = {skill: least for skill, least in line.requirement if not skill.startswith("@")}
            asked = {s: n for s, n in own.items() if n > before.skills.get(s, 0)}
            for interaction in line.drain():
                interaction.priority += queue.priority - before.priority
                moved.append((interaction, asked))
            self._mark_waiting(line)
        for interaction, asked in sorted(moved, key=lambda item: item[0].sequence):
            self._place(interaction, self._line(queue, asked), now)

    def _remove_queue(self, command: c.RemoveQueue, now: float) -> None:
        queue = self._queue(command.queue)
        for interaction in self.waiting(queue.queue):
            self._leave(c.Leave(interaction.id, "removed"), now)
        for interaction in list(self.reservations.values()):
            if interaction.queue == queue.queue:
                self._leave(c.Leave(interaction.id, "removed"), now)
        # Lines keep their numbers, and what is being handled keeps its queue's settings.
        for line in self._queue_lines.pop(queue.queue):
            del self._line_of[line.queue.queue, line.requirement]
        del self.queues[queue.queue]

    def _define_agent(self, command: c.DefineAgent, now: float) -> None:
        agent = self.agents.get(command.agent)
        if agent is None:
            agent = Agent(command.agent, command.name, dict(command.skills), now)
            self.agents[agent.id] = agent
        agent.name = command.name
        agent.skills = dict(command.skills)
        self._move_to_profile(agent, now)

    def _remove_agent(self, command: c.RemoveAgent, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.state in _AGENT_BUSY:
            raise Conflict(f'agent "{agent.id}" is handling an interaction')
        if agent.state is not AgentState.OFFLINE:
            self._sign_out(c.SignOut(agent.id), now)
        self._profiles[agent.profile].agents -= 1
        del self.agents[agent.id]

    def _move_to_profile(self, agent: Agent, now: float) -> None:
        skills = dict(agent.skills)
        for queue in self.queues.values():
            if agent.id in queue.agents:
                skills[member_skill(queue.queue)] = 1
        key = tuple(sorted(skills.items()))
        profile = self._profile_of.get(key)
        if profile is None:
            profile = Profile(len(self._profiles), skills)
            self._profiles.append(profile)
            self._profile_of[key] = profile
            for line in self._lines:
                if line.admit(profile):
                    profile.lines |= 1 << line.index
        if agent.profile == profile.index:
            return
        idle, signed_in = agent.state is AgentState.IDLE, agent.state is not AgentState.OFFLINE
        if agent.profile >= 0:
            old = self._profiles[agent.profile]
            old.agents -= 1
            old.signed_in -= signed_in
            if idle:
                self._leave_idle(agent)
        agent.profile = profile.index
        profile.agents += 1
        profile.signed_in += signed_in
        if idle:
            self._enter_idle(agent)
            self._look_for_interaction(agent, now)

    def _line(self, queue: c.DefineQueue, skills: dict[str, int]) -> Line:
        requirement = requirement_of(queue, skills)
        line = self._line_of.get((queue.queue, requirement))
        if line is None:
            line = Line(len(self._lines), queue, requirement)
            self._lines.append(line)
            self._line_of[queue.queue, requirement] = line
            self._queue_lines[queue.queue].append(line)
            for profile in self._profiles:
                if line.admit(profile):
                    profile.lines |= 1 << line.index
        line.queue = queue
        return line

    # -- interactions ----------------------------------------------------------------------------

    def _enqueue(self, command: c.Enqueue, now: float) -> None:
        queue = self._queue(command.queue)
        if command.interaction in self.interactions:
            raise Conflict(f'interaction "{command.interaction}" is in a queue already')
        line = self._line(queue, command.skills)
        reason = ""
        if queue.max_waiting:
            waiting = sum(other.waiting for other in self._queue_lines[queue.queue])
            if waiting >= queue.max_waiting and not line.profiles & self._idle:
                reason = "full"
        if not queue.join_empty and not self._staffed(line):
            reason = "empty"
        if reason:
            self._events.append(e.QueueRefused(now, command.interaction, queue.queue, reason))
            return
        self._sequence += 1
        interaction = Interaction(
            command.interaction,
            queue.queue,
            queue.priority + command.priority,
            command.queued_at or now,
            self._sequence,
        )
        self.interactions[interaction.id] = interaction
        self._events.append(
            e.InteractionQueued(now, interaction.id, queue.queue, interaction.priority)
        )
        limits = [limit for limit in (command.timeout_s, queue.max_wait_s) if limit]
        if limits:
            interaction.timer = self._wheel.at(
                now + min(limits), self._wait_is_over, interaction.id
            )
        self._place(interaction, line, now)

    def _place(self, interaction: Interaction, line: Line, now: float) -> None:
        """Find an agent for an interaction that waits, or give it its place in line."""
        interaction.key = line.queue.ageing * interaction.queued_at - interaction.priority
        agent = self._best_agent(line)
        if agent is not None:
            interaction.line = line.index
            self._reserve(interaction, agent, line, now)
            return
        interaction.line = line.index
        line.push(interaction)
        self._waiting |= 1 << line.index

    def _wait_is_over(self, now: float, interaction_id: str) -> None:
        interaction = self.interactions.get(interaction_id)
        if interaction is not None and interaction.state is InteractionState.WAITING:
            self._leave(c.Leave(interaction_id, "timeout"), now)
        elif interaction is not None and interaction.state is InteractionState.RESERVED:
            # It is ringing at an agent: let that end, and leave then if it comes to nothing.
            interaction.deadline = now

    def _leave(self, command: c.Leave, now: float) -> None:
        interaction = self._interaction(command.interaction)
        after = INTERACTION_TABLE.next(interaction.state, InteractionInput.LEAVE)
        before, interaction.state = interaction.state, after
        agent = None
        if before is InteractionState.WAITING:
            line = self._lines[interaction.line]
            line.forget()
            self._mark_waiting(line)
        else:
            agent = self._end_reservation(interaction, "rescinded", now)
        self._drop(interaction)
        wait_s = now - interaction.queued_at
        self._events.append(
            e.InteractionLeft(now, interaction.id, interaction.queue, command.outcome, wait_s)
        )
        if agent is not None:
            self._release(agent, AgentInput.RELEASE, "", now)

    def _drop(self, interaction: Interaction) -> None:
        if interaction.timer is not None:
            interaction.timer.cancel()
            interaction.timer = None
        del self.interactions[interaction.id]

    # -- matching --------------------------------------------------------------------------------

    def _best_agent(self, line: Line) -> Agent | None:
        """The idle agent that the line's policy chooses: the longest idle, among all or among
        the most skilled."""
        candidates = line.profiles & self._idle
        if not candidates:
            return None
        if line.queue.select == "most-skilled":
            for _, mask in line.tiers:
                if mask & self._idle:
                    candidates = mask & self._idle
                    break
        best: Agent | None = None
        profiles = self._profiles
        for index in bits(candidates):
            agent = next(iter(profiles[index].idle.values()))
            if best is None or agent.since < best.since:
                best = agent
        return best

    def _look_for_interaction(self, agent: Agent, now: float) -> None:
        """Give an agent who has become idle the most urgent interaction that he may take."""
        lines = self._profiles[agent.profile].lines & self._waiting
        best: tuple[float, int, Interaction, Line] | None = None
        for index in bits(lines):
            line = self._lines[index]
            head = line.head()
            if head is None:
                continue
            # Priority now, ageing included; within a line the key alone decides.
            urgency = line.queue.ageing * now - head.key
            if (
                best is None
                or urgency > best[0]
                or (urgency == best[0] and head.sequence < best[1])
            ):
                best = (urgency, head.sequence, head, line)
        if best is not None:
            _, _, interaction, line = best
            line.pop()
            self._mark_waiting(line)
            self._reserve(interaction, agent, line, now)

    def _mark_waiting(self, line: Line) -> None:
        if line.waiting:
            self._waiting |= 1 << line.index
        else:
            self._waiting &= ~(1 << line.index)

    # -- reservations ----------------------------------------------------------------------------

    def _reserve(self, interaction: Interaction, agent: Agent, line: Line, now: float) -> None:
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RESERVE)
        self._reservation += 1
        number = self._reservation
        interaction.reservation, interaction.agent = number, agent.id
        self.reservations[number] = interaction
        agent.reservation = number
        agent.queue = interaction.queue
        self._change(agent, AgentInput.RESERVE, now, interaction=interaction.id)
        deadline = now + line.queue.ring_s
        agent.timer = self._wheel.at(deadline, self._not_answered, number)
        self._events.append(
            e.Reserved(now, number, interaction.id, interaction.queue, agent.id, deadline)
        )

    def _end_reservation(self, interaction: Interaction, outcome: str, now: float) -> Agent:
        number = interaction.reservation
        agent = self.agents[interaction.agent]
        del self.reservations[number]
        interaction.reservation, interaction.agent = 0, ""
        agent.reservation = 0
        self._cancel_timer(agent)
        self._events.append(
            e.ReservationEnded(now, number, interaction.id, interaction.queue, agent.id, outcome)
        )
        return agent

    def _not_answered(self, now: float, number: int) -> None:
        if number in self.reservations:
            self._fail(number, "timed-out", now)

    def _reject(self, command: c.Reject, now: float) -> None:
        self._fail(self._reserved(command.reservation).reservation, command.cause, now)

    def _fail(self, number: int, outcome: str, now: float) -> None:
        """The offer came to nothing: the agent stops responding, the caller keeps the place."""
        interaction = self.reservations[number]
        queue = self._lines[interaction.line].queue
        agent = self._end_reservation(interaction, outcome, now)
        self._release(agent, AgentInput.FAIL, outcome, now)
        if outcome != "timed-out" and queue.reject_pause_s and agent.then is None:
            agent.timer = self._wheel.at(now + queue.reject_pause_s, self._recovered, agent.id)
        self._return(interaction, now)

    def _return(self, interaction: Interaction, now: float) -> None:
        """Back into line, at the same place."""
        line = self._lines[interaction.line]
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RETURN)
        self._place(interaction, line, now)
        if interaction.state is not InteractionState.WAITING:
            return
        if interaction.deadline:
            self._leave(c.Leave(interaction.id, "timeout"), now)
        elif line.queue.leave_empty and not self._staffed(line):
            self._leave(c.Leave(interaction.id, "empty"), now)

    def _recovered(self, now: float, agent_id: str) -> None:
        agent = self.agents.get(agent_id)
        if agent is not None and agent.state is AgentState.NOT_RESPONDING:
            self._ready(c.Ready(agent_id), now)

    def _accept(self, command: c.Accept, now: float) -> None:
        interaction = self._reserved(command.reservation)
        agent = self._end_reservation(interaction, "accepted", now)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.ACCEPT)
        interaction.agent = agent.id
        interaction.connected_at = now
        if interaction.timer is not None:
            interaction.timer.cancel()
            interaction.timer = None
        self._change(agent, AgentInput.ACCEPT, now, interaction=interaction.id)
        wait_s = now - interaction.queued_at
        self._events.append(
            e.InteractionConnected(now, interaction.id, interaction.queue, agent.id, wait_s)
        )

    def _hold(self, command: c.Hold, now: float) -> None:
        interaction = self._interaction(command.interaction)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.HOLD)
        interaction.held_at = now
        agent = self.agents[interaction.agent]
        self._change(agent, AgentInput.HOLD, now, interaction=interaction.id)

    def _resume(self, command: c.Resume, now: float) -> None:
        interaction = self._interaction(command.interaction)
        interaction.state = INTERACTION_TABLE.next(interaction.state, InteractionInput.RESUME)
        interaction.hold_s += now - interaction.held_at
        agent = self.agents[interaction.agent]
        self._change(agent, AgentInput.RESUME, now, interaction=interaction.id)

    def _finish(self, command: c.Finish, now: float) -> None:
        interaction = self._interaction(command.interaction)
        after = INTERACTION_TABLE.next(interaction.state, InteractionInput.FINISH)
        if interaction.state is InteractionState.HELD:
            interaction.hold_s += now - interaction.held_at
        interaction.state = after
        agent = self.agents[interaction.agent]
        queue = self._lines[interaction.line].queue
        self._drop(interaction)
        talk_s = now - interaction.connected_at - interaction.hold_s
        self._events.append(
            e.InteractionHandled(
                now, interaction.id, interaction.queue, agent.id, talk_s, interaction.hold_s
            )
        )
        self._change(agent, AgentInput.FINISH, now, interaction=interaction.id)
        if queue.wrap_up_s > 0:
            agent.timer = self._wheel.at(now + queue.wrap_up_s, self._wrap_up_is_over, agent.id)
        else:
            self._end_wrap_up(agent, now)

    # -- agents ----------------------------------------------------------------------------------

    def _wrap_up_is_over(self, now: float, agent_id: str) -> None:
        agent = self.agents.get(agent_id)
        if agent is not None and agent.state is AgentState.WRAP_UP:
            self._end_wrap_up(agent, now)

    def _end_wrap_up(self, agent: Agent, now: float) -> None:
        then = agent.then or AgentInput.WRAPPED
        code = agent.then_code
        agent.then, agent.then_code = None, ""
        self._cancel_timer(agent)
        self._go(agent, then, code, now)

    def _wrap_up(self, command: c.WrapUp, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.state not in _AGENT_AT_WORK:
            raise Conflict(f'agent "{agent.id}" has nothing to wrap up')
        agent.code = command.code
        if agent.state is AgentState.WRAP_UP and command.done:
            self._end_wrap_up(agent, now)

    def _sign_in(self, command: c.SignIn, now: float) -> None:
        agent = self._agent(command.agent)
        AGENT_TABLE.next(agent.state, AgentInput.SIGN_IN)
        self._profiles[agent.profile].signed_in += 1
        self._go(agent, AgentInput.SIGN_IN, "", now)

    def _sign_out(self, command: c.SignOut, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.state in _AGENT_BUSY:
            agent.then, agent.then_code = AgentInput.SIGN_OUT, ""
            return
        self._withdraw(agent, AgentInput.SIGN_OUT, "", now)

    def _pause(self, command: c.Pause, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.state in _AGENT_BUSY:
            agent.then, agent.then_code = AgentInput.PAUSE, command.code
            return
        self._withdraw(agent, AgentInput.PAUSE, command.code, now)

    def _withdraw(self, agent: Agent, how: AgentInput, code: str, now: float) -> None:
        """Pause or sign out now; an offer that is ringing is cancelled and goes back in line."""
        AGENT_TABLE.next(agent.state, how)
        interaction = self.reservations.get(agent.reservation)
        if interaction is not None:
            self._end_reservation(interaction, "cancelled", now)
        self._cancel_timer(agent)
        agent.then = None
        self._go(agent, how, code, now)
        if interaction is not None:
            self._return(interaction, now)

    def _ready(self, command: c.Ready, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.state in _AGENT_BUSY:
            agent.then = None  # takes back a pause or sign-out that was to come
            return
        AGENT_TABLE.next(agent.state, AgentInput.READY)
        if agent.state is AgentState.IDLE:
            return
        self._cancel_timer(agent)
        agent.then = None
        self._go(agent, AgentInput.READY, "", now)

    def _seize(self, command: c.Seize, now: float) -> None:
        agent = self._agent(command.agent)
        before, code = agent.state, agent.code
        AGENT_TABLE.next(before, AgentInput.SEIZE)
        self._cancel_timer(agent)
        self._change(agent, AgentInput.SEIZE, now)
        if before is not AgentState.IDLE:  # what it goes back to afterwards
            agent.then, agent.then_code = AgentInput.PAUSE, code

    def _free(self, command: c.Free, now: float) -> None:
        agent = self._agent(command.agent)
        AGENT_TABLE.next(agent.state, AgentInput.FREE)
        then, code = agent.then or AgentInput.FREE, agent.then_code
        agent.then, agent.then_code = None, ""
        self._go(agent, then, code, now)

    def _release(self, agent: Agent, how: AgentInput, code: str, now: float) -> None:
        """An offer is over without an answer."""
        self._go(agent, how, code, now)

    def _go(self, agent: Agent, how: AgentInput, code: str, now: float) -> None:
        """To a state in which the agent handles nothing; who becomes idle looks for work."""
        self._change(agent, how, now, code=code)
        if agent.state is AgentState.IDLE:
            self._look_for_interaction(agent, now)
        elif agent.state is AgentState.OFFLINE:
            profile = self._profiles[agent.profile]
            profile.signed_in -= 1
            if not profile.signed_in:
                self._leave_if_empty(profile, now)

    def _leave_if_empty(self, profile: Profile, now: float) -> None:
        for index in bits(profile.lines & self._waiting):
            line = self._lines[index]
            if line.queue.leave_empty and not self._staffed(line):
                for interaction in line.interactions():
                    self._leave(c.Leave(interaction.id, "empty"), now)

    def _change(
        self, agent: Agent, how: AgentInput, now: float, *, code: str = "", interaction: str = ""
    ) -> None:
        """Put an agent into the table's next state and book the seconds of the old one."""
        previous, state = agent.state, AGENT_TABLE.next(agent.state, how)
        spent_s, queue = now - agent.since, agent.queue
        if previous is AgentState.IDLE:
            self._leave_idle(agent)
        elif previous is AgentState.WRAP_UP:
            self._events.append(
                e.WrapUpEnded(now, agent.interaction, queue, agent.id, spent_s, agent.code)
            )
        agent.state, agent.since = state, now
        if previous not in _AGENT_BUSY or state not in _AGENT_AT_WORK:
            agent.code = code
        agent.interaction = interaction
        if not interaction:
            agent.queue = ""
        if state is AgentState.IDLE:
            self._enter_idle(agent)
        self._events.append(
            e.AgentChanged(
                now,
                agent.id,
                state.word,
                previous.word,
                spent_s,
                agent.code,
                interaction,
                agent.queue,
            )
        )

    def _enter_idle(self, agent: Agent) -> None:
        profile = self._profiles[agent.profile]
        profile.idle[agent.id] = agent
        self._idle |= 1 << profile.index

    def _leave_idle(self, agent: Agent) -> None:
        profile = self._profiles[agent.profile]
        del profile.idle[agent.id]
        if not profile.idle:
            self._idle &= ~(1 << profile.index)

    def _cancel_timer(self, agent: Agent) -> None:
        if agent.timer is not None:
            agent.timer.cancel()
            agent.timer = None

    # -- look-ups --------------------------------------------------------------------------------

    def _staffed(self, line: Line) -> bool:
        return any(self._profiles[index].signed_in for index in bits(line.profiles))

    def _served_by(self, queue: str) -> list[Profile]:
        """The profiles that can serve a queue's own requirement."""
        line = self._line(self.queues[queue], {})
        return [self._profiles[index] for index in bits(line.profiles)]

    def _agent(self, name: str) -> Agent:
        try:
            return self.agents[name]
        except KeyError:
            raise NotFound(f'there is no agent "{name}"') from None

    def _queue(self, name: str) -> c.DefineQueue:
        try:
            return self.queues[name]
        except KeyError:
            raise NotFound(f'there is no queue "{name}"') from None

    def _interaction(self, name: str) -> Interaction:
        try:
            return self.interactions[name]
        except KeyError:
            raise NotFound(f'there is no interaction "{name}" in the ACD') from None

    def _reserved(self, number: int) -> Interaction:
        try:
            return self.reservations[number]
        except KeyError:
            raise Conflict(f"reservation {number} is over") from None

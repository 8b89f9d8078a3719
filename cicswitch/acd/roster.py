"""The agents' half of the engine: who works, what they have in hand, how their time is booked.

Every change of an agent ends in `_settle`: his state is derived anew and booked, he takes his
places on the floor, and if he is free he is given work.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.absence import Absence
from cicswitch.acd.agent import LIVE_MEDIA, Agent, AgentState, Capacity, Presence
from cicswitch.acd.floor import Floor
from cicswitch.acd.interaction import (
    ASSIGNMENT_TABLE,
    Assignment,
    AssignmentInput,
    AssignmentState,
    Interaction,
)
from cicswitch.acd.queue import Queue
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.core.timers import TimerWheel

__all__ = ["Roster"]

_LEAST_REST_S = 1.0
"""An agent who failed an offer and stays ready is not offered the same one again at once."""
_JUDGE_S: Final = 5.0
"""Rings that wait for the estimated wait are looked at so long after it may have grown."""
_AT_WORK = (
    AgentState.ALERTING,
    AgentState.TALKING,
    AgentState.HOLDING,
    AgentState.HANDLING,
    AgentState.WRAP_UP,
)


class Roster:
    """Agents. `Engine` adds what waits for them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.wheel = TimerWheel()
        self.floor = Floor()
        self.agents: dict[str, Agent] = {}
        self.queues: dict[str, Queue] = {}
        self.interactions: dict[str, Interaction] = {}
        self.reservations: dict[int, Assignment] = {}
        """The offers that are pending, by number."""
        self.events: list[e.AcdEvent] = []
        self._sequence = 0
        self._reservation = 0
        self._defined = 0
        self.ringing_short: dict[str, Interaction] = {}
        """Those that ring at fewer agents than their queue wants."""
        self._judging: list[Queue] = []
        """Queues with rings that wait for the estimated wait."""
        self.absence = Absence(self.floor)

    # -- what the other half does ----------------------------------------------------------------

    def _work(self, agent: Agent, now: float) -> None:
        """Give a free agent what waits."""
        raise NotImplementedError

    def _return(self, interaction: Interaction, now: float) -> None:
        """An offer is over without an answer."""
        raise NotImplementedError

    def _end_offer(self, offer: Assignment, outcome: str, now: float) -> None:
        """End an offer."""
        raise NotImplementedError

    def _leave_if_empty(self, now: float) -> None:
        """Somebody signed out."""
        raise NotImplementedError

    def _judge(self, now: float, queue: str) -> None:
        """Look at the rings of a queue that wait for the estimated wait."""
        raise NotImplementedError

    def _judge_soon(self, now: float) -> None:
        """The estimated wait of some queue may be longer than it was."""
        for queue in self._judging:
            if queue.judged is None and queue.waiting:
                queue.judged = self.wheel.at(now + _JUDGE_S, self._judge, queue.name)

    # -- definitions -----------------------------------------------------------------------------

    def _agent(self, name: str) -> Agent:
        try:
            return self.agents[name]
        except KeyError:
            raise NotFound(f'there is no agent "{name}"') from None

    def _define_agent(self, command: c.DefineAgent, now: float) -> None:
        interrupted_by = {medium: frozenset(by) for medium, by in command.interrupted_by.items()}
        capacity = Capacity(command.capacity, interrupted_by)
        agent = self.agents.get(command.agent)
        if agent is None:
            self._defined += 1
            # Unique, and in an order that the seed decides.
            drawn = blake2b(f"{self.seed}:{command.agent}".encode(), digest_size=4).digest()
            tie = int.from_bytes(drawn) << 32 | self._defined
            agent = self.agents[command.agent] = Agent(command.agent, now, capacity, tie)
        agent.name = command.name
        agent.capacity = capacity
        agent.skills = dict(command.skills)
        agent.desire = dict(command.desire)
        agent.cost = command.cost
        agent.attributes = dict(command.attributes)
        self.floor.join(agent)
        self.absence.note_all()
        self._judge_soon(now)
        self._settle(agent, now)

    def _remove_agent(self, command: c.RemoveAgent, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.busy:
            raise Conflict(f'agent "{agent.id}" is handling an interaction')
        if agent.presence is not Presence.OFFLINE:
            self._withdraw(agent, Presence.OFFLINE, "", now)
        self.floor.leave(agent)
        self.absence.note_all()
        self._judge_soon(now)
        del self.agents[agent.id]

    # -- what is in hand -------------------------------------------------------------------------

    def _take_in_hand(self, agent: Agent, assignment: Assignment, now: float) -> None:
        agent.work[assignment.number] = assignment
        agent.load[assignment.medium] = agent.load.get(assignment.medium, 0) + 1
        self._restate(agent, now)
        self.floor.refresh(agent)

    def _put_down(self, assignment: Assignment, now: float) -> None:
        """Out of hand; `_settle` has to follow."""
        agent = assignment.agent
        del agent.work[assignment.number]
        if not assignment.silent:
            self._lighten(agent, assignment.medium)
        if assignment.state is not AssignmentState.ALERTING:
            agent.free_since = now

    def _lighten(self, agent: Agent, medium: str) -> None:
        left = agent.load[medium] - 1
        if left:
            agent.load[medium] = left
        else:
            del agent.load[medium]

    def _step(self, assignment: Assignment, how: AssignmentInput, now: float) -> None:
        assignment.state = ASSIGNMENT_TABLE.next(assignment.state, how)
        assignment.since = now
        self._restate(assignment.agent, now)

    def _set_silent(self, assignment: Assignment, silent: bool, now: float) -> None:
        if assignment.medium in LIVE_MEDIA:
            raise Conflict(f"{assignment.medium} is never silent")
        if assignment.silent == silent:
            return
        agent = assignment.agent
        assignment.silent = silent
        if silent:
            self._lighten(agent, assignment.medium)
        else:
            # It takes its load back even where another has come in for it.
            agent.load[assignment.medium] = agent.load.get(assignment.medium, 0) + 1
        self._settle(agent, now)

    def _begin_wrap_up(self, assignment: Assignment, now: float, *, wraps: bool = True) -> None:
        seconds = assignment.queue.wrap_up_for(assignment.medium) if wraps else 0
        assignment.state = ASSIGNMENT_TABLE.next(assignment.state, AssignmentInput.FINISH)
        assignment.queue.handled(now - assignment.interaction.connected_at)
        if assignment.queue.ewt_least:
            self._judge_soon(now)
        assignment.since = now
        if seconds <= 0:
            self._end_wrap_up(assignment, now)
            return
        if assignment.silent:
            assignment.silent = False
            agent = assignment.agent
            agent.load[assignment.medium] = agent.load.get(assignment.medium, 0) + 1
        assignment.timer = self.wheel.at(now + seconds, self._wrap_up_is_over, assignment)
        self._restate(assignment.agent, now)

    def _wrap_up_is_over(self, now: float, assignment: Assignment) -> None:
        if assignment.number in assignment.agent.work:
            self._end_wrap_up(assignment, now)

    def _end_wrap_up(self, assignment: Assignment, now: float) -> None:
        self._wrapped(assignment, now)
        self._settle(assignment.agent, now)

    def _wrapped(self, assignment: Assignment, now: float) -> None:
        if assignment.timer is not None:
            assignment.timer.cancel()
            assignment.timer = None
        agent = assignment.agent
        self._put_down(assignment, now)
        self.events.append(
            e.WrapUpEnded(
                now,
                assignment.interaction.id,
                assignment.queue.name,
                agent.id,
                now - assignment.since,
                assignment.code,
            )
        )

    def _wrap_up(self, command: c.WrapUp, now: float) -> None:
        agent = self._agent(command.agent)
        found: Assignment | None = None
        for assignment in agent.work.values():
            if command.interaction and assignment.interaction.id != command.interaction:
                continue
            if assignment.state is AssignmentState.WRAP_UP:
                found = assignment
                break
            if assignment.state is not AssignmentState.ALERTING:
                found = assignment
        if found is None:
            raise Conflict(f'agent "{agent.id}" has nothing to wrap up')
        found.code = command.code
        if found.state is AssignmentState.WRAP_UP and command.done:
            self._end_wrap_up(found, now)
        else:
            self._restate(agent, now)

    # -- presence --------------------------------------------------------------------------------

    def _sign_in(self, command: c.SignIn, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.leaving:
            agent.leaving = False
        elif agent.presence is not Presence.OFFLINE:
            raise Conflict(f'agent "{agent.id}" is signed in')
        else:
            agent.signed_in_at = now
            agent.busy_s = 0.0
            agent.answered = 0
        agent.presence, agent.away_code = Presence.READY, ""
        agent.free_since = now
        self.floor.sign(agent)
        self._settle(agent, now)

    def _sign_out(self, command: c.SignOut, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.presence is Presence.OFFLINE:
            raise Conflict(f'agent "{agent.id}" is not signed in')
        if agent.busy:
            agent.leaving = True
            self._cancel_offers(agent, now)
            self._settle(agent, now)
            return
        self._withdraw(agent, Presence.OFFLINE, "", now)

    def _pause(self, command: c.Pause, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.presence is Presence.OFFLINE:
            raise Conflict(f'agent "{agent.id}" is not signed in')
        agent.leaving = False
        self._withdraw(agent, Presence.PAUSED, command.code, now)

    def _withdraw(self, agent: Agent, presence: Presence, code: str, now: float) -> None:
        """Take nothing from now: what rings goes back in line, what is being wrapped up is ended,
        unless the agent goes on with another interaction."""
        self._cancel_timer(agent)
        if not agent.busy:
            for assignment in list(agent.work.values()):
                if assignment.state is AssignmentState.WRAP_UP:
                    self._wrapped(assignment, now)
        agent.presence, agent.away_code = presence, code
        if presence is Presence.OFFLINE:
            agent.leaving = agent.seized = False
            self.floor.sign(agent)
        returned = self._cancel_offers(agent, now)
        self._settle(agent, now)
        for interaction in returned:
            self._return(interaction, now)
        if presence is Presence.OFFLINE:
            self._leave_if_empty(now)

    def _cancel_offers(self, agent: Agent, now: float) -> list[Interaction]:
        offers = [
            assignment
            for assignment in agent.work.values()
            if assignment.state is AssignmentState.ALERTING
        ]
        for offer in offers:
            self._end_offer(offer, "cancelled", now)
        return [offer.interaction for offer in offers]

    def _ready(self, command: c.Ready, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.presence is Presence.OFFLINE:
            raise Conflict(f'agent "{agent.id}" is not signed in')
        self._cancel_timer(agent)
        agent.leaving = False
        if not agent.busy:
            for assignment in list(agent.work.values()):
                if assignment.state is AssignmentState.WRAP_UP:
                    self._wrapped(assignment, now)
        if agent.presence is not Presence.READY:
            agent.presence, agent.away_code = Presence.READY, ""
            agent.free_since = now
        self._settle(agent, now)

    def _seize(self, command: c.Seize, now: float) -> None:
        agent = self._agent(command.agent)
        if agent.presence is Presence.OFFLINE or agent.seized:
            raise Conflict(f'agent "{agent.id}" is {agent.state.word}')
        for assignment in agent.work.values():
            alerting = assignment.state is AssignmentState.ALERTING
            if alerting or assignment.medium in LIVE_MEDIA:
                raise Conflict(f'agent "{agent.id}" is {agent.state.word}')
        agent.seized = True
        self._settle(agent, now)

    def _free(self, command: c.Free, now: float) -> None:
        agent = self._agent(command.agent)
        if not agent.seized:
            raise Conflict(f'agent "{agent.id}" is {agent.state.word}')
        agent.seized = False
        agent.free_since = now
        self._settle(agent, now)

    def _apply_rule(self, agent: Agent, rule: c.FailRule, outcome: str, now: float) -> None:
        """What an offer that failed does to the agent."""
        if agent.presence is not Presence.READY or agent.leaving:
            return
        self._cancel_timer(agent)
        agent.free_since = now
        seconds = rule.seconds
        if rule.then == "rest":
            agent.resting = True
            seconds = max(seconds, _LEAST_REST_S)
        elif rule.then == "pause":
            agent.presence, agent.away_code = Presence.PAUSED, rule.code
        else:
            agent.presence, agent.away_code = Presence.NOT_RESPONDING, outcome
        if seconds:
            agent.timer = self.wheel.at(now + seconds, self._recovered, agent.id)

    def _recovered(self, now: float, agent_id: str) -> None:
        agent = self.agents.get(agent_id)
        if agent is None or agent.presence is Presence.OFFLINE:
            return
        agent.timer = None
        agent.resting = False
        if agent.presence is not Presence.READY:
            agent.presence, agent.away_code = Presence.READY, ""
            agent.free_since = now
        self._settle(agent, now)

    def _cancel_timer(self, agent: Agent) -> None:
        agent.resting = False
        if agent.timer is not None:
            agent.timer.cancel()
            agent.timer = None

    # -- the books -------------------------------------------------------------------------------

    def _settle(self, agent: Agent, now: float) -> None:
        """After any change: book it, take the places on the floor, look for work."""
        if agent.leaving and not agent.work:
            agent.leaving = agent.seized = False
            agent.presence, agent.away_code = Presence.OFFLINE, ""
            self.floor.sign(agent)
            self._restate(agent, now)
            self.floor.refresh(agent)
            self._leave_if_empty(now)
            return
        self._restate(agent, now)
        if agent.open:
            self._work(agent, now)  # before he takes his places: where much waits, he needs none
        self.floor.refresh(agent)

    def _restate(self, agent: Agent, now: float) -> None:
        """Derive the state, and book the seconds of the old one if it is another."""
        state, decides = agent.derive()
        interaction = queue = ""
        if decides is not None:
            interaction, queue = decides.interaction.id, decides.queue.name
            code = decides.code if state is AgentState.WRAP_UP else ""
        else:
            code = agent.away_code
        previous = agent.state
        if (
            state is previous
            and interaction == agent.interaction
            and queue == agent.queue
            and code == agent.code
        ):
            return
        if state is previous and state is AgentState.WRAP_UP and interaction == agent.interaction:
            agent.code = code  # the code alone makes no new segment
            return
        spent_s = now - agent.since
        agent.booked_s += spent_s
        if previous in _AT_WORK:
            agent.busy_s += spent_s
        agent.state, agent.since, agent.code = state, now, code
        agent.interaction, agent.queue = interaction, queue
        if self.absence.states >> state & 1:
            self.absence.note(agent)
        if self._judging and state is AgentState.OFFLINE:
            self._judge_soon(now)
        self.events.append(
            e.AgentChanged(
                now, agent.id, state.word, previous.word, spent_s, code, interaction, queue
            )
        )

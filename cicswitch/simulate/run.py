"""The loop of a simulation.

Two things may be next: what the customers and agents do, in a heap, and the engine's own
deadlines. The earlier one happens; what the engine then says is looked at until it says nothing
more. The engine is told the time of what happens, so that virtual hours take milliseconds.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import Any

import numpy as np

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import Presence
from cicswitch.acd.engine import Engine
from cicswitch.simulate.model import Model
from cicswitch.simulate.sources import BLOCK, Source
from cicswitch.simulate.tally import AgentTally, QueueTally

__all__ = ["Simulation"]

ARRIVE, ABANDON, FINISH, ACCEPT, WRAP_UP, READY, SIGN_OUT, SIGN_IN, OPEN, CLOSE = range(10)
_ANSWERS = 1_000_000
"""The generator of answers is none of a stream's."""


class Call:
    """An interaction that is under way."""

    __slots__ = ("agent", "answered", "counted", "handle_s", "handled_s", "wrap_up_s")

    def __init__(self, handle_s: float, wrap_up_s: float, counted: bool) -> None:
        self.handle_s = handle_s
        self.wrap_up_s = wrap_up_s
        self.counted = counted
        self.agent = ""
        self.answered = False
        self.handled_s = 0.0


class Simulation:
    """One run of a model under one seed.

        simulation = Simulation(model, seed)
        simulation.run()            to the end, or `run(until)` in pieces
        simulation.queues, .agents  what was counted

    `take_queues` gives the counts so far and begins anew, for batch means.
    """

    def __init__(self, model: Model, seed: int) -> None:
        self.model = model
        self.engine = Engine(seed)
        self.engine.choosers.update(model.choosers)
        self.now = model.start
        self.count = 0
        self.count_from = model.start + model.warm_up_s
        self.end = model.end
        self.calls: dict[str, Call] = {}
        self.sources = [Source(stream, seed, number) for number, stream in enumerate(model.streams)]
        self.agents: dict[str, AgentTally] = {}
        self.queues: dict[str, QueueTally] = {}
        self._random = np.random.default_rng([seed, _ANSWERS])
        self._instant = model.answer.kind == "constant" and not model.answer.mean_s
        self._answers: list[float] = []
        self._heap: list[tuple[float, int, int, str, int]] = []
        self._sequence = 0
        self._return_s = model.return_s
        for queue in model.queues:
            self.engine.handle(queue, self.now)
        for agent in model.agents:
            self.engine.handle(agent, self.now)
            self.agents[agent.agent] = AgentTally()
            shifts = model.shifts.get(agent.agent)
            if shifts is None:
                self.engine.handle(c.SignIn(agent.agent), self.now)
                continue
            for shift in shifts:
                if shift.end <= self.now:
                    continue
                self._push(max(shift.begin, self.now), SIGN_IN, agent.agent, 0)
                if shift.end < inf:
                    self._push(shift.end, SIGN_OUT, agent.agent, 0)
        for name, changes in model.openings.items():
            for at, opens in changes:
                self._push(max(at, self.now), OPEN if opens else CLOSE, name, 0)
        self.take_queues()
        self.engine.take_events()
        for number, source in enumerate(self.sources):
            if source.take():
                self._push(source.time, ARRIVE, "", number)

    def take_queues(self) -> dict[str, QueueTally]:
        """What was counted since the last time, by queue."""
        taken = self.queues
        limits = self.model.limits
        self.queues = {}
        for queue in self.model.queues:
            threshold_s, short_s = limits.get(queue.queue, (20.0, 5.0))
            self.queues[queue.queue] = QueueTally(threshold_s, short_s)
        return taken

    def run(self, until: float = inf) -> None:
        """Go on to a time; without one until nothing is to come."""
        engine, heap = self.engine, self._heap
        while True:
            at = heap[0][0] if heap else inf
            due = engine.next_due
            if due is not None and due <= at:
                if due > until:
                    return
                engine.advance(due)
                self._react(due)
                continue
            if at > until or at == inf:
                return
            at, _, kind, who, number = heappop(heap)
            self.now = at
            if kind == ARRIVE:
                self._arrive(number, at)
            elif kind == FINISH:
                engine.handle(c.Finish(who), at)
                self._react(at)
            elif kind == ABANDON:
                call = self.calls.get(who)
                if call is not None and not call.answered:
                    engine.handle(c.Leave(who), at)
                    self._react(at)
            elif kind == ACCEPT:
                # The customer may have hung up meanwhile, or the agent signed out.
                if number in engine.reservations:
                    engine.handle(c.Accept(number), at)
                    self._react(at)
            elif kind == WRAP_UP:
                call = self.calls.get(who)
                if call is not None:  # the queue's time for it is not over
                    engine.handle(c.WrapUp(call.agent, "", interaction=who), at)
                    self._react(at)
            elif kind in (OPEN, CLOSE):
                if engine.queues[who].closed is (kind == OPEN):
                    engine.handle(c.Open(who) if kind == OPEN else c.Close(who), at)
                    self._react(at)
            else:
                self._turn(kind, who, at)
                self._react(at)

    def close(self) -> None:
        """Book the last state of each agent, up to the end of the span."""
        for name, agent in self.engine.agents.items():
            self._spend(name, agent.state.word, agent.since, self.end)

    @property
    def unfinished(self) -> int:
        """Interactions that wait for nobody who will ever come."""
        return sum([call.counted and not call.answered for call in self.calls.values()])

    def _push(self, at: float, kind: int, who: str, number: int) -> None:
        self._sequence += 1
        heappush(self._heap, (at, self._sequence, kind, who, number))

    def _arrive(self, number: int, now: float) -> None:
        source = self.sources[number]
        stream = source.stream
        self.count += 1
        name = str(self.count)
        call = Call(source.handle_s, source.wrap_up_s, now >= self.count_from)
        self.calls[name] = call
        patience_s = source.patience_s
        if source.take():
            self._push(source.time, ARRIVE, "", number)
        self.engine.handle(
            c.Enqueue(
                interaction=name,
                queue=stream.queue,
                medium=stream.medium,
                skills=stream.skills,
                require=stream.require,
                priority=stream.priority,
            ),
            now,
        )
        self._react(now)
        if patience_s < inf and not call.answered and name in self.calls:
            self._push(now + patience_s, ABANDON, name, 0)

    def _turn(self, kind: int, who: str, now: float) -> None:
        """An agent does something by himself."""
        engine = self.engine
        agent = engine.agents[who]
        presence = agent.presence
        if kind == SIGN_IN:
            if presence is Presence.OFFLINE or agent.leaving:
                engine.handle(c.SignIn(who), now)
        elif kind == SIGN_OUT:
            if presence is not Presence.OFFLINE:
                engine.handle(c.SignOut(who), now)
        elif presence in (Presence.PAUSED, Presence.NOT_RESPONDING) and not agent.leaving:
            engine.handle(c.Ready(who), now)

    def _answer_s(self) -> float:
        if not self._answers:
            self._answers = self.model.answer.draw(self._random, BLOCK).tolist()
        return self._answers.pop()

    def _spend(self, agent: str, state: str, began: float, ended: float) -> None:
        began, ended = max(began, self.count_from), min(ended, self.end)
        if ended > began:
            self.agents[agent].spend(state, ended - began)

    def _react(self, now: float) -> None:
        """Do what follows from the engine's events, and count."""
        engine, calls, queues = self.engine, self.calls, self.queues
        while True:
            events: list[Any] = list(engine.take_events())
            if not events:
                return
            for event in events:
                kind = type(event)
                if kind is e.AgentChanged:
                    at: float = event.at
                    self._spend(event.agent, event.previous, at - event.spent_s, at)
                    if (
                        event.state == "not-responding" or event.state == "paused"
                    ) and engine.agents[event.agent].timer is None:
                        self._push(at + self._return_s, READY, event.agent, 0)
                elif kind is e.Reserved:
                    if self._instant:
                        if event.reservation in engine.reservations:
                            engine.handle(c.Accept(event.reservation), now)
                    else:
                        due = event.at + self._answer_s()
                        if due < event.deadline:
                            self._push(due, ACCEPT, "", event.reservation)
                elif kind is e.InteractionConnected:
                    call = calls[event.interaction]
                    call.answered = True
                    call.agent = event.agent
                    self._push(event.at + call.handle_s, FINISH, event.interaction, 0)
                    if call.counted:
                        queues[event.queue].answer(event.wait_s)
                        self.agents[event.agent].answered += 1
                elif kind is e.InteractionQueued:
                    if calls[event.interaction].counted:
                        queues[event.queue].offered += 1
                elif kind is e.InteractionHandled:
                    call = calls[event.interaction]
                    call.handled_s = event.talk_s + event.hold_s
                    if call.wrap_up_s >= 0.0:
                        self._push(event.at + call.wrap_up_s, WRAP_UP, event.interaction, 0)
                elif kind is e.WrapUpEnded:
                    call = calls.pop(event.interaction)
                    if call.counted:
                        spent_s = call.handled_s + event.acw_s
                        queues[event.queue].handled += 1
                        queues[event.queue].handle_s += spent_s
                        self.agents[event.agent].handled += 1
                        self.agents[event.agent].handle_s += spent_s
                elif kind is e.InteractionLeft:
                    call = calls.pop(event.interaction)
                    if call.counted:
                        if event.outcome == "abandoned":
                            queues[event.queue].abandon(event.wait_s)
                        else:
                            queues[event.queue].left += 1
                elif kind is e.InteractionMoved:
                    if calls[event.interaction].counted:
                        queues[event.queue].moved += 1
                elif kind is e.QueueRefused:
                    call = calls.pop(event.interaction)
                    if call.counted:
                        queues[event.queue].offered += 1
                        queues[event.queue].blocked += 1

"""The fast engine decides as the naive one does, in every policy."""

from __future__ import annotations

import random
from zlib import crc32

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import Agent
from cicswitch.acd.engine import Engine
from cicswitch.acd.interaction import Interaction
from cicswitch.acd.queue import SELECTIONS
from tests.acd.naive import Naive, Person

SKILLS = ("en", "ko", "ja", "sales", "tech")
EVENTS = 100_000 // len(SELECTIONS)


def policy(contact: str, agents: list[str]) -> str | None:
    """One that has reasons of its own, and would rather wait a third of the times."""
    reason = crc32(f"{contact} {agents[0]}".encode())
    return agents[reason % len(agents)] if reason % 3 else None


def choose(interaction: Interaction, agents: list[Agent], now: float) -> Agent | None:
    named = policy(interaction.id, [agent.id for agent in agents])
    return next((agent for agent in agents if agent.id == named), None)


class Both:
    """The same random events for both."""

    def __init__(self, select: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = Engine(seed=seed, check=True)
        self.naive = Naive()
        self.now = 1000.0
        self.count = 0
        self.decisions: list[tuple[str, str]] = []
        self.closed = self.empty = self.steps = 0
        for number in range(6):
            self.define(
                c.DefineQueue(
                    queue=f"q{number}",
                    skills={} if number == 0 else self.levels(2),
                    require=("", "en or ko >= 40", "not tech")[number % 3],
                    agents=tuple(f"a{n}" for n in range(0, 30, 2)) if number == 4 else (),
                    select=select if number < 5 else "longest-idle",
                    weights=c.Weights(desire=0.5, cost=2.0, idle=0.0 if number % 2 else 0.25),
                    priority=number,
                    ageing=(1.0, 0.5, 0.0)[number % 3],
                    weight=(1.0, 1.0, 2.5)[number % 3],
                    bound_s=45.0 if number == 3 else 0.0,
                    ring_s=1e9,
                    on_fail={"rejected": c.FailRule()},
                    offer_to=(4, 1, 3, 1, 2, 1)[number],
                    at_close=("stay", "leave")[number % 2],
                    join_empty=("paused", "not-responding") if number == 1 else True,
                    leave_empty=("paused", "interacting") if number == 2 else False,
                )
            )
        for number in range(30):
            command = c.DefineAgent(
                agent=f"a{number}",
                skills=self.levels(3),
                desire=self.levels(2),
                cost=float(self.random.randrange(4)),
            )
            self.engine.handle(command, self.now)
            agent = self.engine.agents[command.agent]
            self.naive.people[command.agent] = Person(
                command.agent, command.skills, command.desire, command.cost, agent.tie
            )
        self.naive.policy = policy
        self.naive.governed = ("q1", "q5")
        for name in self.naive.governed:
            self.engine.choosers[name] = choose
        for number in range(20):
            self.sign_in(f"a{number}")

    def levels(self, most: int) -> dict[str, int]:
        names = self.random.sample(SKILLS, self.random.randint(0, most))
        return {name: self.random.randrange(5, 100, 5) for name in names}

    def define(self, queue: c.DefineQueue) -> None:
        self.engine.handle(queue, self.now)
        self.naive.queues[queue.queue] = queue

    def sign_in(self, name: str) -> None:
        self.engine.handle(c.SignIn(name), self.now)
        self.naive.sign_in(name, self.now)

    def step(self) -> None:
        # Whole quarters of a second, so that equal times occur and sums are exact.
        self.now += self.random.choice((0.0, 0.25, 0.25, 1.0, 3.0))
        now, naive = self.now, self.naive
        contacts = list(naive.contacts.values())
        offered = [x for x in contacts if x.agent and not x.answered]
        talking = [x for x in contacts if x.answered]
        waiting = [x for x in contacts if not x.agent]
        away = [x for x in waiting if x.away]
        free = [p for p in naive.people.values() if not p.work]
        kind = self.random.random()
        self.steps += 1
        # By turns more than the agents can take, and less.
        most = 60 if self.steps % 1000 < 600 else 2
        if kind < 0.36 and len(waiting) < most:
            self.count += 1
            command = c.Enqueue(
                interaction=str(self.count),
                queue=f"q{self.random.randrange(6)}",
                skills=self.levels(1) if self.random.random() < 0.3 else {},
                priority=self.random.randrange(0, 12),
                away=self.random.random() < 0.1,
                queued_at=now - self.random.choice((0.0, 0.0, 20.0)),
            )
            self.engine.handle(command, now)
            naive.enqueue(command, now)
        elif kind < 0.39 and away:
            contact = self.random.choice(away)
            self.engine.handle(c.Join(interaction=contact.name), now)
            naive.join(contact.name, now)
        elif kind < 0.60 and offered:
            contact = self.random.choice(offered)
            number = self.engine.interactions[contact.name].reservation
            if self.random.random() < 0.2 and not contact.looked_at:
                self.engine.handle(c.Preview(number, 1e9), now)
                naive.preview(contact.name, now)
            elif self.random.random() < 0.85:
                self.engine.handle(c.Accept(number), now)
                naive.accept(contact.name, now)
            else:
                self.engine.handle(c.Reject(number), now)
                naive.reject(contact.name, now)
        elif kind < 0.82 and talking:
            contact = self.random.choice(talking)
            self.engine.handle(c.Finish(contact.name), now)
            naive.finish(contact.name, now)
        elif kind < 0.88 and waiting + offered:
            contact = self.random.choice(waiting + offered)
            self.engine.handle(c.Leave(contact.name), now)
            naive.leave(contact.name, now)
        elif kind < 0.91:
            name = next(iter(naive.closed), f"q{self.random.randrange(6)}")
            if name in naive.closed:
                self.engine.handle(c.Open(name), now)
                naive.open(name)
            else:
                self.engine.handle(c.Close(name), now)
                naive.close(name, now)
                self.closed += 1
        elif free:
            person = self.random.choice(free)
            if person.ready:
                self.engine.handle(c.Pause(person.name, ""), now)
                naive.pause(person.name, now)
            elif person.signed_in_at:
                self.engine.handle(c.Ready(person.name), now)
                naive.ready(person.name, now)
            else:
                self.sign_in(person.name)
        naive.leave_empty()
        for event in self.engine.take_events():
            self.empty += isinstance(event, e.InteractionLeft) and event.outcome == "empty"
            if isinstance(event, e.Reserved):
                self.decisions.append((event.interaction, event.agent))


def agree(select: str, events: int) -> None:
    both = Both(select, seed=len(select))
    for step in range(events):
        both.step()
        assert both.decisions == both.naive.decisions, f"step {step}"
        both.decisions.clear()
        both.naive.decisions.clear()
    assert both.naive.offers > events // 10
    assert both.closed > 100
    assert min(both.naive.joined, both.naive.passed) > 5
    assert both.empty == both.naive.left
    assert both.engine.breached == 0


@pytest.mark.parametrize("select", SELECTIONS)
def test_the_engine_decides_as_one_who_looks_at_everybody(select: str) -> None:
    agree(select, EVENTS)


@pytest.mark.soak
@pytest.mark.parametrize("select", SELECTIONS)
def test_it_does_so_a_hundred_thousand_times_in_each_policy(select: str) -> None:
    agree(select, 100_000)

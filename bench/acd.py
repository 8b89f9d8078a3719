"""`bench acd`: events a second through the ACD's engine alone, with all of its features in use.

Each queue has what some center has (see `Center.queue`), and beside calls that come, are answered,
ended and given up there is what people do all day: pauses, sign-outs, holds, calls of their own,
callbacks, moves, previews, wrap-up codes, queues that close and open. An event is a command, or a
deadline that passes (a wrap-up or a rest that ends, an offer that nobody answers).
"""

from __future__ import annotations

import gc
import random
import time
from array import array
from collections import deque
from statistics import median
from typing import Any

from bench.harness import progress
from bench.result import Options, Result, Series
from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import Agent, Presence
from cicswitch.acd.engine import Engine
from cicswitch.acd.interaction import AssignmentState, Interaction, InteractionState
from cicswitch.runtime.policy import Asked, Free, Policy
from cicswitch.simulate.model import Model, Poisson, Shift
from cicswitch.simulate.run import Simulation
from cicswitch.simulate.times import Times

__all__ = ["Center", "run"]

SKILLS = [f"skill-{number}" for number in range(64)]
QUEUES = 24
SELECTIONS = ("longest-idle", "most-skilled", "least-skilled", "weighted", "longest-idle")
TALK_S = 120.0
TARGETS = {(10_000, 100_000): (150_000.0, 100.0)}
"""(agents, waiting) -> (events/s at least, µs at most for 99 % of events)."""


def longest_idle(asked: Asked, agents: list[Free]) -> str | None:
    """A policy in Python; one call in eight waits for somebody else, if it may."""
    if len(agents) == 1 and asked.interaction.endswith("8"):
        return None
    return max(agents, key=lambda agent: agent.idle_s).agent


class Center:
    """A center at work."""

    def __init__(self, agents: int, waiting: int, profiles: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.engine = Engine(seed=seed, check=True)
        self.now = 1_000_000.0
        self.step_s = TALK_S / agents / 3
        self.count = 0
        self.level = waiting
        """So many wait, more or less. 0: nobody does, and some agents are free."""
        self.waiting: list[str] = []
        self.talking: list[str] = []
        self.away: list[str] = []
        self.absent: deque[str] = deque()
        self.place: dict[str, int] = {}
        self.queues = [f"queue-{number}" for number in range(QUEUES)]
        self.names = [f"agent-{number}" for number in range(agents)]
        self.done: dict[str, int] = {}
        """Events by name: what happened at all."""
        handle = self.engine.handle
        for number in range(QUEUES):
            handle(self.queue(number), self.now)
        self.policy = Policy(longest_idle, budget_s=0.1)
        self.policy_s = 0.0
        """Seconds in the user's function and in showing the agents to it."""
        self.engine.choosers["queue-3"] = self.choose
        brought = [self.skills() for _ in range(min(profiles, agents))]
        for number in range(agents):
            skills = brought[number % len(brought)]
            handle(c.DefineAgent(agent=f"agent-{number}", skills=skills), self.now)
        for name in self.names:
            handle(c.SignIn(name), self.now)
        self.fill()
        self.busy = int(len(self.talking) * 0.7)
        """So many interactions are in hand, more or less, if nobody is to wait."""
        while not self.level and len(self.talking) > self.busy:
            self.do(c.Finish(self.random.choice(self.talking)))
            self.react()

    def fill(self) -> None:
        """Give everybody work who can have some, and let wait who are to wait."""
        batch = max(1_000, len(self.names) // 4)
        taken = batch
        while taken * 20 > batch or len(self.waiting) < self.level:
            before = len(self.talking)
            for _ in range(batch):
                self.do(self.arrival())
                self.react()
            taken = len(self.talking) - before
        while len(self.waiting) > self.level:
            self.do(c.Leave(self.random.choice(self.waiting)))
            self.react()

    def choose(self, interaction: Interaction, agents: list[Agent], now: float) -> Agent | None:
        began = time.perf_counter()
        chosen = self.policy(interaction, agents, now)
        self.policy_s += time.perf_counter() - began
        return chosen

    def skills(self) -> dict[str, int]:
        chosen = self.random.sample(SKILLS, self.random.randint(3, 8))
        return {skill: self.random.randint(20, 100) for skill in chosen}

    def queue(self, number: int) -> c.DefineQueue:
        rings: tuple[c.Ring, ...] = (
            c.Ring(after_s=3600, skills={SKILLS[number]: 0}),
            c.Ring(after_s=7200, priority=5),
        )
        if number in (1, 9):  # the estimated wait is longer than that, mostly
            rings = (c.Ring(ewt_s=120, priority=1), *rings)
        elif number == 17:  # and never so long
            rings = (c.Ring(ewt_s=360_000, queue="queue-1"), *rings)
        elif number == 18:
            rings = (c.Ring(unstaffed=True, queue="queue-1"), *rings)
        absent = ("paused", "not-responding") if number in (2, 10) else False
        return c.DefineQueue(
            queue=f"queue-{number}",
            select=SELECTIONS[number % len(SELECTIONS)],
            weights=c.Weights(idle=0.01 if number % 2 else 0.0),
            priority=number % 5,
            ageing=1.0 if number % 3 else 0.5,
            weight=1.0 if number % 4 else 1.5,
            goal=0.8 if number % 6 == 5 else 0.0,
            bound_s=1800.0 if number % 8 == 7 else 0.0,
            ring_s=20,
            offer_to=3 if number == 4 else 1,
            wrap_up_s=10 if number % 2 else 0,
            rings=rings,
            join_empty=absent or True,
            leave_empty=absent,
            max_waiting=1_000_000 if number in (5, 13) else 0,
            max_ewt_s=360_000 if number in (5, 13) else 0,
            redial_s=600 if number % 2 else 0,
            on_fail={"rejected": c.FailRule(then="rest", seconds=5)},
        )

    def arrival(self) -> c.Enqueue:
        """Most are calls, to agents with one skill that is the queue's, and for some a level."""
        draw = self.random.random
        self.count += 1
        number = self.random.randrange(QUEUES)
        medium = "voice"
        if number >= 20:
            medium = "chat" if number < 22 else "email"
        prefer: tuple[str, ...] = ()
        if number in (6, 14) and draw() < 0.3:
            prefer = (self.random.choice(self.names),)
        return c.Enqueue(
            interaction=str(self.count),
            queue=self.queues[number],
            medium=medium,
            skills={SKILLS[number * 2]: 1 if draw() < 0.8 else 40},
            customer=str(self.random.randrange(1_000_000)),
            segment="gold" if number % 3 else "",
            prefer=prefer,
            away=medium == "voice" and draw() < 0.03,
        )

    def add(self, pool: list[str], name: str) -> None:
        self.place[name] = len(pool)
        pool.append(name)

    def drop(self, pool: list[str], name: str) -> None:
        at = self.place.pop(name)
        last = pool.pop()
        if last != name:
            pool[at] = last
            self.place[last] = at

    def do(self, command: c.Command, spent: array[float] | None = None) -> None:
        """One command, and its seconds."""
        began = time.perf_counter()
        self.engine.handle(command, self.now)
        if spent is not None:
            spent.append(time.perf_counter() - began)

    def advance(self, spent: array[float]) -> None:
        """Let the deadlines pass that are due."""
        due = self.engine.next_due
        if due is not None and due <= self.now:
            began = time.perf_counter()
            passed = self.engine.advance(self.now)
            took = time.perf_counter() - began
            spent.extend([took / max(passed, 1)] * max(passed, 1))
            self.react(spent)

    def react(self, spent: array[float] | None = None) -> None:
        """Answer what was offered, and keep the pools."""
        engine = self.engine
        while True:
            events: list[Any] = list(engine.take_events())
            if not events:
                return
            for event in events:
                kind = type(event)
                self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
                if kind is e.Reserved:
                    offer = engine.reservations.get(event.reservation)
                    if offer is None:
                        continue
                    if event.queue == "queue-8" and not offer.previewing:
                        self.do(c.Preview(event.reservation, 15), spent)
                    accepts = self.random.random() < 0.97
                    self.do((c.Accept if accepts else c.Reject)(event.reservation), spent)
                elif kind is e.InteractionQueued:
                    if event.interaction in self.place:
                        continue  # it was moved
                    away = event.interaction in engine.queues[event.queue].away
                    self.add(self.away if away else self.waiting, event.interaction)
                elif kind is e.InteractionJoined:
                    self.drop(self.away, event.interaction)
                    self.add(self.waiting, event.interaction)
                elif kind is e.InteractionConnected:
                    self.drop(self.waiting, event.interaction)
                    self.add(self.talking, event.interaction)
                elif kind is e.InteractionHandled:
                    self.drop(self.talking, event.interaction)
                elif kind is e.InteractionLeft:
                    self.drop(self.waiting, event.interaction)
                elif kind is e.InvariantBroken or kind is e.PolicyFailed:
                    raise AssertionError(event)

    def next(self) -> c.Command:
        """What comes now."""
        draw, choice, engine = self.random.random, self.random.choice, self.engine
        kind = draw()
        more = len(self.waiting) < self.level if self.level else len(self.talking) < self.busy
        if kind < (0.46 if more else 0.40) or not self.talking:
            return self.arrival()
        if kind < 0.85:
            return c.Finish(choice(self.talking))
        if not self.waiting:
            return self.about()
        if kind < 0.90:
            return c.Leave(choice(self.waiting))
        if kind < 0.91 and self.away:
            return c.Join(interaction=choice(self.away))
        if kind < 0.95:
            interaction = engine.interactions[choice(self.talking)]
            if interaction.medium == "chat":
                assignment = interaction.assignment
                assert assignment is not None
                return c.Silent(interaction.id, not assignment.silent)
            if interaction.state is InteractionState.HELD:
                return c.Resume(interaction.id)
            return c.Hold(interaction.id)
        if kind < 0.955:
            moved = engine.interactions[choice(self.waiting)]
            there = engine.queues[self.queues[self.queues.index(moved.queue.name) - 1]]
            return c.Move(moved.id, self.queues[0] if there.closed else there.name)
        if kind < 0.96:
            return c.Prioritise(choice(self.waiting), self.random.randrange(10))
        if kind < 0.961:
            queue = engine.queues["queue-12"]
            return c.Open(queue.name) if queue.closed else c.Close(queue.name)
        return self.about()

    def about(self) -> c.Command:
        """What an agent does beside his work; a tenth are away from it."""
        if len(self.absent) * 10 > len(self.names):
            agent = self.engine.agents[self.absent.popleft()]
        else:
            agent = self.engine.agents[self.random.choice(self.names)]
        if agent.presence is Presence.OFFLINE:
            return c.SignIn(agent.id)
        if agent.presence is not Presence.READY:
            return c.Ready(agent.id)
        if agent.seized:
            return c.Free(agent.id)
        for work in agent.work.values():
            if work.state is AssignmentState.WRAP_UP:
                return c.WrapUp(agent.id, "sold", True, work.interaction.id)
        if not agent.work and self.random.random() < 0.5:
            return c.Seize(agent.id)
        self.absent.append(agent.id)
        if self.random.random() < 0.2:
            return c.SignOut(agent.id)
        return c.Pause(agent.id, "break")


def measure(center: Center, events: int) -> tuple[float, array[float]]:
    """CPU-seconds of the engine for so many events, and each one's seconds.

    Of the seconds that passed only that share counts in which this thread ran: what else the
    machine does is not the engine's.
    """
    spent: array[float] = array("d")
    began, ran = time.perf_counter(), time.thread_time()
    while len(spent) < events:
        center.now += center.step_s
        center.advance(spent)
        center.do(center.next(), spent)
        center.react(spent)
    share = (time.thread_time() - ran) / (time.perf_counter() - began)
    center.policy_s *= share
    return sum(spent) * share, spent


def one(agents: int, waiting: int, profiles: int, events: int) -> tuple[float, float, float]:
    """(events/s, p99 µs, mean µs without the policy in Python) of one size."""
    began = time.perf_counter()
    center = Center(agents, waiting, profiles)
    lines = len(center.engine.floor.lines)
    built = time.perf_counter() - began
    measure(center, events // 2)
    # As in the switch, the collector does not walk all that waits while calls are being routed.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        center.policy_s = 0.0
        seconds, spent = measure(center, events)
    finally:
        gc.enable()
        gc.unfreeze()
    ordered = sorted(spent)
    per_s = len(spent) / seconds
    middle = ordered[len(ordered) // 2] * 1e6
    p99 = ordered[len(ordered) * 99 // 100] * 1e6
    progress(
        f"{agents} agents, {len(center.engine.floor.profiles)} profiles,"
        f" {len(center.waiting)} waiting in {lines} lines:"
        f" {per_s:,.0f} events/s, median {middle:.1f} µs, p99 {p99:.1f} µs"
        f" (built in {built:.1f} s)"
    )
    return per_s, p99, (seconds - center.policy_s) / len(spent) * 1e6


DAY_S = 86400.0
PROFILE = (0.0, 0.0, 0.2, 0.9, 1.6, 2.0, 1.8, 1.9, 1.6, 1.1, 0.4, 0.0)
"""Arrivals of each two hours of a day, as shares of the mean."""


def day(calls: int = 50_000, agents: int = 500) -> float:
    """CPU seconds of a virtual day in a center that is busy at noon: eight queues, three shifts.

    Customers give up, agents take seconds to answer and some answer too late, and two thirds of the
    agents know two or three queues.
    """
    edges = tuple(DAY_S / len(PROFILE) * number for number in range(len(PROFILE) + 1))
    queues, team = 8, agents // 3
    per_s = calls / DAY_S / queues * len(PROFILE) / sum(PROFILE)
    knows = [
        {f"skill-{(number + more) % queues}": 50 + more for more in range(1 + number % 3)}
        for number in range(agents)
    ]
    hours = ((5, 13), (8, 16), (13, 21))
    model = Model(
        queues=tuple(
            c.DefineQueue(
                queue=f"queue-{number}",
                skills={f"skill-{number}": 1},
                select=SELECTIONS[number % len(SELECTIONS)],
                priority=number % 3,
                wrap_up_s=30,
                rings=(c.Ring(after_s=120, priority=60),),
            )
            for number in range(queues)
        ),
        agents=tuple(
            c.DefineAgent(agent=f"agent-{number}", skills=skills)
            for number, skills in enumerate(knows)
        ),
        shifts={
            f"agent-{number}": (
                Shift(hours[number // team][0] * 3600, hours[number // team][1] * 3600),
            )
            for number in range(team * 3)
        },
        streams=tuple(
            Poisson(
                queue=f"queue-{number}",
                edges=edges,
                rates=tuple(per_s * share for share in PROFILE),
                handle=Times(kind="lognormal", mean_s=180, sd_s=150),
                patience=Times(kind="exponential", mean_s=180),
            )
            for number in range(queues)
        ),
        answer=Times(kind="lognormal", mean_s=4, sd_s=4),
        end=DAY_S,
    )
    began = time.process_time()
    simulation = Simulation(model, seed=1)
    simulation.run()
    spent = time.process_time() - began
    tallies = simulation.queues.values()
    offered = sum(tally.offered for tally in tallies)
    answered = sum(tally.answered for tally in tallies)
    progress(
        f"a day of {offered} calls, {answered} answered, {agents} agents: {spent:.2f} s of CPU"
    )
    return spent


def check_cost(agents: int, waiting: int, events: int) -> float:
    """What looking at the invariants costs, in percent.

    With and without in turn in one center, by the medians of many short turns: they are moved
    least by what else the machine does.
    """
    center = Center(agents, waiting, agents)
    measure(center, events)
    spent: dict[bool, list[float]] = {False: [], True: []}
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for turn in range(800):
            checked = bool(turn % 2)
            center.engine.check = checked
            seconds, each = measure(center, events // 10)
            spent[checked].append(seconds / len(each))
    finally:
        gc.enable()
        gc.unfreeze()
    return (median(spent[True]) / median(spent[False]) - 1.0) * 100


def run(options: Options) -> list[Result]:
    """Sizes from 100 to 100,000 agents, few and many profiles, while some agents are free (nobody
    waits) and while none is; or `--agents` and `--waiting`.

    `growth` is the mean event's time at 100,000 agents by that at 1,000, without that of the policy
    in Python, which sees 100 agents at most and fewer in a small center. The work grows less than
    the logarithm's 5/3 (tests/acd/test_growth.py counts it); the time has in it that no cache holds
    100,000 agents.
    """
    result = Result("acd", x_label="agents", y_label="events/s")
    events = 20_000 if options.quick else 100_000
    agents = (options.agents,) if options.agents else (100, 1_000, 10_000, 100_000)
    waiting = (options.waiting,) if options.waiting is not None else (0, 1_000, 100_000)
    series: dict[str, tuple[list[float], list[float]]] = {}
    for waits in waiting:
        for profiles in (50, 10_000):
            costs: dict[int, float] = {}
            for count in agents:
                if profiles > 50 and count <= 50:
                    continue
                per_s, p99, costs[count] = one(count, waits, profiles, events)
                name = f"{count}_agents_{waits}_waiting_{'few' if profiles == 50 else 'many'}"
                least, most = TARGETS.get((count, waits), (None, None))
                result.add(f"events_per_s_{name}", per_s, "events/s", least=least)
                result.add(f"event_us_p99_{name}", p99, "µs", most=most)
                label = f"{waits:,} waiting, {'50' if profiles == 50 else '10,000'} profiles"
                xs, ys = series.setdefault(label, ([], []))
                xs.append(float(count))
                ys.append(per_s)
            if 1_000 in costs and 100_000 in costs:
                name = f"growth_{waits}_waiting_{'few' if profiles == 50 else 'many'}"
                result.add(name, costs[100_000] / costs[1_000], "times")
    result.add("day_cpu_s", day(), "s", most=5.0)
    if not options.agents:
        cost = check_cost(1_000, 1_000, events // 5)
        result.add("check_cost", cost, "%", most=3)
    result.series = [Series(label, xs, ys) for label, (xs, ys) in series.items()]
    return [result]

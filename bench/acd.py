"""`bench acd`: events a second through the ACD's engine alone, with most of its features in use.

Not in it: rings by `ewt_s`, leave lists, policies in Python, callbacks, hours, previews.
"""

from __future__ import annotations

import gc
import random
import time
from array import array
from typing import Any

from bench.harness import progress
from bench.result import Options, Result, Series
from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
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


class Center:
    """A center at work: calls come, are offered, answered, held, ended and given up."""

    def __init__(self, agents: int, waiting: int, profiles: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.engine = Engine(seed=seed, check=True)
        self.now = 1_000_000.0
        self.step_s = TALK_S / agents / 3
        self.count = 0
        self.waiting: list[str] = []
        self.talking: list[str] = []
        self.place: dict[str, int] = {}
        handle = self.engine.handle
        for number in range(QUEUES):
            handle(self.queue(number), self.now)
        brought = [self.skills() for _ in range(min(profiles, agents))]
        for number in range(agents):
            skills = brought[number % len(brought)]
            handle(c.DefineAgent(agent=f"agent-{number}", skills=skills), self.now)
        # Everybody is given a call, then the queues fill.
        for _ in range(waiting + agents):
            self.arrive()
        for number in range(agents):
            handle(c.SignIn(f"agent-{number}"), self.now)
            self.react()

    def skills(self) -> dict[str, int]:
        chosen = self.random.sample(SKILLS, self.random.randint(3, 8))
        return {skill: self.random.randint(20, 100) for skill in chosen}

    def queue(self, number: int) -> c.DefineQueue:
        select = SELECTIONS[number % len(SELECTIONS)]
        return c.DefineQueue(
            queue=f"queue-{number}",
            select=select,
            weights=c.Weights(idle=0.01 if number % 2 else 0.0),
            priority=number % 5,
            ageing=1.0 if number % 3 else 0.5,
            weight=1.0 if number % 4 else 1.5,
            goal=0.8 if number % 6 == 5 else 0.0,
            bound_s=1800.0 if number % 8 == 7 else 0.0,
            ring_s=20,
            wrap_up_s=10 if number % 2 else 0,
            rings=(
                c.Ring(after_s=3600, skills={SKILLS[number]: 0}),
                c.Ring(after_s=7200, priority=5),
            ),
            on_fail={"rejected": c.FailRule(then="rest", seconds=5)},
        )

    def arrive(self) -> None:
        self.count += 1
        name = str(self.count)
        # One skill that is the queue's, and for some a level of it.
        number = self.random.randrange(QUEUES)
        level = 1 if self.random.random() < 0.8 else 40
        self.engine.handle(
            c.Enqueue(
                interaction=name, queue=f"queue-{number}", skills={SKILLS[number * 2]: level}
            ),
            self.now,
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

    def react(self, spent: array[float] | None = None) -> None:
        """Answer what was offered, and keep the pools."""
        engine = self.engine
        while True:
            events: list[Any] = list(engine.take_events())
            if not events:
                return
            for event in events:
                kind = type(event)
                if kind is e.Reserved:
                    if event.reservation not in engine.reservations:
                        continue
                    accepts = self.random.random() < 0.97
                    self.do((c.Accept if accepts else c.Reject)(event.reservation), spent)
                elif kind is e.InteractionQueued:
                    self.add(self.waiting, event.interaction)
                elif kind is e.InteractionConnected:
                    self.drop(self.waiting, event.interaction)
                    self.add(self.talking, event.interaction)
                elif kind is e.InteractionHandled:
                    self.drop(self.talking, event.interaction)
                elif kind is e.InteractionLeft:
                    self.drop(self.waiting, event.interaction)
                elif kind is e.InvariantBroken:
                    raise AssertionError(event)


def measure(center: Center, events: int) -> tuple[float, array[float]]:
    """Seconds of the engine for so many commands, and each one's."""
    spent: array[float] = array("d")
    engine, draw = center.engine, center.random.random
    while len(spent) < events:
        center.now += center.step_s
        kind = draw()
        command: c.Command
        if kind < 0.45 or not center.talking:
            center.count += 1
            number = center.random.randrange(QUEUES)
            command = c.Enqueue(
                interaction=str(center.count),
                queue=f"queue-{number}",
                skills={SKILLS[number * 2]: 1 if draw() < 0.8 else 40},
                customer=str(center.count),
            )
        elif kind < 0.90:
            command = c.Finish(center.random.choice(center.talking))
        elif kind < 0.95 and center.waiting:
            command = c.Leave(center.random.choice(center.waiting))
        else:
            agent = f"agent-{center.random.randrange(len(engine.agents))}"
            paused = engine.agents[agent].presence == 2
            command = c.Ready(agent) if paused else c.Pause(agent, "break")
        center.do(command, spent)
        center.react(spent)
    return sum(spent), spent


def one(agents: int, waiting: int, profiles: int, events: int) -> tuple[float, float, float]:
    """(events/s, median µs, p99 µs) of one size."""
    began = time.perf_counter()
    center = Center(agents, waiting, profiles)
    lines = len(center.engine.floor.lines)
    built = time.perf_counter() - began
    measure(center, events // 5)
    # As in the switch, the collector does not walk all that waits while calls are being routed.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        seconds, spent = measure(center, events)
    finally:
        gc.enable()
        gc.unfreeze()
    ordered = sorted(spent)
    per_s = len(spent) / seconds
    median = ordered[len(ordered) // 2] * 1e6
    p99 = ordered[len(ordered) * 99 // 100] * 1e6
    progress(
        f"{agents} agents, {len(center.engine.floor.profiles)} profiles,"
        f" {len(center.waiting)} waiting in {lines} lines:"
        f" {per_s:,.0f} events/s, median {median:.1f} µs, p99 {p99:.1f} µs"
        f" (built in {built:.1f} s)"
    )
    return per_s, median, p99


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
    """What looking at the invariants costs, in percent: with and without in turn, one center."""
    center = Center(agents, waiting, agents)
    measure(center, events)
    spent = {False: 0.0, True: 0.0}
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for turn in range(20):
            checked = bool(turn % 2)
            center.engine.check = checked
            spent[checked] += measure(center, events)[0]
    finally:
        gc.enable()
        gc.unfreeze()
    return (spent[True] / spent[False] - 1.0) * 100


def run(options: Options) -> list[Result]:
    """Sizes from 100 to 100,000 agents, few and many profiles; or `--agents` and `--waiting`."""
    result = Result("acd", x_label="agents", y_label="events/s")
    events = 20_000 if options.quick else 100_000
    agents = (options.agents,) if options.agents else (100, 1_000, 10_000, 100_000)
    waiting = (options.waiting,) if options.waiting else (1_000, 100_000)
    series: dict[str, tuple[list[float], list[float]]] = {}
    for waits in waiting:
        for profiles in (50, 10_000):
            for count in agents:
                if profiles > 50 and count <= 50:
                    continue
                per_s, _, p99 = one(count, waits, profiles, events)
                name = f"{count}_agents_{waits}_waiting_{'few' if profiles == 50 else 'many'}"
                least, most = TARGETS.get((count, waits), (None, None))
                result.add(f"events_per_s_{name}", per_s, "events/s", least=least)
                result.add(f"event_us_p99_{name}", p99, "µs", most=most)
                label = f"{waits:,} waiting, {'50' if profiles == 50 else '10,000'} profiles"
                xs, ys = series.setdefault(label, ([], []))
                xs.append(float(count))
                ys.append(per_s)
    result.add("day_cpu_s", day(), "s", most=5.0)
    if not options.agents:
        cost = check_cost(1_000, 1_000, events // 5)
        result.add("check_cost", cost, "%", most=3)
    result.series = [Series(label, xs, ys) for label, (xs, ys) in series.items()]
    return [result]

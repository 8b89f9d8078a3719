"""The loop: what customers and agents do, and what is counted of it."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

from cicswitch.acd import commands as c
from cicswitch.simulate.interval import interval, t_99
from cicswitch.simulate.model import Listed, Model, Poisson, Shift, constant_rate
from cicswitch.simulate.results import simulate
from cicswitch.simulate.run import Simulation
from cicswitch.simulate.times import Times, exponential

FOREVER = Times(kind="constant", mean_s=1e9)


def listed(*rows: tuple[float, float, float], **more: Any) -> Listed:
    """Arrivals by hand: (time, handle time, patience)."""
    return Listed(
        queue=more.pop("queue", "q"),
        handle=FOREVER,
        times=tuple(row[0] for row in rows),
        handles=tuple(row[1] for row in rows),
        patiences=tuple(row[2] for row in rows),
        **more,
    )


def run(*streams: Any, agents: int = 1, queue: Any = None, **more: Any) -> Simulation:
    model = Model(
        queues=more.pop("queues", (queue or c.DefineQueue(queue="q"),)),
        agents=tuple(c.DefineAgent(agent=f"agent-{n}") for n in range(agents)),
        streams=streams,
        end=more.pop("end", 1000.0),
        **more,
    )
    simulation = Simulation(model, seed=1)
    simulation.run()
    simulation.close()
    return simulation


def test_who_comes_while_the_agent_talks_waits_for_the_end_of_the_talk() -> None:
    queue = run(listed((10, 60, 1e6), (20, 30, 1e6))).queues["q"]
    assert queue.waits.tolist() == pytest.approx([0.0, 50.0])
    assert queue.handle_s == pytest.approx(90.0)


def test_who_is_less_patient_than_the_wait_abandons() -> None:
    queue = run(listed((10, 60, 1e6), (20, 30, 40), (21, 30, 2))).queues["q"]
    assert (queue.offered, queue.answered, queue.abandoned) == (3, 1, 2)
    assert queue.abandoned_wait_s == pytest.approx(42.0)
    assert queue.short_abandons == 1


def test_who_finds_no_waiting_place_is_blocked() -> None:
    queue = c.DefineQueue(queue="q", max_waiting=1)
    rows = [(float(at), 60.0, 1e6) for at in (10, 20, 30, 40)]
    counted = run(listed(*rows), queue=queue).queues["q"]
    assert (counted.offered, counted.answered, counted.blocked) == (4, 2, 2)


def test_a_ring_that_hands_over_counts_as_moved_and_is_offered_to_the_other_queue() -> None:
    queues = (
        c.DefineQueue(queue="q", skills={"x": 1}, rings=(c.Ring(after_s=30, queue="rest"),)),
        c.DefineQueue(queue="rest"),
    )
    simulation = run(listed((10, 60, 1e6)), queues=queues)
    assert simulation.queues["q"].moved == 1
    assert simulation.queues["rest"].answered == 1
    assert simulation.queues["rest"].wait_s == pytest.approx(0.0)


def test_a_policy_in_python_decides() -> None:
    rows = [(100.0 * at, 20.0, 1e6) for at in range(1, 9)]
    choose = {"q": lambda interaction, agents, now: max(agents, key=lambda agent: agent.id)}
    simulation = run(listed(*rows), agents=3, choosers=choose)
    assert [agent.answered for agent in simulation.agents.values()] == [0, 0, 8]


def test_the_longest_wait_of_a_queue_is_a_way_to_leave() -> None:
    queue = c.DefineQueue(queue="q", max_wait_s=20)
    counted = run(listed((10, 60, 1e6), (20, 30, 1e6)), queue=queue).queues["q"]
    assert (counted.answered, counted.abandoned, counted.left) == (1, 0, 1)


def test_wrap_up_keeps_the_agent_busy_and_belongs_to_the_handle_time() -> None:
    queue = c.DefineQueue(queue="q", wrap_up_s=30)
    simulation = run(listed((10, 60, 1e6), (20, 30, 1e6)), queue=queue)
    assert simulation.queues["q"].waits[1] == pytest.approx(80.0, abs=0.02)
    assert simulation.queues["q"].handle_s == pytest.approx(150.0, abs=0.05)
    assert simulation.queues["q"].handled == 2
    assert simulation.agents["agent-0"].seconds["wrap-up"] == pytest.approx(60.0, abs=0.05)


def test_an_agent_may_be_done_before_the_wrap_up_is_over() -> None:
    queue = c.DefineQueue(queue="q", wrap_up_s=30)
    stream = listed((10, 60, 1e6), (20, 30, 1e6), wrap_up=Times(kind="constant", mean_s=5))
    assert run(stream, queue=queue).queues["q"].waits[1] == pytest.approx(55.0)


def test_an_agent_who_answers_too_late_does_not_respond_and_comes_back() -> None:
    stream = listed((10, 60, 1e6))
    queue = c.DefineQueue(queue="q", ring_s=20)
    late = run(stream, queue=queue, answer=Times(kind="constant", mean_s=25), end=200.0)
    # Offered at 10, 90, 170: nobody ever answers.
    assert late.agents["agent-0"].seconds["alerting"] == pytest.approx(60.0, abs=0.1)
    assert late.agents["agent-0"].seconds["not-responding"] == pytest.approx(120.0, abs=20)
    assert late.queues["q"].answered == 0
    quick = run(stream, queue=queue, answer=Times(kind="constant", mean_s=15))
    assert quick.queues["q"].waits.tolist() == pytest.approx([15.0])


def test_an_agent_works_his_shift_and_finishes_what_he_has() -> None:
    shifts = {"agent-0": (Shift(100.0, 200.0),)}
    simulation = run(listed((10, 150, 1e6), (20, 30, nan)), shifts=shifts)
    assert simulation.queues["q"].waits.tolist() == pytest.approx([90.0])
    assert simulation.agents["agent-0"].seconds["talking"] == pytest.approx(150.0)
    assert simulation.agents["agent-0"].seconds["offline"] == pytest.approx(850.0)
    assert simulation.unfinished == 1


def test_what_lasts_for_ever_does_not_keep_the_simulation_from_its_end() -> None:
    queue = c.DefineQueue(queue="q", wrap_up_s=30)
    stream = Listed(queue="q", handle=Times(), times=(10.0, 20.0), wrap_up=Times())
    simulation = run(stream, queue=queue, shifts={"agent-0": (Shift(-9.0, -1.0), Shift(0.0, 1e9))})
    assert simulation.queues["q"].answered == 1
    assert simulation.agents["agent-0"].seconds["talking"] == pytest.approx(990.0)
    assert simulation.unfinished == 1


def test_what_comes_during_the_warm_up_is_not_counted() -> None:
    simulation = run(listed((10, 60, 1e6), (20, 30, 1e6)), warm_up_s=15.0)
    assert simulation.queues["q"].offered == 1
    assert simulation.queues["q"].waits.tolist() == pytest.approx([50.0])
    assert sum(simulation.agents["agent-0"].seconds.values()) == pytest.approx(985.0)


def test_agents_seconds_partition_the_span() -> None:
    stream = constant_rate("q", 0.1, exponential(50), end=5000, patience=exponential(60))
    simulation = run(stream, agents=5, end=5000.0, answer=exponential(5), return_s=30.0)
    for agent in simulation.agents.values():
        assert sum(agent.seconds.values()) == pytest.approx(5000.0)


def test_everybody_who_was_offered_has_one_outcome() -> None:
    queue = c.DefineQueue(queue="q", max_waiting=5, max_wait_s=40, wrap_up_s=10)
    stream = constant_rate("q", 0.2, exponential(50), end=9000, patience=exponential(30))
    q = run(stream, agents=8, queue=queue, end=9000.0, answer=exponential(6)).queues["q"]
    assert min(q.answered, q.abandoned, q.blocked, q.left) > 0
    assert q.offered == q.answered + q.abandoned + q.blocked + q.left


def test_a_center_with_all_that_the_engine_can_do_breaks_no_invariant() -> None:
    day_s = 40_000.0
    queues = tuple(
        c.DefineQueue(
            queue=f"queue-{n}",
            skills={f"skill-{n}": 20},
            select=("longest-idle", "most-skilled", "round-robin", "weighted")[n],
            offer_to=1 + n % 2,
            priority=n,
            goal=0.8 if n == 2 else 0.0,
            bound_s=300.0 if n == 3 else 0.0,
            wrap_up_s=15,
            max_waiting=20,
            max_wait_s=400,
            rings=(c.Ring(after_s=30, skills={f"skill-{n}": 1}), c.Ring(after_s=90, priority=9)),
            on_fail={"timed-out": c.FailRule(then="rest", seconds=5)},
        )
        for n in range(4)
    )
    model = Model(
        queues=queues,
        agents=tuple(
            c.DefineAgent(
                agent=f"agent-{n}", skills={f"skill-{n % 4}": 50, f"skill-{(n + n // 4) % 4}": 10}
            )
            for n in range(24)
        ),
        shifts={f"agent-{n}": (Shift(n * 500.0, n * 500.0 + 25_000),) for n in range(12)},
        streams=tuple(
            constant_rate(
                f"queue-{n}",
                0.04,
                Times(kind="lognormal", mean_s=120, sd_s=90),
                end=day_s,
                patience=exponential(120),
                wrap_up=exponential(8),
                medium="chat" if n == 1 else "voice",
            )
            for n in range(4)
        ),
        answer=Times(kind="lognormal", mean_s=6, sd_s=8),
        end=day_s,
    )
    simulation = Simulation(model, 9)
    simulation.engine.check = True
    simulation.run()
    assert simulation.engine.breached == 0
    for tally in simulation.queues.values():
        assert tally.answered > 500
        assert tally.offered == tally.answered + tally.abandoned + tally.blocked + tally.left
    assert simulation.unfinished == 0
    assert not simulation.calls


def model(agents: int, seconds: float = 20_000) -> Model:
    return Model(
        queues=(c.DefineQueue(queue="q"),),
        agents=tuple(c.DefineAgent(agent=f"agent-{n}") for n in range(agents)),
        streams=(constant_rate("q", 0.1, exponential(50), end=seconds, patience=exponential(60)),),
        end=seconds,
    )


def test_the_same_seed_gives_the_same_figures_and_another_seed_gives_others() -> None:
    one, again = simulate(model(6), seeds=2), simulate(model(6), seeds=2)
    assert one == again
    assert one.runs[0] != one.runs[1]


def test_intervals_add_up_to_the_span_and_change_nothing() -> None:
    whole = simulate(model(6), seeds=2)
    parts = simulate(model(6), seeds=2, interval_s=3600)
    for name, estimate in whole.queues[0].figures.items():
        assert parts.queues[0].figures[name].mean == pytest.approx(estimate.mean)
    assert [part.begin for part in parts.intervals] == [0, 3600, 7200, 10800, 14400, 18000]
    for name in ("offered", "answered", "abandoned"):
        means = [part.queues[0].figures[name].mean or 0.0 for part in parts.intervals]
        assert sum(means) == pytest.approx(whole.queues[0].figures[name].mean)


def test_the_same_customers_come_whoever_serves_them() -> None:
    few, many = Simulation(model(4), 3), Simulation(model(40), 3)
    few.run()
    many.run()
    assert few.queues["q"].offered == many.queues["q"].offered
    assert few.queues["q"].wait_s > many.queues["q"].wait_s


def test_going_on_in_pieces_is_going_on_at_once() -> None:
    whole, pieces = Simulation(model(5), 4), Simulation(model(5), 4)
    whole.run()
    for number in range(100):
        pieces.run(number * 200.0)
    pieces.run()
    assert whole.queues["q"].waits == pieces.queues["q"].waits


def test_poisson_arrivals_follow_their_profile() -> None:
    stream = Poisson(
        queue="q", handle=exponential(1), edges=(0, 1e4, 2e4, 3e4), rates=(0.1, 0.0, 0.4)
    )
    simulation = run(stream, agents=50, end=30_000.0)
    simulation = Simulation(simulation.model, 5)
    counts = []
    for until in (1e4, 2e4, 3e4):
        simulation.run(until)
        counts.append(simulation.take_queues()["q"].offered)
    assert counts[1] == 0
    assert counts[0] == pytest.approx(1000, abs=4 * 1000**0.5)
    assert counts[2] == pytest.approx(4000, abs=4 * 4000**0.5)


@pytest.mark.parametrize(
    "times",
    [
        Times(kind="exponential", mean_s=100),
        Times(kind="lognormal", mean_s=100, sd_s=80),
        Times(kind="constant", mean_s=100),
        Times(kind="empirical", measured=(50.0, 150.0)),
    ],
    ids=lambda times: times.kind,
)
def test_durations_have_the_mean_and_the_deviation_that_was_asked_for(times: Times) -> None:
    import numpy as np

    drawn = times.draw(np.random.default_rng(1), 200_000)
    deviation = {"exponential": 100, "lognormal": 80, "constant": 0, "empirical": 50}[times.kind]
    assert drawn.mean() == pytest.approx(100, rel=0.01)
    assert drawn.std() == pytest.approx(deviation, rel=0.02, abs=1e-6)


def test_an_interval_is_that_of_student() -> None:
    assert (t_99(4), t_99(30)) == (4.604, 2.750)
    assert t_99(1000) == pytest.approx(2.581, abs=2e-3)
    mean, half = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3.0
    assert half == pytest.approx(4.604 * (2.5 / 5) ** 0.5)


def test_a_queue_opens_and_closes_by_its_hours() -> None:
    calls = listed((10.0, 5.0, 999.0), (60.0, 5.0, 999.0), (110.0, 5.0, 999.0), (130.0, 5.0, 999.0))
    openings = {"q": ((0.0, False), (50.0, True), (100.0, False), (120.0, True))}
    done = run(calls, openings=openings)
    figures = done.queues["q"]
    assert (figures.offered, figures.answered, figures.blocked) == (4, 2, 2)

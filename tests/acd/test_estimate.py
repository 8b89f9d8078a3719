"""EWT against what is known of the exponential server, and against how it went."""

from __future__ import annotations

import random
from heapq import heappop, heappush
from math import inf

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
from cicswitch.acd.estimate import Estimator, estimate, turn
from tests.acd.test_engine import Floor, agents, call, queue

MEAN_S = 120.0


def busy(count: int, ahead: int) -> Floor:
    """All agents talk, some wait; the queue has seen two hundred exponential calls."""
    floor = Floor(queue())
    floor.checked = False
    floor.do(*agents(*[f"a{n}" for n in range(count)]))
    draw = random.Random(7)
    found = floor.engine.queue("q")
    for _ in range(200):
        found.handled(draw.expovariate(1 / MEAN_S))
    for n in range(count):
        floor.do(call(f"t{n}"))
        floor.do(c.Accept(floor.reserved(f"t{n}")))
    for n in range(ahead):
        floor.do(call(f"w{n}"))
    floor.wait(5)
    return floor


@pytest.mark.parametrize(("count", "ahead"), [(10, 0), (10, 20), (40, 200)])
def test_the_wait_behind_busy_exponential_servers_is_an_erlang(count: int, ahead: int) -> None:
    """k + 1 departures at rate c / mean: an Erlang distribution of that shape."""
    floor = busy(count, ahead)
    found = estimate(floor.engine, floor.engine.queue("q"), floor.now, runs=400)
    mean = (ahead + 1) * MEAN_S / count
    spread = MEAN_S * (ahead + 1) ** 0.5 / count
    if ahead:
        assert found.p50_s == pytest.approx(mean, rel=0.15)
        assert found.p90_s == pytest.approx(mean + 1.28 * spread, rel=0.15)
    else:
        # Two hundred durations say little about the shortest ones.
        assert found.p50_s == pytest.approx(mean * 0.693, rel=0.5)
        assert found.p90_s == pytest.approx(mean * 2.303, rel=0.4)


def test_a_large_floor_is_estimated_by_a_part_of_it() -> None:
    floor = busy(1000, 500)
    found = estimate(floor.engine, floor.engine.queue("q"), floor.now, runs=40)
    assert found.p50_s == pytest.approx(501 * MEAN_S / 1000, rel=0.2)


def test_nobody_at_work_is_for_ever_and_somebody_free_is_at_once() -> None:
    floor = Floor(queue(), *agents("a"))
    assert estimate(floor.engine, floor.engine.queue("q"), floor.now).p90_s == 0.0
    floor.do(c.Pause("a", ""))
    assert estimate(floor.engine, floor.engine.queue("q"), floor.now).p50_s == inf


def test_more_urgent_ones_of_other_queues_are_ahead_and_less_urgent_ones_are_not() -> None:
    floor = busy(4, 0)
    floor.do(queue("vip", priority=100), queue("slow", priority=-1000))
    before = estimate(floor.engine, floor.engine.queue("q"), floor.now, 200).p50_s
    for n in range(8):
        floor.do(c.Enqueue(interaction=f"s{n}", queue="slow"))
    assert estimate(floor.engine, floor.engine.queue("q"), floor.now, 200).p50_s < before * 1.5
    for n in range(8):
        floor.do(c.Enqueue(interaction=f"v{n}", queue="vip"))
    assert estimate(floor.engine, floor.engine.queue("q"), floor.now, 200).p50_s > before * 3


def test_the_error_is_small_and_nine_of_ten_wait_no_longer_than_p90() -> None:
    """A day of an M/M/20 at 95 %, with the estimates that would have been announced."""
    engine, draw, now = Engine(), random.Random(3), 0.0
    estimator = Estimator(engine)
    engine.handle(queue(), now)
    for command in agents(*[f"a{n}" for n in range(20)]):
        engine.handle(command, now)
    later: list[tuple[float, int, c.Command]] = []
    heappush(later, (0.0, 0, call("0")))
    count = 0
    while count < 2000:
        now, _, command = heappop(later)
        if isinstance(command, c.Enqueue):
            count += 1
            after = now + draw.expovariate(0.95 * 20 / MEAN_S)
            heappush(later, (after, count, call(str(count))))
        engine.handle(command, now)
        for event in engine.take_events():
            estimator.feed(event)
            if isinstance(event, e.Reserved):
                heappush(later, (now, -event.reservation, c.Accept(event.reservation)))
            elif isinstance(event, e.InteractionConnected):
                end = now + draw.expovariate(1 / MEAN_S)
                heappush(later, (end, -(10**9) - count, c.Finish(event.interaction)))
    waited = engine.queue("q")
    assert waited.abandon_rate == 0.0
    assert 0.75 < estimator.covered["q"] <= 1.0
    assert estimator.error_s["q"] < MEAN_S / 2


def test_the_turn_of_one_who_has_a_place_is_estimated_by_that_place() -> None:
    floor = busy(10, 20)
    floor.do(call("cb", away=True, queued_at=floor.now - 5.0 - 1e-9))
    floor.do(call("later", away=True))
    engine = floor.engine
    first = turn(engine, engine.interactions["cb"], floor.now, runs=400)
    then = turn(engine, engine.interactions["later"], floor.now, runs=400)
    assert first.p50_s < MEAN_S / 10
    assert then.p50_s == pytest.approx(22 * MEAN_S / 10, rel=0.15)
    newcomer = estimate(engine, engine.queue("q"), floor.now, runs=400)
    assert newcomer.p50_s == pytest.approx(23 * MEAN_S / 10, rel=0.15)


def test_nobody_is_dialled_for_agents_who_cannot_take_a_callback() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.do(call("cb", medium="callback", away=True))
    entry = floor.engine.interactions["cb"]
    assert turn(floor.engine, entry, floor.now).p50_s == 0.0
    floor.do(c.Pause("kim", "meal"))
    assert turn(floor.engine, entry, floor.now).p50_s == inf
    floor.do(c.DefineAgent(agent="kim", capacity={"voice": 1}), c.Ready("kim"))
    assert turn(floor.engine, entry, floor.now).p50_s == inf

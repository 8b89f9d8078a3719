"""The engine against queueing theory: every known number lies in the 99 % band of the simulation.

The band is that of batch means: the run is cut into 25 pieces of time, whose means are nearly
independent of one another. Seeds are fixed, so that the outcome is. `make test` runs 40,000
interactions each, `make soak` 500,000 with a band that is three and a half times narrower;
CICSWITCH_INTERACTIONS says how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import pytest

from cicswitch.acd import commands as c
from cicswitch.simulate.interval import interval
from cicswitch.simulate.model import Model, Stream, constant_rate
from cicswitch.simulate.run import Simulation
from cicswitch.simulate.tally import QueueTally
from cicswitch.simulate.times import NONE, Times, exponential
from tests.simulate.theory import erlang_a, erlang_b, erlang_c, limited, n_model, priorities

SHORT, LONG = 40_000, int(os.environ.get("CICSWITCH_INTERACTIONS", "500000"))
BATCHES = 25
MEAN_S = 10.0
"""Ten-minute services with a minute for a second: waits in minutes read as seconds."""

Batch = dict[str, QueueTally]
Counts = pytest.mark.parametrize(
    "count", [SHORT, pytest.param(LONG, marks=pytest.mark.soak)], ids=["short", "long"]
)


def agents(count: int, name: str = "agent", **skills: int) -> list[c.DefineAgent]:
    return [c.DefineAgent(agent=f"{name}-{n}", skills=skills) for n in range(count)]


def streams(
    loads: dict[str, float], count: int, patience: Times = NONE, mean_s: float = MEAN_S
) -> tuple[list[Stream], float]:
    """Poisson arrivals of these loads (erlangs), about `count` together, and when they end."""
    end = count * mean_s / sum(loads.values()) * BATCHES / (BATCHES - 1)
    return [
        constant_rate(queue, load / mean_s, exponential(mean_s), end=end, patience=patience)
        for queue, load in loads.items()
    ], end


def batches(
    queues: Iterable[c.DefineQueue],
    staff: Iterable[c.DefineAgent],
    coming: tuple[list[Stream], float],
    seed: int,
) -> list[Batch]:
    """Run it; the first piece, in which the center fills, is not counted."""
    found, end = coming
    model = Model(
        queues=tuple(queues),
        agents=tuple(staff),
        streams=tuple(found),
        end=end,
        warm_up_s=end / BATCHES,
    )
    simulation = Simulation(model, seed)
    pieces = []
    for number in range(1, BATCHES):
        simulation.run(end / BATCHES * number)
        pieces.append(simulation.take_queues())
    simulation.run(end)
    pieces.append(simulation.take_queues())
    return pieces[1:]


def close(pieces: list[Batch], of: Callable[[Batch], float], expected: float) -> None:
    """What theory expects lies in the band of the pieces' means."""
    mean, half = interval([of(piece) for piece in pieces])
    print(f"{mean:.6g} ± {half:.2g}, theory {expected:.6g}")
    assert abs(mean - expected) <= half, f"{mean} ± {half}, expected {expected}"


def mean_wait(queue: str) -> Callable[[Batch], float]:
    return lambda piece: piece[queue].wait_s / piece[queue].answered


def waited(queue: str) -> Callable[[Batch], float]:
    return lambda piece: piece[queue].waited / piece[queue].answered


def blocked(queue: str) -> Callable[[Batch], float]:
    return lambda piece: piece[queue].blocked / piece[queue].offered


@Counts
@pytest.mark.parametrize(("servers", "load"), [(10, 7.0), (30, 30.0)])
def test_erlang_b_blocks_those_who_find_all_agents_busy(
    servers: int, load: float, count: int
) -> None:
    queue = c.DefineQueue(queue="q", max_ewt_s=1e-9)
    pieces = batches([queue], agents(servers), streams({"q": load}, count), seed=1)
    close(pieces, blocked("q"), erlang_b(servers, load))
    assert all(piece["q"].waited == 0 for piece in pieces)


@Counts
@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (10, 7.0), (10, 8.5), (50, 45.0)])
def test_erlang_c_says_how_many_wait_and_how_long(servers: int, load: float, count: int) -> None:
    pieces = batches(
        [c.DefineQueue(queue="q")], agents(servers), streams({"q": load}, count), seed=2
    )
    close(pieces, waited("q"), erlang_c(servers, load))
    close(pieces, mean_wait("q"), erlang_c(servers, load) * MEAN_S / (servers - load))


@Counts
def test_erlang_a_says_how_many_give_up(count: int) -> None:
    servers, load, patience_s = 20, 22.0, 15.0
    pieces = batches(
        [c.DefineQueue(queue="q")],
        agents(servers),
        streams({"q": load}, count, exponential(patience_s)),
        seed=3,
    )
    abandons, waits, wait_s = erlang_a(servers, load, MEAN_S, patience_s)
    close(pieces, lambda piece: piece["q"].abandoned / piece["q"].offered, abandons)
    close(
        pieces,
        lambda piece: (piece["q"].waited + piece["q"].abandoned) / piece["q"].offered,
        waits,
    )
    close(
        pieces,
        lambda piece: (piece["q"].wait_s + piece["q"].abandoned_wait_s) / piece["q"].offered,
        wait_s,
    )


@Counts
def test_a_class_with_priority_goes_first_and_interrupts_nobody(count: int) -> None:
    servers, loads = 8, (3.0, 3.5)
    queues = [
        c.DefineQueue(queue="first", priority=1, ageing=0.0),
        c.DefineQueue(queue="second", ageing=0.0),
    ]
    pieces = batches(
        queues,
        agents(servers),
        streams({"first": loads[0], "second": loads[1]}, count),
        seed=4,
    )
    first, second = priorities(servers, loads, MEAN_S)
    close(pieces, mean_wait("first"), first)
    close(pieces, mean_wait("second"), second)


@Counts
def test_an_n_model_waits_as_its_markov_chain_does(count: int) -> None:
    queues = [
        c.DefineQueue(queue="a", skills={"a": 1}, select="least-skilled", ageing=0.0),
        c.DefineQueue(queue="b", skills={"b": 1}, select="least-skilled", ageing=0.0, priority=1),
    ]
    staff = [*agents(4, "specialist", a=50), *agents(3, "generalist", a=50, b=50)]
    loads = (3.6, 1.2)
    pieces = batches(queues, staff, streams({"a": loads[0], "b": loads[1]}, count), seed=5)
    wait_a, wait_b, _ = n_model(4, 3, loads, MEAN_S)
    close(pieces, mean_wait("a"), wait_a)
    close(pieces, mean_wait("b"), wait_b)


@Counts
@pytest.mark.parametrize(
    ("load", "blocking", "wait_s"),
    [(77.4, 0.000168, 0.0828), (84.0, 0.003643, 0.4500), (90.0, 0.02349, 1.2430)],
)
def test_ninety_agents_with_thirty_waiting_places(
    load: float, blocking: float, wait_s: float, count: int
) -> None:
    found_blocking, found_wait_s = limited(90, 30, load, MEAN_S)
    assert found_blocking == pytest.approx(blocking, rel=4e-3)
    assert found_wait_s == pytest.approx(wait_s, rel=1e-3)
    queue = c.DefineQueue(queue="q", max_waiting=30)
    pieces = batches([queue], agents(90), streams({"q": load}, count), seed=7)
    close(pieces, blocked("q"), found_blocking)
    close(pieces, mean_wait("q"), found_wait_s)

"""How the engine's work grows with the number of agents: counted, not timed.

What is counted is lines of the engine that are executed, loops with each turn. The center is that
of `bench acd`, with all of its features in use; only the policy in Python is left out, because what
it is shown is bounded, and less in a small center.
"""

from __future__ import annotations

import sys
from math import log
from types import FrameType
from typing import Any

import pytest

from bench.acd import Center, measure
from tests.conftest import NATIVE

needs_sources = pytest.mark.skipif(NATIVE, reason="lines of native code are not counted")
ENGINE = ("cicswitch.acd.", "cicswitch.core.timers")


def lines_an_event(agents: int, waiting: int, profiles: int, events: int) -> float:
    """Lines of the engine for a mean event."""
    center = Center(agents, waiting, profiles)
    del center.engine.choosers["queue-3"]
    measure(center, events // 2)
    counted = 0

    def of_line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        counted += event == "line"
        return of_line

    def of_call(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        return of_line if name.startswith(ENGINE) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        _, spent = measure(center, events)
    finally:
        sys.settrace(before)
    return counted / len(spent)


def grows(small: int, large: int, waiting: int, profiles: int, events: int) -> float:
    """How many times the logarithm the cost grows."""
    few = lines_an_event(small, waiting, profiles, events)
    many = lines_an_event(large, waiting, profiles, events)
    return many / few / (log(large) / log(small))


@needs_sources
@pytest.mark.parametrize("profiles", [50, 10_000])
@pytest.mark.parametrize("waiting", [0, 1_000])
def test_ten_times_the_agents_cost_no_more_than_the_logarithm(waiting: int, profiles: int) -> None:
    assert grows(200, 2_000, waiting, profiles, 3_000) <= 1.0


@needs_sources
@pytest.mark.soak
@pytest.mark.parametrize("profiles", [50, 10_000])
@pytest.mark.parametrize("waiting", [0, 1_000, 100_000])
def test_a_hundred_thousand_agents_too(waiting: int, profiles: int) -> None:
    assert grows(1_000, 100_000, waiting, profiles, 10_000) <= 1.0

"""A user's policy that misbehaves decides nothing and stops nothing."""

from __future__ import annotations

import threading
import time

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.runtime.policy import Asked, Choose, Free, Policy, find
from tests.acd.test_engine import Floor, agents, call, queue


def floor(function: Choose, **settings: bool) -> tuple[Floor, Policy]:
    it = Floor(queue(skills={"ko": 1}), *agents("a", ko=10))
    it.wait(1)
    it.do(*agents("b", ko=60))
    policy = Policy(function, budget_s=0.02, **settings)
    it.engine.choosers["q"] = policy
    return it, policy


def ask(it: Floor, name: str = "1") -> tuple[str, list[str]]:
    events = it.do(call(name, customer="c", priority=3))
    chosen = next(x.agent for x in events if isinstance(x, e.Reserved))
    it.do(c.Leave(name))
    return chosen, [x.reason for x in events if isinstance(x, e.PolicyFailed)]


def test_it_sees_what_it_needs_and_its_choice_counts() -> None:
    seen: list[tuple[Asked, list[Free]]] = []

    def choose(asked: Asked, free: list[Free]) -> str:
        seen.append((asked, free))
        return max(free, key=lambda agent: agent.skills["ko"]).agent

    it, _ = floor(choose)
    assert ask(it) == ("b", [])
    ((asked, free),) = seen
    assert asked == Asked("1", "q", "voice", "ko", 3, 0.0, "c")
    assert [(x.agent, x.idle_s, x.answered, x.in_hand) for x in free] == [
        ("a", 1.0, 0, 0),
        ("b", 0.0, 0, 0),
    ]


def for_ever(asked: Asked, free: list[Free]) -> str:
    while True:
        try:
            time.sleep(0)
        except Exception:  # even one that catches everything
            continue


def sleeps(asked: Asked, free: list[Free]) -> str:
    time.sleep(0.05)
    return "b"


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (for_ever, "TimeoutError: it took longer than 20 ms"),
        (sleeps, "TimeoutError: it took longer than 20 ms"),
        (lambda asked, free: 1 // 0, "ZeroDivisionError: integer division or modulo by zero"),
        (lambda asked, free: "nobody", 'LookupError: it named "nobody", who is not free'),
        (lambda asked, free: None, "it named nobody of those who are free"),
        (lambda asked, free: free[5].agent, "IndexError: list index out of range"),
    ],
)
def test_the_queues_own_policy_decides_when_it_fails(function: Choose, reason: str) -> None:
    it, _ = floor(function)
    began = time.monotonic()
    assert ask(it) == ("a", [reason])
    assert time.monotonic() - began < 1.0
    assert it.engine.policy_failures == 1


def test_over_budget_three_times_it_is_left_out_for_a_minute() -> None:
    calls: list[str] = []

    def slow(asked: Asked, free: list[Free]) -> str:
        calls.append(asked.interaction)
        time.sleep(0.05)
        return "b"

    it, policy = floor(slow)
    for number in range(5):
        assert ask(it, str(number))[0] == "a"
    assert calls == ["0", "1", "2"]
    assert policy.over_budget == 3
    it.wait(61)
    ask(it, "9")
    assert calls[-1] == "9"


def test_a_shadow_never_decides() -> None:
    it, policy = floor(lambda asked, free: "b", shadow=True)
    assert ask(it) == ("a", [])
    assert policy.differed == 1
    it, policy = floor(for_ever, shadow=True)
    assert ask(it) == ("a", [])
    assert policy.over_budget == 1


def test_in_another_thread_it_is_measured_only() -> None:
    results: list[tuple[str, list[str]]] = []

    def work() -> None:
        it, policy = floor(sleeps)
        results.append(ask(it))
        assert policy.over_budget == 1

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results == [("b", [])]


def test_functions_are_found_by_name_or_imported() -> None:
    assert find("mine", {"mine": for_ever}) is for_ever
    assert find(f"{__name__}:sleeps", {}) is sleeps
    for name in ("other", "no.such.module:x", f"{__name__}:nothing", "sys:path"):
        with pytest.raises(LookupError):
            find(name, {})

"""Who joins and who leaves, by what the agents are doing."""

from __future__ import annotations

from typing import get_args

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.queue import ABSENT
from cicswitch.config import Absent
from tests.acd.test_engine import Floor, agents, call, queue
from tests.acd.test_opening import outcomes
from tests.acd.test_routing import offered

EVERYTHING = tuple(ABSENT)


def bring(floor: Floor, state: str) -> None:
    """The agent into a state in which he may take no call."""
    match state:
        case "offline":
            floor.do(c.SignOut("a"))
        case "paused":
            floor.do(c.Pause("a", ""))
        case "communicating":
            floor.do(c.Seize("a"))
        case _:
            floor.do(c.Enqueue(interaction="0", queue="other"))
            if state == "not-responding":
                floor.do(c.Reject(floor.reserved("0")))
                floor.do(c.Leave("0"))
            elif state != "alerting":
                floor.do(c.Accept(floor.reserved("0")))
                if state == "wrap-up":
                    floor.do(c.Finish("0"))
    word = floor.state("a")
    assert word == ("talking" if state == "interacting" else state)


def floor_with(**settings: object) -> Floor:
    own = c.DefineQueue(queue="q", **settings)  # type: ignore[arg-type]  # each test gives keys of its own
    return Floor(queue("other", wrap_up_s=30), own, *agents("a"))


@pytest.mark.parametrize("state", EVERYTHING)
def test_nobody_joins_while_all_agents_do_what_counts_as_nobody(state: str) -> None:
    floor = floor_with(join_empty=(state,))
    assert offered(floor.do(call("1"))) == [("1", "a")]
    floor.do(c.Leave("1"))
    bring(floor, state)
    assert floor.do(call("2")) == [e.QueueRefused(1000.0, "2", "q", "empty")]
    floor.do(*agents("b"), c.Pause("b", ""))
    if state != "paused":  # one who does something else is somebody
        assert isinstance(floor.do(call("3"))[0], e.InteractionQueued)


@pytest.mark.parametrize("state", EVERYTHING)
def test_who_waits_leaves_when_all_agents_do_what_counts_as_nobody(state: str) -> None:
    floor = floor_with(leave_empty=(state,))
    floor.do(*agents("b"), c.Pause("b", "meal") if state != "paused" else c.Seize("b"))
    bring(floor, state)
    floor.do(call("1"))
    assert floor.engine.waiting("q")
    gone = c.RemoveAgent("b") if state == "offline" else c.SignOut("b")
    assert outcomes(floor.do(gone)) == [("1", "empty")]


@pytest.mark.parametrize("state", ["paused", "interacting", "wrap-up"])
def test_other_states_are_somebody(state: str) -> None:
    others = tuple(name for name in ABSENT if name != state)
    floor = floor_with(join_empty=others, leave_empty=others)
    bring(floor, state)
    floor.do(call("1"))
    assert outcomes(floor.wait(20)) == []


def test_who_joins_where_all_count_as_nobody_leaves_at_once() -> None:
    floor = floor_with(leave_empty=("paused",))
    bring(floor, "paused")
    assert outcomes(floor.do(call("1"))) == [("1", "empty")]


def test_who_could_take_it_now_is_somebody_whatever_he_does() -> None:
    floor = floor_with(join_empty=("interacting",), leave_empty=("interacting",))
    floor.do(c.Enqueue(interaction="0", queue="other", medium="email"))
    floor.do(c.Accept(floor.reserved("0")))
    assert floor.state("a") == "handling"
    assert offered(floor.do(call("1"))) == [("1", "a")]


def test_only_those_who_serve_it_are_asked() -> None:
    floor = Floor(
        queue(skills={"ko": 50}, join_empty=("paused",)), *agents("low", ko=20), *agents("k", ko=60)
    )
    floor.do(c.Pause("k", ""))
    assert floor.do(call("1")) == [e.QueueRefused(1000.0, "1", "q", "empty")]
    floor.do(queue(agents=("k",), join_empty=("paused",)))
    assert floor.do(call("2")) == [e.QueueRefused(1000.0, "2", "q", "empty")]


def test_an_offer_that_fails_leaves_nobody() -> None:
    floor = floor_with(leave_empty=("not-responding",), ring_s=5)
    floor.do(call("1"))
    assert outcomes(floor.wait(6)) == [("1", "empty")]


def test_a_change_of_the_queue_or_of_an_agent_is_looked_at_too() -> None:
    floor = floor_with()
    bring(floor, "paused")
    floor.do(call("1"))
    assert outcomes(floor.do(queue(leave_empty=("paused",)))) == [("1", "empty")]
    floor = Floor(queue(skills={"ko": 1}, leave_empty=("paused",)), *agents("k", ko=1))
    floor.do(*agents("p", ko=1), c.Pause("p", ""), call("1"), call("2"))
    floor.do(c.Accept(floor.reserved("1")))
    assert floor.engine.waiting("q")
    assert outcomes(floor.do(c.DefineAgent(agent="k"))) == [("2", "empty")]


def test_the_configuration_knows_the_same_words() -> None:
    assert set(get_args(Absent)) == set(ABSENT)

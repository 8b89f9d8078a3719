"""Queues that are closed."""

from __future__ import annotations

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.explain import of_agent, of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.core.errors import Conflict, NotFound
from tests.acd.test_engine import Floor, agents, call, queue
from tests.acd.test_routing import offered


def outcomes(events: list[e.AcdEvent]) -> list[tuple[str, str]]:
    return [(x.interaction, x.outcome) for x in events if isinstance(x, e.InteractionLeft)]


def test_a_closed_queue_takes_nobody_until_it_opens() -> None:
    floor = Floor(queue(), *agents("a"))
    assert floor.do(c.Close("q")) == [e.QueueClosed(1000.0, "q")]
    assert floor.do(call("1")) == [e.QueueRefused(1000.0, "1", "q", "closed")]
    assert floor.do(queue(priority=1), call("2")) == [e.QueueRefused(1000.0, "2", "q", "closed")]
    assert floor.do(c.Open("q")) == [e.QueueOpened(1000.0, "q")]
    assert offered(floor.do(call("3"))) == [("3", "a")]


@pytest.mark.parametrize("command", [c.Open("q"), c.Close("r"), c.Close("x")])
def test_what_is_so_already_or_is_no_queue_is_refused(command: c.Command) -> None:
    floor = Floor(queue(), queue("r"), c.Close("r"))
    with pytest.raises((Conflict, NotFound)):
        floor.do(command)


def test_who_waits_when_it_closes_is_served() -> None:
    floor = Floor(queue(), call("1"), c.Close("q"))
    assert offered(floor.do(*agents("a"))) == [("1", "a")]


def test_who_waits_when_it_closes_leaves_where_the_queue_says_so() -> None:
    floor = Floor(queue(at_close="leave", ring_s=10), *agents("a"))
    floor.do(call("1"), call("2"))
    assert outcomes(floor.do(c.Close("q"))) == [("2", "closed")]
    # The first rings at an agent: it leaves when that comes to nothing.
    assert outcomes(floor.wait(11)) == [("1", "closed")]


def test_who_is_away_keeps_a_place_and_is_served_after_the_end() -> None:
    floor = Floor(queue(at_close="leave"), call("1", away=True), c.Close("q"))
    floor.do(call("2", away=True), c.Join(interaction="1"))
    assert outcomes(floor.wait(60)) == []
    assert offered(floor.do(*agents("a"))) == [("1", "a")]
    # Its queue was closed already when it began to ring.
    assert outcomes(floor.do(c.Reject(floor.reserved("1")))) == []


def test_a_queue_that_is_told_so_while_it_is_closed_lets_go_who_waits() -> None:
    floor = Floor(queue(), call("1"), c.Close("q"))
    assert outcomes(floor.do(queue(at_close="leave"))) == [("1", "closed")]


def test_nothing_is_handed_over_or_moved_to_a_closed_queue() -> None:
    rings = (c.Ring(after_s=5, queue="r", priority=3), c.Ring(after_s=10, queue="s"))
    floor = Floor(queue(rings=rings), queue("r"), queue("s"), c.Close("r"), call("1"))
    with pytest.raises(Conflict, match='queue "r" is closed'):
        floor.do(c.Move("1", "r"))
    (relaxed,) = floor.wait(6)
    assert isinstance(relaxed, e.Relaxed)
    assert floor.engine.interactions["1"].priority == 3
    moved = [x.to for x in floor.wait(5) if isinstance(x, e.InteractionMoved)]
    assert moved == ["s"]


def test_a_closed_queue_is_told() -> None:
    floor = Floor(queue(), *agents("a"), c.Pause("a", ""), call("1"), c.Close("q"))
    lines = text(of_interaction(floor.engine, "1", floor.now))
    assert "Queue q is closed: nobody joins, who waits is served." in lines
    assert "Queue q is closed: nobody joins it." in text(of_agent(floor.engine, "a", floor.now))
    floor.do(c.Open("q"))
    assert not of_interaction(floor.engine, "1", floor.now).closed
    assert not of_agent(floor.engine, "a", floor.now).closed

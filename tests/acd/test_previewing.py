"""An agent who has answered looks at what it is before he takes it."""

from __future__ import annotations

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.core.errors import Conflict
from tests.acd.test_engine import Floor, agents, call, queue
from tests.acd.test_opening import outcomes
from tests.acd.test_routing import offered


def test_an_offer_that_is_looked_at_has_a_deadline_of_its_own() -> None:
    floor = Floor(queue(ring_s=10), *agents("a"), call("1"))
    number = floor.reserved("1")
    floor.wait(8)
    assert floor.do(c.Preview(number, 30)) == [
        e.PreviewBegan(1008.0, number, "1", "q", "a", 1038.0)
    ]
    assert floor.wait(29) == []
    assert floor.state("a") == "alerting"
    ended = [x.outcome for x in floor.wait(2) if isinstance(x, e.ReservationEnded)]
    assert ended == ["timed-out"]
    for late in (c.Preview(number, 5), c.Accept(number)):
        with pytest.raises(Conflict):
            floor.do(late)


def test_it_is_looked_at_once() -> None:
    floor = Floor(queue(), *agents("a"), call("1"))
    floor.do(c.Preview(floor.reserved("1"), 30))
    with pytest.raises(Conflict):
        floor.do(c.Preview(floor.reserved("1"), 30))
    floor.do(c.Accept(floor.reserved("1")))
    assert floor.state("a") == "talking"


def test_the_others_who_ring_are_let_go_and_may_get_something_else() -> None:
    floor = Floor(queue(offer_to=3), *agents("a", "b", "c"), call("1"), call("2"))
    first = floor.engine.interactions["1"].offers[1]
    events = floor.do(c.Preview(first.number, 30))
    ended = {x.agent: x.outcome for x in events if isinstance(x, e.ReservationEnded)}
    assert set(ended.values()) == {"rescinded"}
    assert first.agent.id not in ended
    assert {name for _, name in offered(events)} <= set(ended)


def test_a_customer_who_hangs_up_meanwhile_frees_the_agent() -> None:
    floor = Floor(queue(), *agents("a"), call("1"))
    floor.do(c.Preview(floor.reserved("1"), 30))
    events = floor.do(c.Leave("1"))
    assert outcomes(events) == [("1", "abandoned")]
    assert floor.state("a") == "idle"

"""An agent goes on with what another one handles: a take-over, a transfer from hand to hand."""

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.core.errors import Conflict, NotFound
from tests.acd.test_engine import Floor, agents, call, queue


def talking() -> Floor:
    """Agent `a` talks to `1`; `b` is signed in too."""
    floor = Floor(queue(wrap_up_s=10), *agents("a", "b"), call("1"))
    floor.do(c.Accept(floor.reserved("1")))
    return floor


def test_the_one_wraps_up_and_the_other_talks() -> None:
    floor = talking()
    floor.wait(30)
    events = floor.do(c.TakeOver("1", "b"))
    assert [type(event) for event in events if not isinstance(event, e.AgentChanged)] == [
        e.InteractionHandled,
        e.InteractionTaken,
    ]
    assert (floor.state("a"), floor.state("b")) == ("wrap-up", "talking")
    assert floor.engine.interactions["1"].agent == "b"
    floor.wait(20)
    handled = [each for each in floor.do(c.Finish("1")) if isinstance(each, e.InteractionHandled)]
    assert [(each.agent, each.talk_s) for each in handled] == [("b", 20.0)]


def test_a_hold_ends_with_it_and_counts_for_who_held() -> None:
    floor = talking()
    floor.wait(10)
    floor.do(c.Hold("1"))
    floor.wait(5)
    (first,) = [
        each for each in floor.do(c.TakeOver("1", "b")) if isinstance(each, e.InteractionHandled)
    ]
    assert (first.agent, first.talk_s, first.hold_s) == ("a", 10.0, 5.0)
    floor.wait(7)
    (second,) = [each for each in floor.do(c.Finish("1")) if isinstance(each, e.InteractionHandled)]
    assert (second.agent, second.talk_s, second.hold_s) == ("b", 7.0, 0.0)


def test_what_rings_at_the_other_goes_back_in_line() -> None:
    floor = talking()
    floor.do(call("2"))
    assert floor.state("b") == "alerting"
    floor.do(c.TakeOver("1", "b"))
    assert floor.engine.interactions["2"].agent == ""
    floor.wait(11)
    assert floor.engine.interactions["2"].agent == "a"


def test_who_was_seized_for_it_gets_nothing_else_in_between() -> None:
    floor = talking()
    floor.do(c.Seize("b"), call("2"), c.TakeOver("1", "b"), c.Free("b"))
    assert floor.state("b") == "talking"
    assert floor.engine.interactions["2"].agent == ""


@pytest.mark.parametrize(
    ("before", "agent", "error"),
    [
        ([c.SignOut("b")], "b", Conflict),
        ([], "nobody", NotFound),
        ([], "a", Conflict),
        ([c.Finish("1")], "b", NotFound),
    ],
)
def test_it_is_refused_and_nothing_changes(
    before: list[c.Command], agent: str, error: type[Exception]
) -> None:
    floor = talking()
    floor.do(*before)
    with pytest.raises(error):
        floor.do(c.TakeOver("1", agent))
    assert floor.engine.take_events() == []


def test_who_waits_cannot_be_taken_over() -> None:
    floor = Floor(queue(), *agents("a", "b"), call("1"))
    with pytest.raises(Conflict):
        floor.do(c.TakeOver("1", "b"))


def test_who_has_another_customer_on_the_line_cannot_take_over() -> None:
    floor = talking()
    floor.do(call("2"))
    floor.do(c.Accept(floor.reserved("2")))
    with pytest.raises(Conflict):
        floor.do(c.TakeOver("1", "b"))

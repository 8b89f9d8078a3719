"""What changes while something waits or rings: rings by the estimated wait, agents who become free
for a policy in Python, and agents who join those at whom it rings."""

from __future__ import annotations

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import Agent
from cicswitch.acd.interaction import Interaction
from tests.acd.test_engine import Floor, agents, call, queue
from tests.acd.test_routing import offered

# -- rings by the estimated wait ---------------------------------------------------------------


def rung(events: list[e.AcdEvent]) -> list[tuple[str, str]]:
    return [(x.interaction, x.reason) for x in events if isinstance(x, e.Relaxed)]


def busy_floor(*names: str, **settings: object) -> Floor:
    """Agents who are signed in and away: 180 s a call for each of them."""
    floor = Floor(queue(**settings), *agents(*names))  # type: ignore[arg-type]  # as in `queue`
    floor.do(*[c.Pause(name, "") for name in names])
    return floor


def test_who_waits_goes_through_a_ring_when_the_estimated_wait_grows_behind_him() -> None:
    floor = busy_floor("a", rings=(c.Ring(ewt_s=500, priority=9),))
    assert rung(floor.do(call("1"))) == []
    # 540 s for the next one to join: the second is through at once, the first soon after.
    assert rung(floor.do(call("2"))) == [("2", "ewt")]
    assert rung(floor.wait(4)) == []
    assert rung(floor.wait(2)) == [("1", "ewt")]
    assert rung(floor.wait(100)) == []
    assert [i.id for i in floor.engine.waiting("q")] == ["1", "2"]  # places are kept


def test_fewer_agents_and_longer_calls_make_the_wait_longer_too() -> None:
    rings = (c.Ring(ewt_s=300, priority=9),)
    floor = busy_floor("a", "b", rings=rings)
    floor.do(call("1"))
    assert rung(floor.wait(60)) == []
    floor.do(c.SignOut("b"))
    assert rung(floor.wait(6)) == [("1", "ewt")]

    floor = busy_floor("a", "b", rings=rings, require="not trainee")
    floor.do(call("1"))
    floor.do(c.DefineAgent(agent="b", skills={"trainee": 1}))
    assert rung(floor.wait(6)) == [("1", "ewt")]

    floor = Floor(queue(rings=rings), *agents("a"), call("0"))
    floor.do(c.Accept(floor.reserved("0")))
    floor.wait(2000)
    floor.engine.queues["q"].handle_s = 10.0  # as if calls had been short until now
    floor.do(call("1"), c.Pause("a", ""))
    assert rung(floor.wait(20)) == []
    floor.do(c.Finish("0"))
    assert rung(floor.wait(6)) == [("1", "ewt")]


def test_the_most_urgent_are_handed_over_until_the_wait_is_short_enough() -> None:
    floor = Floor(
        queue(agents=("a",), rings=(c.Ring(ewt_s=700, queue="r"),)),
        queue("r", agents=("z",)),
        *agents("a", "b"),
        c.Pause("a", ""),
    )
    floor.do(call("1"), call("2"))
    floor.wait(6)
    floor.engine.queues["q"].handle_s = 300.0  # calls have become longer: 900 s
    floor.do(c.DefineAgent(agent="a"))
    moved = [x.interaction for x in floor.wait(6) if isinstance(x, e.InteractionMoved)]
    assert moved == ["1"]
    assert [i.id for i in floor.engine.waiting("q")] == ["2"]


def test_nothing_is_looked_at_where_no_ring_waits_for_it_or_nobody_waits() -> None:
    floor = busy_floor("a", rings=(c.Ring(after_s=50, priority=1),))
    floor.do(call("1"))
    assert floor.engine.queues["q"].judged is None
    floor = busy_floor("a", rings=(c.Ring(ewt_s=5000, priority=1),))
    floor.do(call("1"))
    floor.wait(10)
    assert floor.engine.queues["q"].judged is None  # until something changes
    assert floor.engine.next_due is None
    floor.do(c.Leave("1"), c.RemoveQueue("q"))
    floor.wait(10)


def test_many_are_looked_at_a_few_at_a_time() -> None:
    floor = busy_floor("a", rings=(c.Ring(ewt_s=180 * 70, priority=9),))
    for number in range(70):
        floor.do(call(str(number)))
    through = [len(rung(floor.wait(5.5))) for _ in range(3)]
    assert through == [50, 18, 0]


# -- policies ----------------------------------------------------------------------------------


class Policy:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self, floor: Floor, *queues: str) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.passes: set[str] = set()
        for name in queues:
            floor.engine.choosers[name] = self

    def __call__(self, interaction: Interaction, free: list[Agent], now: float) -> Agent | None:
        self.asked.append((interaction.id, [agent.id for agent in free]))
        return None if interaction.id in self.passes else free[-1]


def test_a_policy_is_asked_when_an_agent_becomes_free() -> None:
    floor = Floor(queue(), call("1"), call("2"))
    policy = Policy(floor, "q")
    assert offered(floor.do(*agents("a"))) == [("1", "a")]
    assert policy.asked == [("1", ["a"])]
    assert floor.engine.policy_failures == 0


def test_a_policy_that_would_rather_wait_gives_the_agent_to_the_next_line() -> None:
    floor = Floor(queue(), queue("r"), call("1"), c.Enqueue(interaction="2", queue="r"))
    policy = Policy(floor, "q")
    policy.passes = {"1"}
    assert offered(floor.do(*agents("a"))) == [("2", "a")]
    # There is nothing else: he gets it all the same.
    assert offered(floor.do(*agents("b"))) == [("1", "b")]
    assert policy.asked == [("1", ["a"]), ("1", ["b"])]
    assert floor.engine.policy_failures == 0


def test_two_policies_that_would_rather_wait_leave_the_most_urgent() -> None:
    floor = Floor(queue(), queue("r"), call("1"), c.Enqueue(interaction="2", queue="r"))
    policy = Policy(floor, "q", "r")
    policy.passes = {"1", "2"}
    assert offered(floor.do(*agents("a"))) == [("1", "a")]
    assert [name for name, _ in policy.asked] == ["1", "2"]


def test_nobody_waits_past_the_bound_for_a_policy() -> None:
    floor = Floor(queue(bound_s=30), queue("r"), call("1"), c.Enqueue(interaction="2", queue="r"))
    policy = Policy(floor, "q")
    policy.passes = {"1"}
    floor.wait(31)
    assert offered(floor.do(*agents("a"))) == [("1", "a")]
    assert policy.asked == []


def test_none_about_the_only_one_who_is_free_is_no_mistake() -> None:
    floor = Floor(queue(), *agents("a"))
    floor.engine.choosers["q"] = lambda interaction, free, now: None
    events = floor.do(call("1"))
    assert offered(events) == [("1", "a")]
    assert floor.engine.policy_failures == 0
    floor = Floor(queue(), *agents("a", "b"))
    floor.engine.choosers["q"] = lambda interaction, free, now: None
    assert [type(x) for x in floor.do(call("1"))].count(e.PolicyFailed) == 1


@pytest.mark.parametrize("wrong", ["raises", "another"])
def test_a_mistake_of_a_policy_is_contained_then_too(wrong: str) -> None:
    floor = Floor(queue(), call("1"), *agents("other"), c.Leave("1"), c.Pause("other", ""))
    floor.do(call("1"))

    def policy(interaction: Interaction, free: list[Agent], now: float) -> Agent | None:
        if wrong == "raises":
            raise ValueError("no idea")
        return floor.engine.agents["other"]

    floor.engine.choosers["q"] = policy
    events = floor.do(*agents("a"))
    assert offered(events) == [("1", "a")]
    (failed,) = [x.reason for x in events if isinstance(x, e.PolicyFailed)]
    assert (
        failed
        == {
            "raises": "ValueError: no idea",
            "another": "it named nobody of those who are free",
        }[wrong]
    )


# -- ring all ----------------------------------------------------------------------------------


def test_agents_who_become_free_join_those_at_whom_it_rings_up_to_the_number() -> None:
    floor = Floor(queue(offer_to=3), *agents("a"), call("1"))
    assert offered(floor.do(*agents("b"))) == [("1", "b")]
    floor.do(*agents("c"))
    assert offered(floor.do(*agents("d"))) == []
    events = floor.do(c.Accept(floor.engine.interactions["1"].offers[1].number))
    assert floor.state("b") == "talking"
    assert {x.outcome for x in events if isinstance(x, e.ReservationEnded)} == {
        "accepted",
        "rescinded",
    }
    assert offered(floor.do(call("2"))) != []


def test_what_waits_goes_before_what_rings_already() -> None:
    floor = Floor(queue(offer_to=2), queue("r", agents=("b",)), *agents("a"), call("1"))
    floor.do(c.Enqueue(interaction="2", queue="r"))
    assert offered(floor.do(*agents("b"))) == [("2", "b")]


def test_an_agent_who_refused_is_not_asked_again_while_it_rings_at_others() -> None:
    rules = {"rejected": c.FailRule(then="rest", seconds=2)}
    floor = Floor(queue(offer_to=3, on_fail=rules), *agents("a", "b"), call("1"))
    first = floor.engine.interactions["1"].offers[0]
    floor.do(c.Reject(first.number))
    assert offered(floor.wait(5)) == []
    other = floor.engine.interactions["1"].offers[0]
    # It goes back into line with the last refusal, and rings at all who are free again.
    assert offered(floor.do(c.Reject(other.number))) == [("1", first.agent.id)]
    assert offered(floor.wait(5)) == [("1", other.agent.id)]


def test_only_those_who_may_take_it_join() -> None:
    floor = Floor(queue(offer_to=3, skills={"ko": 50}), *agents("a", ko=60), call("1"))
    assert offered(floor.do(*agents("none"))) == []
    rings = (c.Ring(after_s=5, skills={"ko": 0}),)
    floor.do(queue(offer_to=3, skills={"ko": 50}, rings=rings, ring_s=60))
    # A ring loosens what it asks for while it rings.
    assert offered(floor.wait(6)) == [("1", "none")]


def test_nobody_joins_one_who_looks_at_it_already_or_an_offer_to_one() -> None:
    floor = Floor(queue(offer_to=2), queue("r"), *agents("a"), call("1"))
    floor.do(c.Preview(floor.reserved("1"), 60))
    assert offered(floor.do(*agents("b"))) == []
    assert offered(floor.do(queue(offer_to=2, priority=1))) == []
    floor.do(c.Enqueue(interaction="2", queue="r"))
    assert offered(floor.do(*agents("d"))) == []


def test_nobody_is_offered_the_same_twice_at_once() -> None:
    floor = Floor(queue(), *agents("a"), call("1", medium="chat"))  # he could take two chats
    assert offered(floor.do(queue(offer_to=2))) == []
    assert offered(floor.do(*agents("b"))) == [("1", "b")]


def test_a_queue_that_is_told_to_ring_more_does() -> None:
    floor = Floor(queue(), *agents("a", "b", "d"), call("1"))
    assert len(offered(floor.do(queue(offer_to=2)))) == 1
    assert len(floor.engine.interactions["1"].offers) == 2

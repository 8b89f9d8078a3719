"""What queues and agents can be told about routing, one thing a test."""

from __future__ import annotations

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
from cicswitch.acd.skills import SkillsError, parse
from cicswitch.core.errors import Conflict, NotFound
from tests.acd.test_engine import Floor, agents, call, queue


def offered(events: list[e.AcdEvent]) -> list[tuple[str, str]]:
    return [(x.interaction, x.agent) for x in events if isinstance(x, e.Reserved)]


def take(floor: Floor, name: str) -> list[e.AcdEvent]:
    return floor.do(c.Accept(floor.reserved(name)))


# -- what is asked for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "skills", "meets"),
    [
        ("ko", "ko", {"ko": 1}, True),
        ("ko >= 50", "ko >= 50", {"ko": 49}, False),
        ("b and a", "a and b", {"a": 1, "b": 1}, True),
        ("a or b and c", "a or (b and c)", {"b": 9}, False),
        ("(a or b) and c", "(a or b) and c", {"b": 9, "c": 1}, True),
        ("not (a or b)", "not (a or b)", {"c": 9}, True),
        ("not not a", "a", {"a": 1}, True),
        ("a >= 20 and a >= 60", "a >= 60", {"a": 50}, False),
        ("a or a", "a", {}, False),
        ("", "", {}, True),
    ],
)
def test_expressions(text: str, shown: str, skills: dict[str, int], meets: bool) -> None:
    need = parse(text)
    assert need.text() == shown
    assert parse(need.text()) == need
    assert need.meets(skills) is meets
    assert bool(need.missing(skills)) is not meets


@pytest.mark.parametrize(
    ("text", "expected", "at"),
    [
        ("a and", "a skill, not or (", 5),
        ("(a", ")", 2),
        ("a b", "and, or, or the end", 2),
        ("a >= x", "a level from 1 to 100", 5),
        (">= 5", "a skill, not or (", 0),
    ],
)
def test_an_expression_with_a_mistake_says_what_was_expected_where(
    text: str, expected: str, at: int
) -> None:
    with pytest.raises(SkillsError) as caught:
        parse(text)
    assert (caught.value.expected, caught.value.at) == (expected, at)


def test_relaxing_changes_levels_and_drops_skills() -> None:
    need = parse("ko >= 50 and (vip or sales >= 30) and not trainee")
    assert need.relax({"ko": 20}).text() == "ko >= 20 and not trainee and (sales >= 30 or vip)"
    assert need.relax({"ko": 0, "vip": 0}).text() == "not trainee"
    assert need.relax({"trainee": 0}).text() == "ko >= 50 and (sales >= 30 or vip)"


def test_a_queue_may_ask_by_expression() -> None:
    floor = Floor(
        queue(require="ko >= 50 or (en and not trainee)"),
        *agents("t", en=90, trainee=1),
        *agents("k", ko=50),
        *agents("e", en=1),
    )
    assert offered(floor.do(call("1"), call("2"), call("3"))) == [("1", "k"), ("2", "e")]


# -- rings -------------------------------------------------------------------------------------


def test_a_queue_that_loses_its_rings_has_none_for_those_who_wait_either() -> None:
    floor = Floor(queue(skills={"ko": 80}, rings=(c.Ring(after_s=20, skills={"ko": 0}),)))
    floor.do(*agents("low", ko=40), call("1"))
    floor.do(queue(skills={"ko": 80}))
    assert offered(floor.wait(60)) == []


def test_a_queue_that_gets_rings_has_them_for_those_who_wait_too() -> None:
    floor = Floor(queue(skills={"ko": 80}), *agents("low", ko=40), call("1"))
    floor.wait(10)
    floor.do(queue(skills={"ko": 80}, rings=(c.Ring(after_s=20, skills={"ko": 0}),)))
    assert offered(floor.wait(9)) == []
    assert offered(floor.wait(2)) == [("1", "low")]


def test_rings_loosen_what_is_asked_for_and_keep_the_place() -> None:
    rings = (c.Ring(after_s=20, skills={"ko": 30}), c.Ring(after_s=40, skills={"ko": 0}))
    floor = Floor(queue(skills={"ko": 80}, rings=rings), *agents("low", ko=40))
    floor.do(call("1"))
    floor.wait(10)
    floor.do(call("2"))
    events = floor.wait(11)
    relaxed = [x for x in events if isinstance(x, e.Relaxed)]
    assert [(x.interaction, x.ring, x.need, x.reason) for x in relaxed] == [
        ("1", 1, "ko >= 30", "waited")
    ]
    assert offered(events) == [("1", "low")]
    take(floor, "1")
    floor.do(*agents("none"))
    floor.wait(29)  # 40 s after it came: anybody may take the second
    assert floor.reserved("2") == 0
    assert offered(floor.wait(1)) == [("2", "none")]


def test_a_ring_adds_agents_and_priority() -> None:
    rings = (c.Ring(after_s=15, agents=("b",), priority=50),)
    floor = Floor(*agents("a", "b"), queue(agents=("a",), rings=rings))
    floor.do(c.Pause("a", ""), call("1"))
    assert offered(floor.wait(14)) == []
    assert offered(floor.wait(2)) == [("1", "b")]
    assert floor.engine.interactions["1"].priority == 50


def test_a_changed_queue_has_other_rings_for_those_who_wait() -> None:
    floor = Floor(
        queue(
            skills={"ko": 50}, rings=(c.Ring(after_s=5, priority=9), c.Ring(after_s=60, priority=1))
        ),
        *agents("a"),
    )
    floor.do(call("1", priority=3))
    floor.wait(6)
    assert floor.engine.interactions["1"].priority == 12
    floor.do(queue(skills={"ko": 50}, priority=100, rings=(c.Ring(after_s=5, priority=7),)))
    assert floor.engine.interactions["1"].priority == 110
    rings = (c.Ring(after_s=5, priority=7), c.Ring(after_s=10, skills={"ko": 0}))
    floor.do(queue(skills={"ko": 50}, rings=rings))
    assert offered(floor.wait(5)) == [("1", "a")]
    floor.do(c.Leave("1"), queue(skills={"ko": 50}, rings=(c.Ring(after_s=5, priority=1),)))
    floor.do(call("2"))
    floor.do(queue(skills={"ko": 50}))
    floor.wait(60)
    assert floor.engine.interactions["2"].ring == 0


def test_a_ring_hands_over_to_another_queue_and_the_place_counts_from_the_same_time() -> None:
    floor = Floor(
        queue(agents=("a",), rings=(c.Ring(after_s=30, queue="r"),)),
        queue("r", priority=7),
        *agents("a", "b"),
        c.Pause("a", ""),
        c.Pause("b", ""),
    )
    floor.do(call("1"))
    floor.wait(20)
    floor.do(c.Enqueue(interaction="2", queue="r"))
    events = floor.wait(11)
    moved = next(x for x in events if isinstance(x, e.InteractionMoved))
    assert (moved.queue, moved.to, moved.reason, round(moved.wait_s)) == ("q", "r", "overflow", 30)
    queued = next(x for x in events if isinstance(x, e.InteractionQueued))
    assert (queued.queue, queued.priority, queued.queued_at) == ("r", 7, 1000.0)
    assert offered(floor.do(c.Ready("b"))) == [("1", "b")]


def test_a_ring_for_the_unstaffed_takes_effect_at_once_and_when_the_last_one_leaves() -> None:
    rings = (c.Ring(unstaffed=True, skills={"ko": 0}),)
    floor = Floor(queue(skills={"ko": 1}, rings=rings), *agents("k", ko=9), c.Pause("k", ""))
    floor.do(call("1"))
    assert floor.engine.interactions["1"].ring == 0
    floor.do(*agents("e"))
    events = floor.do(c.SignOut("k"))
    assert offered(events) == [("1", "e")]
    floor.do(call("2"))
    assert floor.engine.interactions["2"].ring == 1


def test_a_ring_by_estimated_wait() -> None:
    rings = (c.Ring(ewt_s=500, priority=9),)
    floor = Floor(queue(rings=rings), *agents("a"), c.Pause("a", ""))
    floor.do(call("1"), call("2"), call("3"))
    # 180 s a call until one has been handled: 360, 540 and 720 s with one agent.
    assert [i.ring for i in floor.engine.interactions.values()] == [0, 1, 1]


@pytest.mark.parametrize(("rule", "left"), [("wait", []), ("leave", ["exhausted"])])
def test_after_the_last_ring_the_queue_says_what_comes(rule: str, left: list[str]) -> None:
    floor = Floor(queue(rings=(c.Ring(after_s=10, priority=1),), exhausted=rule))
    floor.do(call("1"))
    events = floor.wait(11)
    assert [x.outcome for x in events if isinstance(x, e.InteractionLeft)] == left


def test_queues_that_hand_over_to_each_other_at_once_do_so_once() -> None:
    floor = Floor(
        queue(rings=(c.Ring(unstaffed=True, queue="r"),)),
        queue("r", rings=(c.Ring(unstaffed=True, queue="q"),)),
    )
    floor.do(call("1"))
    assert floor.engine.interactions["1"].queue.name in ("q", "r")


# -- preferred agents --------------------------------------------------------------------------


def test_a_preferred_agent_is_waited_for_and_needs_no_skill() -> None:
    floor = Floor(queue(skills={"ko": 1}), *agents("k", ko=9), *agents("kim"), c.Pause("kim", ""))
    assert offered(floor.do(call("1", prefer=("kim",), patience_s=40))) == []
    assert offered(floor.do(c.Ready("kim"))) == [("1", "kim")]


def test_when_the_patience_is_over_everybody_may_take_it() -> None:
    floor = Floor(queue(), *agents("lee"), *agents("kim"), c.Pause("kim", ""))
    floor.do(call("1", prefer=("kim",), patience_s=40))
    assert offered(floor.wait(39)) == []
    assert offered(floor.wait(2)) == [("1", "lee")]


def test_nobody_waits_for_a_preferred_agent_who_is_not_at_work() -> None:
    floor = Floor(queue(), *agents("lee"), c.DefineAgent(agent="kim"))
    assert offered(floor.do(call("1", prefer=("kim",)))) == [("1", "lee")]


# -- between queues ----------------------------------------------------------------------------


def next_of(floor: Floor, *calls: c.Command) -> str:
    floor.do(*calls)
    return offered(floor.do(*agents("kim")))[0][0]


def test_weight_multiplies_priority_and_ageing() -> None:
    floor = Floor(queue(), queue("r", weight=3.0))
    floor.do(call("1"))
    floor.wait(10)
    floor.do(c.Enqueue(interaction="2", queue="r"))
    floor.wait(6)  # 16 points against 3 * 6
    assert next_of(floor) == "2"


def test_nobody_waits_longer_than_the_bound_behind_others() -> None:
    floor = Floor(queue(bound_s=60), queue("r", priority=1000))
    floor.do(call("1"))
    floor.wait(59)
    floor.do(c.Enqueue(interaction="2", queue="r"))
    floor.wait(2)
    assert next_of(floor) == "1"


def test_within_a_line_too_the_oldest_past_the_bound_goes_first() -> None:
    floor = Floor(queue(bound_s=60))
    floor.do(call("old"))
    floor.wait(50)
    floor.do(call("urgent", priority=500))
    floor.wait(11)
    assert next_of(floor) == "old"


def test_a_queue_below_its_goal_gains_points() -> None:
    floor = Floor(
        queue(goal=0.9, goal_s=20, goal_points=2.0), queue("r", priority=30), *agents("a")
    )
    # Answered late: the level falls to 0, the debt is 180 points.
    floor.do(c.Pause("a", ""), call("1"))
    floor.wait(50)
    floor.do(c.Ready("a"))
    take(floor, "1")
    floor.do(call("2"), c.Enqueue(interaction="3", queue="r"))
    assert offered(floor.do(c.Finish("1"))) == [("2", "a")]


# -- several at once ---------------------------------------------------------------------------


def test_ring_all_the_first_to_accept_wins() -> None:
    floor = Floor(queue(offer_to=3))
    for name in ("a", "b", "c", "d"):
        floor.do(*agents(name))
        floor.wait(1)
    events = floor.do(call("1"))
    assert offered(events) == [("1", "a"), ("1", "b"), ("1", "c")]
    numbers = {x.agent: x.reservation for x in events if isinstance(x, e.Reserved)}
    # The one who was left over joins in the place of who refuses.
    assert offered(floor.do(c.Reject(numbers["a"]))) == [("1", "d")]
    assert floor.engine.interactions["1"].reservation == numbers["b"]
    events = floor.do(c.Accept(numbers["c"]))
    outcomes = {x.agent: x.outcome for x in events if isinstance(x, e.ReservationEnded)}
    assert outcomes == {"b": "rescinded", "c": "accepted", "d": "rescinded"}
    assert (floor.state("b"), floor.state("c")) == ("idle", "talking")
    with pytest.raises(Conflict):
        floor.do(c.Accept(numbers["b"]))


def test_an_agent_holds_as_many_of_a_medium_as_his_capacity_says() -> None:
    floor = Floor(
        queue(), c.DefineAgent(agent="a", capacity={"chat": 3, "voice": 1}), c.SignIn("a")
    )
    chats = [call(str(n), medium="chat") for n in range(4)]
    assert len(offered(floor.do(*chats))) == 3
    for n in range(3):
        take(floor, str(n))
    assert floor.state("a") == "handling"
    assert offered(floor.do(call("v"))) == []  # a call may not interrupt chats
    assert offered(floor.do(c.Finish("1"))) == [("3", "a")]


def test_a_call_may_interrupt_an_email_but_not_another_call() -> None:
    floor = Floor(queue(), *agents("a"))
    floor.do(call("mail", medium="email"))
    take(floor, "mail")
    assert floor.state("a") == "handling"
    assert offered(floor.do(call("v"))) == [("v", "a")]
    take(floor, "v")
    assert floor.state("a") == "talking"
    assert offered(floor.do(call("w"))) == []
    assert offered(floor.do(c.Finish("v"))) == [("w", "a")]
    assert floor.state("a") == "handling"  # he writes on until he answers


def test_a_silent_chat_takes_no_capacity_and_takes_it_back() -> None:
    floor = Floor(queue(), c.DefineAgent(agent="a", capacity={"chat": 1}), c.SignIn("a"))
    floor.do(call("1", medium="chat"), call("2", medium="chat"))
    take(floor, "1")
    assert offered(floor.do(c.Silent("1"))) == [("2", "a")]
    take(floor, "2")
    floor.do(c.Silent("1", False), call("3", medium="chat"))
    assert floor.engine.agents["a"].load == {"chat": 2}
    floor.do(c.Finish("2"))
    assert offered(floor.do(c.Finish("1"))) == [("3", "a")]
    with pytest.raises(Conflict):
        floor.do(c.Silent("3"))


def test_the_wrap_up_of_one_is_not_held_up_by_another() -> None:
    floor = Floor(
        queue(wrap_up={"chat": 5}, wrap_up_s=60),
        c.DefineAgent(agent="a", capacity={"chat": 2}),
        c.SignIn("a"),
    )
    floor.do(call("1", medium="chat"), call("2", medium="chat"))
    take(floor, "1")
    take(floor, "2")
    floor.do(c.Finish("1"), c.WrapUp("a", "resolved", False, "1"))
    ended = [x for x in floor.wait(6) if isinstance(x, e.WrapUpEnded)]
    assert [(x.interaction, x.code) for x in ended] == [("1", "resolved")]
    assert floor.state("a") == "handling"


# -- when an offer fails -----------------------------------------------------------------------


def test_the_queue_says_what_a_failed_offer_does_to_the_agent() -> None:
    rules = {
        "busy": c.FailRule(then="rest", seconds=5),
        "timed-out": c.FailRule(then="pause", code="away", seconds=60),
    }
    floor = Floor(queue(on_fail=rules, ring_s=10), *agents("a"))
    floor.do(call("1"))
    floor.do(c.Reject(floor.reserved("1"), "busy"))
    assert floor.state("a") == "idle"
    assert floor.reserved("1") == 0
    assert offered(floor.wait(6)) == [("1", "a")]
    floor.wait(10)
    assert (floor.state("a"), floor.engine.agents["a"].code) == ("paused", "away")
    assert offered(floor.wait(61)) == [("1", "a")]


def test_an_agent_keeps_his_turn_when_the_caller_hangs_up_while_it_rings() -> None:
    floor = Floor(queue(), *agents("a"))
    floor.wait(5)
    floor.do(*agents("b"))
    floor.do(call("1"))
    floor.do(c.Leave("1"))
    assert offered(floor.do(call("2"))) == [("2", "a")]


# -- joining and changing ----------------------------------------------------------------------


def test_nobody_joins_while_the_estimated_wait_is_too_long() -> None:
    floor = Floor(queue(max_ewt_s=400), *agents("a"), c.Pause("a", ""))
    floor.do(call("1"), call("2"))
    refused = [x for x in floor.do(call("3")) if isinstance(x, e.QueueRefused)]
    assert [x.reason for x in refused] == ["long"]


def test_who_redials_in_time_takes_the_old_place() -> None:
    floor = Floor(queue(redial_s=60))
    floor.do(call("1", customer="x"))
    floor.wait(10)
    floor.do(call("2", customer="y"), c.Leave("1"))
    floor.wait(30)
    floor.do(call("3", customer="x"))
    assert [i.id for i in floor.engine.waiting("q")] == ["3", "2"]
    floor.do(c.Leave("3"))
    floor.wait(61)
    floor.do(call("4", customer="x"))
    assert [i.id for i in floor.engine.waiting("q")] == ["2", "4"]


def test_a_supervisor_moves_and_prioritises() -> None:
    floor = Floor(queue(), queue("r"))
    floor.do(call("1"), call("2"))
    floor.do(c.Prioritise("2", 10))
    assert [i.id for i in floor.engine.waiting("q")] == ["2", "1"]
    floor.do(c.Move("1", "r"))
    assert [i.id for i in floor.engine.waiting("r")] == ["1"]
    for command in (c.Move("1", "r"), c.Move("1", "x"), c.Prioritise("9", 1)):
        with pytest.raises((Conflict, NotFound)):
            floor.do(command)


# -- a policy of one's own ---------------------------------------------------------------------


def test_a_policy_in_python_chooses_and_its_mistakes_are_contained() -> None:
    floor = Floor(queue(), *agents("a"))
    floor.wait(1)
    floor.do(*agents("b"))
    floor.engine.choosers["q"] = lambda interaction, free, now: free[-1]
    assert offered(floor.do(call("1"))) == [("1", "b")]
    floor.do(c.Leave("1"))

    def broken(*_: object) -> None:
        raise ValueError("no idea")

    floor.engine.choosers["q"] = broken
    events = floor.do(call("2"))
    failed = next(x for x in events if isinstance(x, e.PolicyFailed))
    assert failed.reason == "ValueError: no idea"
    assert offered(events) == [("2", "a")]


def test_equals_are_told_apart_by_the_seed_alone() -> None:
    def order(seed: int) -> list[str]:
        engine = Engine(seed)
        engine.handle(queue(), 0.0)
        for command in agents(*"abcdefgh"):
            engine.handle(command, 0.0)
        for n in range(8):
            engine.handle(call(str(n)), 0.0)
        return [agent for _, agent in offered(engine.take_events())]

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert sorted(order(1)) == list("abcdefgh")


def test_one_who_is_away_keeps_the_place_and_gets_no_agent_until_he_is_there() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.do(call("talk"))
    floor.do(c.Accept(floor.reserved("talk")))
    floor.do(call("before"))
    floor.wait(5)
    events = floor.do(call("cb", medium="callback", away=True, queued_at=floor.now - 2))
    assert isinstance(events[0], e.InteractionQueued)
    floor.wait(5)
    floor.do(call("after"))
    assert [floor.engine.position(name) for name in ("before", "cb", "after")] == [1, 2, 3]
    floor.do(c.Finish("talk"))
    assert floor.engine.agents["kim"].interaction == "before"
    floor.do(c.Accept(floor.reserved("before")), c.Finish("before"))
    # Its turn, but nobody on the line: the next one is not made to wait for it.
    assert floor.engine.agents["kim"].interaction == "after"
    floor.do(call("last"))
    (joined,) = floor.do(c.Join(interaction="cb"))
    assert isinstance(joined, e.InteractionJoined)
    assert joined.away_s == pytest.approx(5)
    floor.do(c.Accept(floor.reserved("after")), c.Finish("after"))
    assert floor.engine.agents["kim"].interaction == "cb"
    with pytest.raises(Conflict):
        floor.do(c.Join(interaction="cb"))
    with pytest.raises(NotFound):
        floor.do(c.Join(interaction="nobody"))


def test_one_who_is_away_and_whose_agent_is_free_is_reserved_as_soon_as_he_joins() -> None:
    floor = Floor(queue(), *agents("kim", "lee"))
    floor.do(call("cb", away=True))
    assert floor.state("kim") == "idle"
    events = floor.do(c.Join(interaction="cb", prefer=("lee",)))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["lee"]


def test_one_who_is_away_leaves_after_his_own_limit_alone_and_moves_with_his_place() -> None:
    floor = Floor(queue(max_wait_s=5, max_waiting=1, join_empty=False), queue("r"))
    floor.do(call("cb", away=True, timeout_s=60), call("other", away=True))
    floor.do(c.Move("cb", "r"))
    floor.do(c.Prioritise("cb", 9))
    assert floor.engine.queues["q"].away.keys() == {"other"}
    assert floor.engine.queues["r"].away.keys() == {"cb"}
    floor.wait(59)
    (left,) = floor.wait(2)
    assert isinstance(left, e.InteractionLeft)
    assert (left.interaction, left.queue, left.outcome) == ("cb", "r", "timeout")
    (left,) = floor.do(c.RemoveQueue("q"))
    assert isinstance(left, e.InteractionLeft)
    assert (left.interaction, left.outcome) == ("other", "removed")
    assert not floor.engine.interactions


def test_rings_loosen_what_one_who_is_away_asks_for() -> None:
    floor = Floor(
        queue(skills={"ko": 50}, rings=(c.Ring(after_s=10, skills={"ko": 10}),), exhausted="leave"),
        *agents("low", ko=20),
    )
    floor.do(call("cb", away=True))
    assert floor.engine.able(floor.engine.interactions["cb"]) == []
    floor.wait(11)
    assert [a.id for a in floor.engine.able(floor.engine.interactions["cb"])] == ["low"]
    events = floor.do(c.Join(interaction="cb"))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["low"]

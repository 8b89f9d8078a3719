"""The engine's behaviours, one a test, in virtual time."""

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.agent import AgentState
from cicswitch.acd.engine import Engine
from cicswitch.acd.invariants import breaches
from cicswitch.core.errors import CommandError, Conflict, NotFound


class Floor:
    """An engine with a clock of its own, and the events since the last look."""

    def __init__(self, *commands: c.Command) -> None:
        self.engine = Engine(check=True)
        self.checked = True
        """Walk everything after every step; too much for a large floor."""
        self.now = 1000.0
        self.do(*commands)
        self.engine.take_events()

    def do(self, *commands: c.Command) -> list[e.AcdEvent]:
        for command in commands:
            self.engine.handle(command, self.now)
            assert not self.checked or breaches(self.engine, self.now) == []
        return self.engine.take_events()

    def wait(self, seconds: float) -> list[e.AcdEvent]:
        end = self.now + seconds
        while (due := self.engine.next_due) is not None and due <= end:
            self.engine.advance(due)
            assert not self.checked or breaches(self.engine, due) == []
        self.now = end
        return self.engine.take_events()

    def state(self, agent: str) -> str:
        return self.engine.agents[agent].state.word

    def reserved(self, interaction: str) -> int:
        return self.engine.interactions[interaction].reservation


def queue(name: str = "q", **settings: object) -> c.DefineQueue:
    return c.DefineQueue(queue=name, **settings)  # type: ignore[arg-type]


def agents(*names: str, **skills: int) -> list[c.Command]:
    out: list[c.Command] = []
    for name in names:
        out += [c.DefineAgent(agent=name, skills=skills), c.SignIn(name)]
    return out


def call(name: str, **settings: object) -> c.Enqueue:
    return c.Enqueue(interaction=name, queue="q", **settings)  # type: ignore[arg-type]


def test_a_call_goes_to_the_agent_who_has_been_idle_longest() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.wait(10)
    floor.do(*agents("lee"))
    events = floor.do(call("1"))
    assert isinstance(events[-1], e.Reserved)
    assert events[-1].agent == "kim"


def test_the_most_skilled_idle_agent_is_chosen_where_the_queue_says_so() -> None:
    floor = Floor(
        queue(skills={"ko": 20}, select="most-skilled"),
        *agents("low", ko=30),
        *agents("high", ko=90),
        *agents("none"),
    )
    events = floor.do(call("1"), call("2"), call("3"))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["high", "low"]
    assert floor.state("none") == "idle"


def test_an_interaction_may_ask_for_more_than_its_queue_does() -> None:
    floor = Floor(queue(skills={"ko": 20}), *agents("a", ko=30), *agents("b", ko=60, vip=1))
    events = floor.do(call("1", skills={"ko": 50, "vip": 1}))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["b"]


def test_only_members_serve_a_queue_that_names_its_agents() -> None:
    floor = Floor(*agents("a", "b"), queue(agents=("b",)))
    events = floor.do(call("1"), call("2"))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["b"]


def test_an_answered_call_is_connected_handled_and_wrapped_up() -> None:
    floor = Floor(queue(wrap_up_s=15), *agents("kim"))
    floor.do(call("1"))
    floor.wait(4)
    events = floor.do(c.Accept(floor.reserved("1")))
    assert e.InteractionConnected(1004.0, "1", "q", "kim", 4.0) in events
    floor.wait(30)
    floor.do(c.Hold("1"))
    floor.wait(10)
    floor.do(c.Resume("1"))
    floor.wait(20)
    events = floor.do(c.Finish("1"))
    assert e.InteractionHandled(1064.0, "1", "q", "kim", 50.0, 10.0) in events
    floor.do(c.WrapUp("kim", "resolved", done=False))
    (ended, _) = floor.wait(16)
    assert isinstance(ended, e.WrapUpEnded)
    assert ended.code == "resolved"
    assert ended.acw_s == pytest.approx(15, abs=0.02)
    assert floor.state("kim") == "idle"


def test_a_call_that_nobody_answers_keeps_its_place_and_the_agent_stops_responding() -> None:
    floor = Floor(queue(ring_s=20), *agents("kim"))
    floor.do(call("1"), call("2"))
    events = floor.wait(21)
    ended = next(event for event in events if isinstance(event, e.ReservationEnded))
    assert (ended.agent, ended.outcome) == ("kim", "timed-out")
    assert floor.state("kim") == "not-responding"
    floor.wait(100)
    assert floor.state("kim") == "not-responding"
    assert [i.id for i in floor.engine.waiting("q")] == ["1", "2"]
    assert floor.engine.position("1") == 1
    floor.do(c.Ready("kim"))
    assert floor.engine.agents["kim"].interaction == "1"


def test_a_rejected_call_goes_to_the_next_agent_and_the_rejecting_one_comes_back() -> None:
    floor = Floor(queue(), *agents("kim", "lee"))
    floor.do(call("1"))
    events = floor.do(c.Reject(floor.reserved("1"), "busy"))
    assert floor.state("kim") == "not-responding"
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["lee"]
    floor.wait(11)
    assert floor.state("kim") == "idle"


def test_priority_goes_first_and_ageing_catches_up_with_it() -> None:
    floor = Floor(queue(ageing=1.0))
    floor.do(call("old"))
    floor.wait(20)
    floor.do(call("urgent", priority=30), call("less", priority=10))
    assert [i.id for i in floor.engine.waiting("q")] == ["urgent", "old", "less"]


def test_the_most_urgent_of_all_queues_comes_first() -> None:
    floor = Floor(queue(), queue("r", priority=5))
    floor.do(call("1"))
    floor.wait(3)
    floor.do(c.Enqueue(interaction="2", queue="r"))
    events = floor.do(*agents("kim"))
    assert [event.interaction for event in events if isinstance(event, e.Reserved)] == ["2"]


def test_a_caller_who_hangs_up_while_it_rings_frees_the_agent_for_the_next_one() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.do(call("1"), call("2"))
    late = floor.reserved("1")
    events = floor.do(c.Leave("1"))
    outcomes = [event.outcome for event in events if isinstance(event, e.ReservationEnded)]
    assert outcomes == ["rescinded"]
    assert floor.engine.agents["kim"].interaction == "2"
    with pytest.raises(Conflict):
        floor.do(c.Accept(late))


def test_hanging_up_after_the_answer_is_not_an_abandon() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.do(call("1"))
    floor.do(c.Accept(floor.reserved("1")))
    with pytest.raises(Conflict):
        floor.do(c.Leave("1"))


def test_pause_during_a_call_takes_effect_after_it() -> None:
    floor = Floor(queue(wrap_up_s=5), *agents("kim"))
    floor.do(call("1"))
    floor.do(c.Accept(floor.reserved("1")), c.Pause("kim", "meal"))
    assert floor.state("kim") == "talking"
    floor.do(c.Finish("1"))
    assert floor.state("kim") == "wrap-up"
    floor.wait(6)
    assert (floor.state("kim"), floor.engine.agents["kim"].code) == ("paused", "meal")


def test_signing_out_while_it_rings_passes_the_call_on() -> None:
    floor = Floor(queue(), *agents("kim", "lee"))
    floor.do(call("1"))
    floor.do(c.SignOut("kim"))
    assert floor.engine.agents["lee"].interaction == "1"


def test_an_empty_queue_refuses_or_lets_go_where_its_rules_say_so() -> None:
    floor = Floor(queue(join_empty=False, leave_empty=True))
    assert floor.do(call("1")) == [e.QueueRefused(1000.0, "1", "q", "empty")]
    floor.do(*agents("kim"), c.Pause("kim", "break"))
    floor.do(call("2"))
    events = floor.do(c.SignOut("kim"))
    assert [event.outcome for event in events if isinstance(event, e.InteractionLeft)] == ["empty"]


def test_a_full_queue_refuses_and_a_long_wait_ends() -> None:
    floor = Floor(queue(max_waiting=1, max_wait_s=60))
    floor.do(call("1"))
    assert floor.do(call("2")) == [e.QueueRefused(1000.0, "2", "q", "full")]
    events = floor.wait(61)
    assert [event.outcome for event in events if isinstance(event, e.InteractionLeft)] == [
        "timeout"
    ]


def test_a_wait_that_ends_while_it_rings_is_over_when_the_ringing_is() -> None:
    floor = Floor(queue(ring_s=20, max_wait_s=10), *agents("kim"))
    floor.do(call("1"))
    floor.wait(15)
    assert floor.reserved("1")
    events = floor.wait(6)
    assert [event.outcome for event in events if isinstance(event, e.InteractionLeft)] == [
        "timeout"
    ]


def test_a_changed_queue_judges_anew_what_waits() -> None:
    floor = Floor(queue(skills={"ko": 50}), *agents("kim", ko=20))
    floor.do(call("1"))
    events = floor.do(queue(skills={"ko": 10}))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["kim"]


def test_an_agent_with_new_skills_finds_what_waits() -> None:
    floor = Floor(queue(skills={"ko": 50}), *agents("kim", ko=20))
    floor.do(call("1"))
    events = floor.do(c.DefineAgent(agent="kim", skills={"ko": 60}))
    assert [event.agent for event in events if isinstance(event, e.Reserved)] == ["kim"]


def test_a_call_of_ones_own_makes_an_agent_unavailable_until_it_is_over() -> None:
    floor = Floor(queue(), *agents("kim"))
    floor.do(c.Seize("kim"), call("1"))
    assert floor.state("kim") == "communicating"
    floor.do(c.Free("kim"))
    assert floor.engine.agents["kim"].interaction == "1"


@pytest.mark.parametrize(
    "command",
    [
        c.SignIn("nobody"),
        c.Leave("nothing"),
        c.Accept(99),
        call("1"),
        c.Enqueue(interaction="9", queue="none"),
        c.SignIn("kim"),
        c.Free("kim"),
        c.Hold("1"),
        c.WrapUp("kim", "x"),
        c.RemoveQueue("none"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_refused_and_changes_nothing(
    command: c.Command,
) -> None:
    floor = Floor(queue(), *agents("kim", "lee"))
    floor.do(call("1"))
    before = [(agent.state, agent.since) for agent in floor.engine.agents.values()]
    with pytest.raises(CommandError) as caught:
        floor.do(command)
    assert isinstance(caught.value, NotFound | Conflict)
    assert [(agent.state, agent.since) for agent in floor.engine.agents.values()] == before
    assert floor.engine.take_events() == []


def test_an_agents_seconds_partition() -> None:
    floor = Floor(queue(wrap_up_s=7, ring_s=9), *agents("kim"))
    spent: dict[str, float] = {}

    def book(events: list[e.AcdEvent]) -> None:
        for event in events:
            if isinstance(event, e.AgentChanged):
                spent[event.previous] = spent.get(event.previous, 0) + event.spent_s

    for step in range(5):
        book(floor.wait(3))
        book(floor.do(call(str(step))))
        book(floor.wait(4 + step))
        if floor.engine.interactions[str(step)].reservation:
            book(floor.do(c.Accept(floor.reserved(str(step)))))
            book(floor.wait(11))
            book(floor.do(c.Finish(str(step))))
    book(floor.wait(50))
    book(floor.do(c.SignOut("kim")))
    assert sum(spent.values()) == pytest.approx(floor.now - 1000.0)
    assert floor.engine.agents["kim"].state is AgentState.OFFLINE


def test_a_line_in_which_nobody_waits_holds_nobody() -> None:
    floor = Floor(queue(bound_s=60))
    floor.do(*(call(str(number)) for number in range(5)))
    (line,) = floor.engine.floor.lines.values()
    assert len(line._row) == len(line._by_age) == 5
    floor.do(*(c.Leave(str(number)) for number in (3, 0, 1, 4, 2)))
    assert line._row._list == line._by_age._list == []
    assert line._row._heap == line._by_age._heap == []
    assert line.first is None

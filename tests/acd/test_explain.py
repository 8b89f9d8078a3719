"""What the engine says of its decisions."""

from __future__ import annotations

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.explain import of_agent, of_interaction, text
from cicswitch.acd.queue import SELECTIONS
from cicswitch.core.errors import NotFound
from tests.acd.test_engine import Floor, agents, call, queue


def ruled_out(floor: Floor, name: str) -> dict[str, tuple[str, str]]:
    found = of_interaction(floor.engine, name, floor.now)
    return {candidate.agent: (candidate.rule, candidate.change) for candidate in found.ruled_out}


def test_every_agent_is_named_with_what_rules_him_out_and_what_would_change_it() -> None:
    rings = (c.Ring(after_s=60, skills={"ko": 20}), c.Ring(after_s=90, queue="r"))
    names = ("low", "paused", "away", "off", "talks", "wraps", "own", "none")
    floor = Floor(
        queue("r", agents=("off",)),
        queue(skills={"ko": 50}, rings=rings, wrap_up_s=30, ring_s=5),
        *[
            command
            for name in names
            for command in agents(name, ko=30 if name == "low" else 0 if name == "none" else 60)
        ],
        c.SignOut("off"),
        c.Pause("paused", "meal"),
        c.Seize("own"),
    )
    # One talks, one wraps up, one does not answer.
    floor.do(call("1"), call("2"), call("3"))
    at = {i.agent: i.id for i in floor.engine.interactions.values()}
    floor.do(c.Accept(floor.reserved(at["talks"])), c.Accept(floor.reserved(at["wraps"])))
    floor.wait(6)
    floor.do(c.Leave(at["away"]), c.Finish(at["wraps"]), call("9"))
    floor.wait(10)
    found = ruled_out(floor, "9")
    assert found["low"] == (
        "skills: needs ko >= 50, has 30",
        "the next ring, in 50 s: ko from 20",
    )
    assert found["none"][0] == "skills: needs ko >= 50, does not have it"
    assert found["paused"] == ("paused: meal", "being ready again")
    assert found["away"] == ("not responding: timed-out", "being ready again")
    assert found["off"] == ("not signed in", "signing in")
    assert found["own"] == ("in a call of his own", "the end of that call")
    assert found["talks"] == ("busy: 1 of 1 voice in hand", f"{at['talks']} ends")
    assert found["wraps"][0] == "busy: 1 of 1 voice in hand"
    assert found["wraps"][1].startswith("his wrap-up ends in 20 s")
    explained = of_interaction(floor.engine, "9", floor.now)
    assert explained.counts == {
        "skills": 2,
        "paused": 1,
        "not responding": 1,
        "not signed in": 1,
        "in a call of his own": 1,
        "busy": 2,
    }
    lines = text(explained)
    assert lines[0] == "9 (voice) in queue q, waiting; asks for ko >= 50."
    assert lines[1] == "Place 1 with 10.0 points: priority 0 + 1 x 10 s waited."
    assert lines[2] == "Ring 0 of 2; next in 50 s: ko from 20."
    assert lines[3] == "Nobody is free for it."
    assert "  paused: meal; until being ready again" in lines


@pytest.mark.parametrize("select", SELECTIONS)
def test_who_is_free_stands_in_the_order_in_which_the_engine_chooses(select: str) -> None:
    floor = Floor(queue(select=select, skills={"ko": 1}, weights=c.Weights(idle=0.5)))
    for number, name in enumerate("abcdef"):
        floor.do(*agents(name, ko=10 + number * 7 % 5, en=1 + number % 3))
        floor.wait(1)
    floor.do(call("1"))
    for left in range(5, 0, -1):
        explained = of_interaction(floor.engine, "1", floor.now)
        assert (explained.state, len(explained.free)) == ("reserved", left)
        events = floor.do(c.Reject(floor.reserved("1")))
        chosen = [x.agent for x in events if isinstance(x, e.Reserved)]
        assert chosen == [explained.free[0].agent]


def test_an_agent_is_told_what_he_would_get_next_and_why_he_gets_nothing() -> None:
    floor = Floor(
        queue(),
        queue("vip", priority=50, skills={"vip": 1}),
        queue("r", goal=0.9, weight=2.0),
        *agents("kim"),
        c.Pause("kim", "meal"),
    )
    floor.do(call("1"))
    floor.wait(30)
    floor.do(c.Enqueue(interaction="2", queue="r"), c.Enqueue(interaction="3", queue="vip"))
    floor.wait(20)
    found = of_agent(floor.engine, "kim", floor.now)
    assert (found.state, found.rule, found.change) == (
        "paused",
        "paused: meal",
        "being ready again",
    )
    assert [(o.interaction, o.terms.points) for o in found.next] == [("1", 50.0), ("2", 40.0)]
    assert found.serves == ["q", "r"]
    assert found.does_not_serve == {"vip": "needs vip, does not have it"}
    lines = text(found)
    assert lines[0].startswith("kim is paused (meal), with nothing in hand of 1 voice")
    assert lines[1] == "Nothing is offered: paused: meal, until being ready again."
    assert "2 x (0 + 1 x 20 s waited)" in lines[4]
    # He is ready: what was said comes true.
    events = floor.do(c.Ready("kim"))
    assert [x.interaction for x in events if isinstance(x, e.Reserved)] == ["1"]


def test_capacity_and_patience_are_told() -> None:
    floor = Floor(
        queue(),
        c.DefineAgent(agent="kim", capacity={"voice": 1, "email": 1}),
        c.SignIn("kim"),
        *agents("lee"),
        c.Pause("lee", ""),
    )
    floor.do(call("m", medium="email"))
    floor.do(c.Accept(floor.reserved("m")))
    floor.do(call("c", medium="chat"), call("n", medium="email"))
    assert ruled_out(floor, "c")["kim"][0] == "takes no chat: his capacity has none"
    assert ruled_out(floor, "n")["kim"] == ("busy: 1 of 1 email in hand", "m ends")
    floor.do(call("v"))
    floor.do(c.Accept(floor.reserved("v")), call("p", prefer=("lee",), patience_s=30))
    floor.wait(10)
    assert ruled_out(floor, "p")["kim"] == (
        "waits for others: lee",
        "in 20 s its patience is over",
    )
    assert ruled_out(floor, "p")["lee"] == ("paused", "being ready again")


def test_what_is_not_there_is_not_explained() -> None:
    floor = Floor(queue())
    with pytest.raises(NotFound):
        of_interaction(floor.engine, "x", floor.now)
    with pytest.raises(NotFound):
        of_agent(floor.engine, "x", floor.now)

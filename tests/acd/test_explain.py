"""What the engine says of its decisions."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd import explain, explain_text
from cicswitch.acd.agent import AgentState
from cicswitch.acd.commands import DEFAULT_CAPACITY
from cicswitch.acd.explain import of_agent, of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.acd.interaction import InteractionState
from cicswitch.acd.phrases import ENGLISH, KOREAN
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
        "not-responding": 1,
        "not-signed-in": 1,
        "own-call": 1,
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


def phrases() -> set[str]:
    """All that the sources say."""
    found: set[str] = set()
    for module in (explain, explain_text):
        source = (
            Path(__file__).parents[2] / "cicswitch" / "acd" / f"{module.__name__.split('.')[-1]}.py"
        )
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                first = node.args[0] if node.func.id == "say" and node.args else None
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_phrase_and_word_is_there_in_korean_with_the_same_values() -> None:
    said = phrases()
    assert len(said) > 60
    words = {state.word for state in AgentState} | set(DEFAULT_CAPACITY) | set(ENGLISH)
    words |= {state.name.lower() for state in InteractionState} - {"over"}
    words |= {"timed-out", "rejected", "busy", "unreachable", "skills", "paused"}
    assert (said | words) - set(KOREAN) == set()
    assert set(KOREAN) - said - words == {" or "}
    for phrase, korean in KOREAN.items():
        assert sorted(re.findall(r"{\w+}", phrase)) == sorted(re.findall(r"{\w+}", korean)), phrase


def test_it_explains_in_korean() -> None:
    floor = Floor(
        queue(skills={"ko": 50}, rings=(c.Ring(after_s=60, skills={"ko": 20}),)),
        *agents("low", ko=30),
        *agents("kim", ko=60),
        c.Pause("kim", "meal"),
    )
    floor.do(call("1"), call("cb", medium="callback", away=True))
    floor.wait(10)
    lines = text(of_interaction(floor.engine, "1", floor.now, "ko-KR"))
    assert lines == [
        "1 (음성): 대기열 q, 대기 중; 요구 스킬 ko >= 50.",
        "순서 1번, 10.0점: 우선순위 0 + 1 x 대기 10초.",
        "완화 단계 0/1; 다음 단계 50초 뒤: ko 20 이상.",
        "지금 받을 수 있는 상담원이 없습니다.",
        "제외 1명, 스킬:",
        "  low: ko >= 50 필요, 현재 30; 바뀌려면: 다음 완화 단계, 50초 뒤: ko 20 이상",
        "제외 1명, 이석:",
        "  kim: meal; 바뀌려면: 준비 완료",
    ]
    assert "차례가 가까워지면 고객에게 전화를 겁니다." in text(
        of_interaction(floor.engine, "cb", floor.now, "ko")
    )
    said = text(of_agent(floor.engine, "kim", floor.now, "ko"))
    assert said[0].startswith("kim: 이석 (meal), 처리 중 없음, 용량 1 음성")
    assert said[1] == "배정하지 않음: 이석: meal, 바뀌려면: 준비 완료."
    # A language that it does not speak.
    assert text(of_agent(floor.engine, "kim", floor.now, "fr"))[0].startswith(
        "kim is paused (meal)"
    )


def test_one_who_is_away_is_told_to_be() -> None:
    floor = Floor(queue(), *agents("kim"), call("cb", away=True))
    lines = text(of_interaction(floor.engine, "cb", floor.now))
    assert lines[1].startswith("Place 1 with ")
    assert lines[2] == "Its customer is called back when its turn is near."


def test_what_keeps_an_agent_from_joining_those_who_ring_is_told() -> None:
    rules = {"rejected": c.FailRule(then="rest", seconds=2)}
    floor = Floor(queue(offer_to=2, on_fail=rules), *agents("a", "b"), call("1"))
    first, second = floor.engine.interactions["1"].offers
    floor.do(c.Reject(first.number))
    floor.wait(5)
    assert ruled_out(floor, "1")[first.agent.id] == (
        "has refused it: it rings at others",
        "its coming back into line",
    )
    floor.do(c.Preview(second.number, 60), *agents("d"))
    assert ruled_out(floor, "1")["d"] == (
        f"looked at: {second.agent.id} has answered and decides",
        "declining it",
    )

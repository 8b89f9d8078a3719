"""Queues that hand over and queues that ring several agents, with phones on the wire."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from cicswitch.acd import commands as acd
from cicswitch.api.handlers import handlers_of
from cicswitch.calls import events as ev
from cicswitch.calls.call import Phase
from cicswitch.core.errors import CommandError, NotFound
from cicswitch.records.journal import decode_batch
from cicswitch.records.replay import replay
from cicswitch.runtime.policy import Asked, Free, Policy
from cicswitch.store.journal import batches
from cicswitch.store.reader import reading
from cicswitch.switch.waiting import sentence
from tests.operation import test_keys as keys
from tests.operation.test_keys import parties, queued
from tests.support.center import center
from tests.support.phone import phone

AGENTS = """
[agent.a]
device = "far:7001"
signed_in = true
[agent.b]
device = "far:7002"
signed_in = true
"""


async def test_a_call_that_waits_too_long_is_answered_by_another_queue(tmp_path: Path) -> None:
    extra = (
        AGENTS
        + """
[queue.q]
agents = ["a"]
ring_s = 1
[[queue.q.ring]]
after_s = 3
queue = "r"
[queue.r]
agents = ["b"]
record = false
"""
    )
    async with parties(tmp_path, extra=extra) as p:
        await queued(p)
        p.far.reply(await p.far.expect("INVITE sip:7001@"), "180 Ringing")
        await p.far.expect("CANCEL sip:7001@")
        invite = await p.far.expect("INVITE sip:7002@")
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        bridged = await p.c.event(ev.Bridged)
        visits = await p.c.rows("queue_visit")
        assert [(v["queue"], v["outcome"], v["agent"]) for v in visits] == [
            ("q", "overflow", ""),
            ("r", "answered", "b"),
        ]
        assert visits[0]["ended_at"] == visits[1]["queued_at"]
        call = p.c.switch.calls[bridged.interaction]
        assert (call.queue, call.agent, call.recording) == ("r", "b", "")
        assert p.c.switch.today.queue("q")["flowed_out"] == 1
        assert p.c.switch.today.queue("r")["answered"] == 1


STICKY = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "q"
prefer = "{last_agent}"
patience_s = 30
keys = { 1 = "box", 2 = "queue" }
on_empty = "box"
[[flow.box]]
do = "voicemail"
box = "main"
"""


async def test_a_caller_comes_back_to_the_agent_he_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PLAN", STICKY)
    extra = AGENTS + '[queue.q]\nagents = ["a", "b"]\nrecord = false\nwrap_up_s = 0\n'
    async with parties(tmp_path, extra=extra) as p:
        p.c.command(acd.Pause("a", ""))
        await queued(p)
        p.far.reply(await p.far.expect("INVITE sip:7002@"), "200 OK", body=p.far.sdp("0"))
        bridged = await p.c.event(ev.Bridged)
        p.c.switch.hangup(p.c.switch.calls[bridged.interaction])
        await p.c.until(lambda: p.c.state("b") == "idle")
        p.c.command(acd.Ready("a"))
        p.c.command(acd.Pause("b", ""))
        await queued(p)
        # a is free, and the caller waits for b.
        await p.c.until(lambda: p.c.switch.engine.interactions)
        (waiting,) = p.c.switch.engine.interactions.values()
        assert (waiting.prefer, waiting.reservation) == (("b",), 0)
        p.c.command(acd.Ready("b"))
        await p.far.expect("INVITE sip:7002@")


@pytest.mark.interop
async def test_a_key_leads_out_of_the_queue_while_waiting_and_while_it_rings(
    tmp_path: Path,
) -> None:
    extra = """
[queue.q]
agents = ["kim"]
music = "none"
"""
    async with (
        center(tmp_path, extra=extra, plan=STICKY) as c,
        phone("1001", c.server),
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await customer.expect("confirmed")
        await c.until(lambda: c.state("kim") == "alerting")
        customer.do("dtmf", digits="1")
        await c.until(lambda: c.state("kim") == "idle")
        (call,) = c.switch.calls.values()
        assert call.phase is Phase.VOICEMAIL
        assert (call.queue, call.agent, call.ringing, call.offers) == ("", "", {}, {})
        (visit,) = await c.rows("queue_visit")
        assert visit["outcome"] == "exit"
        customer.do("hangup")
        await c.empty()


class Speaker:
    """Speaks as the switch's own does, and remembers what."""

    def __init__(self, real: Any) -> None:
        self.real, self.said = real, list[tuple[str, str]]()

    async def synthesize(self, text: str, language: str) -> Path:
        self.said.append((text, language))
        path: Path = await self.real.synthesize(text, language)
        return path


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
async def test_callers_are_told_their_place_and_wait(tmp_path: Path) -> None:
    extra = (
        AGENTS
        + """
[queue.q]
agents = ["a"]
announce_s = 1
music = "none"
"""
    )
    async with parties(tmp_path, extra=extra) as p:
        speaker = Speaker(p.c.switch.conductor.env.speech)
        p.c.switch.conductor.env.speech = speaker
        p.c.command(acd.Pause("a", ""))
        await queued(p)
        await p.c.until(lambda: speaker.said)
        # Nobody is at work: the place alone.
        assert speaker.said[0] == ("You are number 1 in line.", "en")
        plays = p.c.switch.conductor.calls
        await p.c.until(lambda: any(call.playing for call in plays.values()))
        call = next(iter(plays.values()))
        p.c.command(acd.Ready("a"))
        p.far.reply(await p.far.expect("INVITE sip:7001@"), "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        assert (call.reminders, call.playing) == ({}, "")


def test_what_is_said_of_place_and_wait() -> None:
    assert sentence(3, 200.0, "en") == (
        "You are number 3 in line. The estimated waiting time is about 4 minutes."
    )
    assert sentence(1, 20.0, "en").endswith("answered in less than a minute.")
    assert sentence(2, float("inf"), "en") == "You are number 2 in line."
    assert sentence(2, 130.0, "ko") == (
        "고객님의 대기 순서는 2번째입니다. 예상 대기 시간은 약 3분입니다."
    )
    assert sentence(2, 7200.0, "fr-FR") == "You are number 2 in line."


async def test_the_journal_of_calls_replays(tmp_path: Path) -> None:
    extra = (
        AGENTS
        + """
[queue.q]
agents = ["a"]
ring_s = 1
wrap_up_s = 1
[[queue.q.ring]]
after_s = 2
queue = "r"
[queue.r]
agents = ["b"]
"""
    )
    async with parties(tmp_path, extra=extra) as p:
        for _ in range(3):
            await queued(p)
        p.far.reply(await p.far.expect("INVITE sip:7001@"), "486 Busy Here")
        p.far.reply(await p.far.expect("INVITE sip:7002@"), "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        p.c.command(acd.Pause("b", "meal"))
    with reading(p.c.switch.place) as db:
        (run,) = replay(event for data in batches(db) for event in decode_batch(data))
    assert run.same, run
    assert run.tail == 0
    assert run.commands >= 10
    assert run.decided >= 15


async def test_a_supervisor_asks_why_moves_and_prioritises(tmp_path: Path) -> None:
    extra = (
        AGENTS
        + """
[queue.q]
agents = ["a"]
[queue.r]
agents = ["b"]
record = false
"""
    )
    async with parties(tmp_path, extra=extra) as p:
        do = handlers_of(p.c.switch)
        p.c.command(acd.Pause("a", "meal"))
        for _ in range(2):
            await queued(p)
        first, second = p.c.switch.engine.interactions
        answer: Any = do["explain"]({"name": second})
        assert answer["explained"]["position"] == 2
        assert "  a: meal; until being ready again" in answer["text"]
        answer = do["explain"]({"name": "a"})
        assert [each["interaction"] for each in answer["explained"]["next"]] == [first]
        answer = do["waiting"]({"interaction": second, "priority": 100})
        assert answer == {"interaction": second, "queue": "q", "position": 1}
        answer = do["waiting"]({"interaction": second, "queue": "r"})
        assert answer == {"interaction": second, "queue": "r", "position": 0}
        await p.far.expect("INVITE sip:7002@")
        with pytest.raises(NotFound):
            do["explain"]({"name": "nobody"})
        with pytest.raises(CommandError):
            do["waiting"]({"interaction": second, "queue": "q"})


def backwards(asked: Asked, agents: list[Free]) -> str:
    """The policy of the tests: the last in line."""
    return agents[-1].agent


@pytest.mark.parametrize(("shadow", "chosen"), [("false", "7002"), ("true", "7001")])
async def test_a_function_of_ones_own_chooses_or_is_only_watched(
    tmp_path: Path, shadow: str, chosen: str
) -> None:
    extra = (
        AGENTS
        + f"""
[queue.q]
agents = ["a", "b"]
policy = "{__name__}:backwards"
policy_ms = 50
policy_shadow = {shadow}
"""
    )
    async with parties(tmp_path, extra=extra) as p:
        p.c.command(acd.Pause("b", ""))
        p.c.command(acd.Ready("b"))  # a has been idle longer
        await queued(p)
        await p.far.expect(f"INVITE sip:{chosen}@")
        policy = p.c.switch.engine.choosers["q"]
        assert isinstance(policy, Policy)
        assert policy.differed == (shadow == "true")
        assert p.c.switch.engine.policy_failures == 0


RING_BOTH = """
[queue.q]
agents = ["a", "b"]
offer_to = 2
record = false
"""


async def test_of_several_agents_who_ring_the_first_to_answer_gets_the_call(
    tmp_path: Path,
) -> None:
    async with parties(tmp_path, extra=AGENTS + RING_BOTH) as p:
        await queued(p)
        first = await p.far.expect("INVITE sip:7001@")
        second = await p.far.expect("INVITE sip:7002@")
        p.far.reply(first, "180 Ringing")
        p.far.reply(second, "180 Ringing")
        p.far.reply(second, "200 OK", body=p.far.sdp("0"))
        await p.far.expect("CANCEL sip:7001@")
        p.far.reply(first, "487 Request Terminated")
        bridged = await p.c.event(ev.Bridged)
        assert p.c.switch.calls[bridged.interaction].agent == "b"
        await p.c.until(lambda: p.c.state("a") == "idle")
        assert p.c.state("b") == "talking"


async def test_when_one_of_several_refuses_the_others_ring_on(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=AGENTS + RING_BOTH) as p:
        await queued(p)
        first = await p.far.expect("INVITE sip:7001@")
        second = await p.far.expect("INVITE sip:7002@")
        p.far.reply(first, "486 Busy Here")
        await p.c.until(lambda: p.c.state("a") == "not-responding")
        assert p.c.state("b") == "alerting"
        p.far.reply(second, "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        assert p.c.state("b") == "talking"

"""What an agent does with his call, with PJSIP phones: hold, consult, conference, transfer."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.calls.parties import Consult, Mode
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound
from tests.support.sound import longest_tone, read_wav
from tests.support.talks import Talk, talk

pytestmark = pytest.mark.interop


async def consult(it: Talk) -> None:
    """The agent calls the third party, who answers."""
    it.do(it.conductor.consulting.consult, "1002")
    await it.c.event(ev.ConsultAnswered)
    await it.joined("third")


@pytest.mark.realtime
async def test_consulting_back_and_forth_and_the_customer_passed_on(tmp_path: Path) -> None:
    async with talk(tmp_path, "third") as it:
        c, consulting = it.c, it.conductor.consulting
        await consult(it)
        assert c.state("kim") == "holding"
        await it.hears(customer={"music"}, agent={"third"}, third={"agent"})
        it.do(consulting.swap)
        assert c.state("kim") == "talking"
        await it.hears(customer={"agent"}, agent={"customer"}, third={"music"})
        it.do(consulting.swap)
        await it.hears(customer={"music"}, agent={"third"}, third={"agent"})
        it.do(consulting.complete)
        await it.phones["agent"].expect("disconnected")
        assert c.state("kim") == "wrap-up"
        await it.hears(customer={"third"}, third={"customer"})
        it.phones["third"].do("hangup")
        await it.phones["customer"].expect("disconnected")
        recorded = await c.event(ev.RecordingEnded)
        await c.empty()
        passed = await c.event(ev.Transferred)
        assert (passed.kind, passed.target) == ("attended", "1002")
        (handled,) = [e for e in c.events if isinstance(e, acd_events.InteractionHandled)]
        assert handled.hold_s > 3
        assert len([e for e in c.events if isinstance(e, ev.RecordingStarted)]) == 1
    assert longest_tone(read_wav(Path(recorded.path))[0], 440)[1] <= 40


@pytest.mark.realtime
async def test_a_conference_of_four_with_a_supervisor_who_listens(tmp_path: Path) -> None:
    async with talk(tmp_path, "third", "supervisor") as it:
        c, consulting = it.c, it.conductor.consulting
        await consult(it)
        it.do(consulting.conference)
        it.do(it.conductor.supervising.monitor, "vera", "1003", Mode.MONITOR, may_speak=True)
        await c.event(ev.SupervisorJoined)
        await it.joined("supervisor")
        three = {"customer", "agent", "third"}
        await it.hears(
            customer=three - {"customer"},
            agent=three - {"agent"},
            third=three - {"third"},
            supervisor=three,
        )
        it.do(it.conductor.supervising.monitor, "vera", "", Mode.BARGE, may_speak=True)
        four = {*three, "supervisor"}
        await it.hears(**{who: four - {who} for who in four})
        # The agent goes: the colleague goes on with the customer.
        it.do(consulting.leave)
        await it.phones["agent"].expect("disconnected")
        assert c.state("kim") == "wrap-up"
        rest = four - {"agent"}
        await it.hears(**{who: rest - {who} for who in rest})
        it.phones["third"].do("hangup")
        # … and then the supervisor.
        await c.event(ev.TakenOver)
        it.phones["customer"].do("hangup")
        await it.phones["supervisor"].expect("disconnected")
        await c.empty()


@pytest.mark.realtime
async def test_a_customer_on_hold_hears_music_and_then_the_agent_again(tmp_path: Path) -> None:
    async with talk(tmp_path) as it:
        c, consulting = it.c, it.conductor.consulting
        it.do(consulting.hold, True)
        assert c.state("kim") == "holding"
        with pytest.raises(Conflict):
            it.do(consulting.hold, True)
        await it.hears(customer={"music"}, agent=set())
        it.do(consulting.hold, False)
        assert c.state("kim") == "talking"
        await it.hears(customer={"agent"}, agent={"customer"})
        held = [e.held for e in c.events if isinstance(e, ev.CustomerHeld)]
        assert held == [True, False]


@pytest.mark.realtime
async def test_a_queue_has_hold_music_of_its_own(tmp_path: Path) -> None:
    extra = '[queue.loud]\nmusic = "moh/other music"\n'
    plan = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "loud"
"""
    async with talk(tmp_path, extra=extra, plan=plan) as it:
        it.do(it.conductor.consulting.hold, True)
        await it.hears(customer={"other music"})


async def test_the_third_party_becomes_the_agent_of_the_interaction(tmp_path: Path) -> None:
    async with talk(tmp_path, "third", wrap_up_s=2) as it:
        it.c.command(acd.SignIn("lee"))
        await consult(it)
        assert it.c.state("lee") == "communicating"
        it.do(it.conductor.consulting.complete)
        assert (it.c.state("kim"), it.c.state("lee")) == ("wrap-up", "talking")
        it.phones["customer"].do("hangup")
        await it.phones["third"].expect("disconnected")
        await it.c.event(acd_events.WrapUpEnded, agent="lee")
        await it.c.empty()
        assert sorted(row["agent"] for row in await it.c.rows("handled")) == ["kim", "lee"]


@pytest.mark.parametrize("state", ["ringing", "talking", "aside", "conference"])
@pytest.mark.parametrize("who", ["customer", "agent", "third", "back"])
async def test_whoever_leaves_nothing_is_left_behind(tmp_path: Path, state: str, who: str) -> None:
    silent = ("third",) if state == "ringing" else ()
    async with talk(tmp_path, "third", silent=silent) as it:
        c, phones, consulting = it.c, it.phones, it.conductor.consulting
        if state == "ringing":
            it.do(consulting.consult, "1002")
            await phones["third"].expect("incoming")
        else:
            await consult(it)
        if state == "aside":
            it.do(consulting.swap)
        elif state == "conference":
            it.do(consulting.conference)
        if who == "back":
            if state == "conference":
                it.do(consulting.remove, it.call.guests[0].name)
            else:
                it.do(consulting.back)
        else:
            phones[who].do("hangup")
        if who in ("third", "back"):
            await phones["third"].expect("disconnected")
            await c.until(lambda: it.call.guests == [])
            assert it.call.consult is Consult.NONE
            assert c.state("kim") == "talking"
            assert len(it.call.hears) == 2
        elif who == "customer":
            await phones["third"].expect("disconnected")
            await phones["agent"].expect("disconnected")
        elif state == "ringing":
            # Nobody else knows of the customer: back to his queue, and to the next free agent.
            await phones["third"].expect("disconnected")
            await c.until(lambda: it.call.phase.name == "QUEUED")
            assert it.call.queue == "support"
            assert c.state("kim") == "wrap-up"
        else:
            await phones["agent"].expect("disconnected")
            await c.until(lambda: c.state("kim") == "wrap-up")
            assert it.call.other.peer == "device:1002"
            phones["third"].do("hangup")
            await phones["customer"].expect("disconnected")


async def test_an_agent_who_is_lost_while_consulting_gives_the_customer_back_to_the_queue(
    tmp_path: Path,
) -> None:
    async with talk(tmp_path, "third", wrap_up_s=1) as it:
        await consult(it)
        first = it.call.queued_at
        it.conductor.run_soon(lambda: it.call.other.end(it.conductor.now, Reason.MEDIA_TIMEOUT))
        await it.phones["third"].expect("disconnected")
        ended = await it.c.event(ev.ConsultEnded)
        assert ended.outcome == "lost"
        await it.c.until(
            lambda: len([e for e in it.c.events if isinstance(e, ev.Bridged)]) == 2, timeout=15
        )
        queued = [e for e in it.c.events if isinstance(e, acd_events.InteractionQueued)]
        assert [e.queued_at for e in queued] == [first, first]


async def test_a_blind_transfer_and_what_cannot_be_done(tmp_path: Path) -> None:
    async with talk(tmp_path, "third") as it:
        c, consulting = it.c, it.conductor.consulting
        for verb in (consulting.swap, consulting.back, consulting.complete, consulting.conference):
            with pytest.raises(Conflict):
                it.do(verb)
        for called in (consulting.consult, consulting.transfer, consulting.conference):
            with pytest.raises(NotFound):
                it.do(called, "4711")
        with pytest.raises(NotFound):
            it.do(consulting.remove, "nobody")
        with pytest.raises(Conflict):
            it.do(consulting.consult, "1003")  # not registered
        assert it.call.consult is Consult.NONE
        assert c.state("kim") == "talking"
        it.do(consulting.transfer, "lee")
        await it.phones["agent"].expect("disconnected")
        await it.phones["third"].expect("confirmed")
        assert c.state("kim") == "wrap-up"


async def test_who_is_called_into_the_talk_joins_it_when_he_answers(tmp_path: Path) -> None:
    async with talk(tmp_path, "third") as it:
        it.do(it.conductor.consulting.conference, "1002")
        assert it.c.state("kim") == "talking"
        await it.c.event(ev.PartyJoined)
        assert len(it.call.hears) == 3
        assert all(len(hears.legs) == 2 for hears in it.call.hears.values())


async def test_help_is_asked_for_and_ends_with_the_talk(tmp_path: Path) -> None:
    async with talk(tmp_path) as it:
        ask = it.conductor.consulting.help
        it.do(ask, "he shouts")
        assert (await it.c.event(ev.HelpAsked)).note == "he shouts"
        it.do(ask, None)
        await it.c.event(ev.HelpEnded)
        with pytest.raises(Conflict):
            it.do(ask, None)
        it.do(ask, "")
        it.phones["customer"].do("hangup")
        await it.c.until(lambda: len([e for e in it.c.events if isinstance(e, ev.HelpEnded)]) == 2)

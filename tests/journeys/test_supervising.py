"""A supervisor in somebody's call, with PJSIP phones: listening in, whisper, barge, take-over."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.calls.parties import Mode
from cicswitch.core.errors import CommandError, Conflict, NotFound
from tests.support.sound import longest_tone, read_wav, tones_in
from tests.support.talks import TONES, Talk, talk

pytestmark = pytest.mark.interop


async def join(it: Talk, mode: Mode = Mode.MONITOR, *, may_speak: bool = True) -> None:
    """The supervisor's phone is called, and answered."""
    it.do(it.conductor.supervising.monitor, "vera", "1003", mode, may_speak=may_speak)
    await it.c.event(ev.SupervisorJoined)
    await it.joined("supervisor")


@pytest.mark.realtime
async def test_from_listening_in_to_the_agents_place(tmp_path: Path) -> None:
    async with talk(tmp_path, "supervisor") as it:
        c, supervising = it.c, it.conductor.supervising
        await join(it)
        await it.hears(customer={"agent"}, agent={"customer"}, supervisor={"customer", "agent"})
        it.do(supervising.monitor, "vera", "", Mode.WHISPER, may_speak=True)
        await it.hears(
            customer={"agent"}, agent={"customer", "supervisor"}, supervisor={"customer", "agent"}
        )
        it.do(supervising.monitor, "vera", "", Mode.BARGE, may_speak=True)
        await it.hears(
            customer={"agent", "supervisor"},
            agent={"customer", "supervisor"},
            supervisor={"customer", "agent"},
        )
        assert c.state("kim") == "talking"
        it.do(supervising.take_over, "vera", "")
        await it.phones["agent"].expect("disconnected")
        assert c.state("kim") == "wrap-up"
        await it.hears(customer={"supervisor"}, supervisor={"customer"})
        assert it.call.agent == ""
        it.phones["customer"].do("hangup")
        recorded = await c.event(ev.RecordingEnded)
        taken = await c.event(ev.TakenOver)
        assert (taken.account, taken.previous) == ("vera", "kim")
        modes = [e.mode for e in c.events if isinstance(e, ev.SupervisorModeChanged)]
        assert modes == ["whisper", "barge"]
        await c.empty()
        (record,) = await c.rows("interaction")
        assert (record["outcome"], record["agent"]) == ("handled", "kim")
        assert len([e for e in c.events if isinstance(e, ev.RecordingStarted)]) == 1
    left, right = read_wav(Path(recorded.path))
    seconds, gap_ms = longest_tone(left, 440)
    assert seconds > 8
    assert gap_ms <= 40
    # One file: the agent, then both, then the supervisor; never what he whispered.
    part = [tones_in(right[at : at + 8000], list(TONES.values())) for at in range(0, 40000, 8000)]
    assert part[0] == part[3] == {620.0}
    assert tones_in(right[-9600:-1600], list(TONES.values())) == {850.0}


async def test_a_supervisor_with_an_agent_of_his_own_gets_the_interaction(tmp_path: Path) -> None:
    extra = '[agent.vera]\ndevice = "1003"\nsigned_in = true\n'
    async with talk(tmp_path, "supervisor", extra=extra, wrap_up_s=2) as it:
        c = it.c
        assert it.call.agent == "kim"
        await join(it)
        assert c.state("vera") == "communicating"
        it.do(it.conductor.supervising.take_over, "vera", "")
        assert (c.state("kim"), c.state("vera")) == ("wrap-up", "talking")
        assert it.call.agent == "vera"
        it.phones["supervisor"].do("hangup")
        await it.phones["customer"].expect("disconnected")
        await c.event(acd_events.WrapUpEnded, agent="vera")
        await c.event(acd_events.WrapUpEnded, agent="kim")
        await c.empty()
        rows = await c.rows("handled")
        assert sorted(row["agent"] for row in rows) == ["kim", "vera"]
        (record,) = await c.rows("interaction")
        assert record["agent"] == "vera"
        (visit,) = await c.rows("queue_visit")
        assert visit["agent"] == "kim"


async def test_a_take_over_at_once_waits_for_the_phone(tmp_path: Path) -> None:
    async with talk(tmp_path, "supervisor") as it:
        it.do(it.conductor.supervising.take_over, "vera", "1003")
        assert it.c.state("kim") == "talking"
        await it.c.event(ev.TakenOver)
        await it.phones["agent"].expect("disconnected")
        await it.phones["supervisor"].expect("confirmed")


async def test_keys_go_from_mode_to_mode_for_who_may_speak(tmp_path: Path) -> None:
    async with talk(tmp_path, "supervisor") as it:
        await join(it)
        phone = it.phones["supervisor"]
        phone.do("dtmf", digits="56")
        await it.c.event(ev.SupervisorModeChanged, mode="whisper")
        await it.c.event(ev.SupervisorModeChanged, mode="barge")
        phone.do("dtmf", digits="4")
        await it.c.event(ev.SupervisorModeChanged, mode="monitor", previous="barge")
        it.call.guests[0].may_speak = False
        phone.do("dtmf", digits="64")
        phone.do("hangup")
        await it.c.event(ev.SupervisorLeft)
        changes = [e for e in it.c.events if isinstance(e, ev.SupervisorModeChanged)]
        assert len(changes) == 3


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("who", ["customer", "agent", "supervisor", "stop"])
async def test_whoever_leaves_nothing_is_left_behind(tmp_path: Path, mode: Mode, who: str) -> None:
    async with talk(tmp_path, "supervisor") as it:
        await join(it, mode)
        phones = it.phones
        if who == "stop":
            it.do(it.conductor.supervising.stop, "vera")
        else:
            phones[who].do("hangup")
        left = await it.c.event(ev.SupervisorLeft) if who != "agent" or mode != "barge" else None
        if who in ("supervisor", "stop"):
            assert left is not None
            await phones["supervisor"].expect("disconnected")
            assert it.c.state("kim") == "talking"
            assert it.call.guests == []
            phones["customer"].do("hangup")
            await phones["agent"].expect("disconnected")
        elif who == "agent" and mode == "barge":
            # Who has barged in does not leave the customer alone.
            await it.c.event(ev.TakenOver)
            assert it.c.state("kim") == "wrap-up"
            phones["supervisor"].do("hangup")
            await phones["customer"].expect("disconnected")
        else:
            for other in {"customer", "agent", "supervisor"} - {who}:
                await phones[other].expect("disconnected")
        await it.c.empty()


@pytest.mark.parametrize("who", ["customer", "agent", "stop"])
async def test_who_leaves_while_the_supervisors_phone_rings(tmp_path: Path, who: str) -> None:
    async with talk(tmp_path, "supervisor", silent=("supervisor",)) as it:
        it.do(it.conductor.supervising.monitor, "vera", "1003", Mode.BARGE, may_speak=True)
        await it.phones["supervisor"].expect("incoming")
        if who == "stop":
            it.do(it.conductor.supervising.stop, "vera")
        else:
            it.phones[who].do("hangup")
        await it.phones["supervisor"].expect("disconnected")
        await it.c.event(ev.SupervisorLeft)


async def test_a_supervisor_who_is_not_there_or_does_not_answer(tmp_path: Path) -> None:
    async with talk(tmp_path) as it:
        monitor = it.conductor.supervising.monitor

        def refused(device: str) -> type[CommandError]:
            with pytest.raises(CommandError) as caught:
                it.do(monitor, "vera", device, Mode.MONITOR, may_speak=True)
            return caught.type

        assert refused("1003") is Conflict  # not registered
        assert refused("9999") is NotFound
        assert refused("1001") is Conflict  # in the call already
        assert refused("2001") is Conflict
        assert refused("pbx:0123") is NotFound  # no outside line
        assert it.call.guests == []
        assert it.c.state("kim") == "talking"


async def test_an_agent_who_is_seized_by_listening_in_gets_no_calls(tmp_path: Path) -> None:
    extra = '[agent.vera]\ndevice = "1003"\nsigned_in = true\n'
    async with talk(tmp_path, "supervisor", extra=extra) as it:
        await join(it)
        assert it.c.state("vera") == "communicating"
        it.phones["supervisor"].do("hangup")
        await it.c.event(ev.SupervisorLeft)
        await it.c.until(lambda: it.c.state("vera") == "idle")
        it.c.command(acd.SignOut("vera"))


@pytest.mark.realtime
async def test_a_feature_code_joins_the_call_of_a_phone(tmp_path: Path) -> None:
    extra = '[agent.vera]\ndevice = "1003"\nsigned_in = true\nsupervisor = true\n'
    extra += '[features]\nsupervise = "*81"\n'
    async with talk(tmp_path, "supervisor", extra=extra) as it:
        phone = it.phones["supervisor"]
        phone.do("call", to="*811001")
        await it.joined("supervisor")
        await it.c.event(ev.SupervisorJoined)
        await it.hears(customer={"agent"}, agent={"customer"}, supervisor={"customer", "agent"})
        phone.do("dtmf", digits="5")
        await it.c.event(ev.SupervisorModeChanged, mode="whisper")
        await it.hears(customer={"agent"}, agent={"customer", "supervisor"})
        assert it.c.state("vera") == "communicating"
        phone.do("hangup")
        await it.c.event(ev.SupervisorLeft)
        assert it.c.state("vera") == "idle"


async def test_a_feature_code_joins_nothing_for_who_is_no_supervisor(tmp_path: Path) -> None:
    extra = '[agent.vera]\ndevice = "1003"\nsigned_in = true\n'
    async with talk(tmp_path, "supervisor", extra=extra) as it:
        phone = it.phones["supervisor"]
        phone.do("call", to="*761001")
        await phone.expect("confirmed")
        await phone.expect("disconnected")
        phone.do("call", to="*769999")
        await phone.expect("disconnected")
        assert not [e for e in it.c.events if isinstance(e, ev.SupervisorJoined)]

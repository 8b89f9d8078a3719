"""Whole calls with PJSIP phones: through a queue to an agent, and every way in which that ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from tests.support.center import center
from tests.support.phone import phone
from tests.support.sound import longest_tone, read_wav, write_tone

pytestmark = pytest.mark.interop


@pytest.mark.realtime
async def test_both_sides_and_both_channels_of_the_recording_hold_the_right_tone(
    tmp_path: Path,
) -> None:
    low, high = write_tone(tmp_path / "440.wav", 440), write_tone(tmp_path / "620.wav", 620)
    agent_wav, customer_wav = tmp_path / "agent.wav", tmp_path / "customer.wav"
    async with center(tmp_path) as c:
        async with (
            phone(
                "1001",
                c.server,
                "--answer-after",
                "0.5",
                "--play",
                str(high),
                "--record",
                str(agent_wav),
            ),
            phone("2001", c.server, "--play", str(low), "--record", str(customer_wav)) as customer,
        ):
            customer.do("call", to="5000")
            bridged = await c.event(ev.Bridged)
            await c.until(lambda: c.switch.clock.now() > bridged.at + 5)
            assert c.state("kim") == "talking"
            customer.do("hangup")
            rtp = (await customer.expect("disconnected"))["rtp"]
            assert rtp["packets_lost"] == 0
            recorded = await c.event(ev.RecordingEnded)
            assert c.state("kim") == "wrap-up"
            await c.empty()
        (leg_in, leg_out) = sorted(await c.rows("leg"), key=lambda row: row["direction"])
        assert leg_in["packets_received"] > 200
        assert leg_out["packets_sent"] > 200
    stereo = read_wav(Path(recorded.path))
    heard = [
        (read_wav(customer_wav)[0], 620),
        (read_wav(agent_wav)[0], 440),
        (stereo[0], 440),
        (stereo[1], 620),
    ]
    for samples, hz in heard:
        seconds, gap_ms = longest_tone(samples, hz)
        assert seconds > 4.0
        assert gap_ms <= 40


async def test_a_caller_who_hangs_up_while_waiting_abandons(tmp_path: Path) -> None:
    async with center(tmp_path) as c, phone("2001", c.server) as customer:
        c.command(acd.SignOut("kim"))
        customer.do("call", to="5000")
        await customer.expect("confirmed")
        await c.event(acd_events.InteractionQueued)
        customer.do("hangup")
        left = await c.event(acd_events.InteractionLeft)
        assert left.outcome == "abandoned"
        await c.empty()
        (record,) = await c.rows("interaction")
        assert record["outcome"] == "abandoned"


async def test_a_caller_who_hangs_up_while_it_rings_leaves_no_agent_behind(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server) as agent,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("incoming")
        customer.do("hangup")
        await agent.expect("disconnected")
        await c.event(acd_events.ReservationEnded, outcome="rescinded")
        assert c.state("kim") == "idle"
        await c.empty()


async def test_a_call_that_an_agent_does_not_take_goes_to_the_next_one(tmp_path: Path) -> None:
    async with (
        center(tmp_path, ring_s=2) as c,
        phone("1001", c.server) as silent,
        phone("1002", c.server, "--answer-after", "0") as other,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await silent.expect("incoming")
        c.command(acd.SignIn("lee"))
        await silent.expect("disconnected")
        await c.event(acd_events.ReservationEnded, outcome="timed-out", agent="kim")
        await other.expect("confirmed")
        assert c.state("kim") == "not-responding"
        assert c.state("lee") == "talking"
        queued = await c.event(acd_events.InteractionQueued)
        connected = await c.event(acd_events.InteractionConnected)
        assert connected.wait_s == pytest.approx(connected.at - queued.at)
        customer.do("hangup")
        await c.empty()


async def test_an_agent_who_rejects_is_passed_over(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--reject", "486"),
        phone("1002", c.server, "--answer-after", "0") as other,
        phone("2001", c.server) as customer,
    ):
        c.command(acd.SignIn("lee"))
        customer.do("call", to="5000")
        await c.event(acd_events.ReservationEnded, outcome="busy", agent="kim")
        await other.expect("confirmed")
        customer.do("hangup")
        await c.empty()


async def test_hold_is_booked_and_the_customer_hears_music(tmp_path: Path) -> None:
    customer_wav = tmp_path / "customer.wav"
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("2001", c.server, "--record", str(customer_wav)) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        agent.do("hold", call=0)
        held = await c.event(ev.LegHeld, held=True)
        await c.until(lambda: c.state("kim") == "holding")
        await c.until(lambda: c.switch.clock.now() > held.at + 2)
        agent.do("resume", call=0)
        await c.event(ev.LegHeld, held=False)
        await c.until(lambda: c.state("kim") == "talking")
        agent.do("hangup", call=0)
        await customer.expect("disconnected")
        handled = await c.event(acd_events.InteractionHandled)
        assert handled.hold_s > 1.9
        await c.empty()
    # The agent is silent all the time: what is loud is the music.
    samples = read_wav(customer_wav)[0]
    assert abs(samples[-8000 * 3 :]).max() > 500


async def test_a_blind_transfer_passes_the_customer_on(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("1003", c.server, "--answer-after", "0") as expert,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        agent.do("transfer", call=0, to="1003")
        await expert.expect("confirmed")
        await agent.expect("disconnected")
        assert c.state("kim") == "wrap-up"
        await c.event(ev.Transferred, kind="blind", target="1003")
        customer.do("hangup")
        await expert.expect("disconnected")
        await c.empty()


async def test_an_attended_transfer_joins_customer_and_expert(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("1003", c.server, "--answer-after", "0") as expert,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed", call=0)
        agent.do("hold", call=0)
        await c.event(ev.LegHeld, held=True)
        agent.do("call", to="1003")
        await agent.expect("confirmed", call=1)
        agent.do("transfer-attended", call=0, other=1)
        await c.event(ev.Transferred, kind="attended")
        await agent.expect("disconnected", call=0)
        await agent.expect("disconnected", call=1)
        customer.do("hangup")
        await expert.expect("disconnected")
        await c.empty()


async def test_feature_codes_sign_an_agent_in_and_out_and_pause_him(tmp_path: Path) -> None:
    async with center(tmp_path) as c, phone("1002", c.server) as agent:
        for number, (code, state) in enumerate(
            [("*71", "idle"), ("*732", "paused"), ("*74", "idle"), ("*72", "offline")]
        ):
            agent.do("call", to=code)
            await agent.expect("confirmed", call=number)
            await c.until(lambda state=state: c.state("lee") == state)  # type: ignore[misc]
            await agent.expect("disconnected", call=number)
        await c.empty()

"""Rooms on real sockets: tones of a customer (440), an agent (620) and a supervisor (850)."""

from __future__ import annotations

import asyncio
import time
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cicswitch.ports import MediaDtmf, MediaSource, PlayFinished, RecordingClosed
from tests.media.rtp_phone import Phone, Rig, longest_gap_ms, part, rig, trimmed
from tests.media.test_media_relay import continuous
from tests.support.stalls import stood_still

pytestmark = pytest.mark.realtime

TONES = {"customer": 440, "agent": 620, "supervisor": 850}
MONITOR = {
    "customer": ["agent"],
    "agent": ["customer"],
    "supervisor": ["customer", "agent"],
}
WHISPER = MONITOR | {"agent": ["customer", "supervisor"]}
BARGE = WHISPER | {"customer": ["agent", "supervisor"]}


async def three(it: Rig) -> dict[str, Phone]:
    """Customer and agent in a bridge, and a supervisor; all talk."""
    phones = {
        "customer": await it.phone("customer", codec="PCMA"),
        "agent": await it.phone("agent"),
        "supervisor": await it.phone("supervisor"),
    }
    it.plane.bridge("customer", "agent")
    for name, phone in phones.items():
        phone.talk(TONES[name])
    await phones["customer"].until(lambda: len(phones["customer"].packets) > 20)
    return phones


async def heard_by(phone: Phone, packets: int = 30) -> set[int]:
    """The tones in what a phone is sent from now on."""
    if not phone.packets:
        await phone.packets_more(1)
    await phone.packets_more(5)
    since = phone.packets[-1][0]
    await phone.packets_more(packets)
    audio = phone.audio(since)
    return {hz for hz in TONES.values() if part(audio, hz) > 0.2}


@pytest.mark.parametrize(
    ("hears", "customer", "agent", "supervisor"),
    [
        (MONITOR, {620}, {440}, {440, 620}),
        (WHISPER, {620}, {440, 850}, {440, 620}),
        (BARGE, {620, 850}, {440, 850}, {440, 620}),
    ],
    ids=["monitor", "whisper", "barge"],
)
@pytest.mark.parametrize("workers", [0, 1])
async def test_who_hears_whom(
    hears: dict[str, list[str]],
    customer: set[int],
    agent: set[int],
    supervisor: set[int],
    workers: int,
) -> None:
    async with rig(27000, workers=workers) as it:
        phones = await three(it)
        it.plane.mix(hears)
        found = await asyncio.gather(*(heard_by(phone) for phone in phones.values()))
        assert found == [customer, agent, supervisor]


async def test_from_bridge_to_room_and_back_there_is_one_stream_and_no_gap() -> None:
    async with rig(27200) as it:
        phones = await three(it)
        customer = phones["customer"]
        since = time.monotonic()
        for _ in range(3):
            it.plane.mix(MONITOR)
            await customer.packets_more(20)
            it.plane.bridge("customer", "agent")
            await customer.packets_more(20)
        packets = [packet for _, packet in customer.packets]
        continuous(packets)
        heard = trimmed(customer.audio())
        assert part(heard, 620) > 0.9
        stood = stood_still(since)  # a machine that stands still makes a gap of its own
        assert longest_gap_ms(heard, 620) <= 40 + 1000 * stood
        assert max(b - a for (a, _), (b, _) in pairwise(customer.packets)) < 0.06 + stood
        steps = [(b.timestamp - a.timestamp) & 0xFFFF_FFFF for a, b in pairwise(packets)]
        assert max(steps) <= 480 + 8000 * stood
        # The supervisor is in no room any more: nothing is sent to him.
        sent = len(phones["supervisor"].packets)
        await customer.packets_more(10)
        assert len(phones["supervisor"].packets) == sent


async def test_lost_packets_are_faded_over_and_others_are_not_heard_to_stop() -> None:
    async with rig(27400) as it:
        phones = await three(it)
        agent, customer = phones["agent"], phones["customer"]
        it.plane.mix(BARGE)
        await customer.packets_more(20)
        since = customer.packets[-1][0]
        agent.quiet()
        await customer.packets_more(20)
        audio = customer.audio(since)
        assert part(audio[-1600:], 850) > 0.95
        assert longest_gap_ms(audio[800:], 850) <= 20
        async with asyncio.timeout(3):
            while not it.plane.figures().get("frames_concealed", 0):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert it.plane.figures()["rooms"] == 1
        assert it.plane.figures()["mixed"] == 3


async def test_an_announcement_to_one_side_while_two_talk() -> None:
    async with rig(27600) as it:
        phones = await three(it)
        customer, agent = phones["customer"], phones["agent"]
        source = MediaSource(tone_hz=(1300.0,), duration_ms=500)
        since = customer.packets[-1][0]
        it.plane.play("customer", "note", [source], over=True)
        await it.event(PlayFinished)
        until = customer.packets[-1][0]
        await customer.packets_more(20)
        audio = customer.audio(since)
        during = audio[800:4000]
        assert part(during, 1300) > 0.15
        assert part(during, 620) > 0.3
        assert part(agent.audio(since), 1300) < 0.02
        assert part(agent.audio(since), 440) > 0.9
        assert longest_gap_ms(trimmed(agent.audio(since)), 440) <= 40
        assert part(customer.audio(until + 0.1), 620) > 0.9
        continuous([packet for _, packet in customer.packets])
        continuous([packet for _, packet in agent.packets])


async def test_a_digit_of_the_customer_reaches_the_agent_and_not_the_supervisor() -> None:
    async with rig(27800) as it:
        phones = await three(it)
        it.plane.mix(MONITOR)
        await phones["supervisor"].packets_more(5)
        phones["customer"].quiet()
        await phones["customer"].press("7")
        told = await it.event(MediaDtmf)
        assert (told.leg, told.digit) == ("customer", "7")
        agent = phones["agent"]
        await agent.until(lambda: any(packet.payload_type == 101 for _, packet in agent.packets))
        await agent.packets_more(20)
        events = {p.payload[0] for _, p in agent.packets if p.payload_type == 101}
        assert events == {7}
        assert all(p.payload_type == 0 for _, p in phones["supervisor"].packets)
        continuous_audio = [p for _, p in agent.packets if p.payload_type == 0]
        assert len({p.ssrc for p in continuous_audio}) == 1


def channels(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    with wave.open(str(path)) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


async def test_one_recording_over_bridge_whisper_and_barge(tmp_path: Path) -> None:
    """What is whispered to the agent is not in it; what the customer hears is."""
    path = tmp_path / "r.wav"
    async with rig(28000) as it:
        phones = await three(it)
        customer = phones["customer"]
        it.plane.record("customer", "r", path)
        await customer.packets_more(50)
        it.plane.mix(WHISPER)
        await customer.packets_more(50)
        it.plane.mix(BARGE)
        await customer.packets_more(50)
        it.plane.bridge("customer", "agent")
        await customer.packets_more(50)
        it.plane.stop_recording("r")
        closed = await it.event(RecordingClosed)
    assert 3800 < closed.duration_ms < 4600
    left, right = channels(path)
    assert part(trimmed(left), 440) > 0.9
    assert longest_gap_ms(trimmed(left), 440) <= 40
    second = 8000
    for at, loud in ((0, {620}), (1, {620}), (2, {620, 850}), (3, {620})):
        said = right[at * second + 1600 : at * second + 6400]
        assert {hz for hz in TONES.values() if part(said, hz) > 0.2} == loud
        if 850 not in loud:
            assert part(said, 850) < 0.02
    assert longest_gap_ms(trimmed(right[: 2 * second]), 620) <= 40


async def test_legs_of_two_workers_are_refused() -> None:
    async with rig(28200, workers=2, port_max=28398) as it:
        await it.phone("a")
        await it.phone("b")
        await it.phone("c")
        with pytest.raises(ValueError, match="two media workers"):
            it.plane.mix({"a": ["b", "c"], "b": ["a"], "c": ["a"]})
        it.plane.mix({"nobody": ["a"], "other": []})

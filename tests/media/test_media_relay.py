"""Bridged legs on real sockets."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cicswitch.core.errors import ResourceError
from cicswitch.media.leg import Leg
from cicswitch.media.plane import WorkerPlane
from cicswitch.ports import (
    MediaDtmf,
    MediaExhausted,
    MediaLegClosed,
    MediaSource,
    MediaTimeout,
    MediaWorkerLost,
    PlayFinished,
)
from cicswitch.rtp import tones
from cicswitch.rtp.dtmf import DIGITS
from cicswitch.rtp.packet import RtpPacket
from tests.media.rtp_phone import (
    NEAR,
    Phone,
    longest_gap_ms,
    part,
    raw_rtp,
    rig,
    settings,
    share,
    trimmed,
)

pytestmark = pytest.mark.realtime


def continuous(packets: list[RtpPacket]) -> None:
    """One SSRC, sequence numbers without a hole, timestamps that only grow, by whole packets."""
    assert len({packet.ssrc for packet in packets}) == 1
    for one, two in pairwise(packets):
        assert (two.sequence - one.sequence) & 0xFFFF == 1
        step = (two.timestamp - one.timestamp) & 0xFFFF_FFFF
        assert 0 < step < 8000
        assert step % 160 == 0


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("codecs", [("PCMU", "PCMU"), ("PCMU", "PCMA")])
async def test_each_side_hears_the_tone_of_the_other(workers: int, codecs: tuple[str, str]) -> None:
    async with rig(18000, workers=workers) as it:
        a = await it.phone("a", codec=codecs[0])
        b = await it.phone("b", codec=codecs[1])
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(620)
        await a.until(lambda: len(a.packets) > 60)
        await b.until(lambda: len(b.packets) > 60)
        for phone, hz in ((a, 620), (b, 440)):
            heard = trimmed(phone.audio())
            assert len(heard) > 8000
            assert part(heard, hz) > 0.95
            assert longest_gap_ms(heard, hz) <= 40
            continuous([packet for _, packet in phone.packets])


async def test_one_stream_over_bridge_prompt_transfer_and_restart() -> None:
    async with rig(18200) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        c = await it.phone("c", codec="PCMA")
        it.plane.bridge("a", "b")
        a.talk(0)
        b.talk(440)
        await a.packets_more(15)
        it.plane.play("a", "p", [MediaSource(tone_hz=(1000.0,), duration_ms=200)])
        await it.event(PlayFinished)
        await a.packets_more(10)
        it.plane.bridge("a", "c")
        c.talk(620)
        await a.packets_more(15)
        c.ssrc += 1  # the sender restarts
        c.sequence, c.timestamp = 40000, 77
        await a.packets_more(15)
        it.plane.configure("a", a.params())  # a re-INVITE that changes nothing
        await a.packets_more(5)
        packets = [packet for _, packet in a.packets]
        continuous(packets)
        assert sum(packet.marker for packet in packets) >= 5
        heard = a.audio()
        assert part(heard[-2400:], 620) > 0.9


async def test_a_lost_packet_stays_one_gap() -> None:
    async with rig(18400) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        b.talk(0)
        await a.until(lambda: len(a.packets) > 3)
        for number in range(20):
            a.timestamp += 160
            if number == 10:
                a.sequence += 1
            else:
                a.send(b"\xff" * 160)
            await asyncio.sleep(0.002)
        await b.until(lambda: len(b.packets) >= 19)
        numbers = [packet.sequence for _, packet in b.packets]
        assert sorted((y - x) & 0xFFFF for x, y in pairwise(numbers)) == ([1] * 17 + [2])
        it.plane.close("a")
        assert (await it.event(MediaLegClosed)).stats.packets_lost == 1


async def test_a_leg_that_may_not_be_sent_to_hears_nothing() -> None:
    async with rig(18600) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.configure("b", b.params(send=False))
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(440)
        await a.packets_more(20)
        assert b.packets == []
        it.plane.configure("b", b.params())
        await b.packets_more(5)


async def test_events_are_relayed_with_the_other_legs_payload_type_and_reported_once() -> None:
    async with rig(18800) as it:
        a = await it.phone("a", dtmf=101)
        b = await it.phone("b", dtmf=96)
        it.plane.bridge("a", "b")
        b.talk(0)
        await a.packets_more(3)
        await a.press(DIGITS)
        await it.event(MediaDtmf, len(DIGITS))
        told = it.of(MediaDtmf)
        assert "".join(event.digit for event in told) == DIGITS
        assert {(event.leg, event.in_band, event.duration_ms) for event in told} == {
            ("a", False, 60)
        }
        events = [packet for _, packet in b.packets if packet.payload_type == 96]
        assert len({packet.timestamp for packet in events}) == len(DIGITS)


async def test_events_become_tones_for_a_leg_without_events() -> None:
    async with rig(19000) as it:
        a = await it.phone("a")
        b = await it.phone("b", dtmf=None)
        it.plane.bridge("a", "b")
        b.talk(0)
        await a.packets_more(3)
        await a.press("5")
        await b.until(lambda: len(b.packets) >= 4)
        heard = trimmed(b.audio())
        low, high = tones.DTMF_HZ["5"]
        assert share(heard, low) + share(heard, high) > 0.8


async def test_sent_digits_are_events_where_agreed_and_tones_where_not() -> None:
    async with rig(19200) as it:
        a = await it.phone("a")
        b = await it.phone("b", dtmf=None)
        it.plane.send_dtmf("a", "1#", duration_ms=60)
        it.plane.send_dtmf("b", "1", duration_ms=100)
        await a.until(lambda: len(a.packets) >= 10)
        payloads = [packet.payload.hex() for _, packet in a.packets]
        assert payloads[:5] == ["010a00a0", "010a0140", "018a01e0", "018a01e0", "018a01e0"]
        assert [packet.marker for _, packet in a.packets] == ([True] + [False] * 4) * 2
        await b.until(lambda: len(b.packets) >= 5)
        low, high = tones.DTMF_HZ["1"]
        assert share(trimmed(b.audio()), low) + share(trimmed(b.audio()), high) > 0.9


async def test_tones_are_heard_on_a_leg_without_events() -> None:
    async with rig(19400) as it:
        a = await it.phone("a", dtmf=None, codec="PCMA")
        pieces: list[np.ndarray[tuple[int], np.dtype[np.int16]]] = []
        for digit in DIGITS:
            pieces += [tones.dtmf_tone(digit, 480), np.zeros(480, np.int16)]
        await a.say(np.concatenate([*pieces, np.zeros(1600, np.int16)]))
        await it.event(MediaDtmf, len(DIGITS))
        assert "".join(event.digit for event in it.of(MediaDtmf)) == DIGITS
        assert all(event.in_band for event in it.of(MediaDtmf))


async def attacker(port: int, host: str = "127.0.0.66") -> Phone:
    phone = Phone("attacker")
    await phone.listen(host)
    phone.to = (NEAR, port)
    return phone


async def test_a_third_party_that_sprays_first_loses_to_the_address_of_the_sdp() -> None:
    async with rig(19600) as it:
        a = await it.phone("a")
        evil = await attacker(a.to[1])
        it.phones.append(evil)
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        evil.talk(1000)
        await evil.until(lambda: len(evil.packets) > 3)  # for now it is taken for the far end
        a.talk(620)
        await a.packets_more(10)
        count = len(evil.packets)
        await a.packets_more(20)
        assert len(evil.packets) <= count + 1


async def test_a_third_party_that_sprays_later_gets_nothing_and_is_not_heard() -> None:
    async with rig(19800) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(620)
        await a.packets_more(10)
        evil = await attacker(a.to[1])
        it.phones.append(evil)
        evil.talk(1000)
        since = time.monotonic()
        await b.packets_more(40)
        assert evil.packets == []
        assert part(b.audio(since), 440) > 0.95


async def test_a_far_end_behind_nat_is_found_by_its_packets() -> None:
    async with rig(20000, latch_window_s=0.1) as it:
        a = await it.phone("a", configure=False)
        it.plane.configure("a", a.params(host="127.0.0.77", port=9))
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        a.talk(0)
        await a.packets_more(20)
        assert part(a.audio(), 440) > 0.95


async def test_latching_by_host_refuses_other_hosts() -> None:
    async with rig(20200, latch="host") as it:
        a = await it.phone("a")
        evil = await attacker(a.to[1])
        it.phones.append(evil)
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        await a.packets_more(1)
        for number in range(5):
            assert evil.transport is not None
            evil.transport.sendto(raw_rtp(0, number, 9), evil.to)
        await a.packets_more(5)
        assert evil.packets == []
        it.plane.close("a")
        assert (await it.event(MediaLegClosed)).stats.packets_stray == 5


async def test_a_new_address_in_the_sdp_moves_the_leg_and_the_old_one_cannot_return() -> None:
    async with rig(20400) as it:
        a = await it.phone("a")
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        a.talk(0)
        await a.packets_more(5)
        moved = Phone("a")
        it.phones.append(moved)
        await moved.listen("127.0.0.3")
        moved.to = a.to
        it.plane.configure("a", moved.params())
        await moved.until(lambda: len(moved.packets) > 3)  # `a` goes on sending
        count = len(a.packets)
        moved.talk(0)
        await moved.packets_more(10)
        assert len(a.packets) <= count


async def test_a_far_end_whose_port_is_closed_breaks_nothing() -> None:
    async with rig(20600) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(440)
        await b.packets_more(10)
        b.close()
        seen = len(a.packets)
        for _ in range(10):
            await asyncio.sleep(0.02)
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,), duration_ms=100)])
        await it.event(PlayFinished)
        assert len(a.packets) >= seen + 4


async def test_silence_is_told_once() -> None:
    async with rig(20800, rtp_timeout_s=0.6) as it:
        a = await it.phone("a")
        b = await it.phone("b", configure=False)
        it.plane.configure("b", b.params(receive=False))
        assert (await it.event(MediaTimeout)).leg == "a"
        a.talk(0)
        it.plane.play("a", "p", [MediaSource(duration_ms=1300)])
        await it.event(PlayFinished)
        assert len(it.of(MediaTimeout)) == 1


async def test_ports_rest_after_a_call_and_come_back() -> None:
    async with rig(21000, quarantine_s=0.8, pool_initial=4, pool_step=4, port_max=21006) as it:
        legs = ["a", "b", "c", "d"]
        ports = {it.plane.open(leg).port for leg in legs}
        with pytest.raises(MediaExhausted):
            it.plane.open("e")
        for leg in legs:
            it.plane.close(leg)
        await it.event(MediaLegClosed, 4)
        with pytest.raises(MediaExhausted):
            it.plane.open("e")
        await it.ports(4)
        assert {it.plane.open(leg).port for leg in legs} == ports


async def test_a_port_that_is_still_talked_to_stays_out_of_use() -> None:
    async with rig(21200, quarantine_s=0.4, pool_initial=2, port_max=21202) as it:
        a = await it.phone("a")
        a.talk(0)
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        await a.packets_more(5)
        it.plane.close("a")
        await it.event(MediaLegClosed)
        it.plane.open("b")
        for _ in range(12):
            await asyncio.sleep(0.1)
            with pytest.raises(MediaExhausted):
                it.plane.open("c")
        a.quiet()
        await it.ports(1)
        assert it.plane.open("c").port == a.to[1]


async def test_ports_taken_by_others_are_skipped() -> None:
    other = Phone("other")
    await other.listen(NEAR, 21401)
    try:
        async with rig(21400) as it:
            assert it.plane.open("a").port == 21402
    finally:
        other.close()


async def test_a_wrong_address_is_one_clear_line() -> None:
    plane = WorkerPlane(settings(21600, host="192.0.2.1"))
    with pytest.raises(
        ResourceError, match=r"no RTP port can be bound in .* on 192\.0\.2\.1: cannot"
    ):
        await plane.start(lambda event: None)


async def test_a_worker_that_dies_takes_its_legs_and_another_starts() -> None:
    async with rig(21800, workers=1) as it:
        it.plane.open("a")
        it.plane.open("b")
        (pid,) = it.plane.worker_pids()
        os.kill(pid, signal.SIGKILL)
        lost = await it.event(MediaWorkerLost)
        assert set(lost.legs) == {"a", "b"}
        with pytest.raises(MediaExhausted):
            it.plane.open("c")
        await it.ports(1)
        assert it.plane.open("c").port >= 21800
        assert it.plane.worker_pids() != [pid]


async def test_a_worker_has_one_thread_that_goes_before_all_others() -> None:
    async with rig(22100, workers=1) as it:
        (pid,) = it.plane.worker_pids()
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
        if real_time_is_allowed():
            assert os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR


def real_time_is_allowed() -> bool:
    """Whether processes of this user may be scheduled in real time."""
    wait = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
    tried = subprocess.run([sys.executable, "-c", wait], capture_output=True, check=False)
    return tried.returncode == 0


async def test_legs_over_ipv6() -> None:
    async with rig(22000, host6="::1") as it:
        a = Phone("a")
        it.phones.append(a)
        await a.listen("::1")
        near = it.plane.open("a", ipv6=True)
        assert near.host == "::1"
        a.to = (near.host, near.port)
        it.plane.configure("a", a.params())
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,))], loop=True)
        a.talk(0)
        await a.packets_more(20)
        assert part(a.audio(), 440) > 0.9


async def test_a_closed_leg_is_held_by_nothing() -> None:
    async with rig(22200) as it:
        a = await it.phone("a")
        b = await it.phone("b", codec="PCMA")
        await it.phone("silent")
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(620)
        await a.packets_more(10)
        await b.packets_more(10)
        gc.collect()
        gc.disable()
        try:
            assert sum(isinstance(each, Leg) for each in gc.get_objects()) == 3
            for leg in ("a", "b", "silent"):
                it.plane.close(leg)
            await it.event(MediaLegClosed, 3)
            # The worker's loop still has the one that it heard last in its hands.
            assert sum(isinstance(each, Leg) for each in gc.get_objects()) <= 1
        finally:
            gc.enable()

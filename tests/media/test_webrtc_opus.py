"""A browser's Opus in the process that talks to browsers: decoded, encoded, passed on."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.browser import FINGERPRINT, Browser
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.transcode import Decoder, Encoder, conceal
from cicswitch.rtp import g711
from cicswitch.rtp.packet import HEADER, RtpPacket, parse_rtp
from cicswitch.rtp.rtcp import (
    ReceiverReport,
    ReportBlock,
    SenderReport,
    build_compound,
    ntp_middle,
    parse_compound,
)
from tests.media.test_webrtc_worker import PASSWORD, Bench, up

OPUS, EVENTS = 111, 110


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    made.plane.setblocking(False)
    yield made
    made.close()


def tone(hz: float, seconds: float, rate: int = 8000) -> NDArray[np.int16]:
    return (np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate) * 8000).astype(
        np.int16
    )


def opus(samples: NDArray[np.int16], rate: int = 48_000, ms: int = 20) -> list[bytes]:
    """Packets by an encoder of our own here."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = rate, "mono", "s16"
    codec.options = {"frame_duration": str(ms)}
    size = rate * ms // 1000
    found = []
    for at in range(0, len(samples) - size + 1, size):
        part = samples[at : at + size].reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        found += [bytes(packet) for packet in codec.encode(frame)]
    return found


def purity(samples: NDArray[np.int16], hz: float, rate: int = 8000) -> float:
    """The share of the energy that is the tone's."""
    wave = samples.astype(float)
    at = np.abs(np.exp(-2j * np.pi * hz * np.arange(len(wave)) / rate) @ wave) ** 2
    return float(at * 2 / len(wave) / max((wave**2).sum(), 1.0))


def speaks(bench: Bench, number: int = 1, *, events: int = EVENTS, hz: int = 48_000) -> Browser:
    browser = up(bench.open(number))
    bench.command(
        wire.Connect(
            *(number, f"ufrag{number}", PASSWORD, "sha-256", FINGERPRINT, OPUS, -1, False),
            *(True, events, hz),
        )
    )
    return browser


def say(
    bench: Bench,
    browser: Browser,
    sequence: int,
    payload: bytes,
    *,
    at: int | None = None,
    kind: int = OPUS,
    marker: bool = False,
) -> None:
    bench.now += 0.02
    stamp = (sequence * 960 if at is None else at) & 0xFFFF_FFFF
    head = HEADER.pack(0x80, kind | marker << 7, sequence & 0xFFFF, stamp, 7)
    browser.send(browser.sender.protect(head + payload))


def at_plane(bench: Bench) -> list[RtpPacket]:
    found = []
    while True:
        try:
            found.append(parse_rtp(bench.plane.recv(2048)))
        except BlockingIOError:
            return found


def sound(packets: list[RtpPacket]) -> NDArray[np.int16]:
    return np.concatenate([g711.decode(packet.payload, g711.ULAW) for packet in packets])


def from_plane(bench: Bench, number: int, payload: bytes, *, kind: int = 0, at: int = -1) -> None:
    bench.now += 0.02
    stamp = number * 160 if at < 0 else at
    head = HEADER.pack(0x80, kind, number & 0xFFFF, stamp & 0xFFFF_FFFF, 9)
    bench.plane.sendto(head + payload, bench.inner)
    bench.run(2)


def heard(browser: Browser) -> list[RtpPacket]:
    return [parse_rtp(data) for data in browser.plain() if not 192 <= data[1] <= 223]


def test_what_a_browser_says_is_g711_for_the_plane(bench: Bench) -> None:
    browser = speaks(bench)
    near_wrap = 0x1_0000_0000 - 20 * 960
    for n, payload in enumerate(opus(tone(440, 1, 48_000))):
        say(bench, browser, 65_520 + n, payload, at=near_wrap + n * 960)
    packets = at_plane(bench)
    assert len(packets) == 50
    assert {(p.payload_type, len(p.payload), p.ssrc) for p in packets} == {
        (0, 160, packets[0].ssrc)
    }
    for before, after in pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        assert (after.timestamp - before.timestamp) & 0xFFFF_FFFF == 160
    assert purity(sound(packets[10:]), 440) > 0.98
    # What 8 kHz cannot carry is filtered out, not folded back.
    for n, payload in enumerate(opus(tone(6000, 1, 48_000)), 50):
        say(bench, browser, 65_520 + n, payload, at=near_wrap + n * 960)
    assert np.abs(sound(at_plane(bench)[5:]).astype(int)).max() < 300


@pytest.mark.parametrize("ms", [10, 20, 40, 60])
def test_what_the_plane_says_is_opus_for_a_browser(bench: Bench, ms: int) -> None:
    browser = speaks(bench)
    size = 8 * ms
    wave = tone(620, 1.2)
    for n in range(len(wave) // size):
        part = g711.encode(wave[n * size : (n + 1) * size], g711.ULAW)
        from_plane(bench, n, part, at=n * size)
    packets = heard(browser)
    assert len(packets) == len(wave) // size
    assert {p.payload_type for p in packets} == {OPUS}
    assert {
        (
            (b.sequence - a.sequence) & 0xFFFF,
            (b.timestamp - a.timestamp) & 0xFFFF_FFFF,
        )
        for a, b in pairwise(packets)
    } == {(1, 6 * size)}
    decoder = Decoder()
    assert purity(np.concatenate([decoder.decode(p.payload) for p in packets])[800:], 620) > 0.95


def test_a_gap_before_the_switch_stays_one_for_the_browser(bench: Bench) -> None:
    browser = speaks(bench)
    for n in (1, 2, 5, 4, 6):
        from_plane(bench, n, bytes(160))
    packets = heard(browser)
    first = packets[0].sequence
    assert [(p.sequence - first) & 0xFFFF for p in packets] == [0, 1, 4, 5]
    assert (packets[-1].timestamp - packets[0].timestamp) & 0xFFFF_FFFF == 5 * 960


def test_a_loss_is_made_up_and_counted(bench: Bench) -> None:
    browser = speaks(bench)
    for n, payload in enumerate(opus(tone(400, 1, 48_000))):
        if n not in (20, 21, 30):
            say(bench, browser, n, payload)
    say(bench, browser, 21, b"late")
    packets = at_plane(bench)
    assert len(packets) == 50
    assert purity(sound(packets[10:]), 400) > 0.9
    levels = [np.abs(g711.decode(p.payload, g711.ULAW).astype(int)).max() for p in packets[10:]]
    assert min(levels) > 4000
    bench.command(wire.Close(1))
    told = bench.events()
    assert told[-1] == wire.Closed(1)
    (figures,) = [each for each in told[-2:] if isinstance(each, wire.Sound)]
    assert (figures.packets_received, figures.packets_lost) == (48, 2)


def test_silence_that_is_not_sent_is_no_loss(bench: Bench) -> None:
    browser = speaks(bench)
    packets = opus(tone(400, 0.2, 48_000))
    say(bench, browser, 1, packets[0], at=0)
    say(bench, browser, 2, packets[1], at=20 * 960)
    one, two = at_plane(bench)
    assert (two.timestamp - one.timestamp) & 0xFFFF_FFFF == 20 * 160


def test_between_two_browsers_the_packets_go_as_they_are(bench: Bench) -> None:
    one, two = speaks(bench, 1), speaks(bench, 2)
    packets = opus(tone(440, 1, 48_000))
    # First the plane plays; then the one is passed on; then the plane plays again.
    from_plane_to_two(bench, 1)
    bench.command(wire.Relay(1, 2, False), wire.Relay(2, 1, False))
    for n in range(10):
        say(bench, one, 100 + n, packets[n])
        from_plane_to_two(bench, 2 + n)
    assert at_plane(bench) == []  # nothing is decoded
    bench.command(wire.Relay(1, 0, False))
    say(bench, one, 110, packets[10])
    from_plane_to_two(bench, 12)
    got = heard(two)
    assert [p.payload for p in got[1:11]] == packets[:10]
    assert len(got) == 12
    assert len({p.ssrc for p in got}) == 1
    assert [(p.sequence - got[0].sequence) & 0xFFFF for p in got] == list(range(12))
    steps = [(b.timestamp - a.timestamp) & 0xFFFF_FFFF for a, b in pairwise(got)]
    assert all(960 <= step <= 4 * 960 for step in steps)
    assert steps[1:10] == [960] * 9
    assert [p.marker for p in got] == [True, True, *[False] * 9, True]
    assert len(at_plane(bench)) == 1
    # A gap and a late packet stay what they are.
    bench.command(wire.Relay(1, 2, False))
    for n in (200, 202, 201, 203):
        say(bench, one, n, b"x%d" % n)
    got = heard(two)
    first = got[0].sequence
    assert [(p.sequence - first) & 0xFFFF for p in got] == [0, 2, 1, 3]
    assert [p.payload for p in got] == [b"x200", b"x202", b"x201", b"x203"]


def from_plane_to_two(bench: Bench, number: int) -> None:
    """The second leg's port is not bound in `Bench`: its packet comes from there all the same."""
    worker = bench.worker
    head = HEADER.pack(0x80, 0, number, number * 160, 9)
    bench.now += 0.02
    worker.peers[2].from_plane(head + bytes(160), bench.now)


def test_beside_the_plane_hears_what_is_passed_on(bench: Bench) -> None:
    one, two = speaks(bench, 1), speaks(bench, 2)
    bench.command(wire.Relay(1, 2, True))
    packets = opus(tone(440, 1, 48_000))
    for n, payload in enumerate(packets):
        say(bench, one, n, payload)
    assert [p.payload for p in heard(two)] == packets
    assert purity(sound(at_plane(bench)[10:]), 440) > 0.98
    # The other ends: no one is left that its packets could go to.
    bench.command(wire.Close(2))
    say(bench, one, 50, packets[0])
    assert len(at_plane(bench)) == 1
    assert bench.worker.errors == 0


def test_one_of_them_speaks_g711_so_both_go_by_the_plane(bench: Bench) -> None:
    one, two = speaks(bench, 1), up(bench.open(2))
    bench.command(wire.Relay(1, 2, False), wire.Relay(2, 1, False))
    say(bench, one, 1, opus(tone(440, 0.1, 48_000))[0])
    assert heard(two) == []
    assert len(at_plane(bench)) == 1


@pytest.mark.parametrize("passed", [False, True])
@pytest.mark.parametrize(("kind", "hz"), [(EVENTS, 48_000), (126, 8000)])
def test_digits_go_by_the_plane_at_its_clock(
    bench: Bench, kind: int, hz: int, passed: bool
) -> None:
    one, two = speaks(bench, 1, events=kind, hz=hz), speaks(bench, 2, events=kind, hz=hz)
    if passed:
        bench.command(wire.Relay(1, 2, False), wire.Relay(2, 1, False))
    payload = opus(tone(440, 0.1, 48_000))[0]
    say(bench, one, 1, payload)
    for n in range(3):
        body = struct.pack("!BBH", 5, 0x80 * (n == 2) | 10, (n + 1) * hz // 50)
        say(bench, one, 2 + n, body, at=960 * 2, kind=kind, marker=n == 0)
    say(bench, one, 5, payload)
    digits = [p for p in at_plane(bench) if p.payload_type == 101]
    assert [struct.unpack("!BBH", p.payload)[2] for p in digits] == [160, 320, 480]
    assert len({p.timestamp for p in digits}) == 1
    assert [p.marker for p in digits] == [True, False, False]
    heard(two)
    for p in digits:
        head = HEADER.pack(0x80, 101 | p.marker << 7, p.sequence, p.timestamp, 9)
        bench.now += 0.02
        bench.worker.peers[2].from_plane(head + p.payload, bench.now)
    say(bench, one, 6, payload)
    got = heard(two)
    events = [p for p in got if p.payload_type == kind]
    assert [struct.unpack("!BBH", p.payload)[2] for p in events] == [
        hz // 50 * n for n in (1, 2, 3)
    ]
    assert len({p.timestamp for p in events}) == 1
    assert [(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(got)] == [1] * (len(got) - 1)
    assert len(got) == 3 + passed


def test_reports_are_made_anew_at_the_clock_of_each_side(bench: Bench) -> None:
    browser = speaks(bench)
    payload = opus(tone(440, 0.1, 48_000))[0]
    bench.worker.peers[1].opus._reports.due = bench.now + 1  # type: ignore[union-attr]  # it has Opus
    for n in range(40):
        # Each second packet is 10 ms late: a jitter that nears 10 ms.
        bench.now += 0.01 if n % 2 else -0.01
        if n not in (7, 8):
            say(bench, browser, n, payload)
        else:
            bench.now += 0.02
        from_plane(bench, n, bytes(160))
        bench.now -= 0.02
    bench.now += 1
    bench.run()
    (report,) = [data for data in browser.plain() if 192 <= data[1] <= 223]
    (sender,) = parse_compound(report).reports
    assert isinstance(sender, SenderReport)
    (block,) = sender.blocks
    assert (block.ssrc, block.packets_lost) == (7, 2)
    figures = bench.worker.peers[1].opus.figures()  # type: ignore[union-attr]  # the same
    assert abs(block.jitter / 48 - figures.jitter_ms) < 0.1
    assert 5 < figures.jitter_ms < 20
    assert sender.packets == 40
    # The browser's answer gives the round trip.
    answer = ReportBlock(
        ssrc=sender.ssrc,
        fraction_lost=25,
        packets_lost=4,
        highest_sequence=1,
        jitter=48,
        last_sr=(ntp_middle(sender.ntp) - 6554) & 0xFFFF_FFFF,
        delay_since_last_sr=0,
    )
    data = build_compound(ReceiverReport(ssrc=7, blocks=(answer,)), "b")
    browser.send(browser.sender.protect_rtcp(data))
    figures = bench.worker.peers[1].opus.figures()  # type: ignore[union-attr]  # the same
    assert figures.rtt_ms is not None
    assert 95 < figures.rtt_ms < 1500


def test_noise_in_opus_ends_nothing(bench: Bench) -> None:
    one, two = speaks(bench, 1), speaks(bench, 2)
    chance = random.Random(11)
    good = opus(tone(440, 0.1, 48_000))[0]
    for n in range(1500):
        bench.worker.peers[1].relay(
            bench.worker.peers[chance.choice([1, 2])] if n % 7 else None, beside=n % 3 == 0
        )
        body = chance.choice([good, chance.randbytes(chance.randrange(90)), b"\xff" * 9])
        kind = chance.choice([OPUS, OPUS, EVENTS, 0, 5])
        head = HEADER.pack(
            *(0x80, kind, chance.randrange(65536) if n % 5 == 0 else n, chance.randrange(1 << 32)),
            chance.choice([7, 8]),
        )
        bench.worker.peers[1].opus.received(head + body, bench.now)  # type: ignore[union-attr]  # it has Opus
        report = HEADER.pack(0x81, 200, n % 9, 1, 2) + chance.randbytes(4 * (n % 12))
        bench.worker.peers[1].opus.feedback(report, bench.now)  # type: ignore[union-attr]  # the same
        size = chance.randrange(400)
        plane = HEADER.pack(0x80, chance.choice([0, 101]), chance.randrange(65536), n * 160, 9)
        bench.worker.peers[1].from_plane(plane + chance.randbytes(size), bench.now)
        at_plane(bench)
        one.received()
        two.received()
    assert bench.worker.errors == 0
    assert bench.worker.peers[1].opus.malformed > 0  # type: ignore[union-attr]  # it has Opus


@given(st.lists(st.integers(1, 700), max_size=12))
def test_any_lengths_are_cut_into_packets_that_follow_each_other(sizes: list[int]) -> None:
    encoder = Encoder()
    at = 0
    ends: list[int] = []
    decoder = Decoder()
    for size in sizes:
        for begins, packet in encoder.encode(np.zeros(size, np.int16)):
            start = at + begins
            assert not ends or start == ends[-1]
            ends.append(start + len(decoder.decode(packet)))
        at += size
    assert at - (ends[-1] if ends else 0) < 160


@given(st.integers(-8000, 8000), st.integers(80, 480), st.integers(1, 5))
def test_what_is_made_up_never_grows(level: int, count: int, lost: int) -> None:
    made = conceal(np.full(480, level, np.int16), count, lost)
    assert len(made) == count
    assert np.abs(made.astype(int)).max() <= abs(level)

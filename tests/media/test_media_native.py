"""The relay in C takes the same packets to the same end as the loop in Python does."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from cicswitch.media import wire
from cicswitch.media.inlet import ROW, Rows
from cicswitch.media.leg import Leg
from cicswitch.media.native import BUILT, make_relay
from cicswitch.media.worker import Worker
from cicswitch.ports import MediaSource
from cicswitch.rtp.packet import RtpPacket, build_rtp
from tests.media.rtp_phone import NEAR, settings

needs_c = pytest.mark.skipif(not BUILT, reason="the relay in C is not built here")
either = pytest.mark.parametrize("native", [pytest.param(True, marks=needs_c), False])

FAR = "127.0.0.2"
START = 1000.0
Draw = Callable[[Any], Any]
KINDS = (
    *("row", "row", "row", "row", "loss", "swap", "twice", "jump", "restart", "clock", "marker"),
    *("digit", "noise", "extension", "csrc", "padding", "size", "short", "version", "long"),
    *("empty", "garbage"),
)
CHANGES = ("same", "hold", "deaf", "codec", "move", "part", "play", "stop", "digits")


class Side:
    """One worker, driven pass by pass at a time of our own, with two far ends and a stranger."""

    def __init__(self, stack: ExitStack, port_min: int, *, native: bool) -> None:
        self.now = START
        self.native = native
        self.control, theirs = socket.socketpair()
        stack.callback(self.control.close)
        stack.callback(theirs.close)
        self.worker = Worker(
            theirs,
            settings(port_min, port_max=port_min + 198, pool_initial=2),
            native=native,
            clock=lambda: self.now,
        )
        self.engine = self.worker.engine
        for name in ("now", "_sweep_at", "_figures_at"):
            setattr(self.engine, name, START)
        self.engine._random.seed(7)
        stack.callback(self.worker._epoll.close)
        stack.callback(self.engine.shutdown)
        self.far: list[socket.socket] = []
        for _ in range(3):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stack.callback(sock.close)
            sock.bind((FAR, 0))
            sock.setblocking(False)
            self.far.append(sock)
        self.frames = wire.Frames()
        self.events: list[Any] = []
        self.said(wire.Grow(2))
        ports = next(each.ports for each in self.events if isinstance(each, wire.Ports))
        self.near = [(NEAR, port) for port in ports]
        for number, port in enumerate(ports):
            self.said(wire.Open(number, port))
            self.said(self.configure(number))
        self.legs: list[Leg] = [self.engine.legs[0], self.engine.legs[1]]
        self.said(wire.Bridge(0, 1))

    def configure(self, number: int, **changes: Any) -> wire.Configure:
        fields: dict[str, Any] = {
            "leg": number,
            "codec": "PCMU",
            "payload_type": 0,
            "host": FAR,
            "port": self.far[number].getsockname()[1],
            "dtmf_payload_type": 101,
        }
        return wire.Configure(**(fields | changes))

    def said(self, command: wire.Command) -> None:
        self.control.send(wire.frame([command]))
        self.run()

    def run(self) -> None:
        """Passes until there is nothing left to read."""
        while self.worker.step(0.0):
            pass
        with suppress(BlockingIOError):
            for body in self.frames.feed(self.control.recv(1 << 20, socket.MSG_DONTWAIT)):
                self.events += wire.EVENTS.decode(body)

    def send(self, number: int, data: bytes, *, stray: bool = False) -> None:
        self.far[2 if stray else number].sendto(data, self.near[number])

    def heard(self) -> list[list[bytes]]:
        """What came to the far ends since the last call."""
        came: list[list[bytes]] = []
        for sock in self.far:
            came.append([])
            with suppress(BlockingIOError):
                while True:
                    came[-1].append(sock.recv(2048))
        return came

    def state(self) -> dict[str, Any]:
        """All that is counted, with both legs off the fast path."""
        found: dict[str, Any] = {"errors": self.engine.send_errors}
        found["unknown"] = self.engine.unknown_payloads
        for leg in self.legs:
            leg.disarm()
            for name in ("stray", "heard_at", "latching", "sequence_offset", "timestamp_offset"):
                found[f"{leg.number} {name}"] = getattr(leg, name)
            for stream in (leg.input, leg.output):
                kind = type(stream).__name__
                for name in (
                    "base duplicates highest jitter lost lost_before received received_before"
                    " reordered restarts sampled ssrc timestamp transit window"
                    if kind == "InputStream"
                    else "last_at length octets sent sequence ssrc timestamp"
                ).split():
                    found[f"{leg.number} {kind} {name}"] = getattr(stream, name)
        return found

    def told(self) -> list[Any]:
        """Events, but for figures of the process and what another thread decides the moment of."""
        return [
            each
            for each in self.events
            if not isinstance(each, wire.Figures | wire.Recorded | wire.Ports)
        ]


@contextmanager
def sides(port_min: int) -> Iterator[tuple[Side, Side]]:
    """The same in C and in Python."""
    with ExitStack() as stack:
        both = Side(stack, port_min, native=True), Side(stack, port_min + 400, native=False)
        assert both[0].engine.relay is not None
        assert both[1].engine.relay is None
        yield both


class Source:
    """What a far end sends."""

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc, self.sequence, self.timestamp = ssrc, sequence, timestamp

    def packet(self, samples: int = 160, **changes: Any) -> bytes:
        """The next one, or what is like it but for these changes."""
        fields: dict[str, Any] = {
            "payload_type": 0,
            "sequence": self.sequence,
            "timestamp": self.timestamp,
            "ssrc": self.ssrc,
            "payload": bytes(at * 7 + self.sequence & 0xFF for at in range(samples)),
        }
        padding = changes.pop("padding", 0)
        data = build_rtp(RtpPacket(**(fields | changes)), padding=padding)
        self.skip(1, samples)
        return data

    def skip(self, packets: int, samples: int = 160) -> None:
        self.sequence = (self.sequence + packets) & 0xFFFF
        self.timestamp = (self.timestamp + packets * samples) & 0xFFFF_FFFF


def drawn(draw: Draw, source: Source) -> list[bytes]:
    """Datagrams of one kind."""
    kind = draw(st.sampled_from(KINDS))
    event(kind)
    match kind:
        case "loss":
            source.skip(draw(st.integers(1, 200)))
        case "swap":
            first, second = source.packet(), source.packet()
            return [second, first]
        case "twice":
            return [source.packet()] * 2
        case "jump":
            source.sequence = draw(st.integers(0, 0xFFFF))
        case "restart":
            source.ssrc = draw(st.integers(0, 0xFFFF_FFFF))
            source.sequence = draw(st.integers(0, 0xFFFF))
            source.timestamp = draw(st.integers(0, 0xFFFF_FFFF))
        case "clock":
            source.timestamp = draw(st.integers(0, 0xFFFF_FFFF))
        case "marker":
            return [source.packet(marker=True)]
        case "digit":
            at = source.timestamp
            return [
                source.packet(
                    payload_type=101, timestamp=at, payload=struct.pack("!BBH", 5, end, 800)
                )
                for end in (10, 10, 0x8A, 0x8A, 0x8A)
            ]
        case "noise":
            return [source.packet(payload_type=draw(st.sampled_from([13, 8, 96, 127])))]
        case "extension":
            return [source.packet(extension=(1, b"abcd"))]
        case "csrc":
            return [source.packet(csrcs=(1, 2))]
        case "padding":
            return [source.packet(padding=draw(st.integers(1, 8)))]
        case "size":
            samples = draw(st.sampled_from([1, 80, 240, 480, 627]))
            return [source.packet(samples) for _ in range(draw(st.integers(1, 5)))]
        case "short":
            return [source.packet()[: draw(st.integers(0, 11))]]
        case "version":
            data = source.packet()
            return [bytes([draw(st.sampled_from([0x00, 0x40, 0xC0, 0x90, 0xA0, 0x8F]))]) + data[1:]]
        case "long":
            return [source.packet(draw(st.sampled_from([628, 629, 900])))]
        case "empty":
            return [source.packet(0)]
        case "garbage":
            return [draw(st.binary(max_size=30))]
    return [source.packet() for _ in range(draw(st.integers(1, 12)))]


def commands(draw: Draw, side: Side) -> Any:
    """A change of one leg or of both, as a function of the side that it is made on."""
    number = draw(st.integers(0, 1))
    kind = draw(st.sampled_from(CHANGES))
    event(kind)
    match kind:
        case "hold":
            return lambda it: it.configure(number, send=False)
        case "deaf":
            return lambda it: it.configure(number, receive=False)
        case "codec":
            return lambda it: it.configure(number, codec="PCMA")
        case "move":
            return lambda it: it.configure(number, port=it.far[2].getsockname()[1])
        case "part":
            return lambda it: wire.Unbridge(number)
        case "play":
            return lambda it: wire.Play(number, "p", [MediaSource(duration_ms=100)])
        case "stop":
            return lambda it: wire.StopPlay(number)
        case "digits":
            return lambda it: wire.SendDtmf(number, "1", 60)
    return lambda it: it.configure(number)


EDGES = st.sampled_from([0, 100, 0xFFFF - 2005, 0xFFFF - 5])
EDGES32 = st.sampled_from([0, 5000, 0xFFFF_FFFF - 962_000, 0xFFFF_FFFF - 1000])


@needs_c
@given_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_both_send_and_count_the_same_whatever_comes(data: st.DataObject) -> None:
    draw: Draw = data.draw
    with sides(22600) as both:
        c, python = both
        taken = 0
        for number in range(2):
            sequence, timestamp = draw(EDGES), draw(EDGES32)
            for side in both:
                side.legs[number].output.sequence = sequence
                side.legs[number].output.timestamp = timestamp
        sources = [Source(11, draw(EDGES), draw(EDGES32)), Source(22, draw(EDGES), draw(EDGES32))]
        for number, source in enumerate(sources):
            for packet in (source.packet(), source.packet()):
                for side in both:
                    side.send(number, packet)
                    side.run()
        for _ in range(draw(st.integers(1, 25))):
            what = draw(
                st.sampled_from(["packets"] * 6 + ["stray", "time", "command", "command", "bridge"])
            )
            number = draw(st.integers(0, 1))
            packets: list[bytes] = []
            if what == "packets":
                packets = drawn(draw, sources[number])
            elif what == "stray":
                packets = [sources[number].packet()]
                sources[number].skip(-1)
            elif what == "time":
                step = draw(st.sampled_from([0.02, 0.1, 0.5, 2.1, 3.5]))
                for side in both:
                    side.now += step
            elif what == "bridge":
                for side in both:
                    side.said(wire.Bridge(0, 1))
            else:
                command = commands(draw, c)
                for side in both:
                    side.said(command(side))
            together = draw(st.booleans())
            for packet in packets or [b""]:
                for side in both:
                    side.now += 0.02
                    if packets:
                        side.send(number, packet, stray=what == "stray")
                    if not together:
                        side.run()
                taken += sum(leg.lane >= 0 for leg in c.legs)
            for side in both:
                side.run()
            assert c.heard() == python.heard()
        event(f"armed in C: {bool(taken)}")
        assert c.state() == python.state()
        assert c.told() == python.told()
        for side in both:
            side.said(wire.Close(0))
            side.said(wire.Close(1))
            side.now += 1
            side.run()
        assert c.told() == python.told()
        assert sum(isinstance(each, wire.Closed) for each in c.told()) == 2


def started(side: Side, sources: list[Source]) -> None:
    """Both far ends are heard and relayed."""
    for _ in range(3):
        for number, source in enumerate(sources):
            side.send(number, source.packet())
            side.now += 0.01
            side.run()


@pytest.fixture
def one() -> Iterator[tuple[Side, list[Source]]]:
    """One worker with the relay in C, at work."""
    with ExitStack() as stack:
        side = Side(stack, 23400, native=True)
        sources = [Source(11, 100, 5000), Source(22, 900, 70000)]
        started(side, sources)
        side.heard()
        yield side, sources


@needs_c
def test_packets_in_order_go_by_python_until_it_asks(one: tuple[Side, list[Source]]) -> None:
    side, sources = one
    leg = side.legs[0]
    assert leg.lane >= 0
    before = leg.input.received
    sent = [sources[0].packet() for _ in range(20)]
    for packet in sent:
        side.send(0, packet)
    side.run()
    heard = side.heard()[1]
    assert [packet[12:] for packet in heard] == [packet[12:] for packet in sent]
    assert leg.input.received == before
    booked = leg.book(side.now)
    assert booked >= 20
    assert leg.input.received == before + booked
    assert side.legs[1].output.sent == before + booked
    assert leg.lane >= 0


@needs_c
@pytest.mark.parametrize(
    "change",
    [
        wire.Unbridge(1),
        wire.Play(1, "p", [MediaSource(tone_hz=(440.0,))], loop=True),
        wire.SendDtmf(0, "1", 60),
        wire.Record(1, "r", "/dev/null"),
        wire.Close(1),
    ],
    ids=lambda change: type(change).__name__,
)
def test_a_change_of_either_leg_disarms_both(
    one: tuple[Side, list[Source]], change: wire.Command
) -> None:
    side, _ = one
    assert all(leg.lane >= 0 for leg in side.legs)
    side.control.send(wire.frame([change]))
    side.worker.step(0.0)
    assert [leg.lane for leg in side.legs] == [-1, -1]


@needs_c
def test_a_recorded_leg_is_not_armed_in_c(one: tuple[Side, list[Source]]) -> None:
    side, sources = one
    side.said(wire.Record(0, "r", "/dev/null"))
    started(side, sources)
    assert [leg.lane for leg in side.legs] == [-1, -1]
    assert all(leg.next_word >= 0 for leg in side.legs)
    side.said(wire.StopRecording("r"))
    started(side, sources)
    assert all(leg.lane >= 0 for leg in side.legs)


@needs_c
def test_what_the_kernel_refuses_is_counted() -> None:
    with sides(23800) as both:
        for side in both:
            sources = [Source(11, 100, 5000), Source(22, 900, 70000)]
            started(side, sources)
            side.legs[1].slot.disconnect()
            for _ in range(3):
                side.send(0, sources[0].packet())
                side.run()
            assert side.engine.send_errors == 3
        assert both[0].legs[0].lane >= 0
        assert both[0].state() == both[1].state()


@needs_c
def test_whoever_sends_too_fast_is_seen_by_python(one: tuple[Side, list[Source]]) -> None:
    side, sources = one
    before, heard = side.legs[0].input.received, 0
    for _ in range(2100):
        side.send(0, sources[0].packet())
        side.run()
        heard += len(side.heard()[1])
    assert side.legs[0].input.received >= before + 2000
    assert heard == 2100


@either
def test_whoever_sends_too_fast_near_a_wrap_ends_no_worker(native: bool) -> None:
    with ExitStack() as stack:
        side = Side(stack, 24200, native=native)
        side.legs[1].output.timestamp = 0xFFFF_FFFF - 962_000
        sources = [Source(11, 100, 5000), Source(22, 900, 70000)]
        started(side, sources)
        heard = []
        for _ in range(1700):
            side.send(0, sources[0].packet(620))
            side.run()
            heard += side.heard()[1]
        stamps = [int.from_bytes(packet[4:8], "big") for packet in heard]
        assert len(stamps) >= 1700
        assert {(y - x) & 0xFFFF_FFFF for x, y in pairwise(stamps[-1600:])} == {620}


@either
def test_a_far_end_that_fell_silent_still_hears_every_packet(native: bool) -> None:
    with ExitStack() as stack:
        side = Side(stack, 24600, native=native)
        sources = [Source(11, 100, 5000), Source(22, 900, 70000)]
        started(side, sources)
        side.heard()
        heard = 0
        for _ in range(250):
            side.now += 0.02
            side.send(0, sources[0].packet())
            side.run()
            heard += len(side.heard()[1])
        assert heard == 250
        assert side.engine.send_errors == 0
        assert side.legs[1].latching


@needs_c
def test_a_relay_refuses_what_would_reach_beyond_its_rows() -> None:
    relay = make_relay(0, Rows())
    assert relay is not None
    plain = (3, 0x8000_0001, 160, 1, 172, 0, 0, 1, -1)
    relay.arm(*plain)
    assert relay.reached(3) == (0x8000_0001, 160)
    for at, value in (
        (0, -1),
        (0, 1 << 30),
        (1, 1 << 32),
        (1, -1),
        (2, 1 << 32),
        (4, 11),
        (4, ROW),
        (5, 1 << 40),
        (8, -2),
        (8, 1 << 30),
    ):
        wrong = [*plain[:at], value, *plain[at + 1 :]]
        with pytest.raises(ValueError, match="no such lane"):
            relay.arm(*wrong)
    for number in (-1, 2, 100_000):
        with pytest.raises(LookupError):
            relay.reached(number)
    relay.disarm(3)
    with pytest.raises(LookupError):
        relay.disarm(3)

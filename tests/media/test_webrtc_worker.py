"""The process that talks to browsers, in this one: what it takes, what it drops, what it tells."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
from collections.abc import Iterator
from itertools import pairwise

import av
import pytest
from aioice import stun
from aiortc.codecs.vpx import vp8_depayload
from pylibsrtp import Error as SrtpError

from bench.browser import FINGERPRINT, Browser
from cicswitch.media import wire as frames
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.certificate import make_certificate
from cicswitch.media.webrtc.still import Why, draw
from cicswitch.media.webrtc.video import key_frame_request, nack
from cicswitch.media.webrtc.worker import Worker
from cicswitch.rtp.packet import HEADER

PEM, _ = make_certificate()
PASSWORD = "a" * 24


class Bench:
    """A worker on sockets of 127.0.0.1, with a clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for sock in self.sockets:
            sock.bind(("127.0.0.1", 0))
        self.control, theirs = socket.socketpair()
        self.others = [theirs]
        self.control.setblocking(False)
        outer, rtp, rtcp = self.sockets
        self.worker = Worker((outer, rtp, rtcp, theirs), PEM, lost_s=4, clock=lambda: self.now)
        self.address = outer.getsockname()
        self.inner = rtp.getsockname()
        self.plane = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.plane.bind(("127.0.0.1", 0))
        self.plane.settimeout(1)
        self._frames = frames.Frames()

    def command(self, *commands: wire.Command) -> None:
        self.control.send(wire.frame(list(commands)))
        self.run()

    def run(self, times: int = 5) -> None:
        for _ in range(times):
            self.worker.step(0.001)

    def events(self) -> list[wire.Event]:
        try:
            data = self.control.recv(1 << 18)
        except BlockingIOError:
            return []
        told = [event for body in self._frames.feed(data) for event in wire.EVENTS.decode(body)]
        return [event for event in told if not isinstance(event, wire.Figures)]

    def browser(self, ufrag: str) -> Browser:
        """A browser that nobody expects yet."""
        made = Browser(self.address, ufrag, PASSWORD, self.run)
        self.others.append(made.socket)
        return made

    def open(self, number: int = 1, *, fingerprint: str = "", video: int = -1) -> Browser:
        """A leg, and a browser for it."""
        browser = self.browser(f"ufrag{number}")
        host, port = self.plane.getsockname()
        self.command(wire.Open(number, browser.ufrag, PASSWORD, host, port + 2 * (number - 1)))
        self.command(
            wire.Connect(
                number,
                browser.ufrag,
                PASSWORD,
                "sha-256",
                fingerprint or FINGERPRINT,
                0,
                video,
                True,
            )
        )
        return browser

    def close(self) -> None:
        self.worker._epoll.close()
        for sock in (*self.sockets, *self.others, self.plane, self.control):
            sock.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def rtp(
    browser: Browser, sequence: int, *, kind: int = 0, ssrc: int = 7, payload: bytes = b"x"
) -> None:
    """Send an encrypted packet."""
    packet = HEADER.pack(0x80, kind, sequence, sequence * 160, ssrc) + payload
    browser.send(browser.sender.protect(packet))


def up(browser: Browser) -> Browser:
    assert browser.check()
    assert browser.shake_hands()
    return browser


def test_a_right_check_is_answered_and_a_wrong_one_is_not(bench: Bench) -> None:
    browser = bench.open()
    (answer,) = browser.check()
    message = stun.parse_message(answer)
    assert message.message_class == stun.Class.RESPONSE
    assert message.attributes["XOR-MAPPED-ADDRESS"] == browser.socket.getsockname()
    assert message.check_message_integrity(PASSWORD.encode())
    assert browser.check("b" * 24) == []
    browser.ufrag = "nobody"
    assert browser.check() == []
    assert bench.worker.strange == 2
    browser.ufrag = "ufrag1"
    (conflict,) = browser.check(PASSWORD, **{"ICE-CONTROLLED": 3})
    assert stun.parse_message(conflict).error_code == 487


def test_sound_goes_both_ways(bench: Bench) -> None:
    browser = up(bench.open())
    assert bench.worker.peers[1].connected
    rtp(browser, 1, payload=b"sound")
    data, source = bench.plane.recvfrom(2048)
    assert data.endswith(b"sound")
    assert source == bench.inner
    bench.plane.sendto(HEADER.pack(0x80, 0, 9, 9, 9) + b"back", bench.inner)
    bench.run()
    assert [packet[12:] for packet in browser.plain()] == [b"back"]


def test_the_certificate_has_to_be_the_one_of_the_description(bench: Bench) -> None:
    browser = bench.open(fingerprint=":".join(["AB"] * 32))
    browser.check()
    browser.shake_hands()
    (told,) = bench.events()
    assert told == wire.Lost(1, "the certificate is not the one of the description", 0.0)
    if browser.sender is not None:
        rtp(browser, 1)
    bench.plane.setblocking(False)
    with pytest.raises(BlockingIOError):
        bench.plane.recv(100)


def test_nothing_counts_before_a_check_and_from_elsewhere(bench: Bench) -> None:
    browser = bench.open()
    assert not browser.shake_hands()  # DTLS of an address that nobody has vouched for
    up(bench.open(2))
    other = bench.browser("ufrag2")
    strange = bench.worker.strange
    other.send(b"\x80\x00" + bytes(30))
    assert bench.worker.strange == strange + 1
    assert not bench.worker.peers[1].connected


def test_a_forged_or_repeated_packet_is_dropped(bench: Bench) -> None:
    browser = up(bench.open())
    packet = browser.sender.protect(HEADER.pack(0x80, 0, 1, 160, 7) + b"once")
    browser.send(packet)
    browser.send(packet)
    browser.send(packet[:-1] + bytes([packet[-1] ^ 1]))
    assert bench.plane.recv(100).endswith(b"once")
    bench.plane.setblocking(False)
    with pytest.raises(BlockingIOError):
        bench.plane.recv(100)
    assert bench.worker.forged == 2


def test_a_browser_that_moves_is_followed_by_its_checks(bench: Bench) -> None:
    browser = up(bench.open())
    browser.move()
    bench.others.append(browser.socket)
    assert browser.check()
    rtp(browser, 1, payload=b"moved")
    assert bench.plane.recv(100).endswith(b"moved")
    bench.plane.sendto(HEADER.pack(0x80, 0, 9, 9, 9) + b"back", bench.inner)
    bench.run()
    assert len(browser.plain()) == 1


def test_new_credentials_count_beside_those_before(bench: Bench) -> None:
    browser = up(bench.open())
    bench.command(wire.Connect(1, "second", "c" * 24, "sha-256", FINGERPRINT, 0))
    assert browser.check()
    browser.ufrag = "second"
    assert browser.check("c" * 24)
    bench.command(wire.Connect(1, "third", "d" * 24, "sha-256", FINGERPRINT, 0))
    browser.ufrag = "ufrag1"
    assert browser.check() == []
    assert bench.worker.peers[1].connected  # the keys stay: no new handshake


def test_who_is_silent_or_never_comes_is_lost_once(bench: Bench) -> None:
    up(bench.open())
    bench.open(2)
    bench.events()
    bench.now += 3.9
    bench.run()
    assert bench.events() == []
    bench.now += 0.2
    bench.run()
    assert bench.events() == [wire.Lost(1, "nothing comes from the browser", 4.1)]
    bench.now += 12
    bench.run()
    assert bench.events() == [wire.Lost(2, "the browser never came", 16.1)]
    bench.now += 60
    bench.run()
    assert bench.events() == []


def test_a_browser_says_that_it_ends(bench: Bench) -> None:
    browser = up(bench.open())
    bench.events()
    browser.ssl.shutdown()
    browser.flight()
    assert bench.events() == [wire.Lost(1, "the browser has ended it", 0.0)]
    bench.command(wire.Close(1))
    worker = bench.worker
    assert not worker.peers
    assert not worker._by_ufrag
    assert not worker._by_address
    assert not worker._by_plane


def test_video_is_one_stream_whoever_sends_it(bench: Bench) -> None:
    one, two, three = (up(bench.open(number, video=96)) for number in (1, 2, 3))
    bench.command(wire.See(1, [2]), wire.See(2, [1]))
    rtp(one, 65_535, kind=96, ssrc=11, payload=b"a")
    rtp(one, 0, kind=0x80 | 96, ssrc=11, payload=b"b")
    bench.command(wire.See(3, [2]), wire.See(2, [3]))
    bench.now += 1
    rtp(three, 500, kind=96, ssrc=33, payload=b"c")
    packets = [packet for packet in two.plain() if packet[1] & 0x7F == 96]
    assert [packet[12:] for packet in packets] == [b"a", b"b", b"c"]
    heads = [HEADER.unpack_from(packet) for packet in packets]
    assert len({ssrc for *_, ssrc in heads}) == 1
    assert [(b[2] - a[2]) & 0xFFFF for a, b in pairwise(heads)] == [1, 1]
    assert [second >> 7 for _, second, *_ in heads] == [0, 1, 0]
    assert (heads[2][3] - heads[1][3]) & 0xFFFF_FFFF == 90_000
    # Who is lost from the pair is asked for nothing any more.
    one.received()
    two.send(two.sender.protect_rtcp(key_frame_request(1, heads[0][4])))
    assert one.plain() == []


def test_who_sees_nobody_sees_why(bench: Bench) -> None:
    one, two = up(bench.open(1, video=96)), up(bench.open(2))
    bench.now += 1
    bench.run()
    packets = one.plain()
    first = [HEADER.unpack_from(packet) for packet in packets]
    assert len({head[3] for head in first}) == 1  # one frame
    assert [head[1] >> 7 for head in first] == [0] * (len(first) - 1) + [1]
    assert picture(packets) == "waiting"
    bench.command(wire.See(1, [2]), wire.See(2, [1]))
    bench.now += 1
    bench.run()
    packets = one.plain()
    second = [HEADER.unpack_from(packet) for packet in packets]
    assert second[0][2] == (first[-1][2] + 1) & 0xFFFF
    assert (second[0][3] - first[0][3]) & 0xFFFF_FFFF >= 90_000
    assert picture(packets) == "no_camera"
    assert two.plain() == []


def picture(packets: list[bytes]) -> str:
    """Which of our pictures a frame is, as a decoder that is not ours sees it."""
    frame = b"".join(vp8_depayload(packet[12:]) for packet in packets)
    decoder = av.CodecContext.create("vp8", "r")
    (seen,) = decoder.decode(av.Packet(frame))
    shown = seen.to_ndarray(format="rgb24").astype(int)
    whys: tuple[Why, ...] = ("waiting", "no_camera")
    return min(whys, key=lambda why: abs(shown - draw(why)).mean())


def test_what_a_browser_asks_for_is_answered_or_asked_of_the_other(bench: Bench) -> None:
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(wire.See(1, [2]), wire.See(2, [1]))
    for sequence in range(10):
        rtp(one, sequence, kind=96, ssrc=11, payload=bytes([sequence]))
    came = [data for data in two.received() if data[0] > 127]
    lost = (came.pop(4), came.pop(5))  # the fifth and the seventh
    assert len(lost) == 2
    packets = [two.receiver.unprotect(data) for data in came]
    sequence, ssrc = (
        HEADER.unpack_from(packets[3])[2] + 1 & 0xFFFF,
        HEADER.unpack_from(packets[0])[4],
    )
    two.send(two.sender.protect_rtcp(nack(1, ssrc, [sequence, (sequence + 2) & 0xFFFF])))
    assert [packet[12:] for packet in two.plain()] == [bytes([4]), bytes([6])]
    one.received()
    bench.now += 1
    two.send(two.sender.protect_rtcp(key_frame_request(1, ssrc)))
    two.send(two.sender.protect_rtcp(key_frame_request(1, ssrc)))
    (asked,) = one.plain()  # once, not twice
    assert asked[:2] == b"\x81\xce"
    assert struct.unpack_from("!I", asked, 8) == (11,)
    remb = struct.pack("!BBHII4sBBHI", 0x8F, 206, 5, 1, 0, b"REMB", 1, 0x12, 0x3456, ssrc)
    two.send(two.sender.protect_rtcp(remb))
    (told,) = one.plain()
    assert told[12:] == b"REMB\x01\x12\x34\x56" + struct.pack("!I", 11)


def test_who_listens_in_looks_on_and_the_slowest_sets_the_rate(bench: Bench) -> None:
    one, two, three = (up(bench.open(number, video=96)) for number in (1, 2, 3))
    bench.command(wire.See(1, [2]), wire.See(2, [1]), wire.See(3, [1, 2]))
    rtp(one, 1, kind=96, ssrc=11, payload=b"picture")
    assert [packet[12:] for packet in two.plain()] == [b"picture"]
    assert [packet[12:] for packet in three.plain()] == [b"picture"]
    rtp(three, 1, kind=96, ssrc=33, payload=b"unseen")
    assert one.plain() == []

    def rate(browser: Browser, bits: int) -> list[int]:
        exponent = max(0, bits.bit_length() - 18)
        words = (exponent << 18 | bits >> exponent).to_bytes(3, "big")
        head = struct.pack("!BBHII4sB", 0x8F, 206, 5, 1, 0, b"REMB", 1)
        browser.send(browser.sender.protect_rtcp(head + words + struct.pack("!I", 7)))
        told = [int.from_bytes(packet[17:20], "big") for packet in one.plain()]
        return [(each & 0x3FFFF) << (each >> 18) for each in told]

    assert rate(two, 2_000_000) == [2_000_000]
    assert rate(three, 300_000) == [300_000]
    assert rate(two, 1_000_000) == [300_000]
    bench.command(wire.See(3, []))
    assert [packet[12:16] for packet in one.plain()] == [b"REMB"]
    rtp(one, 2, kind=96, ssrc=11, payload=b"more")
    assert three.plain() == []
    assert len(two.plain()) == 1


def test_a_gap_is_asked_for_and_then_given_up_for_a_key_frame(bench: Bench) -> None:
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(wire.See(1, [2]), wire.See(2, [1]))
    rtp(one, 1, kind=96, ssrc=11)
    one.received()
    bench.now += 1
    rtp(one, 4, kind=96, ssrc=11)
    (asked,) = one.plain()
    assert struct.unpack_from("!HH", asked, 12) == (2, 1)
    rtp(one, 3, kind=96, ssrc=11)
    kinds = []
    for _ in range(8):
        bench.now += 0.07
        bench.run()
        kinds += [packet[1] for packet in one.plain()]
    assert kinds == [205, 205, 206]
    assert len(two.plain()) == 3


def test_noise_ends_nothing(bench: Bench) -> None:
    browser = up(bench.open(video=96))
    chance = random.Random(7)
    stranger = bench.browser("x")
    right = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "a:b"})
    right.add_message_integrity(b"x")
    for _ in range(3000):
        size = chance.choice([0, 1, 2, 12, 20, 60, 300, 1400])
        data = bytearray(chance.randbytes(size))
        kind = chance.randrange(5)
        if kind == 1 and data:
            data[0] = chance.choice([0, 1, 20, 22, 23, 63, 128, 144, 191])
        elif kind == 2:
            data = bytearray(bytes(right))
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 3 and size >= 12:
            data[:2] = b"\x80\xce"
        sender = chance.choice([browser, stranger])
        sender.socket.sendto(bytes(data), bench.address)
        bench.worker.step(0)
    for _ in range(500):
        # What is authentic and senseless all the same.
        body = chance.randbytes(chance.choice([4, 8, 12, 24, 60]))
        head = bytes([0x80 | chance.randrange(64), chance.choice([200, 201, 205, 206])])
        words = struct.pack("!H", chance.choice([1, len(body) // 4, 400]))
        browser.send(browser.sender.protect_rtcp(head + words + body))
        video = HEADER.pack(0x80 | chance.randrange(64), 96, chance.randrange(65536), 1, 5)
        with contextlib.suppress(SrtpError):  # a header that even the sender finds senseless
            browser.send(browser.sender.protect(video + chance.randbytes(chance.randrange(40))))
    rtp(browser, 40_000, payload=b"still here")
    bench.plane.setblocking(False)
    last = b""
    while not last.endswith(b"still here"):
        last = bench.plane.recv(2048)
    assert bench.worker.peers[1].connected
    assert bench.worker.errors == 0


def test_an_error_that_no_packet_may_cause_is_told_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(bench.worker, "_checked", broken)
    browser = bench.open()
    browser.check()
    browser.check()
    assert bench.events() == [wire.Failed("KeyError: 'x'")]
    assert bench.worker.errors == 2


def test_who_wants_no_video_is_sent_none(bench: Bench) -> None:
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(wire.See(1, [2]), wire.See(2, [1]))
    bench.command(wire.Connect(2, "ufrag2", PASSWORD, "sha-256", FINGERPRINT, 0, 96, False))
    rtp(one, 1, kind=96, ssrc=11, payload=b"picture")
    assert two.plain() == []
    bench.command(wire.Connect(2, "ufrag2", PASSWORD, "sha-256", FINGERPRINT, 0, 96, True))
    rtp(one, 2, kind=96, ssrc=11, payload=b"picture")
    assert [packet[12:] for packet in two.plain()] == [b"picture"]

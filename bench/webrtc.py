"""`bench webrtc`: what a browser's leg costs the process that talks to browsers.

Sound alone: a browser sends 50 packets a second and its leg of the media plane is sent as many.
Opus relayed: what a browser sends goes to another as it is. Opus and G.711: the leg of the media
plane is a phone's, so all that comes is decoded and all that goes is encoded; it is a voice-like
sound of several tones and noise, by libopus.
Video besides: each of two browsers sends `_VIDEO_HZ` packets of `_VIDEO_BYTES` a second (1 Mbit/s),
which go to the other. The process runs as in the switch, its CPU is the system's account of it; the
packets are encrypted before the clock starts, and all that come out are counted, not decrypted.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import time
from itertools import cycle

import av
import numpy as np

from bench.browser import FINGERPRINT, Browser
from bench.harness import cpu_s, progress
from bench.result import Options, Result
from cicswitch.core.errors import ResourceError
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.certificate import make_certificate
from cicswitch.rtp.packet import HEADER

__all__ = ["run"]

_LEAST = {"audio": 200.0, "opus": 200.0, "opus_g711": 0.0, "video": 100.0}
_OPUS = 111
_VIDEO = 96
_VIDEO_HZ = 100
_VIDEO_BYTES = 1200
_SECONDS = 10.0
_TICK_S = 0.01
_PASSWORD = "p" * 24


class _Gateway:
    """The process, the browsers and the plane's side of their legs."""

    def __init__(self, legs: int, load: str) -> None:
        video, opus = load == "video", load.startswith("opus")
        outer, rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
        for sock in (outer, rtp, rtcp):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            sock.bind(("127.0.0.1", 0))
        self.address, self.inner = outer.getsockname(), rtp.getsockname()
        self.control, theirs = socket.socketpair()
        handed = (outer, rtp, rtcp, theirs)
        pem, _ = make_certificate()
        numbers = [sock.fileno() for sock in handed]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "cicswitch.media.webrtc"),
                *("--fds", ",".join(map(str, numbers)), "--lost-s", "60"),
            ],
            pass_fds=numbers,
            stdin=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(pem)
        self.process.stdin.close()
        for sock in handed:
            sock.close()
        self.browsers: list[Browser] = []
        self.planes: list[socket.socket] = []
        for number in range(1, legs + 1):
            plane = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            plane.bind(("127.0.0.1", 0))
            plane.setblocking(False)
            plane.connect(self.inner)
            self.planes.append(plane)
            host, port = plane.getsockname()
            browser = Browser(self.address, f"ufrag{number:04}", _PASSWORD)
            self.browsers.append(browser)
            kind = _VIDEO if video else -1
            self.command(
                wire.Open(number, browser.ufrag, _PASSWORD, host, port),
                wire.Connect(
                    *(number, browser.ufrag, _PASSWORD, "sha-256", FINGERPRINT),
                    *(_OPUS if opus else 0, kind, video, opus),
                ),
            )
        deadline = time.monotonic() + 10
        for browser in self.browsers:
            while not browser.check() and time.monotonic() < deadline:
                time.sleep(0.02)
            if not browser.shake_hands(2000):
                raise ResourceError("a browser and the switch did not agree on keys")
        if video:
            pairs = range(1, legs, 2)
            self.command(*(wire.See(number, [number + 1]) for number in pairs))
            self.command(*(wire.See(number + 1, [number]) for number in pairs))
        if load == "opus":
            pairs = range(1, legs, 2)
            self.command(*(wire.Relay(number, number + 1, False) for number in pairs))
            self.command(*(wire.Relay(number + 1, number, False) for number in pairs))

    def command(self, *commands: wire.Command) -> None:
        self.control.sendall(wire.frame(list(commands)))

    def close(self) -> None:
        self.control.close()
        self.process.wait(10)
        for sock in (*self.planes, *(browser.socket for browser in self.browsers)):
            sock.close()


def run(options: Options) -> list[Result]:
    """Legs with G.711, with Opus relayed, with Opus decoded and encoded, then with video."""
    seconds = _SECONDS / 2 if options.quick else _SECONDS
    result = Result("webrtc")
    calls = options.calls
    loads = (("audio", calls or 200), ("opus", calls or 200), ("opus_g711", 50), ("video", 100))
    for name, legs in loads:
        gateway = _Gateway(legs, name)
        try:
            share, sent, got = _load(gateway, seconds, name)
        finally:
            gateway.close()
        progress(f"{legs} legs with {name}: {share:.1%} of a core, {got} of {sent} packets")
        result.add(f"{name}_legs", legs)
        result.add(f"{name}_core", share * 100, "% of a core")
        result.add(f"{name}_legs_per_core", legs / share, "legs", least=_LEAST[name])
        result.add(f"{name}_cpu_per_leg", share / legs * 100, "% of a core")
        result.add(f"{name}_loss", 100 * (1 - got / sent), "%", most=0.01)
    return [result]


def _voice(count: int) -> list[bytes]:
    """Packets of Opus, 20 ms each."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "s16"
    codec.bit_rate = 32_000
    codec.options = {"application": "voip"}
    t = np.arange(960 * 50) / 48_000
    wave = np.random.default_rng(7).normal(0, 200, len(t))
    for k in range(1, 20):
        wave += np.sin(2 * np.pi * 130 * k * t) * (1 + np.sin(2 * np.pi * 4 * t)) * 3000 / k
    packets: list[bytes] = []
    for n in range(count):
        part = wave[n % 50 * 960 : (n % 50 + 1) * 960].astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="mono")
        frame.sample_rate = 48_000
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


def _load(gateway: _Gateway, seconds: float, name: str) -> tuple[float, int, int]:
    """The share of a core that the process needs; packets sent to it, packets that came of them."""
    count = round(seconds * 50)
    video, relayed = name == "video", name == "opus"
    if name.startswith("opus"):
        kind, step, voice = _OPUS, 960, _voice(count)
    else:
        kind, step, voice = 0, 160, [bytes(160)] * count
    sound = [
        [browser.sender.protect(_packet(kind, n, step, voice[n])) for n in range(count)]
        for browser in gateway.browsers
    ]
    pictures = [
        [
            browser.sender.protect(_packet(_VIDEO, n, 900, bytes(_VIDEO_BYTES)))
            for n in range(round(seconds * _VIDEO_HZ) if video else 0)
        ]
        for browser in gateway.browsers
    ]
    plain = [_packet(0, n, 160, bytes(160)) for n in range(count)]
    epoll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    for sock in (*gateway.planes, *(browser.socket for browser in gateway.browsers)):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        epoll.register(sock.fileno(), select.EPOLLIN)
        sockets[sock.fileno()] = sock
    got = sent = 0
    parts = 2  # ticks in the 20 ms of a packet: half of the legs each
    turns = cycle(range(parts))
    began, before = time.monotonic(), cpu_s(gateway.process.pid)
    at = 0
    while at < parts * count:
        turn = next(turns)
        number = at // parts
        for leg in range(turn, len(gateway.browsers), parts):
            browser = gateway.browsers[leg]
            browser.socket.sendto(sound[leg][number], gateway.address)
            sent += 1
            if not relayed:
                gateway.planes[leg].send(plain[number])
                sent += 1
            for n in range(number * _VIDEO_HZ // 50, (number + 1) * _VIDEO_HZ // 50):
                if n < len(pictures[leg]):
                    browser.socket.sendto(pictures[leg][n], gateway.address)
                    sent += 1
        at += 1
        got += _drain(epoll, sockets, 0.0)
        while (left := began + at * _TICK_S - time.monotonic()) > 0:
            got += _drain(epoll, sockets, left)
    took, used = time.monotonic() - began, cpu_s(gateway.process.pid) - before
    for _ in range(20):
        got += _drain(epoll, sockets, 0.02)
    epoll.close()
    return used / took, sent, min(got, sent)


def _packet(kind: int, number: int, step: int, payload: bytes) -> bytes:
    ssrc = 7 + kind
    return HEADER.pack(0x80, kind, number & 0xFFFF, number * step & 0xFFFF_FFFF, ssrc) + payload


def _drain(epoll: select.epoll, sockets: dict[int, socket.socket], wait_s: float) -> int:
    """Take what has come; how many packets of RTP."""
    found = 0
    for number, _ in epoll.poll(wait_s, 256):
        receive = sockets[number].recv
        with contextlib.suppress(BlockingIOError):
            while True:
                data = receive(2048)
                found += data[0] > 127 and not 192 <= data[1] <= 223
    return found

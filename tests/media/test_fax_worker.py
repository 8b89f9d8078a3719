"""Fax terminals in a media worker, at a time of the test's own: RTP and UDPTL over sockets."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.fax.udptl import Receiver, Sender
from cicswitch.media import wire
from cicswitch.media.settings import MediaSettings
from cicswitch.media.spandsp import AudioTerminal, T38Terminal
from cicswitch.media.worker import Worker
from cicswitch.rtp import g711
from cicswitch.rtp.cng import CngDetector
from cicswitch.rtp.packet import HEADER
from tests.support.fax import draw_pages, needs_spandsp, read_pages, same
from tests.support.ports import rtp_ports

START = 1000.0
HOST = "127.0.0.1"


class Line:
    """A worker with one leg, and the far end's socket."""

    def __init__(self, stack: ExitStack, codec: str = "PCMA", *, native: bool = True) -> None:
        self.now = START
        self.codec, self.law = codec, g711.LAWS[codec]
        self.payload_type = 8 if codec == "PCMA" else 0
        self.control, theirs = socket.socketpair()
        stack.callback(self.control.close)
        stack.callback(theirs.close)
        first = int(rtp_ports().partition("-")[0])
        self.worker = Worker(
            theirs,
            MediaSettings(host=HOST, port_min=first, port_max=first + 40, pool_initial=1),
            native=native,
            clock=lambda: self.now,
        )
        self.engine = self.worker.engine
        for name in ("now", "_sweep_at", "_figures_at"):
            setattr(self.engine, name, START)
        stack.callback(self.worker._epoll.close)
        stack.callback(self.engine.shutdown)
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stack.callback(self.far.close)
        self.far.bind((HOST, 0))
        self.far.setblocking(False)
        self.frames = wire.Frames()
        self.events: list[Any] = []
        self.say(wire.Grow(1))
        port = next(each.ports[0] for each in self.events if isinstance(each, wire.Ports))
        self.near = (HOST, port)
        self.far_port = self.far.getsockname()[1]
        self.say(wire.Open(0, port))
        self.say(wire.Configure(0, codec, self.payload_type, HOST, self.far_port, 101))
        self.sequence, self.timestamp = 0, 0
        self.sender, self.receiver = Sender(), Receiver()
        self.lost = 0

    def say(self, command: wire.Command) -> None:
        self.control.send(wire.frame([command]))
        self.run()

    def run(self) -> None:
        while self.worker.step(0.0):
            pass
        with suppress(BlockingIOError):
            for body in self.frames.feed(self.control.recv(1 << 20, socket.MSG_DONTWAIT)):
                self.events += wire.EVENTS.decode(body)

    def t38(self, recovery: str = "redundancy") -> wire.T38:
        assert recovery in ("redundancy", "fec")
        kind: Any = recovery
        return wire.T38(0, HOST, self.far_port, kind, 400, 14400, 0)

    def came(self) -> list[bytes]:
        found: list[bytes] = []
        with suppress(BlockingIOError):
            while True:
                found.append(self.far.recv(2000))
        return found

    def sound(self, terminal: AudioTerminal, random: Random | None = None) -> None:
        """20 ms with a far end that speaks RTP; with `random` some of its packets overtake."""
        payloads = [data[12:] for data in self.came() if data[1] & 0x7F == self.payload_type]
        for payload in payloads:
            terminal.hear(self.law.decoder[np.frombuffer(payload, np.uint8)].tobytes())
        if not payloads:
            terminal.lose(160)
        samples = np.frombuffer(terminal.say(), np.int16)
        self.sequence += 1
        self.timestamp += 160
        head = HEADER.pack(0x80, self.payload_type, self.sequence, self.timestamp, 77)
        packet = head + g711.encode(samples, self.law)
        held: list[bytes] = getattr(self, "_held", [])
        if random is not None and not held and random.random() < 0.05:
            self._held = [packet]
        else:
            for each in (packet, *held):
                self.far.sendto(each, self.near)
            self._held = []
        self.pass_time()

    def image(self, terminal: T38Terminal, random: Random, loss: float) -> None:
        """20 ms with a far end that speaks UDPTL."""
        for data in self.came():
            if random.random() < loss:
                self.lost += 1
                continue
            for number, ifp in self.receiver.receive(data, self.now):
                terminal.receive(ifp, number)
        for number, ifp in self.receiver.due(self.now):
            terminal.receive(ifp, number)
        for ifp, copies in terminal.tick():
            data = self.sender.send(ifp)
            for _ in range(copies):
                if random.random() < loss:
                    self.lost += 1
                else:
                    self.far.sendto(data, self.near)
        self.pass_time()

    def pass_time(self) -> None:
        self.run()
        self.now += 0.02
        self.run()

    def over(self) -> FaxResult | None:
        found = [each for each in self.events if isinstance(each, wire.FaxOver)]
        assert len(found) < 2
        return found[0].result if found else None


@needs_spandsp
@pytest.mark.parametrize(("codec", "native"), [("PCMA", True), ("PCMU", False)])
def test_a_fax_comes_as_sound(tmp_path: Path, codec: str, native: bool) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 5)
    random = Random(1)
    with ExitStack() as stack:
        line = Line(stack, codec, native=native)
        far = AudioTerminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True, ident="far"))
        stack.callback(far.close)
        line.say(wire.Fax(0, "f1", FaxJob(receive=str(tmp_path / "came.tif"), ident="near")))
        while line.over() is None and line.now < START + 300:
            line.sound(far, random)
        result = line.over()
        for _ in range(100):
            line.sound(far)
        assert result is not None
        assert result.ok, result
        assert (result.ident, len(result.pages), result.t38) == ("far", 5, False)
        assert far.result is not None
        assert (far.result.ok, far.result.ident) == (True, "near")
        assert line.engine.figures()["faxing"] == 0
    assert same(sent, read_pages(tmp_path / "came.tif"))


@needs_spandsp
def test_a_fax_goes_as_sound(tmp_path: Path) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 2)
    with ExitStack() as stack:
        line = Line(stack)
        far = AudioTerminal(FaxJob(receive=str(tmp_path / "came.tif"), modems=("v29", "v27ter")))
        stack.callback(far.close)
        job = FaxJob(send=str(tmp_path / "sent.tif"), calling=True, done=str(tmp_path / "done"))
        line.say(wire.Fax(0, "f1", job))
        while line.over() is None and line.now < START + 200:
            line.sound(far)
        result = line.over()
        assert result is not None
        assert (result.ok, len(result.pages), result.pages[0].bit_rate) == (True, 2, 9600)
        assert (tmp_path / "done").exists()
    assert same(sent, read_pages(tmp_path / "came.tif"))


@needs_spandsp
@pytest.mark.parametrize(
    ("recovery", "loss", "ecm"),
    [("redundancy", 0.01, True), ("fec", 0.05, True), ("redundancy", 0.05, False)],
)
def test_t38_takes_over_and_loses_nothing(
    tmp_path: Path, recovery: str, loss: float, ecm: bool
) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 5)
    random = Random(2)
    with ExitStack() as stack:
        line = Line(stack)
        path = str(tmp_path / "sent.tif")
        sound = AudioTerminal(FaxJob(send=path, calling=True))
        line.say(wire.Fax(0, "f1", FaxJob(receive=str(tmp_path / "came.tif"), ecm=ecm)))
        for _ in range(60):  # it has begun with sound
            line.sound(sound)
        sound.close()
        line.say(line.t38(recovery))
        line.came()
        kind: Any = recovery
        line.sender = Sender(kind)
        far = T38Terminal(FaxJob(send=path, calling=True, ident="far"))
        stack.callback(far.close)
        # Sound that was on its way is no image.
        line.far.sendto(HEADER.pack(0x80, 8, 900, 160 * 900, 77) + bytes(160), line.near)
        while line.over() is None and line.now < START + 300:
            line.image(far, random, loss)
        result = line.over()
        for _ in range(100):
            line.image(far, random, loss)
        assert result is not None
        assert result.ok, result
        assert (result.ident, len(result.pages), result.t38) == ("far", 5, True)
        assert {page.ecm for page in result.pages} == {ecm}
        assert far.result is not None
        assert far.result.ok
        assert line.lost > 5
        line.say(wire.Close(0))
        line.now += 1
        line.run()
        closed = next(each for each in line.events if isinstance(each, wire.Closed))
        assert closed.packets_received > 100
        assert closed.packets_stray >= 1
    assert same(sent, read_pages(tmp_path / "came.tif"))


@needs_spandsp
def test_a_caller_who_hangs_up_leaves_half_a_fax_and_no_file(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 3)
    files = len(list(Path("/proc/self/fd").iterdir()))
    with ExitStack() as stack:
        line = Line(stack)
        far = AudioTerminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True))
        stack.callback(far.close)
        line.say(wire.Fax(0, "f1", FaxJob(receive=str(tmp_path / "came.tif"))))
        while len(far.pages) < 1 and line.now < START + 100:
            line.sound(far)
        line.say(wire.Close(0))
        result = line.over()
        assert result is not None
        assert (result.ok, result.cause, len(result.pages)) == (False, "the call ended", 1)
        assert line.engine.faxes.lines == {}
        assert not line.engine.legs
    assert len(read_pages(tmp_path / "came.tif")) == 1
    assert len(list(Path("/proc/self/fd").iterdir())) == files


@needs_spandsp
def test_silence_ends_it_by_the_timers_of_t30(tmp_path: Path) -> None:
    with ExitStack() as stack:
        line = Line(stack)
        line.say(wire.Fax(0, "f1", FaxJob(receive=str(tmp_path / "came.tif"))))
        while line.over() is None and line.now < START + 200:
            line.pass_time()
        result = line.over()
        assert result is not None
        assert not result.ok
        assert result.code > 0
        line.say(wire.Fax(0, "f2", FaxJob(receive=str(tmp_path / "came.tif"))))
        line.events.clear()
        line.say(wire.StopFax(0, "enough"))
        assert line.over() is not None
        line.say(wire.T38(0, HOST, 9, "none", 400, 14400, 0))
        for data in (b"", b"x", bytes(600), b"\x00\x00\x01\x06\x00\x00", os.urandom(200)):
            line.far.sendto(data, line.near)
        line.pass_time()


@needs_spandsp
def test_the_calling_tone_is_heard_and_nothing_else(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 1)
    with ExitStack() as stack:
        line = Line(stack)
        line.say(wire.HearFax(0, True))
        for _ in range(100):  # silence, with noise in it
            far = np.random.default_rng(1).normal(0, 500, 160).astype(np.int16)
            line.sequence += 1
            line.timestamp += 160
            head = HEADER.pack(0x80, 8, line.sequence, line.timestamp, 77)
            line.far.sendto(head + g711.encode(far, line.law), line.near)
            line.pass_time()
        assert not [each for each in line.events if isinstance(each, wire.FaxTone)]
        caller = AudioTerminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True))
        stack.callback(caller.close)
        began = line.now
        while line.now < began + 6:
            line.sound(caller)
        assert len([each for each in line.events if isinstance(each, wire.FaxTone)]) == 1
        assert not [each for each in line.events if isinstance(each, wire.Dtmf)]


def tone(hz: float, seconds: float, level: float = 3000.0) -> Any:
    return (level * np.sin(2 * np.pi * hz / 8000 * np.arange(int(8000 * seconds)))).astype(np.int16)


@pytest.mark.parametrize("hz", [1064, 1100, 1136])
def test_the_tone_may_be_off_by_what_the_recommendation_allows(hz: float) -> None:
    detector = CngDetector()
    assert any(detector.hear(part) for part in np.array_split(tone(hz, 0.5, 400), 17))
    assert not detector.hear(tone(hz, 0.5))


def test_other_tones_are_not_taken_for_it() -> None:
    for sound in (
        *(tone(hz, 3.0) for hz in (350, 425, 440, 1000, 1209, 2100)),
        tone(1100, 0.3),
        tone(1100, 2.0, 50),
        tone(1100, 2.0) + tone(697, 2.0),
        np.tile(np.concatenate((tone(1100, 0.2), tone(0, 0.1))), 10),
    ):
        assert not CngDetector().hear(sound)

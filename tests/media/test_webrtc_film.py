"""Video of recorded calls: the files that the browsers' process writes, read by PyAV."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given
from hypothesis import strategies as st

from bench.browser import FINGERPRINT, Browser
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.film import Film, Writer, depayload
from cicswitch.media.webrtc.webm import start_of
from cicswitch.rtp.packet import HEADER
from tests.media.test_webrtc_opus import opus, tone
from tests.media.test_webrtc_worker import PASSWORD, Bench, up


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_sound_that_begins_while_the_head_is_written_is_in_all_of_it_or_in_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film(Writer(lambda *_: None), "r", str(tmp_path / "a.wav"), 0.0)
    side, opened = film.customer, os.open

    def slowly(*arguments: Any) -> int:
        side.sound = True  # another thread, in the meantime
        return opened(*arguments)

    monkeypatch.setattr("cicswitch.media.webrtc.film.os.open", slowly)
    encoder = Vp8Encoder()
    for number in range(5):
        picture = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 90, np.uint8), format="rgb24")
        picture.pts, picture.time_base = number * 9000, Fraction(1, 90_000)
        payloads, _ = encoder.encode(picture, force_keyframe=number == 0)
        frame = b"".join(found[1] for each in payloads if (found := depayload(each)))
        side.write(1, number * 100, frame, number == 0)
        side.write(2, number * 100 + 5, b"\xf8\xff\xfe", True)
    side.finish()
    with av.open(str(tmp_path / "a.customer.webm")) as file:
        assert len(list(file.decode(video=0))) == 5


class Source:
    """A camera: each picture has a grey of its own. Noise makes it several packets."""

    def __init__(self, bench: Bench, browser: Browser, ssrc: int = 11, *, noise: int = 0) -> None:
        self.bench, self.browser, self.ssrc = bench, browser, ssrc
        self.encoder = Vp8Encoder()
        self.noise = np.random.default_rng(3).integers(0, noise + 1, (120, 160, 3))
        self.sequence = 65_500
        self.at = 0

    def packets(self, grey: int, *, key: bool = False) -> list[bytes]:
        picture = np.clip(self.noise + grey, 0, 255).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self.at, Fraction(1, 90_000)
        payloads, _ = self.encoder.encode(frame, force_keyframe=key)
        made = []
        for number, payload in enumerate(payloads, 1):
            self.sequence = (self.sequence + 1) & 0xFFFF
            kind = 96 | (0x80 if number == len(payloads) else 0)
            made.append(HEADER.pack(0x80, kind, self.sequence, self.at, self.ssrc) + payload)
        self.at += 9000
        return made

    def send(self, packets: list[bytes]) -> None:
        for packet in packets:
            self.browser.send(self.browser.sender.protect(packet))
        self.bench.now += 0.1

    def show(self, grey: int, *, key: bool = False) -> None:
        self.send(self.packets(grey, key=key))


def greys(path: Path) -> list[tuple[int, float]]:
    """Of each picture of a file, and when it is shown."""
    with av.open(str(path)) as file:
        return [
            (round(float(np.median(frame.to_ndarray(format="gray")))), frame.time)
            for frame in file.decode(video=0)
        ]


def near(found: list[tuple[int, float]], wanted: list[int]) -> bool:
    return len(found) == len(wanted) and all(
        abs(a - b) < 8 for (a, _), b in zip(found, wanted, strict=True)
    )


def written(bench: Bench) -> None:
    bench.worker._writer.stop()
    bench.worker._writer.drain()


def asked(browser: Browser) -> int:
    """How many key frames it was asked for."""
    return sum(packet[1] == 206 for packet in browser.plain())


def test_both_sides_are_files_that_play(bench: Bench, tmp_path: Path) -> None:
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(
        wire.Connect(1, "ufrag1", PASSWORD, "sha-256", FINGERPRINT, 111, 96, True, True),
        wire.See(1, [2]),
        wire.See(2, [1]),
    )
    cameras = Source(bench, one, noise=40), Source(bench, two, 12)
    cameras[0].show(20, key=True)  # before the recording: not in it
    one.plain()
    bench.command(wire.Record(1, "r", str(tmp_path / "day" / "r.wav")))
    bench.now += 1.5
    speech = opus(tone(440, 4, 48_000))

    def speak(number: int) -> None:
        for n in range(5 * number, 5 * number + 5):
            head = HEADER.pack(0x80, 111, n, n * 960, 7)
            one.send(one.sender.protect(head + speech[n]))

    speak(0)
    cameras[0].show(40)
    assert asked(one) == 1  # it is asked for a key frame
    for n in range(30):
        speak(n + 1)
        cameras[0].show(60 + n, key=n == 0)
        cameras[1].show(150 + n, key=n == 0)
        bench.now -= 0.1
    bench.command(wire.Stop("r"))
    written(bench)
    customer, agent = tmp_path / "day" / "r.customer.webm", tmp_path / "day" / "r.agent.webm"
    found = greys(customer)
    assert near(found, [round(60 + n + 20) for n in range(30)]), found
    assert near(greys(agent), [150 + n for n in range(30)])
    times = [at for _, at in found]
    assert times[0] == 0
    assert times[-1] == pytest.approx(2.9, abs=0.02)
    # How long after the WAV.
    assert start_of(customer.read_bytes()[:1024]) == pytest.approx(1600, abs=20)
    with av.open(str(customer)) as file:
        assert file.duration == pytest.approx(2_900_000, abs=120_000)
        kinds = {stream.type: stream.codec_context.name for stream in file.streams}
        sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)])
    assert kinds["audio"] in ("opus", "libopus")
    assert len(sound) > 48_000
    with av.open(str(agent)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
    # One can seek in it.
    with av.open(str(customer)) as file:
        file.seek(2_000_000)
        assert next(file.decode(video=0)).time <= 2.0
    assert bench.worker.errors == 0


def test_a_loss_a_late_packet_and_a_pause_leave_whole_pictures(
    bench: Bench, tmp_path: Path
) -> None:
    one = up(bench.open(1, video=96))
    bench.command(wire.Record(1, "r", str(tmp_path / "r.wav")))
    camera = Source(bench, one, noise=60)
    camera.show(20, key=True)
    packets = camera.packets(30)
    packets[-2:] = reversed(packets[-2:])  # out of order, and whole all the same
    camera.send(packets)
    one.plain()
    lost = camera.packets(90, key=True)
    assert len(lost) > 2
    camera.send(lost[:1] + lost[2:])
    for grey in (92, 94, 96, 98):  # after a loss: not to be shown
        camera.show(grey)
    assert asked(one) >= 1
    camera.show(50, key=True)
    camera.show(52)
    bench.command(wire.Pause("r", True))
    camera.show(200, key=True)
    camera.show(202)
    bench.command(wire.Pause("r", False))
    bench.now += 1
    camera.show(204)  # no key frame yet
    camera.show(70, key=True)
    bench.command(wire.Stop("r"))
    written(bench)
    found = greys(tmp_path / "r.customer.webm")
    assert near(found, [50, 60, 80, 82, 100]), found
    assert found[-1][1] - found[-2][1] == pytest.approx(1.4, abs=0.1)


def test_a_file_whose_writer_was_killed_plays(bench: Bench, tmp_path: Path) -> None:
    one = up(bench.open(1, video=96))
    bench.command(wire.Record(1, "r", str(tmp_path / "r.wav")))
    camera = Source(bench, one)
    for n in range(40):
        camera.show(40 + n, key=n == 0)
    written(bench)  # what is queued; nothing is closed
    data = (tmp_path / "r.customer.webm").read_bytes()
    found = greys(tmp_path / "r.customer.webm")
    assert len(found) >= 34  # half a second may be missing
    assert near(found, [40 + n for n in range(len(found))])
    (tmp_path / "cut.webm").write_bytes(data[:-200])  # in the middle of a write
    assert len(greys(tmp_path / "cut.webm")) >= 29


def test_what_the_disk_refuses_is_told_once_and_stalls_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(wire.See(2, [1]))
    (tmp_path / "file").write_text("no folder")
    bench.command(wire.Record(1, "r", str(tmp_path / "file" / "r.wav")))
    camera = Source(bench, one)
    for n in range(10):
        camera.show(40 + n, key=n == 0)
    written(bench)
    bench.command(wire.Stop("r"))
    bench.run()
    told = [each for each in bench.events() if isinstance(each, wire.Recorded)]
    assert [each.recording for each in told] == ["r"]
    assert "File exists" in told[0].error
    assert len(two.plain()) >= 10


def test_a_slow_disk_costs_pictures_and_nothing_else(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.media.webrtc.film._QUEUED_BYTES", 3000)
    one, two = (up(bench.open(number, video=96)) for number in (1, 2))
    bench.command(wire.See(2, [1]), wire.Record(1, "r", str(tmp_path / "r.wav")))
    side = bench.worker.peers[1].film.customer  # type: ignore[union-attr]  # it is recorded
    write: Callable[..., None] = side.write
    stalled = True

    def slow(*job: object) -> None:
        while stalled:
            time.sleep(0.005)
        write(*job)

    monkeypatch.setattr(side, "write", slow)
    camera = Source(bench, one, noise=60)
    for n in range(20):
        camera.show(40 + n, key=n == 0)
    assert len(two.plain()) >= 20
    assert bench.worker._writer._queued <= 3000
    stalled = False
    written(bench)


@given(st.binary(max_size=12))
def test_any_payload_is_a_part_of_a_frame_or_none(payload: bytes) -> None:
    found = depayload(payload)
    assert found is None or (found[1] and payload.endswith(found[1]))


def test_noise_is_no_film(bench: Bench, tmp_path: Path) -> None:
    one = up(bench.open(1, video=96))
    bench.command(wire.Record(1, "r", str(tmp_path / "r.wav")))
    chance = random.Random(5)
    video = bench.worker.peers[1].video
    assert video is not None
    for n in range(3000):
        sequence = chance.choice([n, chance.randrange(65536)])
        ssrc = 5 if n % 50 else n
        head = HEADER.pack(0x80, 96 | chance.choice([0, 128]), sequence, n // 3, ssrc)
        bench.now += 0.001
        video.received(head + chance.randbytes(chance.randrange(40)), bench.now)
        one.received()
    bench.command(wire.Stop("r"))
    written(bench)
    assert bench.worker.errors == 0

"""Recordings: both channels, true time, and what survives trouble."""

from __future__ import annotations

import asyncio
import os
import signal
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cicswitch.core.errors import ResourceError
from cicswitch.media.recorder import Channel, Recording
from cicswitch.media.wav import header, repair
from cicswitch.ports import (
    MediaLegClosed,
    MediaSource,
    MediaWorkerLost,
    PlayFinished,
    RecordingClosed,
)
from cicswitch.rtp import g711, tones
from tests.media.rtp_phone import longest_gap_ms, rig, share, trimmed

pytestmark = pytest.mark.realtime


def channels(path: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return data[:, 0], data[:, 1]


@pytest.mark.parametrize("codecs", [("PCMU", "PCMU"), ("PCMU", "PCMA")])
async def test_both_channels_hold_their_side_without_a_gap(
    tmp_path: Path, codecs: tuple[str, str]
) -> None:
    path = tmp_path / "calls" / "one.wav"
    async with rig(22200, workers=1) as it:
        a = await it.phone("a", codec=codecs[0])
        b = await it.phone("b", codec=codecs[1])
        it.plane.bridge("a", "b")
        it.plane.record("a", "r", path)
        a.talk(440)
        b.talk(620)
        await a.until(lambda: len(a.packets) > 110)
        it.plane.stop_recording("r")
        closed = await it.event(RecordingClosed)
    assert closed.error == ""
    left, right = channels(path)
    assert closed.duration_ms == len(left) * 1000 // 8000
    for side, hz in ((left, 440), (right, 620)):
        heard = trimmed(side)
        assert len(heard) > 15000
        assert share(heard, hz) > 0.97
        assert longest_gap_ms(heard, hz) <= 40
        # A click is a step that a tone of this level cannot make: 10 % of full scale in 125 µs.
        assert np.abs(np.diff(heard.astype(np.int32))).max() < 8000


async def test_what_is_played_is_on_the_right_and_a_pause_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "r.wav"
    async with rig(22400) as it:
        a = await it.phone("a")
        a.talk(440)
        it.plane.record("a", "r", path)
        it.plane.play("a", "p", [MediaSource(tone_hz=(1000.0,), duration_ms=400)])
        await it.event(PlayFinished)
        it.plane.pause_recording("r", True)
        it.plane.play("a", "p", [MediaSource(tone_hz=(1000.0,), duration_ms=400)])
        await it.event(PlayFinished, 2)
        it.plane.pause_recording("r", False)
        it.plane.play("a", "p", [MediaSource(tone_hz=(620.0,), duration_ms=400)])
        await it.event(PlayFinished, 3)
        it.plane.close("a")
        await it.event(RecordingClosed)
        await it.event(MediaLegClosed)
    left, right = channels(path)
    assert share(right[400:2800], 1000) > 0.95
    assert share(right[-2800:-400], 620) > 0.95
    assert not right[3700:6000].any()
    assert not left[3700:6000].any()
    assert share(left[800:2800], 440) > 0.95


async def test_a_killed_worker_leaves_a_file_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "r.wav"
    async with rig(22600, workers=1) as it:
        a = await it.phone("a")
        it.plane.record("a", "r", path)
        a.talk(440)
        async with asyncio.timeout(8):
            while not path.exists() or path.stat().st_size < 20000:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (pid,) = it.plane.worker_pids()
        os.kill(pid, signal.SIGKILL)
        await it.event(MediaWorkerLost)
        closed = await it.event(RecordingClosed)
        assert closed.error.startswith("a media worker ended")
    left, _ = channels(path)  # the header is a second old at most, even without repair
    assert share(trimmed(left), 440) > 0.95
    with path.open("ab") as file:
        file.write(b"\1\0\2\0\3")  # a sample that no header counts, and a part of one
    assert repair(path)
    again, _ = channels(path)
    assert len(again) == (path.stat().st_size - 44) // 4
    assert not repair(path)


async def test_a_disk_that_refuses_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    async with rig(22800) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        it.plane.record("a", "r", Path("/dev/full"))
        (tmp_path / "file").write_text("")
        it.plane.record("b", "s", tmp_path / "file" / "below.wav")
        a.talk(440)
        b.talk(620)
        await it.event(RecordingClosed, 2)
        errors = {event.recording_id: event.error for event in it.of(RecordingClosed)}
        assert errors["r"] == "/dev/full: No space left on device"
        assert errors["s"].endswith("below.wav: File exists")
        await a.packets_more(5)


def entries(
    numbers: list[int], *, late: dict[int, float] | None = None
) -> list[tuple[float, int, int, bytes]]:
    tone = g711.encode(tones.tone((440.0,), 160 * 200, fade=False), g711.ULAW)
    return [
        (
            number * 0.02 + (late or {}).get(number, 0.0),
            (900 + number * 160) & 0xFFFF_FFFF,
            5,
            tone[number * 160 : number * 160 + 160],
        )
        for number in numbers
    ]


def placed(given: list[tuple[float, int, int, bytes]], samples: int) -> NDArray[np.int16]:
    channel = Channel()
    channel.add(given, g711.ULAW, 0.0)
    out = np.zeros(samples, np.int16)
    channel.fill(out, 0)
    return out


def test_jitter_reordering_and_duplicates_leave_no_trace() -> None:
    clean = placed(entries(list(range(100))), 16000)
    order = [0, 1, 3, 2, 2, *range(4, 100)]
    assert np.array_equal(clean, placed(entries(order, late={7: 0.05, 8: 0.04, 50: 0.1}), 16000))
    assert longest_gap_ms(clean, 440) == 0


def test_a_lost_packet_is_silence_of_its_length() -> None:
    out = placed(entries([*range(10), *range(11, 20)]), 3200)
    assert not out[1600:1760].any()
    assert np.array_equal(out[1760:], placed(entries(list(range(20))), 3200)[1760:])


def test_blocks_taken_one_after_the_other_make_the_whole() -> None:
    whole, parts = Recording("a", "a", 0.0), Recording("b", "b", 0.0)
    packets = entries(list(range(150)))
    whole.sent_by_leg(packets, g711.ULAW)
    taken = b""
    for first in range(0, 150, 30):
        parts.sent_by_leg(packets[first : first + 30], g711.ULAW)
        taken += parts.take((first + 30) * 0.02 - 0.11)
    taken += parts.take(3.0)
    assert taken == whole.take(3.0)


def test_repair_refuses_what_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"hello")
    with pytest.raises(ResourceError, match="not a recording"):
        repair(path)
    with pytest.raises(ResourceError, match="No such file"):
        repair(tmp_path / "missing.wav")
    path.write_bytes(header(0))
    assert not repair(path)

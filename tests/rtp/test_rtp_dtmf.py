"""Digits as events and as tones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cicswitch.media.wav import read_wav
from cicswitch.rtp import g711, tones
from cicswitch.rtp.dtmf import DIGITS, DtmfReceiver, Event, event_frames
from cicswitch.rtp.goertzel import Detector, Listening


def test_golden_event_payloads() -> None:
    frames = event_frames("5", 480)
    assert [(marker, payload.hex()) for marker, _, payload in frames] == [
        (True, "050a00a0"),
        (False, "050a0140"),
        (False, "058a01e0"),
        (False, "058a01e0"),
        (False, "058a01e0"),
    ]


@given(st.text(DIGITS, min_size=1, max_size=6), st.integers(40, 400), st.data())
def test_each_digit_is_heard_once_whatever_of_it_is_lost(
    digits: str, duration_ms: int, data: st.DataObject
) -> None:
    receiver = DtmfReceiver()
    heard: list[Event] = []
    now = 0.0
    for number, digit in enumerate(digits):
        frames = event_frames(digit, duration_ms * 8)
        kept = data.draw(st.sets(st.integers(0, len(frames) - 1), min_size=1))
        for index, (_, _, payload) in enumerate(frames):
            now += 0.02
            if index in kept:
                heard += receiver.receive(payload, 1000 + number * 8000, now)
    last = receiver.expire(now + 1)
    heard += [last] if last else []
    assert "".join(event.digit for event in heard) == digits


@given(st.binary(max_size=8), st.integers(0, 0xFFFF_FFFF), st.floats(0, 10))
def test_any_payload_is_taken(payload: bytes, timestamp: int, now: float) -> None:
    DtmfReceiver().receive(payload, timestamp, now)


def hear(samples: NDArray[np.int16], chunk: int = 160) -> list[tuple[str, int]]:
    detector, state = Detector(), Listening()
    heard: list[tuple[str, int]] = []
    padded = np.concatenate([samples, np.zeros(800, np.int16)])
    for at in range(0, len(padded), chunk):
        heard += [
            (each.digit, each.duration_ms)
            for each in detector.hear([state], [padded[at : at + chunk]])
        ]
    return heard


@pytest.mark.parametrize("law", [g711.ULAW, g711.ALAW], ids=["ulaw", "alaw"])
@pytest.mark.parametrize("duration_ms", [45, 100])
def test_all_sixteen_tones_are_heard_through_the_codec(law: g711.Law, duration_ms: int) -> None:
    pieces = []
    for number, digit in enumerate(DIGITS):
        pieces += [tones.dtmf_tone(digit, 8 * duration_ms), np.zeros(401 + 7 * number, np.int16)]
    audio = g711.decode(g711.encode(np.concatenate(pieces), law), law)
    heard = hear(audio)
    assert "".join(digit for digit, _ in heard) == DIGITS
    assert all(abs(length - duration_ms) <= 25 for _, length in heard)


def test_quiet_noisy_and_twisted_tones_are_heard() -> None:
    noise = np.random.default_rng(1)
    for low_db, high_db in ((-13, -13), (-13, -19), (-19, -13), (-35, -35)):
        low, high = tones.DTMF_HZ["7"]
        wave = tones.tone((low,), 800, level_db=low_db) + tones.tone((high,), 800, level_db=high_db)
        wave = (wave + noise.normal(0, 20, 800)).astype(np.int16)
        assert [digit for digit, _ in hear(wave)] == ["7"], (low_db, high_db)


def test_too_short_and_single_tones_are_not() -> None:
    assert hear(tones.dtmf_tone("1", 160)) == []
    assert hear(tones.tone((697.0,), 1600)) == []
    assert hear(tones.tone((440.0, 480.0), 8000)) == []
    assert hear(np.random.default_rng(2).normal(0, 4000, 16000).astype(np.int16)) == []


def test_speech_and_music_are_no_digits() -> None:
    media = Path(__file__).resolve().parents[2] / "media"
    for path in sorted(media.rglob("*.wav")):
        if "tones" not in path.parts:
            assert hear(read_wav(path), 16000) == [], path.name


def test_more_speech_is_no_digit(tmp_path: Path) -> None:
    words = "seven eight boo me you bee two who zoo one nine moon see eat ooh aah"
    for number, voice in enumerate(("en-us", "en+f3", "ko", "de+m7", "en+whisper")):
        path = tmp_path / f"{number}.wav"
        subprocess.run(
            ["espeak-ng", "-v", voice, "-w", str(path), " ".join([words] * 4)], check=True
        )
        assert hear(read_wav(path), 16000) == [], voice


def test_g711_tables_agree_with_the_standard_ones() -> None:
    codes = bytes(range(256))
    # ITU-T G.711: the extreme and the smallest values of both laws.
    assert g711.ULAW.decoder[[0x00, 0x80, 0x7F, 0xFF]].tolist() == [-32124, 32124, 0, 0]
    assert g711.ALAW.decoder[[0x2A, 0xAA, 0x55, 0xD5]].tolist() == [-32256, 32256, -8, 8]
    for law in (g711.ULAW, g711.ALAW):
        again = g711.encode(g711.decode(codes, law), law)
        assert [n for n in range(256) if again[n] != n] in ([], [0x7F])
    there_and_back = codes.translate(g711.ULAW_TO_ALAW).translate(g711.ALAW_TO_ULAW)
    a, b = g711.decode(codes, g711.ULAW), g711.decode(there_and_back, g711.ULAW)
    assert np.all(np.abs(a.astype(int) - b) <= np.maximum(16, np.abs(a.astype(int)) // 16))

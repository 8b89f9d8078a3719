"""Who has answered, heard in what espeak-ng says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cicswitch.rtp.amd import AnswerDetector

needs_voice = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not here")
GREETING = (
    "Hello, you have reached the mailbox of Anna Smith. I cannot take your call at the moment."
    " Please leave a message after the tone."
)
Samples = NDArray[np.int16]


def spoken(text: str, folder: Path, language: str = "en") -> Samples:
    """A text at 8 kHz, as loud as on the telephone."""
    file, low = folder / "said.wav", folder / "low.raw"
    subprocess.run(["espeak-ng", "-v", language, "-w", file, text], check=True)
    subprocess.run(
        ["sox", file, "-r", "8000", "-c", "1", "-e", "signed", "-b", "16", low], check=True
    )
    return np.frombuffer(low.read_bytes(), np.int16) // 3


def silence(seconds: float, noise: float = 10.0) -> Samples:
    source = np.random.default_rng(7)
    return (source.normal(0, noise, int(8000 * seconds))).astype(np.int16)


def tone(hz: float, seconds: float) -> Samples:
    return (6000 * np.sin(2 * np.pi * hz * np.arange(int(8000 * seconds)) / 8000)).astype(np.int16)


def told(*parts: Samples) -> list[tuple[str, float]]:
    """What is heard and when, in pieces of 100 ms as the media worker gives them."""
    audio, detector, found = np.concatenate(parts), AnswerDetector(), []
    for at in range(0, len(audio), 800):
        found += [(word, (at + 800) / 8000) for word in detector.hear(audio[at : at + 800])]
    return found


@needs_voice
@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello?", "en"),
        ("Anna Smith.", "en"),
        ("Yes, hello?", "en"),
        ("여보세요?", "ko"),
        ("네.", "ko"),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 10.0, 60.0])
def test_who_says_a_word_and_waits_is_somebody(
    tmp_path: Path, text: str, language: str, noise: float
) -> None:
    ((word, at),) = told(silence(0.4, noise), spoken(text, tmp_path, language), silence(3, noise))
    assert word == "human"
    assert at < 3.5


@needs_voice
@pytest.mark.parametrize("hz", [440.0, 1000.0, 1400.0])
@pytest.mark.parametrize("noise", [0.0, 60.0])
def test_a_greeting_is_a_machines_and_it_is_ready_after_its_tone(
    tmp_path: Path, hz: float, noise: float
) -> None:
    greeting = spoken(GREETING, tmp_path)
    before = np.concatenate((silence(0.5, noise), greeting, silence(0.5, noise), tone(hz, 0.4)))
    (machine, at), (ready, then) = told(before, silence(1.5, noise))
    assert (machine, ready) == ("machine", "ready")
    assert at < 4
    assert 0 <= then - len(before) / 8000 < 0.3


@needs_voice
def test_a_machine_without_a_tone_is_ready_after_its_silence(tmp_path: Path) -> None:
    greeting = spoken(GREETING, tmp_path)
    (machine, _), (ready, then) = told(greeting, silence(4))
    assert (machine, ready) == ("machine", "ready")
    assert 1.5 < then - len(greeting) / 8000 < 2.6


def test_who_says_nothing_is_somebody_who_waits() -> None:
    assert told(silence(4)) == [("human", 2.5)]


def test_a_click_is_no_word() -> None:
    assert told(silence(0.5), tone(700, 0.03), silence(3)) == [("human", 2.5)]

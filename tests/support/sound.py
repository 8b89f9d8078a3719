"""Sound in tests: making tones, and measuring what was recorded."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000


def write_tone(path: Path, hz: float, seconds: float = 30.0, level: int = 8000) -> Path:
    """A tone as 16-bit mono WAV."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    samples = (np.sin(2 * np.pi * hz * t) * level).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.tobytes())
    return path


def read_wav(path: Path) -> NDArray[np.float64]:
    """Samples as (channels, frames)."""
    with wave.open(str(path), "rb") as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return data.reshape(-1, file.getnchannels()).T.astype(float)


def longest_tone(samples: NDArray[np.float64], hz: float) -> tuple[float, float]:
    """(seconds, longest gap in ms) of a tone: from its first to its last 20 ms frame.

    A frame has the tone if at least half of its energy is at `hz`, and it is not silent.
    """
    frame = RATE_HZ // 50
    count = len(samples) // frame
    frames = samples[: count * frame].reshape(count, frame)
    t = np.arange(frame) / RATE_HZ
    at = np.abs(frames @ np.exp(-2j * np.pi * hz * t)) ** 2 * 2 / frame
    energy = (frames**2).sum(axis=1)
    has = (energy > frame * 200.0**2) & (at > 0.5 * energy)
    found = np.flatnonzero(has)
    if not len(found):
        return 0.0, 0.0
    gaps = np.diff(found) - 1
    longest = float(gaps.max() * 20) if len(gaps) else 0.0
    return (found[-1] - found[0] + 1) * 0.02, longest


def tones_in(samples: NDArray[np.float64], tones_hz: Sequence[float]) -> set[float]:
    """The tones of these that sound most of the time: in blocks of 100 ms, each with its share."""
    block = RATE_HZ // 10
    count = len(samples) // block
    assert count, "too short to tell"
    blocks = samples[: count * block].reshape(count, block)
    energy = (blocks**2).sum(axis=1)
    t = np.arange(block) / RATE_HZ
    found = set()
    for hz in tones_hz:
        at = np.abs(blocks @ np.exp(-2j * np.pi * hz * t)) ** 2 * 2 / block
        sounds = (energy > block * 200.0**2) & (at > 0.1 * energy)
        if sounds.mean() > 0.6:
            found.add(hz)
    return found

"""Tones: sums of sines with soft edges, and the sixteen pairs of DTMF (ITU-T Q.23)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS_HZ", "DTMF_HZ", "ROWS_HZ", "dtmf_tone", "tone"]

RATE_HZ = 8000
ROWS_HZ = (697.0, 770.0, 852.0, 941.0)
COLUMNS_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYPAD = ("123A", "456B", "789C", "*0#D")
DTMF_HZ = {
    digit: (ROWS_HZ[row], COLUMNS_HZ[column])
    for row, digits in enumerate(_KEYPAD)
    for column, digit in enumerate(digits)
}
"""Low and high frequency of each digit."""

RAMP = 16
"""Samples of fade at both ends: 2 ms, against clicks."""


def tone(
    frequencies_hz: tuple[float, ...],
    samples: int,
    *,
    level_db: float = -16.0,
    fade: bool = True,
    first: int = 0,
) -> NDArray[np.int16]:
    """int16[samples] at 8 kHz; each frequency at `level_db` below full scale (peak).

    `first` is the number of the first sample: a long tone made in pieces keeps its phase.
    """
    time = np.arange(first, first + samples) / RATE_HZ
    wave = np.zeros(samples)
    for frequency in frequencies_hz:
        wave += np.sin(2 * np.pi * frequency * time)
    wave *= 32767 * 10 ** (level_db / 20)
    if fade and samples >= 2 * RAMP:
        ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(RAMP) / RAMP)
        wave[:RAMP] *= ramp
        wave[-RAMP:] *= ramp[::-1]
    return np.clip(np.rint(wave), -32768, 32767).astype(np.int16)


def dtmf_tone(digit: str, samples: int, *, level_db: float = -13.0) -> NDArray[np.int16]:
    """The pair of a digit, int16[samples] at 8 kHz."""
    return tone(DTMF_HZ[digit], samples, level_db=level_db)

"""In-band DTMF over many legs at once (ITU-T Q.24), as one matrix product.

A Goertzel filter is one bin of a Fourier transform; for eight tones and legs x samples that is a
product with a 160 x 16 matrix. Windows of 20 ms overlap by half, so a tone of 40 ms covers at least
two of them whole, wherever it begins.

What makes a digit: one tone in each group, together nearly all of the energy (speech has more), a
twist within limits, both far above the others of their group, little second harmonic, and the same
digit in two windows running. It ends with two windows without it.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from cicswitch.rtp.tones import COLUMNS_HZ, RATE_HZ, ROWS_HZ

__all__ = ["HOP", "Detector", "Heard", "Listening"]

WINDOW = 160
HOP = 80
MIN_RMS = 90.0
"""About -48 dBFS."""
PURITY = 0.82
"""Share of the energy in the two tones."""
TWIST_FORWARD = 10 ** (9 / 10)
"""High group at most 9 dB above the low one, and 9 dB below."""
SELECTIVITY = 10 ** (8 / 10)
HARMONIC = 10 ** (-10 / 10)
_KEYS = "123A456B789C*0#D"

_time = np.arange(WINDOW) / RATE_HZ
_fundamentals = np.array([*ROWS_HZ, *COLUMNS_HZ])
_all = np.concatenate([_fundamentals, 2 * _fundamentals])
_matrix = np.concatenate(
    [np.cos(2 * np.pi * _time[:, None] * _all), np.sin(2 * np.pi * _time[:, None] * _all)], axis=1
).astype(np.float32)


class Heard(msgspec.Struct, frozen=True):
    """A digit that ended, of the leg with this index in the call."""

    index: int
    digit: str
    duration_ms: int


class Listening:
    """What one leg's detection remembers between calls."""

    __slots__ = ("digit", "hits", "misses", "rest")

    def __init__(self) -> None:
        self.rest = np.zeros(0, np.int16)
        """Samples that did not fill a window yet."""
        self.digit = -1
        self.hits = 0
        self.misses = 0


class Detector:
    """Stateless; the state of each leg is its `Listening`."""

    def classify(self, windows: NDArray[np.int16]) -> NDArray[np.int64]:
        """Digit numbers (index into 123A456B789C*0#D, -1 none) of int16[n, 160]."""
        frames = windows.astype(np.float32)
        energy = np.einsum("ij,ij->i", frames, frames) / WINDOW
        product = frames @ _matrix
        half = len(_all)
        power = product[:, :half] ** 2 + product[:, half:] ** 2
        power *= 2 / (WINDOW * WINDOW)  # mean square of a sine at the bin
        rows, columns = power[:, :4], power[:, 4:8]
        row, column = rows.argmax(1), columns.argmax(1)
        at = np.arange(len(frames))
        low, high = rows[at, row], columns[at, column]
        rows_sorted, columns_sorted = np.sort(rows, 1), np.sort(columns, 1)
        ok = energy > MIN_RMS * MIN_RMS
        ok &= low + high > PURITY * energy
        ok &= (high < TWIST_FORWARD * low) & (low < TWIST_FORWARD * high)
        ok &= low > SELECTIVITY * rows_sorted[:, 2]
        ok &= high > SELECTIVITY * columns_sorted[:, 2]
        ok &= power[at, 8 + row] < HARMONIC * low
        ok &= power[at, 12 + column] < HARMONIC * high
        return np.where(ok, row * 4 + column, -1)

    def hear(self, legs: list[Listening], audio: list[NDArray[np.int16]]) -> list[Heard]:
        """Feed each leg its new samples; the digits that ended."""
        parts: list[NDArray[np.int16]] = []
        counts: list[int] = []
        for leg, samples in zip(legs, audio, strict=True):
            joined = np.concatenate([leg.rest, samples])
            count = max(0, (len(joined) - WINDOW) // HOP + 1)
            if count:
                view = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[::HOP]
                parts.append(view[:count])
                leg.rest = joined[count * HOP :].copy()
            else:
                leg.rest = joined
            counts.append(count)
        if not parts:
            return []
        digits = self.classify(np.concatenate(parts)).tolist()
        heard: list[Heard] = []
        start = 0
        for index, (leg, count) in enumerate(zip(legs, counts, strict=True)):
            for digit in digits[start : start + count]:
                self._step(leg, digit, index, heard)
            start += count
        return heard

    @staticmethod
    def _step(leg: Listening, digit: int, index: int, heard: list[Heard]) -> None:
        if digit >= 0 and digit == leg.digit:
            leg.hits += 1
            leg.misses = 0
            return
        if leg.digit >= 0:
            leg.misses += 1
            if leg.misses < 2 and digit < 0:
                return
            if leg.hits >= 2:
                heard.append(Heard(index, _KEYS[leg.digit], leg.hits * HOP * 1000 // RATE_HZ + 10))
        leg.digit = digit
        leg.hits = 1 if digit >= 0 else 0
        leg.misses = 0

"""The calling tone of fax machines: 1,100 Hz, half a second in every three and a half (ITU-T T.30
section 4.2).

Nothing else of a call is so pure for so long: a tone of 380 ms in one piece is taken for it.
Speech, music, ringing and DTMF have less than half of their power there, or not for as long.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CngDetector"]

BLOCK: Final = 80
"""10 ms: 100 Hz wide, because the tone may be 38 Hz off and then has six tenths of its power."""
BLOCKS: Final = 38
SHARE: Final = 0.55
LEAST: Final = 200.0**2
"""Mean square of a tone that counts: some -44 dBm0."""
_HZ: Final = 1100.0
_ANGLE: Final = 2 * np.pi * _HZ / 8000 * np.arange(BLOCK)
_WAVE: Final = np.exp(-1j * _ANGLE)


class CngDetector:
    """One leg. `heard` stays true once the tone has been there."""

    __slots__ = ("_blocks", "_rest", "heard")

    def __init__(self) -> None:
        self.heard = False
        self._blocks = 0
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)

    def hear(self, samples: NDArray[np.int16]) -> bool:
        """Take samples (8 kHz); whether the tone has now been heard for the first time."""
        if self.heard:
            return False
        audio = np.concatenate((self._rest, samples))
        count = len(audio) // BLOCK
        self._rest = audio[count * BLOCK :].copy()
        if not count:
            return False
        blocks = audio[: count * BLOCK].reshape(count, BLOCK).astype(np.float64)
        power = np.mean(blocks**2, axis=1)
        tone = 2 * np.abs(blocks @ _WAVE / BLOCK) ** 2
        for pure in (power > LEAST) & (tone > SHARE * power):
            self._blocks = self._blocks + 1 if pure else 0
            if self._blocks >= BLOCKS:
                self.heard = True
                self._rest = np.zeros(0, np.int16)
                return True
        return False

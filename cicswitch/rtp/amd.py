"""Who has answered a call: somebody, or a machine that reads out its greeting.

People say a word or two and wait; a machine goes on. What counts is the time of speech before the
first long pause, measured in frames of 20 ms that are louder than the line's own noise:

    speech, then 800 ms of silence, within 1.8 s of speech      human
    more than 1.8 s of speech without such a pause              machine
    2.5 s without any speech                                    human, who waits for us to begin

After `machine` the detector listens for the tone at which it begins to record (one steady frequency
from 350 to 2,100 Hz for 160 ms or more, whose end is awaited), or 2 s of silence: `ready`.

The figures are those that dialers use by default (1.5 to 2 s of greeting, 0.8 s of silence after
it, 2.5 s before it). No such rule is right always: somebody who answers with a sentence of two
seconds is taken for a machine.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["AnswerDetector"]

FRAME: Final = 160
FRAME_S: Final = 0.02
GREETING_S: Final = 1.8
PAUSE_S: Final = 0.8
NOBODY_S: Final = 2.5
READY_S: Final = 2.0
LEAST: Final = 150.0**2
"""Mean square of speech at least: some -47 dBm0."""
OVER_NOISE: Final = 8.0
"""Power by which speech is above the noise of the line."""
MOST_NOISE: Final = 200.0**2
TONE_FRAMES: Final = 8
TONE_SHARE: Final = 0.93
TONE_STEADY: Final = 1.3
"""Ratio of the powers of two frames of a tone; a voice is never so even."""
_GROWS: Final = 1.01
_WORD_FRAMES: Final = 3
"""A click is shorter."""
_LOW, _HIGH = 350.0, 2100.0
_SIZE: Final = 512
_WINDOW: Final = np.hanning(FRAME)
_HZ: Final = 8000 / _SIZE


class AnswerDetector:
    """One call. Times are those of the samples that are heard."""

    def __init__(self) -> None:
        self.verdict = ""
        """`human` or `machine` once it is known."""
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._noise = MOST_NOISE
        self._before = 0
        """Frames before the first word."""
        self._speech = 0
        """Frames of speech, with the short pauses in them."""
        self._pause = 0
        self._run = 0
        self._tone_bin = -1
        self._tone_frames = 0
        self._tone_power = 0.0
        self._ready = False

    def hear(self, samples: NDArray[np.int16]) -> list[str]:
        """Take samples (8 kHz); what is known now: `human`, `machine`, `ready`."""
        audio = np.concatenate((self._rest, samples))
        count = len(audio) // FRAME
        self._rest = audio[count * FRAME :].copy()
        found: list[str] = []
        if not count or self._ready or self.verdict == "human":
            return found
        frames = audio[: count * FRAME].reshape(count, FRAME).astype(np.float64)
        power = np.mean(frames**2, axis=1)
        spectrum = np.abs(np.fft.rfft(frames * _WINDOW, _SIZE, axis=1)) ** 2
        for number in range(count):
            word = self._frame(float(power[number]), spectrum[number])
            if word:
                found.append(word)
            if word in ("ready", "human"):
                break
        return found

    def _frame(self, power: float, spectrum: NDArray[np.float64]) -> str:
        """One frame; what it tells, or nothing."""
        loud = power > max(LEAST, OVER_NOISE * self._noise)
        # The noise is the quietest that was heard, which may grow a little.
        self._noise = min(max(power, 1.0), self._noise * _GROWS, MOST_NOISE)
        tone_ended = self._tone(loud, spectrum)
        self._run = self._run + 1 if loud else 0
        if loud and self._run >= _WORD_FRAMES:
            self._speech += _WORD_FRAMES if self._run == _WORD_FRAMES else 1
            if self._speech > _WORD_FRAMES:
                self._speech += self._pause
            self._pause = 0
        elif self._speech:
            self._pause += 1
        else:
            self._before += 1
        if self.verdict:
            if tone_ended or self._pause * FRAME_S >= READY_S:
                self._ready = True
                return "ready"
            return ""
        if not self._speech and self._before * FRAME_S >= NOBODY_S:
            self.verdict = "human"
        elif self._speech * FRAME_S >= GREETING_S:
            self.verdict = "machine"
        elif self._speech and self._pause * FRAME_S >= PAUSE_S:
            self.verdict = "human"
        return self.verdict

    def _tone(self, loud: bool, spectrum: NDArray[np.float64]) -> bool:
        """Whether a steady tone has just ended."""
        total = float(spectrum.sum())
        top = int(spectrum.argmax())
        around = float(spectrum[max(0, top - 8) : top + 9].sum())
        pure = loud and _LOW <= top * _HZ <= _HIGH and around > TONE_SHARE * total
        even = self._tone_power / TONE_STEADY < total < self._tone_power * TONE_STEADY
        self._tone_power = total
        if pure and even and self._tone_frames and abs(top - self._tone_bin) <= 1:
            self._tone_frames += 1
            return False
        ended = self._tone_frames >= TONE_FRAMES
        self._tone_bin, self._tone_frames = (top, 1) if pure else (-1, 0)
        return ended

"""Opus to 8 kHz and back, by libopus, which PyAV brings along.

libopus hears at 48 kHz there, so a filter takes what lies above 3.4 kHz away before every sixth
sample is kept; what is said to a browser is encoded at 8 kHz as it is. PyAV gives no access to the
decoder's own concealment and to forward error correction: what is lost is made up here of the last
period of the voice, fading. Errors of the library are `ValueError`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["CONCEALED", "Decoder", "Encoder", "conceal"]

OPUS_HZ: Final = 48_000
RATE_HZ: Final = 8000
STEP: Final = OPUS_HZ // RATE_HZ
CONCEALED: Final = 5
"""Packets in a row that are made up; after that it is silent, as RFC 3550's receivers are."""
BITS_S: Final = 24_000
COMPLEXITY: Final = "0"
"""Half of the time of the default, 10; at 8 kHz there is little to be found by searching."""
_TAPS: Final = 144
_HISTORY: Final = 480
_LAGS: Final = (20, 160)
"""The period of a voice: 400 Hz to 50 Hz."""
_COMPARED: Final = 160

Samples = NDArray[np.int16]


def _low_pass() -> NDArray[np.float32]:
    """A windowed sinc: flat to 3.4 kHz, 50 dB down from 4.4 kHz."""
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * 3900 / OPUS_HZ * n) * np.kaiser(_TAPS, 4.6)
    low: NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return low


_FILTER: Final = _low_pass()


def conceal(history: Samples, count: int, lost: int) -> Samples:
    """`count` samples that go on where `history` ends, for the `lost`th frame that is missing."""
    wave = history.astype(np.float64)
    tail = wave[-_COMPARED:]
    best, lag = -1.0, _LAGS[1]
    for each in range(_LAGS[0], _LAGS[1] + 1):
        part = wave[-_COMPARED - each : -each]
        likeness = float(tail @ part) / (float(np.sqrt((part @ part) + 1.0)))
        if likeness > best:
            best, lag = likeness, each
    made = np.resize(wave[-lag:], count)
    fade = np.linspace(0.85 ** (lost - 1), 0.85**lost, count)
    return (made * fade).astype(np.int16)


class Decoder:
    """What one browser says, at 8 kHz. It is called for each packet in order."""

    __slots__ = ("_codec", "_heard", "_lost", "_rest")

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.sample_rate = OPUS_HZ
        self._codec.layout = "mono"
        self._rest = np.zeros(_TAPS - STEP, np.float32)
        """Samples at 48 kHz that the next ones are filtered with."""
        self._heard: Samples = np.zeros(_HISTORY, np.int16)
        self._lost = 0

    def decode(self, payload: bytes) -> Samples:
        """The samples of one packet. Raises `ValueError`."""
        try:
            frames = self._codec.decode(av.Packet(payload))
            parts = [frame.to_ndarray()[0] for frame in frames]
        except (av.FFmpegError, ValueError, EOFError) as error:
            raise ValueError(str(error)) from error
        if not parts:
            return np.zeros(0, np.int16)
        fine = np.concatenate([self._rest, *(part.astype(np.float32) for part in parts)])
        count = (len(fine) - _TAPS + STEP) // STEP
        windows = np.lib.stride_tricks.as_strided(
            fine, (count, _TAPS), (STEP * fine.strides[0], fine.strides[0]), writeable=False
        )
        # A copy, though the windows overlap: multiplying rows that do not is twice as fast.
        samples = np.clip(np.ascontiguousarray(windows) @ _FILTER, -32768, 32767).astype(np.int16)
        self._rest = fine[count * STEP :]
        self._lost = 0
        self._remember(samples)
        return samples

    def conceal(self, count: int) -> Samples:
        """So many samples in the place of a packet that was lost."""
        self._lost += 1
        samples = conceal(self._heard, count, self._lost)
        self._remember(samples)
        return samples

    def _remember(self, samples: Samples) -> None:
        self._heard = np.concatenate([self._heard, samples])[-_HISTORY:]


class Encoder:
    """What one browser hears. A packet of 10, 20, 40 or 60 ms is one of Opus; others are cut into
    20 ms.
    """

    __slots__ = ("_codecs", "_left")

    LENGTHS: Final = (80, 160, 320, 480)

    def __init__(self) -> None:
        self._codecs: dict[int, av.AudioCodecContext] = {}
        self._left: Samples = np.zeros(0, np.int16)

    def encode(self, samples: Samples) -> list[tuple[int, bytes]]:
        """Packets of Opus, each with where it begins, in samples from the first of these; below 0
        where it begins in those before.
        """
        if len(samples) in self.LENGTHS and not len(self._left):
            return [(0, packet) for packet in self._one(samples)]
        start = -len(self._left)
        wave = np.concatenate([self._left, samples])
        whole = len(wave) - len(wave) % 160
        self._left = wave[whole:]
        return [
            (start + at, packet)
            for at in range(0, whole, 160)
            for packet in self._one(wave[at : at + 160])
        ]

    def restart(self) -> None:
        """Forget what did not fill a packet: something else follows."""
        self._left = np.zeros(0, np.int16)

    def _one(self, samples: Samples) -> list[bytes]:
        count = len(samples)
        codec = self._codecs.get(count)
        if codec is None:
            codec = self._codecs[count] = av.CodecContext.create("libopus", "w")
            codec.sample_rate = RATE_HZ
            codec.layout = "mono"
            codec.format = "s16"
            codec.bit_rate = BITS_S
            codec.options = {
                "application": "voip",
                "frame_duration": str(count // 8),
                "compression_level": COMPLEXITY,
            }
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.time_base = Fraction(1, RATE_HZ)
        return [bytes(packet) for packet in codec.encode(frame)]

"""G.711: µ-law and A-law as lookup tables (ITU-T G.711).

Decoding is a table of 256 samples, encoding one of 65,536 codes, and turning one law into the other
`bytes.translate` with 256 bytes: about 0.2 µs a packet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ALAW",
    "ALAW_TO_ULAW",
    "SILENCE",
    "ULAW",
    "ULAW_TO_ALAW",
    "Law",
    "decode",
    "encode",
    "translation",
]

Samples = NDArray[np.int16]


class Law:
    """One law: `decoder` int16[256] by code, `encoder` uint8[65536] by sample as uint16."""

    __slots__ = ("decoder", "encoder", "name", "silence")

    def __init__(self, name: str, decoder: Samples) -> None:
        self.name = name
        self.decoder = decoder
        self.encoder = _nearest(decoder)
        self.silence = int(self.encoder[0])
        """The code of the sample 0."""


def _ulaw() -> Samples:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(
        exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(decoder: Samples) -> NDArray[np.uint8]:
    """The code whose sample lies nearest, for every sample. +0 rather than -0."""
    order = np.argsort(decoder, kind="stable")
    values = decoder[order].astype(np.int32)
    samples = np.arange(-32768, 32768, dtype=np.int32)
    upper = np.clip(np.searchsorted(values, samples), 1, 255)
    below, above = values[upper - 1], values[upper]
    pick = np.where(samples - below < above - samples, upper - 1, upper)
    pick = np.where(samples <= values[0], 0, pick)
    codes = order[pick].astype(np.uint8)
    # Both µ-law zeros decode to 0; the positive one (0xFF) is the common silence.
    zero = np.flatnonzero(decoder == 0)
    if len(zero):
        codes[np.isin(codes, zero)] = zero.max()
    return codes[np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) + 32768]


ULAW = Law("PCMU", _ulaw())
ALAW = Law("PCMA", _alaw())
LAWS = {"PCMU": ULAW, "PCMA": ALAW}
SILENCE = {"PCMU": ULAW.silence, "PCMA": ALAW.silence}


def decode(payload: bytes | bytearray | memoryview, law: Law) -> Samples:
    """int16 samples of the payload, a new array."""
    return law.decoder[np.frombuffer(payload, np.uint8)]


def encode(samples: Samples, law: Law) -> bytes:
    """One byte a sample; `samples` is int16 of any shape, read in C order."""
    return law.encoder[np.ascontiguousarray(samples).view(np.uint16)].tobytes()


ULAW_TO_ALAW = encode(ULAW.decoder, ALAW)
ALAW_TO_ULAW = encode(ALAW.decoder, ULAW)


def translation(source: str, target: str) -> bytes | None:
    """The table for `bytes.translate` from codec to codec, None where they are the same."""
    if source == target:
        return None
    return ULAW_TO_ALAW if source == "PCMU" else ALAW_TO_ULAW

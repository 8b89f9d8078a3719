"""WAV files: reading what prompts come as, writing what can be played after a crash, repairing.

Reads PCM of any width, floats, µ-law and A-law, any rate and number of channels, to 8 kHz mono. The
standard `wave` module reads PCM only.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cicswitch.core.errors import ResourceError
from cicswitch.rtp import g711

__all__ = ["RATE_HZ", "decode", "header", "read_wav", "repair", "resample"]

RATE_HZ = 8000
HEADER_SIZE = 44
PCM, FLOAT, ALAW, ULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
MAX_BYTES = 256 << 20

Samples = NDArray[np.int16]


def header(data_bytes: int, *, channels: int = 2, rate_hz: int = RATE_HZ) -> bytes:
    """The 44 bytes before PCM16 data of this size."""
    size = min(data_bytes, 0xFFFF_FFFF - 36)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + size,
        b"WAVE",
        b"fmt ",
        16,
        PCM,
        channels,
        rate_hz,
        rate_hz * channels * 2,
        channels * 2,
        16,
        b"data",
        size,
    )


def repair(path: Path) -> bool:
    """Make the size fields of a PCM16 recording fit its length; True where they did not.

    For what a killed worker left behind. Raises `ResourceError` where it is no recording of ours.
    """
    try:
        with path.open("r+b") as file:
            head = file.read(HEADER_SIZE)
            if len(head) < HEADER_SIZE or head[:4] != b"RIFF" or head[36:40] != b"data":
                raise ResourceError(f"{path}: not a recording (no WAV header of 44 bytes)")
            channels, rate_hz = struct.unpack_from("<HI", head, 22)
            whole = channels * 2
            size = (os.fstat(file.fileno()).st_size - HEADER_SIZE) // whole * whole
            fixed = header(size, channels=channels, rate_hz=rate_hz)
            if fixed == head:
                return False
            file.seek(0)
            file.write(fixed)
            file.truncate(HEADER_SIZE + size)
            return True
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error


def resample(samples: NDArray[np.float64], rate_hz: int, target_hz: int) -> NDArray[np.float64]:
    """Another rate: a windowed-sinc low pass below the lower half rate, then interpolation."""
    if rate_hz == target_hz or len(samples) == 0:
        return samples
    if rate_hz > target_hz:
        taps = 16 * int(np.ceil(rate_hz / target_hz)) + 1
        at = np.arange(taps) - taps // 2
        cutoff = 0.92 * target_hz / rate_hz
        kernel = np.sinc(cutoff * at) * np.blackman(taps)
        samples = np.convolve(samples, kernel / kernel.sum(), mode="same")
    length = int(len(samples) * target_hz / rate_hz)
    positions = np.arange(length) * (rate_hz / target_hz)
    return np.asarray(np.interp(positions, np.arange(len(samples)), samples), np.float64)


def read_wav(path: Path) -> Samples:
    """int16 at 8 kHz mono. Raises `ResourceError` naming the file and what is wrong with it."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ResourceError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ResourceError(f"{path}: {error.strerror}") from error
    return decode(data, str(path))


def decode(data: bytes, path: str) -> Samples:
    """What the bytes of a WAV file hold, as `read_wav`; `path` is for errors."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ResourceError(f"{path}: not a WAV file")
    found: tuple[int, int, int, int] | None = None
    body: bytes | None = None
    at = 12
    while at + 8 <= len(data):
        name = data[at : at + 4]
        (size,) = struct.unpack_from("<I", data, at + 4)
        chunk = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            if len(chunk) < 16:
                raise ResourceError(f"{path}: its format chunk is cut short")
            kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
            if kind == EXTENSIBLE and len(chunk) >= 26:
                (kind,) = struct.unpack_from("<H", chunk, 24)
            found = (kind, channels, rate_hz, bits)
        elif name == b"data":
            body = chunk
            break
        at += 8 + size + size % 2
    if found is None or body is None:
        raise ResourceError(f"{path}: a WAV file without format or data")
    kind, channels, rate_hz, bits = found
    if not 1 <= channels <= 8 or not 4000 <= rate_hz <= 192_000:
        raise ResourceError(f"{path}: {channels} channels at {rate_hz} Hz cannot be played")
    if kind == PCM and bits == 16:
        whole = len(body) // (2 * channels) * (2 * channels)
        samples: Samples = np.frombuffer(body[:whole], "<i2").astype(np.int16)
    elif kind == ULAW and bits == 8:
        samples = g711.decode(body[: len(body) // channels * channels], g711.ULAW)
    elif kind == ALAW and bits == 8:
        samples = g711.decode(body[: len(body) // channels * channels], g711.ALAW)
    elif kind == PCM and bits in (8, 24, 32):
        samples = _narrowed(body, bits, channels)
    elif kind == FLOAT and bits in (32, 64):
        whole = len(body) // (bits // 8 * channels) * (bits // 8 * channels)
        wave = np.nan_to_num(np.frombuffer(body[:whole], f"<f{bits // 8}").astype(np.float64))
        samples = np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16)
    else:
        found_text = f"format {kind} with {bits} bits"
        raise ResourceError(f"{path}: {found_text}; PCM, A-law or µ-law expected")
    if channels == 1 and rate_hz == RATE_HZ:
        return samples
    mono = samples.reshape(-1, channels).mean(axis=1)
    return np.clip(np.rint(resample(mono, rate_hz, RATE_HZ)), -32768, 32767).astype(np.int16)


def _narrowed(body: bytes, bits: int, channels: int) -> Samples:
    """PCM of another width as PCM16."""
    width = bits // 8
    raw = np.frombuffer(body[: len(body) // (width * channels) * width * channels], np.uint8)
    if width == 1:  # unsigned, unlike all others
        return ((raw.astype(np.int16) - 128) << 8).astype(np.int16)
    parts = raw.reshape(-1, width)[:, -2:]  # the two highest bytes
    return np.ascontiguousarray(parts).view("<i2").reshape(-1).astype(np.int16)

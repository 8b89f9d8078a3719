"""WebM as bytes: VP8 and Opus as they came, never decoded (RFC 9559, the WebM guidelines).

PyAV's muxer asks for an encoder of the sound, which nothing encodes. Here a cluster is whole and
on its way to the disk after `CLUSTER_MS` at most, so a file whose writer was killed plays up to
there. `tail` makes it one in which players can seek: an index at its end, and what has to be
written over its head.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["CLUSTER_MS", "Webm", "start_of"]

CLUSTER_MS: Final = 500
_MARK: Final = b"start_ms="
_UNKNOWN: Final = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_ROOM: Final = 64
"""For the place of the index, which is known at the end."""
_CUES: Final = 20_000
"""Key frames in the index; of a longer film the first ones."""


def _element(name: int, body: bytes) -> bytes:
    size = len(body)
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + _size(size) + body


def _size(size: int) -> bytes:
    if size < 127:
        return bytes([0x80 | size])
    return (1 << 56 | size).to_bytes(8, "big")


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _float(name: int, value: float) -> bytes:
    return _element(name, struct.pack("!d", value))


def _void(size: int) -> bytes:
    return b"\xec" + (1 << 56 | size - 9).to_bytes(8, "big") + bytes(size - 9)


def start_of(head: bytes) -> int | None:
    """How long after its recording's beginning a film begins, by the first bytes of its file."""
    at = head.find(_MARK)
    digits = head[at + len(_MARK) : at + len(_MARK) + 12].partition(b";")[0] if at >= 0 else b""
    return int(digits) if digits.isdigit() else None


class Webm:
    """One file. Times are in ms from its first frame; those of a track do not fall."""

    def __init__(self, width: int, height: int, *, sound: bool, start_ms: int) -> None:
        ebml = (
            _number(0x4286, 1)
            + _number(0x42F7, 1)
            + _number(0x42F2, 4)
            + _number(0x42F3, 8)
            + _element(0x4282, b"webm")
            + _number(0x4287, 4)
            + _number(0x4285, 2)
        )
        self.head = _element(0x1A45DFA3, ebml) + b"\x18\x53\x80\x67" + _UNKNOWN
        self._segment = len(self.head)
        info = (
            _number(0x2AD7B1, 1_000_000)
            + _element(0x7BA9, _MARK + b"%d;" % max(0, start_ms))
            + _element(0x4D80, b"cicswitch")
            + _element(0x5741, b"cicswitch")
        )
        self.head += _void(_ROOM)
        duration = _float(0x4489, 0.0)
        info += duration
        self.head += _element(0x1549A966, info)
        self._duration = len(self.head) - len(duration)
        tracks = _element(
            0xAE,
            _number(0xD7, 1)
            + _number(0x73C5, 1)
            + _number(0x83, 1)
            + _number(0x9C, 0)
            + _element(0x86, b"V_VP8")
            + _element(0xE0, _number(0xB0, width) + _number(0xBA, height)),
        )
        if sound:
            opus = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 312, 48_000, 0, 0)
            tracks += _element(
                0xAE,
                _number(0xD7, 2)
                + _number(0x73C5, 2)
                + _number(0x83, 2)
                + _number(0x9C, 0)
                + _element(0x86, b"A_OPUS")
                + _element(0x63A2, opus)
                + _number(0x56AA, 6_500_000)
                + _number(0x56BB, 80_000_000)
                + _element(0xE1, _float(0xB5, 48_000.0) + _number(0x9F, 2)),
            )
        self.head += _element(0x1654AE6B, tracks)
        self._size = len(self.head)
        self._blocks: list[bytes] = []
        self._began_ms = 0
        self._last_ms = [0, 0, 0]
        """By track."""
        self._cues: list[tuple[int, int]] = []

    def add(self, track: int, at_ms: int, payload: bytes, *, key: bool) -> bytes:
        """Add a frame; what is to be written now, mostly nothing."""
        # The time of a block is 16 bits from its cluster's.
        at_ms = max(at_ms, self._last_ms[track], self._began_ms - 10_000)
        done = b""
        if self._blocks and (at_ms - self._began_ms >= CLUSTER_MS or (key and track == 1)):
            done = self.flush()
        if not self._blocks:
            self._began_ms = max(0, at_ms)
            if key and track == 1 and len(self._cues) < _CUES:
                self._cues.append((at_ms, self._size - self._segment))
        self._last_ms[track] = at_ms
        flags = 0x80 if key else 0
        head = bytes([0x80 | track]) + struct.pack("!hB", at_ms - self._began_ms, flags)
        self._blocks.append(_element(0xA3, head + payload))
        return done

    def flush(self) -> bytes:
        """The cluster that is open."""
        if not self._blocks:
            return b""
        body = _number(0xE7, self._began_ms) + b"".join(self._blocks)
        done = _element(0x1F43B675, body)
        self._blocks.clear()
        self._size += len(done)
        return done

    def tail(self) -> tuple[bytes, list[tuple[int, bytes]]]:
        """What ends the file, after `flush`, and what then goes over its beginning, by place."""
        cues = b"".join(
            _element(
                0xBB, _number(0xB3, at) + _element(0xB7, _number(0xF7, 1) + _number(0xF1, place))
            )
            for at, place in self._cues
        )
        end = _element(0x1C53BB6B, cues)
        seek = _element(
            0x4DBB,
            _element(0x53AB, b"\x1c\x53\xbb\x6b") + _number(0x53AC, self._size - self._segment),
        )
        found = _element(0x114D9B74, seek)
        size = self._size + len(end) - self._segment
        return end, [
            (self._segment, found + _void(_ROOM - len(found))),
            (self._duration, _float(0x4489, float(max(self._last_ms)))),
            (self._segment - 8, (1 << 56 | size).to_bytes(8, "big")),
        ]

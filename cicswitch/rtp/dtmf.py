"""Telephone events (RFC 4733): digits as packets of their own payload type.

Sending: a packet each 20 ms that repeats the event's timestamp with a growing duration, the marker
on the first, and the last one three times. Receiving: an event is known by its timestamp, reported
once, at its end bit; where all end packets are lost it is over when the next event begins or when
nothing of it has come for `SILENCE_S`.
"""

from __future__ import annotations

import struct

import msgspec

__all__ = ["DIGITS", "DtmfReceiver", "Event", "event_frames", "parse_event"]

DIGITS = "0123456789*#ABCD"
SILENCE_S = 0.2
VOLUME = 10
"""-10 dBm0."""

_PAYLOAD = struct.Struct("!BBH")


class Event(msgspec.Struct, frozen=True):
    """A digit and how long it was held, in samples of 8 kHz."""

    digit: str
    duration: int


def parse_event(payload: bytes | bytearray | memoryview) -> tuple[int, bool, int] | None:
    """Code, end bit, duration; None for a payload that is no event."""
    if len(payload) < 4:
        return None
    code, flags, duration = _PAYLOAD.unpack_from(payload)
    return code, flags >= 0x80, duration


def event_frames(digit: str, duration: int, step: int = 160) -> list[tuple[bool, bool, bytes]]:
    """The packets of one digit: (marker, goes with the packet before it, payload).

    Section 2.5.1.4: "The sender ... SHOULD ... retransmit the final packet ... three times"; the
    two repetitions follow at the next two packet times, as most senders do. A duration is rounded
    up to whole steps and ends at 65,535 samples.
    """
    code = DIGITS.index(digit)
    steps = max(2, min(0xFFFF // step, -(-duration // step)))
    frames = [
        (number == 1, False, _PAYLOAD.pack(code, VOLUME, number * step))
        for number in range(1, steps)
    ]
    end = _PAYLOAD.pack(code, 0x80 | VOLUME, steps * step)
    frames += [(False, False, end)] * 3
    return frames


class DtmfReceiver:
    """Turns event packets of one leg into digits."""

    __slots__ = ("_code", "_duration", "_last_at", "_timestamp", "active")

    def __init__(self) -> None:
        self._timestamp = -1
        self._code = 0
        self._duration = 0
        self._last_at = 0.0
        self.active = False
        """An event has begun and has not been reported."""

    def receive(
        self, payload: bytes | bytearray | memoryview, timestamp: int, now: float
    ) -> list[Event]:
        """Take one packet; the events that it ends, mostly none."""
        parsed = parse_event(payload)
        if parsed is None:
            return []
        code, end, duration = parsed
        if code >= len(DIGITS):
            return []
        ended: list[Event] = []
        if timestamp != self._timestamp:
            late = (timestamp - self._timestamp) & 0xFFFF_FFFF >= 0x8000_0000
            if self._timestamp >= 0 and late and now - self._last_at < 1:
                return []
            if self.active:
                ended.append(self._finish())
            self._timestamp = timestamp
            self._code = code
            self._duration = 0
            self.active = True
        elif not self.active:
            return []
        self._duration = max(self._duration, duration)
        self._last_at = now
        if end:
            ended.append(self._finish())
        return ended

    def expire(self, now: float) -> Event | None:
        """The event whose end was lost, once it has been silent for `SILENCE_S`."""
        if self.active and now - self._last_at >= SILENCE_S:
            return self._finish()
        return None

    def _finish(self) -> Event:
        self.active = False
        return Event(DIGITS[self._code], self._duration)

"""What one leg says, evened out for the mixer: packets go in as they come, 20 ms come out a tick.

Playout begins with the first packet and goes on by its RTP timestamps. A packet that comes when its
time is over moves playout back, if nothing later has come: the far end's way has become longer, and
the delay grows with it. If something later has come it is too late and is dropped. A lost packet is
the last one mirrored (so that nothing jumps), fading out over two frames, then silence. Delay that
has not been needed for two seconds is given up, a frame at a time; so is that of a sender whose
clock is fast. After a stall whose packets all come at once, playout jumps to near their end.
"""

from __future__ import annotations

from typing import Final

from cicswitch.media.sources import FRAME

__all__ = ["FADES", "JitterBuffer"]

SLOTS: Final = 16
"""A power of two: 320 ms."""
LATEST: Final = 800
"""Samples by which a packet may be late and still only move playout back: 100 ms."""
MOST: Final = 1280
KEEP: Final = 800
"""Where more than 160 ms wait, so many are kept."""
GONE: Final = -8000
"""After a second without a packet the next one begins anew."""
TRIM_TICKS: Final = 100
TRIM_FROM: Final = 2 * FRAME
FADES: Final = 2
"""Frames that a lost packet takes to fade out."""
_MASK: Final = 0xFFFF_FFFF


class JitterBuffer:
    """The state of one leg, in codes of its law: one byte a sample."""

    __slots__ = (
        "concealed",
        "depth",
        "frames",
        "last",
        "late",
        "least",
        "lost",
        "running",
        "silence",
        "skipped",
        "slot",
        "ticks",
        "timestamp",
        "waited",
    )

    def __init__(self, silence: int) -> None:
        self.silence = bytes([silence]) * FRAME
        self.frames: list[bytes | bytearray | None] = [None] * SLOTS
        self.slot = 0
        """Of the frame that is taken next; `timestamp` is its first sample's."""
        self.timestamp = 0
        self.depth = 0
        """Samples from there to the end of the latest packet; below 0 when playout waits for it."""
        self.running = False
        self.last: bytes | bytearray = self.silence
        self.lost = 0
        """Frames in a row that were not there; 1 to `FADES`: what `take` gave is to be faded."""
        self.least = MOST
        self.ticks = 0
        self.late = 0
        """Packets dropped because a later one had been played."""
        self.waited = 0
        """Frames by which playout was moved back."""
        self.skipped = 0
        """Frames left out to lessen the delay."""
        self.concealed = 0

    def put(self, timestamp: int, payload: bytes, *, fresh: bool = False) -> None:
        """Take a packet of 1 to `KEEP - FRAME` samples; `fresh`: it begins a new stream."""
        size = len(payload)
        if fresh or not self.running:
            self._begin(timestamp)
        ahead = ((timestamp - self.timestamp + 0x8000_0000) & _MASK) - 0x8000_0000
        if ahead < 0:
            if ahead + size <= self.depth:
                self.late += 1
                return
            if ahead < -LATEST:
                self._begin(timestamp)  # its clock stood still, as that of a sender on hold
                ahead = 0
            else:
                back = -(ahead // FRAME)
                self._move(-back)
                self.waited += back
                ahead += back * FRAME
        elif ahead + size > MOST:
            frames = (ahead + size - KEEP + FRAME - 1) // FRAME
            for index in range(min(frames, SLOTS)):
                self.frames[(self.slot + index) % SLOTS] = None
            self._move(frames)
            self.skipped += frames
            ahead -= frames * FRAME
        if size == FRAME and not ahead % FRAME:
            self.frames[(self.slot + ahead // FRAME) % SLOTS] = payload
        else:
            self._spread(ahead, payload)
        if ahead + size > self.depth:
            self.depth = ahead + size

    def take(self) -> bytes | bytearray:
        """The next `FRAME` codes. Look at `lost` behind it."""
        slot = self.slot
        frame = self.frames[slot]
        if not self.running:
            return self.silence
        self.frames[slot] = None
        self.slot = (slot + 1) % SLOTS
        self.timestamp = (self.timestamp + FRAME) & _MASK
        depth = self.depth = self.depth - FRAME
        if depth < self.least:
            self.least = depth
        self.ticks += 1
        if self.ticks >= TRIM_TICKS:
            if self.least >= TRIM_FROM:
                self.frames[self.slot] = None
                self._move(1)
                self.skipped += 1
            self.ticks, self.least = 0, MOST
        if frame is not None:
            self.last = frame
            self.lost = 0
            return frame
        if self.lost >= FADES:
            self.lost = FADES + 1
            if depth < GONE:
                self.running = False
            return self.silence
        self.lost += 1
        self.concealed += 1
        self.last = self.last[::-1]
        return self.last

    def _begin(self, timestamp: int) -> None:
        self.frames = [None] * SLOTS
        self.timestamp = timestamp
        self.depth = 0
        self.running = True
        self.ticks, self.least = 0, MOST

    def _move(self, frames: int) -> None:
        """Move playout by so many frames."""
        self.slot = (self.slot + frames) % SLOTS
        self.timestamp = (self.timestamp + frames * FRAME) & _MASK
        self.depth -= frames * FRAME

    def _spread(self, ahead: int, payload: bytes) -> None:
        """Put a packet into the frames that it touches: another length, or off the frames' grid."""
        at = 0
        while at < len(payload):
            index = (self.slot + (ahead + at) // FRAME) % SLOTS
            first = (ahead + at) % FRAME
            part = payload[at : at + FRAME - first]
            frame = bytearray(self.frames[index] or self.silence)
            frame[first : first + len(part)] = part
            self.frames[index] = frame
            at += len(part)

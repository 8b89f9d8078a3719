"""The two directions of a leg: what it receives (`InputStream`), what it is sent (`OutputStream`).

A far end hears one stream from one SSRC for the whole call, whatever the switch plays into it: the
relay of another leg, a prompt, music, a leg that came by transfer, a sender that restarts. So every
packet gets the sequence number and timestamp of the output stream. A relay keeps the distances of
its source (a packet lost before the switch stays a gap behind it, silence suppression stays a jump
of the timestamp) by adding two constants to it; `OutputStream.splice` computes them where one
source takes over from another.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CLOCK_HZ", "InputStream", "OutputStream"]

CLOCK_HZ: Final = 8000
SAMPLES: Final = 160
"""In 20 ms."""
MAX_DROPOUT: Final = 3000
"""A jump of the sequence beyond this is a restart of the sender (RFC 3550 appendix A.1)."""
MAX_MISORDER: Final = 100


class InputStream:
    """Receiver state of one source (RFC 3550 appendix A.1, A.3, A.8)."""

    __slots__ = (
        "base",
        "duplicates",
        "highest",
        "jitter",
        "lost_before",
        "received",
        "received_before",
        "reordered",
        "restarts",
        "sampled",
        "ssrc",
        "timestamp",
        "transit",
        "window",
    )

    def __init__(self) -> None:
        self.ssrc = -1
        self.base = 0
        self.highest = 0
        """Extended highest sequence number: cycles in the upper bits."""
        self.received = 0
        self.received_before = 0
        """Of the sources before this one; `lost_before` alike."""
        self.lost_before = 0
        self.duplicates = 0
        self.reordered = 0
        self.restarts = 0
        self.timestamp = 0
        self.transit: float | None = None
        self.jitter = 0.0
        """In timestamp units."""
        self.sampled = False
        """Packets went by unmeasured, so the next measurement stands for several."""
        self.window = 0
        """Bit n: highest - n has come, to tell a duplicate from a late packet."""

    @property
    def started(self) -> bool:
        """Whether any packet has come."""
        return self.ssrc >= 0

    def receive(self, sequence: int, timestamp: int, ssrc: int, now: float) -> bool:
        """Take one packet. True where it begins a new stream: another SSRC, or a restart."""
        if ssrc != self.ssrc:
            self._begin(sequence, timestamp, ssrc)
            self._measure(timestamp, now)
            return True
        delta = (sequence - self.highest) & 0xFFFF
        if delta == 0:
            self.duplicates += 1
            self.received += 1
        elif delta < MAX_DROPOUT:
            self.highest += delta
            self.window = (self.window << delta | 1) & 0xFFFF_FFFF_FFFF_FFFF
            self.received += 1
            self._measure(timestamp, now)
            self.timestamp = timestamp
        elif delta > 0x10000 - MAX_MISORDER:
            bit = 1 << (0x10000 - delta)
            if self.window & bit:
                self.duplicates += 1
            else:
                self.window |= bit
                self.reordered += 1
            self.received += 1
        else:
            self._begin(sequence, timestamp, ssrc)
            self._measure(timestamp, now)
            return True
        return False

    def advance(self, count: int, timestamp: int) -> None:
        """`count` packets came in order since the last call, up to this timestamp."""
        self.highest += count
        self.received += count
        self.timestamp = timestamp
        self.window = 0xFFFF_FFFF_FFFF_FFFF
        self.sampled = True

    @property
    def expected(self) -> int:
        """Packets that the current source has sent as far as its sequence numbers tell."""
        return self.highest - self.base + 1 if self.started else 0

    @property
    def lost(self) -> int:
        """Packets lost over all sources, not below 0."""
        return self.lost_before + max(0, self.expected - self.received)

    @property
    def total(self) -> int:
        """Packets received over all sources."""
        return self.received_before + self.received

    def _begin(self, sequence: int, timestamp: int, ssrc: int) -> None:
        if self.started:
            self.lost_before = self.lost
            self.received_before += self.received
            self.restarts += 1
        self.ssrc = ssrc
        self.base = self.highest = sequence
        self.received = 1
        self.window = 1
        self.timestamp = timestamp
        self.transit = None

    def _measure(self, timestamp: int, now: float) -> None:
        transit = now * CLOCK_HZ - timestamp
        if self.transit is not None:
            distance = abs(transit - self.transit)
            # A clock that jumps (a timestamp that wraps, a new talkspurt) is no jitter.
            if distance < CLOCK_HZ:
                # Section 6.4.1 has a gain of 1/16 with every packet measured.
                self.jitter += (distance - self.jitter) / (4 if self.sampled else 16)
        self.sampled = False
        self.transit = transit


class OutputStream:
    """One SSRC with continuous sequence numbers and timestamps."""

    __slots__ = ("last_at", "length", "octets", "sent", "sequence", "ssrc", "timestamp")

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        """Of the last packet sent."""
        self.timestamp = timestamp
        self.length = SAMPLES
        """Samples in the last packet."""
        self.last_at: float | None = None
        self.sent = 0
        self.octets = 0

    def due(self, now: float) -> int:
        """The timestamp of a packet that a new source sends now.

        It lies as far after the last one as time has passed, in steps of 20 ms and not before that
        one has ended, so that the far end's jitter buffer neither stretches nor discards.
        """
        if self.last_at is None:
            return self.timestamp
        passed = SAMPLES * round((now - self.last_at) * CLOCK_HZ / SAMPLES)
        return (self.timestamp + max(self.length, passed)) & 0xFFFF_FFFF

    def splice(self, sequence: int, timestamp: int, now: float) -> tuple[int, int]:
        """The constants that make (sequence, timestamp) of a new source the next packet."""
        return (
            (self.sequence + 1 - sequence) & 0xFFFF,
            (self.due(now) - timestamp) & 0xFFFF_FFFF,
        )

    def begin(self, now: float) -> None:
        """A source of our own takes over: `next` will give what is due now."""
        if self.last_at is not None:
            self.timestamp = (self.due(now) - self.length) & 0xFFFF_FFFF

    def next(self, now: float, samples: int = SAMPLES) -> tuple[int, int]:
        """Sequence and timestamp for the next packet of a source of our own that goes on."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.skip(samples)
        self.last_at = now
        return self.sequence, self.timestamp

    def skip(self, samples: int) -> None:
        """Let the time of a packet pass without one."""
        self.timestamp = (self.timestamp + self.length) & 0xFFFF_FFFF
        self.length = samples

    def relayed(self, sequence: int, timestamp: int, count: int, octets: int, now: float) -> None:
        """`count` packets went out by relay, the last with this sequence and timestamp."""
        if (sequence - self.sequence) & 0xFFFF < 0x8000:
            self.sequence = sequence
            self.timestamp = timestamp
            self.length = SAMPLES
        self.sent += count
        self.octets += octets
        self.last_at = now

"""UDPTL: how T.38's IFP packets go over UDP (ITU-T T.38 section 9).

    seq-number             16 bits
    primary-ifp-packet     length, bytes
    error-recovery         0x00: secondary IFP packets   count, then length and bytes of each:
                                                         those before this one, the latest first
                           0x80: parity FEC              1, span, count, then length and bytes of
                                                         each

A length is that of aligned PER: one octet below 128, two below 16,384 (0x80 in the first).

Parity FEC with `count` entries of span `n`: entry `m` of the packet with number `s` is the XOR of
the primaries `s + m - n·count`, `s + m - (n-1)·count` … `s + m - count`. So `count` packets lost in
a row are made whole by the next one that comes. A primary that is shorter than the others of its
entry comes back with zeros behind it, which an IFP packet, knowing its own length, does not mind.

`Receiver` gives packets in order, each once. What is missing is waited for as long as
`HOLD_S` and `HOLD` packets; then the gap stays.

UdptlError(ProtocolError)    a datagram that is no UDPTL packet
"""

from __future__ import annotations

import struct
from typing import Final, Literal

from cicswitch.core.errors import ProtocolError

__all__ = ["HOLD_S", "Packet", "Receiver", "Recovery", "Sender", "UdptlError", "build", "parse"]

Recovery = Literal["none", "redundancy", "fec"]
MOST_BYTES: Final = 2048
"""Of a datagram."""
_MOST_SECONDARIES: Final = 32
_MOST_SPAN: Final = 16
_HISTORY: Final = 128
"""Primaries that are remembered, by number; a power of two."""
HOLD: Final = 6
HOLD_S: Final = 0.12
_AHEAD: Final = 500
"""Who is so far ahead, or so long behind, has begun to count anew."""
_BEHIND: Final = 16
_FIRST: Final = 8
"""Whoever is heard first with a number below this has begun with 0."""
_HEAD: Final = struct.Struct("!H")


class UdptlError(ProtocolError):
    """A datagram that breaks T.38 section 9."""


class Packet:
    """One datagram, read. `secondaries` is empty where there is FEC."""

    __slots__ = ("fec", "primary", "secondaries", "sequence", "span")

    def __init__(
        self,
        sequence: int,
        primary: bytes,
        secondaries: tuple[bytes, ...] = (),
        span: int = 0,
        fec: tuple[bytes, ...] = (),
    ) -> None:
        self.sequence = sequence
        self.primary = primary
        self.secondaries = secondaries
        self.span = span
        self.fec = fec


def _length(size: int) -> bytes:
    return bytes((size,)) if size < 0x80 else _HEAD.pack(0x8000 | size)


def build(packet: Packet) -> bytes:
    """A datagram. Raises `ValueError` for what cannot be written."""
    if any(len(each) >= 0x4000 for each in (packet.primary, *packet.secondaries, *packet.fec)):
        raise ValueError("an IFP packet has fewer than 16384 bytes")
    out = [_HEAD.pack(packet.sequence & 0xFFFF), _length(len(packet.primary)), packet.primary]
    if packet.fec:
        out.append(bytes((0x80, 1, packet.span, len(packet.fec))))
        rest = packet.fec
    else:
        out.append(bytes((0, len(packet.secondaries))))
        rest = packet.secondaries
    for each in rest:
        out += (_length(len(each)), each)
    return b"".join(out)


class _Reader:
    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def octet(self) -> int:
        if self.at >= len(self.data):
            raise UdptlError("a UDPTL packet is cut short")
        self.at += 1
        return self.data[self.at - 1]

    def length(self) -> int:
        first = self.octet()
        if first < 0x80:
            return first
        if first < 0xC0:
            return (first & 0x3F) << 8 | self.octet()
        raise UdptlError("a UDPTL packet has a length in fragments")

    def open_type(self) -> bytes:
        size = self.length()
        found = self.data[self.at : self.at + size]
        if len(found) < size:
            raise UdptlError("a UDPTL packet is cut short")
        self.at += size
        return found


def parse(data: bytes) -> Packet:
    """Read a datagram. Raises `UdptlError`; what stands behind the packet is not looked at."""
    if len(data) > MOST_BYTES:
        raise UdptlError("a UDPTL packet is too long")
    if len(data) < 4:
        raise UdptlError("a UDPTL packet is cut short")
    reader = _Reader(data)
    sequence = reader.octet() << 8 | reader.octet()
    primary = reader.open_type()
    kind = reader.octet()
    if kind & 0x7F:
        raise UdptlError("a UDPTL packet with unknown error recovery")
    if not kind:
        count = reader.length()
        if count > _MOST_SECONDARIES:
            raise UdptlError("a UDPTL packet with too many secondaries")
        return Packet(sequence, primary, tuple(reader.open_type() for _ in range(count)))
    if reader.octet() != 1:
        raise UdptlError("a UDPTL packet with a FEC span that is no small number")
    span = reader.octet()
    count = reader.length()
    if not 0 < span <= _MOST_SPAN or not 0 < count <= _MOST_SPAN:
        raise UdptlError("a UDPTL packet with too much FEC")
    return Packet(sequence, primary, (), span, tuple(reader.open_type() for _ in range(count)))


def _xor(packets: list[bytes], size: int) -> bytes:
    value = 0
    for each in packets:
        value ^= int.from_bytes(each[:size].ljust(size, b"\0"), "big")
    return value.to_bytes(size, "big")


class Sender:
    """Numbers IFP packets and adds what recovers those before them.

    `copies` secondaries with redundancy, `entries` of `span` with FEC; fewer where a datagram
    would be longer than `max_datagram` or nothing has been sent yet.
    """

    def __init__(
        self,
        recovery: Recovery = "redundancy",
        *,
        max_datagram: int = 400,
        copies: int = 3,
        span: int = 3,
        entries: int = 3,
    ) -> None:
        self.recovery = recovery
        self.max_datagram = max_datagram
        self.sequence = 0
        """Of the next packet."""
        self._copies, self._span, self._entries = copies, span, entries
        self._past: list[bytes] = []
        """The latest last."""

    def send(self, ifp: bytes) -> bytes:
        """The datagram that carries this packet."""
        sequence, past = self.sequence, self._past
        packet = Packet(sequence, ifp)
        if self.recovery == "redundancy":
            packet.secondaries = tuple(reversed(past[-self._copies :]))
        elif self.recovery == "fec" and past:
            entries = min(self._entries, len(past))
            packet.span = min(self._span, len(past) // entries)
            packet.fec = tuple(self._entry(m, packet.span, entries) for m in range(entries))
        data = build(packet)
        while len(data) > self.max_datagram and (packet.secondaries or packet.fec):
            if packet.fec:
                # Fewer entries would have to cover others; what stands before is not repaired.
                packet.fec = ()
            else:
                packet.secondaries = packet.secondaries[:-1]
            data = build(packet)
        past.append(ifp)
        del past[: -max(self._copies, self._span * self._entries)]
        self.sequence = (sequence + 1) & 0xFFFF
        return data

    def _entry(self, m: int, span: int, entries: int) -> bytes:
        past = self._past
        covered = [past[len(past) + m - entries * (each + 1)] for each in range(span)]
        return _xor(covered, max(map(len, covered)))


class Receiver:
    """Puts IFP packets in order and makes lost ones whole."""

    def __init__(self) -> None:
        self.received = self.recovered = self.lost = self.duplicates = self.malformed = 0
        self._next = -1
        """The number that is given next."""
        self._numbers = [-1] * _HISTORY
        self._packets = [b""] * _HISTORY
        self._fec: dict[tuple[int, int], tuple[bytes, list[int]]] = {}
        """Entries that may still help: the packet's number and its entry -> XOR, numbers."""
        self._top = -1
        """The highest number so far."""
        self._since = 0.0
        """When the gap was seen that is waited for; 0: there is none."""
        self._behind = 0

    def receive(self, data: bytes, now: float) -> list[tuple[int, bytes]]:
        """Take a datagram; the packets that are now next, with their numbers.

        Raises `UdptlError`, and has counted it.
        """
        try:
            packet = parse(data)
        except UdptlError:
            self.malformed += 1
            raise
        self.received += 1
        sequence = packet.sequence
        if self._next < 0:
            self._begin(0 if sequence < _FIRST else sequence)
            if sequence < _FIRST and not packet.secondaries and not packet.fec:
                self._next = sequence
        ahead = (sequence - self._next) & 0xFFFF
        if ahead >= 0x8000:
            self.duplicates += 1
            self._behind += 1
            if self._behind < _BEHIND or self._known(sequence):
                return []
            self._begin(sequence)
        elif ahead > _AHEAD:
            self._begin(sequence)
        else:
            self._behind = 0
        self._put(sequence, packet.primary, fresh=True)
        for index, each in enumerate(packet.secondaries, 1):
            self._put((sequence - index) & 0xFFFF, each)
        if packet.fec:
            self._take_fec(packet)
        return self._give(now)

    def due(self, now: float) -> list[tuple[int, bytes]]:
        """What is not waited for any longer."""
        if self._since and now - self._since >= HOLD_S:
            return self._give(now)
        return []

    def _begin(self, sequence: int) -> None:
        self._next = self._top = sequence
        self._numbers = [-1] * _HISTORY
        self._fec.clear()
        self._since = 0.0
        self._behind = 0

    def _known(self, sequence: int) -> bool:
        return self._numbers[sequence % _HISTORY] == sequence

    def _put(self, sequence: int, ifp: bytes, *, fresh: bool = False) -> None:
        if self._known(sequence):
            self.duplicates += fresh
            return
        if (sequence - self._next) & 0xFFFF >= 0x8000:
            return  # too late, or before the beginning
        self._numbers[sequence % _HISTORY] = sequence
        self._packets[sequence % _HISTORY] = ifp
        self.recovered += not fresh
        if (sequence - self._top) & 0xFFFF < 0x8000:
            self._top = sequence

    def _take_fec(self, packet: Packet) -> None:
        count = len(packet.fec)
        for m, parity in enumerate(packet.fec):
            last = packet.sequence + m - count
            numbers = [(last - count * each) & 0xFFFF for each in range(packet.span)]
            self._fec[packet.sequence, m] = (parity, numbers)
        while len(self._fec) > 4 * _MOST_SPAN:
            del self._fec[next(iter(self._fec))]
        again = True
        while again:
            again = False
            for key, (parity, numbers) in list(self._fec.items()):
                unknown = [each for each in numbers if not self._known(each)]
                if len(unknown) > 1:
                    continue
                del self._fec[key]
                if unknown:
                    others = [
                        self._packets[each % _HISTORY] for each in numbers if each != unknown[0]
                    ]
                    self._put(unknown[0], _xor([parity, *others], len(parity)))
                    again = True

    def _give(self, now: float) -> list[tuple[int, bytes]]:
        out: list[tuple[int, bytes]] = []
        while True:
            if self._known(self._next):
                found = self._packets[self._next % _HISTORY]
                if found:
                    out.append((self._next, found))
                self._next = (self._next + 1) & 0xFFFF
                self._since = 0.0
                continue
            waiting = (self._top - self._next) & 0xFFFF
            if waiting == 0 or waiting >= 0x8000:
                self._since = 0.0
                return out
            if not self._since:
                self._since = now
            held = sum(self._known((self._next + each) & 0xFFFF) for each in range(1, waiting + 1))
            if held < HOLD and now - self._since < HOLD_S and waiting < _HISTORY // 2:
                return out
            self.lost += 1
            self._next = (self._next + 1) & 0xFFFF

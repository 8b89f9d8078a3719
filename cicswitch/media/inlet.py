"""What epoll finds behind a socket, as the loop in `worker` sees it, and where its packets lie.

Legs, sockets without a leg, RTCP sockets and the command socket are all inlets. While a datagram
matches `next_word`, `next_timestamp`, `fast_ssrc` and `fast_size` the loop relays it itself; all
others go to `slow`. An inlet that never relays keeps `next_word` at -1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["ROW", "ROWS", "Extra", "Inlet", "Rows"]

ROW: Final = 640
"""Bytes for one packet: 60 ms of G.711 and headers. What is longer is dropped."""
ROWS: Final = 256
Extra = Callable[[memoryview, int, int, float], bool]


class Rows:
    """Where the packets of one pass over epoll lie, one each: a worker's own."""

    __slots__ = ("_cuts", "block", "rows")

    def __init__(self) -> None:
        self.block = memoryview(bytearray(ROW * ROWS))
        self.rows = [self.block[index * ROW : (index + 1) * ROW] for index in range(ROWS)]
        self._cuts: dict[int, list[memoryview]] = {}

    def cuts(self, size: int) -> list[memoryview]:
        """The rows cut to a packet size: the few sizes of G.711 are cut once."""
        found = self._cuts.get(size)
        if found is None:
            found = self._cuts[size] = [row[:size] for row in self.rows]
        return found


class Inlet:
    """One of them."""

    __slots__ = (
        "cut",
        "extra",
        "fast_size",
        "fast_ssrc",
        "next_timestamp",
        "next_word",
        "out_send",
        "out_ssrc",
        "recv_into",
        "timestamp_shift",
        "word_shift",
    )

    def __init__(self, recv_into: Callable[[memoryview], int]) -> None:
        self.recv_into = recv_into
        self.next_word = -1
        """First 32 bits of the packet that may be relayed, sequence number and all; -1: none."""
        self.next_timestamp = 0
        self.fast_ssrc = 0
        self.fast_size = 0
        self.word_shift = 0
        """What turns the first 32 bits of the source into those of the output."""
        self.timestamp_shift = 0
        self.out_ssrc = 0
        self.out_send: Callable[[memoryview], int] = _nowhere
        self.cut: list[memoryview] = []
        """The rows, cut to `fast_size`."""
        self.extra: Extra | None = None
        """Called with a packet on its way (row, size, timestamp, now); True: it goes no further."""

    def slow(self, row: memoryview, size: int, now: float) -> None:
        """Take a packet that the loop does not relay."""
        raise NotImplementedError


def _nowhere(packet: memoryview) -> int:
    return 0

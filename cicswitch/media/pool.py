"""Bound pairs of UDP sockets: RTP on an even port, RTCP on the next.

A pair is bound once and used for many calls: binding and closing a pair costs 22 µs, giving it to
another leg nothing. Both sockets stay in epoll all the time, so what still arrives after a call is
read and dropped. A pair comes back from quarantine when nothing has come for `quarantine_s`; the
one that waited longest is used first. What the plane has not needed for long is closed by `shrink`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
from collections import deque
from typing import Final

__all__ = ["PortPool", "Slot", "raise_file_limit"]

IDLE_QUARANTINE_S: Final = 0.25
"""For a port that no packet ever came to."""
RESERVED_FILES: Final = 256
"""Handles left for files, pipes and whatever else the process opens."""
_AF_UNSPEC: Final = ctypes.create_string_buffer(16)
_libc = ctypes.CDLL(None, use_errno=True)


def raise_file_limit() -> int:
    """Raise the soft limit of file handles to the hard one; the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard or hard == resource.RLIM_INFINITY:
        target = hard if hard != resource.RLIM_INFINITY else max(soft, 1 << 20)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):
            return soft
        return target
    return soft


def disconnect(sock: socket.socket) -> None:
    """Let a connected UDP socket hear everybody again; its port stays bound (connect(2))."""
    _libc.connect(sock.fileno(), _AF_UNSPEC, 16)


class Slot:
    """One pair. `last_at` is when the last stray packet came while no leg had it."""

    __slots__ = ("connected", "ipv6", "last_at", "port", "rtcp", "rtp", "used")

    def __init__(self, port: int, rtp: socket.socket, rtcp: socket.socket, ipv6: bool) -> None:
        self.port = port
        self.rtp = rtp
        self.rtcp = rtcp
        self.ipv6 = ipv6
        self.last_at = 0.0
        self.used = False
        """Whether any packet came since it left quarantine."""
        self.connected = False

    def connect(self, address: tuple[str, int]) -> None:
        """Refuse everybody else from now on. Raises `OSError`."""
        self.rtp.connect(address)
        self.connected = True

    def disconnect(self) -> None:
        """Hear everybody again."""
        if self.connected:
            disconnect(self.rtp)
            self.connected = False

    def close(self) -> None:
        """Give both ports back to the system."""
        self.rtp.close()
        self.rtcp.close()


class PortPool:
    """The pairs of one address family in one range of ports."""

    def __init__(
        self, host: str, first: int, last: int, *, ipv6: bool, quarantine_s: float
    ) -> None:
        self.host = host
        self.ipv6 = ipv6
        self.quarantine_s = quarantine_s
        self.slots: dict[int, Slot] = {}
        self.reason = ""
        """Why the pool cannot grow, empty while it can."""
        self._next = first + first % 2
        """The lowest that was never tried."""
        self._last = last
        self._closed: deque[int] = deque()
        """Ports bound once and given back since."""
        self._quiet: deque[tuple[float, Slot]] = deque()
        self._busy: deque[tuple[float, Slot]] = deque()
        self._files = raise_file_limit() - RESERVED_FILES

    def grow(self, pairs: int) -> list[Slot]:
        """Bind so many pairs, fewer where the range or the handles end. Taken ports are skipped."""
        made: list[Slot] = []
        again = len(self._closed)
        while len(made) < pairs:
            if 2 * (len(self.slots) + 1) > self._files:
                self.reason = "the limit of open files (RLIMIT_NOFILE) is reached"
                break
            if again:
                port = self._closed.popleft()
                again -= 1
            elif self._next <= min(self._last, 65534):
                port = self._next
                self._next += 2
            else:
                self.reason = self.reason or f"all RTP ports up to {self._last} are in use"
                break
            try:
                slot = self._bind(port)
            except OSError as error:
                self._closed.append(port)
                if error.errno == errno.EADDRINUSE:
                    continue
                why = os.strerror(error.errno or 0)
                self.reason = f"cannot bind {self.host} port {port}: {why}"
                break
            self.slots[port] = slot
            made.append(slot)
        return made

    def _bind(self, port: int) -> Slot:
        family = socket.AF_INET6 if self.ipv6 else socket.AF_INET
        opened: list[socket.socket] = []
        try:
            for number in (port, port + 1):
                sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                opened.append(sock)
                if self.ipv6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((self.host, number))
        except OSError:
            for sock in opened:
                sock.close()
            raise
        return Slot(port, opened[0], opened[1], self.ipv6)

    def shrink(self, port: int) -> Slot | None:
        """Take a pair that is free out of the pool; the caller closes it."""
        slot = self.slots.pop(port, None)
        if slot is not None:
            self._closed.append(port)
            self.reason = ""
        return slot

    def rest(self, slot: Slot, now: float) -> None:
        """Put a pair into quarantine."""
        slot.disconnect()
        slot.last_at = now
        (self._busy if slot.used else self._quiet).append((now, slot))

    def rested(self, now: float) -> list[int]:
        """Ports that may be used again."""
        free: list[int] = []
        quiet, busy = self._quiet, self._busy
        while quiet and now - quiet[0][0] >= IDLE_QUARANTINE_S:
            slot = quiet.popleft()[1]
            if slot.used:
                busy.append((slot.last_at, slot))
            else:
                free.append(slot.port)
        while busy and now - busy[0][0] >= self.quarantine_s:
            slot = busy.popleft()[1]
            if now - slot.last_at < self.quarantine_s:
                # Somebody still talks to it: another round.
                busy.append((slot.last_at, slot))
            else:
                slot.used = False
                free.append(slot.port)
        return free

    def close(self) -> None:
        """Close every socket."""
        for slot in self.slots.values():
            slot.close()
        self.slots.clear()

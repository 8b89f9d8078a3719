"""The loop of a media worker.

One thread, one epoll. A pass takes what epoll offers: one datagram a socket (level-triggered, so
nothing is forgotten), each into a row of its own; then all of them are sent. Receiving and sending
in two sweeps keeps the kernel's code for either in the instruction cache and costs a tenth less
than turn by turn. Under load a pass is followed by a nap of `NAP_S`, so that the next one finds
some tens of packets instead of two or three: that halves the price of epoll and of waking up for
0.6 ms of delay.

Where `_relay.c` is built it takes the packets of the legs that are armed in it, a pass at a time
and before all others, and hands over the rest.

The worker ends when its command socket closes, when it is told to, or at SIGTERM; recordings are
closed first.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cicswitch.media import wire
from cicswitch.media.engine import Engine
from cicswitch.media.inlet import ROW, ROWS, Inlet, Rows
from cicswitch.media.leg import Leg
from cicswitch.media.native import make_relay
from cicswitch.media.pool import PortPool, Slot
from cicswitch.media.reports import Reports
from cicswitch.media.settings import MediaSettings

if TYPE_CHECKING:
    from cicswitch.media._relay import Relay

__all__ = ["Worker"]

NAP_S: Final = 0.0006
NAP_FROM: Final = 4
"""Packets in a pass from which on a nap pays."""
READ_BYTES: Final = 1 << 18
_FAST: Final = struct.Struct("!III")


class _Idle(Inlet):
    """What epoll finds behind an RTP socket that no leg has: it reads and drops."""

    __slots__ = ("_worker", "slot")

    def __init__(self, worker: Worker, slot: Slot) -> None:
        super().__init__(slot.rtp.recv_into)
        self._worker = worker
        self.slot = slot

    def slow(self, row: memoryview, size: int, now: float) -> None:
        """Note that somebody still talks to this port."""
        self.slot.used = True
        self.slot.last_at = now
        self._worker.packets_idle += 1


class _Rtcp(Inlet):
    """What epoll finds behind an RTCP socket."""

    __slots__ = ("_slot", "_source", "leg")

    def __init__(self, slot: Slot) -> None:
        super().__init__(self._receive)
        self._slot = slot
        self._source: tuple[Any, ...] = ("", 0)
        self.leg: Leg | None = None

    def _receive(self, row: memoryview) -> int:
        size, self._source = self._slot.rtcp.recvfrom_into(row)
        return size

    def slow(self, row: memoryview, size: int, now: float) -> None:
        """Take a report."""
        leg = self.leg
        if leg is None:
            self._slot.last_at = now
            return
        reports = leg.reports
        if reports is None:
            reports = leg.reports = Reports(now + leg.engine.settings.rtcp_interval_s / 2)
        source = (self._source[0], self._source[1])
        if leg.params is None or not reports.receive(leg, row[:size], source, now):
            leg.engine.stray_rtcp += 1


def _nothing(row: memoryview) -> int:
    return 0


def _gone(row: memoryview) -> int:
    """Behind a socket that was closed after epoll had told of it."""
    raise BlockingIOError


class _Control(Inlet):
    """What epoll finds behind the command socket: `slow` reads by itself."""

    __slots__ = ("_worker",)

    def __init__(self, worker: Worker) -> None:
        super().__init__(_nothing)
        self._worker = worker

    def slow(self, row: memoryview, size: int, now: float) -> None:
        """Read and carry out commands."""
        self._worker.read_commands()


class Worker:
    """The loop around an `Engine`."""

    def __init__(
        self,
        control: socket.socket,
        settings: MediaSettings,
        *,
        native: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        control.setblocking(False)
        self._clock = clock
        self._control = control
        self._frames = wire.Frames()
        self._out: list[wire.Event] = []
        self._unsent = b""
        self._epoll = select.epoll()
        self._table: list[Inlet] = []
        """By file number."""
        self._none = Inlet(_gone)
        self._behind: dict[int, tuple[_Idle, _Rtcp]] = {}
        """By file number of the RTP socket."""
        pools = {
            ipv6: PortPool(
                host,
                settings.port_min,
                settings.port_max,
                ipv6=ipv6,
                quarantine_s=settings.quarantine_s,
            )
            for ipv6, host in ((False, settings.host), (True, settings.host6))
            if host
        }
        store = Rows()
        self._rows = store.rows
        self._relay: Relay | None = make_relay(self._epoll.fileno(), store) if native else None
        self._relay_errors = 0
        self._sends: list[Callable[[memoryview], int]] = [_nothing] * ROWS
        self._packets = self._rows[:]
        self.engine = Engine(
            settings, pools, self._out.append, self._assign, self._release, store, self._relay
        )
        self.packets_idle = 0
        self.stopping = False
        self._put(control.fileno(), _Control(self))
        self._epoll.register(control.fileno(), select.EPOLLIN)

    def _put(self, number: int, behind: Inlet) -> None:
        table = self._table
        if number >= len(table):
            table.extend([self._none] * (number + 256 - len(table)))
        table[number] = behind

    def _assign(self, slot: Slot, leg: Leg | None) -> None:
        """Put a leg, or nothing, behind the sockets of a slot."""
        number = slot.rtp.fileno()
        behind = self._behind.get(number)
        if behind is None:
            behind = self._behind[number] = (_Idle(self, slot), _Rtcp(slot))
            self._put(slot.rtcp.fileno(), behind[1])
            self._epoll.register(number, select.EPOLLIN)
            self._epoll.register(slot.rtcp.fileno(), select.EPOLLIN)
        behind[1].leg = leg
        self._put(number, behind[0] if leg is None else leg)

    def _release(self, slot: Slot) -> None:
        """Forget the sockets of a slot, which are then closed; epoll forgets them by that."""
        number = slot.rtp.fileno()
        if self._behind.pop(number, None) is not None:
            self._put(number, self._none)
            self._put(slot.rtcp.fileno(), self._none)

    def read_commands(self) -> None:
        """Carry out what the plane has written; its end is ours."""
        try:
            data = self._control.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.stopping = True
            return
        engine = self.engine
        for body in self._frames.feed(data):
            for command in wire.COMMANDS.decode(body):
                engine.command(command)

    def _write_events(self) -> None:
        data = self._unsent
        if self._out:
            data += wire.frame(self._out)
            self._out.clear()
        try:
            count = self._control.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            self.stopping = True
            return
        if bool(self._unsent) != (count < len(data)):
            flags = select.EPOLLIN | (select.EPOLLOUT if count < len(data) else 0)
            self._epoll.modify(self._control.fileno(), flags)
        self._unsent = data[count:]

    def run(self) -> None:
        """Serve until the end."""
        try:
            while not self.stopping and not self.engine.closing:
                self._serve()
        finally:
            self.engine.shutdown()
            with contextlib.suppress(OSError):
                self._control.setblocking(True)
                self._write_events()
            self._epoll.close()
            self._control.close()

    def _serve(self) -> None:
        """Pass after pass: see the module's docstring."""
        found = self.step(0.0)
        while not self.stopping and not self.engine.closing:
            napped = NAP_FROM <= found < ROWS
            if napped:
                time.sleep(NAP_S)
            found = self.step(0.0 if napped else max(0.0, self.engine.due() - self.engine.now))

    def step(self, timeout_s: float) -> int:
        """One pass, which waits so long for something to read; how many sockets had something."""
        engine = self.engine
        table = self._table
        used = 0
        relay = self._relay
        if relay is None:
            events: list[tuple[int, int]] = self._epoll.poll(timeout_s, ROWS)
            now = engine.now = self._clock()
            found = len(events)
            for number, _ in events:
                used = self._take(table[number], used, now)
        else:
            found = relay.wait(timeout_s)
            now = engine.now = self._clock()
            rest: list[tuple[int, int, int]] = relay.carry()
            # `_take` writes to rows that lie before those still to be looked at.
            for number, at, size in rest:
                if size < 0:
                    used = self._take(table[number], used, now)
                else:
                    table[number].slow(self._rows[at], size, now)
            if relay.errors != self._relay_errors:
                engine.send_errors += relay.errors - self._relay_errors
                self._relay_errors = relay.errors
        sends, packets = self._sends, self._packets
        for index in range(used):
            try:
                sends[index](packets[index])
            except OSError:
                engine.send_errors += 1
        if engine.later:
            self._take_later(now)
        if now >= engine.due():
            engine.tick(now)
        if self._out or self._unsent:
            self._write_events()
        return found

    def _take(self, leg: Inlet, used: int, now: float) -> int:
        """Read a packet into row `used` and pass it on; how many rows hold one to be sent now."""
        row = self._rows[used]
        try:
            size = leg.recv_into(row)
        except OSError:
            return used  # a far end's ICMP error, or another reader of a shared state
        word: int
        timestamp: int
        ssrc: int
        word, timestamp, ssrc = _FAST.unpack_from(row)
        if (
            word != leg.next_word
            or ssrc != leg.fast_ssrc
            or timestamp != leg.next_timestamp
            or size != leg.fast_size
        ):
            leg.slow(row, size, now)
            return used
        leg.next_word = word + 1
        leg.next_timestamp = timestamp + size - 12
        extra = leg.extra
        if extra is not None and extra(row, size, timestamp, now):
            return used
        # Who sends faster than `LAST_TIMESTAMP` expects gets past a wrap.
        stamp = (timestamp + leg.timestamp_shift) & 0xFFFF_FFFF
        _FAST.pack_into(row, 0, word + leg.word_shift, stamp, leg.out_ssrc)
        self._sends[used] = leg.out_send
        self._packets[used] = leg.cut[used]
        return used + 1

    def _take_later(self, now: float) -> None:
        later, self.engine.later = self.engine.later, []
        row = memoryview(bytearray(ROW))
        for leg, data in later:
            row[: len(data)] = data
            leg.slow(row, len(data), now)

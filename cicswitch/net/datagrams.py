"""A UDP socket of SIP: read, handled and answered in batches when there is much to do."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any, Final, Protocol

import structlog

from cicswitch.sip.flow import Flow, Listener

try:
    from cicswitch.net import _batch
except ImportError:
    BUILT = False
else:
    BUILT = True

__all__ = ["BUILT", "Datagrams"]

log = structlog.get_logger("net")

_DATAGRAM: Final = 65_536
_BATCH: Final = 128
"""Datagrams that one wake-up hands on before timers and streams have their turn."""
_POLL_S: Final = 0.002
_POLL_MANY_S: Final = 0.004
_MANY: Final = 12
"""Messages of a poll from which on the next one waits longer: some 850 calls/s."""
_BUSY_AFTER: Final = 8
_FLOWS: Final = 10_000
_UNREACHABLE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EINVAL)


class Owner(Protocol):
    """Who gets what comes."""

    counters: dict[str, int]

    def now(self) -> float:
        """The time."""

    def received(self, batch: list[tuple[Flow, bytes]]) -> None:
        """Datagrams, in the order in which they came."""

    def failed(self, flow: Flow) -> None:
        """A peer cannot be reached."""


class Datagrams:
    """A UDP listener, with moderation as network cards do it.

    As long as messages come singly, each is handled at once. When `_BUSY_AFTER` wake-ups in a row
    follow one another within `_POLL_S`, the socket is polled every `_POLL_S` instead, until a poll
    finds nothing: a batch costs one wake-up here and one at the peer, and the second message of a
    batch finds code and data still in the processor's caches. A poll that finds `_MANY` is followed
    by the next after `_POLL_MANY_S`.

    Where `_batch.c` is built, a call of the kernel reads or sends many.

    `behind` tells for how long the kernel has kept messages that could not be read: the event loop
    may come round on time while they wait.
    """

    def __init__(
        self,
        listener: Listener,
        sock: socket.socket,
        owner: Owner,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.listener = listener
        self._sock = sock
        self._owner = owner
        self._loop = loop
        self._flows: dict[tuple[Any, ...], Flow] = {}
        """By what Python calls the peer."""
        self._named: dict[bytes, Flow] = {}
        """By what the kernel calls it."""
        self._names: dict[tuple[str, int], bytes] = {}
        """What it calls the peers that are sent to: a flow may be made for one message."""
        self._reader = _batch.Reader(sock.fileno()) if BUILT else None
        self._woke_at = 0.0
        self._in_a_row = 0
        self._poll: asyncio.Handle | None = None
        self._emptied_at = owner.now()
        self._more = False
        self._found = 0
        self._outgoing: list[tuple[bytes, Flow]] | None = None
        loop.add_reader(sock, self._readable)

    def _readable(self) -> None:
        now = self._owner.now()
        self._drain()
        self._in_a_row = self._in_a_row + 1 if now - self._woke_at < _POLL_S else 0
        self._woke_at = now
        if (self._more or self._in_a_row >= _BUSY_AFTER) and self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._poll_again()

    def _polled(self) -> None:
        if self._drain():
            self._poll_again()
        else:
            self._poll, self._in_a_row = None, 0
            self._loop.add_reader(self._sock, self._readable)

    def _poll_again(self) -> None:
        if self._sock.fileno() < 0:
            return
        # More than a batch: timers and streams have their turn, and then the next.
        call, loop = self._polled, self._loop
        if self._more:
            self._poll = loop.call_soon(call)
        else:
            wait_s = _POLL_S if self._found < _MANY else _POLL_MANY_S
            self._poll = loop.call_later(wait_s, call)

    def _drain(self) -> int:
        """Read what has come, hand it on, send what comes of it; how many messages there were.

        In this order and each in one go: a batch runs through one piece of code at a time, ours or
        the kernel's, and finds it in the processor's caches.
        """
        batch: list[tuple[Flow, bytes]] = []
        self._more = True
        failed = self._receive_one_by_one(batch) if self._reader is None else self._receive(batch)
        self._found = len(batch)
        if not batch:
            return failed
        outgoing: list[tuple[bytes, Flow]] = []
        self._outgoing = outgoing
        try:
            self._owner.received(batch)
        finally:
            self._outgoing = None
            self._send_all(outgoing)
        return len(batch)

    def _receive(self, batch: list[tuple[Flow, bytes]]) -> int:
        """Read what has come into `batch`, many at a time; how often the kernel reported an
        error."""
        reader, named, make = self._reader, self._named, self._flow_named
        assert reader is not None
        failed = 0
        while len(batch) < _BATCH:
            try:
                found = reader.receive(batch, named, make)
            except OSError as error:
                failed += 1
                if self._reported(error, failed):
                    break
                continue
            if found < _batch.MOST:
                self._more, self._emptied_at = False, self._owner.now()
                break
        return failed

    def _receive_one_by_one(self, batch: list[tuple[Flow, bytes]]) -> int:
        receive, flows = self._sock.recvfrom, self._flows
        failed = 0
        while len(batch) < _BATCH:
            try:
                received: tuple[bytes, tuple[Any, ...]] = receive(_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                self._more, self._emptied_at = False, self._owner.now()
                break
            except OSError as error:
                failed += 1
                if self._reported(error, failed):
                    break
                continue
            data, addr = received
            flow = flows.get(addr)
            if flow is None:
                # An IPv6 address is a tuple of four.
                flow = self._flow(addr, (addr[0], addr[1]))
            batch.append((flow, data))
        return failed

    def _reported(self, error: OSError, failed: int) -> bool:
        """What ICMP reported of an earlier send; the socket goes on. Whether it is too much."""
        log.debug("udp_error", listener=self.listener.id, error=str(error))
        return failed >= _BATCH

    def _flow(self, name: tuple[Any, ...], remote: tuple[str, int]) -> Flow:
        flows = self._flows
        if len(flows) >= _FLOWS:
            flows.clear()
        flow = flows[name] = Flow(self.listener, remote)
        return flow

    def _flow_named(self, name: bytes) -> Flow:
        named = self._named
        if len(named) >= _FLOWS:
            named.clear()
        flow = named[name] = Flow(self.listener, _batch.address(name))
        flow.address = name
        return flow

    def behind(self, now: float) -> float:
        """For how many seconds there has always been something left to read."""
        return now - self._emptied_at if self._more else 0.0

    def send(self, data: bytes, flow: Flow) -> None:
        """Send one message; during a batch, at its end."""
        if self._outgoing is not None:
            self._outgoing.append((data, flow))
        else:
            self._send(data, flow)

    def _send_all(self, outgoing: list[tuple[bytes, Flow]]) -> None:
        if not BUILT or len(outgoing) < 2:
            for data, flow in outgoing:
                self._send(data, flow)
            return
        try:
            messages = [(flow.address or self._name(flow), data) for data, flow in outgoing]
        except ValueError:  # one of them is a host with a name: its own way to fail
            for data, flow in outgoing:
                self._send(data, flow)
            return
        file = self._sock.fileno()
        if file < 0:
            self._owner.counters["unsent"] += len(messages)
            return
        for index, number in _batch.send(file, messages):
            self._unsent(OSError(number, os.strerror(number)), outgoing[index][1])

    def _name(self, flow: Flow) -> bytes:
        names, remote = self._names, flow.remote
        name = names.get(remote)
        if name is None:
            if len(names) >= _FLOWS:
                names.clear()
            name = names[remote] = _batch.name(self._sock.family, *remote)
        flow.address = name
        return name

    def _send(self, data: bytes, flow: Flow) -> None:
        """What the kernel does not take is left to the retransmission timers."""
        try:
            self._sock.sendto(data, flow.remote)
        except OSError as error:
            self._unsent(error, flow)

    def _unsent(self, error: OSError, flow: Flow) -> None:
        self._owner.counters["unsent"] += 1
        if isinstance(error, BlockingIOError | InterruptedError):
            return
        log.info("udp_unsent", peer=flow.remote, error=error.strerror)
        if error.errno in _UNREACHABLE:
            # RFC 3261 section 17.1.4: the transaction user is told of a transport failure.
            self._loop.call_soon(self._owner.failed, flow)

    def close(self) -> None:
        """Close the socket. Idempotent."""
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

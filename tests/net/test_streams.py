"""SIP over TCP on real sockets: framing, reuse, limits, and every way in which a stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from cicswitch.core.errors import ResourceError
from cicswitch.net.transports import SipTransports
from cicswitch.sip.flow import Flow, Listener
from tests.support.ports import free_port


def message(number: int, body: str = "") -> bytes:
    length = ("l", "Content-Length", "CONTENT-LENGTH ")[number % 3]
    head = f"OPTIONS sip:{number} SIP/2.0\r\nX: a\r\n b\r\n{length}: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


class Side:
    """Our transports with one TCP listener, and what they tell."""

    def __init__(self, **options: Any) -> None:
        self.time = 1000.0
        self.received: list[tuple[bytes, Flow]] = []
        self.failed: list[Flow] = []
        self.news = asyncio.Event()
        self.transports = SipTransports(self._received, self._failed, lambda: self.time, **options)
        self.listener: Listener

    def _received(self, batch: list[tuple[Flow, bytes]]) -> None:
        self.received += [(data, flow) for flow, data in batch]
        self.news.set()

    def _failed(self, flow: Flow) -> None:
        self.failed.append(flow)
        self.news.set()

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not done():
                self.news.clear()
                await self.news.wait()

    def to(self, port: int) -> Flow:
        """The flow of somebody who waits for connections."""
        return Flow(self.listener, ("127.0.0.1", port))


@contextlib.asynccontextmanager
async def side(**options: Any) -> AsyncIterator[Side]:
    one = Side(**options)
    one.listener = await one.transports.listen("tcp", "127.0.0.1", free_port())
    try:
        yield one
    finally:
        await one.transports.close()


@contextlib.asynccontextmanager
async def peer(s: Side) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Somebody who connects to us."""
    reader, writer = await asyncio.open_connection("127.0.0.1", s.listener.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Server:
    """Somebody who waits for connections."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._news = asyncio.Event()

    def accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append((reader, writer))
        self._news.set()

    async def connection(self, index: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(10):
            while len(self.connections) <= index:
                self._news.clear()
                await self._news.wait()
        return self.connections[index]


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[Server]:
    one = Server(free_port())
    listening = await asyncio.start_server(one.accepted, "127.0.0.1", one.port)
    try:
        yield one
    finally:
        listening.close()
        for _, writer in one.connections:
            writer.close()


async def exactly(reader: asyncio.StreamReader, data: bytes) -> None:
    """Read what must come next."""
    assert await asyncio.wait_for(reader.readexactly(len(data)), 10) == data


async def flow_of(s: Side, writer: asyncio.StreamWriter) -> Flow:
    """The flow under which a peer of ours is known."""
    seen = len(s.received)
    writer.write(message(0))
    await s.until(lambda: len(s.received) > seen)
    return s.received[seen][1]


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait for the end of a stream, however it comes."""
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""


@pytest.mark.parametrize("seed", range(5))
async def test_messages_are_cut_out_of_a_stream_of_odd_chunks(seed: int) -> None:
    chance = random.Random(seed)
    sent = [message(n, "x" * chance.choice((0, 1, 3000))) for n in range(30)]
    stream = b"\r\n".join(sent)  # a CRLF between messages is to be ignored
    async with side() as s, peer(s) as (_, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while stream:
            cut = chance.choice((1, 2, 3, 7, 50, 1400, 5000))
            writer.write(stream[:cut])
            await writer.drain()
            await asyncio.sleep(0)  # our side reads what is there so far
            stream = stream[cut:]
        await s.until(lambda: len(s.received) == 30)
        assert [data for data, _ in s.received] == sent
        assert len({flow for _, flow in s.received}) == 1


async def test_an_answer_goes_back_over_the_connection_that_the_request_came_by() -> None:
    async with side() as s, peer(s) as (reader, writer), peer(s):
        writer.write(message(1))
        await s.until(lambda: s.received)
        s.transports.send(s.received[0][1], message(2))
        await exactly(reader, message(2))
        assert s.transports.connections == 2


async def test_a_connection_is_opened_once_and_used_again() -> None:
    async with side() as s, server() as there:
        flow = s.to(there.port)
        s.transports.send(flow, message(1))
        s.transports.send(flow, message(2))  # while it is being opened
        reader, writer = await there.connection(0)
        await exactly(reader, message(1) + message(2))
        s.transports.send(flow, message(3))  # and when it is open
        await exactly(reader, message(3))
        writer.write(message(4))
        await s.until(lambda: s.received)
        answer_to = s.received[0][1]
        s.transports.send(answer_to, message(5))
        await exactly(reader, message(5))
        assert len(there.connections) == 1
        assert s.transports.connections == 1


async def test_after_the_peer_closed_a_new_connection_is_opened() -> None:
    async with side() as s, server() as there:
        flow = s.to(there.port)
        s.transports.send(flow, message(1))
        _, writer = await there.connection(0)
        writer.close()
        # What waits for an answer over it is told, by the name that it was sent under.
        await s.until(lambda: flow in s.failed)
        assert s.transports.connections == 0
        s.transports.send(flow, message(2))
        reader, _ = await there.connection(1)
        await exactly(reader, message(2))


async def test_a_connection_that_is_refused_fails_its_flow() -> None:
    async with side() as s:
        flow = s.to(free_port())
        s.transports.send(flow, message(1))
        await s.until(lambda: s.failed)
        assert s.failed == [flow]
        assert s.transports.connections == 0


async def test_what_nobody_takes_while_a_connection_is_opened_is_bounded_and_counted() -> None:
    async with side() as s, server() as there:
        flow = s.to(there.port)
        for number in range(130):
            s.transports.send(flow, message(number))
        assert s.transports.counters["unsent"] == 30
        reader, _ = await there.connection(0)
        await exactly(reader, b"".join(message(number) for number in range(100)))


async def test_an_idle_connection_is_closed_and_one_in_use_is_kept() -> None:
    used: set[int] = set()
    async with (
        side(idle_s=600.0, in_use=lambda: used) as s,
        peer(s) as (idle, w1),
        peer(s) as (busy, w2),
        peer(s) as (quiet, w3),
    ):
        flows = [await flow_of(s, writer) for writer in (w1, w2, w3)]
        assert flows[2].connection is not None
        used.add(flows[2].connection)  # a phone that registered by it and says nothing more
        s.time += 599
        s.transports.sweep()
        w2.write(b"\r\n\r\n")  # a keep-alive is a sign of life
        await exactly(busy, b"\r\n")
        s.time += 2
        s.transports.sweep()
        await ended(idle)
        await s.until(lambda: s.failed)
        assert s.failed == [flows[0]]
        assert s.transports.connections == 2
        s.transports.send(flows[2], message(4))
        await exactly(quiet, message(4))


async def test_a_peer_that_does_not_read_loses_its_connection_and_nobody_else_does() -> None:
    async with side(max_buffered=1 << 16) as s, peer(s) as (other, w1), peer(s) as (_, w2):
        w1.write(message(1))
        await s.until(lambda: s.received)
        # The slow one stops reading: its kernel buffers fill, then ours.
        w2.write(message(2))
        await s.until(lambda: len(s.received) == 2)
        flow = s.received[1][1]
        w2.transport.pause_reading()  # type: ignore[attr-defined]  # a Transport of a stream has it
        data = message(3, "x" * 60_000)
        for _ in range(500):
            s.transports.send(flow, data)
            if s.transports.counters["stream_slow"]:
                break
            await asyncio.sleep(0)
        await s.until(lambda: flow in s.failed)
        assert s.transports.counters["stream_slow"] == 1
        s.transports.send(s.received[0][1], message(4))
        await exactly(other, message(4))


async def test_connections_over_the_limit_are_refused_in_and_out() -> None:
    async with side(max_connections=2) as s, peer(s) as (r1, w1), peer(s) as (_, w2):
        w1.write(message(1))
        w2.write(message(2))
        await s.until(lambda: len(s.received) == 2)
        async with peer(s) as (reader, _), server() as there:
            await ended(reader)
            assert s.transports.counters["stream_refused"] == 1
            assert s.transports.connections == 2
            flow = s.to(there.port)
            s.transports.send(flow, message(3))
            await s.until(lambda: flow in s.failed)
            assert not there.connections
        s.transports.send(s.received[0][1], message(4))
        await exactly(r1, message(4))


async def test_a_stream_that_cannot_be_cut_any_more_is_closed_after_its_good_part() -> None:
    async with side() as s, peer(s) as (reader, writer):
        writer.write(message(1) + b"X sip:a SIP/2.0\r\nContent-Length: many\r\n\r\n")
        await ended(reader)
        await s.until(lambda: s.failed)
        assert s.transports.counters["stream_malformed"] == 1
        assert s.transports.connections == 0


async def test_closing_ends_every_stream_and_may_be_repeated() -> None:
    async with side() as s, peer(s) as (reader, writer), server() as there:
        writer.write(message(1))
        await s.until(lambda: s.received)
        s.transports.send(s.to(there.port), message(2))
        out, _ = await there.connection(0)
        await exactly(out, message(2))
        await s.transports.close()
        await s.transports.close()
        await ended(reader)
        await ended(out)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", s.listener.port)


async def test_a_port_that_is_taken_is_named() -> None:
    async with side() as s:
        port = s.listener.port
        with pytest.raises(ResourceError, match=f"cannot listen on tcp:127.0.0.1:{port}: "):
            await s.transports.listen("tcp", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_come_in_and_go_out_under_one_flow(host: str) -> None:
    async with side() as s:
        listener = await s.transports.listen("udp", host, free_port(host))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((host, 0))
            sock.setblocking(False)
            sock.sendto(message(1), (host, listener.port))
            await s.until(lambda: s.received)
            data, flow = s.received[0]
            assert data == message(1)
            assert flow == Flow(listener, sock.getsockname()[:2])
            s.transports.send(flow, message(2))
            loop = asyncio.get_running_loop()
            assert await asyncio.wait_for(loop.sock_recv(sock, 4096), 10) == message(2)

"""All SIP sockets of a switch: where messages come in, and the way out for each flow.

    udp:   one socket a listener; a flow is the peer's address
    ws:    connections that the HTTP server has accepted (RFC 7118), see `net.websocket`
    tcp:   one server a listener; a connection carries messages both ways and is used again
           (RFC 3261 section 18), opened on demand, kept alive by CRLF pings (RFC 5626), dropped
           after `idle_s` without a message unless a registration or a call stands on it

Limits: `max_connections` streams at once, `max_buffered` bytes waiting for a slow reader. A peer
over either loses its connection, never the loop.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Set
from typing import cast

import structlog

from cicswitch.core.errors import ResourceError
from cicswitch.net.datagrams import Datagrams
from cicswitch.net.websocket import WebSocket
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.framing import PONG, StreamFramer
from cicswitch.sip.message import ParseError

__all__ = ["SipTransports"]

log = structlog.get_logger("net")

Received = Callable[[list[tuple[Flow, bytes]]], None]
BUFFER = 4 * 1024 * 1024
_SWEEP_S = 60


class _Stream(asyncio.Protocol):
    """A TCP connection, inbound or outbound."""

    def __init__(self, owner: SipTransports, listener: Listener) -> None:
        self._owner = owner
        self._framer = StreamFramer()
        self.listener = listener
        self.flow: Flow | None = None
        self.asked_for: tuple[Listener, tuple[str, int]] | None = None
        """What this connection was opened for, by us."""
        self.transport: asyncio.Transport | None = None
        self.last_used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=self._owner.max_buffered)
        self._owner.stream_opened(self)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        assert self.flow is not None
        self.last_used = self._owner.now()
        try:
            for message in self._framer.feed(data):
                self._owner.received([(self.flow, message)])
        except ParseError as error:
            self._owner.counters["stream_malformed"] += 1
            log.info("stream_malformed", peer=self.flow.remote, error=str(error))
            self.transport.close()
            return
        if pings := self._framer.take_pings():
            self.transport.write(PONG * pings)

    def pause_writing(self) -> None:
        """The peer does not read: give it up rather than buffer without bound."""
        if self.transport is not None:
            self._owner.counters["stream_slow"] += 1
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.stream_closed(self)


class SipTransports:
    """Opens listeners and sends by flow.

    `received(batch)` gets the datagrams of a wake-up and each message cut from a stream, as pairs
    of flow and bytes; `failed(flow)` hears of streams that could not be opened or broke.
    `in_use()` names the connections that stay open however long they are silent.
    """

    def __init__(
        self,
        received: Received,
        failed: Callable[[Flow], None],
        now: Callable[[], float],
        *,
        max_connections: int = 5000,
        max_buffered: int = 1 << 20,
        idle_s: float = 600.0,
        in_use: Callable[[], Set[int]] = frozenset,
    ) -> None:
        self.received = received
        self.now = now
        self.max_buffered = max_buffered
        self.counters = {"stream_malformed": 0, "stream_slow": 0, "stream_refused": 0, "unsent": 0}
        self.failed = failed
        self._max_connections = max_connections
        self._idle_s = idle_s
        self.datagrams: dict[Listener, Datagrams] = {}
        """The UDP sockets, for who sends much."""
        self._in_use = in_use
        self._servers: list[asyncio.Server] = []
        self._streams: dict[int, _Stream | WebSocket] = {}
        self._by_remote: dict[tuple[Listener, tuple[str, int]], _Stream | WebSocket] = {}
        self._by_user: dict[tuple[Listener, str], WebSocket] = {}
        """The newest connection of who is known by it: a browser that has lost its network comes
        back by another one."""
        self._opening: dict[tuple[Listener, tuple[str, int]], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_connection = 1
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, transport: str, host: str, port: int, advertise: str = "") -> Listener:
        """Bind one listener; port 0 takes a free one. Raises `ResourceError` in one line."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        sock = socket.socket(family, kind)
        try:
            if transport == "tcp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            else:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            where = f"{transport}:[{host}]:{port}" if ":" in host else f"{transport}:{host}:{port}"
            raise ResourceError(f"cannot listen on {where}: {error.strerror}") from None
        sock.setblocking(False)
        bound: int = sock.getsockname()[1]
        listener = Listener(
            f"{transport}:{host}:{bound}", transport.upper(), advertise or host, bound
        )
        loop = asyncio.get_running_loop()
        if transport == "udp":
            self.datagrams[listener] = Datagrams(listener, sock, self, loop)
        else:
            server = await loop.create_server(lambda: _Stream(self, listener), sock=sock)
            self._servers.append(server)
            if self._sweeper is None:
                self._sweeper = loop.call_later(_SWEEP_S, self._swept)
        return listener

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one message; a stream that is not open yet is opened."""
        datagrams = self.datagrams.get(flow.listener)
        if datagrams is not None:
            datagrams.send(data, flow)
            return
        stream = (
            self._streams.get(flow.connection)
            if flow.connection is not None
            else self._by_remote.get((flow.listener, flow.remote))
        )
        if stream is None and flow.connection is not None:
            # RFC 3261 section 18.2.2: if that connection is gone, open one to the same place.
            stream = self._by_remote.get((flow.listener, flow.remote))
            if stream is None and flow.user:
                stream = self._by_user.get((flow.listener, flow.user))
        if stream is not None and stream.transport is not None:
            stream.last_used = self.now()
            stream.transport.write(data)
            return
        if flow.listener.transport in ("WS", "WSS"):
            # Nobody can call a browser that does not call: RFC 7118 section 5.
            self.counters["unsent"] += 1
            asyncio.get_running_loop().call_soon(self.failed, flow)
            return
        key = (flow.listener, flow.remote)
        waiting = self._opening.setdefault(key, [])
        if len(waiting) < 100:
            waiting.append(data)
        else:
            self.counters["unsent"] += 1
        if len(waiting) == 1:
            task = asyncio.get_running_loop().create_task(
                self._open(flow), name=f"sip-connect {flow.remote[0]}"
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, flow: Flow) -> None:
        key = (flow.listener, flow.remote)
        loop = asyncio.get_running_loop()
        try:
            if len(self._streams) >= self._max_connections:
                raise OSError("too many connections")
            _, protocol = await asyncio.wait_for(
                loop.create_connection(lambda: _Stream(self, flow.listener), *flow.remote), 5.0
            )
        except (OSError, TimeoutError) as error:
            self._opening.pop(key, None)
            log.info("connect_failed", peer=flow.remote, error=str(error) or "timeout")
            self.failed(Flow(flow.listener, flow.remote))
            return
        waiting = self._opening.pop(key, [])
        if protocol.transport is None or protocol.flow is None:  # closed again, or refused
            self.failed(Flow(flow.listener, flow.remote))
            return
        # Under the address that was asked for too, which is what flows will name.
        protocol.asked_for = key
        self._by_remote[key] = protocol
        for data in waiting:
            protocol.transport.write(data)

    def stream_opened(self, stream: _Stream) -> None:
        """A connection is up, in or out."""
        assert stream.transport is not None
        if len(self._streams) >= self._max_connections:
            self.counters["stream_refused"] += 1
            stream.transport.abort()
            return
        number = self._next_connection
        self._next_connection += 1
        remote = stream.transport.get_extra_info("peername")
        stream.flow = Flow(stream.listener, (remote[0], remote[1]), number)
        stream.last_used = self.now()
        self._streams[number] = stream
        self._by_remote[stream.listener, stream.flow.remote] = stream

    def open_web(
        self,
        listener: Listener,
        remote: tuple[str, int],
        write: Callable[[bytes], None],
        close: Callable[[], None],
        user: str,
    ) -> WebSocket:
        """Take a WebSocket that is up. Raises `ResourceError` if there are too many."""
        if len(self._streams) >= self._max_connections:
            self.counters["stream_refused"] += 1
            raise ResourceError("too many connections")
        number = self._next_connection
        self._next_connection += 1
        flow = Flow(listener, remote, number, user)
        web = WebSocket(self, flow, write, close)
        self._streams[number] = web
        self._by_remote[listener, remote] = web
        if user:
            self._by_user[listener, user] = web
        return web

    def stream_closed(self, stream: _Stream | WebSocket) -> None:
        """A connection is gone."""
        stream.transport = None
        flow = stream.flow
        if flow is None:
            return
        assert flow.connection is not None
        self._streams.pop(flow.connection, None)
        if self._by_remote.get((flow.listener, flow.remote)) is stream:
            del self._by_remote[flow.listener, flow.remote]
        if flow.user and self._by_user.get((flow.listener, flow.user)) is stream:
            del self._by_user[flow.listener, flow.user]
        self.failed(flow)
        if (asked_for := stream.asked_for) is not None:
            # What was sent by it names no connection, but waits for an answer over this one.
            if self._by_remote.get(asked_for) is stream:
                del self._by_remote[asked_for]
            self.failed(Flow(*asked_for))

    def _swept(self) -> None:
        self.sweep()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._swept)

    def sweep(self) -> None:
        """Close the connections that nothing stands on and nobody used for `idle_s`."""
        limit = self.now() - self._idle_s
        idle = [item for item in self._streams.items() if item[1].last_used < limit]
        if not idle:
            return
        kept = self._in_use()
        for number, stream in idle:
            if number not in kept and stream.transport is not None:
                stream.transport.close()

    def behind(self, now: float) -> float:
        """For how many seconds the UDP listener that is worst off has not been read to the end."""
        return max((datagrams.behind(now) for datagrams in self.datagrams.values()), default=0.0)

    @property
    def connections(self) -> int:
        """Open streams."""
        return len(self._streams)

    async def close(self) -> None:
        """Close every socket. Idempotent."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for task in list(self._tasks):
            task.cancel()
        for server in self._servers:
            server.close()
        for stream in list(self._streams.values()):
            if stream.transport is not None:
                stream.transport.close()
        for datagrams in self.datagrams.values():
            datagrams.close()
        self._servers.clear()
        self.datagrams.clear()
        await asyncio.sleep(0)

"""A network between a phone and the switch that loses the packets that a test names.

A `Link` stands between one peer and the switch, as a router with address translation would. To
the switch the peer is at `shown_peer`, to the peer the switch is at `shown_switch`; the ports stay.
All four are loopback addresses of one length, so that no Content-Length changes:

    peer 127.0.0.2:P  <->  127.0.0.5:S |link| 127.0.0.4:P  <->  127.0.0.1:S  switch

`lose(up, data)` is asked for each SIP message (`up`: from the peer to the switch), `lose_rtp` for
each RTP and RTCP packet, which the link carries where `carries_rtp` is set. Both answer by what
came before, so a run can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from typing import cast

Lose = Callable[[bool, bytes], bool]
Send = Callable[[bytes], None]

_AUDIO = re.compile(rb"^m=audio (\d+) ", re.MULTILINE)


def never(up: bool, data: bytes) -> bool:
    return False


class _Face(asyncio.DatagramProtocol):
    """One socket of a link: what comes in here goes out at `other`, to where it belongs."""

    def __init__(self, up: bool, to: tuple[str, int], handle: Callable[[_Face, bytes], None]):
        self.up = up
        self.to = to
        self.other: _Face | None = None
        self.transport: asyncio.DatagramTransport | None = None
        self._handle = handle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._handle(self, data)

    def forward(self, data: bytes) -> None:
        assert self.other is not None
        assert self.other.transport is not None
        self.other.transport.sendto(data, self.to)


class Link:
    """See the drawing above. `log` holds (up, lost, first line) of each SIP message."""

    def __init__(self, peer: str, shown_peer: str, switch: str, shown_switch: str) -> None:
        assert len(peer) == len(shown_peer)
        assert len(switch) == len(shown_switch)
        self.peer, self.shown_peer = peer, shown_peer
        self.switch, self.shown_switch = switch, shown_switch
        self.carries_rtp = False
        self.lose: Lose = never
        self.lose_rtp: Lose = never
        self.log: list[tuple[bool, bool, str]] = []
        self.rtp_lost = {True: 0, False: 0}
        self.rtp_passed = {True: 0, False: 0}
        self._peer_rtp: int | None = None
        self._switch_rtp: int | None = None
        self._pairs: set[tuple[int, int]] = set()
        self._faces: list[_Face] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, peer_port: int, switch_port: int) -> None:
        """Begin to carry SIP."""
        await self._pair(peer_port, switch_port, self._sip)

    async def _pair(
        self, peer_port: int, switch_port: int, handle: Callable[[_Face, bytes], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        to_switch = _Face(True, (self.switch, switch_port), handle)
        to_peer = _Face(False, (self.peer, peer_port), handle)
        to_switch.other, to_peer.other = to_peer, to_switch
        for face, at in (
            (to_switch, (self.shown_switch, switch_port)),
            (to_peer, (self.shown_peer, peer_port)),
        ):
            await loop.create_datagram_endpoint(lambda face=face: face, local_addr=at)  # type: ignore[misc]  # bound now
            self._faces.append(face)

    def _sip(self, face: _Face, data: bytes) -> None:
        lost = self.lose(face.up, data)
        self.log.append((face.up, lost, data.split(b"\r\n", 1)[0].decode("utf-8", "replace")))
        if lost:
            return
        found = _AUDIO.search(data) if self.carries_rtp else None
        if found is not None:
            self._media(face.up, int(found[1]))
        face.forward(self._translated(face.up, data))

    def _translated(self, up: bool, data: bytes) -> bytes:
        """The peer's addresses for the switch, and the other way round.

        Upward the peer's address is replaced, downward its replacement and the switch's own, so
        that a Request-URI stays what the peer's digest was computed over.
        """
        if up:
            return data.replace(self.peer.encode(), self.shown_peer.encode())
        data = data.replace(self.shown_peer.encode(), self.peer.encode())
        return data.replace(self.switch.encode(), self.shown_switch.encode())

    # -- media -----------------------------------------------------------------------------------

    def _media(self, up: bool, port: int) -> None:
        """A description names a port for RTP: one call at a time gets its two pairs of ports."""
        if up:
            self._peer_rtp = port
        else:
            self._switch_rtp = port
        if self._peer_rtp is None or self._switch_rtp is None:
            return
        pair = (self._peer_rtp, self._switch_rtp)
        if pair not in self._pairs:
            self._pairs.add(pair)
            for more in (0, 1):
                task = asyncio.create_task(
                    self._pair(pair[0] + more, pair[1] + more, self._rtp), name="link-rtp"
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _rtp(self, face: _Face, data: bytes) -> None:
        if self.lose_rtp(face.up, data):
            self.rtp_lost[face.up] += 1
            return
        self.rtp_passed[face.up] += 1
        face.forward(data)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for face in self._faces:
            if face.transport is not None:
                face.transport.close()


@contextlib.asynccontextmanager
async def link(
    peer: tuple[str, int], shown_peer: str, switch: tuple[str, int], shown_switch: str
) -> AsyncIterator[Link]:
    """A link that carries SIP between two addresses while the block runs."""
    one = Link(peer[0], shown_peer, switch[0], shown_switch)
    await one.open(peer[1], switch[1])
    try:
        yield one
    finally:
        one.close()

"""The process that talks to browsers: `python -m cicswitch.media.webrtc --fds …`.

One thread, one epoll, four sockets, which the signalling process has bound: the browsers' port, the
pair that the media plane's legs send to, the commands. The sender's address tells whose a packet
is: a browser's after its first right check, a leg's by its port.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.dtls import context_of, is_dtls
from cicswitch.media.webrtc.film import Film, Writer
from cicswitch.media.webrtc.ice import check, is_stun
from cicswitch.media.webrtc.peer import Peer
from cicswitch.media.webrtc.still import EVERY_S, still
from cicswitch.media.webrtc.video import Video
from cicswitch.media.wire import Frames

__all__ = ["Worker"]

_BATCH: Final = 64
"""Packets taken from one socket before the others have their turn."""
_SIZE: Final = 2048
_SWEEP_S: Final = 0.05
_NEVER_S: Final = 15.0
"""How long a browser has to come after the call was set up."""


class Worker:
    """All browsers of a switch. `sockets`: browsers, the plane's RTP, its RTCP, commands."""

    def __init__(
        self,
        sockets: tuple[socket.socket, socket.socket, socket.socket, socket.socket],
        certificate: bytes,
        *,
        lost_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._browsers, self._rtp, self._rtcp, self._control = sockets
        for sock in sockets:
            sock.setblocking(False)
        self.context: Any = context_of(certificate)
        self.peers: dict[int, Peer] = {}
        self.stopping = False
        self.early = self.forged = self.unsent = self.strange = self.checks = self.errors = 0
        self._failures: set[str] = set()
        """Kinds of errors that have been told."""
        self._lost_s = lost_s
        self._clock = clock
        self._frames = Frames()
        self._out: list[wire.Event] = []
        self._unwritten = b""
        self._by_ufrag: dict[str, Peer] = {}
        self._by_address: dict[tuple[str, int], Peer] = {}
        self._by_plane: dict[tuple[str, int], Peer] = {}
        self._by_plane_rtcp: dict[tuple[str, int], Peer] = {}
        self._sweep_at = clock() + _SWEEP_S
        self._figures_at = 0.0
        self._in = self._gone = 0
        self._films: dict[str, tuple[Film, Peer]] = {}
        self._writer = Writer(self._film_failed)
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[float], None]] = {
            self._browsers.fileno(): self._from_browsers,
            self._rtp.fileno(): self._from_plane,
            self._rtcp.fileno(): self._from_plane_rtcp,
            self._control.fileno(): self._commands,
        }
        for number in self._readers:
            self._epoll.register(number, select.EPOLLIN)
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            wire.Open: self._open,
            wire.Connect: self._connect,
            wire.See: self._see,
            wire.Relay: self._relay,
            wire.Record: self._record,
            wire.Pause: self._pause,
            wire.Stop: self._stop,
            wire.Close: self._close,
            wire.Quit: self._quit,
        }

    # -- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the end."""
        try:
            while not self.stopping:
                self.step(max(0.0, self._sweep_at - self._clock()))
            for number in list(self.peers):
                self._close(wire.Close(number), self._clock())
            self._writer.stop()
            self._writer.drain()
        finally:
            with contextlib.suppress(OSError):
                self._control.setblocking(True)
                self._write()
            self._epoll.close()

    def step(self, timeout_s: float) -> None:
        """One pass, which waits so long for something to read."""
        events = self._epoll.poll(timeout_s)
        now = self._clock()
        for number, _ in events:
            self._readers[number](now)
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            self._sweep(now)
        if self._out or self._unwritten:
            self._write()

    def _sweep(self, now: float) -> None:
        self._writer.drain()
        for peer in list(self.peers.values()):
            peer.expire(now)
            if peer.told:
                continue
            if peer.connected:
                if peer.opus is not None:
                    peer.opus.sweep(now)
                if now - peer.heard_at > self._lost_s:
                    self.lost(peer, "nothing comes from the browser", now)
                elif peer.video is not None:
                    peer.video.mend(now)
                    self._still(peer, peer.video, now)
            elif now - peer.opened_at > _NEVER_S:
                self.lost(peer, "the browser never came", now)
        if now - self._figures_at >= 1:
            self._figures_at = now
            self._out.append(wire.Figures(self.figures()))
            for peer in self.peers.values():
                if peer.opus is not None:
                    self._out.append(peer.opus.figures())

    @staticmethod
    def _still(peer: Peer, video: Video, now: float) -> None:
        """Who would see nobody sees why."""
        wanted = peer.remote is not None and peer.remote.video_send
        if video.source is None and wanted and now >= video.still_at:
            video.still_at = now + EVERY_S
            video.show(still("no_camera" if peer.sees else "waiting"), now)

    def figures(self) -> dict[str, float]:
        """Counters and gauges."""
        return {
            "legs": len(self.peers),
            "connected": sum(peer.connected for peer in self.peers.values()),
            "packets_received": self._in,
            "packets_sent": self._gone,
            "packets_forged": self.forged,
            "packets_early": self.early,
            "packets_strange": self.strange,
            "packets_unsent": self.unsent,
            "checks": self.checks,
            "errors": self.errors,
            "cpu_s": time.process_time(),
        }

    # -- packets ---------------------------------------------------------------------------------

    def _from_browsers(self, now: float) -> None:
        receive = self._browsers.recvfrom
        for _ in range(_BATCH):
            try:
                data, source = receive(_SIZE)
            except OSError:
                return
            self._in += 1
            if len(source) > 2:
                source = source[:2]  # IPv6 has its flow and scope there
            try:
                self._take(data, source, now)
            except Exception as error:  # nothing that comes from outside may end the process
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        name = type(error).__name__
        if name not in self._failures:
            self._failures.add(name)
            self._out.append(wire.Failed(f"{name}: {error}"[:200]))

    def _take(self, data: bytes, source: tuple[str, int], now: float) -> None:
        first = data[0] if data else 255
        peer = self._by_address.get(source)
        if is_stun(first):
            self._checked(data, source, now)
        elif peer is None or first > 191:
            self.strange += 1
        elif first > 127:
            peer.received(data, now)
        elif is_dtls(first):
            peer.handshake(data, now)
        else:
            self.strange += 1

    def _checked(self, data: bytes, source: tuple[str, int], now: float) -> None:
        found = check(data, source, self._password)
        if found is None:
            self.strange += 1
            return
        self.checks += 1
        self.to_browser(found.answer, source)
        peer = self._by_ufrag[found.ufrag]
        if peer.address == source:
            peer.heard_at = now
        elif found.nominated or peer.address is None:
            peer.heard_at = now
            if peer.address is not None:
                self._by_address.pop(peer.address, None)
            taken = self._by_address.get(source)
            if taken is not None:
                taken.address = None  # that browser has opened another connection there
            peer.address = source
            self._by_address[source] = peer

    def _password(self, ufrag: str) -> str | None:
        peer = self._by_ufrag.get(ufrag)
        return peer.credentials.get(ufrag) if peer is not None else None

    def _from_plane(self, now: float) -> None:
        receive, peers = self._rtp.recvfrom, self._by_plane
        for _ in range(_BATCH):
            try:
                data, source = receive(_SIZE)
            except OSError:
                return
            peer = peers.get(source)
            if peer is None:
                self.strange += 1
                continue
            try:
                peer.from_plane(data, now)
            except Exception as error:  # the same: a phone's packet may have come this way
                self._failed(error)

    def _from_plane_rtcp(self, now: float) -> None:
        receive, peers = self._rtcp.recvfrom, self._by_plane_rtcp
        for _ in range(_BATCH):
            try:
                data, source = receive(_SIZE)
            except OSError:
                return
            peer = peers.get(source)
            if peer is not None:
                peer.from_plane_rtcp(data)
            else:
                self.strange += 1

    def to_browser(self, data: bytes, address: tuple[str, int]) -> None:
        """Send a datagram to a browser."""
        try:
            self._browsers.sendto(data, address)
            self._gone += 1
        except OSError:
            self.unsent += 1

    def to_plane(self, data: bytes, address: tuple[str, int]) -> None:
        """Send a packet to a leg of the media plane."""
        try:
            self._rtp.sendto(data, address)
        except OSError:
            self.unsent += 1

    def to_plane_rtcp(self, data: bytes, address: tuple[str, int]) -> None:
        """Send a report to a leg of the media plane."""
        try:
            self._rtcp.sendto(data, address)
        except OSError:
            self.unsent += 1

    # -- what peers report -----------------------------------------------------------------------

    def lost(self, peer: Peer, reason: str, now: float) -> None:
        """It is gone; told once."""
        if not peer.told:
            peer.told = True
            silent_s = round(now - (peer.heard_at or peer.opened_at), 3)
            self._out.append(wire.Lost(peer.number, reason, silent_s))

    # -- commands --------------------------------------------------------------------------------

    def _commands(self, now: float) -> None:
        try:
            data = self._control.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.stopping = True
            return
        for body in self._frames.feed(data):
            for command in wire.COMMANDS.decode(body):
                self._handlers[type(command)](command, now)

    def _write(self) -> None:
        data = self._unwritten
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
        self._unwritten = data[count:]

    def _open(self, command: wire.Open, now: float) -> None:
        peer = Peer(self, command.leg, (command.host, command.port), now)
        self.peers[command.leg] = peer
        self._by_plane[peer.rtp_to] = peer
        self._by_plane_rtcp[peer.rtcp_to] = peer
        self._credentials(peer, command.ufrag, command.password)

    def _credentials(self, peer: Peer, ufrag: str, password: str) -> None:
        """Those of the offer before still count until the browser has switched."""
        if ufrag in peer.credentials:
            return
        peer.credentials[ufrag] = password
        self._by_ufrag[ufrag] = peer
        while len(peer.credentials) > 2:
            old = next(iter(peer.credentials))
            del peer.credentials[old]
            del self._by_ufrag[old]

    def _connect(self, command: wire.Connect, now: float) -> None:
        peer = self.peers.get(command.leg)
        if peer is not None:
            self._credentials(peer, command.ufrag, command.password)
            peer.connect(command, now)
            peer.pair(now)

    def _see(self, command: wire.See, now: float) -> None:
        peer = self.peers.get(command.leg)
        if peer is not None:
            found = (self.peers.get(number) for number in command.others)
            peer.see([each for each in found if each is not None], now)
            if not command.others:
                for other in list(peer.seen_by):
                    other.see([], now)

    def _relay(self, command: wire.Relay, now: float) -> None:
        peer = self.peers.get(command.leg)
        if peer is not None:
            peer.relay(self.peers.get(command.to), beside=command.beside)

    def _record(self, command: wire.Record, now: float) -> None:
        peer = self.peers.get(command.leg)
        if peer is not None:
            if peer.film is not None:
                self._stop(wire.Stop(peer.film.recording), now)
            peer.film = Film(self._writer, command.recording, command.path, now)
            self._films[command.recording] = (peer.film, peer)

    def _pause(self, command: wire.Pause, now: float) -> None:
        found = self._films.get(command.recording)
        if found is not None:
            found[0].pause(paused=command.paused)

    def _stop(self, command: wire.Stop, now: float) -> None:
        found = self._films.pop(command.recording, None)
        if found is not None:
            film, peer = found
            peer.film = None
            film.close()

    def _film_failed(self, recording: str, error: str) -> None:
        self._out.append(wire.Recorded(recording, error))

    def _close(self, command: wire.Close, now: float) -> None:
        peer = self.peers.pop(command.leg, None)
        if peer is None:
            return
        if peer.film is not None:
            self._stop(wire.Stop(peer.film.recording), now)
        if peer.opus is not None:
            self._out.append(peer.opus.figures())
        self._out.append(wire.Closed(peer.number))
        peer.close(now)
        for ufrag in peer.credentials:
            del self._by_ufrag[ufrag]
        del self._by_plane[peer.rtp_to]
        del self._by_plane_rtcp[peer.rtcp_to]
        if peer.address is not None and self._by_address.get(peer.address) is peer:
            del self._by_address[peer.address]

    def _quit(self, command: wire.Quit, now: float) -> None:
        self.stopping = True

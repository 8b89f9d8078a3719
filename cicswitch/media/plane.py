"""The signalling side of the media plane: hands out ports, commands workers, hears their events.

States of a worker link: STARTING (the process runs, no port yet), UP, LOST (its socket closed or
failed; a new one starts after a backoff), STOPPED. A port is handed out without asking, because the
worker has told which ones it bound; when few are left the plane orders more, in steps. What was not
needed for `pool_idle_s`, beyond a step in hand, is closed again, `SHRINK_PAIRS` a second.

Commands leave together: at once where none left within the last `GATHER_S`, else at its end; after
many at once `GATHER_MANY_S`. Each write wakes the worker, which costs both processes more than the
commands in it, and nobody hears a packet's time before a prompt begins.

Browsers that speak Opus (`webrtc/opus`). Their process passes the sound of one to another as it is
while the media worker would do no more than relay it. This is the place that knows, from the
commands that go by: `_relays` works it out again for a leg and its partner after each that may
change it, and tells where something has changed:

    passed       the two are bridged, nothing is played to the one that hears (a prompt, music, an
                 announcement, digits as tones), and offer/answer lets the one send, the other hear
    and decoded  beside that, where either of them is recorded

In a room, alone, or with a partner that speaks G.711 everything goes by the media worker. The two
processes hear of a change a few milliseconds apart; what they do meanwhile is right, only late.
The figures of such a leg are those of the browser's process, which hears all its packets.

A worker that dies takes its legs with it: `MediaWorkerLost` names them, and the plane forgets them;
recordings are repaired by the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from cicswitch.contacts.faxes import FaxJob
from cicswitch.core.errors import ResourceError
from cicswitch.media import wire
from cicswitch.media.pool import raise_file_limit
from cicswitch.media.settings import MediaSettings
from cicswitch.media.webrtc.gateway import Gateway
from cicswitch.media.webrtc.wire import Sound
from cicswitch.media.worker import Worker
from cicswitch.ports import (
    AnswerHeard,
    FaxEnded,
    FaxToneHeard,
    MediaAddress,
    MediaDtmf,
    MediaEvent,
    MediaExhausted,
    MediaLegClosed,
    MediaParams,
    MediaSource,
    MediaStats,
    MediaTimeout,
    MediaWorkerLost,
    PlayFinished,
    RecordingClosed,
    T38Params,
)
from cicswitch.rtp.quality import mos, rating

__all__ = ["WorkerPlane"]

BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
STABLE_S: Final = 10.0
"""A worker that lived so long begins its backoff anew."""
GATHER_S: Final = 0.01
GATHER_MANY_S: Final = 0.02
MANY: Final = 48
"""Commands in a write from which on the next one waits longer: some 700 calls/s."""
SHRINK_PAIRS: Final = 64
"""Closing a pair takes some 20 µs, in which no packet is relayed."""
SOCKET_BUFFER: Final = 1 << 21
READ_BYTES: Final = 1 << 18
STOP_TIMEOUT_S: Final = 10.0
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""Of a process with one thread the kernel counts no references to its files, packet by packet; and
matrices of a room are too small to be shared out."""


class LinkState(enum.Enum):
    """See the module's docstring."""

    STARTING = "starting"
    UP = "up"
    LOST = "lost"
    STOPPED = "stopped"


TONE_GAP_MS: Final = 100
"""Between digits, generously: how long tones are played to a leg is reckoned, not told."""


class _MediaLeg:
    __slots__ = (
        "heard",
        "hears",
        "link",
        "number",
        "over",
        "partner",
        "play",
        "port",
        "recording",
        "relay",
        "room",
        "says",
        "tones",
        "tones_over",
    )

    def __init__(self, link: _Link, number: int, port: int) -> None:
        self.link = link
        self.number = number
        self.port = port
        # what decides whether Opus is passed on: see the module's docstring
        self.partner = ""
        self.room = False
        self.play: str | None = None
        self.over = False
        """The play is an announcement, which lives through a bridge."""
        self.recording = ""
        self.says = self.hears = False
        self.tones = True
        """Digits to the leg are tones: there are no telephone events."""
        self.tones_over = 0.0
        self.relay: tuple[str, bool] = ("", False)
        self.heard: MediaStats | None = None


def _stats(event: wire.Closed | wire.Heard) -> MediaStats:
    return MediaStats(
        packets_received=event.packets_received,
        packets_sent=event.packets_sent,
        packets_lost=event.packets_lost,
        packets_stray=event.packets_stray,
        jitter_ms=event.jitter_ms,
        rtt_ms=event.rtt_ms,
        codec=event.codec,
        far_lost=event.far_lost,
        far_jitter_ms=event.far_jitter_ms,
    )


def _scored(stats: MediaStats, sound: Sound | None) -> MediaStats:
    """With the figures of the browsers' process, if it has them, and what they sound like."""
    replace = msgspec.structs.replace
    if sound is not None:
        stats = replace(
            stats,
            packets_received=sound.packets_received,
            packets_sent=sound.packets_sent,
            packets_lost=sound.packets_lost,
            jitter_ms=sound.jitter_ms,
            rtt_ms=sound.rtt_ms,
            codec="opus",
            far_lost=sound.far_lost,
            far_jitter_ms=sound.far_jitter_ms,
        )
    ours = far = None
    if stats.packets_received:
        share = stats.packets_lost / (stats.packets_received + stats.packets_lost)
        ours = round(mos(rating(stats.codec, share, stats.jitter_ms, stats.rtt_ms)), 2)
    if stats.far_lost is not None and stats.packets_sent:
        share = stats.far_lost / max(stats.packets_sent, stats.far_lost)
        far = round(mos(rating(stats.codec, share, stats.far_jitter_ms or 0.0, stats.rtt_ms)), 2)
    return replace(stats, mos=ours, far_mos=far)


class _Link:
    """One worker as the plane sees it."""

    def __init__(self, plane: WorkerPlane, index: int, settings: MediaSettings) -> None:
        self.index = index
        self.settings = settings
        self.state = LinkState.STOPPED
        self.legs: dict[int, str] = {}
        """Leg ids by number."""
        self.recordings: dict[str, str] = {}
        """Paths by recording id, to close what a dead worker cannot."""
        self.free: dict[bool, deque[int]] = {False: deque(), True: deque()}
        self.growing: dict[bool, int] = {False: 0, True: 0}
        self.full: dict[bool, str] = {False: "", True: ""}
        self.least: dict[bool, int] = {False: 0, True: 0}
        """Ports that were free all the time since `least_since`."""
        self.least_since = 0.0
        self.figures: dict[str, float] = {}
        self.ready: asyncio.Future[None] | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.thread: threading.Thread | None = None
        self.started_at = 0.0
        self.failures = 0
        self._plane = plane
        self._socket: socket.socket | None = None
        self._frames = wire.Frames()
        self._out: list[wire.Command] = []
        self._unsent = b""
        self._flush_set = False
        self._flush_from = 0.0
        """When the loop's clock allows the next write."""
        self._loop = asyncio.get_running_loop()

    # -- life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the worker. Raises `ResourceError`."""
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        ours.setblocking(False)
        self._socket = ours
        self._frames = wire.Frames()
        self._out, self._unsent, self._flush_set = [], b"", False
        self.free = {False: deque(), True: deque()}
        self.growing = {False: 0, True: 0}
        self.full = {False: "", True: ""}
        self.least = {False: 0, True: 0}
        self.started_at = self.least_since = time.monotonic()
        self.state = LinkState.STARTING
        try:
            if self.settings.workers == 0:
                worker = Worker(theirs, self.settings)
                self.thread = threading.Thread(target=worker.run, name="media", daemon=True)
                self.thread.start()
            else:
                self.process = subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "cicswitch.media",
                        "--socket-fd",
                        str(theirs.fileno()),
                        "--settings",
                        msgspec.json.encode(self.settings).decode(),
                    ],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env=_ONE_THREAD | os.environ,
                )
                theirs.close()
        except OSError as error:
            ours.close()
            theirs.close()
            self._socket = None
            self.state = LinkState.LOST
            raise ResourceError(f"cannot start a media worker: {error.strerror}") from error
        self._loop.add_reader(ours.fileno(), self._readable)
        self.grow(ipv6=False, pairs=self.settings.pool_initial)
        if self.settings.host6:
            self.grow(ipv6=True, pairs=self.settings.pool_initial)

    def grow(self, *, ipv6: bool, pairs: int) -> None:
        """Order more ports, unless an order is out or there are no more."""
        if self.growing[ipv6] or self.full[ipv6]:
            return
        self.growing[ipv6] = pairs
        self.send(wire.Grow(pairs, ipv6))

    def shrink(self, keep: int, idle_s: float, now: float) -> None:
        """Let the worker close some of the ports that nobody needed for so long."""
        if now - self.least_since < idle_s:
            return
        spared = 0
        for ipv6, free in self.free.items():
            count = min(SHRINK_PAIRS, self.least[ipv6] - keep)
            if count > 0:
                # The far end of the line: the ones that a call had last.
                self.send(wire.Shrink([free.pop() for _ in range(count)], ipv6))
                self.least[ipv6] -= count
                self.full[ipv6] = ""
                spared += count
        if not spared:
            self.least_since = now
            self.least = {ipv6: len(free) for ipv6, free in self.free.items()}

    def close(self) -> None:
        """Drop the socket; the worker ends by that."""
        sock, self._socket = self._socket, None
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            if self._unsent:
                self._loop.remove_writer(sock.fileno())
            sock.close()

    # -- commands --------------------------------------------------------------------------

    def send(self, command: wire.Command) -> None:
        """Queue a command for the next write."""
        self._out.append(command)
        if not self._flush_set:
            self._flush_set = True
            loop = self._loop
            if loop.time() >= self._flush_from:
                loop.call_soon(self._flush)
            else:
                loop.call_at(self._flush_from, self._flush)

    def _flush(self) -> None:
        self._flush_set = False
        sock = self._socket
        if sock is None or not self._out:
            self._out.clear()
            return
        many = len(self._out) >= MANY
        self._flush_from = self._loop.time() + (GATHER_MANY_S if many else GATHER_S)
        data = wire.frame(self._out)
        self._out.clear()
        if self._unsent:
            self._unsent += data
            return
        self._write(sock, data)

    def _write(self, sock: socket.socket, data: bytes) -> None:
        try:
            count = sock.send(data)
        except BlockingIOError:
            count = 0
        except OSError:
            return  # the reader finds the end of the socket and reports it
        rest = data[count:]
        if rest and not self._unsent:
            self._loop.add_writer(sock.fileno(), self._writable)
        elif self._unsent and not rest:
            self._loop.remove_writer(sock.fileno())
        self._unsent = rest

    def _writable(self) -> None:
        if self._socket is not None:
            self._write(self._socket, self._unsent)

    # -- events ----------------------------------------------------------------------------

    def _readable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        try:
            data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._plane.lost(self)
            return
        for body in self._frames.feed(data):
            for event in wire.EVENTS.decode(body):
                self._plane.take(self, event)


class WorkerPlane:
    """`ports.MediaPlane` over worker processes, or over one thread with `workers = 0`."""

    def __init__(self, settings: MediaSettings, browsers: Gateway | None = None) -> None:
        self.settings = settings
        self.browsers = browsers
        self._links: list[_Link] = []
        self._legs: dict[str, _MediaLeg] = {}
        self._recordings: dict[str, _Link] = {}
        self._recorded: dict[str, str] = {}
        """The leg of each recording."""
        self._next = 1
        self._on_event: Callable[[MediaEvent], None] | None = None
        self._restarts: set[asyncio.TimerHandle] = set()
        self._stopping = False
        self._opened = 0
        self._exhausted = 0
        self._workers_lost = 0
        self._host = settings.advertise or settings.host
        self._low_water = max(16, settings.pool_initial // 2)

    async def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Start the workers and wait for their first ports.

        Raises `ResourceError` with one line that names what is missing.
        """
        settings = self.settings
        raise_file_limit()
        self._on_event = on_event
        self._stopping = False
        if self.browsers is not None:
            self.browsers.start(on_event)
        count = max(1, settings.workers)
        share = (settings.port_max + 2 - settings.port_min) // count // 2 * 2
        loop = asyncio.get_running_loop()
        for index in range(count):
            first = settings.port_min + index * share
            last = settings.port_max if index == count - 1 else first + share - 2
            own = msgspec.structs.replace(settings, port_min=first, port_max=last)
            link = _Link(self, index, own)
            link.ready = loop.create_future()
            self._links.append(link)
        try:
            for link in self._links:
                link.start()
            async with asyncio.timeout(settings.start_timeout_s):
                for link in self._links:
                    if link.ready is not None:
                        await link.ready
        except TimeoutError:
            await self.stop()
            raise ResourceError(
                f"a media worker did not answer within {settings.start_timeout_s:g} s"
            ) from None
        except ResourceError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every leg and recording, end the workers. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        if self.browsers is not None:
            await self.browsers.stop()
        for handle in self._restarts:
            handle.cancel()
        self._restarts.clear()
        running = [link for link in self._links if link.state in (LinkState.STARTING, LinkState.UP)]
        done: list[asyncio.Future[None]] = []
        for link in running:
            if link.ready is not None and link.ready.done():
                link.ready.exception()
            link.ready = asyncio.get_running_loop().create_future()
            done.append(link.ready)
            link.send(wire.Quit())
        if done:
            await asyncio.wait(done, timeout=STOP_TIMEOUT_S)
        for link in self._links:
            link.close()
            link.state = LinkState.STOPPED
            await asyncio.to_thread(self._reap, link)
        self._links.clear()
        self._legs.clear()
        self._recordings.clear()

    @staticmethod
    def _reap(link: _Link) -> None:
        if link.thread is not None:
            link.thread.join(timeout=STOP_TIMEOUT_S)
            link.thread = None
        if link.process is not None:
            try:
                link.process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                link.process.kill()
                link.process.wait()
            link.process = None

    # -- ports.MediaPlane ------------------------------------------------------------------

    def open(self, leg: str, *, ipv6: bool = False, near: str | None = None) -> MediaAddress:
        """Give the leg a port that is bound already. Raises `MediaExhausted`."""
        if leg in self._legs:
            raise ValueError(f"leg {leg} has media already")
        beside = self._legs.get(near) if near is not None else None
        link = beside.link if beside is not None else None
        if link is None or not link.free[ipv6]:
            link = self._emptiest(ipv6)
        if link is None or not link.free[ipv6]:
            self._exhausted += 1
            why = [text for each in self._links if (text := each.full[ipv6])]
            for each in self._links:
                if each.state is LinkState.UP:
                    each.grow(ipv6=ipv6, pairs=self.settings.pool_step)
            raise MediaExhausted("; ".join(why) or "no RTP port is free yet")
        free = link.free[ipv6]
        port = free.popleft()
        left = len(free)
        if left < link.least[ipv6]:
            link.least[ipv6] = left
        if left < self._low_water:
            link.grow(ipv6=ipv6, pairs=self.settings.pool_step)
        number = self._next
        self._next = number + 1
        self._opened += 1
        self._legs[leg] = _MediaLeg(link, number, port)
        link.legs[number] = leg
        link.send(wire.Open(number, port, ipv6))
        return MediaAddress(self.settings.host6 if ipv6 else self._host, port)

    def _emptiest(self, ipv6: bool) -> _Link | None:
        links = self._links
        if len(links) == 1:
            return links[0]
        able = [link for link in links if link.state is LinkState.UP and link.free[ipv6]]
        return min(able, key=lambda link: len(link.legs), default=None)

    def configure(self, leg: str, params: MediaParams) -> None:
        """Send and expect media as agreed."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(
                wire.Configure(
                    found.number,
                    params.codec,
                    params.payload_type,
                    params.host,
                    params.port,
                    params.dtmf_payload_type,
                    params.send,
                    params.receive,
                    params.ptime_ms,
                )
            )
            found.says, found.hears = params.receive, params.send
            found.tones = params.dtmf_payload_type is None
            self._relays(leg)

    def bridge(self, a: str, b: str) -> None:
        """Pass audio and DTMF both ways. Raises `ValueError` for legs on two workers."""
        one, two = self._legs.get(a), self._legs.get(b)
        if one is None or two is None:
            return
        if one.link is not two.link:
            raise ValueError(f"legs {a} and {b} are on two media workers: open one near the other")
        one.link.send(wire.Bridge(one.number, two.number))
        if self.browsers is not None:
            self.browsers.see(a, (b,))
            self.browsers.see(b, (a,))
            for leg in (one, two):
                self._part(leg)
                if not leg.over:
                    leg.play = None
            one.partner, two.partner = b, a
            self._relays(a)

    def mix(self, hears: Mapping[str, Sequence[str]]) -> None:
        """Join legs in a room. Raises `ValueError` for legs on two workers."""
        found = {leg: self._legs[leg] for leg in hears if leg in self._legs}
        links = {each.link for each in found.values()}
        if len(links) > 1:
            names = ", ".join(found)
            raise ValueError(f"legs {names} are on two media workers: open one near the other")
        for link in links:
            link.send(
                wire.Mix(
                    [each.number for each in found.values()],
                    [
                        [found[other].number for other in hears[leg] if other in found]
                        for leg in found
                    ],
                )
            )
        if self.browsers is not None:
            for leg, each in found.items():
                self.browsers.see(leg, [other for other in hears[leg] if other in found])
                self._part(each)
                each.room = True
                if not each.over:
                    each.play = None
                self._relays(leg)

    def unbridge(self, leg: str) -> None:
        """End the leg's part in a bridge or room, if it has one."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.Unbridge(found.number))
            if self.browsers is not None:
                self.browsers.see(leg, ())
                self._part(found)
                if found.over:
                    found.play, found.over = None, False
                self._relays(leg)

    def _part(self, leg: _MediaLeg) -> None:
        """Before another bridge or room: the leg has left its own."""
        partner, before = leg.partner, self._legs.get(leg.partner)
        leg.partner, leg.room = "", False
        if before is not None:
            before.partner = ""
            self._relays(partner)

    def _relays(self, leg: str) -> None:
        """Tell the browsers' process what becomes of the leg's sound, and of its partner's."""
        found = self._legs.get(leg)
        if self.browsers is None or found is None:
            return
        for name, each in ((leg, found), (found.partner, self._legs.get(found.partner))):
            if each is None:
                continue
            to = self._legs.get(each.partner)
            passed = to is not None and each.says and to.hears and to.play is None
            passed = passed and to is not None and to.tones_over <= time.monotonic()
            beside = to is not None and bool(each.recording or to.recording)
            wanted = (each.partner if passed else "", beside)
            if wanted != each.relay:
                each.relay = wanted
                self.browsers.relay(name, wanted[0], beside=beside)

    def _tones(self, leg: str, found: _MediaLeg, digits: int, duration_ms: int) -> None:
        """Digits are played to a leg as tones: it hears the media worker until they are over."""
        if self.browsers is None or not found.tones or not found.partner:
            return
        wait_s = digits * (duration_ms + TONE_GAP_MS) / 1000 + GATHER_MANY_S
        found.tones_over = max(found.tones_over, time.monotonic()) + wait_s
        self._relays(leg)
        asyncio.get_running_loop().call_later(
            found.tones_over - time.monotonic() + 0.01, self._relays, leg
        )

    def play(
        self,
        leg: str,
        play_id: str,
        sources: Sequence[MediaSource],
        *,
        loop: bool = False,
        over: bool = False,
    ) -> None:
        """Play to the leg; replaces a play, suspends a bridge's audio towards it or, `over`, is
        mixed into it.
        """
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.Play(found.number, play_id, list(sources), loop, over))
            found.play, found.over = play_id, over and bool(found.partner or found.room)
            self._relays(leg)

    def stop_play(self, leg: str) -> None:
        """Stop what plays, if anything."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.StopPlay(found.number))
            found.play, found.over = None, False
            self._relays(leg)

    def record(self, leg: str, recording_id: str, path: Path) -> None:
        """Record to a stereo WAV."""
        found = self._legs.get(leg)
        if found is not None:
            self._recordings[recording_id] = found.link
            found.link.recordings[recording_id] = str(path)
            found.link.send(wire.Record(found.number, recording_id, str(path)))
            found.recording = recording_id
            if self.browsers is not None:
                self.browsers.record(leg, recording_id, str(path))
            self._recorded[recording_id] = leg
            self._relays(leg)

    def pause_recording(self, recording_id: str, paused: bool) -> None:
        """Leave out, as silence, or take in what is said."""
        link = self._recordings.get(recording_id)
        if link is not None:
            link.send(wire.PauseRecording(recording_id, paused))
            if self.browsers is not None:
                self.browsers.pause_recording(recording_id, paused)

    def stop_recording(self, recording_id: str) -> None:
        """End a recording; `RecordingClosed` follows."""
        link = self._recordings.get(recording_id)
        if link is not None:
            link.send(wire.StopRecording(recording_id))
            if self.browsers is not None:
                self.browsers.stop_recording(recording_id)

    def send_dtmf(self, leg: str, digits: str, *, duration_ms: int = 100) -> None:
        """Send digits to the leg."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.SendDtmf(found.number, digits, duration_ms))
            self._tones(leg, found, len(digits), duration_ms)

    def t38(self, leg: str, params: T38Params) -> None:
        """Speak T.38 from now on."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(
                wire.T38(
                    found.number,
                    params.host,
                    params.port,
                    params.recovery,
                    params.max_datagram,
                    params.max_bit_rate,
                    params.version,
                )
            )

    def fax(self, leg: str, fax_id: str, job: FaxJob) -> None:
        """Put a fax terminal on the leg; `FaxEnded` follows."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.Fax(found.number, fax_id, job))
            self._part(found)
            found.play, found.over = None, False
            self._relays(leg)

    def stop_fax(self, leg: str, reason: str) -> None:
        """Take it away."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.StopFax(found.number, reason))

    def hear_fax(self, leg: str, on: bool) -> None:
        """Listen for the calling tone of a fax machine, or no more."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.HearFax(found.number, on))

    def hear_answer(self, leg: str, on: bool) -> None:
        """Listen whether a person or a machine has answered, or no more."""
        found = self._legs.get(leg)
        if found is not None:
            found.link.send(wire.HearAnswer(found.number, on))

    def stats(self, leg: str) -> MediaStats | None:
        """The leg so far, some seconds old."""
        found = self._legs.get(leg)
        if found is None:
            return None
        sound = self.browsers.sound(leg) if self.browsers is not None else None
        if found.heard is None and sound is None:
            return None
        return _scored(found.heard or MediaStats(), sound)

    def close(self, leg: str) -> None:
        """End the leg; `MediaLegClosed` follows."""
        found = self._legs.pop(leg, None)
        if found is not None:
            found.link.send(wire.Close(found.number))
            self._part(found)

    def figures(self) -> dict[str, float]:
        """Gauges and counters, those of the workers at most a second old."""
        total: dict[str, float] = {
            "workers": sum(link.state is LinkState.UP for link in self._links),
            "workers_lost": self._workers_lost,
            "legs_opened": self._opened,
            "legs_refused": self._exhausted,
            "ports_free": sum(len(ports) for link in self._links for ports in link.free.values()),
        }
        for link in self._links:
            for name, value in link.figures.items():
                total[name] = total.get(name, 0) + value
        total["legs"] = len(self._legs)
        return total

    def worker_pids(self) -> list[int]:
        """Process ids of the workers, for figures and tests; none in thread mode."""
        return [link.process.pid for link in self._links if link.process is not None]

    # -- what workers say ------------------------------------------------------------------

    def take(self, link: _Link, event: wire.Event) -> None:
        """Turn a worker's event into a port's event."""
        if isinstance(event, wire.Closed):
            leg = link.legs.pop(event.leg, None)
            if leg is not None:
                stats = _stats(event)
                if self.browsers is None:
                    self._tell(MediaLegClosed(leg, stats))
                else:
                    self.browsers.when_closed(leg, partial(self._closed, leg, stats))
        elif isinstance(event, wire.Heard):
            name = link.legs.get(event.leg, "")
            heard = self._legs.get(name)
            if heard is not None:
                heard.heard = _stats(event)
        elif isinstance(event, wire.Ports):
            self._take_ports(link, event)
        elif isinstance(event, wire.Dtmf):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(MediaDtmf(leg, event.digit, event.duration_ms, event.in_band))
                found = self._legs.get(leg)
                to = self._legs.get(found.partner) if found is not None else None
                if found is not None and to is not None and not event.in_band:
                    self._tones(found.partner, to, 1, event.duration_ms)
        elif isinstance(event, wire.Played):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(PlayFinished(leg, event.play_id, event.error))
                played = self._legs.get(leg)
                if played is not None and played.play == event.play_id:
                    played.play, played.over = None, False
                    self._relays(leg)
        elif isinstance(event, wire.FaxOver):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(FaxEnded(leg, event.fax_id, event.result))
        elif isinstance(event, wire.FaxTone):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(FaxToneHeard(leg))
        elif isinstance(event, wire.AnswerHeard):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(AnswerHeard(leg, event.word))
        elif isinstance(event, wire.Silent):
            leg = link.legs.get(event.leg)
            if leg is not None:
                self._tell(MediaTimeout(leg, event.silent_s))
        elif isinstance(event, wire.Recorded):
            self._recordings.pop(event.recording_id, None)
            link.recordings.pop(event.recording_id, None)
            of = self._recorded.pop(event.recording_id, "")
            ended = self._legs.get(of)
            if ended is not None and ended.recording == event.recording_id:
                ended.recording = ""
                self._relays(of)
            error = event.error
            if self.browsers is not None:
                error = self.browsers.recorded(event.recording_id) or error
            self._tell(RecordingClosed(event.recording_id, event.path, event.duration_ms, error))
        else:
            link.figures = event.values
            settings = self.settings
            link.shrink(
                self._low_water + settings.pool_step, settings.pool_idle_s, time.monotonic()
            )

    def _closed(self, leg: str, stats: MediaStats, sound: Sound | None) -> None:
        """A leg has ended in both processes, or in the one that had it."""
        self._tell(MediaLegClosed(leg, _scored(stats, sound)))

    def _take_ports(self, link: _Link, event: wire.Ports) -> None:
        link.free[event.ipv6].extend(event.ports)
        if event.bound or event.full:
            link.growing[event.ipv6] = 0
        if event.full:
            link.full[event.ipv6] = event.reason
        if link.state is LinkState.STARTING and not event.ipv6:
            ready = link.ready
            if not event.ports:
                if ready is not None and not ready.done():
                    settings = link.settings
                    ready.set_exception(
                        ResourceError(
                            f"no RTP port can be bound in {settings.port_min}-{settings.port_max}"
                            f" on {settings.host}: {event.reason}"
                        )
                    )
                return
            link.state = LinkState.UP
            if ready is not None and not ready.done():
                ready.set_result(None)

    def lost(self, link: _Link) -> None:
        """A worker's socket has closed."""
        starting = link.state is LinkState.STARTING
        link.state = LinkState.LOST
        if self._stopping:
            if link.ready is not None and not link.ready.done():
                link.ready.set_result(None)
            return
        self._workers_lost += 1
        code = link.process.poll() if link.process is not None else None
        error = "a media worker ended" + (f" with status {code}" if code is not None else "")
        if starting and link.ready is not None and not link.ready.done():
            link.ready.set_exception(ResourceError(f"{error} while starting"))
            return
        legs = tuple(link.legs.values())
        link.legs.clear()
        for leg in legs:
            found = self._legs.get(leg)
            if found is not None and found.link is link:
                del self._legs[leg]
        recordings, link.recordings = link.recordings, {}
        link.figures = {}
        link.free = {False: deque(), True: deque()}
        if time.monotonic() - link.started_at > STABLE_S:
            link.failures = 0
        delay_s = BACKOFF_S[min(link.failures, len(BACKOFF_S) - 1)]
        link.failures += 1
        handle = asyncio.get_running_loop().call_later(delay_s, self._restart, link)
        self._restarts.add(handle)
        self._tell(MediaWorkerLost(legs, error))
        for recording_id, path in recordings.items():
            self._recordings.pop(recording_id, None)
            self._recorded.pop(recording_id, None)
            if self.browsers is not None:
                self.browsers.stop_recording(recording_id)
                self.browsers.recorded(recording_id)
            self._tell(RecordingClosed(recording_id, path, 0, error))

    def _restart(self, link: _Link) -> None:
        self._restarts = {handle for handle in self._restarts if not handle.cancelled()}
        process, link.process = link.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        try:
            link.start()
        except ResourceError:
            delay_s = BACKOFF_S[min(link.failures, len(BACKOFF_S) - 1)]
            link.failures += 1
            handle = asyncio.get_running_loop().call_later(delay_s, self._restart, link)
            self._restarts.add(handle)

    def _tell(self, event: MediaEvent) -> None:
        if self._on_event is not None:
            self._on_event(event)

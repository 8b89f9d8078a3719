"""The signalling side of the browsers' process: `ports.Webrtc`.

The sockets and the certificate are this side's, so a description can be written at once; the
process behind them starts with the first leg that needs it and is started again when it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from cicswitch.core.errors import ResourceError
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.certificate import make_certificate
from cicswitch.media.wire import Frames
from cicswitch.ports import (
    BrowserGone,
    BrowserLocal,
    BrowserRemote,
    MediaAddress,
    MediaEvent,
    MediaWorkerLost,
)

__all__ = ["Gateway"]

log = structlog.get_logger("media")

_CREDENTIAL: Final = string.ascii_letters + string.digits
_BUFFER: Final = 4 << 20
_STOP_S: Final = 5.0
_BACKOFF_S: Final = 1.0
_KEPT: Final = 1000
"""Figures of legs that have ended here and not yet in the media plane."""


class Gateway:
    """Legs to browsers. `host`, `port` are bound, 0 takes a free port; `advertise` is what browsers
    are told, by default `host`; a browser of which nothing comes for `lost_s` is gone.
    """

    def __init__(
        self, host: str, port: int, advertise: tuple[str, ...], *, inner_host: str, lost_s: float
    ) -> None:
        self._host = host
        self._wanted = port
        self._advertise = advertise or (host,)
        self._inner = "127.0.0.1" if inner_host in ("", "0.0.0.0") else inner_host
        self._lost_s = lost_s
        self._sockets: list[socket.socket] = []
        self._port = self._inner_port = 0
        self._certificate, self._fingerprint = b"", ""
        self._on_event: Callable[[MediaEvent], None] | None = None
        self._legs: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._locals: dict[str, BrowserLocal] = {}
        self._next = 1
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._frames = Frames()
        self._out: list[wire.Command] = []
        self._unsent = b""
        self._flushing = False
        self._started_at = 0.0
        self._figures: dict[str, float] = {}
        self._recordings: set[str] = set()
        self._failed: dict[str, str] = {}
        """What went wrong, by recording, until its WAV is closed."""
        self._sounds: dict[str, wire.Sound] = {}
        self._closing: set[str] = set()
        self._waiting: dict[str, Callable[[wire.Sound | None], None]] = {}
        self._lost_processes = 0

    # -- life ------------------------------------------------------------------------------------

    def start(self, on_event: Callable[[MediaEvent], None]) -> None:
        """Bind. Raises `ResourceError` in one line."""
        self._on_event = on_event
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        outer = socket.socket(family, socket.SOCK_DGRAM)
        self._sockets = [outer]
        try:
            for kind in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                outer.setsockopt(socket.SOL_SOCKET, kind, _BUFFER)
            outer.bind((self._host, self._wanted))
        except OSError as error:
            self._close_sockets()
            raise ResourceError(
                f"cannot listen for browsers on udp:{self._host}:{self._wanted}: {error.strerror}"
            ) from None
        self._port = outer.getsockname()[1]
        self._sockets += self._pair()
        self._certificate, self._fingerprint = make_certificate()

    def _pair(self) -> list[socket.socket]:
        """Two neighbouring ports, the even one first, for what the media plane sends."""
        for _ in range(100):
            first, second = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            try:
                first.bind((self._inner, 0))
                number = first.getsockname()[1]
                if number % 2 == 0:
                    second.bind((self._inner, number + 1))
                    for sock in (first, second):
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                    self._inner_port = number
                    return [first, second]
            except OSError:
                pass
            first.close()
            second.close()
        self._close_sockets()
        raise ResourceError(f"no pair of UDP ports is free on {self._inner}")

    async def stop(self) -> None:
        """End the process, close. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            self._out.append(wire.Quit())
            self._flush()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, _STOP_S)
            if process.poll() is None:
                process.kill()
                await asyncio.to_thread(process.wait)
        self._drop_control()
        self._close_sockets()
        self._legs.clear()
        for leg in (*self._closing, *self._waiting):
            self._ended(leg)
        self._names.clear()
        self._locals.clear()
        self._sounds.clear()

    def _close_sockets(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets = []

    def _drop_control(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(control.fileno())
            loop.remove_writer(control.fileno())
            control.close()

    def _run(self) -> None:
        """Start the process, if it does not run. Raises `ResourceError`."""
        if self._process is not None:
            return
        if not self._sockets:
            raise ResourceError("WebRTC is not up")
        now = time.monotonic()
        if now - self._started_at < _BACKOFF_S:
            raise ResourceError("the process that talks to browsers has just died")
        self._started_at = now
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        handed = [*self._sockets, theirs]
        numbers = [sock.fileno() for sock in handed]
        command = [sys.executable, "-m", "cicswitch.media.webrtc"]
        command += ["--fds", ",".join(map(str, numbers)), "--lost-s", str(self._lost_s)]
        try:
            self._process = subprocess.Popen(command, pass_fds=numbers, stdin=subprocess.PIPE)
        except OSError as error:
            ours.close()
            theirs.close()
            raise ResourceError(
                f"cannot start the process that talks to browsers: {error.strerror}"
            ) from error
        theirs.close()
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):
            stdin.write(self._certificate)  # some hundred bytes: the pipe takes them at once
            stdin.close()
        self._control = ours
        self._frames = Frames()
        self._unsent = b""
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)

    # -- ports.Webrtc ------------------------------------------------------------------------------

    def open(self, leg: str, plane: MediaAddress) -> BrowserLocal:
        """See `ports.Webrtc`."""
        self._run()
        number = self._next
        self._next += 1
        self._legs[leg] = number
        self._names[number] = leg
        local = self._locals[leg] = self._make_local()
        self._send(wire.Open(number, local.ufrag, local.password, self._inner, plane.port))
        return local

    def _make_local(self) -> BrowserLocal:
        # RFC 8445 section 5.3: 24 bits of randomness for one, 128 for the other at least.
        return BrowserLocal(
            ufrag="".join(secrets.choice(_CREDENTIAL) for _ in range(8)),
            password="".join(secrets.choice(_CREDENTIAL) for _ in range(24)),
            fingerprint=f"sha-256 {self._fingerprint}",
            hosts=self._advertise,
            port=self._port,
        )

    def restart(self, leg: str) -> BrowserLocal:
        """See `ports.Webrtc`."""
        local = self._locals[leg] = self._make_local()
        return local

    def connect(self, leg: str, remote: BrowserRemote) -> MediaAddress:
        """See `ports.Webrtc`."""
        number = self._legs.get(leg)
        if number is not None:
            local = self._locals[leg]
            kind, _, digest = remote.fingerprint.partition(" ")
            self._send(
                wire.Connect(
                    number,
                    local.ufrag,
                    local.password,
                    kind,
                    digest.strip(),
                    remote.audio,
                    remote.video,
                    remote.video_send,
                    remote.opus,
                    remote.events,
                    remote.events_hz,
                )
            )
        return MediaAddress(self._inner, self._inner_port)

    def see(self, leg: str, others: Sequence[str]) -> None:
        """Show a leg the first of these that has video; none: end that, both ways."""
        number = self._legs.get(leg)
        if number is not None:
            known = [found for other in others if (found := self._legs.get(other)) is not None]
            self._send(wire.See(number, known))

    def relay(self, leg: str, to: str, *, beside: bool) -> None:
        """Pass the leg's Opus to another as it is, "": to nobody; `beside`: decode it as well."""
        number = self._legs.get(leg)
        if number is not None:
            self._send(wire.Relay(number, self._legs.get(to, 0), beside))

    def record(self, leg: str, recording: str, path: str) -> None:
        """Record the video of the leg's browser, and of the one that it is shown, beside a WAV."""
        number = self._legs.get(leg)
        if number is not None:
            self._recordings.add(recording)
            self._send(wire.Record(number, recording, path))

    def pause_recording(self, recording: str, paused: bool) -> None:
        """See `ports.MediaPlane`."""
        if recording in self._recordings:
            self._send(wire.Pause(recording, paused))

    def stop_recording(self, recording: str) -> None:
        """See `ports.MediaPlane`."""
        if recording in self._recordings:
            self._send(wire.Stop(recording))

    def recorded(self, recording: str) -> str:
        """The WAV is closed: what went wrong with its video, empty: nothing."""
        self._recordings.discard(recording)
        return self._failed.pop(recording, "")

    def sound(self, leg: str) -> wire.Sound | None:
        """What came and went of a leg that speaks Opus, a second old at most."""
        return self._sounds.get(leg)

    def when_closed(self, leg: str, then: Callable[[wire.Sound | None], None]) -> None:
        """Call with the last of it once the leg has ended there, at once if it has."""
        if leg in self._closing or leg in self._legs:
            self._waiting[leg] = then
        else:
            then(self._sounds.pop(leg, None))

    def close(self, leg: str) -> None:
        """See `ports.Webrtc`."""
        number = self._legs.pop(leg, None)
        if number is not None:
            self._closing.add(leg)
            self._locals.pop(leg, None)
            self._send(wire.Close(number))

    def figures(self) -> dict[str, float]:
        """See `ports.Webrtc`."""
        return {**self._figures, "processes_lost": self._lost_processes}

    @property
    def port(self) -> int:
        """The browsers' UDP port."""
        return self._port

    # -- to and from the process -------------------------------------------------------------------

    def _send(self, command: wire.Command) -> None:
        self._out.append(command)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        control = self._control
        if control is None or not self._out:
            self._out.clear()
            return
        data = wire.frame(self._out)
        self._out.clear()
        self._unsent += data
        self._write()

    def _write(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            count = control.send(self._unsent)
        except BlockingIOError:
            count = 0
        except OSError:
            return  # the reader finds the end of the socket
        self._unsent = self._unsent[count:]
        loop = asyncio.get_running_loop()
        if self._unsent:
            loop.add_writer(control.fileno(), self._write)
        else:
            loop.remove_writer(control.fileno())

    def _readable(self) -> None:
        control = self._control
        if control is None:
            return
        try:
            data = control.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost()
            return
        for body in self._frames.feed(data):
            for event in wire.EVENTS.decode(body):
                self._take(event)

    def _take(self, event: wire.Event) -> None:
        if isinstance(event, wire.Figures):
            self._figures = event.values
            return
        if isinstance(event, wire.Failed):
            log.error("browser_packet_failed", error=event.error)
            return
        if isinstance(event, wire.Recorded):
            log.error("video_recording_failed", recording=event.recording, error=event.error)
            if event.recording in self._recordings:
                self._failed[event.recording] = event.error
            return
        leg = self._names.get(event.leg)
        if isinstance(event, wire.Sound):
            if leg is not None:
                self._sounds[leg] = event
            return
        if isinstance(event, wire.Closed):
            if leg is not None:
                del self._names[event.leg]
                self._ended(leg)
            return
        if leg is not None and leg not in self._closing and self._on_event is not None:
            self._on_event(BrowserGone(leg, event.silent_s, event.reason))

    def _ended(self, leg: str) -> None:
        self._closing.discard(leg)
        then = self._waiting.pop(leg, None)
        if then is not None:
            then(self._sounds.pop(leg, None))
        while len(self._sounds) > len(self._legs) + _KEPT:
            del self._sounds[next(iter(self._sounds))]  # its media leg died with its worker

    def _lost(self) -> None:
        """The process has ended, and with it the legs that it had."""
        self._drop_control()
        process, self._process = self._process, None
        if process is None:
            return
        self._lost_processes += 1
        code = process.poll()
        if code is None:
            process.kill()
            process.wait()
        legs = tuple(self._legs)
        self._legs.clear()
        for leg in (*self._closing, *self._waiting):
            self._ended(leg)
        self._names.clear()
        self._locals.clear()
        self._figures = {}
        if self._on_event is not None:
            self._on_event(
                MediaWorkerLost(legs, f"the process that talks to browsers ended, status {code}")
            )

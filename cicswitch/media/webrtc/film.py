"""Video of a recorded call: for each side that has some, a WebM beside the WAV, as it came.

A recording belongs to a leg, the customer's. His side is what his browser sends, the other what he
is shown, whoever that is after a transfer. A film begins with the first key frame, which is asked
for; its head says how many ms after the WAV that is (`webm.start_of`). After a loss that was not
mended, and after a pause, it goes on with the next key frame, at its true time.

Packets are put in order and made frames here, in the process's one thread. A thread of its own
writes; frames wait for it up to `_QUEUED_BYTES`, behind that they are left out until a key frame,
so a slow disk stalls no packet. What the disk refuses ends the film and is told once.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cicswitch.media.webrtc.webm import Webm

if TYPE_CHECKING:
    from cicswitch.media.webrtc.video import Video

__all__ = ["Film", "Side", "Writer", "depayload"]

_QUEUED_BYTES: Final = 16 << 20
_HELD: Final = 256
"""Packets that wait for one that is missing, and for how long."""
_FAR: Final = 1024
"""A jump that is neither a loss nor a late packet: it was not shown for a while."""
_HELD_S: Final = 0.3
_MAX_FRAME: Final = 4 << 20
_DRIFT_S: Final = 0.5
_ASK_S: Final = 1.0
_VIDEO: Final = 1
_SOUND: Final = 2
_CLOCKS: Final = {_VIDEO: 90_000, _SOUND: 48_000}


def depayload(payload: bytes) -> tuple[bool, bytes] | None:
    """Whether a frame begins, and the rest, without the payload descriptor (RFC 7741 4.2)."""
    if not payload:
        return None
    first, at = payload[0], 1
    if first & 0x80:
        if len(payload) < 2:
            return None
        more, at = payload[1], 2
        if more & 0x80:
            at += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        at += bool(more & 0x40) + bool(more & 0x30)
    if at >= len(payload):
        return None
    return bool(first & 0x10) and not first & 0x07, payload[at:]


class Writer:
    """The thread that writes all films of the process."""

    def __init__(self, failed: Callable[[str, str], None]) -> None:
        self._failed = failed
        self._jobs: queue.SimpleQueue[tuple[Side, int, int, bytes, bool] | Side | None] = (
            queue.SimpleQueue()
        )
        self._errors: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._runner: threading.Thread | None = None
        self._lock = threading.Lock()
        self._queued = 0

    def add(self, side: Side, track: int, at_ms: int, payload: bytes, *, key: bool) -> bool:
        """Queue a frame; False: too many wait."""
        with self._lock:
            if self._queued + len(payload) > _QUEUED_BYTES:
                return False
            self._queued += len(payload)
        if self._runner is None:
            self._runner = threading.Thread(target=self._run, name="films", daemon=True)
            self._runner.start()
        self._jobs.put((side, track, at_ms, payload, key))
        return True

    def close(self, side: Side) -> None:
        """End a film after what is queued for it."""
        if self._runner is not None:
            self._jobs.put(side)

    def drain(self) -> None:
        """Tell what has gone wrong."""
        while not self._errors.empty():
            self._failed(*self._errors.get())

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._runner is not None:
            self._jobs.put(None)
            self._runner.join(10)
            self._runner = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            side = job if isinstance(job, Side) else job[0]
            try:
                if isinstance(job, Side):
                    side.finish()
                elif not side.error:
                    side.write(*job[1:])
            except Exception as error:  # one film must not end the others
                if not side.error:
                    why = error.strerror if isinstance(error, OSError) else repr(error)
                    side.error = f"{side.path}: {why}"
                    self._errors.put((side.recording, side.error))
            if not isinstance(job, Side):
                with self._lock:
                    self._queued -= len(job[3])


class Side:
    """One film. `path` is written when the first key frame is whole."""

    def __init__(self, film: Film, name: str) -> None:
        self.film = film
        self.recording = film.recording
        self.path = str(Path(film.path).with_suffix(f".{name}.webm"))
        self.error = ""
        self.sound = False
        # in the process's thread
        self._source: Video | None = None
        self._ssrc = -1
        self._next = -1
        self._held: dict[int, tuple[int, int, bytes]] = {}
        self._held_at = 0.0
        self._frame = bytearray()
        self._stamp = -1
        self._whole = False
        self._wants_key = True
        self._asked_at = -_ASK_S
        self._anchors: dict[int, tuple[int, float, int]] = {}
        """By track: SSRC, arrival and timestamp that the others are counted from."""
        self._begun_ms = -1
        # in the writer's
        self._webm: Webm | None = None
        self._file = -1
        self._at = 0
        self._has_sound = False

    # -- in the process's thread ---------------------------------------------------------------

    def video(
        self, source: Video, second: int, sequence: int, timestamp: int, payload: bytes, now: float
    ) -> None:
        """A packet of VP8, in any order."""
        if self.film.paused:
            self._next = -1
            self._held.clear()
            self.lose()
            return
        if source is not self._source or source.source_ssrc != self._ssrc:
            self._source, self._ssrc = source, source.source_ssrc
            self._next = sequence
            self._held.clear()
            self.lose()
        ahead = (sequence - self._next) & 0xFFFF
        if self._next < 0 or _FAR < ahead < 0x10000 - _FAR:
            self._next = sequence
            self._held.clear()
            self.lose()
        elif ahead >= 0x8000:
            return  # it comes too late
        if not self._held:
            self._held_at = now
        self._held[sequence] = (second, timestamp, payload)
        self._take(now)
        if self._held and (len(self._held) > _HELD or now - self._held_at > _HELD_S):
            # What is missing does not come any more.
            start = self._next
            self._next = min(self._held, key=lambda each: (each - start) & 0xFFFF)
            self.lose()
            self._take(now)
        if self._wants_key and now - self._asked_at >= _ASK_S:
            self._asked_at = now
            source.ask_key_frame(now)

    def lose(self) -> None:
        """What came of a frame is worth nothing; wait for a key frame."""
        self._frame.clear()
        self._whole = False
        self._wants_key = True

    def _take(self, now: float) -> None:
        while (found := self._held.pop(self._next, None)) is not None:
            self._next = (self._next + 1) & 0xFFFF
            self._held_at = now
            self._packet(*found, now)

    def _packet(self, second: int, timestamp: int, payload: bytes, now: float) -> None:
        part = depayload(payload)
        if part is None:
            return  # padding
        begins, data = part
        if begins:
            if self._frame and self._whole and timestamp != self._stamp:
                self.lose()  # the frame before had no end
            if timestamp != self._stamp or not self._frame:
                self._frame.clear()
                self._whole = True
        elif timestamp != self._stamp:
            self.lose()
        self._stamp = timestamp
        if not self._whole:
            return
        self._frame += data
        if len(self._frame) > _MAX_FRAME:
            self.lose()
            return
        if second & 0x80:
            frame = bytes(self._frame)
            self._frame.clear()
            self._framed(frame, timestamp, now)

    def _framed(self, frame: bytes, timestamp: int, now: float) -> None:
        # RFC 7741 section 4.3: a key frame has its bit cleared, and a start code.
        key = not frame[0] & 1 and len(frame) >= 10 and frame[3:6] == b"\x9d\x01\x2a"
        if self._wants_key and not key:
            return
        if key:
            self._wants_key = False
        self._add(_VIDEO, self._ssrc, timestamp, frame, now, key=key)

    def heard(self, ssrc: int, timestamp: int, payload: bytes, now: float) -> None:
        """A packet of Opus, in order. Before the first picture there is no film."""
        self.sound = True
        if not self.film.paused and self._begun_ms >= 0:
            self._add(_SOUND, ssrc, timestamp, payload, now, key=True)

    def _add(
        self, track: int, ssrc: int, timestamp: int, payload: bytes, now: float, *, key: bool
    ) -> None:
        known, at, first = self._anchors.get(track, (-1, 0.0, 0))
        moved = (timestamp - first + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        when = at + moved / _CLOCKS[track]
        if known != ssrc or abs(when - now) > _DRIFT_S:
            self._anchors[track] = (ssrc, now, timestamp)
            when = now
        at_ms = round((when - self.film.began_at) * 1000)
        if self._begun_ms < 0:
            self._begun_ms = max(0, at_ms)
        added = self.film.writer.add(
            *(self, track, max(0, at_ms - self._begun_ms), payload), key=key
        )
        if not added and track == _VIDEO:
            self.lose()

    # -- in the writer's -----------------------------------------------------------------------

    def write(self, track: int, at_ms: int, payload: bytes, key: bool) -> None:
        """Write a frame."""
        webm = self._webm
        if webm is None:
            width = int.from_bytes(payload[6:8], "little") & 0x3FFF
            height = int.from_bytes(payload[8:10], "little") & 0x3FFF
            self._has_sound = self.sound  # once: it may change while the head is written
            webm = Webm(width, height, sound=self._has_sound, start_ms=self._begun_ms)
            self._webm = webm
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._file = os.open(self.path, flags, 0o640)
            self._append(webm.head)
        if track == _VIDEO or self._has_sound:
            self._append(webm.add(track, at_ms, payload, key=key))

    def _append(self, data: bytes) -> None:
        self._put(data, self._at)
        self._at += len(data)

    def _put(self, data: bytes, at: int) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self._file, view, at)
            view, at = view[count:], at + count

    def finish(self) -> None:
        """End the file."""
        webm, self._webm = self._webm, None
        if webm is None:
            return
        try:
            if not self.error:
                self._append(webm.flush())
                end, heads = webm.tail()
                self._append(end)
                for at, data in heads:
                    self._put(data, at)
        finally:
            os.close(self._file)


class Film:
    """The video of one recording."""

    def __init__(self, writer: Writer, recording: str, path: str, now: float) -> None:
        self.writer = writer
        self.recording = recording
        self.path = path
        self.began_at = now
        self.paused = False
        self.customer = Side(self, "customer")
        self.agent = Side(self, "agent")

    def pause(self, *, paused: bool) -> None:
        """Leave out, or take in again from the next key frame on."""
        self.paused = paused
        for side in (self.customer, self.agent):
            side.lose()

    def close(self) -> None:
        """End both files."""
        for side in (self.customer, self.agent):
            self.writer.close(side)

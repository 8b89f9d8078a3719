"""Stereo recordings: left what the leg sends, right what it is sent, in true time.

A channel puts each packet where its RTP timestamp says, counted from an anchor: the arrival of the
first packet of its stream. So jitter does not show, lost packets leave silence of their length, and
both channels share one time. Where timestamp and arrival part by more than `DRIFT_S` (a new source,
a sender whose clock stood still) the anchor moves.

Each second the part that is `SETTLE_S` old is interleaved and handed to a thread that writes it and
the header, so a stalled disk stalls no packet and a killed worker leaves a file that plays.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cicswitch.media.wav import HEADER_SIZE, RATE_HZ, header
from cicswitch.rtp.g711 import Law

__all__ = ["Recording", "Writer"]

SETTLE_S = 0.25
DRIFT_S = 0.2
AHEAD_S = 0.06
MAX_FILE_BYTES = 4 << 30
Entries = list[tuple[float, int, int, bytes]]


class Channel:
    """One side. Chunks lie at absolute sample positions from the recording's start."""

    __slots__ = ("_anchor_at", "_anchor_timestamp", "_key", "chunks")

    def __init__(self) -> None:
        self._key: int | None = None
        self._anchor_at = 0
        self._anchor_timestamp = 0
        self.chunks: list[tuple[int, NDArray[np.int16]]] = []

    def add(self, entries: Entries, law: Law, started_at: float) -> None:
        """Place packets (arrival, timestamp, SSRC, payload)."""
        run: list[bytes] = []
        run_at = expected = 0
        key, anchor_at, anchor_timestamp = self._key, self._anchor_at, self._anchor_timestamp
        drift, ahead = int(DRIFT_S * RATE_HZ), int(AHEAD_S * RATE_HZ)
        decoder = law.decoder
        for arrival, timestamp, ssrc, payload in entries:
            arrived = int((arrival - started_at) * RATE_HZ)
            at = anchor_at + ((timestamp - anchor_timestamp + 0x8000_0000) & 0xFFFF_FFFF)
            at -= 0x8000_0000
            if ssrc != key or not -ahead <= arrived - at <= drift:
                # A stream of ours that follows another goes on where that one ended.
                near = run and 0 <= expected - arrived + ahead <= 2 * ahead
                at = expected if near else arrived
                key, anchor_at, anchor_timestamp = ssrc, at, timestamp
            if not run or at != expected:
                if run:
                    codes = np.frombuffer(b"".join(run), np.uint8)
                    self.chunks.append((run_at, decoder[codes]))
                    run = []
                run_at = at
            run.append(payload)
            expected = at + len(payload)
        if run:
            codes = np.frombuffer(b"".join(run), np.uint8)
            self.chunks.append((run_at, decoder[codes]))
        self._key, self._anchor_at, self._anchor_timestamp = key, anchor_at, anchor_timestamp

    def fill(self, target: NDArray[np.int16], first: int) -> None:
        """Copy into `target` (its sample 0 is at `first`) and keep what lies behind it."""
        end = first + len(target)
        kept: list[tuple[int, NDArray[np.int16]]] = []
        for at, samples in self.chunks:
            stop = at + len(samples)
            low, high = max(at, first), min(stop, end)
            if low < high:
                target[low - first : high - first] = samples[low - at : high - at]
            if stop > end:
                kept.append((at, samples) if at >= end else (end, samples[end - at :]))
        self.chunks = kept


class Recording:
    """One recording of one leg. The engine feeds it, the writer thread owns the file."""

    __slots__ = (
        "_written",
        "error",
        "file",
        "file_bytes",
        "left",
        "path",
        "paused",
        "played",
        "recording_id",
        "right",
        "started_at",
    )

    def __init__(self, recording_id: str, path: str, now: float) -> None:
        self.recording_id = recording_id
        self.path = path
        self.started_at = now
        self.left = Channel()
        self.right = Channel()
        self.played: Entries = []
        """What the player sent to the leg, not yet placed."""
        self.paused = False
        self._written = 0
        """Samples handed to the writer."""
        self.error = ""
        self.file: int | None = None
        self.file_bytes = 0

    def sent_by_leg(self, entries: Entries, law: Law) -> None:
        """Left channel."""
        if not self.paused:
            self.left.add(entries, law, self.started_at)

    def sent_to_leg(self, entries: Entries, law: Law) -> None:
        """Right channel."""
        if not self.paused:
            self.right.add(entries, law, self.started_at)

    def place_played(self, law: Law) -> None:
        """Right channel, from the player."""
        if self.played:
            self.sent_to_leg(self.played, law)
            self.played = []

    def take(self, until: float) -> bytes:
        """Interleaved PCM16 up to this time, from where the last call ended."""
        end = int((until - self.started_at) * RATE_HZ)
        if end <= self._written:
            return b""
        block = np.zeros((end - self._written, 2), np.int16)
        self.left.fill(block[:, 0], self._written)
        self.right.fill(block[:, 1], self._written)
        self._written = end
        return block.tobytes()

    @property
    def duration_ms(self) -> int:
        """Length in the file when all is written."""
        return self._written * 1000 // RATE_HZ


class Writer:
    """The thread that writes. Its results come back by `drain`, called from the engine."""

    def __init__(self, *, fsync: bool = False) -> None:
        self._jobs: queue.SimpleQueue[tuple[Recording, bytes, bool] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[Recording, bool]] = queue.SimpleQueue()
        self._fsync = fsync
        self._runner: threading.Thread | None = None

    def open(self, recording: Recording) -> None:
        """Create the file, with the header of an empty recording, on the thread."""
        if self._runner is None:
            self._runner = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._runner.start()
        self._jobs.put((recording, b"", False))

    def write(self, recording: Recording, data: bytes, *, close: bool = False) -> None:
        """Append, and close where told."""
        self._jobs.put((recording, data, close))

    def drain(self, done: Callable[[Recording, bool], None]) -> None:
        """Hand each result over: (recording, closed). Not closed means that it failed."""
        while not self._results.empty():
            done(*self._results.get())

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        if self._runner is not None:
            self._jobs.put(None)
            self._runner.join(timeout=10)
            self._runner = None

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            recording, data, close = job
            failed = bool(recording.error)
            try:
                if not failed:
                    self._write(recording, data)
            except OSError as error:
                recording.error = f"{recording.path}: {error.strerror}"
            if (close or recording.error) and recording.file is not None:
                try:
                    if self._fsync:
                        os.fsync(recording.file)
                    os.close(recording.file)
                except OSError as error:
                    recording.error = recording.error or f"{recording.path}: {error.strerror}"
                recording.file = None
            if close or (recording.error and not failed):
                self._results.put((recording, close))

    @staticmethod
    def _write(recording: Recording, data: bytes) -> None:
        if recording.file is None:
            path = Path(recording.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            recording.file = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640
            )
        at = HEADER_SIZE + recording.file_bytes
        if at + len(data) >= MAX_FILE_BYTES:
            raise OSError(27, "a WAV file holds at most 4 GiB")
        view = memoryview(data)
        while view:
            count = os.pwrite(recording.file, view, at)
            view = view[count:]
            at += count
        # The data first: a header never promises what is not there.
        recording.file_bytes += len(data)
        os.pwrite(recording.file, header(recording.file_bytes), 0)

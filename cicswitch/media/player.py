"""Prompts, music, tones and digits towards a leg: one packet each 20 ms.

The legs are spread over four phases 5 ms apart, so that 500 callers on hold are no burst that
relayed packets wait behind. Time is that of `time.monotonic`; a late tick is caught up, a very late
one skipped with its time, so that the audio ends when it should.

Music may go out in longer packets (`MediaSettings.music_ptime_ms`): the kernel's work for a packet
is most of what a waiting caller costs, and RFC 3551 section 4.2 has every receiver accept up to
200 ms. Prompts and digits stay at 20 ms, because a caller may cut them short.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.media.sources import FRAME, Track
from cicswitch.ports import MediaSource
from cicswitch.rtp import dtmf, g711, tones

if TYPE_CHECKING:
    from cicswitch.media.leg import Leg

__all__ = ["Digits", "Play", "Player"]

PHASES = 4
PERIOD_S = 0.02
STEP_S = PERIOD_S / PHASES
MAX_CATCH_UP = 5
PAUSE_FRAMES = 3
"""60 ms between digits (ITU-T Q.24 asks for 40 ms at least)."""
_HEADER = struct.Struct("!BBHII")
_Frame = tuple[int, bool, bytes]
"""Payload type (-1: the codec's), marker, payload."""


class Play:
    """What a leg plays: tracks in order, from a position."""

    __slots__ = (
        "address",
        "codec",
        "index",
        "loop",
        "payload_type",
        "plain",
        "play_id",
        "position",
        "samples",
        "sources",
        "started",
        "tracks",
        "wait",
    )

    def __init__(
        self,
        play_id: str,
        sources: list[MediaSource],
        codec: str,
        tracks: list[Track],
        *,
        loop: bool,
        samples: int = FRAME,
    ) -> None:
        self.play_id = play_id
        self.sources = sources
        self.codec = codec
        """What `tracks` are encoded in."""
        self.tracks = tracks
        self.loop = loop
        self.index = 0
        self.position = 0
        self.started = False
        self.plain = False
        """The next frame needs only numbers and audio: nothing has changed since the last one."""
        self.payload_type = 0
        self.address: tuple[str, int] | None = None
        """Where `plain` packets go while the leg's socket is not connected."""
        self.samples = samples
        """In a packet, whole frames of 20 ms; at the end of a track there may be fewer."""
        self.wait = 0
        """Ticks until the next packet."""

    def next(self) -> bytes | None:
        """The audio of the next packet, None at the end."""
        track = self.tracks[self.index]
        start = self.position
        if start >= track.size:
            start = 0
            if not track.endless:
                self.index += 1
                if self.index == len(self.tracks):
                    if not self.loop:
                        self.index = 0
                        return None
                    self.index = 0
                track = self.tracks[self.index]
        self.position = start + self.samples
        return track.data[start : start + self.samples]


class Digits:
    """Digits on their way to a leg, as events or as tones; one entry each 20 ms."""

    __slots__ = ("event_timestamp", "frames", "started")

    def __init__(self) -> None:
        self.frames: deque[_Frame | None] = deque()
        self.event_timestamp = 0
        self.started = False

    def add(self, digits: str, duration_ms: int, event_type: int | None, law: g711.Law) -> None:
        """Queue digits; None in the queue is 20 ms of pause."""
        for digit in digits:
            if event_type is not None:
                for marker, _, payload in dtmf.event_frames(digit, 8 * duration_ms):
                    self.frames.append((event_type, marker, payload))
            else:
                samples = tones.dtmf_tone(digit, max(2, round(duration_ms / 20)) * FRAME)
                audio = g711.encode(samples, law)
                for at in range(0, len(audio), FRAME):
                    self.frames.append((-1, at == 0, audio[at : at + FRAME]))
            self.frames.extend([None] * PAUSE_FRAMES)


class Player:
    """Ticks the legs that play or send digits."""

    def __init__(self, finished: Callable[[Leg, Play], None], idle: Callable[[Leg], None]) -> None:
        self._finished = finished
        self._idle = idle
        """Called when digits are out and nothing else plays."""
        self._phases: list[dict[int, Leg]] = [{} for _ in range(PHASES)]
        self._turn = 0
        self._due = 0.0
        self.active = 0

    def add(self, leg: Leg, now: float) -> None:
        """Tick this leg from now on. Idempotent."""
        phase = self._phases[leg.number % PHASES]
        if leg.number not in phase:
            phase[leg.number] = leg
            if not self.active:
                self._due = now
            self.active += 1

    def remove(self, leg: Leg) -> None:
        """Tick it no more. Idempotent."""
        if self._phases[leg.number % PHASES].pop(leg.number, None) is not None:
            self.active -= 1

    def due(self) -> float | None:
        """When `tick` wants to be called."""
        return self._due if self.active else None

    def tick(self, now: float) -> None:
        """Send what is due."""
        turns = 0
        pack = _HEADER.pack
        while self._due <= now and self.active:
            phase = self._phases[self._turn]
            self._turn = (self._turn + 1) % PHASES
            self._due += STEP_S
            turns += 1
            late = now - self._due > MAX_CATCH_UP * PERIOD_S
            for leg in list(phase.values()):
                digits = leg.digits
                play = leg.play
                if play is not None and play.wait and digits is None:
                    play.wait -= 1
                    continue
                if play is not None and play.plain and not late:
                    # As _send_frame does it; 500 callers on hold are 25,000 of these a second.
                    track = play.tracks[play.index]
                    start = play.position
                    if start < track.size:
                        payload = track.data[start : start + play.samples]
                        size = len(payload)
                        play.position = start + size
                        play.wait = size // FRAME - 1
                        output = leg.output
                        output.sequence = sequence = (output.sequence + 1) & 0xFFFF
                        timestamp = (output.timestamp + output.length) & 0xFFFF_FFFF
                        output.timestamp = timestamp
                        output.length = size
                        output.last_at = now
                        output.sent += 1
                        output.octets += size
                        packet = pack(0x80, play.payload_type, sequence, timestamp, output.ssrc)
                        address = play.address
                        try:
                            if address is None:
                                leg.slot.rtp.send(packet + payload)
                            else:
                                leg.slot.rtp.sendto(packet + payload, address)
                        except OSError:
                            leg.engine.send_errors += 1
                        continue
                if digits is not None:
                    self._send_digit(leg, digits, now)
                elif play is not None:
                    self._send_frame(leg, play, now, mute=late)
                else:
                    self.remove(leg)
            if turns > 1000:
                self._due = now

    def _send_frame(self, leg: Leg, play: Play, now: float, *, mute: bool) -> None:
        payload = play.next()
        if payload is None:
            self.remove(leg)
            self._finished(leg, play)
            return
        if not leg.may_send:
            return
        output = leg.output
        params = leg.params
        assert params is not None
        size = len(payload)
        play.wait = size // FRAME - 1
        second = params.payload_type
        if not play.started:
            play.started = True
            leg.spliced = None
            output.begin(now)
            second |= 0x80
        elif mute:
            output.skip(size)
            return
        sequence, timestamp = output.next(now, size)
        leg.transmit(_HEADER.pack(0x80, second, sequence, timestamp, output.ssrc) + payload)
        output.sent += 1
        output.octets += size
        recording = leg.recording
        if recording is not None:
            recording.played.append((now, timestamp, -1, payload))
        elif second < 0x80 and leg.digits is None:
            play.payload_type = second
            play.address = None if leg.slot.connected else leg.address
            play.plain = True

    def _send_digit(self, leg: Leg, digits: Digits, now: float) -> None:
        output = leg.output
        params = leg.params
        if not digits.started:
            digits.started = True
            leg.spliced = None
            output.begin(now)
        entry = digits.frames.popleft() if digits.frames else None
        if entry is None:
            output.skip(FRAME)
            output.last_at = now
        elif params is not None and leg.may_send:
            payload_type, marker, payload = entry
            sequence, timestamp = output.next(now)
            recording = leg.recording
            if payload_type < 0:
                payload_type = params.payload_type
                if recording is not None:
                    recording.played.append((now, timestamp, -1, payload))
            else:
                if marker:
                    digits.event_timestamp = timestamp
                timestamp = digits.event_timestamp
            leg.transmit(
                _HEADER.pack(0x80, marker << 7 | payload_type, sequence, timestamp, output.ssrc)
                + payload
            )
            output.sent += 1
            output.octets += len(payload)
        if not digits.frames:
            leg.digits = None
            if leg.play is None:
                self.remove(leg)
            else:
                leg.play.started = False
            self._idle(leg)

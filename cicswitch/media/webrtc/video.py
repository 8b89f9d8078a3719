"""A browser's video: passed on to other browsers as it came, spliced into one stream for each.

The far end sees one SSRC with continuous sequence numbers and timestamps, whoever is behind it,
so a transfer is a picture that goes on with the next key frame. What the far end asks for
(RFC 4585, RFC 5104) is answered here or asked of the one who can:

    NACK         the last `_HISTORY` packets are kept and sent again
    PLI, FIR     the sender is asked for a key frame, once in `_KEY_FRAME_S`
    REMB         the slowest of those who are shown a video sets its rate
    a gap        what a browser's packets leave out is asked for, `_TRIES` times

Header extensions concern one hop only and are left out; both browsers then estimate the rate by
timestamps.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cicswitch.rtp.packet import HEADER, RtpError, payload_span

if TYPE_CHECKING:
    from cicswitch.media.webrtc.peer import Peer

__all__ = ["Video"]

_CLOCK_HZ: Final = 90_000
_HISTORY: Final = 1024
"""A second or two of packets, so that a lost one can be sent again."""
_KEY_FRAME_S: Final = 0.5
_TRIES: Final = 3
_AGAIN_S: Final = 0.06
_GAP: Final = 64
"""A gap that is wider is no loss to be mended: a key frame is asked for."""
_FEEDBACK: Final = struct.Struct("!BBHII")
_NACK: Final = struct.Struct("!HH")
_REPORTS: Final = {200: 28, 201: 8}
"""Sender and receiver reports, and where their first block is (RFC 3550 section 6.4)."""
_NO_LIMIT: Final = 1 << 62
_RTPFB: Final = 205
_PSFB: Final = 206


def key_frame_request(sender: int, media: int) -> bytes:
    """Picture loss indication (RFC 4585 section 6.3.1)."""
    return _FEEDBACK.pack(0x81, _PSFB, 2, sender, media)


def nack(sender: int, media: int, lost: list[int]) -> bytes:
    """Generic NACK (RFC 4585 section 6.2.1) for sequence numbers that grow."""
    items: list[bytes] = []
    at = 0
    while at < len(lost):
        first, mask = lost[at], 0
        at += 1
        while at < len(lost) and 0 < (distance := (lost[at] - first) & 0xFFFF) <= 16:
            mask |= 1 << (distance - 1)
            at += 1
        items.append(_NACK.pack(first, mask))
    return _FEEDBACK.pack(0x81, _RTPFB, 2 + len(items), sender, media) + b"".join(items)


class Video:
    """The video of one peer, both ways."""

    __slots__ = (
        "_asked_at",
        "_carried",
        "_highest",
        "_history",
        "_last_at",
        "_missing",
        "_offset",
        "_sequence",
        "_stamp_offset",
        "_timestamp",
        "payload_type",
        "peer",
        "rate",
        "source",
        "source_ssrc",
        "ssrc",
        "still_at",
        "viewers",
    )

    def __init__(self, peer: Peer, payload_type: int) -> None:
        self.peer = peer
        self.payload_type = payload_type
        self.source: Video | None = None
        """Whose video it is sent."""
        self.viewers: list[Video] = []
        """Who is sent its video."""
        self.rate = _NO_LIMIT
        """What its browser takes, in bits a second."""
        # what the browser sends
        self.source_ssrc = 0
        self._highest = -1
        self._missing: dict[int, tuple[int, float]] = {}
        """Sequence number -> times asked for, when next."""
        self._asked_at = -1.0
        # what the browser is sent
        self.ssrc = secrets.randbits(32)
        self._carried: Video | None = None
        self._sequence = secrets.randbits(15)
        self._timestamp = secrets.randbits(31)
        self._offset = self._stamp_offset = 0
        self._last_at = 0.0
        self._history: dict[int, bytes] = {}
        self.still_at = 0.0
        """When the next picture of our own is due, where nobody is shown."""

    # -- who is shown whom ---------------------------------------------------------------------

    def watch(self, source: Video | None, now: float) -> None:
        """Be sent another's video, from its next key frame on."""
        if source is self.source:
            return
        if self.source is not None:
            self.source.viewers.remove(self)
            self.source.limit()
        self.source = source
        self.still_at = now + _KEY_FRAME_S
        self.rate = _NO_LIMIT
        if source is not None:
            source.viewers.append(self)
            source.ask_key_frame(now)

    def leave(self) -> None:
        """Watch nobody, and be watched by nobody."""
        self.watch(None, 0.0)
        for viewer in list(self.viewers):
            viewer.watch(None, 0.0)

    def limit(self) -> None:
        """Tell the browser what the slowest of those takes who are shown it."""
        rate = min((viewer.rate for viewer in self.viewers), default=_NO_LIMIT)
        if rate >= _NO_LIMIT or not self.source_ssrc:
            return
        # draft-alvestrand-rmcat-remb-03: 6 bits of exponent, 18 of mantissa, bits a second.
        exponent = max(0, rate.bit_length() - 18)
        words = exponent << 18 | rate >> exponent
        head = _FEEDBACK.pack(0x8F, _PSFB, 5, self.ssrc, 0)
        body = b"REMB\x01" + words.to_bytes(3, "big") + struct.pack("!I", self.source_ssrc)
        self.peer.send_rtcp(head + body)

    # -- from the browser ----------------------------------------------------------------------

    def received(self, packet: bytes, now: float) -> None:
        """A packet of its video, decrypted."""
        try:
            start, end = payload_span(packet, len(packet))
        except RtpError:
            return
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        fresh = ssrc != self.source_ssrc
        if fresh:
            self.source_ssrc = ssrc
            self._highest = -1
            self._missing.clear()
        self._watch(sequence, now)
        payload = packet[start:end]
        if self.peer.film is not None:
            self.peer.film.customer.video(self, second, sequence, timestamp, payload, now)
        for viewer in self.viewers:
            if viewer.peer.film is not None:
                viewer.peer.film.agent.video(self, second, sequence, timestamp, payload, now)
            viewer.carry(self, second, sequence, timestamp, payload, now, fresh=fresh)

    def _watch(self, sequence: int, now: float) -> None:
        """Ask for what is missing."""
        if self._highest < 0:
            self._highest = sequence
            return
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead == 1:
            self._highest = sequence
        elif 0 < ahead < 0x8000:
            if ahead > _GAP:
                self._missing.clear()
                self.ask_key_frame(now)
            else:
                for lost in range(1, ahead):
                    self._missing[(self._highest + lost) & 0xFFFF] = (0, now)
            self._highest = sequence
        else:
            self._missing.pop(sequence, None)
        if self._missing:
            self.mend(now)

    def mend(self, now: float) -> None:
        """Ask for packets that are missing and due; give up those asked for often enough."""
        lost: list[int] = []
        for sequence, (tries, due) in list(self._missing.items()):
            if now < due:
                continue
            if tries >= _TRIES:
                del self._missing[sequence]
                self.ask_key_frame(now)
                continue
            self._missing[sequence] = (tries + 1, now + _AGAIN_S)
            lost.append(sequence)
        if lost:
            self.peer.send_rtcp(nack(self.ssrc, self.source_ssrc, lost))

    def ask_key_frame(self, now: float) -> None:
        """Ask the browser for a key frame, unless it was asked a moment ago."""
        if self.source_ssrc and now - self._asked_at >= _KEY_FRAME_S:
            self._asked_at = now
            self.peer.send_rtcp(key_frame_request(self.ssrc, self.source_ssrc))

    # -- to the browser ------------------------------------------------------------------------

    def carry(
        self,
        source: Video,
        second: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
        *,
        fresh: bool,
    ) -> None:
        """Send a packet of another's video as part of our stream."""
        if fresh or self._carried is not source:
            self._carried = source
            self._offset = (self._sequence + 1 - sequence) & 0xFFFF
            passed = max(1, round((now - self._last_at) * _CLOCK_HZ)) if self._last_at else 0
            self._stamp_offset = (self._timestamp + passed - timestamp) & 0xFFFF_FFFF
        sequence = (sequence + self._offset) & 0xFFFF
        timestamp = (timestamp + self._stamp_offset) & 0xFFFF_FFFF
        self.emit(second & 0x80, sequence, timestamp, payload, now)

    def emit(self, marker: int, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        """Send one packet of our stream and keep it for a while."""
        # A packet of padding alone stays one: its sequence number must not be missing.
        first, payload = (0x80, payload) if payload else (0xA0, b"\x01")
        head = HEADER.pack(first, marker | self.payload_type, sequence, timestamp, self.ssrc)
        packet = head + payload
        if (sequence - self._sequence) & 0xFFFF < 0x8000:
            self._sequence = sequence
            self._timestamp = timestamp
            self._last_at = now
        history = self._history
        history[sequence % _HISTORY] = packet
        self.peer.send(packet)

    def show(self, payloads: Sequence[bytes], now: float) -> None:
        """Send a picture of our own: one frame, which follows what was sent before."""
        self._carried = None
        passed = max(1, round((now - self._last_at) * _CLOCK_HZ)) if self._last_at else 0
        timestamp = (self._timestamp + passed) & 0xFFFF_FFFF
        for number, payload in enumerate(payloads, 1):
            marker = 0x80 if number == len(payloads) else 0
            self.emit(marker, (self._sequence + 1) & 0xFFFF, timestamp, payload, now)

    def again(self, sequence: int) -> None:
        """Send a packet again that the browser has missed."""
        packet = self._history.get(sequence % _HISTORY)
        if packet is not None and HEADER.unpack_from(packet)[2] == sequence:
            self.peer.send(packet)

    # -- what the browser says of our stream, and of its own -----------------------------------

    def feedback(self, data: bytes, now: float) -> bool:
        """Take a compound packet; False if it is about the audio."""
        ours = self._concerns(data)
        at = 0
        while at + 12 <= len(data):
            first, kind, words = struct.unpack_from("!BBH", data, at)
            end = at + 4 * (words + 1)
            if end > len(data):
                break
            if kind in (_RTPFB, _PSFB) and end - at >= 12:
                self._one(kind, first & 31, data[at:end], now)
            at = end
        return ours

    def _concerns(self, data: bytes) -> bool:
        """Whether a report is about video: by who sends it, else by its first block."""
        kind = data[1]
        if kind not in _REPORTS:
            return True
        blocks = _REPORTS[kind]
        if len(data) < 8:
            return False
        if self.source_ssrc and struct.unpack_from("!I", data, 4)[0] == self.source_ssrc:
            return True
        if not data[0] & 31 or len(data) < blocks + 4:
            return False
        about: int = struct.unpack_from("!I", data, blocks)[0]
        return about == self.ssrc

    def _one(self, kind: int, form: int, data: bytes, now: float) -> None:
        (media,) = struct.unpack_from("!I", data, 8)
        if kind == _RTPFB and form == 1 and media == self.ssrc:
            for at in range(12, len(data) - 3, 4):
                first, mask = _NACK.unpack_from(data, at)
                self.again(first)
                for bit in range(16):
                    if mask >> bit & 1:
                        self.again((first + bit + 1) & 0xFFFF)
        elif kind == _PSFB and form in (1, 4):
            if self.source is not None:
                self.source.ask_key_frame(now)
            else:
                self.still_at = min(self.still_at, self._last_at + _KEY_FRAME_S)
        elif kind == _PSFB and form == 15 and data[12:16] == b"REMB" and len(data) >= 20:
            words = int.from_bytes(data[17:20], "big")
            self.rate = (words & 0x3FFFF) << (words >> 18)
            if self.source is not None:
                self.source.limit()

"""A browser's Opus, both ways.

Its leg of the media plane speaks G.711, so the plane plays, mixes and records it as any other:

    browser ── Opus ──> decoded ── PCMU, type 0 ──> the leg's port
            <── Opus ── encoded <── PCMU, type 0 ── the leg's port

Where two browsers are bridged and the plane plays nothing to the one that hears, it tells us
(`wire.Relay`), and the packets of the one go to the other as they came: SSRC, sequence number and
timestamp are those of the other's stream, gaps stay gaps. Then nothing is decoded, unless `beside`
says that somebody wants the sound in the plane; what the plane then sends on to the other is left
out, but for telephone events, which always go by the plane. Whoever feeds the browser, it hears one
stream.

RTCP ends here, because the clocks differ and the plane does not hear what is passed on: reports to
the browser are made anew, in units of 48 kHz, of what came of it and went to it, and `figures` are
what the plane gives as the leg's. To the leg goes a receiver report each second while the browser
is heard, so that its timer does not run out while nothing is decoded.

The plane's stream has no gaps of its own: what is lost is made up, `transcode.CONCEALED` packets in
a row. Packets that come too late to be decoded, or are none, are dropped.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING, Final

from cicswitch.media.reports import Reports
from cicswitch.media.webrtc import wire
from cicswitch.media.webrtc.transcode import CONCEALED, Decoder, Encoder
from cicswitch.rtp import g711
from cicswitch.rtp.packet import HEADER, RtpError, payload_span
from cicswitch.rtp.rtcp import ReceiverReport, RtcpError, build_compound, parse_compound
from cicswitch.rtp.stream import InputStream, OutputStream

if TYPE_CHECKING:
    from cicswitch.media.webrtc.peer import Peer

__all__ = ["Opus"]

_HZ: Final = 48_000
_RATIO: Final = 6
_FRAME: Final = 960
_REPORT_S: Final = 5.0
_ALIVE_S: Final = 1.0
_EVENTS: Final = 101
_MAX_SAMPLES: Final = 480
"""60 ms: what a packet of the plane may hold; `a=maxptime` says so to browsers."""
_EVENT: Final = struct.Struct("!BBH")


class Opus:
    """The sound of one peer. `output` counts timestamps of 48 kHz."""

    __slots__ = (
        "_alive_at",
        "_decoder",
        "_encoder",
        "_event_at",
        "_event_in",
        "_event_out_at",
        "_fed_by",
        "_frame",
        "_plane",
        "_plane_sequence",
        "_reports",
        "_shift",
        "_stamp",
        "_stamp_in",
        "_total",
        "beside",
        "events",
        "events_hz",
        "input",
        "malformed",
        "output",
        "payload_type",
        "peer",
        "source",
        "target",
    )

    def __init__(self, peer: Peer, remote: wire.Connect, now: float) -> None:
        self.peer = peer
        self.payload_type = remote.audio
        self.events = remote.events
        self.events_hz = remote.events_hz
        self.target: Opus | None = None
        """Who is sent its packets as they are."""
        self.source: Opus | None = None
        """Whose packets it is sent as they are."""
        self.beside = False
        self.malformed = 0
        # from the browser
        self.input = InputStream()
        """In units of 8 kHz."""
        self._decoder: Decoder | None = None
        self._total = secrets.randbits(24) * _RATIO
        """The browser's time at 48 kHz, which wraps nowhere; the plane's is a sixth of it."""
        self._stamp_in = 0
        self._frame = 160
        """Samples of the packet before."""
        self._plane = secrets.randbits(32)
        self._plane_sequence = secrets.randbits(15)
        self._event_in = -1
        self._event_at = 0
        # to the browser
        self._encoder: Encoder | None = None
        self.output = OutputStream(secrets.randbits(32), secrets.randbits(15), secrets.randbits(31))
        self._event_out_at = 0
        self._fed_by: object = None
        self._shift = (0, 0)
        """What a source's sequence numbers and timestamps differ from ours by."""
        self._stamp = (-1, 0)
        """SSRC and sequence number of the plane's last packet."""
        self._reports = Reports(now + _REPORT_S * 0.2)
        self._alive_at = now

    def change(self, remote: wire.Connect) -> None:
        """Take payload types of a new agreement."""
        self.payload_type = remote.audio
        self.events, self.events_hz = remote.events, remote.events_hz

    def relay(self, target: Opus | None, *, beside: bool) -> None:
        """Pass packets to another's browser as they are, or to nobody."""
        self.beside = beside
        if self.target is not target:
            if self.target is not None:
                self.target.source = None
            self.target = target
            if target is not None:
                if target.source is not None:
                    target.source.target = None
                target.source = self

    def leave(self, now: float) -> None:
        """It ends: the last report, and nobody's source or target any more."""
        self.relay(None, beside=False)
        if self.source is not None:
            self.source.relay(None, beside=False)
        self._report(now, bye=True)

    # -- from the browser ----------------------------------------------------------------------

    def received(self, packet: bytes, now: float) -> None:
        """A packet that is not video."""
        try:
            start, end = payload_span(packet, len(packet))
        except RtpError:
            self.malformed += 1
            return
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        kind = second & 0x7F
        is_event = kind == self.events
        if (kind != self.payload_type and not is_event) or start == end:
            return
        payload = packet[start:end]
        source = self.input
        duplicates, reordered, before = source.duplicates, source.reordered, source.highest
        moved = (timestamp - self._stamp_in + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
        stamp = source.timestamp
        if not is_event:
            stamp = (self._total + moved) // _RATIO & 0xFFFF_FFFF
        fresh = source.receive(sequence, stamp, ssrc, now)
        if source.duplicates != duplicates:
            return
        if source.reordered != reordered:
            if not is_event:
                self._pass(second, sequence, timestamp, payload, now, fresh=False)
            return
        if is_event:
            self._event(payload, second & 0x80, timestamp)
            return
        if fresh:
            moved = _FRAME
            self._total -= self._total % _RATIO
        self._total += moved
        self._stamp_in = timestamp
        peer = self.peer
        if peer.film is not None:
            peer.film.customer.heard(ssrc, timestamp, payload, now)
        if peer.video is not None:
            for viewer in peer.video.viewers:
                if viewer.peer.film is not None:
                    viewer.peer.film.agent.heard(ssrc, timestamp, payload, now)
        passed = self._pass(second, sequence, timestamp, payload, now, fresh=fresh)
        if passed and not self.beside:
            self._decoder = None
            return
        missing = 0 if fresh else (source.highest - before) - 1
        self._decode(payload, second & 0x80, moved, missing)

    def _decode(self, payload: bytes, marker: int, moved: int, missing: int) -> None:
        decoder = self._decoder
        if decoder is None:
            decoder, missing, marker = Decoder(), 0, 0x80
            self._decoder = decoder
        # Silence that is not sent (DTX) moves the timestamp on as well: that is no loss.
        if 0 < missing <= CONCEALED and moved == (missing + 1) * self._frame * _RATIO:
            for number in range(missing, 0, -1):
                at = self._total // _RATIO - number * self._frame
                self._emit(0, at, g711.encode(decoder.conceal(self._frame), g711.ULAW))
        try:
            samples = decoder.decode(payload)
        except ValueError:
            self.malformed += 1
            return
        if 0 < len(samples) <= _MAX_SAMPLES:
            self._frame = len(samples)
            payload = g711.encode(samples, g711.ULAW)
            self._emit(marker, self._total // _RATIO, payload)

    def _emit(self, second: int, timestamp: int, payload: bytes) -> None:
        self._plane_sequence = (self._plane_sequence + 1) & 0xFFFF
        head = HEADER.pack(0x80, second, self._plane_sequence, timestamp & 0xFFFF_FFFF, self._plane)
        self.peer.worker.to_plane(head + payload, self.peer.rtp_to)

    def _event(self, payload: bytes, marker: int, timestamp: int) -> None:
        if len(payload) < 4:
            self.malformed += 1
            return
        if timestamp != self._event_in:
            self._event_in = timestamp
            self._event_at = max(self._event_at + 1, self._total // _RATIO + self._frame)
        code, flags, duration = _EVENT.unpack_from(payload)
        duration = duration * 8000 // self.events_hz
        self._emit(marker | _EVENTS, self._event_at, _EVENT.pack(code, flags, duration))

    def _pass(
        self, second: int, sequence: int, timestamp: int, payload: bytes, now: float, *, fresh: bool
    ) -> bool:
        if self.target is None:
            return False
        self.target.carry(self, second, sequence, timestamp, payload, now, fresh=fresh)
        return True

    # -- to the browser ------------------------------------------------------------------------

    def _splice(self, source: object, sequence: int, timestamp: int, now: float) -> None:
        output = self.output
        self._fed_by = source
        passed = _FRAME
        if output.last_at is not None:
            passed = max(_FRAME, _FRAME * round((now - output.last_at) * _HZ / _FRAME))
        self._shift = (
            (output.sequence + 1 - sequence) & 0xFFFF,
            (output.timestamp + passed - timestamp) & 0xFFFF_FFFF,
        )

    def carry(
        self,
        source: Opus,
        second: int,
        sequence: int,
        timestamp: int,
        payload: bytes,
        now: float,
        *,
        fresh: bool,
    ) -> None:
        """Send a packet of another browser as it is, as part of our stream."""
        if fresh or self._fed_by is not source:
            self._splice(source, sequence, timestamp, now)
            second |= 0x80
        sequence = (sequence + self._shift[0]) & 0xFFFF
        timestamp = (timestamp + self._shift[1]) & 0xFFFF_FFFF
        self._send(second & 0x80 | self.payload_type, sequence, timestamp, payload, now)

    def _send(self, second: int, sequence: int, timestamp: int, payload: bytes, now: float) -> None:
        output = self.output
        self.peer.send(HEADER.pack(0x80, second, sequence, timestamp, output.ssrc) + payload)
        output.relayed(sequence, timestamp, 1, len(payload), now)

    def from_plane(self, packet: bytes, now: float) -> None:
        """What the leg sends to the browser."""
        try:
            start, end = payload_span(packet, len(packet))
        except RtpError:
            return
        _, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
        is_event = second & 0x7F == _EVENTS
        if start == end or (self.source is not None and not is_event):
            return
        known, last = self._stamp
        ahead = (sequence - last) & 0xFFFF if ssrc == known else 1
        self._stamp = (ssrc, sequence)
        stamp = timestamp * _RATIO & 0xFFFF_FFFF
        if self._fed_by is not self:
            ahead = 1
            if not (is_event and self.source is not None):
                self._splice(self, 0, stamp, now)
                second |= 0x80
        elif ahead == 0 or ahead >= 0x8000:
            self._stamp = (ssrc, last)
            return  # too late to be encoded
        if ahead > CONCEALED * 10:
            ahead = 1
        if is_event:
            self._event_out(packet[start:end], second & 0x80, stamp, now)
            return
        if self._encoder is None:
            self._encoder = Encoder()
        if second & 0x80:
            self._encoder.restart()
        samples = g711.decode(packet[start:end], g711.ULAW)
        at = (self.output.sequence + ahead - 1) & 0xFFFF
        for begins, payload in self._encoder.encode(samples):
            at = (at + 1) & 0xFFFF
            when = (stamp + begins * _RATIO + self._shift[1]) & 0xFFFF_FFFF
            self._send(second & 0x80 | self.payload_type, at, when, payload, now)
            second &= 0x7F

    def _event_out(self, payload: bytes, marker: int, stamp: int, now: float) -> None:
        """A telephone event, which may come between the packets of another browser."""
        if self.events < 0 or len(payload) < 4:
            return
        code, flags, duration = _EVENT.unpack_from(payload)
        duration = min(0xFFFF, duration * self.events_hz // 8000)
        output = self.output
        sequence = (output.sequence + 1) & 0xFFFF
        if self.source is not None:
            # Its own packets go on behind these.
            self._shift = ((self._shift[0] + 1) & 0xFFFF, self._shift[1])
            if marker:
                self._event_out_at = output.timestamp
            timestamp = self._event_out_at
        else:
            timestamp = (stamp + self._shift[1]) & 0xFFFF_FFFF
        body = _EVENT.pack(code, flags, duration)
        self._send(marker | self.events, sequence, timestamp, body, now)

    # -- reports -------------------------------------------------------------------------------

    def feedback(self, data: bytes, now: float) -> None:
        """A compound of the browser's about sound."""
        try:
            compound = parse_compound(data)
        except RtcpError:
            self.malformed += 1
            return
        self._reports.take(compound, self.output.ssrc, now)

    def sweep(self, now: float) -> None:
        """Report to the browser, keep the leg alive."""
        if now >= self._reports.due:
            self._reports.due = now + _REPORT_S * (0.5 + secrets.randbelow(1001) / 1000)
            self._report(now)
        peer = self.peer
        if now - self._alive_at >= _ALIVE_S:
            if peer.heard_at > self._alive_at:
                report = build_compound(ReceiverReport(ssrc=self._plane), "browser")
                peer.worker.to_plane_rtcp(report, peer.rtcp_to)
            self._alive_at = now

    def _report(self, now: float, *, bye: bool = False) -> None:
        if self.input.started or self.output.sent:
            name = f"cicswitch-{self.peer.number}"
            data = self._reports.build(
                self.input, self.output, now, name, hz=_HZ, jitter_scale=_RATIO, bye=bye
            )
            self.peer.send_rtcp(data)

    def figures(self) -> wire.Sound:
        """What came and went since the leg began."""
        source, reports = self.input, self._reports
        rtt_ms = None if reports.rtt_s is None else round(reports.rtt_s * 1000, 3)
        return wire.Sound(
            self.peer.number,
            source.total,
            self.output.sent,
            source.lost,
            round(source.jitter / 8, 3),
            rtt_ms,
            reports.far_lost,
            None if reports.far_lost is None else reports.far_jitter / (_HZ // 1000),
        )

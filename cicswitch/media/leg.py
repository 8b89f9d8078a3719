"""One leg in the worker: where it is (latching), what it hears and says, a packet's slow path.

Latching. A leg begins unconnected, knowing the address of the far end's SDP, which behind NAT is
wrong. Its first valid packet (RTP version 2, an agreed payload type) makes its sender a candidate:
rank 3 the very address of the SDP, rank 2 its host, rank 1 any host. Rank 3 settles at once; below
it, whoever ranks higher within `latch_window_s` takes over. When settled the socket is connected,
so the kernel refuses third parties. It opens again only when the SDP names another address (the
old one cannot win it back) or when the far end has been silent for `REOPEN_S`, then for its own
host alone.

The fast path. `worker` relays a packet itself while the fields `fast_*` and `next_*` match it, and
calls `slow` for all others; `slow` arms the fast path when the next packet may take it, `disarm`
books what went that way and stops it. Whatever changes a leg or its partner disarms both first.
Where `_relay.c` is built it takes the packets of legs that are relayed or swallowed and nothing
else; `lane` says whether it does. The fields `fast_*` and `next_*` are the same then, except that
those of the next packet are behind until `book` has asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cicswitch.media.inlet import ROW, Inlet
from cicswitch.media.pool import Slot
from cicswitch.rtp import g711
from cicswitch.rtp.dtmf import DtmfReceiver
from cicswitch.rtp.packet import HEADER, RtpError, payload_span
from cicswitch.rtp.stream import CLOCK_HZ, InputStream, OutputStream

if TYPE_CHECKING:
    from cicswitch.media.engine import Engine
    from cicswitch.media.faxing import FaxLine
    from cicswitch.media.listener import Ear
    from cicswitch.media.mixer import Seat
    from cicswitch.media.player import Digits, Play
    from cicswitch.media.recorder import Recording
    from cicswitch.media.reports import Reports
    from cicswitch.media.wire import T38, Configure

__all__ = ["Leg", "TapeEntry"]

REOPEN_S: Final = 3.0
LAST_SEQUENCE: Final = 0xFFFF - 2000
LAST_TIMESTAMP: Final = 0xFFFF_FFFF - 2000 * 480
"""Near a wrap of any counter packets go the slow way, so the fast one needs no masks. It is left
every two seconds, far sooner than 2000 packets.
"""
TapeEntry = tuple[float, int, int, bytes]
"""Arrival, timestamp, SSRC, payload."""


def _sink(row: memoryview, size: int, timestamp: int, now: float) -> bool:
    return True


class Leg(Inlet):
    """A leg. Only the engine's thread touches it."""

    __slots__ = (
        "configured_at",
        "digits",
        "digits_in",
        "ear",
        "engine",
        "fast_mark",
        "fast_to",
        "fax",
        "heard_at",
        "home",
        "images",
        "input",
        "lane",
        "latching",
        "number",
        "output",
        "params",
        "partner",
        "peer",
        "play",
        "rank",
        "recording",
        "refused",
        "reports",
        "seat",
        "sequence_offset",
        "settle_at",
        "silence_told",
        "slot",
        "source",
        "spliced",
        "stray",
        "t38",
        "table",
        "tape",
        "tape_right",
        "timestamp_offset",
    )

    def __init__(self, engine: Engine, number: int, slot: Slot, output: OutputStream) -> None:
        super().__init__(self._receive_from)
        self.engine = engine
        self.number = number
        self.slot = slot
        self.params: Configure | None = None
        self.configured_at = 0.0
        self.input = InputStream()
        self.output = output
        self.digits_in = DtmfReceiver()
        self.reports: Reports | None = None
        self.stray = 0
        # latching
        self.latching = True
        self.peer: tuple[str, int] | None = None
        self.rank = 0
        self.settle_at = 0.0
        self.refused: tuple[str, int] | None = None
        self.home = ""
        """After silence: the only host that may take the leg, beside the SDP's."""
        self.source: tuple[Any, ...] = ("", 0)
        # who feeds it: digits before play before partner
        self.partner: Leg | None = None
        self.play: Play | None = None
        self.digits: Digits | None = None
        self.seat: Seat | None = None
        """Its place in a room, instead of a partner."""
        self.fax: FaxLine | None = None
        """A fax terminal, instead of all of them."""
        self.t38: T38 | None = None
        """What was agreed, while the leg speaks T.38 and no RTP."""
        self.images = 0
        """UDPTL packets that came."""
        self.spliced: Leg | None = None
        """Whose packets the output continues, by the offsets of that leg."""
        # who listens
        self.tape: list[TapeEntry] | None = None
        self.tape_right: Recording | None = None
        self.recording: Recording | None = None
        self.ear: Ear | None = None
        self.heard_at = 0.0
        self.silence_told = False
        # the fast path
        self.fast_mark = 0
        self.fast_to: Leg | None = None
        self.lane = -1
        """The file number by which the relay in C knows the leg while it is armed there."""
        self.table: bytes | None = None
        self.sequence_offset = 0
        self.timestamp_offset = 0

    def release(self) -> None:
        """Let go of what refers back to the leg: nobody looks for cycles in a worker."""
        self.spliced = self.fast_to = self.extra = self.fax = None
        self.recv_into = self.slot.rtp.recv_into

    # -- sending ---------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int] | None:
        """Where packets to the far end go, None where nowhere."""
        if self.peer is not None:
            return self.peer
        params = self.params
        if params is None or not params.port or params.host in ("", "0.0.0.0", "::"):
            return None
        return (params.host, params.port)

    @property
    def may_send(self) -> bool:
        """Whether packets may go to the far end now."""
        params = self.params
        return params is not None and params.send and self.address is not None

    def transmit(self, packet: bytes | bytearray | memoryview) -> None:
        """Send one packet; what the kernel reports is counted, never raised."""
        try:
            if self.slot.connected:
                self.slot.rtp.send(packet)
            else:
                address = self.address
                if address is not None:
                    self.slot.rtp.sendto(packet, address)
        except OSError:
            self.engine.send_errors += 1

    # -- latching --------------------------------------------------------------------------

    def _receive_from(self, row: memoryview) -> int:
        size, self.source = self.slot.rtp.recvfrom_into(row)
        return size

    def reopen(self, *, moved: bool) -> None:
        """Latch anew. `moved`: the SDP names another address, so the old one is refused; else the
        far end fell silent, and only its host may take over.
        """
        self.disarm()
        if self.partner is not None:
            self.partner.disarm()  # its packets go to a socket that is connected
        if self.play is not None:
            self.play.plain = False
        self.slot.disconnect()
        self.latching = True
        self.rank = 0
        if moved:
            self.refused, self.home, self.peer = self.peer, "", None
        else:
            self.refused, self.home = None, self.peer[0] if self.peer else ""
        self.recv_into = self._receive_from

    def _latch(self, now: float) -> bool:
        """Whether the packet from `source` is the far end's."""
        params = self.params
        assert params is not None
        source = (self.source[0], self.source[1])
        if source == (params.host, params.port):
            rank = 3
        elif source == self.refused:
            return False
        elif source[0] == params.host or source[0] == self.home:
            rank = 2
        elif self.engine.latch_any and not self.home:
            rank = 1
        else:
            return False
        if rank > self.rank:
            if self.rank:
                self.input = InputStream()
            else:
                self.settle_at = now + self.engine.settings.latch_window_s
            self.rank = rank
            self.peer = source
            if self.play is not None:
                self.play.plain = False
        elif source != self.peer:
            return False
        if rank == 3 or now >= self.settle_at:
            self._settle_on(source, now)
        return True

    def _settle_on(self, source: tuple[str, int], now: float) -> None:
        try:
            self.slot.connect(source)
        except OSError:
            self.engine.send_errors += 1
            return
        self.latching = False
        self.refused = None
        self.home = ""
        if self.play is not None:
            self.play.plain = False
        self.recv_into = self.slot.rtp.recv_into
        # What others had queued before the kernel began to refuse them is still there to be read.
        row = memoryview(bytearray(ROW))
        for _ in range(64):
            try:
                size, origin = self.slot.rtp.recvfrom_into(row)
            except OSError:
                break
            if (origin[0], origin[1]) == source:
                self.engine.later.append((self, bytes(row[:size])))
            else:
                self.stray += 1

    # -- receiving -------------------------------------------------------------------------

    def slow(self, row: memoryview, size: int, now: float) -> None:
        """Take any packet: check it, count it, pass it on, arm the fast path."""
        params = self.params
        self.slot.used = True
        if params is None or size >= ROW:
            self.stray += 1
            return
        if self.t38 is not None:
            self._image(bytes(row[:size]), now)
            return
        try:
            start, end = payload_span(row, size)
        except RtpError:
            self.stray += 1
            return
        first, second, sequence, timestamp, ssrc = HEADER.unpack_from(row)
        payload_type = second & 0x7F
        is_event = payload_type == params.dtmf_payload_type
        if self.latching and (not (is_event or payload_type == params.payload_type)):
            self.stray += 1
            return
        if self.latching and not self._latch(now):
            self.stray += 1
            return
        self.disarm(now)
        source = self.input
        elapsed = now - self.heard_at
        self.heard_at = now
        moved = (timestamp - source.timestamp) & 0xFFFF_FFFF
        duplicates = source.duplicates
        fresh = source.receive(sequence, timestamp, ssrc, now)
        if source.duplicates != duplicates:
            return
        if not (is_event or payload_type == params.payload_type):
            self.engine.unknown_payloads += 1  # comfort noise, a codec nobody agreed to
            return
        if start != 12 or end != size:
            # A header extension, CSRCs or padding concern this hop only.
            payload = bytes(row[start:end])
            size = 12 + len(payload)
            row[12:size] = payload
            first = 0x80
        if moved < 0x8000_0000 and abs(moved - elapsed * CLOCK_HZ) > CLOCK_HZ:
            fresh = True  # the same SSRC, but its clock jumped
        partner = self.partner
        if is_event:
            for event in self.digits_in.receive(row[12:size], timestamp, now):
                self.engine.digit(self, event.digit, event.duration // 8, in_band=False)
            if partner is not None and partner.params is not None and params.receive:
                event_type = partner.params.dtmf_payload_type
                if event_type is not None:
                    self._pass(partner, row, size, second & 0x80 | event_type, fresh=fresh, now=now)
            return
        if not params.receive or size == 12:
            return
        tape = self.tape
        if tape is not None:
            tape.append((now, timestamp, ssrc, bytes(row[12:size])))
        if self.seat is not None:
            self.seat.buffer.put(timestamp, bytes(row[12:size]), fresh=fresh)
        if self.fax is not None:
            self.fax.heard(timestamp, bytes(row[12:size]), fresh=fresh, now=now)
        sent = False
        if partner is not None and partner.params is not None:
            table = self.table = g711.translation(params.codec, partner.params.codec)
            if table is not None:
                row[12:size] = bytes(row[12:size]).translate(table)
            head = second & 0x80 | partner.params.payload_type
            sent = self._pass(partner, row, size, head, fresh=fresh, now=now)
        if first == 0x80 and not self.latching:
            self._arm(partner if sent else None, sequence, timestamp, ssrc, size)

    @property
    def _listened(self) -> bool:
        """Whether somebody here needs what the leg says."""
        return self.tape is not None or self.seat is not None or self.fax is not None

    def _image(self, data: bytes, now: float) -> None:
        """Take a datagram while T.38 is spoken: for the terminal here, or as it is for the partner
        that speaks it too.
        """
        if len(data) > 12 and data[0] & 0xC0 == 0x80:
            ssrc = HEADER.unpack_from(data)[4]
            if self.input.started and ssrc == self.input.ssrc:
                self.stray += 1  # sound that was on its way
                return
        fax, partner = self.fax, self.partner
        if len(data) < 4 or (self.latching and not self._latch(now)):
            self.stray += 1
            return
        self.heard_at = now
        self.images += 1
        if fax is not None:
            if not fax.datagram(data, now):
                self.stray += 1
        elif partner is not None and partner.t38 is not None and partner.address is not None:
            partner.transmit(data)
            partner.output.sent += 1

    def _pass(
        self, to: Leg, row: memoryview, size: int, second: int, *, fresh: bool, now: float
    ) -> bool:
        """Send a packet on to the partner as part of its output stream."""
        if to.play is not None or to.digits is not None or not to.may_send:
            return False
        _, _, sequence, timestamp, _ = HEADER.unpack_from(row)
        output = to.output
        if fresh or to.spliced is not self:
            self.sequence_offset, self.timestamp_offset = output.splice(sequence, timestamp, now)
            to.spliced = self
            second |= 0x80
        sequence = (sequence + self.sequence_offset) & 0xFFFF
        timestamp = (timestamp + self.timestamp_offset) & 0xFFFF_FFFF
        HEADER.pack_into(row, 0, 0x80, second, sequence, timestamp, output.ssrc)
        to.transmit(row[:size])
        output.relayed(sequence, timestamp, 1, size - 12, now)
        return True

    # -- the fast path ---------------------------------------------------------------------

    def _arm(self, to: Leg | None, sequence: int, timestamp: int, ssrc: int, size: int) -> None:
        """Let the packet that follows this one take the fast path, or be swallowed by it."""
        if sequence != self.input.highest & 0xFFFF:
            return
        assert self.params is not None
        following = (sequence + 1) & 0xFFFF
        after = (timestamp + size - 12) & 0xFFFF_FFFF
        if following > LAST_SEQUENCE or after > LAST_TIMESTAMP:
            return
        word = 0x8000_0000 | self.params.payload_type << 16 | following
        if to is not None:
            if not to.slot.connected:
                return
            assert to.params is not None
            out_sequence = (following + self.sequence_offset) & 0xFFFF
            out_timestamp = (after + self.timestamp_offset) & 0xFFFF_FFFF
            if out_sequence > LAST_SEQUENCE or out_timestamp > LAST_TIMESTAMP:
                return
            out_word = 0x8000_0000 | to.params.payload_type << 16 | out_sequence
            self.word_shift = out_word - word
            self.timestamp_shift = out_timestamp - after
            self.out_ssrc = to.output.ssrc
            self.out_send = to.slot.rtp.send
            self.cut = self.engine.rows.cuts(size)
            plain = self.tape is None and self.table is None
            self.extra = None if plain else self._extra
        else:
            self.extra = self._extra if self._listened else _sink
        self.fast_to = to
        self.fast_ssrc = ssrc
        self.fast_size = size
        self.fast_mark = self.next_word = word
        self.next_timestamp = after
        relay = self.engine.relay
        if relay is not None and not self._listened and (to is None or self.table is None):
            lane = self.slot.rtp.fileno()
            if to is None:
                relay.arm(lane, word, after, ssrc, size, 0, 0, 0, -1)
            else:
                relay.arm(
                    lane,
                    word,
                    after,
                    ssrc,
                    size,
                    self.word_shift,
                    self.timestamp_shift,
                    self.out_ssrc,
                    to.slot.rtp.fileno(),
                )
            self.lane = lane

    def _extra(self, row: memoryview, size: int, timestamp: int, now: float) -> bool:
        """Record, mix, transcode; True: the packet goes no further."""
        tape = self.tape
        if tape is not None:
            tape.append((now, timestamp, self.fast_ssrc, bytes(row[12:size])))
        if self.seat is not None:
            self.seat.buffer.put(timestamp, bytes(row[12:size]))
        if self.fax is not None:
            self.fax.heard(timestamp, bytes(row[12:size]), fresh=False, now=now)
        if self.fast_to is None:
            return True
        if self.table is not None:
            row[12:size] = bytes(row[12:size]).translate(self.table)
        return False

    def book(self, now: float) -> int:
        """Count what took the fast path since it was armed or booked; the number of packets."""
        if self.lane >= 0:
            assert self.engine.relay is not None
            self.next_word, self.next_timestamp = self.engine.relay.reached(self.lane)
        count = self.next_word - self.fast_mark
        if self.next_word < 0 or not count:
            return 0
        self.fast_mark = self.next_word
        payload = self.fast_size - 12
        timestamp = self.next_timestamp - payload
        self.input.advance(count, timestamp)
        self.heard_at = now
        if self.fast_to is not None:
            self.fast_to.output.relayed(
                (self.next_word - 1 + self.word_shift) & 0xFFFF,
                (timestamp + self.timestamp_shift) & 0xFFFF_FFFF,
                count,
                count * payload,
                now,
            )
        return count

    def disarm(self, now: float | None = None) -> None:
        """Book, and send the next packet through `slow`."""
        if self.next_word >= 0:
            self.book(self.engine.now if now is None else now)
            self.next_word = -1
            if self.lane >= 0:
                assert self.engine.relay is not None
                self.engine.relay.disarm(self.lane)
                self.lane = -1

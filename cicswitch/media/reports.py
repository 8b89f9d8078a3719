"""RTCP of a leg: a report each few seconds, what the far end reports, a goodbye at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cicswitch.rtp.rtcp import (
    Bye,
    Compound,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    SenderReport,
    build_compound,
    ntp_middle,
    ntp_time,
    parse_compound,
    round_trip_s,
)
from cicswitch.rtp.stream import CLOCK_HZ, InputStream, OutputStream

if TYPE_CHECKING:
    from cicswitch.media.leg import Leg

__all__ = ["Reports"]


class Reports:
    """RTCP state of one leg."""

    __slots__ = (
        "due",
        "expected_before",
        "far_jitter",
        "far_lost",
        "heard_at",
        "last_sr",
        "last_sr_at",
        "peer",
        "received_before",
        "rtt_s",
        "sent_before",
        "ssrc_before",
    )

    def __init__(self, due: float) -> None:
        self.due = due
        self.peer: tuple[str, int] | None = None
        """Where its reports come from, where that is not the port after its RTP port."""
        self.heard_at = 0.0
        self.rtt_s: float | None = None
        self.far_lost: int | None = None
        """What the far end reports of what it is sent: packets lost so far, jitter in its units."""
        self.far_jitter = 0
        self.last_sr = 0
        self.last_sr_at = 0.0
        self.expected_before = 0
        self.received_before = 0
        self.sent_before = 0
        self.ssrc_before = -1

    def receive(self, leg: Leg, data: memoryview, source: tuple[str, int], now: float) -> bool:
        """Take a compound from the far end; False where it is none of his, or none at all."""
        address = leg.address
        if address is None or source[0] != address[0]:
            return False
        try:
            compound = parse_compound(data)
        except RtcpError:
            return False
        self.peer = source
        self.heard_at = now
        self.take(compound, leg.output.ssrc, now)
        return True

    def take(self, compound: Compound, ours: int, now: float) -> None:
        """What the far end reports; `ours` is the SSRC that it is sent."""
        wall = ntp_middle(ntp_time(time.time()))
        for report in compound.reports:
            if isinstance(report, SenderReport):
                self.last_sr = ntp_middle(report.ntp)
                self.last_sr_at = now
            for block in report.blocks:
                if block.ssrc == ours:
                    self.far_lost = max(0, block.packets_lost)
                    self.far_jitter = block.jitter
                    rtt_s = round_trip_s(wall, block)
                    if rtt_s is not None:
                        self.rtt_s = rtt_s

    def send(self, leg: Leg, now: float, cname: str, *, bye: bool = False) -> None:
        """Send a report to the far end, if its address is known."""
        to = self.peer
        if to is None:
            address = leg.address
            if address is None or address[1] >= 65535:
                return
            to = (address[0], address[1] + 1)
        data = self.build(leg.input, leg.output, now, cname, bye=bye)
        try:
            leg.slot.rtcp.sendto(data, to)
        except OSError:
            leg.engine.send_errors += 1

    def build(
        self,
        source: InputStream,
        output: OutputStream,
        now: float,
        cname: str,
        *,
        hz: int = CLOCK_HZ,
        jitter_scale: int = 1,
        bye: bool = False,
    ) -> bytes:
        """A compound about what came and what went. `hz` is the clock of the timestamps that went,
        `jitter_scale` what their units are in those of `source`.
        """
        blocks = self._blocks(source, now, jitter_scale)
        report: SenderReport | ReceiverReport
        if output.sent > self.sent_before and output.last_at is not None:
            elapsed = round((now - output.last_at) * hz)
            report = SenderReport(
                ssrc=output.ssrc,
                ntp=ntp_time(time.time()),
                rtp_timestamp=(output.timestamp + elapsed) & 0xFFFF_FFFF,
                packets=output.sent,
                octets=output.octets,
                blocks=blocks,
            )
        else:
            report = ReceiverReport(ssrc=output.ssrc, blocks=blocks)
        self.sent_before = output.sent
        goodbye = Bye(ssrcs=(output.ssrc,)) if bye else None
        return build_compound(report, cname, bye=goodbye)

    def _blocks(
        self, source: InputStream, now: float, jitter_scale: int
    ) -> tuple[ReportBlock, ...]:
        if not source.started:
            return ()
        if source.ssrc != self.ssrc_before or source.received < self.received_before:
            self.ssrc_before = source.ssrc
            self.expected_before = self.received_before = 0
        expected = source.expected - self.expected_before
        received = source.received - self.received_before
        self.expected_before, self.received_before = source.expected, source.received
        lost = expected - received
        fraction = max(0, min(255, lost * 256 // expected)) if expected > 0 else 0
        delay = round((now - self.last_sr_at) * 65536) if self.last_sr else 0
        return (
            ReportBlock(
                ssrc=source.ssrc,
                fraction_lost=fraction,
                packets_lost=source.expected - source.received,
                highest_sequence=source.highest,
                jitter=int(source.jitter * jitter_scale),
                last_sr=self.last_sr,
                delay_since_last_sr=delay,
            ),
        )

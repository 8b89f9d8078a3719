"""RTCP: sender and receiver reports, source descriptions, goodbyes (RFC 3550 section 6).

A compound packet begins with a report. Unknown packet types in it are skipped, a packet that is
cut short makes the whole compound invalid (`RtcpError`), as appendix A.2 checks it.
"""

from __future__ import annotations

import struct

import msgspec

from cicswitch.core.errors import ProtocolError
from cicswitch.rtp.packet import Buffer

__all__ = [
    "Bye",
    "Compound",
    "ReceiverReport",
    "ReportBlock",
    "RtcpError",
    "SenderReport",
    "build_compound",
    "ntp_middle",
    "ntp_time",
    "parse_compound",
    "round_trip_s",
]

SR, RR, SDES, BYE = 200, 201, 202, 203
CNAME = 1
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""

_BLOCK = struct.Struct("!IIIIII")
_SENDER = struct.Struct("!IIIIII")


class RtcpError(ProtocolError):
    """Bytes that are not a valid RTCP compound."""


class ReportBlock(msgspec.Struct, frozen=True, kw_only=True):
    """What the reporter heard of one source (section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """In 1/256 since the last report."""
    packets_lost: int
    """Cumulative, signed 24 bits: duplicates can make it negative."""
    highest_sequence: int
    jitter: int
    """In timestamp units."""
    last_sr: int = 0
    delay_since_last_sr: int = 0
    """In 1/65536 s."""


class SenderReport(msgspec.Struct, frozen=True, kw_only=True):
    """SR: what its sender has sent, and what it heard."""

    ssrc: int
    ntp: int
    """64-bit NTP time, seconds since 1900 in the upper half."""
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()


class ReceiverReport(msgspec.Struct, frozen=True, kw_only=True):
    """RR: what one who sends nothing heard."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


class Bye(msgspec.Struct, frozen=True, kw_only=True):
    """BYE: these sources are no longer active."""

    ssrcs: tuple[int, ...]
    reason: str = ""


class Compound(msgspec.Struct, frozen=True, kw_only=True):
    """One compound packet. `cnames` holds the CNAME of each source described."""

    reports: tuple[SenderReport | ReceiverReport, ...] = ()
    cnames: dict[int, str] = {}
    bye: Bye | None = None


def ntp_time(unix_s: float) -> int:
    """A wall clock time as 64-bit NTP time."""
    return int((unix_s + NTP_EPOCH) * 4_294_967_296) & 0xFFFF_FFFF_FFFF_FFFF


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits, as LSR and the round trip use them, in 1/65536 s."""
    return ntp >> 16 & 0xFFFF_FFFF


def round_trip_s(arrival: int, block: ReportBlock) -> float | None:
    """Round trip from a report block that arrived at `arrival` (middle 32 bits of NTP time).

    Section 6.4.1: A - LSR - DLSR. None without a sender report to refer to, or for nonsense.
    """
    if not block.last_sr:
        return None
    units = (arrival - block.last_sr - block.delay_since_last_sr) & 0xFFFF_FFFF
    # Clocks of 1/65536 s may put a loopback's round trip just below zero.
    if units > 0xFFFF_FF00:
        return 0.0
    return units / 65536 if units < 65536 * 60 else None


def _pack_blocks(blocks: tuple[ReportBlock, ...]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            (block.fraction_lost & 0xFF) << 24
            | (max(-0x80_0000, min(0x7F_FFFF, block.packets_lost)) & 0xFF_FFFF),
            block.highest_sequence & 0xFFFF_FFFF,
            block.jitter & 0xFFFF_FFFF,
            block.last_sr & 0xFFFF_FFFF,
            block.delay_since_last_sr & 0xFFFF_FFFF,
        )
        for block in blocks
    )


def _packet(count: int, kind: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _padded(body: bytes) -> bytes:
    return body + bytes(-len(body) % 4)


def build_compound(
    report: SenderReport | ReceiverReport, cname: str, *, bye: Bye | None = None
) -> bytes:
    """A compound of one report, the CNAME of its SSRC and a goodbye where given.

    Section 6.1: "All RTCP packets MUST be sent in a compound packet of at least two individual
    packets", a report first, and "an SDES packet containing a CNAME item MUST be included".
    """
    blocks = _pack_blocks(report.blocks)
    if isinstance(report, SenderReport):
        sender = _SENDER.pack(
            report.ssrc,
            report.ntp >> 32,
            report.ntp & 0xFFFF_FFFF,
            report.rtp_timestamp,
            report.packets & 0xFFFF_FFFF,
            report.octets & 0xFFFF_FFFF,
        )
        first = _packet(len(report.blocks), SR, sender + blocks)
    else:
        first = _packet(len(report.blocks), RR, struct.pack("!I", report.ssrc) + blocks)
    name = cname.encode()[:255]
    # Section 6.5: the list of items "MUST be terminated by one or more null octets".
    items = struct.pack("!IBB", report.ssrc, CNAME, len(name)) + name + b"\0"
    data = first + _packet(1, SDES, _padded(items))
    if bye is not None:
        body = struct.pack(f"!{len(bye.ssrcs)}I", *bye.ssrcs)
        if bye.reason:
            text = bye.reason.encode()[:255]
            body += _padded(bytes([len(text)]) + text)
        data += _packet(len(bye.ssrcs), BYE, body)
    return data


def _blocks(body: Buffer, at: int, count: int) -> tuple[ReportBlock, ...]:
    if len(body) < at + count * _BLOCK.size:
        raise RtcpError(f"{count} report blocks do not fit")
    blocks = []
    for index in range(count):
        ssrc, lost, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(body, at + index * _BLOCK.size)
        cumulative = lost & 0xFF_FFFF
        if cumulative & 0x80_0000:
            cumulative -= 0x100_0000
        blocks.append(
            ReportBlock(
                ssrc=ssrc,
                fraction_lost=lost >> 24,
                packets_lost=cumulative,
                highest_sequence=highest,
                jitter=jitter,
                last_sr=lsr,
                delay_since_last_sr=dlsr,
            )
        )
    return tuple(blocks)


def _cnames(body: Buffer, count: int) -> dict[int, str]:
    names: dict[int, str] = {}
    at = 0
    for _ in range(count):
        if len(body) < at + 4:
            raise RtcpError("a source description is cut short")
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        while True:
            if at >= len(body):
                raise RtcpError("a source description does not end")
            kind = body[at]
            if kind == 0:
                at += 4 - at % 4
                break
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise RtcpError("a source description item is cut short")
            end = at + 2 + body[at + 1]
            if kind == CNAME:
                names[ssrc] = bytes(body[at + 2 : end]).decode("utf-8", "replace")
            at = end
    return names


def _bye(body: Buffer, count: int) -> Bye:
    if len(body) < 4 * count:
        raise RtcpError(f"{count} sources do not fit a goodbye")
    reason = ""
    if len(body) > 4 * count:
        start = 4 * count + 1
        end = start + body[start - 1]
        if end > len(body):
            raise RtcpError("the reason of a goodbye is cut short")
        reason = bytes(body[start:end]).decode("utf-8", "replace")
    return Bye(ssrcs=struct.unpack_from(f"!{count}I", body), reason=reason)


def parse_compound(data: Buffer) -> Compound:
    """Read a compound packet. Raises `RtcpError`."""
    if not data:
        raise RtcpError("an empty RTCP packet")
    reports: list[SenderReport | ReceiverReport] = []
    cnames: dict[int, str] = {}
    bye: Bye | None = None
    at = 0
    while at < len(data):
        if len(data) < at + 4:
            raise RtcpError("an RTCP header is cut short")
        first, kind, words = struct.unpack_from("!BBH", data, at)
        if first >> 6 != 2:
            raise RtcpError(f"RTCP version 2 expected, found {first >> 6}")
        if at == 0 and kind not in (SR, RR):
            raise RtcpError(f"a compound begins with a report, not with type {kind}")
        end = at + 4 + 4 * words
        if end > len(data):
            raise RtcpError("an RTCP packet is longer than what came")
        body = data[at + 4 : end]
        if first & 0x20:
            # Section 6.4.1: padding "should be added only to the last packet" of a compound.
            if end != len(data) or not body or not 0 < body[-1] <= len(body):
                raise RtcpError("wrong padding")
            body = body[: -body[-1]]
        count = first & 0x1F
        if kind == SR:
            if len(body) < _SENDER.size:
                raise RtcpError("a sender report is cut short")
            ssrc, high, low, timestamp, packets, octets = _SENDER.unpack_from(body)
            reports.append(
                SenderReport(
                    ssrc=ssrc,
                    ntp=high << 32 | low,
                    rtp_timestamp=timestamp,
                    packets=packets,
                    octets=octets,
                    blocks=_blocks(body, _SENDER.size, count),
                )
            )
        elif kind == RR:
            if len(body) < 4:
                raise RtcpError("a receiver report is cut short")
            ssrc = int.from_bytes(body[:4], "big")
            reports.append(ReceiverReport(ssrc=ssrc, blocks=_blocks(body, 4, count)))
        elif kind == SDES:
            cnames.update(_cnames(body, count))
        elif kind == BYE:
            bye = _bye(body, count)
        at = end
    return Compound(reports=tuple(reports), cnames=cnames, bye=bye)

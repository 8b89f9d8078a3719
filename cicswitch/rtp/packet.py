"""The RTP fixed header, its CSRC list, extension and padding (RFC 3550 section 5).

RtpError(ProtocolError)    the bytes are not RTP of version 2, or are cut short
"""

from __future__ import annotations

import struct

import msgspec

from cicswitch.core.errors import ProtocolError

__all__ = ["HEADER", "HEADER_SIZE", "RtpError", "RtpPacket", "build_rtp", "is_rtcp", "parse_rtp"]

HEADER = struct.Struct("!BBHII")
HEADER_SIZE = HEADER.size
VERSION = 2

Buffer = bytes | bytearray | memoryview


class RtpError(ProtocolError):
    """A packet that breaks RFC 3550."""


class RtpPacket(msgspec.Struct, frozen=True, kw_only=True):
    """One RTP packet. `extension` is the profile's 16 bits and the words that follow."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None


def is_rtcp(data: Buffer) -> bool:
    """Whether a packet on a shared port is RTCP (RFC 5761 section 4: types 192 to 223)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def payload_span(data: Buffer, size: int) -> tuple[int, int]:
    """Where the payload of the first `size` bytes begins and ends. Raises `RtpError`."""
    if size < HEADER_SIZE:
        raise RtpError(f"an RTP packet has at least {HEADER_SIZE} bytes, this one {size}")
    first = data[0]
    if first >> 6 != VERSION:
        raise RtpError(f"RTP version 2 expected, found {first >> 6}")
    start = HEADER_SIZE + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            raise RtpError("the header extension is cut short")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        # Section 5.1: "The last octet of the padding contains a count of how many padding octets
        # should be ignored, including itself."
        padding = data[size - 1]
        if padding == 0:
            raise RtpError("the padding count is 0")
        end -= padding
    if end < start:
        raise RtpError("header and padding are longer than the packet")
    return start, end


def parse_rtp(data: Buffer) -> RtpPacket:
    """Read one packet. Raises `RtpError`."""
    size = len(data)
    start, end = payload_span(data, size)
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    count = first & 0x0F
    extension = None
    if first & 0x10:
        at = HEADER_SIZE + 4 * count
        extension = (int.from_bytes(data[at : at + 2], "big"), bytes(data[at + 4 : start]))
    return RtpPacket(
        payload_type=second & 0x7F,
        marker=second >= 0x80,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        csrcs=struct.unpack_from(f"!{count}I", data, HEADER_SIZE),
        extension=extension,
        payload=bytes(data[start:end]),
    )


def build_rtp(packet: RtpPacket, *, padding: int = 0) -> bytes:
    """Write one packet, with so many octets of padding (0 to 255).

    Raises `ValueError` for what the format cannot hold.
    """
    if len(packet.csrcs) > 15:
        raise ValueError("at most 15 CSRCs")
    first = VERSION << 6 | len(packet.csrcs)
    head = struct.pack(f"!{len(packet.csrcs)}I", *packet.csrcs)
    if packet.extension is not None:
        profile, words = packet.extension
        if len(words) % 4:
            raise ValueError("an extension is made of whole 32-bit words")
        first |= 0x10
        head += struct.pack("!HH", profile, len(words) // 4) + words
    tail = b""
    if padding:
        first |= 0x20
        tail = bytes(padding - 1) + bytes([padding])
    fixed = HEADER.pack(
        first,
        packet.marker << 7 | packet.payload_type,
        packet.sequence,
        packet.timestamp,
        packet.ssrc,
    )
    return fixed + head + packet.payload + tail

"""RTP and RTCP on the wire."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.rtp.packet import RtpError, RtpPacket, build_rtp, is_rtcp, parse_rtp
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

WORD = st.integers(0, 0xFFFF_FFFF)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=WORD,
    ssrc=WORD,
    payload=st.binary(max_size=200),
    marker=st.booleans(),
    csrcs=st.lists(WORD, max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(
        st.integers(0, 0xFFFF), st.binary(max_size=5).map(lambda data: data + bytes(-len(data) % 4))
    ),
)
blocks = st.builds(
    ReportBlock,
    ssrc=WORD,
    fraction_lost=st.integers(0, 255),
    packets_lost=st.integers(-0x80_0000, 0x7F_FFFF),
    highest_sequence=WORD,
    jitter=WORD,
    last_sr=WORD,
    delay_since_last_sr=WORD,
)
reports = st.builds(
    ReceiverReport, ssrc=WORD, blocks=st.lists(blocks, max_size=3).map(tuple)
) | st.builds(
    SenderReport,
    ssrc=WORD,
    ntp=st.integers(0, 0xFFFF_FFFF_FFFF_FFFF),
    rtp_timestamp=WORD,
    packets=WORD,
    octets=WORD,
    blocks=st.lists(blocks, max_size=3).map(tuple),
)


def test_golden_rtp_header() -> None:
    packet = RtpPacket(
        payload_type=8,
        sequence=0x1234,
        timestamp=0xA0,
        ssrc=0xDEADBEEF,
        payload=b"\xd5",
        marker=True,
    )
    assert build_rtp(packet).hex() == "80881234000000a0deadbeefd5"


@given(packets, st.integers(0, 255))
def test_what_is_built_is_parsed_again(packet: RtpPacket, padding: int) -> None:
    assert parse_rtp(build_rtp(packet, padding=padding)) == packet


@given(st.binary(max_size=80))
def test_any_bytes_are_rtp_or_an_rtp_error(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        parse_rtp(data)


@given(packets, st.data())
def test_a_cut_packet_is_rtp_or_an_rtp_error(packet: RtpPacket, data: st.DataObject) -> None:
    wire = build_rtp(packet, padding=4)
    with contextlib.suppress(RtpError):
        parse_rtp(wire[: data.draw(st.integers(0, len(wire)))])


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        ("80080001", "at least 12"),
        ("40080001000000a000000001", "version 2"),
        ("90080001000000a000000001", "extension is cut"),
        ("a0080001000000a00000000100", "padding count is 0"),
        ("a0080001000000a00000000109", "longer than the packet"),
        ("81080001000000a000000001", "longer than the packet"),
    ],
)
def test_what_is_wrong_with_a_packet_is_said(wire: str, words: str) -> None:
    with pytest.raises(RtpError, match=words):
        parse_rtp(bytes.fromhex(wire))


def test_rtcp_is_told_from_rtp() -> None:
    assert is_rtcp(build_compound(ReceiverReport(ssrc=1), "x"))
    assert not is_rtcp(
        build_rtp(
            RtpPacket(payload_type=0, sequence=0, timestamp=0, ssrc=0, payload=b"", marker=True)
        )
    )


@given(reports, st.text(max_size=20), st.none() | st.lists(WORD, min_size=1, max_size=3))
def test_a_compound_is_parsed_again(
    report: SenderReport | ReceiverReport, cname: str, left: list[int] | None
) -> None:
    bye = Bye(ssrcs=tuple(left), reason="end") if left else None
    wire = build_compound(report, cname, bye=bye)
    assert len(wire) % 4 == 0
    assert parse_compound(wire) == Compound(reports=(report,), cnames={report.ssrc: cname}, bye=bye)


@given(st.binary(max_size=120))
def test_any_bytes_are_rtcp_or_an_rtcp_error(data: bytes) -> None:
    with contextlib.suppress(RtcpError):
        parse_compound(data)


@given(reports, st.data())
def test_a_damaged_compound_is_rtcp_or_an_rtcp_error(
    report: SenderReport | ReceiverReport, data: st.DataObject
) -> None:
    wire = bytearray(build_compound(report, "name", bye=Bye(ssrcs=(1,), reason="x")))
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RtcpError):
        parse_compound(bytes(wire[: data.draw(st.integers(0, len(wire)))]))


def test_round_trip_is_what_lies_between_report_and_answer() -> None:
    sent = ntp_middle(ntp_time(1_700_000_000.0))
    block = ReportBlock(
        ssrc=1, fraction_lost=0, packets_lost=0, highest_sequence=0, jitter=0,
        last_sr=sent, delay_since_last_sr=65536 // 4,
    )  # fmt: skip
    arrival = ntp_middle(ntp_time(1_700_000_000.35))
    rtt_s = round_trip_s(arrival, block)
    assert rtt_s == pytest.approx(0.1, abs=0.001)

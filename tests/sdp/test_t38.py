"""T.38 in SDP: offers, answers, and the many ways in which far ends write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.sdp import Local, Origin, SdpError
from cicswitch.sdp.model import T38
from cicswitch.sdp.t38 import accept_t38_answer, answer_t38, make_t38_offer, t38_of

HEAD = "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
IMAGE = "m=image 4006 udptl t38\r\n"
FULL = IMAGE + (
    "a=T38FaxVersion:3\r\na=T38MaxBitRate:33600\r\na=T38FaxFillBitRemoval\r\n"
    "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:262\r\n"
    "a=T38FaxMaxDatagram:176\r\na=T38FaxUdpEC:t38UDPFEC\r\n"
)


def local() -> Local:
    return Local("10.0.0.1", 40000, Origin("77"))


def test_the_golden_offer() -> None:
    assert make_t38_offer(local()) == (
        b"v=0\r\no=- 77 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
        b"m=image 40000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
        b"a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:2000\r\n"
        b"a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
    )


def test_an_answer_says_what_both_can() -> None:
    audio = "m=audio 4004 RTP/AVP 0\r\n"
    text, agreed = answer_t38((HEAD + audio + FULL).encode(), local())
    assert agreed == T38("192.0.2.1", 4006, 0, 14400, "transferredTCF", "fec", 262, 176)
    body = text.decode()
    assert "m=audio 0 RTP/AVP 0\r\nm=image 40000 udptl t38\r\n" in body
    assert "a=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n" in body
    assert "a=T38FaxUdpEC:t38UDPFEC\r\n" in body
    assert "a=T38FaxMaxDatagram:400\r\n" in body
    again, _ = answer_t38(text, Local("192.0.2.9", 9, Origin("5")))
    assert b"m=audio 0 RTP/AVP 0\r\nm=image 9 udptl t38\r\n" in again
    assert accept_t38_answer((HEAD + FULL).encode()) == agreed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("m=audio 4004 RTP/AVP 0\r\n", 488),
        ("m=image 0 udptl t38\r\n", 488),
        ("m=image 4006 tcp t38\r\n", 488),
        ("m=image 4006 udptl t37\r\n", 488),
        (IMAGE + "a=T38FaxRateManagement:localTCF\r\n", 488),
        ("m=image 70000 udptl t38\r\n", 400),
    ],
)
def test_what_is_no_t38_is_refused(body: str, status: int) -> None:
    for take in (lambda data: answer_t38(data, local()), accept_t38_answer):
        with pytest.raises(SdpError) as failure:
            take((HEAD + body).encode())
        assert failure.value.status == status
    without = (HEAD + IMAGE).replace("c=IN IP4 192.0.2.1\r\n", "").encode()
    with pytest.raises(SdpError, match="no c= line"):
        t38_of(without)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=t38faxudpec:T38UDPREDUNDANCY", {"recovery": "redundancy"}),
        ("a=T38FaxUdpEC:t38UDPNoEC", {"recovery": "none"}),
        ("a=T38MaxBitRate:99999999999", {"max_bit_rate": 14400}),
        ("a=T38MaxBitRate: 9600", {"max_bit_rate": 9600}),
        ("a=T38FaxMaxDatagram:-1", {"max_datagram": 400}),
        ("a=T38FaxVersion:x", {"version": 0}),
        ("a=T38FaxTranscodingMMR:0", {}),
    ],
)
def test_attributes_are_read_as_they_are_written(line: str, expected: dict[str, object]) -> None:
    found = t38_of((HEAD + IMAGE.upper().replace("M=IMAGE", "m=image") + line + "\r\n").encode())
    assert found is not None
    assert (found.host, found.port) == ("192.0.2.1", 4006)
    for name, value in expected.items():
        assert getattr(found, name) == value


@given(lines=st.lists(st.text(max_size=40), max_size=40))
def test_any_attributes_are_read_or_refused(lines: list[str]) -> None:
    body = HEAD + IMAGE + "".join(f"a=T38{line}\r\n" for line in lines)
    try:
        _, agreed = answer_t38(body.encode(), local())
    except SdpError:
        return
    assert 2400 <= agreed.max_bit_rate <= 14400
    assert agreed.recovery in ("none", "redundancy", "fec")

"""Offers, answers and what they agree on (RFC 3264)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cicswitch.sdp import (
    Local,
    Negotiated,
    Origin,
    SdpError,
    accept_answer,
    answer,
    make_offer,
    parse_sdp,
)
from cicswitch.sdp.parse import Description, _walk

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = "m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"


def local(**changes: object) -> Local:
    made = Local("10.0.0.1", 40000, Origin("77"))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def agreed(body: str, **changes: object) -> tuple[str, Negotiated]:
    text, negotiated = answer((HEAD + body).encode(), local(**changes))
    return text.decode(), negotiated


def test_the_golden_offer() -> None:
    assert make_offer(local()) == (
        b"v=0\r\no=- 77 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
        b"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_an_answer_takes_the_offerers_first_choice() -> None:
    text, negotiated = agreed(AUDIO)
    assert negotiated == Negotiated("PCMA", 8, 101, "192.0.2.1", 49170, True, True, 20)
    assert "m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n" in text
    assert negotiated.direction == "sendrecv"


@pytest.mark.parametrize(
    ("theirs", "ours", "send", "receive"),
    [
        ("sendrecv", "sendrecv", True, True),
        ("sendonly", "recvonly", False, True),
        ("recvonly", "sendonly", True, False),
        ("inactive", "inactive", False, False),
    ],
)
@pytest.mark.parametrize("level", ["session", "media"])
def test_directions(theirs: str, ours: str, send: bool, receive: bool, level: str) -> None:
    line = f"a={theirs}\r\n"
    text, negotiated = agreed(line + AUDIO if level == "session" else AUDIO + line)
    assert (negotiated.send, negotiated.receive) == (send, receive)
    assert f"a={ours}\r\n" in text
    assert negotiated.held is not send


def test_the_old_hold_with_address_zero() -> None:
    text, negotiated = agreed(AUDIO + "c=IN IP4 0.0.0.0\r\n")
    assert not negotiated.send
    assert "a=recvonly" in text


def test_our_own_hold_narrows_the_answer() -> None:
    text, negotiated = agreed(AUDIO, direction="sendonly")
    assert (negotiated.send, negotiated.receive) == (True, False)
    assert "a=sendonly" in text


def test_other_media_keep_their_place_with_port_zero() -> None:
    text, _ = agreed(
        "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
        + AUDIO
        + "m=image 6000 udptl t38\r\nm=audio 7000 RTP/AVP 0\r\n"
    )
    lines = [line for line in text.split("\r\n") if line.startswith("m=")]
    assert lines == [
        "m=video 0 RTP/AVP 96",
        "m=audio 40000 RTP/AVP 8 101",
        "m=image 0 udptl t38",
        "m=audio 0 RTP/AVP 0",
    ]


def test_dynamic_payload_types_and_ipv6() -> None:
    text, negotiated = agreed(
        "m=audio 4000/2 RTP/AVP 97 96\r\nc=IN IP6 2001:db8::9\r\na=rtpmap:97 pcmu/8000/1\r\n"
        "a=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n"
    )
    assert negotiated == Negotiated("PCMU", 97, 96, "2001:db8::9", 4000, True, True, 30)
    assert "a=rtpmap:97 pcmu/8000/1" in text


@pytest.mark.parametrize(
    "body",
    [
        "m=audio 49170 RTP/AVP 18\r\n",
        "m=audio 0 RTP/AVP 0\r\n",
        "m=audio 49170 RTP/SAVP 0\r\n",
        "m=video 49170 RTP/AVP 0\r\n",
        "m=audio 49170 RTP/AVP 96\r\na=rtpmap:96 PCMU/16000\r\n",
        "",
    ],
)
def test_nothing_in_common_is_488(body: str) -> None:
    with pytest.raises(SdpError) as caught:
        agreed(body)
    assert caught.value.status == 488


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"v=1\r\n",
        b"v=0\r\nm=audio\r\n",
        b"v=0\r\nm=audio x RTP/AVP 0\r\no=-\r\n",
        b"v=0\r\no=-\r\nc=IN IP4\r\n",
        b"v=0\r\no=-\r\nrubbish\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0" * 9999,
        b"v=0\r\no=-\r\nm=audio 99999 RTP/AVP 0\r\n",
        b"v=0\r\no=-\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 17,
        b"v=0\r\no=-\r\nm=audio 4000 RTP/AVP 0\r\n",
    ],
)
def test_malformed_is_400(body: bytes) -> None:
    with pytest.raises(SdpError) as caught:
        answer(body, local())
    assert caught.value.status == 400


def test_the_version_counts_changes_and_only_changes() -> None:
    mine = local()
    versions = []
    for port in (40000, 40000, 40002, 40002):
        mine.port = port
        versions.append(parse_sdp(make_offer(mine)).origin.split()[1:3])
    assert versions == [["77", "1"], ["77", "1"], ["77", "2"], ["77", "2"]]


def test_an_answer_to_our_offer() -> None:
    mine = local()
    offer = make_offer(mine)
    body = (HEAD + AUDIO + "a=sendonly\r\n").encode()
    for side in (mine, None):
        negotiated = accept_answer(offer, body, side)
        assert (negotiated.codec, negotiated.payload_type) == ("PCMA", 8)
        assert (negotiated.telephone_event, negotiated.direction) == (101, "recvonly")


@pytest.mark.parametrize(
    ("body", "status"),
    [("m=audio 0 RTP/AVP 0\r\n", 488), ("m=audio 9 RTP/AVP 18\r\n", 488), (AUDIO * 2, 400)],
)
def test_bad_answers(body: str, status: int) -> None:
    mine = local()
    with pytest.raises(SdpError) as caught:
        accept_answer(make_offer(mine), (HEAD + body).encode(), mine)
    assert caught.value.status == status


def test_two_of_us_agree() -> None:
    one, two = local(), Local("2001:db8::2", 50000, Origin("9"), codecs=("PCMA",))
    offer = make_offer(one)
    reply, theirs = answer(offer, two)
    ours = accept_answer(offer, reply, one)
    assert (ours.host, ours.port, theirs.host, theirs.port) == (
        "2001:db8::2", 50000, "10.0.0.1", 40000,
    )  # fmt: skip
    assert ours.codec == theirs.codec == "PCMA"


@pytest.mark.parametrize(
    "head",
    [
        "v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0",
        "v=0\r\no=b 2 2 IN IP4 h\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0",  # from memory but for o=
        "v=0\r\no=a\r\no=b\r\nc=IN IP4 1.2.3.4",
        "v=0\r\no=a\nc=IN IP4 9.9.9.9\r\nc=IN IP4 1.2.3.4",
        "v=0\r\ns=-\r\nc=IN IP4 1.2.3.4\r\no=last",
        "v=0\r\no=\r\nc=IN IP4 1.2.3.4",
        "v=0\r\ns=-",
        "v=1\r\no=a\r\ns=-",
        "v=0\r\no=a\r\nbroken\r\ns=-",
        "v=0\r\no=a\r\nc=IN IP4\r\ns=-",
        "",
    ],
)
def test_a_session_part_that_is_read_from_memory_is_the_same(head: str) -> None:
    def seen(read: Callable[[], Description]) -> tuple[str, str, str] | str:
        try:
            found = read()
        except SdpError as error:
            return f"{error.status} {error}"
        return found.origin, found.media[0].host, found.direction

    body = f"{head}\r\nm=audio 4000 RTP/AVP 8\r\n"
    for _ in range(2):
        assert seen(lambda: parse_sdp(body.encode())) == seen(lambda: _walk(body))

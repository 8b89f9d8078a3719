"""Offers as phones send them, and our answers byte for byte (RFC 3264, RFC 8866)."""

from __future__ import annotations

import pytest

from cicswitch.sdp import Local, Origin, SdpError, accept_answer, answer, make_offer, parse_sdp

HEAD = "v=0\r\no=- 42 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
EVENTS = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"


def offer(media: str, session: str = "") -> bytes:
    text = (
        "v=0\r\no=phone 3840 3840 IN IP4 192.0.2.9\r\ns=call\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        f"{session}{media}"
    )
    return text.encode()


def answered(media: str, session: str = "", host: str = "10.0.0.1") -> str:
    return answer(offer(media, session), Local(host, 40000, Origin("42")))[0].decode()


GOLDEN = {
    "static payload types without rtpmap": (
        "m=audio 16384 RTP/AVP 0 8\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
    "the offerer prefers PCMA": (
        "m=audio 16384 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
        "m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
        f"{EVENTS}a=ptime:20\r\na=sendrecv\r\n",
    ),
    "telephone-event has the number of the offer": (
        "m=audio 16384 RTP/AVP 9 0 96\r\na=rtpmap:9 G722/8000\r\n"
        "a=rtpmap:96 telephone-event/8000\r\n",
        "m=audio 40000 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
    "telephone-event at another clock is left out": (
        "m=audio 16384 RTP/AVP 0 97\r\na=rtpmap:97 telephone-event/48000\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
    "a dynamic number for a codec": (
        "m=audio 16384 RTP/AVP 98\r\na=rtpmap:98 PCMA/8000\r\n",
        "m=audio 40000 RTP/AVP 98\r\na=rtpmap:98 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
    "hold with sendonly": (
        "m=audio 16384 RTP/AVP 0\r\na=sendonly\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=recvonly\r\n",
    ),
    "hold with inactive": (
        "m=audio 16384 RTP/AVP 0\r\na=inactive\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=inactive\r\n",
    ),
    "hold with c=0.0.0.0": (
        "m=audio 16384 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=recvonly\r\n",
    ),
    "video and a second audio are refused in place": (
        "m=video 20000 RTP/AVP 31 34\r\nm=audio 16384 RTP/AVP 0\r\nm=audio 16386 RTP/AVP 8\r\n",
        "m=video 0 RTP/AVP 31 34\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=ptime:20\r\na=sendrecv\r\nm=audio 0 RTP/AVP 8\r\n",
    ),
    "encrypted audio beside plain audio": (
        "m=audio 16384 RTP/SAVP 0\r\nm=audio 16384 RTP/AVP 0\r\n",
        "m=audio 0 RTP/SAVP 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=ptime:20\r\na=sendrecv\r\n",
    ),
    "the offerer's packet time": (
        "m=audio 16384 RTP/AVP 0\r\na=ptime:30\r\na=maxptime:150\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:30\r\na=sendrecv\r\n",
    ),
    "numbers above 127 are passed over": (
        "m=audio 16384 RTP/AVP 200 0 300\r\na=rtpmap:200 PCMA/8000\r\n"
        "a=rtpmap:300 telephone-event/8000\r\n",
        "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
    "stereo and other clocks are passed over": (
        "m=audio 16384 RTP/AVP 96 97 98\r\na=rtpmap:96 PCMU/8000/2\r\na=rtpmap:97 PCMU/80000\r\n"
        "a=rtpmap:98 PCMA/8000/1 \r\n",
        "m=audio 40000 RTP/AVP 98\r\na=rtpmap:98 PCMA/8000/1\r\na=ptime:20\r\na=sendrecv\r\n",
    ),
}


@pytest.mark.parametrize("name", list(GOLDEN))
def test_the_answer_to(name: str) -> None:
    media, expected = GOLDEN[name]
    assert answered(media) == HEAD + expected


def test_the_direction_of_the_session_counts_where_the_stream_has_none() -> None:
    text = answered("m=audio 16384 RTP/AVP 0\r\n", session="a=sendonly\r\n")
    assert text.endswith("a=recvonly\r\n")
    text = answered("m=audio 16384 RTP/AVP 0\r\na=sendrecv\r\n", session="a=sendonly\r\n")
    assert text.endswith("a=sendrecv\r\n")


def test_an_ipv6_answer_says_ip6_in_both_places() -> None:
    text = answered("m=audio 16384 RTP/AVP 0\r\n", host="2001:db8::1")
    assert text.startswith(
        "v=0\r\no=- 42 1 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\n"
    )


def test_lines_may_end_in_a_bare_newline() -> None:
    body = offer("m=audio 16384 RTP/AVP 8\r\n").replace(b"\r\n", b"\n")
    assert answer(body, Local("10.0.0.1", 1, Origin("1")))[1].codec == "PCMA"


def test_an_attribute_cannot_smuggle_a_line_into_our_answer() -> None:
    media = "m=audio 16384 RTP/AVP 96\r\na=rtpmap:96 PCMU/8000\na=crypto:1 x\r\n"
    assert "crypto" not in answered(media)


@pytest.mark.parametrize("ptime", ["9" * 5000, "0", "201", "-20", "x", "", "２０"])
def test_a_packet_time_that_makes_no_sense_is_ours(ptime: str) -> None:
    assert "a=ptime:20\r\n" in answered(f"m=audio 16384 RTP/AVP 0\r\na=ptime:{ptime}\r\n")


def test_the_version_of_the_origin_counts_hold_and_resume() -> None:
    local = Local("10.0.0.1", 40000, Origin("42"))
    versions = []
    for direction in ("", "", "a=sendonly\r\n", "a=sendonly\r\n", ""):
        body, _ = answer(offer(f"m=audio 16384 RTP/AVP 0\r\n{direction}"), local)
        versions.append(int(parse_sdp(body).origin.split()[2]))
    assert versions == [1, 1, 2, 2, 3]


def test_a_refused_offer_does_not_touch_the_version() -> None:
    local = Local("10.0.0.1", 40000, Origin("42"))
    answer(offer("m=audio 16384 RTP/AVP 0\r\n"), local)
    with pytest.raises(SdpError):
        answer(offer("m=audio 16384 RTP/AVP 18\r\n"), local)
    body, _ = answer(offer("m=audio 16384 RTP/AVP 0\r\n"), local)
    assert parse_sdp(body).origin.split()[2] == "1"


def test_digits_that_we_did_not_offer_are_not_agreed_on() -> None:
    local = Local("10.0.0.1", 40000, Origin("42"), telephone_event=None)
    ours = make_offer(local)
    assert b"telephone-event" not in ours
    theirs = offer("m=audio 16384 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n")
    assert accept_answer(ours, theirs, local).telephone_event is None

"""Offer and answer with browsers: what Chromium says, and what nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.sdp.model import Local, Origin, Web
from cicswitch.sdp.parse import SdpError, parse_sdp
from cicswitch.sdp.webrtc import accept_answer, answer, is_web, make_offer

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
TRANSPORT = (
    "c=IN IP4 0.0.0.0\r\na=ice-ufrag:Xq1z\r\na=ice-pwd:7pXyq0Yq1g9F2N3gqkq2ZQxW\r\n"
    f"a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\na=rtcp-mux\r\n"
)
AUDIO = (
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n"
    f"{TRANSPORT}a=mid:0\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n"
    "a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n"
    "a=rtpmap:126 telephone-event/8000\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103\r\n"
    f"{TRANSPORT}a=mid:1\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:103 H264/90000\r\n"
)
DATA = f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{TRANSPORT}a=mid:2\r\n"
WEB = ("opus", "PCMU", "PCMA")
HEAD = "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n"


def local(video: str = "sendrecv", **more: object) -> Local:
    web = Web("OurUfrag", "OurPasswordOf24Characters", FINGERPRINT, ("192.0.2.1", "2001:db8::1"), 8)
    return Local("192.0.2.1", 4000, Origin("1"), web=web, video=video, **more)  # type: ignore[arg-type]  # fields


def sections(body: bytes) -> list[str]:
    return body.decode().split("\r\nm=")[1:]


def test_chromiums_offer_is_answered_with_g711_and_vp8() -> None:
    text, agreed = answer((HEAD + AUDIO + VIDEO + DATA).encode(), local())
    audio, video, data = sections(text)
    assert audio.startswith("audio 8 UDP/TLS/RTP/SAVPF 0 126\r\n")
    assert video.startswith("video 8 UDP/TLS/RTP/SAVPF 96\r\n")
    assert data.startswith("application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")
    assert b"a=group:BUNDLE 0 1\r\n" in text
    assert b"a=ice-lite\r\n" in text
    for section in (audio, video):
        assert "a=setup:passive\r\n" in section
        assert "a=rtcp-mux\r\n" in section
        assert "a=ice-ufrag:OurUfrag\r\n" in section
        assert "a=candidate:1 1 udp 2130706431 192.0.2.1 8 typ host\r\n" in section
        assert "a=candidate:2 1 udp 2130706175 2001:db8::1 8 typ host\r\n" in section
    assert "rtx" not in video
    assert (agreed.audio.codec, agreed.audio.payload_type) == ("PCMU", 0)
    assert agreed.audio.telephone_event == 126
    assert (agreed.video, agreed.video_send, agreed.video_receive) == (96, True, True)
    assert agreed.browser.ufrag == "Xq1z"
    assert agreed.browser.fingerprint == FINGERPRINT
    parse_sdp(text)


def test_our_first_codec_wins_and_video_may_be_off() -> None:
    text, agreed = answer((HEAD + AUDIO + VIDEO).encode(), local("", codecs=("PCMA", "PCMU")))
    assert agreed.audio.codec == "PCMA"
    assert agreed.video == -1
    assert sections(text)[1].startswith("video 0 ")
    assert b"a=group:BUNDLE 0\r\n" in text


def test_opus_is_taken_with_events_of_its_clock() -> None:
    offer = (HEAD + AUDIO + VIDEO).encode()
    text, agreed = answer(offer, local(codecs=WEB))
    audio = sections(text)[0]
    assert audio.startswith("audio 8 UDP/TLS/RTP/SAVPF 111 110\r\n")
    assert "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n" in audio
    assert "a=rtpmap:110 telephone-event/48000\r\n" in audio
    assert "a=maxptime:60\r\n" in audio
    assert (agreed.audio.codec, agreed.audio.payload_type) == ("opus", 111)
    assert (agreed.audio.telephone_event, agreed.event_hz) == (110, 48_000)
    slow = offer.replace(b"telephone-event/48000", b"x/48000")
    agreed = answer(slow, local(codecs=WEB))[1]
    assert (agreed.audio.telephone_event, agreed.event_hz) == (126, 8000)
    none = slow.replace(b"telephone-event/8000", b"x/8000")
    assert answer(none, local(codecs=WEB))[1].audio.telephone_event is None
    mono = offer.replace(b"opus/48000/2", b"opus/48000")  # RFC 7587: the 2 is always there
    agreed = answer(mono, local(codecs=WEB))[1]
    assert (agreed.audio.codec, agreed.audio.telephone_event, agreed.event_hz) == (
        *("PCMU", 126),
        8000,
    )


def test_opus_is_offered_first() -> None:
    ours = local("", codecs=WEB)
    (audio,) = sections(make_offer(ours))
    assert audio.startswith("audio 8 UDP/TLS/RTP/SAVPF 111 0 8 126 110\r\n")
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in audio
    assert "a=rtpmap:126 telephone-event/8000\r\n" in audio
    assert "a=rtpmap:110 telephone-event/48000\r\n" in audio
    taken = (HEAD + AUDIO).replace("actpass", "active").encode()
    agreed = accept_answer(taken, ours)
    assert (agreed.audio.codec, agreed.audio.payload_type) == ("opus", 111)
    assert (agreed.audio.telephone_event, agreed.event_hz) == (110, 48_000)


@pytest.mark.parametrize(
    ("offered", "audio", "send", "receive"),
    [
        ("sendonly", "recvonly", False, True),
        ("recvonly", "sendonly", True, False),
        ("inactive", "inactive", False, False),
    ],
)
def test_hold(offered: str, audio: str, send: bool, receive: bool) -> None:
    body = (HEAD + AUDIO).replace("a=sendrecv", f"a={offered}").encode()
    text, agreed = answer(body, local())
    assert f"a={audio}\r\n" in sections(text)[0]
    assert (agreed.audio.send, agreed.audio.receive) == (send, receive)
    assert agreed.audio.held is not send


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a=rtcp-mux\r\n", "rtcp-mux"),
        ("a=ice-ufrag:Xq1z\r\n", "ice-ufrag"),
        ("a=ice-pwd:7pXyq0Yq1g9F2N3gqkq2ZQxW\r\n", "ice-pwd"),
        (f"a=fingerprint:{FINGERPRINT}\r\n", "fingerprint"),
        ("a=rtpmap:0 PCMU/8000\r\n", ""),
    ],
)
def test_what_an_offer_must_have(line: str, why: str) -> None:
    body = (HEAD + AUDIO).replace(line, "")
    if not why:
        # Static payload types need no rtpmap.
        assert answer(body.encode(), local())[1].audio.payload_type == 0
        return
    with pytest.raises(SdpError, match=why) as caught:
        answer(body.encode(), local())
    assert caught.value.status == 488


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("a=setup:actpass", "a=setup:passive", 488),
        ("sha-256", "md5", 488),
        ("PCMU/8000\r\na=rtpmap:8 PCMA/8000", "L16/8000\r\na=rtpmap:8 L16/8000", 488),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", 488),
        ("a=mid:0", "a=mid:0\rx", 400),
        ("m=audio 9", "m=audio x", 400),
    ],
)
def test_what_is_refused(old: str, new: str, status: int) -> None:
    with pytest.raises(SdpError) as caught:
        answer((HEAD + AUDIO).replace(old, new).encode(), local())
    assert caught.value.status == status


def test_our_offer_and_its_answer() -> None:
    ours = local()
    offer = make_offer(ours)
    audio, video = sections(offer)
    assert audio.startswith("audio 8 UDP/TLS/RTP/SAVPF 0 8 126\r\n")
    assert "a=setup:actpass\r\n" in audio
    assert video.startswith("video 8 UDP/TLS/RTP/SAVPF 96\r\n")
    taken = (HEAD + AUDIO + VIDEO).replace("actpass", "active").encode()
    agreed = accept_answer(taken, ours)
    assert (agreed.audio.codec, agreed.video) == ("PCMU", 96)
    no_video = taken.replace(b"m=video 9", b"m=video 0")
    assert accept_answer(no_video, ours).video == -1
    with pytest.raises(SdpError, match="other m= lines"):
        accept_answer((HEAD + AUDIO).encode(), ours)
    with pytest.raises(SdpError, match="active"):
        accept_answer(taken.replace(b"active", b"passive"), ours)


def test_video_is_offered_later_in_the_place_that_it_has() -> None:
    ours = local("")
    answer((HEAD + AUDIO + DATA).encode(), ours)
    ours.video = "sendrecv"
    audio, data, video = sections(make_offer(ours))
    assert "a=mid:0\r\n" in audio
    assert data.startswith("application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")
    assert data.endswith("a=mid:2")
    assert "a=mid:1\r\n" in video
    ours = local("")
    answer((HEAD + AUDIO + VIDEO).encode(), ours)
    ours.video = "sendrecv"
    _, video = sections(make_offer(ours))
    assert video.startswith("video 8 ")
    assert "a=mid:1\r\n" in video


def test_who_is_a_browser() -> None:
    assert is_web((HEAD + AUDIO).encode())
    assert not is_web(b"v=0\r\no=-\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n")


@given(st.data())
def test_a_spoilt_offer_is_answered_or_refused_never_anything_else(data: st.DataObject) -> None:
    lines = (HEAD + AUDIO + VIDEO + DATA).split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "repeat", "text", "cut"]))
        if kind == "drop":
            del lines[at]
        elif kind == "repeat":
            lines.insert(at, lines[at])
        elif kind == "text":
            lines[at] = lines[at][:2] + data.draw(st.text(max_size=40))
        else:
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
    try:
        text, _ = answer("\r\n".join(lines).encode(), local())
    except SdpError:
        return
    parse_sdp(text)
    assert "\r" not in text.decode().replace("\r\n", "")

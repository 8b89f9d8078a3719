"""Bytes that nobody meant: the SIP and SDP parsers raise what they promise and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sdp import Local, Origin, SdpError, accept_answer, answer, make_offer
from cicswitch.sip.events import InviteReceived
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.framing import StreamFramer
from cicswitch.sip.message import ParseError, Request
from cicswitch.sip.parse import parse, validate
from cicswitch.sip.session import InviteSession
from cicswitch.sip.uri import UriError, parse_name_addr, parse_uri
from cicswitch.sip.user_agent import UserAgent

SEEDS = [
    b"INVITE sip:1000@10.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5080;rport;branch=z9hG4bK1"
    b'\r\nMax-Forwards: 70\r\nFrom: "A, B" <sip:a@10.0.0.9>;tag=1\r\nTo: <sip:1000@10.0.0.1>\r\n'
    b"Call-ID: c@h\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.9:5080;x>;q=1\r\n"
    b"Session-Expires: 1800;refresher=uac\r\nSupported: timer\r\nRequire: timer\r\n"
    b"Record-Route: <sip:p@1.2.3.4;lr>, <sip:q@1.2.3.5;lr>\r\nReplaces: x;to-tag=1;from-tag=2\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n",
    b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nv: SIP/2.0/UDP a , SIP/2.0/TCP b"
    b"\r\nf: <sip:a@x>;tag=1\r\nt: <sip:b@x>;tag=2\r\ni: c\r\nCSeq: 1 INVITE\r\nm: <sip:b@[::1]>"
    b"\r\nl: 0\r\nX-Folded: a\r\n b\r\n\r\n",
]
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n"
    b"a=sendrecv\r\nm=video 0 RTP/AVP 96\r\n"
)
PIECES = [
    b"\r\n",
    b":",
    b";",
    b",",
    b'"',
    b"<",
    b">",
    b"\x00",
    b"\xff",
    b"=",
    b" ",
    b"%",
    b"@",
    b"\\",
    b"\r\n\r\n",
    b"9999999999",
    b"-1",
    b"\xe2\x82\xac",
    b"[",
    b"]",
    b"?",
    b"\xd9\xa3",
    b"*",
]


def mutated(seed: bytes, source: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(source.randint(1, 6)):
        at = source.randrange(len(data) + 1)
        kind = source.randrange(4)
        if kind == 0:
            data[at:at] = source.choice(PIECES)
        elif kind == 1:
            del data[at : at + source.randint(1, 12)]
        elif kind == 2 and at < len(data):
            data[at] = source.randrange(256)
        else:
            other = source.randrange(len(data) + 1)
            data[at:at] = data[other : other + source.randint(1, 40)]
    return bytes(data)


def permitted(function: Callable[[], object], *errors: type[Exception]) -> None:
    try:
        function()
    except errors as error:
        assert getattr(error, "status", 0) in (0, 400, 413, 414, 416, 488, 505, 513)


def agent() -> tuple[UserAgent, Flow]:
    made = UserAgent(TimerWheel(), Tokens(lambda size: random.Random(size).randbytes(size)))
    return made, Flow(Listener("u", "UDP", "10.0.0.1", 5060), ("10.0.0.9", 5080))


def attempt(data: bytes) -> None:
    def both() -> None:
        message = parse(data)
        if isinstance(message, Request):
            validate(message)
            assert message.vias
        assert isinstance(message.headers, list)

    permitted(both, ParseError, UriError)
    permitted(lambda: answer(data, Local("1.1.1.1", 2, Origin("1"))), SdpError)
    permitted(lambda: StreamFramer().feed(data), ParseError)
    text = data.decode("latin-1")
    permitted(lambda: parse_uri("sip:" + text), UriError)
    permitted(lambda: parse_name_addr(text), UriError)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    attempt(data)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100))
def test_any_text_in_place_of_a_header_value(text: str) -> None:
    for name in (b"Via", b"From", b"To", b"Contact", b"CSeq", b"Record-Route", b"Replaces"):
        at = SEEDS[0].index(b"\r\n" + name + b": ") + len(name) + 4
        end = SEEDS[0].index(b"\r\n", at)
        attempt(SEEDS[0][:at] + text.encode("utf-8", "replace") + SEEDS[0][end:])


def test_mutated_messages() -> None:
    source = random.Random(4475)
    for _ in range(6000):
        attempt(mutated(source.choice(SEEDS), source))


def act(session: InviteSession, choice: int, now: float) -> None:
    if choice == 0:
        session.ring(now)
    elif choice == 1:
        session.accept(now, b"v=0")
    elif choice == 2:
        session.reject(now, 486)
    session.end(now)


def test_a_user_agent_survives_mutated_messages_and_stays_usable() -> None:
    source = random.Random(3261)
    for _ in range(20):
        ua, flow = agent()
        now = 0.0
        for _ in range(150):
            now += 0.01
            ua.receive(mutated(source.choice(SEEDS[:1]), source), flow, now)
            for event in ua.take_events():
                if isinstance(event, InviteReceived):
                    act(event.session, source.randrange(4), now)
            ua.wheel.fire(now)
            ua.take_outputs()
        for step in range(300):
            ua.wheel.fire(now + step)
            ua.take_outputs()
        assert not ua.sessions
        assert not ua.servers
        assert not ua.clients


def test_mutated_descriptions() -> None:
    source = random.Random(3264)
    for _ in range(6000):
        data = mutated(SDP, source)
        mine = Local("1.1.1.1", 2, Origin("1"))
        permitted(lambda data=data, mine=mine: answer(data, mine), SdpError)  # type: ignore[misc]
        permitted(
            lambda data=data, mine=mine: accept_answer(make_offer(mine), data, mine),  # type: ignore[misc]
            SdpError,
        )

"""Properties of the SIP and SDP parsers, and of a user agent and a registrar behind them."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sdp import Local, Origin, SdpError, accept_answer, answer, make_offer
from cicswitch.sip.auth import Authenticator, parse_digest
from cicswitch.sip.dialog import host_port, next_flow
from cicswitch.sip.events import InviteReceived, RequestReceived
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.framing import StreamFramer
from cicswitch.sip.message import ParseError, Request
from cicswitch.sip.parse import parse, parse_via, validate
from cicswitch.sip.registrar import Registrar
from cicswitch.sip.uri import UriError, parse_name_addr, parse_uri
from cicswitch.sip.user_agent import UserAgent
from cicswitch.sip.write import write

modest = settings(max_examples=150, deadline=None)
LISTENER = Listener("u", "UDP", "10.0.0.1", 5060)
FLOW = Flow(LISTENER, ("10.0.0.9", 5080))

# Characters on which parsers stumble: digits that int() refuses or takes, separators, quotes.
spice = st.sampled_from(
    [
        "²",
        "٣",
        "9" * 5000,
        "-1",
        '"',
        "<",
        ">",
        ";",
        ",",
        "?",
        "=",
        ":",
        "@",
        "%",
        "%zz",
        "\\",
        "[",
        "]",
        "[::1",
        "::1%x",
        "99999",
        "*",
        "sip:",
        "tel:",
        "\t",
        "\u2028",
        "\x00",
        "\n",
        "\r",
        "",
    ]
)
plain = st.text("abz019.-", max_size=6)
odd = st.lists(spice | plain, max_size=6).map("".join)

NAMES = (
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Record-Route",
    "Route",
    "Replaces",
    "Session-Expires",
    "Max-Forwards",
    "Expires",
    "Content-Length",
    "Content-Type",
    "Require",
    "Supported",
    "Authorization",
    "Refer-To",
    "Event",
    "Subscription-State",
    "RSeq",
    "Allow",
)
METHODS = (
    "INVITE",
    "REGISTER",
    "OPTIONS",
    "BYE",
    "CANCEL",
    "ACK",
    "REFER",
    "NOTIFY",
    "UPDATE",
    "INFO",
)
serial = itertools.count()


def message(start: str, changes: dict[str, str], body: str = "") -> bytes:
    """A valid message with some headers changed or added."""
    method = start.split(" ")[0]
    values = {
        "Via": f"SIP/2.0/UDP 10.0.0.9:5080;rport;branch=z9hG4bK{next(serial)}",
        "Max-Forwards": "70",
        "From": "<sip:a@10.0.0.9>;tag=1",
        "To": "<sip:b@10.0.0.1>",
        "Call-ID": "c@h",
        "CSeq": f"{next(serial) % 10_000 + 1} {method}",
        "Contact": "<sip:a@10.0.0.9:5080>",
        **changes,
        "Content-Length": changes.get("Content-Length", str(len(body.encode("utf-8", "replace")))),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items())
    return f"{start}\r\n{lines}\r\n{body}".encode("utf-8", "replace")


changes = st.dictionaries(st.sampled_from(NAMES), odd, max_size=3)


@modest
@given(st.sampled_from(METHODS), odd, changes)
def test_headers_with_odd_values_raise_a_parse_error_or_nothing(
    method: str, uri: str, changed: dict[str, str]
) -> None:
    for start in (f"{method} sip:b@10.0.0.1 SIP/2.0", f"{method} {uri} SIP/2.0", "SIP/2.0 200 OK"):
        try:
            parsed = parse(message(start, changed))
            if isinstance(parsed, Request):
                validate(parsed)
        except ParseError as error:
            assert error.status in (0, 400, 413, 414, 416, 505, 513)


@modest
@given(odd)
def test_pieces_of_messages_raise_a_uri_error_or_nothing(text: str) -> None:
    for read in (parse_uri, parse_name_addr, parse_via):
        for value in (text, f"sip:{text}", f"<sip:a@{text}>", f"SIP/2.0/UDP {text}"):
            try:
                read(value)
            except UriError as error:
                assert error.status in (400, 416)
    parse_digest(f"Digest {text}")


@modest
@given(st.sampled_from(METHODS), changes, st.text(max_size=20))
def test_what_is_written_reads_the_same(method: str, changed: dict[str, str], body: str) -> None:
    try:
        once = parse(message(f"{method} sip:b@10.0.0.1 SIP/2.0", changed, body))
    except ParseError:
        return
    again = parse(write(once))
    assert write(again) == write(once)
    assert [item for item in again.headers if item[0] != "Content-Length"] == [
        item for item in once.headers if item[0] != "Content-Length"
    ]
    assert again.body == once.body


@modest
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.data())
def test_any_chunking_of_any_bodies_gives_the_same_messages(
    bodies: list[bytes], data: st.DataObject
) -> None:
    wanted = [b"A sip:x SIP/2.0\r\nContent-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies]
    stream = b"\r\n".join(wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer = StreamFramer()
    found: list[bytes] = []
    for start, end in itertools.pairwise([0, *cuts, len(stream)]):
        found += framer.feed(stream[start:end])
    assert found == wanted


@modest
@given(st.lists(st.binary(max_size=30), max_size=6))
def test_a_stream_of_anything_raises_a_parse_error_or_nothing(chunks: list[bytes]) -> None:
    framer = StreamFramer(limit=200)
    try:
        for chunk in chunks:
            framer.feed(chunk + b"\r\nl:" + chunk)
    except ParseError:
        pass


# ---- a user agent


class Agent:
    """A user agent with a registrar, whose user does what `verbs` say."""

    def __init__(self) -> None:
        tokens = Tokens(random.Random(0).randbytes)  # tags must differ, or calls share a key
        self.ua = UserAgent(TimerWheel(), tokens)
        known = Authenticator("r", b"k", tokens, lambda username, realm: "secret")
        self.registrar = Registrar(self.ua, known)
        self.open = Registrar(self.ua)
        self.now = 0.0
        self.sent: list[tuple[Flow, bytes]] = []

    def feed(self, data: bytes, verb: str) -> None:
        self.now += 0.05
        self.ua.receive(data, FLOW, self.now)
        for event in self.ua.take_events():
            if isinstance(event, RequestReceived):
                (self.registrar if verb == "end" else self.open).handle(event, self.now)
                event.transaction.respond(self.now, 501)
            elif isinstance(event, InviteReceived):
                event.session.ring(self.now)
                if verb == "accept":
                    event.session.accept(self.now, b"v=0\r\n")
                elif verb == "reject":
                    event.session.reject(self.now, 486)
        self.settle()

    def settle(self) -> None:
        self.ua.wheel.fire(self.now)
        self.sent += self.ua.take_outputs()
        self.ua.take_events()

    def finish(self) -> None:
        for session in list(self.ua.session_table.values()):
            session.end(self.now)
        for _ in range(400):
            self.now += 1.0
            self.settle()
        assert not self.ua.session_table
        assert not self.ua.clients
        assert not self.ua.servers
        assert not self.ua.callers


@modest
@given(
    st.lists(
        st.tuples(st.sampled_from(METHODS), changes, st.sampled_from(("accept", "reject", "end"))),
        min_size=1,
        max_size=6,
    )
)
def test_a_user_agent_takes_anything_and_keeps_nothing(
    steps: list[tuple[str, dict[str, str], str]],
) -> None:
    agent = Agent()
    for method, changed, verb in steps:
        agent.feed(message(f"{method} sip:b@10.0.0.1 SIP/2.0", changed), verb)
    for flow, _ in agent.sent:
        assert 0 <= flow.remote[1] <= 65535
    agent.finish()


@modest
@given(st.lists(st.tuples(st.sampled_from(METHODS[3:]), changes, odd), min_size=1, max_size=4))
def test_odd_requests_inside_a_call_raise_nothing(
    steps: list[tuple[str, dict[str, str], str]],
) -> None:
    agent = Agent()
    agent.feed(message("INVITE sip:b@10.0.0.1 SIP/2.0", {"CSeq": "1 INVITE"}), "accept")
    (session,) = agent.ua.session_table.values()
    tag = agent.sent[-1][1].partition(b"\r\nTo: ")[2].partition(b"\r\n")[0].decode()
    agent.feed(message("ACK sip:b@10.0.0.1 SIP/2.0", {"To": tag, "CSeq": "1 ACK"}), "accept")
    assert session.state.name == "ESTABLISHED"
    for number, (method, changed, body) in enumerate(steps):
        kept = {"CSeq": f"{number + 2} {method}", **changed, "To": tag, "Call-ID": "c@h"}
        agent.feed(message(f"{method} sip:b@10.0.0.1 SIP/2.0", kept, body), "accept")
    agent.finish()


@modest
@given(st.sampled_from((100, 180, 200, 302, 401, 422, 486, 491)), changes, st.text(max_size=9))
def test_odd_responses_to_our_call_raise_nothing(
    status: int, changed: dict[str, str], body: str
) -> None:
    agent = Agent()
    agent.ua.invite(0.0, "sip:b@10.0.0.9:5080", FLOW, "<sip:us@10.0.0.1>", body=b"offer")
    agent.settle()
    request = parse(agent.sent[0][1])
    kept = {
        **changed,
        "Via": request.via,
        "From": request.from_,
        "Call-ID": request.call_id,
        "CSeq": "1 INVITE",
    }
    kept.setdefault("To", "<sip:b@10.0.0.9>;tag=t")
    agent.feed(message(f"SIP/2.0 {status} X", kept, body), "accept")
    agent.finish()


# ---- found once


@pytest.mark.parametrize("inside", [True, False])
def test_a_header_that_is_found_malformed_late_is_answered_and_forgotten(inside: bool) -> None:
    agent = Agent()
    agent.feed(message("INVITE sip:b@10.0.0.1 SIP/2.0", {"CSeq": "1 INVITE"}), "accept")
    tag = agent.sent[-1][1].partition(b"\r\nTo: ")[2].partition(b"\r\n")[0].decode()
    agent.feed(message("ACK sip:b@10.0.0.1 SIP/2.0", {"To": tag, "CSeq": "1 ACK"}), "accept")
    kept = {"CSeq": "2 BYE", "Call-ID": "c@h", "Require": '",'}
    if inside:
        kept["To"] = tag
    agent.feed(message("BYE sip:b@10.0.0.1 SIP/2.0", kept), "accept")
    assert agent.sent[-1][1].startswith(b"SIP/2.0 400 ")
    (answered,) = [each for each in agent.ua.servers.values() if each.method == "BYE"]
    assert answered.answered
    agent.finish()


@pytest.mark.parametrize("port", ["²", "99999", "٣", "-1", "", "5" * 5000])
def test_a_port_that_is_none_is_the_default(port: str) -> None:
    assert host_port(f"sip:a@192.0.2.1:{port};x") == ("192.0.2.1", 5060)


@pytest.mark.parametrize(
    "host", ["٣.1", "999.1.1.1", "1", "1.2.3", "[::zz]", "[::1%²]", "[2001:db8::1]", "peer.example"]
)
def test_a_contact_that_this_socket_cannot_reach_keeps_the_flow(host: str) -> None:
    assert next_flow(f"sip:a@{host}:5070", FLOW, False) is FLOW


def test_a_contact_at_another_address_of_the_same_family_is_followed() -> None:
    assert next_flow("sip:a@192.0.2.1:5070", FLOW, False).remote == ("192.0.2.1", 5070)
    six = Flow(LISTENER, ("2001:db8::9", 5060))
    assert next_flow("sip:a@[2001:db8::1]", six, False).remote == ("2001:db8::1", 5060)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_that_nobody_decided_on_is_answered_when_we_hang_up(method: str) -> None:
    agent = Agent()
    agent.feed(message("INVITE sip:b@10.0.0.1 SIP/2.0", {"CSeq": "1 INVITE"}), "accept")
    (session,) = agent.ua.session_table.values()
    tag = agent.sent[-1][1].partition(b"\r\nTo: ")[2].partition(b"\r\n")[0].decode()
    agent.feed(message("ACK sip:b@10.0.0.1 SIP/2.0", {"To": tag, "CSeq": "1 ACK"}), "accept")
    start = f"{method} sip:b@10.0.0.1 SIP/2.0"
    agent.feed(message(start, {"To": tag, "CSeq": f"2 {method}"}, "v=0"), "accept")
    session.end(agent.now)
    agent.settle()
    assert agent.sent[-2][1].startswith(b"SIP/2.0 487 ")
    assert agent.sent[-1][1].startswith(b"BYE ")
    agent.finish()


# ---- descriptions

lines = st.sampled_from(
    [
        "m=audio 4000 RTP/AVP 0 8 101",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:101 telephone-event/8000",
        "a=sendonly",
        "a=inactive",
        "c=IN IP4 192.0.2.1",
        "c=IN IP6 2001:db8::1",
        "a=ptime:20",
    ]
)
prefixes = st.sampled_from(
    [
        "m=audio ",
        "m=audio 4000 RTP/AVP ",
        "a=rtpmap:",
        "a=rtpmap:0 ",
        "a=ptime:",
        "c=IN IP4 ",
        "c=",
        "a=",
        "b=",
        "t=",
    ]
)


@modest
@given(st.lists(lines | st.tuples(prefixes, odd).map("".join), max_size=10))
def test_descriptions_raise_an_sdp_error_or_agree(body: list[str]) -> None:
    text = "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", *body, ""])
    data = text.encode("utf-8", "replace")
    mine = Local("10.0.0.1", 40000, Origin("1"))
    try:
        reply, agreed = answer(data, mine)
    except SdpError as error:
        assert error.status in (400, 488)
    else:
        assert 0 <= agreed.payload_type < 128
        assert reply.count(b"\r\nm=") == data.replace(b"\r\n", b"\n").count(b"\nm=")
        assert reply.replace(b"\r\n", b"").count(b"\n") == 0
        try:
            accept_answer(make_offer(mine), reply, mine)
        except SdpError as error:
            assert error.status in (400, 488)

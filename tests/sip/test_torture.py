"""RFC 4475, the torture messages: what is valid parses, what is not is refused as it should be.

The messages are written out from the cases of the RFC, some with shorter values.
"""

from __future__ import annotations

import pytest

from cicswitch.sip.message import ParseError, Request, Response
from cicswitch.sip.parse import parse, parse_via, validate
from cicswitch.sip.uri import parse_name_addr, parse_uri

from .net import Net


def wire(text: str, body: str = "") -> bytes:
    return (text.strip("\n").replace("\n", "\r\n") + "\r\n\r\n" + body).encode()


def request(**changes: str) -> bytes:
    """A plain OPTIONS with headers changed (underscore for hyphen), removed (empty) or added."""
    headers = {
        "start": "OPTIONS sip:user@example.com SIP/2.0",
        "Via": "SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdju43234",
        "Max-Forwards": "70",
        "From": '"Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423',
        "To": '"Watson, Thomas" <sip:t.watson@example.com>',
        "Call-ID": "badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3",
        "CSeq": "3923239 OPTIONS",
        "l": "0",
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [headers.pop("start")]
    lines += [f"{name}: {value}" for name, value in headers.items() if value]
    return wire("\n".join(lines))


WSINV = wire(
    """
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 4
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
""",
    "v=0\n",
)

_USER = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
INTMETH = wire(
    """
!interesting-Method0123456789_*+`.%indeed'~ sip:USERPART:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:USERPART@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;
  fromParam''~+*_!.-%="D\u042e\u0431";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:\ufeff大停電
Content-Length: 0
""".replace("USERPART", _USER)
)


def test_3_1_1_1_a_short_tortuous_invite() -> None:
    message = parse(WSINV)
    assert isinstance(message, Request)
    validate(message)
    assert (message.cseq, message.cseq_method) == (9, "INVITE")
    assert (message.to_tag, message.from_tag) == ("1918181833n", "98asjd8")
    assert message.get("Max-Forwards") == "0068"
    assert message.get("Newfangledheader") == "newfangled value continued newfangled value"
    assert [parse_via(via).branch for via in message.vias] == [
        "390skdjuw",
        "z9hG4bK9ikj8",
        "z9hG4bK30239",
    ]
    contact = parse_name_addr(message.get("Contact"))
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": "", "q": "0.33"}
    assert parse_name_addr(message.from_).display == 'J Rosenberg \\"'
    assert message.body == b"v=0\n"


def test_3_1_1_2_a_wide_range_of_valid_characters() -> None:
    message = parse(INTMETH)
    assert isinstance(message, Request)
    validate(message)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.from_tag == "_token~1'+`*%!-."
    assert message.branch == "z9hG4bK-.!%66*_+`'~"
    uri = parse_uri(message.uri)
    assert (uri.host, uri.user) == (
        "example.com",
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
    )


@pytest.mark.parametrize(
    ("uri", "user"),
    [
        ("sip:sips%3Auser%40example.com@example.net", "sips:user@example.com"),
        ("sip:null-%00-null@example.com", "null-\x00-null"),
        ("sip:%Z%45@example.com", "%ZE"),
        ("sip:user;par=u%40example.net@example.com", "user;par=u@example.net"),
    ],
)
def test_escapes_in_the_user_part(uri: str, user: str) -> None:
    assert parse_uri(uri).user == user


@pytest.mark.parametrize(
    "data",
    [
        request(To="caller<sip:caller@example.com>;tag=323"),  # 3.1.1.6
        request(From="sip:caller@example.net;tag=8814"),
        request(
            Via="SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw, "
            "SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf"
        ),  # 3.1.1.10
        request(Via="SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bKasd0f3en"),
        request(start="OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),  # 3.1.1.9
        request(Accept="text/%s" % ("x" * 3000), Unknown="y" * 3000),  # 3.1.1.7
        request(Date="Fri, 01 Jan 2010 16:00:00 EST"),  # 3.1.2.12: may be ignored
        request(From="I have spaces <sip:a@example.com>;tag=1"),
    ],
)
def test_valid_requests_parse(data: bytes) -> None:
    message = parse(data)
    assert isinstance(message, Request)
    validate(message)


def test_3_1_1_8_octets_after_the_message_are_discarded() -> None:
    message = parse(request() + b"INVITE sip:joe@example.com SIP/2.0\r\n")
    assert message.body == b""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "SIP/2.0 200 = 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e",
            "= 2**3 * 5**2 \u043d\u043e \u0441\u0442\u043e",
        ),
        ("SIP/2.0 100 ", ""),
    ],
)
def test_3_1_1_12_and_13_unusual_reason_phrases(line: str, reason: str) -> None:
    message = parse(request(start=line))
    assert isinstance(message, Response)
    assert message.reason == reason


REFUSED = {
    "3.1.2.2 Content-Length larger": (request(l="9999"), 400),
    "3.1.2.3 negative Content-Length": (request(l="-999"), 400),
    "3.1.2.4 overlarge CSeq": (request(CSeq="36893488147419103232 OPTIONS"), 400),
    "3.1.2.4 overlarge Max-Forwards": (request(Max_Forwards="300"), 400),
    "3.1.2.6 unbalanced quotes": (request(To='"Mr. J. User <sip:j.user@example.com>'), 400),
    "3.1.2.7 <> around the Request-URI": (request(start="OPTIONS <sip:u@e.com> SIP/2.0"), 400),
    "3.1.2.8 LWS in the Request-URI": (request(start="OPTIONS sip:u@e.com; lr SIP/2.0"), 400),
    "3.1.2.9 spaces in the request line": (request(start="OPTIONS  sip:u@e.com  SIP/2.0"), 400),
    "3.1.2.10 space at its end": (request(start="OPTIONS sip:u@e.com SIP/2.0 "), 400),
    "3.1.2.11 headers in the Request-URI": (
        request(start="OPTIONS sip:u@e.com?R=%3Cx%3E SIP/2.0"),
        400,
    ),
    "3.1.2.13 name-addr without <>": (
        request(Contact="sip:user@example.com?Route=%3Csip:x%3E"),
        400,
    ),
    "3.1.2.14 spaces in addr-spec": (request(To='"W" < sip:t.watson@example.org >'), 400),
    "3.1.2.15 non-token display name": (request(From="Bell, Alexander <sip:a@e.com>;tag=43"), 400),
    "3.1.2.16 unknown version": (request(start="OPTIONS sip:u@e.com SIP/7.0"), 505),
    "3.1.2.17 method mismatch": (request(CSeq="8 INVITE"), 400),
    "3.1.2.18 unknown method mismatch": (request(start="NEWMETHOD sip:u@e.com SIP/2.0"), 400),
    "3.3.2 unknown scheme": (request(start="OPTIONS nobodyKnowsThisScheme:totally SIP/2.0"), 416),
    "3.3.8 two values in From": (request(f="sip:b@e.com;tag=2"), 400),
    "3.3.9 two Content-Lengths": (request(Content_Length="5"), 400),
    "3.3.1 no Call-ID": (request(Call_ID=""), 400),
    "3.3.1 no From": (request(From=""), 400),
    "3.3.1 no Via": (request(Via=""), 0),
    "a broken Via": (request(Via="SIP/2.0 x"), 0),
    "no From tag": (request(From="<sip:a@e.com>"), 400),
    "a NUL in the header": (request(Bad="x").replace(b"Bad: x", b"no colon"), 400),
}


def parse_and_validate(data: bytes) -> None:
    message = parse(data)
    assert isinstance(message, Request)
    validate(message)


@pytest.mark.parametrize("name", list(REFUSED))
def test_invalid_requests_are_refused(name: str) -> None:
    data, status = REFUSED[name]
    with pytest.raises(ParseError) as caught:
        parse_and_validate(data)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "line", ["SIP/2.0 4294967301 better", "SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 abc x"]
)
def test_3_1_2_19_a_bad_response_code_is_dropped(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(request(start=line))
    assert caught.value.status == 0


def test_ack_is_never_answered() -> None:
    data = request(start="ACK sip:u@e.com SIP/2.0", CSeq="1 INVITE")
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.status == 0


def answer(data: bytes) -> list[bytes]:
    net = Net()
    net.b.ua.receive(data, net.to_a, net.now)
    return [sent for _, sent in net.b.ua.take_outputs()]


def invite(**changes: str) -> bytes:
    changes.setdefault("start", "INVITE sip:user@example.com SIP/2.0")
    changes.setdefault("CSeq", "1 INVITE")
    changes.setdefault("Contact", "<sip:a@10.0.0.1>")
    return request(**changes)


@pytest.mark.parametrize(
    ("data", "status", "header"),
    [
        (invite(Require="nothingSupportsThis"), b"420", b"Unsupported: nothingSupportsThis"),
        (invite(Max_Forwards="0"), b"483", b""),
        (invite(To="<sip:b@e.com>;tag=gone"), b"481", b""),
        (invite(Contact=""), b"400", b""),
        (request(start="BYE sip:u@e.com SIP/2.0", CSeq="1 BYE"), b"481", b""),
        (request(start="CANCEL sip:u@e.com SIP/2.0", CSeq="1 CANCEL"), b"481", b""),
        (request(start="NEWMETHOD sip:u@e.com SIP/2.0", CSeq="1 NEWMETHOD"), b"405", b"Allow: "),
        (request(), b"200", b"Accept: application/sdp"),
        (request(start="OPTIONS sip:u@e.com SIP/7.0"), b"505", b""),
        (request(From=""), b"400", b""),
    ],
)  # fmt: skip
def test_the_user_agent_answers_as_the_rfc_says(data: bytes, status: bytes, header: bytes) -> None:
    (sent,) = answer(data)
    assert sent.startswith(b"SIP/2.0 " + status)
    assert header in sent
    assert b";received=10.0.0.1" in sent


@pytest.mark.parametrize(
    "data",
    [
        request(Via=""),
        request(start="SIP/2.0 200 OK", Via="SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"),
        request(start="ACK sip:u@e.com SIP/2.0", CSeq="1 ACK"),
        b"",
        b"\r\n\r\n",
        b"\x00",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_must_not_be_answered_is_not(data: bytes) -> None:
    assert answer(data) == []


def test_3_2_1_without_a_branch_the_old_matching_finds_retransmissions() -> None:
    net = Net()
    data = invite(Via="SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK")
    net.b.ua.receive(data, net.to_a, net.now)
    net.b.ua.receive(data, net.to_a, net.now)
    assert [sent[:11] for _, sent in net.b.ua.take_outputs()] == [b"SIP/2.0 100"]
    assert net.b.ua.sessions == 1


def test_a_merged_request_is_answered_482() -> None:
    net = Net()
    net.b.ua.receive(invite(), net.to_a, net.now)
    other = invite(Via="SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKother")
    net.b.ua.receive(other, net.to_a, net.now)
    assert [sent[:11] for _, sent in net.b.ua.take_outputs()] == [b"SIP/2.0 482"]


def test_overload_refuses_new_calls_without_state_and_spares_the_rest() -> None:
    net = Net()
    net.b.ua.receive(invite(), net.to_a, net.now)
    net.b.ua.take_outputs()
    net.b.ua.overloaded = lambda: 7
    net.b.ua.receive(invite(), net.to_a, net.now)  # a retransmission is not new
    net.b.ua.receive(
        invite(From="<sip:n@e.com>;tag=n", Via="SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKn"),
        net.to_a,
        net.now,
    )
    sent = [data for _, data in net.b.ua.take_outputs()]
    assert [data[:11] for data in sent] == [b"SIP/2.0 100", b"SIP/2.0 503"]
    assert b"Retry-After: 7\r\n" in sent[1]
    assert (net.b.ua.sessions, len(net.b.ua.servers)) == (1, 1)
    assert net.b.ua.counters["refused_overload"] == 1


def test_the_response_goes_where_rport_or_sent_by_say() -> None:
    net = Net()
    flow = net.to_a.__class__(net.b.listener, ("192.0.2.9", 40000))
    for via, port, expected in (
        (
            "SIP/2.0/UDP 10.9.9.9:5070;rport;branch=z9hG4bK1",
            40000,
            b"received=192.0.2.9;rport=40000",
        ),
        ("SIP/2.0/UDP 10.9.9.9:5070;branch=z9hG4bK2", 5070, b"received=192.0.2.9"),
        ("SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK3", 5060, b"received=192.0.2.9"),
        (
            "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK4;rport=1, SIP/2.0/UDP x;branch=y",
            40000,
            b"rport=40000",
        ),
    ):
        net.b.ua.receive(request(Via=via), flow, net.now)
        ((back, sent),) = net.b.ua.take_outputs()
        assert back.remote == ("192.0.2.9", port)
        assert expected in sent

"""Messages, URIs and streams."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.sip.framing import StreamFramer
from cicswitch.sip.message import ParseError
from cicswitch.sip.names import canonical
from cicswitch.sip.parse import parse
from cicswitch.sip.uri import (
    NameAddr,
    Uri,
    UriError,
    escape_user,
    find_tag,
    parse_name_addr,
    parse_uri,
    split_commas,
)
from cicswitch.sip.write import header_lines, write

HEAD = (
    "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
    "To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
)

tokens = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789-", min_size=1, max_size=12)
values = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), max_size=30
)
own = {"via", "from", "to", "call-id", "cseq", "content-length", "l", "v", "f", "t", "i"}


@given(
    st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in own), values), max_size=8),
    st.binary(max_size=50),
)
def test_write_then_parse_is_the_identity(headers: list[tuple[str, str]], body: bytes) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers if name[0] != "-")
    data = f"OPTIONS sip:b@x SIP/2.0\r\n{HEAD}{lines}Content-Length: {len(body)}\r\n\r\n".encode()
    once = parse(data + body)
    again = parse(write(once))
    assert again.headers[:-1] == [item for item in once.headers if item[0] != "Content-Length"]
    assert (again.body, again.cseq, again.branch) == (body, 1, "z9hG4bK1")
    assert write(again) == write(once)


def test_unknown_headers_and_their_order_are_kept() -> None:
    message = parse(
        f"SIP/2.0 200 OK\r\n{HEAD}x-one: 1\r\nf-TWO:2\r\nX-One: 3\r\nl: 0\r\n\r\n".encode()
    )
    assert message.headers[5:] == [
        ("X-One", "1"), ("F-Two", "2"), ("X-One", "3"), ("Content-Length", "0"),
    ]  # fmt: skip
    assert message.get_all("X-One") == ["1", "3"]


@pytest.mark.parametrize(
    ("compact", "name"),
    [("v", "Via"), ("F", "From"), ("call-id", "Call-ID"), ("CSEQ", "CSeq"), ("x-a", "X-A")],
)
def test_names_have_one_spelling(compact: str, name: str) -> None:
    assert canonical(compact) == name


def test_via_in_one_line_or_several_is_the_same() -> None:
    a = parse(f"SIP/2.0 200 OK\r\n{HEAD}Via: SIP/2.0/UDP b;branch=2\r\n\r\n".encode())
    head = HEAD.replace("z9hG4bK1", "z9hG4bK1 , SIP/2.0/UDP b;branch=2")
    b = parse(f"SIP/2.0 200 OK\r\n{head}\r\n".encode())
    assert a.vias == b.vias
    assert a.branch == b.branch == "z9hG4bK1"


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ('"a, b" <sip:x,y@z>, <sip:q>', ['"a, b" <sip:x,y@z>', "<sip:q>"]),
        ('"\\", " <sip:x>,y', ['"\\", " <sip:x>', "y"]),
        (" , a ,, b", ["a", "b"]),
    ],
)
def test_commas_in_quotes_and_brackets_do_not_split(value: str, parts: list[str]) -> None:
    assert split_commas(value) == parts


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp?subject=hi",
        "sip:[2001:db8::1]:5070;lr",
        "sip:+1-212-555@gw;user=phone",
        "tel:+358-555-1234567;phone-context=x",
    ],
)
def test_uris_are_read_and_written(text: str) -> None:
    assert str(parse_uri(text)) == text


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("sip:", 400), ("sip:@x", 400), ("sip:a@x:99999", 400), ("sip:a@[::1", 400), ("a", 400),
        ("sip:a b@x", 400), ("http://x", 416), ("sip:a@x:+5", 400), ("tel:", 400),
        ("sip:a@[1]", 400),
    ],
)  # fmt: skip
def test_bad_uris_are_refused(text: str, status: int) -> None:
    with pytest.raises(UriError) as caught:
        parse_uri(text)
    assert caught.value.status == status


def test_uris_compare_as_section_19_1_4_says() -> None:
    assert parse_uri("sip:%61lice@AtLanta.CoM;Transport=tcp") == parse_uri(
        "SIP:alice@atlanta.com;transport=TCP"
    )
    assert parse_uri("sip:carol@chicago.com;newparam=5") == parse_uri("sip:carol@chicago.com")
    assert parse_uri("sip:ALICE@x") != parse_uri("sip:alice@x")
    assert parse_uri("sip:bob@biloxi.com") != parse_uri("sip:bob@biloxi.com:5060")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_user_part_survives_escaping(user: str) -> None:
    assert parse_uri(f"sip:{escape_user(user)}@x").user == user
    assert parse_uri(str(Uri("sip", user, "x"))).user == user


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_display_name_survives_quoting(display: str) -> None:
    text = str(NameAddr(display, "sip:a@x", {"tag": "1"}))
    parsed = parse_name_addr(text)
    assert (parsed.display, parsed.params) == (display, {"tag": "1"})
    assert find_tag(text) == "1"


@pytest.mark.parametrize(
    "piece", [b"\n", b"\r", b"\nRoute: <sip:evil@10.0.0.9>", b"\r\r\n", b"\n\r"]
)
@pytest.mark.parametrize("place", [b"Hello", b"sip:a@10.0.0.1", b"INVITE sip"])
def test_a_cr_or_lf_that_stands_alone_is_refused(piece: bytes, place: bytes) -> None:
    message = (
        b"INVITE sip:a@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5080;branch=z9hG4bKa\r\n"
        b"From: <sip:b@10.0.0.9>;tag=1\r\nTo: <sip:a@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
        b"Max-Forwards: 70\r\nSubject: Hello\r\nContent-Length: 0\r\n\r\n"
    )
    assert parse(message).get("Subject") == "Hello"
    with pytest.raises(ParseError) as caught:
        parse(message.replace(place, place[:3] + piece + place[3:], 1))
    assert caught.value.status in (400, 0)


def test_no_header_can_be_injected() -> None:
    assert header_lines([("X", "a\r\nEvil: b")]) == "X: a Evil: b\r\n"


STREAM = [
    b"OPTIONS a SIP/2.0\r\nContent-Length: 5\r\n\r\nab\r\n\r",
    b"SIP/2.0 200 OK\r\nl : 0\r\n\r\n",
    b"A\r\nX: content-length 3\r\nCONTENT-LENGTH:3\r\n\r\n123",
]


@given(st.lists(st.integers(0, 200), max_size=30))
def test_any_chunking_of_a_stream_gives_the_same_messages(cuts: list[int]) -> None:
    stream = STREAM[0] + b"\r\n\r\n" + STREAM[1] + b"\r\n\r\n\r\n\r\n" + STREAM[2]
    framer = StreamFramer()
    found: list[bytes] = []
    places = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in pairwise(places):
        found += framer.feed(stream[start:end])
    assert found == STREAM
    assert framer.take_pings() == 3


def test_a_stream_without_end_is_refused() -> None:
    framer = StreamFramer(limit=1000)
    for _ in range(10):
        assert framer.feed(b"X" * 100) == []
    with pytest.raises(ParseError):
        framer.feed(b"X")
    with pytest.raises(ParseError):
        StreamFramer().feed(b"A\r\nContent-Length: 99999999\r\n\r\n")
    with pytest.raises(ParseError):
        StreamFramer().feed(b"A\r\nContent-Length: x\r\n\r\n")

"""What `_scan.c` takes, it takes as the code in Python does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.legs.sip.ladder import parse_ladder, step_of
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.message import Message, ParseError, Request
from cicswitch.sip.names import SPELLED
from cicswitch.sip.parse import parse, parse_closely

_scan = pytest.importorskip("cicswitch.sip._scan", reason="_scan.c is not built here")
FLOW = Flow(Listener("u", "UDP", "10.0.0.1", 5060), ("10.0.0.2", 5060))
METHODS = frozenset({"INVITE", "ACK", "BYE", "OPTIONS"})

INVITE = (
    b"INVITE sip:1000@10.0.0.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.9:5080;rport;branch=z9hG4bKa;x\r\nMax-Forwards: 70\r\n"
    b'From: "A" <sip:a@10.0.0.9>;tag=a1\r\nTo: <sip:1000@10.0.0.1>\r\n'
    b"Call-ID: c1@10.0.0.9\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.9:5080>\r\n"
    b"Subject: \r\nContent-Type: application/sdp\r\nContent-Length:   5 \r\n\r\nv=0\r\n"
)
OK = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKb\r\n"
    b"From: <sip:a@10.0.0.1>;tag=a2\r\nTo: <sip:b@10.0.0.8>;tag=b2\r\nCall-ID: c2\r\n"
    b"CSeq: 4711 BYE\r\nContent-Length: 0\r\n\r\n"
)
PIECES = (
    *(b"\r\n", b"\r", b"\n", b" ", b": ", b":", b";", b",", b'"', b"<", b">", b">;tag=", b";tag="),
    *(b"\x00", b"\xc3\xa4", b"\xff", b"\t", b"0", b"9", b"SIP/2.0", b"Via: SIP/2.0/UDP h\r\n"),
    *(b"\r\nl: 5", b"\r\nX-Own: 1", b"\r\nCSeq: 2 ACK", b";branch=", b"\r\n\r\n", b"OPTIONS"),
)


def seen(data: bytes, how: Any) -> dict[str, Any] | str:
    try:
        message: Message = how(data)
    except ParseError as error:
        return f"{error.status} {error}"
    names = ["body", "branch", "call_id", "cseq", "cseq_method", "data", "first", "from_"]
    names += ["repeated", "to", "to_tag", "via", "from_tag", "headers"]
    names += ["method", "sent_by", "uri"] if isinstance(message, Request) else ["reason", "status"]
    return {name: getattr(message, name) for name in names} | {"type": type(message)}


def step_by_c(data: bytes, peer: str) -> bytes | None:
    flow = Flow(FLOW.listener, FLOW.remote)
    flow.name = peer
    call_id = step_of(data, 12.5, "in", peer)[0]
    calls = {call_id: bytearray(b"\xdc\x01\xff")}
    taken = _scan.steps(calls, [(flow, data)], 0, 12.5, "in", 513)
    if not taken:
        assert calls == {call_id: bytearray(b"\xdc\x01\xff")}
        return None
    assert calls[call_id][:3] == b"\xdc\x02\x00"
    assert _scan.steps(calls, [(flow, data)] * 3, 1, 12.5, "in", 512) == 3
    return bytes(calls[call_id][3:])


@pytest.mark.parametrize("data", [INVITE, OK, INVITE.replace(b"INVITE", b"ACK")])
def test_plain_messages_are_taken_by_c(data: bytes) -> None:
    for _ in range(2):  # the second time it knows the values
        assert _scan.message(data, SPELLED, METHODS) is not None
        assert seen(data, parse) == seen(data, parse_closely)


@given(st.data())
def test_c_and_python_see_the_same_message(draw: st.DataObject) -> None:
    data = draw.draw(st.sampled_from((INVITE, OK)))
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data)))
        cut = draw.draw(st.integers(0, 12))
        data = data[:at] + draw.draw(st.sampled_from(PIECES)) + data[at + cut :]
    assert seen(data, parse) == seen(data, parse_closely)
    assert step_by_c(data, "UDP h:1") in (None, step_of(data, 12.5, "in", "UDP h:1")[1])


@pytest.mark.parametrize("name", [b"v", b"via", b"X-Unheard-Of", b"V" * 200])
def test_what_is_spelled_in_another_way_is_left_to_python(name: bytes) -> None:
    assert _scan.message(INVITE.replace(b"Subject", name), SPELLED, METHODS) is None


def test_more_names_than_c_keeps_are_left_to_python() -> None:
    names = {f"X-{number}" for number in range(2_000)}
    taken = [
        _scan.message(INVITE.replace(b"Subject", name.encode()), SPELLED | names, METHODS)
        is not None
        for name in names
    ]
    assert 0 < taken.count(True) < 600
    assert seen(INVITE, parse) == seen(INVITE, parse_closely)


@pytest.mark.parametrize("size", [1, 31, 32, 200, 255, 256, 3000])
def test_steps_of_any_length_are_packed_as_msgpack_says(size: int) -> None:
    data = OK.replace(b"OK", b"O" * size).replace(b"4711", b"1" * size)
    made = b""
    for peer in ("UDP h:1", "P" * min(size, 255)):
        made = step_of(data, 12.5, "in", peer)[1]
        assert step_by_c(data, peer) == made
    (step,) = parse_ladder(b"\x91" + made)
    assert (step.at, step.direction, step.sdp) == (12.5, "in", False)
    assert step.line == "SIP/2.0 200 " + "O" * size


def test_c_refuses_what_are_no_bytes() -> None:
    with pytest.raises(TypeError):
        _scan.message("text")
    for batch in ([INVITE], [(FLOW, "text")], [(FLOW,)], "text"):
        with pytest.raises(TypeError):
            _scan.steps({}, batch, 0, 1.0, "in", 500)
    with pytest.raises(AttributeError):
        _scan.steps({}, [(None, INVITE)], 0, 1.0, "in", 500)
    for data in (b"", b"\r\n\r\n", b"\r\n", b"\n", b"A\r\n\r\n", b"\x00" * 70_000):
        assert _scan.message(data, SPELLED, METHODS) is None
        assert step_by_c(data, "peer") is None

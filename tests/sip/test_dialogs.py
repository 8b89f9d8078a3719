"""Dialogs against a peer that is played by hand: forks, routes, sequence numbers, other tags."""

from __future__ import annotations

from typing import Any

import pytest

from cicswitch.sip.events import (
    InfoReceived,
    InviteReceived,
    ProvisionalReceived,
    SessionAccepted,
    SessionEnded,
    SessionRejected,
)
from cicswitch.sip.flow import Flow
from cicswitch.sip.session import SessionState

from .net import Net

ROUTE = "Record-Route: <sip:r1@10.0.0.1;lr>\r\nRecord-Route: <sip:r2@10.0.0.1;lr>\r\n"
TARGET, ALICE = "sip:bob@10.0.0.2", "<sip:alice@10.0.0.1>"


def value(data: bytes, name: str) -> str:
    lines = data.decode().split("\r\n")
    return next(line.partition(": ")[2] for line in lines if line.startswith(name + ": "))


def sent(net: Net) -> list[bytes]:
    return [data for _, data in net.a.ua.take_outputs()]


def calling(net: Net) -> bytes:
    net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"o")
    (invite,) = sent(net)
    return invite


def answer(net: Net, request: bytes, status: str, tag: str, *headers: str) -> list[bytes]:
    """A response to what A sent; what A sends upon it."""
    names = [f"{name}: {value(request, name)}" for name in ("Via", "From", "Call-ID", "CSeq")]
    text = [f"SIP/2.0 {status}", *names, f"To: <{TARGET}>;tag={tag}", *headers]
    if not any(header.startswith("Contact") for header in headers):
        text.append(f"Contact: <sip:bob@10.0.0.2;fork={tag}>")
    net.a.ua.receive("\r\n".join([*text, "Content-Length: 0\r\n\r\n"]).encode(), net.to_b, net.now)
    return sent(net)


def events(net: Net) -> list[str]:
    return [type(event).__name__ for event in net.a.ua.take_events()]


def test_the_first_fork_that_answers_wins_and_the_others_are_hung_up() -> None:
    net = Net()
    invite = calling(net)
    for tag in ("one", "two"):
        assert answer(net, invite, "180 Ringing", tag) == []
    (ack,) = answer(net, invite, "200 OK", "two")
    assert ack.startswith(b"ACK sip:bob@10.0.0.2;fork=two ")
    late, bye = answer(net, invite, "200 OK", "one")
    assert late.startswith(b"ACK sip:bob@10.0.0.2;fork=one ")
    assert bye.startswith(b"BYE sip:bob@10.0.0.2;fork=one ")
    assert value(bye, "To").endswith(";tag=one")
    assert answer(net, invite, "200 OK", "two") == [ack]
    assert events(net) == ["ProvisionalReceived", "ProvisionalReceived", "SessionAccepted"]


def test_a_repeated_2xx_is_acknowledged_even_after_the_call() -> None:
    net = Net()
    invite = calling(net)
    (ack,) = answer(net, invite, "200 OK", "t")
    (session,) = net.a.ua.session_table.values()
    session.end(net.now)
    sent(net)
    assert answer(net, invite, "200 OK", "t") == [ack]


def test_a_loose_route_set_is_used_in_reverse() -> None:
    net = Net()
    invite = calling(net)
    routes = ("Record-Route: <sip:p2@10.0.0.2;lr>, <sip:p1@10.0.0.9;lr>", "Contact: <sip:b@h>")
    (ack,) = answer(net, invite, "200 OK", "t", *routes)
    assert ack.startswith(b"ACK sip:b@h SIP/2.0\r\n")
    assert ack.count(b"Route: ") == 2
    assert value(ack, "Route") == "<sip:p1@10.0.0.9;lr>"


def test_a_strict_router_gets_itself_as_request_uri() -> None:
    net = Net()
    routes = ("Record-Route: <sip:p2@10.0.0.2;lr>, <sip:p1@10.0.0.2>", "Contact: <sip:b@h>")
    (ack,) = answer(net, calling(net), "200 OK", "t", *routes)
    assert ack.startswith(b"ACK sip:p1@10.0.0.2 SIP/2.0\r\n")
    lines = [line for line in ack.decode().split("\r\n") if line.startswith("Route")]
    assert lines == ["Route: <sip:p2@10.0.0.2;lr>", "Route: <sip:b@h>"]


def test_a_contact_elsewhere_takes_the_requests_there() -> None:
    net = Net()
    invite = calling(net)
    answer(net, invite, "180 Ringing", "t")
    text = f"<{TARGET}>;tag=t"
    net.a.ua.receive(
        (
            f"SIP/2.0 200 OK\r\nVia: {value(invite, 'Via')}\r\nFrom: {value(invite, 'From')}\r\n"
            f"To: {text}\r\nCall-ID: {value(invite, 'Call-ID')}\r\nCSeq: 1 INVITE\r\n"
            "Contact: <sip:bob@10.0.0.7:5099>\r\nContent-Length: 0\r\n\r\n"
        ).encode(),
        net.to_b,
        net.now,
    )
    ((flow, ack),) = net.a.ua.take_outputs()
    assert flow == Flow(net.a.listener, ("10.0.0.7", 5099))
    assert ack.startswith(b"ACK sip:bob@10.0.0.7:5099")


def test_a_phone_behind_a_nat_is_reached_over_its_flow() -> None:
    net = Net()
    net.a.ua.invite(net.now, "sip:bob@192.168.1.5:5062", net.to_b, ALICE, body=b"o")
    (invite,) = sent(net)
    assert invite.startswith(b"INVITE sip:bob@192.168.1.5:5062 ")
    net.a.ua.receive(
        (
            f"SIP/2.0 200 OK\r\nVia: {value(invite, 'Via')}\r\nFrom: {value(invite, 'From')}\r\n"
            f"To: <{TARGET}>;tag=t\r\nCall-ID: {value(invite, 'Call-ID')}\r\nCSeq: 1 INVITE\r\n"
            "Contact: <sip:bob@192.168.1.5:5062>\r\nContent-Length: 0\r\n\r\n"
        ).encode(),
        net.to_b,
        net.now,
    )
    ((flow, _),) = net.a.ua.take_outputs()
    assert flow == net.to_b


class Incoming:
    """A call from a hand-made peer that B has answered."""

    def __init__(self, transport: str = "UDP", route: str = ROUTE) -> None:
        self.net = Net(transport=transport)
        self.route = route
        self.to = f"<{TARGET}>"
        self.ask("INVITE", 5, body="o")
        (event,) = self.net.b.ua.take_events()
        assert isinstance(event, InviteReceived)
        self.session = event.session
        self.session.accept(self.net.now, b"answer")
        ok = self.net.b.ua.take_outputs()[-1][1]
        self.to = value(ok, "To")
        self.ask("ACK", 5)
        self.net.b.ua.take_events()

    def ask(
        self,
        method: str,
        cseq: int,
        *lines: str,
        tag: str = "f",
        body: str = "",
        call_id: str = "c",
        flow: Flow | None = None,
    ) -> list[bytes]:
        self.net.b.ua.receive(
            (
                f"{method} {TARGET} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bK{method}{cseq}{tag}\r\n"
                f"From: {ALICE};tag={tag}\r\nTo: {self.to}\r\nCall-ID: {call_id}\r\n"
                f"CSeq: {cseq} {method}\r\nContact: <sip:alice@10.0.0.1>\r\n"
                + self.route
                + "".join(f"{line}\r\n" for line in lines)
                + f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            flow or self.net.to_a,
            self.net.now,
        )
        return [data for _, data in self.net.b.ua.take_outputs()] if method != "INVITE" else []


def test_record_routes_are_copied_and_become_the_route_set_in_order() -> None:
    call = Incoming()
    call.session.info(call.net.now, "text/plain", b"x")
    ((_, info),) = call.net.b.ua.take_outputs()
    lines = [line for line in info.decode().split("\r\n") if line.startswith("Route")]
    assert lines == ["Route: <sip:r1@10.0.0.1;lr>", "Route: <sip:r2@10.0.0.1;lr>"]


def test_a_lower_cseq_is_answered_500() -> None:
    call = Incoming()
    (ok,) = call.ask("INFO", 6)
    assert ok.startswith(b"SIP/2.0 200")
    (late,) = call.ask("INFO", 4)
    assert late.startswith(b"SIP/2.0 500")
    assert [type(event) for event in call.net.b.ua.take_events()] == [InfoReceived]


@pytest.mark.parametrize("transport", ["UDP", "WS"])
def test_a_browser_is_where_it_was_heard_last(transport: str) -> None:
    call = Incoming(transport, route="")
    other = Flow(call.net.b.listener, ("10.0.0.1", 40000))
    call.ask("INFO", 6, flow=other)
    call.session.info(call.net.now, "text/plain", b"x")
    ((flow, _),) = call.net.b.ua.take_outputs()
    assert flow == (other if transport == "WS" else call.net.to_a)


def test_dialogs_follow_the_registration_of_their_contact() -> None:
    net = Net(transport="WS")
    net.a.ua.invite(net.now, "sip:bob@x7.invalid;transport=ws", net.to_b, ALICE, body=b"o")
    (invite,) = sent(net)
    net.a.ua.receive(
        (
            f"SIP/2.0 200 OK\r\nVia: {value(invite, 'Via')}\r\nFrom: {value(invite, 'From')}\r\n"
            f"To: <{TARGET}>;tag=t\r\nCall-ID: {value(invite, 'Call-ID')}\r\nCSeq: 1 INVITE\r\n"
            "Contact: <sip:bob@x7.invalid;transport=ws;ob>\r\nContent-Length: 0\r\n\r\n"
        ).encode(),
        net.to_b,
        net.now,
    )
    (event,) = [e for e in net.a.ua.take_events() if isinstance(e, SessionAccepted)]
    net.a.ua.take_outputs()
    other = Flow(net.a.listener, ("10.0.0.2", 40000))
    net.a.ua.moved("sip:bob@x8.invalid;transport=ws", other)
    event.session.info(net.now, "text/plain", b"x")
    assert [flow for flow, _ in net.a.ua.take_outputs()] == [net.to_b]
    net.a.ua.moved("sip:bob@x7.invalid;transport=ws", other)
    event.session.info(net.now, "text/plain", b"x")
    assert [flow for flow, _ in net.a.ua.take_outputs()] == [other]


def test_an_info_package_that_is_not_known_is_469() -> None:
    call = Incoming()
    kind = "Content-Type: application/trickle-ice-sdpfrag"
    (taken,) = call.ask("INFO", 6, "Info-Package: Trickle-ICE", kind)
    assert taken.startswith(b"SIP/2.0 200")
    (other,) = call.ask("INFO", 7, "info-package: trickle-ice", "Content-Type: text/plain")
    assert other.startswith(b"SIP/2.0 415")
    assert b"\r\nAccept: application/trickle-ice-sdpfrag\r\n" in other
    (unknown,) = call.ask("INFO", 8, "Info-Package: weather", "Content-Type: text/plain")
    assert unknown.startswith(b"SIP/2.0 469 Bad Info Package")
    assert b"\r\nRecv-Info: trickle-ice\r\n" in unknown
    assert [type(event) for event in call.net.b.ua.take_events()] == [InfoReceived]


@pytest.mark.parametrize("changed", [{"tag": "other"}, {"call_id": "other"}])
def test_another_tag_or_call_id_is_another_dialog(changed: dict[str, Any]) -> None:
    call = Incoming()
    (sent_back,) = call.ask("BYE", 6, **changed)
    assert sent_back.startswith(b"SIP/2.0 481")
    assert call.session.state is SessionState.ESTABLISHED
    assert call.ask("BYE", 7)[0].startswith(b"SIP/2.0 200")
    (event,) = call.net.b.ua.take_events()
    assert isinstance(event, SessionEnded)


def test_a_repeated_bye_is_absorbed() -> None:
    call = Incoming()
    first = call.ask("BYE", 6)
    assert call.ask("BYE", 6) == first
    assert len(call.net.b.ua.take_events()) == 1


def test_an_unknown_method_in_a_dialog_is_405() -> None:
    call = Incoming()
    (refused,) = call.ask("PRACK", 6)
    assert refused.startswith(b"SIP/2.0 405")
    assert b"\r\nAllow: INVITE" in refused


def test_the_shape_of_what_a_caller_sees_of_a_failed_call() -> None:
    net = Net()
    (ack,) = answer(net, calling(net), "486 Busy Here", "t")
    assert value(ack, "To").endswith(";tag=t")
    assert value(ack, "CSeq") == "1 ACK"
    (event,) = net.a.ua.take_events()
    assert isinstance(event, SessionRejected)
    assert not isinstance(event, (SessionAccepted, ProvisionalReceived))


def test_the_tap_sees_every_message_both_ways() -> None:
    seen: list[str] = []
    net = Net(
        tap=lambda direction, messages: seen.extend(
            f"{direction} {data[:11].decode()}" for _, data in messages
        )
    )
    net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"o")
    net.run(0.25)
    assert seen == ["out INVITE sip:", "in INVITE sip:", "out SIP/2.0 100", "in SIP/2.0 100"]

"""Calls between two user agents, read as call flows."""

from __future__ import annotations

import gc

import pytest

from cicswitch.core.errors import Conflict
from cicswitch.sip.events import (
    EndedBy,
    Event,
    InfoReceived,
    InviteReceived,
    NotifyReceived,
    ProvisionalReceived,
    ReferAnswered,
    ReferReceived,
    ReinviteAnswered,
    ReinviteReceived,
    ReinviteRejected,
    SessionAccepted,
    SessionAcked,
    SessionCancelled,
    SessionEnded,
    SessionRejected,
)
from cicswitch.sip.session import InviteSession, SessionState
from cicswitch.sip.settings import Settings

from .net import Net

TARGET = "sip:bob@10.0.0.2"
ALICE = '"Alice" <sip:alice@10.0.0.1>'


def call(net: Net, body: bytes = b"offer") -> InviteSession:
    session = net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=body)
    net.run(0.01)
    return session


def established(net: Net) -> tuple[InviteSession, InviteSession]:
    caller = call(net)
    callee = net.b.one(InviteReceived).session
    callee.accept(net.now, b"answer")
    net.run(0.01)
    return caller, callee


def test_a_call_rings_is_answered_and_hung_up_by_the_caller() -> None:
    net = Net()
    caller = call(net)
    callee = net.b.one(InviteReceived).session
    callee.ring(net.now)
    net.run(0.01)
    callee.accept(net.now, b"answer")
    net.run(0.01)
    assert net.b.one(InviteReceived).request.body == b"offer"
    assert net.a.one(ProvisionalReceived).status == 180
    assert net.a.one(SessionAccepted).body == b"answer"
    assert net.b.one(SessionAcked).session is callee
    caller.end(net.now, (("Reason", 'Q.850;cause=16;text="bye"'),))
    net.run(0.01)
    assert net.b.one(SessionEnded).by is EndedBy.REMOTE
    assert net.b.one(SessionEnded).reason == 'Q.850;cause=16;text="bye"'
    assert net.a.one(SessionEnded).by is EndedBy.LOCAL
    assert net.ladder() == [
        "a INVITE", "b 180 INVITE", "b 200 INVITE", "a ACK", "a BYE", "b 200 BYE",
    ]  # fmt: skip
    net.assert_empty()


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_the_callee_hangs_up(transport: str) -> None:
    net = Net(transport=transport)
    caller, callee = established(net)
    callee.end(net.now)
    net.run(0.01)
    assert net.a.one(SessionEnded).by is EndedBy.REMOTE
    assert caller.state is SessionState.ENDED
    net.assert_empty()


def test_a_call_that_nobody_decides_on_is_told_100_after_200_ms() -> None:
    net = Net()
    call(net)
    net.run(0.19)
    assert net.ladder() == ["a INVITE"]
    net.run(0.03)
    assert net.ladder() == ["a INVITE", "b 100 INVITE"]
    net.b.one(InviteReceived).session.reject(net.now, 486)
    net.run(5.0)
    assert net.ladder() == ["a INVITE", "b 100 INVITE", "b 486 INVITE", "a ACK"]
    net.assert_empty()


def test_a_rejected_call_reports_status_and_reason() -> None:
    net = Net()
    call(net)
    net.b.one(InviteReceived).session.reject(net.now, 486, "Busy", (("X-Why", "lunch"),))
    net.run(0.01)
    rejected = net.a.one(SessionRejected)
    assert (rejected.status, rejected.reason) == (486, "Busy")
    assert rejected.response is not None
    assert rejected.response.get("X-Why") == "lunch"
    assert net.ladder() == ["a INVITE", "b 486 INVITE", "a ACK"]
    net.assert_empty()


def test_cancel_before_the_answer() -> None:
    net = Net()
    caller = call(net)
    net.b.one(InviteReceived).session.ring(net.now)
    net.run(0.01)
    caller.end(net.now, (("Reason", "SIP;cause=200"),))
    net.run(0.01)
    assert net.b.one(SessionCancelled).reason == "SIP;cause=200"
    assert net.a.one(SessionRejected).status == 487
    assert net.ladder()[2:] == ["a CANCEL", "b 200 CANCEL", "b 487 INVITE", "a ACK"]
    net.assert_empty()


def test_cancel_waits_for_a_provisional_response() -> None:
    net = Net(verdict=lambda index, data: [0.1])
    caller = net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"offer")
    caller.end(net.now)
    net.run(0.35)
    assert net.ladder() == ["a INVITE", "b 100 INVITE"]
    net.run(1.0)
    assert net.ladder()[2] == "a CANCEL"
    assert net.a.one(SessionRejected).status == 487
    net.assert_empty()


def test_a_2xx_that_crosses_cancel_is_acknowledged_and_hung_up() -> None:
    net = Net()
    caller = call(net)
    callee = net.b.one(InviteReceived).session
    callee.ring(net.now)
    net.run(0.01)
    callee.accept(net.now, b"answer")
    caller.end(net.now)
    net.run(1.0)
    assert net.a.one(SessionRejected).status == 487
    assert net.b.one(SessionEnded).by is EndedBy.REMOTE
    assert [line for line in net.ladder() if line.startswith("a")] == [
        "a INVITE", "a CANCEL", "a ACK", "a BYE",
    ]  # fmt: skip
    net.assert_empty()


def test_no_response_at_all_is_a_408_after_64_t1() -> None:
    net = Net(verdict=lambda index, data: [])
    call(net)
    net.run(31.9)
    assert not net.a.events
    net.run(0.2)
    assert net.a.one(SessionRejected).status == 408
    assert net.ladder() == ["a INVITE"] * 7
    net.assert_empty()


def test_without_ack_the_callee_ends_the_call() -> None:
    net = Net(verdict=lambda index, data: [] if data.startswith(b"ACK") else [0.001])
    call(net)
    net.b.one(InviteReceived).session.accept(net.now, b"answer")
    net.run(40.0)
    assert net.b.one(SessionEnded).by is EndedBy.TIMEOUT
    assert net.ladder().count("b 200 INVITE") == net.ladder().count("a ACK") == 11
    assert net.a.one(SessionEnded).by is EndedBy.REMOTE
    net.assert_empty()


def test_ending_before_ack_waits_for_it() -> None:
    net = Net()
    call(net)
    callee = net.b.one(InviteReceived).session
    callee.accept(net.now, b"answer")
    callee.end(net.now)
    assert net.b.ua.take_outputs()[-1][1].startswith(b"SIP/2.0 200")
    net.run(2.0)
    assert net.ladder()[-2:] == ["b BYE", "a 200 BYE"]
    assert net.b.one(SessionEnded).by is EndedBy.LOCAL
    net.assert_empty()


def test_a_delayed_offer_is_answered_in_ack() -> None:
    net = Net()
    caller = call(net, body=b"")
    net.b.one(InviteReceived).session.accept(net.now, b"their offer")
    net.run(0.01)
    assert net.a.one(SessionAccepted).body == b"their offer"
    assert not net.b.all(SessionAcked)
    caller.acknowledge(net.now, b"our answer")
    net.run(0.01)
    assert net.b.one(SessionAcked).body == b"our answer"
    caller.end(net.now)
    net.assert_empty()


def test_reinvite_and_update_in_both_directions() -> None:
    net = Net()
    for session in established(net):
        mine, theirs = (net.a, net.b) if session.is_caller else (net.b, net.a)
        for verb in ("reinvite", "update"):
            mine.events.clear()
            theirs.events.clear()
            getattr(session, verb)(net.now, b"hold")
            net.run(0.01)
            received = theirs.one(ReinviteReceived)
            assert (received.method, received.body) == (
                "INVITE" if verb == "reinvite" else "UPDATE",
                b"hold",
            )
            received.session.accept_reinvite(net.now, b"held")
            net.run(0.01)
            assert mine.one(ReinviteAnswered).body == b"held"
            assert len(theirs.all(SessionAcked)) == (verb == "reinvite")
    session.end(net.now)
    net.assert_empty()


def test_a_refused_reinvite_leaves_the_call_as_it_was() -> None:
    net = Net()
    caller, callee = established(net)
    caller.reinvite(net.now, b"new")
    with pytest.raises(Conflict):
        caller.update(net.now, b"another")
    net.run(0.01)
    callee.reject_reinvite(net.now, 488)
    net.run(0.01)
    assert net.a.one(ReinviteRejected).status == 488
    assert caller.state is callee.state is SessionState.ESTABLISHED
    caller.end(net.now)
    net.assert_empty()


def test_glare_is_solved_by_waiting() -> None:
    net = Net()
    caller, callee = established(net)

    def accept(event: Event, now: float) -> None:
        if isinstance(event, ReinviteReceived):
            event.session.accept_reinvite(now, b"fine")

    net.a.on_event = net.b.on_event = accept
    caller.reinvite(net.now, b"from a")
    callee.reinvite(net.now, b"from b")
    net.run(6.0)
    assert net.ladder().count("a 491 INVITE") == net.ladder().count("b 491 INVITE") == 1
    assert net.a.one(ReinviteAnswered).body == b"fine"
    assert net.b.one(ReinviteAnswered).body == b"fine"
    caller.end(net.now)
    net.assert_empty()


def test_refer_reports_progress_by_notify() -> None:
    net = Net()
    caller, callee = established(net)
    target = "<sip:carol@10.0.0.3?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>"
    callee.refer(net.now, target, (("Referred-By", "<sip:bob@10.0.0.2>"),))
    net.run(0.01)
    referred = net.a.one(ReferReceived)
    assert referred.refer_to == "sip:carol@10.0.0.3"
    assert referred.replaces == "abc@h;to-tag=1;from-tag=2"
    assert referred.referred_by == "<sip:bob@10.0.0.2>"
    assert net.b.one(ReferAnswered).status == 202
    caller.notify_refer(net.now, 180)
    caller.notify_refer(net.now, 200)
    caller.notify_refer(net.now, 200)  # the subscription is over: nothing
    net.run(0.01)
    notified = [(event.status, event.terminated) for event in net.b.all(NotifyReceived)]
    assert notified == [(100, False), (180, False), (200, True)]
    callee.end(net.now)
    net.assert_empty()


def test_info_is_answered_and_passed_up() -> None:
    net = Net()
    caller, _ = established(net)
    caller.info(net.now, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
    net.run(0.01)
    info = net.b.one(InfoReceived)
    assert (info.content_type, info.body[:8]) == ("application/dtmf-relay", b"Signal=5")
    caller.end(net.now)
    net.assert_empty()


def test_replaces_finds_its_session_and_nothing_else() -> None:
    net = Net()
    caller, callee = established(net)
    tags = f"{callee.call_id};to-tag={callee.id};from-tag={caller.id}"
    for value, found in ((tags, callee), (f"{callee.call_id};to-tag=x;from-tag=y", None)):
        net.b.events.clear()
        net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"o", headers=[("Replaces", value)])
        net.run(0.01)
        offered = net.b.all(InviteReceived)
        assert [event.replaces for event in offered] == ([found] if found else [])
    assert net.a.one(SessionRejected).status == 481
    offered_session = [s for s in net.b.ua.session_table.values() if s is not callee]
    offered_session[0].reject(net.now, 480)
    caller.end(net.now)
    net.assert_empty()


def test_only_callees_answer_and_only_callers_wait() -> None:
    net = Net()
    caller = call(net)
    with pytest.raises(Conflict):
        caller.accept(net.now)
    with pytest.raises(Conflict):
        net.b.one(InviteReceived).session.info(net.now, "a/b", b"")
    net.b.one(InviteReceived).session.end(net.now)
    net.run(0.1)
    assert net.a.one(SessionRejected).status == 480
    net.assert_empty()


def test_nothing_of_leg_a_appears_in_leg_b() -> None:
    net = Net()
    caller = call(net)
    seen = net.b.one(InviteReceived).session
    leg_b = net.b.ua.invite(net.now, "sip:carol@10.0.0.1", net.to_a, "<sip:x@10.0.0.2>", body=b"o")
    net.flush()
    sent = net.sent[-1][1]
    assert sent.startswith(b"INVITE sip:carol")
    for secret in (caller.call_id, caller.id, seen.id, "alice", "10.0.0.1:5060;rport"):
        assert secret.encode() not in sent
    leg_b.end(net.now)
    caller.end(net.now)
    net.run(1.0)
    net.assert_empty()


def test_a_session_that_nobody_refreshes_ends() -> None:
    net = Net(settings=Settings(session_expires_s=90))
    caller, _ = established(net)
    net.run(600.0)
    assert not net.a.all(SessionEnded)
    assert net.ladder().count("a UPDATE") >= 10
    net.verdict = lambda index, data: []
    net.run(100.0)
    assert net.b.one(SessionEnded).by is EndedBy.TIMEOUT
    assert caller.state is SessionState.ENDED
    net.assert_empty()


def test_an_interval_that_is_too_small_is_refused() -> None:
    net = Net()
    headers = [("Session-Expires", "30"), ("Supported", "timer")]
    net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"o", headers=headers)
    net.run(0.1)
    rejected = net.a.one(SessionRejected)
    assert rejected.status == 422
    assert rejected.response is not None
    assert rejected.response.get("Min-SE") == "90"
    net.assert_empty()


def test_a_failed_connection_ends_what_ran_over_it() -> None:
    net = Net(transport="TCP")
    net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"offer")
    net.a.ua.flow_failed(net.to_b, net.now)
    net.flush()
    assert net.a.one(SessionRejected).status == 503
    net.run(0.1)
    net.b.ua.flow_failed(net.to_a, net.now)
    net.flush()
    assert net.b.one(SessionCancelled).reason == "the connection failed"
    net.assert_empty()


def test_an_ended_session_is_held_by_nothing_while_its_transactions_linger() -> None:
    net = Net()
    caller, _ = established(net)
    caller.end(net.now)
    net.run(0.1)
    assert net.a.ua.clients
    assert all(client.user is None for client in net.a.ua.clients.values())
    assert net.b.ua.servers
    assert all(server.user is None for server in net.b.ua.servers.values())
    assert caller.transaction is None
    net.assert_empty()


def test_a_thousand_calls_leave_no_garbage_and_empty_tables() -> None:
    net = Net()

    def one_call() -> None:
        net.a.events.clear()
        net.b.events.clear()
        net.sent.clear()
        caller, callee = established(net)
        caller.reinvite(net.now, b"hold")
        net.run(0.01)
        callee.accept_reinvite(net.now, b"held")
        net.run(0.01)
        callee.end(net.now)
        net.run(0.1)

    one_call()
    gc.collect()
    gc.disable()
    try:
        for _ in range(1000):
            one_call()
        net.run(100.0)
        net.a.events.clear()
        net.b.events.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()
    net.assert_empty()

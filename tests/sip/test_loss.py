"""Calls over a network that loses, doubles and reorders: they still work, and nothing is left."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from cicswitch.sip.events import (
    Event,
    InviteReceived,
    ProvisionalReceived,
    ReinviteAnswered,
    ReinviteReceived,
    SessionAccepted,
    SessionAcked,
    SessionCancelled,
    SessionEnded,
    SessionRejected,
)

from .net import Net

TARGET, ALICE = "sip:bob@10.0.0.2", "<sip:alice@10.0.0.1>"


def answering(net: Net) -> Callable[[Event, float], None]:
    """A callee that rings, answers after a second, and accepts re-INVITEs."""

    def act(event: Event, now: float) -> None:
        if isinstance(event, InviteReceived):
            event.session.ring(now)
            event.session.data = event.session
            net.wheel.at(now + 1.0, answer, event.session)
        elif isinstance(event, ReinviteReceived):
            event.session.accept_reinvite(now, b"held")

    def answer(now: float, session: object) -> None:
        for live in list(net.b.ua.session_table.values()):
            if live is session and live.state.name == "INCOMING":
                live.accept(now, b"answer")
                live.data = None

    return act


def whole_call(net: Net) -> None:
    """INVITE, answer, re-INVITE by the caller, BYE by the caller."""
    net.b.on_event = answering(net)

    def caller(event: Event, now: float) -> None:
        if isinstance(event, SessionAccepted):
            net.wheel.at(now + 1.0, reinvite, event.session)
        elif isinstance(event, ReinviteAnswered):
            net.wheel.at(now + 1.0, hang_up, event.session)

    def reinvite(now: float, session: object) -> None:
        for live in list(net.a.ua.session_table.values()):
            live.reinvite(now, b"hold")

    def hang_up(now: float, session: object) -> None:
        for live in list(net.a.ua.session_table.values()):
            live.end(now)

    net.a.on_event = caller
    net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"offer")
    net.run(120.0)
    net.a.one(SessionAccepted)
    net.a.one(ReinviteAnswered)
    net.a.one(SessionEnded)
    assert len(net.b.all(InviteReceived)) == 1
    assert len(net.b.all(SessionAcked)) in (1, 2)
    net.b.one(SessionEnded)
    for session in (net.b.one(InviteReceived).session,):
        session.data = None
    net.assert_empty()


def cancelled_call(net: Net) -> None:
    """INVITE, 180, CANCEL."""

    def callee(event: Event, now: float) -> None:
        if isinstance(event, InviteReceived):
            event.session.ring(now)

    def caller(event: Event, now: float) -> None:
        if isinstance(event, ProvisionalReceived):
            event.session.end(now)

    net.b.on_event, net.a.on_event = callee, caller
    session = net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"offer")
    net.run(3.0)
    session.end(net.now)
    net.run(120.0)
    assert net.a.one(SessionRejected).status == 487
    net.b.one(SessionCancelled)
    net.assert_empty()


def losing(lost: int) -> Callable[[int, bytes], list[float]]:
    return lambda index, data: [] if index == lost else [0.001]


@pytest.mark.parametrize("lost", range(14))
def test_any_one_packet_of_a_whole_call_may_be_lost(lost: int) -> None:
    whole_call(Net(verdict=losing(lost)))


@pytest.mark.parametrize("lost", range(9))
def test_any_one_packet_of_a_cancelled_call_may_be_lost(lost: int) -> None:
    cancelled_call(Net(verdict=losing(lost)))


@pytest.mark.parametrize("doubled", range(14))
def test_any_one_packet_of_a_whole_call_may_come_twice(doubled: int) -> None:
    whole_call(Net(verdict=lambda index, data: [0.001] * (2 if index == doubled else 1)))


@pytest.mark.parametrize("seed", range(40))
def test_calls_survive_a_bad_network(seed: int) -> None:
    source = random.Random(seed)

    def verdict(index: int, data: bytes) -> list[float]:
        copies = source.choices((0, 1, 2), (15, 75, 10))[0]
        return [source.uniform(0.001, 0.3) for _ in range(copies)]

    net = Net(verdict=verdict)
    (whole_call if seed % 2 else cancelled_call)(net)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_terrible_network_does_nothing_is_left(seed: int) -> None:
    source = random.Random(seed)

    def verdict(index: int, data: bytes) -> list[float]:
        copies = source.choices((0, 1, 3), (55, 35, 10))[0]
        return [source.uniform(0.001, 2.0) for _ in range(copies)]

    net = Net(verdict=verdict)
    net.b.on_event = answering(net)
    session = net.a.ua.invite(net.now, TARGET, net.to_b, ALICE, body=b"offer")
    net.run(source.uniform(0, 60))
    session.end(net.now)
    net.run(200.0)
    for event in net.b.all(InviteReceived):
        event.session.data = None
    for live in list(net.b.ua.session_table.values()):
        # Only a callee whose caller never got through to hang up may still stand.
        live.end(net.now)
    net.assert_empty()

"""Ladders: kept for the calls that were, and for no others."""

from __future__ import annotations

import pytest

from cicswitch.core.timers import TimerWheel
from cicswitch.legs.sip import ladder as module
from cicswitch.legs.sip.ladder import Ladder, add_step, parse_ladder, step_of
from cicswitch.sip.flow import Flow, Listener

FLOW = Flow(Listener("udp", "UDP", "127.0.0.1", 5060), ("127.0.0.2", 5060))


def invite(call_id: str) -> bytes:
    return f"INVITE sip:1 SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n".encode()


class Taps:
    def __init__(self) -> None:
        self.now = 100.0
        self.wheel = TimerWheel()
        self.kept: list[str] = []
        self.live: list[str] = []
        self.ladder = Ladder(
            self.wheel,
            lambda: self.now,
            lambda at, interaction, leg, data: self.kept.append(leg),
            lambda: self.live,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wheel.fire(self.now)

    def see(self, call_id: str) -> None:
        self.ladder.tap("in", [(FLOW, invite(call_id))])


def test_the_ladder_of_a_call_lives_as_long_as_its_leg_and_is_kept_then() -> None:
    taps = Taps()
    taps.live = ["talk"]
    taps.see("talk")
    for _ in range(10):
        taps.wait(11)
    (step,) = parse_ladder(taps.ladder.raw("talk"))
    assert (step.direction, step.line, step.cseq) == ("in", "INVITE sip:1 SIP/2.0", "1 INVITE")
    taps.live = []
    taps.ladder.ended("talk", "i", "leg")
    assert taps.kept == []
    taps.wait(6)
    assert taps.kept == ["leg"]
    taps.wait(11)
    assert len(taps.ladder) == 0
    assert len(taps.wheel) == 0


def test_an_invite_that_came_to_no_leg_is_forgotten() -> None:
    taps = Taps()
    for number in range(50):
        taps.see(f"refused{number}")
    assert len(taps.ladder) == 50  # a look sorts what was put aside
    taps.wait(11)
    assert len(taps.ladder) == 0
    assert taps.kept == []
    assert len(taps.wheel) == 0


def test_a_flood_opens_no_more_ladders_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_CALLS", 10)
    taps = Taps()
    for number in range(50):
        taps.see(f"refused{number}")
    assert len(taps.ladder) == 10


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300, 500])
def test_a_ladder_of_any_length_is_read_again(count: int) -> None:
    data = b"BYE sip:1 SIP/2.0\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n\r\n"
    ladder = bytearray(b"\xdc\0\0")
    for at in range(count):
        add_step(ladder, step_of(data, float(at), "in", "UDP a:1")[1])
    assert [step.at for step in parse_ladder(ladder)] == [float(at) for at in range(count)]


def test_a_ladder_ends_after_500_steps_and_knows_its_first() -> None:
    taps = Taps()
    taps.live = ["talk"]
    for number in range(600):
        taps.now = 100.0 + number
        taps.see("talk")
    steps = parse_ladder(taps.ladder.raw("talk"))
    assert [step.at for step in steps] == [100.0 + number for number in range(500)]
    assert parse_ladder(taps.ladder.raw("nobody")) == []


def test_messages_of_a_batch_keep_their_order_whatever_they_look_like() -> None:
    taps = Taps()
    odd = b"CANCEL sip:1 SIP/2.0\r\ni: c\r\nCSeq: 1 CANCEL\r\n\r\n"
    bye = b"BYE sip:1 SIP/2.0\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n\r\n"
    batch = [invite("c"), bye, invite("d"), odd, bye.replace(b": c", b": e"), bye]
    taps.ladder.tap("in", [(FLOW, data) for data in batch])
    lines = [step.line.split()[0] for step in parse_ladder(taps.ladder.raw("c"))]
    assert lines == ["INVITE", "BYE", "CANCEL", "BYE"]
    assert len(taps.ladder) == 2

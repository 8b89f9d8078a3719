"""What was decided once is decided again, and a difference is found where it is."""

from __future__ import annotations

import random

import msgspec
import pytest

from cicswitch.acd import commands as c
from cicswitch.acd import events as e
from cicswitch.acd.engine import Engine
from cicswitch.calls import events as call_events
from cicswitch.calls.events import SwitchStarted, SwitchStopped
from cicswitch.contacts import events as contact_events
from cicswitch.core.errors import CommandError
from cicswitch.records.journal import KINDS, Event, decode_batch, encode_batch
from cicswitch.records.replay import replay


def a_day(seed: int, *, stopped: bool = True) -> list[Event]:
    """The journal of a random day, as the conductor writes it."""
    draw = random.Random(seed)
    engine, now = Engine(), 1000.0
    journal: list[Event] = [SwitchStarted(now, "0")]

    def do(command: c.Command) -> None:
        try:
            engine.handle(command, now)
        except CommandError:
            journal.extend(engine.take_events())
            return
        journal.append(e.Commanded(engine.now, command))
        journal.extend(engine.take_events())

    rings = (c.Ring(after_s=7, skills={"ko": 0}), c.Ring(after_s=15, queue="r"))
    do(c.DefineQueue(queue="q", skills={"ko": 1}, rings=rings, ring_s=9, wrap_up_s=4))
    do(c.DefineQueue(queue="r", select="weighted", weights=c.Weights(idle=0.3), bound_s=30))
    for number in range(8):
        do(c.DefineAgent(agent=f"a{number}", skills={"ko": 50} if number % 2 else {}))
        do(c.SignIn(f"a{number}"))
    for number in range(800):
        now += draw.choice((0.0, 0.013, 0.5, 2.0, 5.0))
        if draw.random() < 0.5:
            engine.advance(now)  # the wheel fires, or the next command finds it late
            journal.extend(engine.take_events())
        kind = draw.random()
        if kind < 0.4:
            do(c.Enqueue(interaction=str(number), queue=draw.choice("qr"), customer="x"))
        elif kind < 0.6 and engine.reservations:
            do(c.Accept(draw.choice(list(engine.reservations))))
        elif kind < 0.85 and engine.interactions:
            name = draw.choice(list(engine.interactions))
            do(draw.choice((c.Leave, c.Finish, c.Hold, c.Resume))(name))
        else:
            agent = f"a{draw.randrange(8)}"
            do(draw.choice((c.Ready(agent), c.Pause(agent, "x"), c.Seize(agent), c.Free(agent))))
    if stopped:
        journal.append(SwitchStopped(now, "stopped"))
    return decode_batch(encode_batch(journal))


@pytest.mark.parametrize("seed", range(5))
def test_a_day_is_decided_the_same_again(seed: int) -> None:
    journal = a_day(seed)
    (run,) = replay(journal)
    assert run.same
    decisions = sum(type(x) in e.AcdEvent.__args__ for x in journal)
    assert run.decided == decisions > 500
    assert run.tail == 0


def test_a_decision_that_differs_is_shown() -> None:
    journal = a_day(1)
    at = [n for n, x in enumerate(journal) if isinstance(x, e.Reserved)][10]
    journal[at] = msgspec.structs.replace(journal[at], agent="somebody")
    (run,) = replay(journal)
    assert not run.same
    assert "somebody" in run.expected
    assert "Reserved" in run.got


def test_what_a_crash_cut_off_is_the_tail_and_each_run_stands_alone() -> None:
    crashed = a_day(2, stopped=False)[:-3]
    crashed.append(e.AgentChanged(9e9, "a1", "offline", "idle", 5.0))
    crashed.append(SwitchStopped(9e9, "restart"))
    first, second = replay([*crashed, *a_day(3)])
    assert first.same
    assert 0 < first.tail < 30
    assert second.same
    assert second.tail == 0


def test_every_event_has_a_place_in_the_journal() -> None:
    """What is written and cannot be read again keeps the switch from starting."""
    for module in (call_events, contact_events):
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and kind is not call_events.LegDigit:
                assert KINDS.get(name) is kind, name

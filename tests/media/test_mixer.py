"""Rooms inside an engine, without packets on a wire: who hears whom, whatever is said."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cicswitch.media import wire
from cicswitch.media.engine import Engine
from cicswitch.media.inlet import Rows
from cicswitch.media.mixer import Phase
from cicswitch.media.pool import PortPool
from cicswitch.media.settings import MediaSettings
from cicswitch.media.sources import FRAME
from cicswitch.ports import MediaSource
from cicswitch.rtp import g711

LAWS = ("PCMU", "PCMA")


class Room:
    """An engine with legs 1 to n, which never see a packet of the kernel."""

    def __init__(self, codecs: tuple[str, ...]) -> None:
        self.events: list[wire.Event] = []
        pool = PortPool("127.0.0.9", 31000, 31198, ipv6=False, quarantine_s=0.0)
        self.engine = Engine(
            MediaSettings(host="127.0.0.9"),
            {False: pool},
            self.events.append,
            lambda slot, leg: None,
            lambda slot: None,
            Rows(),
            None,
        )
        self.engine.command(wire.Grow(len(codecs)))
        ports = list(pool.slots)
        self.codecs = {}
        for number, (codec, port) in enumerate(zip(codecs, ports, strict=True), 1):
            self.engine.command(wire.Open(number, port))
            payload_type = LAWS.index(codec) * 8
            self.engine.command(wire.Configure(number, codec, payload_type, "127.0.0.2", 9, 101))
            self.codecs[number] = codec
        self.sequence = 0

    def phase(self, number: int) -> Phase:
        seat = self.engine.legs[number].seat
        assert seat is not None
        return seat.room.phase

    def say(self, number: int, payload: bytes, *, timestamp: int | None = None) -> None:
        """A packet of this leg arrives, the slow way."""
        leg = self.engine.legs[number]
        leg.source = ("127.0.0.2", 9)
        self.sequence += 1
        at = self.sequence * FRAME if timestamp is None else timestamp
        row = memoryview(bytearray(640))
        payload_type = LAWS.index(self.codecs[number]) * 8
        struct.pack_into("!BBHII", row, 0, 0x80, payload_type, self.sequence & 0xFFFF, at, number)
        row[12 : 12 + len(payload)] = payload
        leg.slow(row, 12 + len(payload), time.monotonic())

    def mixed(self, *numbers: int) -> dict[int, NDArray[np.int16]]:
        """One tick of the room of these legs: the samples that each is sent."""
        codes, _ = self.phase(numbers[0]).mix()
        rows = {seat.leg.number: row for row, seat in self.phase(numbers[0]).seats}
        return {
            number: g711.decode(
                codes[rows[number] * FRAME : rows[number] * FRAME + FRAME],
                g711.LAWS[self.codecs[number]],
            )
            for number in numbers
        }


@contextmanager
def room(*codecs: str) -> Iterator[Room]:
    made = Room(codecs)
    try:
        yield made
    finally:
        made.engine.shutdown()


def nearest(samples: NDArray[np.int32], codec: str) -> NDArray[np.int16]:
    law = g711.LAWS[codec]
    return g711.decode(g711.encode(np.clip(samples, -32768, 32767).astype(np.int16), law), law)


relations = st.integers(2, 6).flatmap(
    lambda count: st.tuples(
        st.lists(st.sampled_from(LAWS), min_size=count, max_size=count),
        st.lists(st.sets(st.integers(1, count), max_size=count), min_size=count, max_size=count),
        st.integers(0, 2**32 - 1),
    )
)


@settings(max_examples=150, deadline=None)
@given(relations)
def test_each_leg_hears_the_sum_of_those_it_should(
    case: tuple[list[str], list[set[int]], int],
) -> None:
    codecs, hears, seed = case
    dice = np.random.default_rng(seed)
    numbers = range(1, len(codecs) + 1)
    with room(*codecs) as it:
        it.engine.command(wire.Mix(list(numbers), [sorted(each) for each in hears]))
        said: dict[int, NDArray[np.int16]] = {}
        for number in numbers:
            payload = dice.integers(0, 256, FRAME, np.uint8).tobytes()
            it.say(number, payload)
            said[number] = g711.decode(payload, g711.LAWS[codecs[number - 1]])
        heard = it.mixed(*numbers)
        for number in numbers:
            total = np.zeros(FRAME, np.int32)
            for other in hears[number - 1] - {number}:
                total += said[other]
            np.testing.assert_array_equal(heard[number], nearest(total, codecs[number - 1]))


def test_rooms_do_not_hear_one_another() -> None:
    with room(*["PCMU"] * 12) as it:
        for first in (1, 4, 7):
            legs = [first, first + 1, first + 2]
            it.engine.command(wire.Mix(legs, [[leg for leg in legs if leg != me] for me in legs]))
        it.engine.command(wire.Mix([10, 11, 12], [[], [], []]))
        it.say(1, g711.encode(np.full(FRAME, 1000, np.int16), g711.ULAW))
        assert {int(row[0]) // 100 for row in it.mixed(2, 3).values()} == {9}
        for others in ((1,), (4, 5, 6), (7, 8, 9), (10, 11, 12)):
            assert all(not row.any() for row in it.mixed(*others).values())


def test_a_leg_that_leaves_is_heard_no_more_and_the_last_one_is_alone() -> None:
    with room("PCMU", "PCMU", "PCMU") as it:
        it.engine.command(wire.Mix([1, 2, 3], [[2, 3], [1, 3], [1, 2]]))
        it.engine.command(wire.Unbridge(3))
        assert it.engine.legs[3].seat is None
        for number in (1, 2, 3):
            it.say(number, g711.encode(np.full(FRAME, 100 * number, np.int16), g711.ULAW))
        assert abs(int(it.mixed(1)[1][0]) - 200) < 5
        it.engine.command(wire.Close(2))
        assert it.engine.legs[1].seat is None
        assert it.engine.figures()["rooms"] == 0


def test_who_is_not_named_any_more_leaves_and_two_who_are_bridged_leave_the_room() -> None:
    with room("PCMU", "PCMU", "PCMU", "PCMU") as it:
        legs = it.engine.legs
        it.engine.command(wire.Mix([1, 2, 3], [[2], [1, 3], [1, 2]]))
        it.engine.command(wire.Mix([2, 1, 4], [[1], [2], [1]]))
        assert [legs[number].seat is None for number in (1, 2, 3, 4)] == [False, False, True, False]
        it.engine.command(wire.Bridge(1, 2))
        assert all(leg.seat is None for leg in legs.values())
        assert legs[1].partner is legs[2]
        assert it.engine.figures()["rooms"] == 0
        it.engine.command(wire.Mix([1, 3], [[3], [1]]))
        assert legs[2].partner is None


def test_an_announcement_is_heard_by_its_leg_over_the_talk_and_then_bridged_again() -> None:
    with room("PCMA", "PCMU") as it:
        legs = it.engine.legs
        it.engine.command(wire.Bridge(1, 2))
        source = MediaSource(tone_hz=(1000.0,), duration_ms=40)
        it.engine.command(wire.Play(1, "note", [source], over=True))
        assert legs[1].play is None
        loud = g711.encode(np.full(FRAME, 5000, np.int16), g711.ULAW)
        it.say(2, loud)
        it.say(1, g711.encode(np.full(FRAME, -3000, np.int16), g711.ALAW))
        heard = it.mixed(1, 2)
        assert np.abs(heard[2].astype(int) + 3000).max() < 200
        assert heard[1].min() < 4900
        assert abs(heard[1].mean() - 5000) < 200
        for step in range(8):
            it.engine.tick(it.engine.now + 0.02 * step)
        assert wire.Played(1, "note") in it.events
        assert legs[1].partner is legs[2]
        assert legs[1].seat is None


def test_an_announcement_outlives_the_end_of_a_room_of_three() -> None:
    with room("PCMU", "PCMU", "PCMU") as it:
        it.engine.command(wire.Mix([1, 2, 3], [[2], [1, 3], [1, 2]]))
        source = MediaSource(tone_hz=(1000.0,), duration_ms=40)
        it.engine.command(wire.Play(2, "note", [source], over=True))
        it.engine.command(wire.Bridge(1, 2))
        assert it.engine.legs[3].seat is None
        assert np.abs(it.mixed(2)[2]).max() > 1000
        for step in range(8):
            it.engine.tick(it.engine.now + 0.02 * step)
        assert wire.Played(2, "note") in it.events
        assert it.engine.legs[1].partner is it.engine.legs[2]


def test_a_stopped_announcement_reports_nothing() -> None:
    with room("PCMU", "PCMU") as it:
        it.engine.command(wire.Bridge(1, 2))
        source = MediaSource(tone_hz=(1000.0,))
        it.engine.command(wire.Play(1, "note", [source], over=True))
        it.engine.command(wire.StopPlay(1))
        assert it.engine.legs[1].partner is it.engine.legs[2]
        assert not [event for event in it.events if isinstance(event, wire.Played)]


def test_another_codec_in_the_middle_of_a_room() -> None:
    with room("PCMU", "PCMU", "PCMU") as it:
        it.engine.command(wire.Mix([1, 2, 3], [[2, 3], [1], [1]]))
        it.say(2, g711.encode(np.full(FRAME, 900, np.int16), g711.ULAW))
        it.mixed(1)
        it.engine.command(wire.Configure(2, "PCMA", 8, "127.0.0.2", 9, 101))
        it.codecs[2] = "PCMA"
        it.say(2, g711.encode(np.full(FRAME, 900, np.int16), g711.ALAW))
        assert abs(int(it.mixed(1)[1][0]) - 900) < 40


def test_digits_pass_between_the_first_two_alone() -> None:
    with room("PCMU", "PCMU", "PCMU") as it:
        legs = it.engine.legs
        it.engine.command(wire.Mix([1, 2, 3], [[2], [1, 3], [1, 2]]))
        it.engine.digit(legs[1], "5", 100, in_band=False)
        assert [leg.digits is not None for leg in legs.values()] == [False, True, False]
        it.engine.digit(legs[3], "6", 100, in_band=False)
        assert legs[1].digits is None
        told = [event.digit for event in it.events if isinstance(event, wire.Dtmf)]
        assert told == ["5", "6"]


commands = st.lists(
    st.one_of(
        st.builds(
            wire.Mix,
            st.lists(st.integers(0, 7), max_size=7),
            st.lists(st.lists(st.integers(0, 7), max_size=7), max_size=7),
        ),
        st.builds(wire.Bridge, st.integers(0, 6), st.integers(0, 6)),
        st.builds(wire.Unbridge, st.integers(0, 6)),
        st.builds(wire.StopPlay, st.integers(0, 6)),
        st.builds(wire.Close, st.integers(0, 6)),
        st.builds(wire.SendDtmf, st.integers(0, 6), st.just("12"), st.just(60)),
        st.builds(
            wire.Play,
            st.integers(0, 6),
            st.just("p"),
            st.just([MediaSource(tone_hz=(500.0,), duration_ms=60)]),
            st.booleans(),
            st.booleans(),
        ),
        st.builds(
            wire.Configure,
            st.integers(0, 6),
            st.sampled_from(LAWS),
            st.just(0),
            st.just("127.0.0.2"),
            st.just(9),
        ),
        st.integers(1, 6),
        st.none(),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(commands)
def test_whatever_is_commanded_nothing_of_a_room_is_left_behind(
    steps: list[wire.Command | int | None],
) -> None:
    with room(*LAWS * 3) as it:
        now = it.engine.now
        for step in steps:
            if step is None:
                now += 0.02
                it.engine.tick(now)
            elif isinstance(step, int):
                if step in it.engine.legs:
                    it.say(step, b"\x55" * FRAME)
            else:
                it.engine.command(step)
            for leg in it.engine.legs.values():
                assert leg.partner is None or leg.seat is None
                if leg.seat is not None:
                    assert leg.seat in leg.seat.room.seats
                    assert all(each.leg.seat is each for each in leg.seat.hears)
                if leg.partner is not None:
                    assert leg.partner.partner is leg
        for number in list(it.engine.legs):
            it.engine.command(wire.Close(number))
        assert it.engine.figures()["rooms"] == 0
        assert it.engine.player.active == 0

"""The jitter buffer of the mixer: order, loss, late packets, drift."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cicswitch.media.jitter import FADES, MOST, SLOTS, JitterBuffer
from cicswitch.media.sources import FRAME

SILENCE = 0xFF


def frame(mark: int) -> bytes:
    return bytes([mark]) * FRAME


def started() -> JitterBuffer:
    """One that has given its first frame, 0."""
    buffer = JitterBuffer(SILENCE)
    buffer.put(1000, frame(0))
    assert buffer.take() == frame(0)
    return buffer


def test_before_the_first_packet_there_is_silence() -> None:
    buffer = JitterBuffer(SILENCE)
    assert buffer.take() == frame(SILENCE)
    assert buffer.concealed == 0


def test_packets_that_change_places_come_out_in_order() -> None:
    buffer = started()
    for mark in (2, 1, 3):
        buffer.put(1000 + mark * FRAME, frame(mark))
    assert [buffer.take()[0] for _ in range(3)] == [1, 2, 3]
    assert (buffer.late, buffer.concealed) == (0, 0)


def test_a_lost_packet_is_the_last_one_mirrored_and_then_silence() -> None:
    buffer = JitterBuffer(SILENCE)
    ramp = bytes(range(FRAME))
    buffer.put(0, ramp)
    assert buffer.take() == ramp
    assert (buffer.take(), buffer.lost) == (ramp[::-1], 1)
    assert (buffer.take(), buffer.lost) == (ramp, 2)
    assert buffer.take() == frame(SILENCE)
    assert buffer.lost > FADES
    buffer.put(4 * FRAME, frame(7))
    assert (buffer.take(), buffer.lost) == (frame(7), 0)
    assert buffer.concealed == 2


def test_a_packet_that_is_late_is_played_if_nothing_later_has_come() -> None:
    buffer = started()
    buffer.take()
    buffer.put(1000 + FRAME, frame(1))
    buffer.put(1000 + 2 * FRAME, frame(2))
    assert [buffer.take()[0] for _ in range(2)] == [1, 2]
    assert (buffer.waited, buffer.late) == (1, 0)


def test_a_packet_that_is_late_is_dropped_behind_a_later_one() -> None:
    buffer = started()
    buffer.put(1000 + 2 * FRAME, frame(2))
    buffer.take()
    assert buffer.take() == frame(2)
    buffer.put(1000 + FRAME, frame(1))
    assert buffer.late == 1
    buffer.put(1000 + 3 * FRAME, frame(3))
    assert buffer.take() == frame(3)


def test_a_sender_whose_clock_stood_still_begins_anew() -> None:
    buffer = started()
    for _ in range(20):
        buffer.take()
    buffer.put(1000 + FRAME, frame(1))
    assert buffer.take() == frame(1)


def test_timestamps_wrap() -> None:
    buffer = JitterBuffer(SILENCE)
    for mark in range(4):
        buffer.put((2**32 - 2 * FRAME + mark * FRAME) & 0xFFFF_FFFF, frame(mark))
    assert [buffer.take()[0] for _ in range(4)] == [0, 1, 2, 3]


def test_packets_of_30_ms_become_frames_of_20() -> None:
    buffer = JitterBuffer(SILENCE)
    for at in range(4):
        buffer.put(at * 240, bytes(range(at * 60, at * 60 + 60)) * 4)
    said = b"".join(bytes(range(at * 60, at * 60 + 60)) * 4 for at in range(4))
    assert b"".join(buffer.take() for _ in range(6)) == said


def test_what_comes_at_once_after_a_stall_is_cut_to_its_end() -> None:
    buffer = started()
    for _ in range(15):
        buffer.take()
    for mark in range(1, 17):
        buffer.put(1000 + mark * FRAME, frame(mark))
    assert buffer.depth <= MOST
    assert buffer.skipped
    rest = [buffer.take()[0] for _ in range(buffer.depth // FRAME)]
    assert rest[-1] == 16
    assert all(after == before + 1 for before, after in pairwise(rest))


def test_delay_that_is_not_needed_is_given_up() -> None:
    buffer = started()
    for mark in range(1, 5):
        buffer.put(1000 + mark * FRAME, frame(mark))
    assert buffer.depth == 4 * FRAME
    for mark in range(5, 605):
        buffer.put(1000 + mark * FRAME, frame(mark % 200))
        buffer.take()
    assert buffer.depth == 2 * FRAME - FRAME
    assert buffer.concealed == 0


def test_a_fast_and_a_slow_clock_are_followed() -> None:
    """1,000 ppm off for ten minutes: 30 frames too many or too few."""
    for drift in (0.999, 1.001):
        buffer = JitterBuffer(SILENCE)
        sent, deepest = 0, 0
        for tick in range(30_000):
            while sent * drift <= tick:
                buffer.put(sent * FRAME, frame(1))
                sent += 1
            buffer.take()
            deepest = max(deepest, buffer.depth)
        assert deepest <= 3 * FRAME
        assert buffer.concealed <= 35
        assert buffer.late == 0


@given(st.integers(0, 10_000), st.floats(0, 0.9), st.integers(0, 120))
def test_loss_and_jitter_never_stop_it(seed: int, loss: float, jitter_ms: int) -> None:
    """Every tick gives a frame, and what is played is in order and on time."""
    dice = random.Random(seed)
    arrivals = sorted(
        (20.0 * mark + dice.uniform(0, jitter_ms), mark)
        for mark in range(1, 200)
        if dice.random() >= loss
    )
    buffer = JitterBuffer(SILENCE)
    heard: list[int] = []
    at = 0
    for tick in range(220):
        while at < len(arrivals) and arrivals[at][0] <= 20.0 * tick:
            mark = arrivals[at][1]
            buffer.put(mark * FRAME, frame(mark))
            at += 1
        taken = buffer.take()
        assert len(taken) == FRAME
        if not buffer.lost and taken[0] != SILENCE:
            heard.append(taken[0])
    assert heard == sorted(set(heard))
    if jitter_ms < 20 and loss == 0 and arrivals:
        assert len(heard) >= 195


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(
                st.integers(0, 2**32 - 1) | st.integers(0, 20).map(lambda n: n * 80),
                st.integers(1, 628),
                st.booleans(),
            ),
        ),
        max_size=200,
    )
)
def test_any_packets_at_all_give_frames(steps: list[tuple[int, int, bool] | None]) -> None:
    buffer = JitterBuffer(SILENCE)
    for step in steps:
        if step is None:
            assert len(buffer.take()) == FRAME
        else:
            timestamp, size, fresh = step
            buffer.put(timestamp, bytes(size), fresh=fresh)
        assert len(buffer.frames) == SLOTS
        assert buffer.depth <= MOST
        assert 0 <= buffer.timestamp < 2**32

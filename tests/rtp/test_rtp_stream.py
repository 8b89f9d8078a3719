"""What a leg hears and what it is sent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cicswitch.rtp.stream import InputStream, OutputStream


def feed(stream: InputStream, numbers: list[int], ssrc: int = 7) -> list[bool]:
    return [stream.receive(n & 0xFFFF, n * 160, ssrc, n * 0.02) for n in numbers]


def test_loss_duplicates_and_late_packets_are_told_apart() -> None:
    stream = InputStream()
    feed(stream, [65533, 65534, 65536, 65535, 65535, 65539])
    assert (stream.lost, stream.duplicates, stream.reordered) == (1, 1, 1)
    assert stream.highest == 65539


def test_a_new_ssrc_begins_a_new_stream_and_keeps_the_figures() -> None:
    stream = InputStream()
    assert feed(stream, [1, 2, 5]) == [True, False, False]
    assert feed(stream, [900, 901], ssrc=8) == [True, False]
    assert (stream.total, stream.lost, stream.restarts) == (5, 2, 1)


def test_a_jump_of_the_sequence_is_a_restart() -> None:
    stream = InputStream()
    assert feed(stream, [1, 2, 30000]) == [True, False, True]
    assert stream.lost == 0


def test_jitter_follows_rfc_3550() -> None:
    stream = InputStream()
    for number in range(400):
        stream.receive(number, number * 160, 1, number * 0.02 + (0.005 if number % 2 else 0))
    assert 35 < stream.jitter < 41  # 5 ms are 40 units


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF_FFFF)), min_size=1))
def test_every_splice_continues_the_output(sources: list[tuple[int, int]]) -> None:
    output = OutputStream(1, 65530, 0xFFFF_FF00)
    now = 0.0
    for sequence, timestamp in sources:
        before = output.sequence, output.timestamp, output.last_at
        now += 0.02
        ds, dt = output.splice(sequence, timestamp, now)
        out = (sequence + ds) & 0xFFFF, (timestamp + dt) & 0xFFFF_FFFF
        assert out[0] == (before[0] + 1) & 0xFFFF
        assert out[1] == (before[1] + (160 if before[2] is not None else 0)) & 0xFFFF_FFFF
        output.relayed(*out, 1, 160, now)


def test_time_without_packets_is_time_in_the_timestamp() -> None:
    output = OutputStream(1, 0, 0)
    output.relayed(1, 160, 1, 160, 10.0)
    output.begin(11.0)
    assert output.next(11.0) == (2, 160 + 8000)


def test_what_follows_a_long_packet_begins_at_its_end() -> None:
    output = OutputStream(1, 0, 0)
    assert output.next(10.0, 480) == (1, 160)
    assert output.next(10.06, 480) == (2, 640)
    _, shift = output.splice(7, 0, 10.065)
    assert shift == 640 + 480
    _, shift = output.splice(7, 0, 11.06)
    assert shift == 640 + 8000

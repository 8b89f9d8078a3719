"""UDPTL: golden bytes, recovery of what is lost, order, hostile input."""

from __future__ import annotations

import contextlib
from random import Random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicswitch.fax.udptl import HOLD_S, Packet, Receiver, Recovery, Sender, UdptlError, build, parse

IFP = st.binary(min_size=1, max_size=300)


def test_the_bytes_are_those_of_the_recommendation() -> None:
    sender = Sender("redundancy", copies=2)
    assert sender.send(b"\x06").hex() == "000001060000"
    assert sender.send(b"\x08").hex() == "0001010800010106"
    assert sender.send(b"\xc0\x01\x80").hex() == "000203c00180000201080106"
    fec = Sender("fec", span=2, entries=1)
    fec.send(b"\x01\x02")
    fec.send(b"\x10")
    assert fec.send(b"\x03").hex() == "0002010380010201021102"
    long = build(Packet(7, bytes(300)))
    assert long[:4].hex() == "0007812c"


@given(
    sequence=st.integers(0, 65535),
    primary=IFP,
    rest=st.lists(IFP, max_size=8),
    span=st.integers(1, 5),
    parity=st.booleans(),
)
def test_what_is_written_is_read(
    sequence: int, primary: bytes, rest: list[bytes], span: int, parity: bool
) -> None:
    packet = Packet(sequence, primary, () if parity else tuple(rest))
    if parity and rest:
        packet.span, packet.fec = span, tuple(rest)
    read = parse(build(packet))
    assert (read.sequence, read.primary) == (sequence, primary)
    assert (read.secondaries, read.fec, read.span) == (packet.secondaries, packet.fec, packet.span)


@given(data=st.binary(max_size=80))
@settings(max_examples=400)
def test_any_bytes_are_a_packet_or_an_error(data: bytes) -> None:
    receiver = Receiver()
    for cut in range(0, len(data) + 1, 7):
        try:
            for _, ifp in receiver.receive(data[cut:], 0.0):
                assert len(ifp) < 100
        except UdptlError:
            pass
    assert receiver.received + receiver.malformed == len(range(0, len(data) + 1, 7))


@given(seed=st.integers(0, 1000))
@settings(max_examples=60)
def test_damaged_packets_cost_bounded_memory(seed: int) -> None:
    random, receiver, sender = Random(seed), Receiver(), Sender("fec")
    for number in range(300):
        data = bytearray(sender.send(random.randbytes(random.randrange(1, 60))))
        for _ in range(random.randrange(3)):
            data[random.randrange(len(data))] = random.randrange(256)
        with contextlib.suppress(UdptlError):
            receiver.receive(bytes(data), number / 50)
    assert len(receiver._fec) <= 64
    assert len(receiver._packets) == 128


def carried(
    recovery: str, loss: float, *, count: int = 600, start: int = 0, seed: int = 3, jumble: int = 0
) -> tuple[Receiver, list[tuple[int, bytes]], list[bytes]]:
    """What comes of `count` packets over a line that loses, and what was sent."""
    random = Random(seed)
    sender, receiver = Sender(cast(Recovery, recovery)), Receiver()
    sender.sequence = start
    sent = [random.randbytes(random.randrange(1, 70)) for _ in range(count)]
    line = [(at + random.randrange(jumble + 1), sender.send(ifp)) for at, ifp in enumerate(sent)]
    if jumble:
        line.sort(key=lambda each: each[0])
    got: list[tuple[int, bytes]] = []
    for at, (_, data) in enumerate(line):
        now = at * 0.03
        got += receiver.due(now)
        if random.random() >= loss or at in (0, count - 1):
            got += receiver.receive(data, now)
            if random.random() < 0.1:
                got += receiver.receive(data, now)
    got += receiver.due(count * 0.03 + 1)
    return receiver, got, sent


@pytest.mark.parametrize("loss", [0.01, 0.05])
@pytest.mark.parametrize("recovery", ["redundancy", "fec"])
def test_what_is_lost_is_made_whole(recovery: str, loss: float) -> None:
    receiver, got, sent = carried(recovery, loss)
    assert receiver.lost == 0
    assert receiver.recovered > 0
    assert [number for number, _ in got] == list(range(len(sent)))
    # What parity brings back may have zeros behind it.
    for (_, ifp), original in zip(got, sent, strict=True):
        assert ifp.startswith(original)
        assert not ifp[len(original) :].strip(b"\0")


def test_without_recovery_the_gap_stays_and_order_is_kept() -> None:
    receiver, got, sent = carried("none", 0.05)
    numbers = [number for number, _ in got]
    assert receiver.lost > 10
    assert len(numbers) + receiver.lost == len(sent)
    assert numbers == sorted(set(numbers))
    assert all(sent[number] == ifp for number, ifp in got)


@pytest.mark.parametrize("recovery", ["none", "redundancy", "fec"])
def test_what_overtakes_is_put_in_order(recovery: str) -> None:
    receiver, got, sent = carried(recovery, 0.0, jumble=2)
    assert [number for number, _ in got] == list(range(len(sent)))
    assert receiver.duplicates > 0


@pytest.mark.parametrize("recovery", ["none", "redundancy", "fec"])
def test_numbers_go_round(recovery: str) -> None:
    _, got, sent = carried(recovery, 0.0, start=65500, count=100)
    assert [number for number, _ in got] == [(65500 + at) & 0xFFFF for at in range(len(sent))]


def test_a_gap_is_waited_for_no_longer_than_it_may() -> None:
    sender, receiver = Sender("none"), Receiver()
    packets = [sender.send(bytes([at + 1])) for at in range(12)]
    assert receiver.receive(packets[0], 1.0) == [(0, b"\x01")]
    assert receiver.receive(packets[2], 1.0) == []
    assert receiver.due(1.0 + HOLD_S / 2) == []
    assert receiver.due(1.0 + HOLD_S) == [(2, b"\x03")]
    assert receiver.receive(packets[1], 1.2) == []
    early = [receiver.receive(packets[at], 1.2) for at in range(4, 11)]
    assert [len(each) for each in early] == [0, 0, 0, 0, 0, 6, 1]


def test_who_begins_to_count_anew_is_heard() -> None:
    receiver = Receiver()
    first, again = Sender("none"), Sender("none")
    first.sequence = 300
    for at in range(40):
        assert receiver.receive(first.send(b"a"), at / 50)
    got = [receiver.receive(again.send(b"b"), 1 + at / 50) for at in range(40)]
    assert sum(map(bool, got)) > 20
    far = Sender("none")
    far.sequence = 20_000
    assert receiver.receive(far.send(b"c"), 3.0) == [(20_000, b"c")]


def test_a_datagram_is_no_longer_than_the_far_end_takes() -> None:
    kinds: tuple[Recovery, ...] = ("redundancy", "fec")
    for recovery in kinds:
        sender = Sender(recovery, max_datagram=150)
        sizes = [len(sender.send(bytes(60))) for _ in range(10)]
        assert max(sizes) <= 150
        assert max(sizes) > 60
    assert len(Sender("none", max_datagram=20).send(bytes(60))) > 60
    with pytest.raises(ValueError, match="16384"):
        build(Packet(0, bytes(20_000)))

"""A UDP socket of SIP that is read in batches."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from cicswitch.net.datagrams import BUILT, Datagrams
from cicswitch.sip.flow import Flow, Listener


class Owner:
    """Takes what comes, in a time that moves by itself: each message takes a millisecond."""

    def __init__(self) -> None:
        self.counters = {"unsent": 0}
        self.time = 100.0
        self.got: list[bytes] = []
        self.behind: list[float] = []
        self.datagrams: Datagrams | None = None
        self.answer = False
        self.arrived = asyncio.Event()

    def now(self) -> float:
        return self.time

    def received(self, batch: list[tuple[Flow, bytes]]) -> None:
        assert self.datagrams is not None
        for flow, data in batch:
            self.time += 0.001
            self.got.append(data)
            self.arrived.set()
            self.behind.append(self.datagrams.behind(self.time))
            if self.answer:
                self.datagrams.send(data.upper(), flow)

    def failed(self, flow: Flow) -> None:
        raise AssertionError(flow)


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for sock in (near, far):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
    with near, far:
        yield near, far


async def until(owner: Owner, count: int) -> None:
    async with asyncio.timeout(10):
        while len(owner.got) < count:
            owner.arrived.clear()
            await owner.arrived.wait()


async def turns() -> None:
    """What was to be called soon has been."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_does_not_fit_a_batch_is_read_at_once_and_told_as_being_behind(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets
    owner = Owner()
    listener = Listener("udp:127.0.0.1:0", "UDP", "127.0.0.1", near.getsockname()[1])
    messages = [b"%d" % number for number in range(300)]
    for message in messages:
        far.sendto(message, near.getsockname())
    at: list[int] = []
    loop = asyncio.get_running_loop()

    def turn() -> None:
        at.append(len(owner.got))
        if len(owner.got) < len(messages):
            loop.call_soon(turn)

    datagrams = owner.datagrams = Datagrams(listener, near, owner, loop)
    try:
        loop.call_soon(turn)
        await until(owner, len(messages))
        assert owner.got == messages  # all, in their order
        assert {0, 128, 256} <= set(at)  # others had their turn between the batches
        # Two batches were cut off: there has been more to read since the first began.
        assert owner.behind[0] == pytest.approx(0.001)
        assert owner.behind[255] == pytest.approx(0.256)
        # The third came to the end.
        assert owner.behind[256:] == [0.0] * 44
        assert datagrams.behind(owner.time + 5) == 0.0
    finally:
        datagrams.close()


async def test_a_full_batch_and_nothing_after_it_is_not_being_behind(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets
    owner = Owner()
    listener = Listener("udp:127.0.0.1:0", "UDP", "127.0.0.1", near.getsockname()[1])
    for number in range(128):
        far.sendto(b"%d" % number, near.getsockname())
    datagrams = owner.datagrams = Datagrams(listener, near, owner, asyncio.get_running_loop())
    try:
        await until(owner, 128)
        await turns()
        assert datagrams.behind(owner.time + 5) == 0.0
        # And it still listens.
        far.sendto(b"later", near.getsockname())
        await until(owner, 129)
    finally:
        datagrams.close()


async def test_answers_leave_at_the_end_of_their_batch(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets
    owner = Owner()
    owner.answer = True
    listener = Listener("udp:127.0.0.1:0", "UDP", "127.0.0.1", near.getsockname()[1])
    for name in (b"a", b"b", b"c"):
        far.sendto(name, near.getsockname())
    datagrams = owner.datagrams = Datagrams(listener, near, owner, asyncio.get_running_loop())
    try:
        await until(owner, 3)
        await asyncio.sleep(0)
        assert [far.recv(100) for _ in range(3)] == [b"A", b"B", b"C"]
    finally:
        datagrams.close()


async def test_closed_in_the_middle_of_a_batch_it_polls_no_more(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets

    class Closing(Owner):
        def received(self, batch: list[tuple[Flow, bytes]]) -> None:
            super().received(batch)
            assert self.datagrams is not None
            if len(self.got) > 128:  # the second batch, which a poll reads
                self.datagrams.close()

    owner = Closing()
    listener = Listener("udp:127.0.0.1:0", "UDP", "127.0.0.1", near.getsockname()[1])
    for number in range(300):
        far.sendto(b"%d" % number, near.getsockname())
    datagrams = Datagrams(listener, near, owner, asyncio.get_running_loop())
    owner.datagrams = datagrams
    await until(owner, 256)
    await turns()
    assert len(owner.got) == 256
    assert datagrams._poll is None


async def test_who_cannot_be_reached_keeps_nobody_from_getting_his(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    near, far = sockets
    listener = Listener("udp:127.0.0.1:0", "UDP", "127.0.0.1", near.getsockname()[1])
    failed: list[Flow] = []

    class Relaying(Owner):
        def received(self, batch: list[tuple[Flow, bytes]]) -> None:
            super().received(batch)
            assert self.datagrams is not None
            for flow, data in batch:
                # From a socket that is bound to 127.0.0.1 nothing goes elsewhere.
                there = Flow(listener, ("192.0.2.1", 9)) if data == b"elsewhere" else flow
                self.datagrams.send(data.upper(), there)

        def failed(self, flow: Flow) -> None:
            failed.append(flow)

    owner = Relaying()
    for name in (b"a", b"elsewhere", b"b", b"elsewhere", b"c"):
        far.sendto(name, near.getsockname())
    datagrams = owner.datagrams = Datagrams(listener, near, owner, asyncio.get_running_loop())
    try:
        await until(owner, 5)
        await turns()
        assert [far.recv(100) for _ in range(3)] == [b"A", b"B", b"C"]
        assert owner.counters["unsent"] == 2
        assert [flow.remote for flow in failed] == [("192.0.2.1", 9)] * 2
    finally:
        datagrams.close()


@pytest.mark.parametrize("size", [0, 1, 9000, 65_000])
async def test_a_datagram_of_any_size_comes_and_goes_over_ipv6(size: int) -> None:
    near, far = (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2))
    with near, far:
        for sock in (near, far):
            sock.bind(("::1", 0))
            sock.setblocking(False)
        listener = Listener("udp:[::1]:0", "UDP", "::1", near.getsockname()[1])
        owner = Owner()
        owner.answer = True
        for data in (b"x" * size, b"y"):
            far.sendto(data, near.getsockname())
        datagrams = owner.datagrams = Datagrams(listener, near, owner, asyncio.get_running_loop())
        try:
            await until(owner, 2)
            await turns()
            assert [far.recv(66_000) for _ in range(2)] == [b"X" * size, b"Y"]
            (flow,) = (datagrams._named or datagrams._flows).values()
            assert flow.remote == far.getsockname()[:2]
        finally:
            datagrams.close()


@pytest.mark.skipif(not BUILT, reason="_batch.c is not built here")
def test_what_the_kernel_calls_a_peer_is_read_and_written() -> None:
    from cicswitch.net import _batch

    for family, host in ((socket.AF_INET, "192.0.2.7"), (socket.AF_INET6, "2001:db8::7")):
        assert _batch.address(_batch.name(family, host, 5060)) == (host, 5060)
    for family, host in ((socket.AF_INET, "example.org"), (socket.AF_INET, "::1")):
        with pytest.raises(ValueError, match="no address in numbers"):
            _batch.name(family, host, 5060)
    for name in (b"", b"\x02", b"\x01\x00/tmp/x", b"\xff" * 400):
        with pytest.raises(ValueError, match="no address of the internet"):
            _batch.address(name)
    with pytest.raises(TypeError):
        _batch.send(0, [("a", "b")])  # type: ignore[list-item]  # what C has to refuse
    with pytest.raises(OSError, match=r"not a socket|Bad file"):
        _batch.Reader(-1).receive([], {}, lambda name: Flow(Listener("u", "UDP", "::", 1), ("", 0)))

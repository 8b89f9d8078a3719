"""Ports bound, given back, bound again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from cicswitch.media.pool import PortPool
from tests.media.rtp_phone import NEAR, Phone, Rig, rig

pytestmark = pytest.mark.realtime


@pytest.fixture
def pool() -> Iterator[PortPool]:
    made = PortPool(NEAR, 22400, 22406, ipv6=False, quarantine_s=1.0)
    yield made
    made.close()


def test_a_port_given_back_is_free_for_others_and_is_bound_again(pool: PortPool) -> None:
    assert [slot.port for slot in pool.grow(9)] == [22400, 22402, 22404, 22406]
    assert pool.reason == "all RTP ports up to 22406 are in use"
    given = pool.shrink(22402)
    assert given is not None
    given.close()
    assert pool.reason == ""
    other = PortPool(NEAR, 22402, 22402, ipv6=False, quarantine_s=1.0)
    assert [slot.port for slot in other.grow(1)] == [22402]
    assert pool.grow(1) == []  # taken; tried again the next time
    other.close()
    assert [slot.port for slot in pool.grow(1)] == [22402]


def test_a_port_that_the_pool_does_not_have_is_not_given_back(pool: PortPool) -> None:
    pool.grow(1)
    assert pool.shrink(22406) is None
    assert list(pool.slots) == [22400]


async def bound(it: Rig, count: int) -> None:
    """Wait until the worker has so many pairs: it tells it in a figure, each second."""
    async with asyncio.timeout(8):
        while it.plane.figures().get("ports_bound") != count:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("workers", [0, 1])
async def test_ports_unused_for_long_are_closed_and_calls_go_on(workers: int) -> None:
    async with rig(
        22500, workers=workers, pool_initial=4, pool_step=4, pool_idle_s=0.5, quarantine_s=0.3
    ) as it:
        it.plane._low_water = 2  # the real one is made for more than these few ports
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(620)
        for number in range(30):
            await it.ports(1)
            it.plane.open(f"x{number}")
        peak = 32
        async with asyncio.timeout(8):
            while it.plane.figures().get("ports_bound", 0) < peak:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.05)
        for number in range(30):
            it.plane.close(f"x{number}")
        await bound(it, 2 + 2 + 4)  # in use, the low water mark, a step
        await a.packets_more(5)
        await b.packets_more(5)
        for number in range(20):  # and they are bound again when they are needed
            await it.ports(1)
            it.plane.open(f"y{number}")
        late = Phone("late")
        it.phones.append(late)
        await late.listen("127.0.0.2")
        await it.ports(1)
        near = it.plane.open("late")
        late.to = (near.host, near.port)
        it.plane.configure("late", late.params())
        it.plane.bridge("a", "late")
        late.talk(880)
        await late.packets_more(5)

"""Faxes through the switch, with machines of libspandsp behind trunks, at their own pace.

What takes long runs at the same time: five machines in one switch.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cicswitch.contacts import events as ce
from cicswitch.contacts.faxes import FaxJob
from cicswitch.records.rows import FaxRecord
from tests.channels.test_chat import until
from tests.support.center import Center, center
from tests.support.fax import draw_pages, needs_spandsp, read_pages, same
from tests.support.fax_machine import Machine, machine
from tests.support.ports import free_port
from tests.support.wire import Wire, wire

PLAN = """
[[route]]
called = "6000"
flow = "fax"
[[flow.fax]]
do = "fax"
channel = "fax"
on_received = "thanks"
on_failed = "sorry"
[[flow.thanks]]
do = "python"
call = "heard"
arguments = { pages = "{fax_pages}", ident = "{fax_ident}", t38 = "{fax_t38}" }
[[flow.sorry]]
do = "python"
call = "heard"
arguments = { pages = "{fax_pages}", ident = "{fax_cause}", t38 = "failed" }
[[route]]
called = "6001"
flow = "menu"
fax = "fax"
[[flow.menu]]
do = "queue"
queue = "support"
[[route]]
called = "6002"
flow = "through"
[[flow.through]]
do = "dial"
to = "m11:7000"
[[route]]
called = "6003"
flow = "sound"
[[flow.sound]]
do = "dial"
to = "m13:7000"
"""
BUSY = """
[sip]
max_loop_lag_ms = 5000
"""
"""The machines are in the process of the switch: what they do is no overload of it."""
FAX = """
[channel.fax]
type = "fax"
queue = "support"
[channel.fax.settings]
trunk = "m0"
caller = "+8225550200"
ident = "+82 2 555 0200"
header = "Center"
attempts = 2
retry_s = 1
"""


class Faxes:
    """A switch with machines behind it."""

    def __init__(self, stack: AsyncExitStack, switch: Center, wires: list[Wire]) -> None:
        self.stack, self.center, self.wires = stack, switch, wires
        self.folder = switch.folder
        self.heard: list[dict[str, str]] = []

    async def machine(self, index: int, job: FaxJob, **more: object) -> Machine:
        return await self.stack.enter_async_context(machine(self.wires[index], job, **more))

    async def record(self, state: str, timeout: float = 90.0, number: str = "") -> FaxRecord:
        """A fax that stands so."""
        async with asyncio.timeout(timeout):
            while True:
                for _, each in await self.center.switch.archive.faxes(100):
                    if each.state == state and number in ("", each.number):
                        return each
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def faxes(folder: Path, count: int) -> AsyncIterator[Faxes]:
    ports = [free_port() for _ in range(count)]
    trunks = "".join(
        f'[trunk.m{at}]\naddress = "udp:127.0.0.{at + 2}:{port}"\noptions_s = 0\n'
        for at, port in enumerate(ports)
    )
    # A way out for each machine.
    channels = "".join(
        FAX.replace("channel.fax", f"channel.out{at}").replace('"m0"', f'"m{at}"')
        for at in range(1, count)
    )
    heard: list[dict[str, str]] = []

    async def note(call: object, **values: str) -> None:
        heard.append(values)

    functions = {"heard": note}
    async with AsyncExitStack() as stack:
        switch = await stack.enter_async_context(
            center(folder, plan=PLAN, extra=BUSY + trunks + FAX + channels, functions=functions)
        )
        wires = [
            await stack.enter_async_context(wire(f"127.0.0.{at + 2}", switch.port, port))
            for at, port in enumerate(ports)
        ]
        made = Faxes(stack, switch, wires)
        made.heard = heard
        yield made


async def come(run: Faxes) -> None:
    """Machines 0 to 4 send: by T.38 with loss, by sound, with T.38 that they ask for, to a number
    for both, and one hangs up at once.
    """
    tmp_path = run.folder / "come"
    tmp_path.mkdir()
    sent = draw_pages(tmp_path / "sent.tif", 1, rows=300)
    path = str(tmp_path / "sent.tif")
    center = run.center

    def job(name: str) -> FaxJob:
        return FaxJob(send=path, calling=True, ident=name)

    by_t38 = await run.machine(0, job("t38"), recovery="fec", loss=0.03)
    by_sound = await run.machine(1, job("sound"), t38=False)
    asks = await run.machine(2, job("asks"), t38=False, refuses="415 Unsupported Media Type")
    tone = await run.machine(3, job("tone"))
    quits = await run.machine(4, job("quits"), t38=False)
    await asyncio.gather(
        by_t38.call("6000", "0255501000"),
        by_sound.call("6000", "0255501001"),
        asks.call("6000", "0255501002"),
        tone.call("6001", "0255501003"),
        quits.call("6000", "0255501004"),
    )
    await until(lambda: asks.offers, 20)
    await asyncio.sleep(0.3)
    assert await asks.ask_t38()
    await asyncio.sleep(3)
    quits.hang_up()
    await center.until(lambda: len(run.heard) == 4, 90)
    results = [await each.result() for each in (by_t38, by_sound, asks, tone)]
    assert [each.ok for each in results] == [True] * 4
    assert [each.t38 for each in results] == [True, False, True, True]
    assert {each.ident for each in results} == {"+82 2 555 0200"}
    assert all(len(each.offers) == 1 for each in (by_t38, by_sound, tone))
    heard = sorted((each["ident"], each["t38"], each["pages"]) for each in run.heard)
    assert heard == [
        ("asks", "yes", "1"),
        ("sound", "no", "1"),
        ("t38", "yes", "1"),
        ("tone", "yes", "1"),
    ]
    for name in ("0255501000", "0255501001", "0255501002", "0255501003"):
        record = await run.record("received", number=name)
        assert (record.pages, record.called[:3], record.channel) == (1, "600", "fax")
        tiff = await center.switch.attachments.read(record.tiff)
        (tmp_path / "came.tif").write_bytes(tiff)
        assert same(sent, read_pages(tmp_path / "came.tif"))
        pdf = await center.switch.attachments.read(record.pdf)
        assert pdf.startswith(b"%PDF-")
        written = await center.switch.archive.messages(record.conversation)
        assert [each.name[-4:] for each in written[0].attachments] == [".pdf", ".tif"]
        assert written[0].text.startswith("Fax, 1 page from ")
    placed = [each for each in center.events if isinstance(each, ce.ContactPlaced)]
    assert 4 <= len(placed) <= 5
    assert {each.queue for each in placed} == {"support"}


async def go(run: Faxes) -> None:
    """Machines 5 to 9: one is sent to by sound, one asks for T.38, one is busy first, one is not
    there; and one of those that send gives up in the middle.
    """
    tmp_path = run.folder / "go"
    tmp_path.mkdir()
    sent = draw_pages(tmp_path / "sent.tif", 1, rows=300)
    center, conductor = run.center, run.center.switch.conductor
    keep = center.switch.attachments.keep
    document = await keep((tmp_path / "sent.tif").read_bytes(), "order.tif")

    def job(name: str) -> FaxJob:
        return FaxJob(receive=str(tmp_path / f"{name}.tif"), ident=name)

    def order(channel: str, number: str, text: str = "", cover: str = "no") -> str:
        faxes = conductor.faxes
        made = conductor.do(
            lambda: faxes.order(
                *(faxes.channels[channel], number, text, (document,), "agent:kim"),
                {"cover": cover, "to": "ACME"},
            )
        )
        return made.id

    sound = await run.machine(6, job("sound"), t38=False)
    asks = await run.machine(7, job("asks"))
    busy = await run.machine(8, job("busy"))
    draw_pages(tmp_path / "three.tif", 3, rows=300, seed=9)
    half = FaxJob(send=str(tmp_path / "three.tif"), calling=True, ident="half")
    quits = await run.machine(5, half, t38=False)
    names = [order("out6", "0255500001"), order("out7", "+8255500002", "Hello", "yes")]
    names += [order("out8", "0255500003"), order("out9", "0255500004"), order("out9", "kim")]

    async def calls() -> None:
        await asyncio.gather(sound.answer(), asks.answer(), quits.call("6000", "0255501009"))
        await asyncio.sleep(0.5)
        assert await asks.ask_t38()

    async def is_busy() -> None:
        wire = run.wires[8]
        first = await wire.expect("INVITE")
        wire.reply(first, "486 Busy Here")
        await wire.expect("ACK")
        await busy.answer()

    async def nowhere() -> None:
        wire = run.wires[9]
        wire.reply(await wire.expect("INVITE"), "404 Not Found")

    async def gives_up() -> None:
        await until(lambda: quits.terminal.pages, 60)
        quits.hang_up()

    await asyncio.gather(calls(), is_busy(), nowhere(), gives_up())
    results = [await each.result() for each in (sound, asks, busy)]
    assert [(each.ok, each.t38) for each in results] == [
        (True, False),
        (True, True),
        (True, False),
    ]
    assert {each.ident for each in results} == {"+82 2 555 0200"}
    for number, attempts, pages in (
        ("0255500001", 1, 1),
        ("+8255500002", 1, 2),
        ("0255500003", 2, 1),
    ):
        record = await run.record("sent", number=number)
        assert (record.attempts, record.pages, record.cause) == (attempts, pages, "OK")
        assert record.id in names
        tiff = await center.switch.attachments.read(record.tiff)
        (tmp_path / "went.tif").write_bytes(tiff)
        assert same(sent, read_pages(tmp_path / "went.tif")[-1:])
    # The header line stands above what was sent, so there is more than that.
    assert read_pages(tmp_path / "sound.tif")[0].size[1] > 300
    assert len(read_pages(tmp_path / "asks.tif")) == 2
    lost = await run.record("failed", number="0255500004")
    assert lost.cause == "not reached: not-found"
    wrong = await run.record("failed", number="kim")
    assert wrong.cause == "that is no number that can be called"
    part = await run.record("partial", number="0255501009")
    assert (part.pages, part.direction) == (1, "in")
    said = await center.switch.archive.messages(part.conversation)
    assert said[0].text.startswith("Part of a fax, 1 page from half. It is not complete: ")


async def through(run: Faxes, number: str, index: int, *, t38: bool) -> None:
    """Two machines that the switch joins: the one that is called asks for T.38, and gets it if the
    other one takes it.
    """
    folder = run.folder / f"through-{index}"
    folder.mkdir()
    sent = draw_pages(folder / "sent.tif", 1, rows=300)
    job = FaxJob(send=str(folder / "sent.tif"), calling=True, ident="one")
    one = await run.machine(index, job, t38=t38)
    two = await run.machine(index + 1, FaxJob(receive=str(folder / "came.tif"), ident="two"))
    await asyncio.gather(one.call(number), two.answer())
    await asyncio.sleep(0.5)
    assert await two.ask_t38() is t38
    assert len(one.offers) == 1
    results = [await each.result() for each in (one, two)]
    assert [(each.ok, each.t38, len(each.pages)) for each in results] == [(True, t38, 1)] * 2
    assert same(sent, read_pages(folder / "came.tif"))
    one.hang_up()
    await asyncio.wait_for(two.over.wait(), 10)


@needs_spandsp
@pytest.mark.realtime
async def test_faxes_come_and_go(tmp_path: Path) -> None:
    async with faxes(tmp_path, 14) as run:
        await asyncio.gather(
            come(run),
            go(run),
            through(run, "6002", 10, t38=True),
            through(run, "6003", 12, t38=False),
        )
        center, conductor = run.center, run.center.switch.conductor
        await center.until(lambda: not conductor.calls)
        assert not conductor.faxes._coming
        assert not conductor.faxes._going
        assert conductor.faxes.counters == {
            "received": 4,
            "partial": 1,
            "failed": 1,
            "sent": 3,
            "not_sent": 0,
        }
        await center.until(lambda: all(each.dead for each in conductor.outbox.waiting.values()))
        assert len(conductor.outbox.waiting) == 2
        files = (tmp_path / "var" / "fax").rglob
        await until(lambda: not [each for each in files("*.*") if "out9" not in str(each)])
        await center.until(lambda: center.switch.media.figures()["legs"] == 0)
        assert center.switch.counters["errors"] == 0

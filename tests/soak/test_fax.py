"""Faxes in real time: every modem, with loss and without, and kill -9 in the middle."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cicswitch.contacts.faxes import FaxJob, Modem
from cicswitch.records.rows import ConversationRecord, MessageRecord, OutboxRecord
from cicswitch.store.sqlite import connect_reader
from tests.channels.test_chat import until
from tests.channels.test_fax import fax
from tests.journeys.test_fax import faxes
from tests.operation.test_daemon import Daemon, configure, running
from tests.support.fax import draw_pages, needs_spandsp, read_pages, same
from tests.support.fax_machine import machine
from tests.support.ports import free_port
from tests.support.wire import wire

pytestmark = [pytest.mark.soak, needs_spandsp]
PLAN = """
[[route]]
called = "6000"
flow = "fax"
[[flow.fax]]
do = "fax"
"""
KINDS: tuple[tuple[tuple[Modem, ...], bool, bool, float], ...] = (
    (("v17", "v29", "v27ter"), True, True, 0.05),
    (("v17", "v29", "v27ter"), False, True, 0.01),
    (("v17", "v29", "v27ter"), True, False, 0.0),
    (("v17", "v29", "v27ter"), False, False, 0.0),
    (("v29", "v27ter"), True, True, 0.05),
    (("v29", "v27ter"), True, False, 0.0),
    (("v29", "v27ter"), False, False, 0.0),
    (("v27ter",), True, False, 0.0),
)


async def test_five_pages_of_every_kind(tmp_path: Path) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 5)
    async with faxes(tmp_path, 14) as run:  # so many does its plan name
        machines = []
        for index, (modems, ecm, t38, loss) in enumerate(KINDS):
            job = FaxJob(
                send=str(tmp_path / "sent.tif"),
                calling=True,
                ident=f"m{index}",
                modems=modems,
                ecm=ecm,
            )
            recovery = "fec" if index % 2 else "redundancy"
            made = await run.machine(index, job, t38=t38, loss=loss, recovery=recovery)
            machines.append(made)
            await made.call("6000", f"025550200{index}")
        for index, each in enumerate(machines):
            result = await each.result(400)
            assert result.ok, (KINDS[index], result)
            record = await run.record("received", number=f"025550200{index}")
            data = await run.center.switch.attachments.read(record.tiff)
            (tmp_path / "came.tif").write_bytes(data)
            assert record.pages == 5
            assert same(sent, read_pages(tmp_path / "came.tif")), KINDS[index]
        assert run.center.switch.counters["errors"] == 0


async def kill(daemon: Daemon) -> None:
    daemon.process.kill()
    await daemon.process.wait()


def rows(folder: Path, question: str) -> list[tuple[Any, ...]]:
    db = connect_reader(folder / "store.db")
    try:
        return list(db.execute(question))
    finally:
        db.close()


async def test_kill_9_in_the_middle_of_a_fax_that_comes(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 3, rows=300)
    port, trunk_port = free_port(), free_port()
    file = configure(tmp_path, port, free_port(), fax(trunk_port), PLAN)
    job = FaxJob(send=str(tmp_path / "sent.tif"), calling=True, ident="far")
    async with AsyncExitStack() as stack:
        trunk = await stack.enter_async_context(wire("127.0.0.2", port, trunk_port))
        one = await stack.enter_async_context(machine(trunk, job, t38=False))
        async with running(file) as daemon:
            await one.call("6000")
            await until(lambda: one.terminal.pages, 90)
            await kill(daemon)
        place = tmp_path / "var" / "fax" / "fax" / "in"
        for _ in range(2):
            async with running(file):
                await until(lambda: not list(place.iterdir()), 30)
    found = rows(tmp_path, "SELECT state, pages, cause FROM fax")
    assert found == [("partial", 1, "the switch was stopped while it came")]
    assert len(rows(tmp_path, "SELECT id FROM conversation")) == 1


async def test_kill_9_as_soon_as_a_fax_is_confirmed(tmp_path: Path) -> None:
    """The far end has it: whatever the switch still knew, it does not call again."""
    port, trunk_port, http = free_port(), free_port(), free_port()
    file = configure(tmp_path, port, http, fax(trunk_port, retry_s=1), PLAN)
    async with wire("127.0.0.2", port, trunk_port) as trunk:
        async with running(file) as daemon:
            await kill(daemon)
        order(tmp_path / "store.db")
        job = FaxJob(receive=str(tmp_path / "came.tif"), ident="far")
        async with machine(trunk, job, t38=False) as one:
            async with running(file) as daemon:
                await one.answer(20)
                await until(lambda: one.terminal.complete, 120)
                done = tmp_path / "var" / "fax" / "fax" / "out" / "m1.done"
                # MCF is on its way: as soon as it was read the worker has noted it.
                await until(done.exists, 20)
                await kill(daemon)
            trunk.seen.clear()
            async with running(file):
                await until(lambda: rows(tmp_path, "SELECT 1 FROM fax WHERE state = 'sent'"), 30)
                await asyncio.sleep(3)
            assert not [each for each in trunk.seen if each.startswith("INVITE")]
    assert rows(tmp_path, "SELECT state, pages FROM fax") == [("sent", 1)]
    assert rows(tmp_path, "SELECT * FROM outbox") == []
    assert len(read_pages(tmp_path / "came.tif")) == 1


def order(path: Path) -> None:
    """Write what the store holds of a fax that waits to be sent."""
    conversation = ConversationRecord(
        *("c1", "fax", "fax", "+8225550100", "", "", "", "en", 1.0, 1.0, "", "", "", 1, ""),
        '{"cover": "yes"}',
    )
    message = MessageRecord("m1", "c1", 1, "", 1.0, "system", "Hello", "", "fax", "")
    with sqlite3.connect(path) as db:
        for table, row in (
            ("conversation", conversation),
            ("message", message),
            ("outbox", OutboxRecord("m1", "c1", "fax", 0.0, 0, "", False)),
        ):
            values = [getattr(row, name) for name in row.__struct_fields__]
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
    db.close()

"""kill -9 while visitors write: what was acknowledged is there once, and each has one place."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path

import pytest

from cicswitch.store.sqlite import connect_reader
from tests.channels.test_chat import CHANNELS, until
from tests.operation.test_daemon import Daemon, configure, fetch, running
from tests.support.chat import Visitor
from tests.support.ports import free_port

VISITORS = 8


async def write(page: Visitor, stop: asyncio.Event, number: int) -> None:
    """Come, write, lose the connection, come again, for as long as it goes."""
    said = 0
    while not stop.is_set():
        with contextlib.suppress(ConnectionError, OSError, TimeoutError):
            await page.try_to_come()
            while not stop.is_set():
                said += 1
                await page.say_surely(f"{number}:{said}")
        await page.go()


async def crash(daemon: Daemon, at_s: float) -> None:
    await asyncio.sleep(at_s)
    daemon.process.kill()
    await daemon.process.wait()


async def over_and_over(folder: Path, kills: int, seed: int) -> None:
    """Kill it so often, at points of the seed's; then look at what there is."""
    http = free_port()
    chats = CHANNELS.replace("away_s = 1", "away_s = 600")
    file = configure(folder, free_port(), http, chats)
    pages = [Visitor(f"http://127.0.0.1:{http}", name=str(n)) for n in range(VISITORS)]
    stop, draw = asyncio.Event(), random.Random(seed)
    writing = [asyncio.create_task(write(page, stop, n)) for n, page in enumerate(pages)]
    for _ in range(kills):
        async with running(file) as daemon:
            await crash(daemon, draw.uniform(0.1, 1.5))
    async with running(file):
        before = sum(len(page.acked) for page in pages)
        await until(lambda: sum(len(page.acked) for page in pages) >= before + VISITORS)
        stop.set()
        await asyncio.gather(*writing)
        _, metrics = await asyncio.to_thread(fetch, http, "/metrics")
    db = connect_reader(folder / "store.db")
    kept = [row[0] for row in db.execute("SELECT text FROM message ORDER BY rowid")]
    acked = sum(len(page.acked) for page in pages)
    assert acked <= len(kept) <= acked + VISITORS  # the last of each may be on its way
    assert len(kept) == len(set(kept))  # none twice
    for number in range(VISITORS):
        own = [text for text in kept if text.startswith(f"{number}:")]
        assert own == [f"{number}:{n}" for n in range(1, len(own) + 1)]  # none missing, in order
    rows = db.execute("SELECT id, interaction, seq FROM conversation").fetchall()
    assert len(rows) == VISITORS
    assert sorted(row[1] for row in rows) == sorted(
        row[0] for row in db.execute("SELECT interaction FROM pending")
    )
    for name, _, seq in rows:
        numbers = db.execute("SELECT seq FROM message WHERE conversation = ? ORDER BY seq", (name,))
        assert [number for (number,) in numbers] == list(range(1, seq + 1))
    db.close()
    waiting = f'cicswitch_queue_waiting{{queue="support"}} {VISITORS - 2}.0'
    assert waiting in metrics  # two are offered to the agent


@pytest.mark.soak  # `test_auditor` does the same with all channels at once
async def test_nothing_is_lost_over_kill_9(tmp_path: Path) -> None:
    await over_and_over(tmp_path, 3, seed=5)


@pytest.mark.soak
async def test_nothing_is_lost_over_200_kills(tmp_path: Path) -> None:
    await over_and_over(tmp_path, 200, seed=7)

"""kill -9 in the middle: after the restart every event of the journal has come, in its order."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import msgspec

from cicswitch.core.errors import CicError
from cicswitch.records.journal import KINDS
from cicswitch.store.sqlite import connect_reader
from cicswitch.webhooks.place import Saved, load
from tests.operation.test_daemon import Daemon, configure, running
from tests.support.ports import free_port
from tests.webhooks.receiver import Receiver, receiver, section

KILLS = 3


async def busy(daemon: Daemon) -> None:
    """An agent goes to and fro, faster than it can be told, for as long as the switch lives."""
    with contextlib.suppress(CicError):
        for _ in range(200):
            for action in ("pause", "ready"):
                ask = partial(daemon.ask, do="agent", agent="kim", action=action)
                await asyncio.to_thread(ask)


def _more(there: Receiver, count: int) -> bool:
    return len(there.messages) >= count


def _asked(there: Receiver, count: int) -> bool:
    return len(there.requests) >= count


def journal(folder: Path, first: Saved) -> list[str]:
    """The messages that there have to be, by their names."""
    with contextlib.closing(connect_reader(folder / "store.db")) as db:
        rows = db.execute("SELECT seq, data FROM journal ORDER BY seq").fetchall()
    return [
        f"evt_{first.journal}_{row}_{index}"
        for row, data in rows
        for index, event in enumerate(msgspec.json.decode(data))
        if (row, index) > (first.place.row, first.place.index) and event["type"] in KINDS
    ]


async def test_nothing_is_left_out_over_kill_9(tmp_path: Path) -> None:
    async with receiver() as there:
        config = configure(tmp_path, free_port(), free_port(), section(there.url))
        place = tmp_path / "store.db-webhooks" / "crm.json"
        first: Saved | None = None
        for _ in range(KILLS):
            async with running(config) as daemon:
                while first is None:
                    first = load(place)
                    await asyncio.sleep(0.01)
                had = len(there.messages)
                work = asyncio.create_task(busy(daemon))
                await there.until(partial(_more, there, had + 30))
                # One is on its way, and is not acknowledged.
                there.gate, there.answers = asyncio.Event(), [(503, {})]
                await there.until(partial(_asked, there, len(there.requests) + 1))
                daemon.process.kill()
                await daemon.process.wait()
                there.gate.set()
                there.gate = None
                await work
        assert first is not None
        missing = set(journal(tmp_path, first)) - {m.id for m in there.messages}
        assert missing  # the kill was in the middle
        async with running(config):
            goal = set(journal(tmp_path, first))
            await there.until(lambda: goal <= {m.id for m in there.messages}, 60)
        seen = [message.id for message in there.messages]
        expected = journal(tmp_path, first)
        assert list(dict.fromkeys(seen))[: len(expected)] == expected
        assert len(seen) - len(set(seen)) <= KILLS  # each time the event in hand at most

"""kill -9 while mails come, by LMTP and from a mailbox: each is there, and once."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from cicswitch.store.sqlite import connect_reader
from tests.channels.email.test_email import channel, mailbox, until_empty
from tests.operation.test_daemon import Daemon, configure, fetch, running
from tests.support.mailservers import MailServers, mailing
from tests.support.ports import free_port

MAILS = 40


async def crash(daemon: Daemon, at_s: float) -> None:
    await asyncio.sleep(at_s)
    daemon.process.kill()
    await daemon.process.wait()


def kept(folder: Path) -> list[str]:
    db = connect_reader(folder / "store.db")
    try:
        return sorted(row[0].strip() for row in db.execute("SELECT text FROM message"))
    finally:
        db.close()


async def over_and_over(folder: Path, servers: MailServers, mails: int, kills: int) -> None:
    user, http = f"crash-{folder.name.lower()}@box.test", free_port()
    channels = channel(servers) + mailbox(servers, user)
    file = configure(folder, free_port(), http, channels)
    draw = random.Random(5)

    def send() -> None:
        for number in range(mails):
            text, name = f"text {number:03}", f"<{folder.name}-{number}@customer.test>"
            to = user if number % 2 else "support@cic.test"
            mail = mailing(text=text, Message_ID=name, To=to)
            mail.add_attachment(text.encode(), maintype="x", subtype="y", filename="a.bin")
            servers.send(mail, "park@customer.test", to)

    sending = asyncio.create_task(asyncio.to_thread(send))
    for _ in range(kills):
        async with running(file) as daemon:
            await asyncio.to_thread(servers.flush)
            await crash(daemon, draw.uniform(0.02, 0.6))
    await sending
    async with running(file):
        await until_empty(servers)
        async with asyncio.timeout(30):
            while len(kept(folder)) < mails:  # noqa: ASYNC110  # the mailbox is read meanwhile
                await asyncio.sleep(0.1)
        _, metrics = await asyncio.to_thread(fetch, http, "/metrics")
    assert kept(folder) == [f"text {number:03}" for number in range(mails)]
    db = connect_reader(folder / "store.db")
    assert db.execute("SELECT count(*) FROM attachment").fetchone() == (mails,)
    assert db.execute("SELECT count(*) FROM pending").fetchone() == (mails,)
    files = [row[0] for row in db.execute("SELECT digest FROM attachment")]
    db.close()
    for digest in files:
        path = folder / "var" / "attachments" / digest[:2] / digest[2:4] / digest
        assert path.read_bytes().startswith(b"text ")
    waiting = f'cicswitch_queue_waiting{{queue="support"}} {mails - 1}.0'
    assert waiting in metrics  # one is offered to the agent


async def test_nothing_is_lost_or_doubled_over_kill_9(tmp_path: Path, servers: MailServers) -> None:
    await over_and_over(tmp_path, servers, MAILS, 3)


@pytest.mark.soak
async def test_nothing_is_lost_or_doubled_over_60_kills(
    tmp_path: Path, servers: MailServers
) -> None:
    await over_and_over(tmp_path, servers, 600, 60)

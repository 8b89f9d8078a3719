"""A switch whose store is in PostgreSQL: the same books, and none of the password."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cicswitch.cli.base import app
from cicswitch.core.errors import ResourceError
from cicswitch.daemon import Switch
from cicswitch.runtime.place import Postgres
from cicswitch.store import postgres as module
from tests.support import center as support
from tests.support.center import Center, center
from tests.support.ports import free_port
from tests.support.postgres import PASSWORD
from tests.support.wire import wire

TRUNK = """
[trunk.near]
address = "udp:127.0.0.2:{port}"
options_s = 0
"""


@pytest.fixture
def url(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    """The configuration of tests has its store there, by a file that holds the URL."""
    path = 'path = "store.db"'
    made = support.CONFIG.replace(path, f'{path}\nurl = "file:store.url"')
    monkeypatch.setattr(support, "CONFIG", made)
    return database


async def abandoned(c: Center, port: int) -> str:
    """A call that waits in a queue and is hung up; its Call-ID."""
    async with wire("127.0.0.2", c.port, port) as near:
        call = near.call("5000")
        ok = await near.expect("SIP/2.0 200")
        near.ack(ok)
        near.within(ok, "BYE")
        await c.until(lambda: not c.switch.calls)
    await c.switch.store.committed()
    return call


async def test_a_switch_and_its_command_line_work_with_a_database(
    tmp_path: Path,
    url: Postgres,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store.url").write_text(url.reveal())
    port = free_port()
    async with center(tmp_path, extra=TRUNK.format(port=port)) as c:
        call = await abandoned(c, port)
        with pytest.raises(ResourceError, match="another switch writes to it"):
            await Switch(tmp_path / "cicswitch.toml").start()
        (row,) = await c.rows("interaction")
        assert row["outcome"] == "abandoned"
        assert not c.switch.degraded
        assert not (tmp_path / "store.db").exists()
        fixed = c.switch.reload_file()
        assert fixed == []
        (tmp_path / "store.url").write_text(url.reveal() + "2")
        assert c.switch.reload_file() == ["store takes effect at the next start"]
        (tmp_path / "store.url").write_text(url.reveal())
        c.switch.reload_file()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    await asyncio.to_thread(commands, str(url), call)
    async with center(tmp_path, extra=TRUNK.format(port=port)) as c:
        assert c.switch.store.recovered == 0
    said = capfd.readouterr()
    assert "abandoned" in said.out
    assert "INVITE sip:5000@" in said.out
    assert "decisions the same" in said.out
    assert "left out: 1 contacts of queue support, nobody was answered" in said.err
    for text in (PASSWORD, PASSWORD.replace("/", "%2F")):
        assert text not in said.out + said.err


def commands(url: str, call: str) -> None:
    """What looks into the store, beside the running switch."""
    day = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
    for arguments in (
        ["report", "--json", "--since", "-1h"],
        ["trace", call],
        ["replay"],
        ["simulate", "--journal", url, "--day", day, "--seeds", "1"],
    ):
        with contextlib.suppress(SystemExit, ResourceError):
            app(arguments)

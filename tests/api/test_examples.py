"""The programs of docs/examples that use the API run as they stand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from cicswitch.acd import commands as acd
from tests.api.served import Served, served
from tests.support.phone import phone

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"


@contextlib.asynccontextmanager
async def running(
    api: Served, name: str, *arguments: str, **more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of them, as a process of its own, with a supervisor's token."""
    client = await api.token("supervisor")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / name), *arguments),
        env={**os.environ, "CICSWITCH_URL": api.url, "CICSWITCH_TOKEN": token, **more},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await api.center.until(lambda: api.web.server.stream.feed.readers)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_screen_pops_up_with_the_offer(tmp_path: Path) -> None:
    lines = (EXAMPLES / "screen_pop.py").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith(("import ", "from ", '"""'))]
    assert len(code) < 20
    shown = tmp_path / "shown"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {shown}\n')
    browser.chmod(0o755)
    async with (
        served(tmp_path) as api,
        running(*(api, "screen_pop.py", "kim", "http://127.0.0.1/crm/{}"), BROWSER=f"{browser} %s"),
        phone("1001", api.center.server),
        phone("2001", api.center.server) as customer,
    ):
        customer.do("call", to="5000")
        await api.center.until(shown.exists)
        assert shown.read_text() == "http://127.0.0.1/crm/2001\n"


async def test_a_wallboard_shows_who_waits(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as api,
        running(api, "wallboard.py", TERM="xterm", FORCE_COLOR="1", COLUMNS="100") as process,
        phone("2001", api.center.server) as customer,
    ):
        api.switch.command(acd.Pause("kim", ""))
        customer.do("call", to="5000")
        await api.center.until(lambda: api.switch.engine.interactions)
        await asyncio.sleep(2)
        process.terminate()
        assert process.stdout is not None
        text = (await process.stdout.read()).decode()
        assert "support" in text
        assert "longest" in text

"""The demo, to its end: what its report says came from real PJSIP and SIPp parties."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.interop


async def output(*command: str, folder: Path) -> str:
    """What `cicswitch` prints, once it has ended well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cicswitch.cli", *command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    text = (await asyncio.wait_for(process.communicate(), 120))[0].decode()
    assert process.returncode == 0, text
    return text


@pytest.mark.soak
async def test_a_short_demo_ends_by_itself_with_a_report_of_its_calls(tmp_path: Path) -> None:
    for command, package in (("espeak-ng", "espeak-ng"), ("sipp", "sip-tester")):
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed: apt-get install {package}")
    shown = await output("demo", "--seconds", "20", "--seed", "4", "--keep", folder=tmp_path)
    kept = re.search(r"^kept: (\S+)", shown, re.MULTILINE)
    assert kept is not None, shown
    folder = Path(kept[1])
    try:
        config = ("-c", str(folder / "cicswitch.toml"))
        report = json.loads(await output("report", "--json", *config, folder=tmp_path))
        queue = next(row for row in report["queues"] if row["queue"] == "support")
        assert queue["offered"] >= 4
        assert queue["answered"] >= 2
        assert queue["abandoned"] >= 1
        agents = report["agents"]
        assert {agent["agent"] for agent in agents} == {"kim", "lee", "park", "choi"}
        assert sum(agent["seconds"].get("talking", 0) for agent in agents) > 5
        # Customers of both kinds got through to agents: PJSIP phones and SIPp behind the trunk.
        with contextlib.closing(sqlite3.connect(folder / "var/cicswitch.db")) as db:
            handled = db.execute("SELECT DISTINCT peer FROM interaction WHERE outcome = 'handled'")
            assert {peer for (peer,) in handled} == {"device:2001", "sipp"}
        # What was printed at the end is that report.
        assert re.search(rf"support\W+{queue['offered']}\W+{queue['answered']}\W", shown), shown
        assert list(folder.rglob("var/recordings/**/*.wav"))
    finally:
        shutil.rmtree(folder)

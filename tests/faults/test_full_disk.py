"""A full disk under store, recordings and log: the switch goes on, says so, and recovers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import sys
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from cicswitch.api.control import request
from cicswitch.calls import events as ev
from cicswitch.core.errors import CicError
from tests.operation.test_daemon import configure, fetch
from tests.support.center import center
from tests.support.disk import small_disk
from tests.support.phone import phone
from tests.support.ports import free_port

pytestmark = pytest.mark.interop

EXTRA = """
[recording]
min_free_mb = 1
[logging]
level = "debug"
format = "json"
"""


async def until(look: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What another process comes to say: asked again and again."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(CicError, OSError):
                if found := await asyncio.to_thread(look):
                    return found
            await asyncio.to_thread(signal.sigtimedwait, [], 0.05)


@contextlib.asynccontextmanager
async def running(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`cicswitch run` with its log on the disk of its configuration."""
    with (file.parent / "log.json").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cicswitch.cli", "run", "-c", str(file)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
    try:
        await until(lambda: request(file.parent / "control.sock", {"do": "ping"}))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def end_page(path: Path) -> None:
    """Fill a file's last page, in which there would be room on a full disk."""
    with path.open("ab") as file:
        file.write(b"-" * (4095 - file.tell() % 4096) + b"\n")


async def printed(*command: str) -> str:
    """What a command of ours prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cicswitch.cli", *command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out.decode()


async def test_a_full_disk_stops_no_call_is_told_and_is_recovered_from(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    server = f"127.0.0.1:{port}"
    with small_disk(tmp_path / "disk", 8) as disk:
        file = configure(disk.path, port, http, extra=EXTRA)

        def degraded() -> dict[str, str]:
            found: dict[str, str] = json.loads(fetch(http, "/health")[1])["degraded"]
            return found

        async with (
            running(file) as process,
            phone("1001", server, "--answer-after", "0") as agent,
            phone("2001", server) as customer,
        ):
            customer.do("call", to="5000")
            await agent.expect("confirmed")
            await until(lambda: list(disk.path.rglob("*.wav")))

            end_page(disk.path / "log.json")
            disk.fill()
            # The recording that is being written tells of it first; every part says its own.
            await until(lambda: {"recording", "recorder"} <= degraded().keys())
            # Events and log lines are still made while nothing can be written.
            customer.do("hangup")
            await agent.expect("disconnected")
            customer.do("call", to="5000")  # a call that nothing can be written of
            await agent.expect("confirmed")
            await until(lambda: {"recording", "store", "log"} <= degraded().keys())
            status, _ = await asyncio.to_thread(fetch, http, "/health")
            assert status == 503
            shown = await printed("status", "-c", str(file))
            assert shown.startswith("degraded")
            assert "store: the store cannot be written: database or disk is full" in shown
            assert "log: " in shown
            assert "No space left on device" in shown
            assert "● degraded" in await printed("top", "--once", "-c", str(file))
            customer.do("hangup")
            await agent.expect("disconnected")

            disk.make_room()
            await until(lambda: not degraded())
            status, _ = await asyncio.to_thread(fetch, http, "/health")
            assert status == 200
            customer.do("call", to="5000")
            await agent.expect("confirmed")
            await until(lambda: len(list(disk.path.rglob("*.wav"))) == 2)
            customer.do("hangup")
            await agent.expect("disconnected")
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 20) == 0

        with contextlib.closing(sqlite3.connect(disk.path / "store.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            # All three calls are booked, the one in the middle too.
            outcomes = db.execute("SELECT outcome, reason FROM interaction").fetchall()
            assert outcomes == [("handled", "normal")] * 3
            ended = db.execute("SELECT data FROM event WHERE type = 'RecordingEnded'").fetchall()
        (first, last) = [json.loads(data) for (data,) in ended]
        assert "No space left on device" in first["error"]
        assert last["error"] == ""
        for recording in (first, last):  # what was written of the first one plays
            with contextlib.closing(wave.open(recording["path"], "rb")) as sound:
                assert sound.getnchannels() == 2
        # Each line of the log is whole, and says how many are missing before it.
        text = (disk.path / "log.json").read_text()
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert sum(line.get("lines", 0) for line in lines if line["event"] == "log_lines_lost") > 0
        said = [line["event"] for line in lines]
        assert {"store_recovered", "recording_recovered"} <= set(said)


async def test_a_voicemail_that_a_full_disk_ends_goes_on_in_the_dialplan(tmp_path: Path) -> None:
    plan = """
[[route]]
called = "5003"
flow = "box"
[[flow.box]]
do = "voicemail"
box = "main"
[[flow.box]]
do = "hangup"
reason = "congestion"
"""
    with small_disk(tmp_path / "disk", 4) as disk:
        extra = f'[recording]\nvoicemail = "{disk.path}/box"\nmin_free_mb = 0\n'
        async with center(tmp_path, extra=extra, plan=plan) as c, phone("2001", c.server) as caller:
            caller.do("call", to="5003")
            await c.until(lambda: list(disk.path.rglob("*.wav")))
            disk.fill()
            await caller.expect("disconnected")
            left = await c.event(ev.VoicemailLeft)
            assert "No space left on device" in left.error
            assert "recording" in c.switch.degraded
            # The next caller hears no beep: there is nowhere to put his message.
            caller.do("call", to="5003")
            await caller.expect("disconnected")
            assert len([e for e in c.events if isinstance(e, ev.VoicemailLeft)]) == 1
            disk.make_room()
            await c.until(lambda: not c.switch.degraded)
            caller.do("call", to="5003")
            await c.until(lambda: len(list(disk.path.rglob("*.wav"))) == 2)
            caller.do("hangup")
            await c.empty()


async def test_a_sentence_that_a_full_disk_does_not_take_costs_the_sentence_only(
    tmp_path: Path,
) -> None:
    plan = """
[[route]]
called = "5004"
flow = "say"
[[flow.say]]
do = "say"
text = "This is a long sentence that nobody has said before."
[[flow.say]]
do = "hangup"
"""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    with small_disk(tmp_path / "disk", 4) as disk:
        async with center(disk.path, plan=plan) as c, phone("2001", c.server) as caller:
            disk.fill()
            caller.do("call", to="5004")
            failed = await c.event(ev.AnnouncementFailed)
            assert failed.error
            await caller.expect("disconnected")
            await c.empty()
            disk.make_room()
            caller.do("call", to="5004")
            await caller.expect("disconnected")
            await c.empty()
            assert len([e for e in c.events if isinstance(e, ev.AnnouncementFailed)]) == 1

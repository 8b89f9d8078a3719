"""The daemon as people run it: start, health, reload, drain, crash, and a start that fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from cicswitch.api.control import request
from cicswitch.core.errors import CommandError, NotFound
from tests.support import center as support
from tests.support.center import PLAN
from tests.support.phone import phone
from tests.support.ports import free_port, rtp_ports


def configure(folder: Path, port: int, http: int, extra: str = "", plan: str = PLAN) -> Path:
    text = support.CONFIG.format(
        listen=f'"udp:127.0.0.1:{port}"',
        media=rtp_ports(),
        ring_s=20,
        wrap_up_s=0,
        sounds="",
        extra=extra,
    )
    (folder / "plan.toml").write_text(plan)
    file = folder / "cicswitch.toml"
    file.write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{http}"))
    return file


class Daemon:
    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.output = ""

    def ask(self, **asked: object) -> object:
        return request(self.folder / "control.sock", asked)

    async def line(self, text: str, timeout: float = 15.0) -> str:
        """Read the output up to a line that has `text` in it."""
        assert self.process.stderr is not None
        async with asyncio.timeout(timeout):
            while raw := await self.process.stderr.readline():
                line = raw.decode()
                self.output += line
                if text in line:
                    return line
        raise AssertionError(f"no line with {text!r} in:\n{self.output}")

    async def end(self) -> int:
        assert self.process.stderr is not None
        self.output += (await self.process.stderr.read()).decode()
        return await asyncio.wait_for(self.process.wait(), 20)


async def launch(file: Path) -> Daemon:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cicswitch.cli", "run", "-c", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    return Daemon(process, file.parent)


@contextlib.asynccontextmanager
async def running(file: Path) -> AsyncIterator[Daemon]:
    daemon = await launch(file)
    try:
        await daemon.line("is up", 90)  # a busy machine says nothing about the switch
        yield daemon
    finally:
        if daemon.process.returncode is None:
            daemon.process.kill()
        await daemon.process.wait()


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_health_and_metrics_are_served(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    async with running(configure(tmp_path, port, http)) as daemon:
        await daemon.line("Only this machine can reach it")
        status, body = await asyncio.to_thread(fetch, http, "/health")
        assert status == 200
        assert msgspec.json.decode(body)["ok"] is True
        status, body = await asyncio.to_thread(fetch, http, "/metrics")
        assert status == 200
        assert 'cicswitch_queue_waiting{queue="support"} 0.0' in body
        assert 'cicswitch_agents{state="idle"} 1.0' in body
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.end() == 0
        assert "Traceback" not in daemon.output


@pytest.mark.slow
async def test_a_trunk_that_does_not_answer_is_told_by_health(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    # Over TCP it is refused at once; the silence of UDP takes two times 32 s.
    trunk = f'[trunk.pbx]\naddress = "tcp:127.0.0.9:{free_port()}"\noptions_s = 1\n'
    file = configure(tmp_path, port, http, extra=trunk)
    udp = f'"udp:127.0.0.1:{port}"'
    file.write_text(file.read_text().replace(udp, f'{udp}, "tcp:127.0.0.1:{port}"'))
    async with running(file) as daemon:
        if "trunk_down" not in daemon.output:  # a start may take longer than two attempts
            await daemon.line("trunk_down", timeout=20)
        status, body = await asyncio.to_thread(fetch, http, "/health")
        assert status == 503
        assert "trunk pbx" in body


async def test_a_port_that_is_taken_is_one_clear_line_and_status_1(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        daemon = await launch(configure(tmp_path, port, http))
        assert await daemon.end() == 1
    assert f"cannot listen on udp:127.0.0.1:{port}: Address already in use" in daemon.output
    assert "Traceback" not in daemon.output


async def test_mistakes_in_the_configuration_are_all_told_at_once(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    file = configure(tmp_path, port, http, extra='[queue.x]\nskils = {}\nring_s = "long"\n')
    daemon = await launch(file)
    assert await daemon.end() == 1
    assert 'found unknown key "skils"' in daemon.output
    assert 'did you mean "skills"?' in daemon.output
    assert 'found "long", expected a whole number' in daemon.output
    assert "Traceback" not in daemon.output


async def test_a_bad_reload_changes_nothing_and_a_good_one_takes_effect(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    file = configure(tmp_path, port, http)
    good = file.read_text()
    async with running(file) as daemon:
        file.write_text(good + "[queue.new]\nrang_s = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        assert 'unknown key "rang_s"' in await daemon.line("reload_refused")
        file.write_text(good + "[queue.new]\nring_s = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.line("reloaded")
        snapshot = daemon.ask(do="snapshot")
        assert isinstance(snapshot, dict)
        assert "new" in [queue["queue"] for queue in snapshot["queues"]]


async def test_agents_are_signed_in_and_out_by_the_control_socket(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    async with running(configure(tmp_path, port, http)) as daemon:
        reply = daemon.ask(do="agent", agent="lee", action="sign-in")
        assert reply == {"agent": "lee", "state": "idle", "code": "", "then": ""}
        with pytest.raises(NotFound, match='there is no agent "leo"'):
            daemon.ask(do="agent", agent="leo", action="sign-in")
        with pytest.raises(CommandError, match='unknown pause code "nap"'):
            daemon.ask(do="agent", agent="lee", action="pause", code="nap")
        with pytest.raises(CommandError, match="unknown request"):
            daemon.ask(do="nonsense")


@pytest.mark.interop
async def test_sigterm_waits_for_calls_and_refuses_new_ones(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    file = configure(tmp_path, port, http)
    server = f"127.0.0.1:{port}"
    async with (
        running(file) as daemon,
        phone("1001", server, "--answer-after", "0") as agent,
        phone("2001", server) as customer,
        phone("2002", server) as late,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.line("draining")
        late.do("call", to="5000")
        assert (await late.expect("disconnected"))["status"] == 503
        customer.do("hangup")
        assert await daemon.end() == 0
        assert "stopped" in daemon.output


@pytest.mark.interop
async def test_after_kill_9_the_journal_is_intact_and_a_restart_closes_what_was_open(
    tmp_path: Path,
) -> None:
    port, http = free_port(), free_port()
    file = configure(tmp_path, port, http)
    server = f"127.0.0.1:{port}"
    async with (
        running(file) as daemon,
        phone("1001", server, "--answer-after", "0") as agent,
        phone("2001", server) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        await asyncio.to_thread(committed, tmp_path, "RecordingStarted")
        await asyncio.to_thread(recorded, tmp_path)
        os.kill(daemon.process.pid, signal.SIGKILL)
        await daemon.process.wait()
    async with running(file) as daemon:
        assert "recovered" in daemon.output or await daemon.line("recovered")
        daemon.process.send_signal(signal.SIGTERM)
        assert await daemon.end() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        legs = db.execute("SELECT reason FROM leg").fetchall()
        (interaction,) = db.execute("SELECT outcome, reason FROM interaction").fetchall()
        ends = db.execute(
            "SELECT agent, ended_at FROM agent_segment WHERE agent = 'kim'"
        ).fetchall()
    (recording,) = (tmp_path / "var").rglob("*.wav")
    with contextlib.closing(wave.open(str(recording), "rb")) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (2, 8000)
    assert legs == [("restart",), ("restart",)]
    assert interaction == ("handled", "restart")
    assert ends


def committed(folder: Path, kind: str) -> None:
    """Wait until an event of a kind is on disk."""
    for _ in range(200):
        with contextlib.closing(sqlite3.connect(folder / "store.db", timeout=5)) as db:
            if db.execute("SELECT 1 FROM event WHERE type = ?", (kind,)).fetchone():
                return
        signal.sigtimedwait([], 0.05)
    raise AssertionError(f"no {kind} in the journal")


def recorded(folder: Path) -> None:
    """Wait until a second of a recording is on disk."""
    for _ in range(200):
        if any(path.stat().st_size > 32_000 for path in folder.rglob("*.wav")):
            return
        signal.sigtimedwait([], 0.05)
    raise AssertionError(f"no recording in {folder}")

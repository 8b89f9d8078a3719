"""`cicswitch top` against a running switch and its control socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.console import Console

from cicswitch.acd import commands as acd
from cicswitch.api.control import ControlServer
from cicswitch.api.handlers import handlers_of
from cicswitch.core.errors import ResourceError
from cicswitch.terminal.top import View, run_top
from tests.support.center import center


def drawn(view: View, width: int = 80, height: int = 24) -> str:
    console = Console(width=width, height=height, no_color=True)
    with console.capture() as captured:
        console.print(view.render(width, height))
    return captured.get()


async def test_top_shows_agents_and_then_that_the_switch_is_gone_and_back(tmp_path: Path) -> None:
    async with center(tmp_path) as c:
        control = ControlServer(tmp_path / "control.sock", handlers_of(c.switch))
        await control.start()
        view = View(tmp_path / "control.sock")
        assert await asyncio.to_thread(view.look)
        shown = drawn(view)
        assert "● ok" in shown
        assert "support" in shown
        assert "idle" in shown

        assert "support (closed)" not in shown
        c.command(acd.Pause("kim", "meal"))
        c.command(acd.Close("support"))
        c.switch.degraded["recording"] = "the disk is full"
        assert await asyncio.to_thread(view.look)
        shown = drawn(view, 140, 40)
        assert "● degraded" in shown
        assert "recording: the disk is full" in shown
        assert "support (closed)" in shown
        assert "paused" in shown
        assert "meal" in shown

        await control.stop()
        assert not await asyncio.to_thread(view.look)
        shown = drawn(view)
        assert "not answering since" in shown
        assert "support" not in shown  # no number that could look fresh

        await control.start()
        assert await asyncio.to_thread(view.look)
        assert "support" in drawn(view)
        await control.stop()


async def test_once_prints_a_plain_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with center(tmp_path) as c:
        control = ControlServer(tmp_path / "control.sock", handlers_of(c.switch))
        await control.start()
        await asyncio.to_thread(run_top, control.path, once=True, interval_s=1.0)
        await control.stop()
    out = capsys.readouterr().out
    assert "QUEUES 2" in out
    assert "\x1b" not in out


def test_once_says_that_no_switch_runs(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="no switch answers"):
        run_top(tmp_path / "none.sock", once=True, interval_s=1.0)


def test_a_view_fits_the_terminal_and_no_caller_writes_commands_into_it(tmp_path: Path) -> None:
    view = View(tmp_path / "none.sock")
    call = {
        "interaction": "a" * 12,
        "phase": "queued",
        "peer": "trunk:pbx",
        "called": "5000",
        "caller": "\x1b[2J[red]1",
        "queue": "support",
        "agent": "",
        "step": "",
        "seconds": 61.0,
        "recording": False,
    }
    view.data = {
        "health": {"ok": True, "degraded": {}, "draining": False, "uptime_s": 90_061.0},
        "queues": [],
        "agents": [],
        "calls": [call] * 100,
        "call_count": 100,
        "agent_count": 0,
        "trunks": [],
        "lag_ms": 0.1,
        "counters": {},
    }
    shown = drawn(view)
    assert "\x1b" not in shown
    assert "?[2J[red]1" in shown
    assert "of 100" in shown
    assert "up 1 d 01:01" in shown
    assert len(shown.splitlines()) <= 24
    assert max(len(line) for line in shown.splitlines()) <= 80

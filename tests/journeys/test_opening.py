"""Queues with hours, with phones on the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cicswitch.acd import events as acd_events
from cicswitch.cli import app
from cicswitch.records.journal import decode_batch
from cicswitch.records.replay import replay
from cicswitch.store.journal import batches
from cicswitch.store.reader import reading
from tests.operation import test_keys as keys
from tests.operation.test_keys import parties, queued
from tests.support.wire import header

PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "q"
on_closed = "box"
[[flow.queue]]
do = "hangup"
reason = "busy"
[[flow.box]]
do = "voicemail"
box = "main"
"""
ALWAYS = '[hours.h]\nopen = ["mon-sun 00:00-24:00"]\n'
QUEUE = '[queue.q]\nhours = "h"\nat_close = "{}"\nagents = ["lee"]\n'


@pytest.fixture(autouse=True)
def plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PLAN", PLAN)


@pytest.mark.parametrize("at_close", ["stay", "leave"])
async def test_a_queue_closes_by_its_hours_and_after_a_reload(
    tmp_path: Path, at_close: str
) -> None:
    extra = QUEUE.format(at_close) + ALWAYS
    async with parties(tmp_path, extra=extra) as p:
        file = tmp_path / "cicswitch.toml"
        await queued(p)
        await p.c.event(acd_events.InteractionQueued)
        file.write_text(file.read_text().replace('open = ["mon-sun 00:00-24:00"]', ""))
        assert p.c.switch.reload_file() == []
        await p.c.event(acd_events.QueueClosed, queue="q")
        await queued(p)
        refused = await p.c.event(acd_events.QueueRefused)
        assert refused.reason == "closed"
        boxes = p.c.switch.conductor.calls
        await p.c.until(lambda: boxes[refused.interaction].voicemail)
        left = [e for e in p.c.events if isinstance(e, acd_events.InteractionLeft)]
        assert [e.outcome for e in left] == (["closed"] if at_close == "leave" else [])
        file.write_text(file.read_text().replace("[hours.h]\n", ALWAYS))
        p.c.switch.reload_file()
        await p.c.event(acd_events.QueueOpened, queue="q")
        visits = await p.c.rows("queue_visit")
        assert {"refused-closed"} <= {visit["outcome"] for visit in visits}
    with reading(p.c.switch.place) as db:
        (run,) = replay(event for data in batches(db) for event in decode_batch(data))
    assert run.same, run


async def test_a_timer_closes_and_opens_it(tmp_path: Path) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=2)
    extra = QUEUE.format("stay") + ALWAYS + f'closed = ["{tomorrow}"]\n'
    async with parties(tmp_path, extra=extra) as p:
        conductor = p.c.switch.conductor
        midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC).timestamp()
        for moment, closed in ((midnight, True), (midnight + 86400, False)):
            timer = conductor.opening.timer
            assert timer is not None
            assert timer.callback is not None
            assert timer.due == pytest.approx(moment, abs=1.0)
            conductor.env.clock = partial(float, moment + 0.01)
            timer.callback(moment)
            assert conductor.engine.queues["q"].closed is closed
        assert conductor.opening.timer is None


async def test_a_queue_may_be_closed_from_the_start(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=QUEUE.format("stay") + "[hours.h]\n") as p:
        assert p.c.switch.engine.queues["q"].closed
        p.near.call("5000")
        assert header(await p.near.expect("SIP/2.0 200"), "CSeq") == "1 INVITE"
        await p.c.event(acd_events.QueueRefused, reason="closed")


def test_the_command_shows_what_is_open_and_when_that_changes(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'dialplans = ["p.toml"]\n[queue.q]\nhours = "h"\n[hours.h]\nzone = "Asia/Seoul"\n'
        'open = ["mon-fri 09:00-18:00"]\nholidays = ["k"]\n[holidays.k]\ncountry = "KR"\n'
    )
    (tmp_path / "p.toml").write_text(
        '[hours.own]\nopen = ["sat 10:00-12:00"]\n[[route]]\nflow = "f"\nhours = "h"\n'
        '[[flow.f]]\ndo = "if"\nhours = "!own"\nthen = "g"\n[[flow.g]]\ndo = "hangup"\n'
    )

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["hours", *arguments, "-c", str(tmp_path / "c.toml")])
        assert done.exit_code == 0, done.output
        return done.output

    shown = run("--at", "2026-12-25T03:00").splitlines()
    assert shown[:2] == [
        "h: closed at 2026-12-25T12:00:00+09:00 (holiday: Christmas Day), of queue q",
        "  opens  Mon 2026-12-28 09:00 +0900 (the hours of the week)",
    ]
    assert "p.toml:own: closed at 2026-12-25T03:00:00+00:00 (outside the hours)" in shown
    (one,) = json.loads(run("h", "--json", "--at", "2026-12-24T03:00"))
    assert (one["open"], one["queues"], one["changes"][0]["open"]) == (True, ["q"], False)
    done = CliRunner().invoke(app, ["hours", "x", "-c", str(tmp_path / "c.toml")])
    assert 'there are no hours "x" (there are: h, p.toml:own)' in str(done.exception)

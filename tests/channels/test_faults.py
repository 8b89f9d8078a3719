"""What is acknowledged is on disk, and what is on disk is delivered: a store that somebody holds,
and a clock that steps."""

from __future__ import annotations

import asyncio
import time
from itertools import accumulate
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cicswitch.contacts.events import MessageDelivered
from cicswitch.switch import contacts, outbox
from tests.api.served import Served
from tests.channels.test_chat import CHANNELS, chatting, taken, until, written
from tests.store.test_degraded import locked
from tests.support.chat import Visitor
from tests.support.gateway import Gateway, event, gateway, post, section

DAY_S = 86_400.0
TASKS = '[channel.crm]\ntype = "task"\nqueue = "support"\n'


async def texts(api: Served) -> list[str]:
    return sorted(row["text"] for row in await api.center.rows("message"))


async def test_while_another_process_holds_the_store_nothing_is_acknowledged_and_nothing_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = CHANNELS + TASKS + section("http://127.0.0.1:9/")
    async with chatting(tmp_path, extra) as (api, _):
        us, where, root = api.client(), f"{api.url}/channel/line", await api.token("administrator")
        page = Visitor(api.url, name="Park")
        await page.come()
        task = {"channel": "crm", "subject": "Claim", "text": "task", "external": "4711"}
        monkeypatch.setattr(contacts, "_STORED_S", 1.5)
        with locked(tmp_path / "store.db"):
            said = asyncio.create_task(page.say_surely("chat"))
            sent, handed = await asyncio.gather(
                post(us, where, event("U1", "1", "line")),
                root.post("/api/v1/tasks", json=task),
            )
            assert (sent.status_code, handed.status_code) == (503, 503)
            assert not said.done()
            await until(lambda: api.switch.store.degraded)
        await until(lambda: not api.switch.store.degraded)
        await page.go()
        said.cancel()
        # All of them are sent again, as they were not acknowledged; each is there once.
        await page.come()
        await page.until(lambda: not page.unacked)
        assert (await post(us, where, event("U1", "1", "line"))).status_code == 200
        assert (await root.post("/api/v1/tasks", json=task)).status_code in (200, 201)
        assert await texts(api) == ["chat", "line", "task"]
        await page.go()


async def test_a_medium_that_is_away_for_an_hour_gets_all_of_it_in_its_order_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = [*accumulate(outbox._pause(tries) for tries in range(1, outbox._ATTEMPTS))]
    tries = sum(each < 3600 for each in waited) + 1
    assert 5 < tries < 20  # it is not asked all the time
    assert waited[-1] > 2 * DAY_S
    monkeypatch.setattr(outbox, "_FIRST_S", 1e-5)
    async with gateway() as line, chatting(tmp_path, CHANNELS + section(line.url)) as (api, lee):
        us, where = api.client(), f"{api.url}/channel/line"
        await post(us, where, event("U1", "1", "Hello"))
        contact = await taken(api, lee)
        line.answers = [503] * tries
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        for text in ("one", "two", "three"):
            written(await lee.post(path, json={"text": text}))
        await line.until(3)
        assert line.texts == ["one", "two", "three"]
        assert not line.answers
        deferred = [each for each in api.center.events if isinstance(each, MessageDelivered)]
        await until(lambda: not api.switch.conductor.outbox.waiting)
        assert sum(each.state == "deferred" for each in deferred) == tries


async def test_a_clock_that_was_set_back_between_two_runs_holds_up_nothing_and_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST_S", 0.05)
    async with gateway() as line:
        extra = CHANNELS + section(line.url)
        async with chatting(tmp_path, extra) as (api, lee):
            us, where = api.client(), f"{api.url}/channel/line"
            await post(us, where, event("U1", "1", "mine"))
            contact = await taken(api, lee)
            line.answers = [503] * 1000
            path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
            written(await lee.post(path, json={"text": "late"}))
            waiting = api.switch.conductor.outbox.waiting
            await until(lambda: any(each.attempts for each in waiting.values()))
            await post(us, where, event("U2", "2", "first"))
            await api.switch.store.committed()
        line.answers = []
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() - DAY_S)
        with capture_logs() as logs:
            await _second_run(tmp_path, extra, line)
        told = [each for each in logs if each["event"].startswith("clock_")]
        assert [(each["event"], each["seconds"]) for each in told] == [("clock_went_back", 86_400)]


async def test_a_clock_that_is_set_while_it_runs_changes_nothing_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway() as line, chatting(tmp_path, CHANNELS + section(line.url)) as (api, lee):
        us, where = api.client(), f"{api.url}/channel/line"
        await post(us, where, event("U1", "1", "Hello"))
        contact = await taken(api, lee)
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() - DAY_S)
        with capture_logs() as logs:
            api.switch._look_at_clock()
            api.switch._look_at_clock()
        assert [(each["event"], each["seconds"]) for each in logs] == [("clock_stepped", -86_400)]
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        await line.until(1)
        monkeypatch.setattr(time, "time", wall)
        await post(us, where, event("U1", "2", "Thank you"))
        first, answer, second = await api.center.rows("message")
        assert first["at"] < answer["at"] < second["at"] < first["at"] + 60


async def _second_run(folder: Path, extra: str, line: Gateway) -> None:
    async with chatting(folder, extra, people=False) as (api, lee):
        # Who was there is not behind those who come now.
        waiting = api.switch.engine.interactions.values()
        assert all(each.queued_at <= api.switch.clock.now() for each in waiting)
        await line.until(1)
        assert line.texts == ["late"]
        us, where = api.client(), f"{api.url}/channel/line"
        await post(us, where, event("U3", "3", "second"))
        seen = []
        for _ in range(3):
            contact = await taken(api, lee)
            seen.append(contact.origin.customer)
            await lee.post(f"/api/v1/interactions/{contact.id}/finish")
            await lee.post("/api/v1/agents/lee/ready")
        assert seen == ["U1", "U2", "U3"]
        await api.center.empty()
        await nothing_took_less_than_no_time(api)


async def nothing_took_less_than_no_time(api: Served) -> None:
    for table in ("interaction", "queue_visit", "handled", "answer", "agent_segment"):
        for row in await api.center.rows(table):
            spans = {name: row[name] for name in row if name.endswith("_s") and row[name]}
            assert all(span >= 0 for span in spans.values()), (table, row)

"""Webhooks of a running switch at a receiver on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from cicswitch.acd import commands as acd
from cicswitch.acd.events import AgentChanged
from cicswitch.client import UnknownEvent
from cicswitch.records.journal import KINDS
from cicswitch.runtime.place import Place as StorePlace
from cicswitch.store.make import make_store
from cicswitch.store.sqlite import SqliteDatabase
from cicswitch.webhooks import Webhooks
from cicswitch.webhooks.place import Place, Saved, load, save
from cicswitch.webhooks.reader import JournalReader, Wanted
from tests.api.test_security import certificate
from tests.support.center import Center, center
from tests.support.ports import free_port
from tests.webhooks.receiver import Receiver, receiver, section

QUICK = 'events = ["AgentChanged"]\nretry_s = 0.1\n'


@contextlib.asynccontextmanager
async def hooked(
    folder: Path, url: str, keys: str = QUICK, extra: str = ""
) -> AsyncIterator[tuple[Center, Webhooks]]:
    async with center(folder, extra=extra + section(url, keys)) as c:
        hooks = Webhooks(c.switch)
        await hooks.start()
        await begun(hooks)
        try:
            yield c, hooks
        finally:
            await hooks.stop()


async def begun(hooks: Webhooks) -> None:
    """The place of each hook is on the disk: what happens from now on is sent."""
    async with asyncio.timeout(10):
        while True:
            if all(hook.file.exists() for hook in hooks.hooks.values()):
                return
            await asyncio.sleep(0.01)


def turn(c: Center, times: int = 1, agent: str = "kim") -> None:
    """Two events each time."""
    for _ in range(times):
        c.switch.command(acd.Pause(agent, "meal"))
        c.switch.command(acd.Ready(agent))


def states(there: Receiver) -> list[str]:
    return [message.event.state for message in there.messages]


async def test_events_come_signed_and_in_the_order_of_the_journal(tmp_path: Path) -> None:
    async with receiver() as there, hooked(tmp_path, there.url, "") as (c, hooks):
        turn(c, 40)
        await there.until(lambda: len(states_of(there)) == 80)
        changed = [m for m in there.messages if m.type == "AgentChanged"]
        assert [m.event.state for m in changed] == ["paused", "idle"] * 40
        assert len({m.id for m in there.messages}) == len(there.messages)
        assert {m.type for m in there.messages} <= KINDS.keys()  # and no commands
        headers, body = there.requests[-1]
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"].startswith("cicswitch-webhook/")
        told = msgspec.json.decode(body)
        assert sorted(told) == ["data", "timestamp", "type"]
        assert told["timestamp"].endswith("Z")
        heard = [e for e in c.events if isinstance(e, AgentChanged)]
        assert [m.event for m in changed] == heard[-80:]
        hook = hooks.hook("crm")
        await settled(lambda: hook.figures.delivered >= len(there.messages))
        assert hook.figures.failures == 0


def states_of(there: Receiver) -> list[str]:
    return [m.event.state for m in there.messages if m.type == "AgentChanged"]


async def test_events_queues_and_agents_choose(tmp_path: Path) -> None:
    keys = 'events = ["AgentChanged", "QueueClosed"]\n'
    async with receiver() as there, receiver() as other, receiver() as third:
        extra = section(other.url, 'agents = ["lee"]\n', "own")
        extra += section(third.url, 'queues = ["korean"]\n', "line")
        async with hooked(tmp_path, there.url, keys, extra) as (c, _):
            c.switch.command(acd.SignIn("lee"))
            turn(c)
            c.switch.command(acd.Close("korean"))
            c.switch.command(acd.Close("support"))
            turn(c, agent="lee")
            await there.until(lambda: states_of(there) == ["idle", *["paused", "idle"] * 2])
            await other.until(lambda: len(states_of(other)) == 3)
            assert {m.event.agent for m in other.messages} == {"lee"}
            await third.until(lambda: third.messages)
            assert {m.event.queue for m in third.messages} == {"korean"}
            assert "AgentChanged" not in third.kinds
            assert set(there.kinds) <= {"AgentChanged", "QueueClosed"}


async def test_what_fails_is_sent_again_before_the_next_with_growing_pauses(
    tmp_path: Path,
) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        there.answers = [(500, {}), (404, {}), (503, {}), (429, {})]
        turn(c)
        await there.until(lambda: len(there.messages) == 2)
        assert states(there) == ["paused", "idle"]
        ids = [headers["webhook-id"] for headers, _ in there.requests]
        assert ids[:5] == [ids[0]] * 5
        assert ids[5] != ids[0]
        gaps = [b - a for a, b in zip(there.times, there.times[1:], strict=False)]
        for gap, longest in zip(gaps, (0.1, 0.2, 0.4, 0.8), strict=False):
            assert gap >= longest / 2
        assert hooks.hook("crm").figures.failures == 4


@pytest.mark.parametrize("dated", [False, True])
async def test_retry_after_is_heeded(tmp_path: Path, dated: bool) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, _):
        wait = formatdate(time.time() + 3, usegmt=True) if dated else "1"
        there.answers = [(503, {"Retry-After": wait})]
        turn(c)
        await there.until(lambda: len(there.messages) == 2)
        assert there.times[1] - there.times[0] >= 0.95


async def test_retry_max_s_bounds_the_pause(tmp_path: Path) -> None:
    keys = QUICK + "retry_max_s = 0.1\n"
    async with receiver() as there, hooked(tmp_path, there.url, keys) as (c, hooks):
        there.answers = [(500, {})] * 12  # without the bound: minutes
        turn(c)
        await there.until(lambda: len(there.messages) == 2)
        assert hooks.hook("crm").figures.failures == 12


async def test_an_event_is_given_up_after_max_attempts_and_the_next_one_comes(
    tmp_path: Path,
) -> None:
    keys = QUICK + "max_attempts = 3\n"
    async with receiver() as there, hooked(tmp_path, there.url, keys) as (c, hooks):
        there.answers = [(400, {})] * 3
        with capture_logs() as logs:
            turn(c)
            await there.until(lambda: there.messages)
        assert states(there) == ["idle"]
        assert hooks.hook("crm").figures.skipped == 1
        assert [each["attempts"] for each in logs if each["event"] == "webhook_event_skipped"] == [
            3
        ]


async def test_410_ends_it_over_a_restart_until_somebody_enables_it(tmp_path: Path) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        there.answers = [(410, {})]
        turn(c)
        await there.until(lambda: there.requests)
        hook = hooks.hook("crm")
        await settled(lambda: hook.figures.state == "disabled")
        await hooks.stop()
        await hooks.start()
        hook = hooks.hook("crm")
        await settled(lambda: hook.figures.state == "disabled")
        assert len(there.requests) == 1
        hook.enable()
        await there.until(lambda: len(there.messages) == 2)
        assert states(there) == ["paused", "idle"]
        found = load(hook.file)
        assert found is not None
        assert found.disabled == ""


async def settled(done: Any, timeout: float = 10.0) -> None:
    async with asyncio.timeout(timeout):
        while True:
            if done():
                return
            await asyncio.sleep(0.01)


async def test_410_of_an_old_url_does_not_hold_for_a_new_one(tmp_path: Path) -> None:
    async with receiver() as old, receiver() as new, hooked(tmp_path, old.url) as (c, hooks):
        old.answer = (410, {})
        turn(c)
        await settled(lambda: hooks.hook("crm").figures.state == "disabled")
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text().replace(old.url, new.url))
        c.switch.reload_file()
        await new.until(lambda: len(new.messages) == 2)
        assert states(new) == ["paused", "idle"]


async def test_timeout_s_ends_the_wait_for_an_answer(tmp_path: Path) -> None:
    keys = QUICK + "timeout_s = 0.2\n"
    async with receiver() as there, hooked(tmp_path, there.url, keys) as (c, hooks):
        there.gate = asyncio.Event()
        turn(c)
        figures = hooks.hook("crm").figures
        await settled(lambda: figures.failures)
        assert figures.last_error == "no answer in 0.2 s"
        there.gate.set()
        there.gate = None
        await there.until(lambda: "idle" in states(there))


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with receiver() as there, receiver() as elsewhere:
        there.answer = (307, {"Location": elsewhere.url})
        async with hooked(tmp_path, there.url) as (c, hooks):
            turn(c)
            await there.until(lambda: len(there.requests) >= 2)
            assert "redirects are not followed" in hooks.hook("crm").figures.last_error
            assert elsewhere.requests == []


async def test_a_certificate_is_verified_by_ca_file(tmp_path: Path) -> None:
    certificate(tmp_path, "localhost")
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    async with receiver(certificate=files) as there, hooked(tmp_path, there.url) as (c, hooks):
        turn(c)
        await settled(lambda: hooks.hook("crm").figures.failures)
        assert "certificate verify failed" in hooks.hook("crm").figures.last_error
        assert there.requests == []
        file = tmp_path / "cicswitch.toml"
        file.write_text(f'{file.read_text()}ca_file = "cert.pem"\n')
        c.switch.reload_file()
        await there.until(lambda: len(there.messages) == 2)


async def test_a_ca_file_that_was_wrong_is_read_again(tmp_path: Path) -> None:
    for name in ("there", "other"):
        (tmp_path / name).mkdir()
        certificate(tmp_path / name, "localhost")
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes((tmp_path / "other" / "cert.pem").read_bytes())
    files = (tmp_path / "there" / "cert.pem", tmp_path / "there" / "key.pem")
    keys = QUICK + 'ca_file = "ca.pem"\n'
    async with (
        receiver(certificate=files) as there,
        hooked(tmp_path, there.url, keys) as (c, hooks),
    ):
        turn(c)
        await settled(lambda: hooks.hook("crm").figures.failures)
        assert there.requests == []
        ca_file.write_bytes(files[0].read_bytes())
        await there.until(lambda: len(there.messages) == 2)


async def test_what_happened_while_it_was_off_comes_later_and_nothing_twice(
    tmp_path: Path,
) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        turn(c)
        await there.until(lambda: len(there.messages) == 2)
        await settled(lambda: hooks.hook("crm").figures.delivered == 2)
        await settled(lambda: hooks.hook("crm").figures.state == "waiting")
        await hooks.stop()
        turn(c, 60)  # more than a page
        await c.switch.store.committed()
        await hooks.start()
        await there.until(lambda: len(there.messages) == 122)
        assert states(there) == ["paused", "idle"] * 61
        assert len({m.id for m in there.messages}) == 122


async def test_a_receiver_that_is_gone_holds_up_no_call_and_takes_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = 0
    read = JournalReader.page

    def counted(self: JournalReader, place: Place, wanted: Wanted) -> Any:
        nonlocal pages
        pages += 1
        return read(self, place, wanted)

    monkeypatch.setattr(JournalReader, "page", counted)
    port = free_port()
    async with hooked(tmp_path, f"http://127.0.0.1:{port}/cic") as (c, hooks):
        hook = hooks.hook("crm")
        turn(c)
        await settled(lambda: hook.figures.failures)
        before = pages
        begun_at = time.perf_counter()
        turn(c, 2000)
        took_s = time.perf_counter() - begun_at
        await c.switch.store.committed()
        await settled(lambda: hook.figures.failures >= 3)
        assert pages == before  # nothing more is read while one waits
        assert took_s < 5
        assert hook.lag_s(c.switch.clock.now()) > 0
        assert hook.figures.next_at or hook.figures.state == "sending"
        async with receiver(port=port) as there:
            await there.until(lambda: len(there.messages) >= 200, 30)
            assert states(there)[:200] == ["paused", "idle"] * 100


async def test_hooks_leave_the_loop_to_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.webhooks.hooks._APART_S", 0.02)
    async with receiver() as there:
        extra = section(there.url, QUICK, "second")
        async with hooked(tmp_path, there.url, QUICK, extra) as (c, _):
            turn(c, 20)
            await there.until(lambda: len(there.messages) == 80)
            assert there.times[-1] - there.times[0] >= 79 * 0.02 * 0.9


async def test_a_hook_that_is_taken_out_loses_its_place(tmp_path: Path) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        file = tmp_path / "cicswitch.toml"
        text = file.read_text()
        where = hooks.hook("crm").file
        file.write_text(text.partition("[[webhooks]]")[0])
        c.switch.reload_file()
        await settled(lambda: not where.exists())
        assert not hooks.hooks
        turn(c)
        await c.switch.store.committed()
        file.write_text(text)
        c.switch.reload_file()
        await begun(hooks)
        c.switch.command(acd.SignOut("kim"))
        await there.until(lambda: there.messages)
        assert states(there) == ["offline"]


async def test_a_reload_leaves_a_hook_alone_that_is_as_it_was(tmp_path: Path) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        before = hooks.hook("crm")
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text() + section(there.url, QUICK, "second"))
        c.switch.reload_file()
        await begun(hooks)
        assert hooks.hook("crm") is before
        turn(c)
        await there.until(lambda: len(there.messages) == 4)


async def test_a_new_journal_is_sent_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "store.db-webhooks" / "crm.json"
    async with receiver() as there:
        save(file, Saved("other", Place(10**9), there.url))
        async with hooked(tmp_path, there.url, "") as (c, _):
            turn(c)
            await there.until(lambda: "idle" in states_of(there))
            assert there.kinds[0] == "SwitchStarted"
            assert (tmp_path / "store.db").exists()


async def test_a_place_that_cannot_be_written_is_told_once_and_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (c, _):

        def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("cicswitch.webhooks.place.save", full)
        with capture_logs() as logs:
            turn(c, 3)
            await there.until(lambda: len(there.messages) == 6)
        assert [each["event"] for each in logs].count("webhook_place_not_saved") == 1


async def test_a_store_that_cannot_write_holds_up_no_start(tmp_path: Path) -> None:
    async with receiver() as there, center(tmp_path, extra=section(there.url, QUICK)) as c:
        store = c.switch.store
        assert isinstance(store.database, SqliteDatabase)
        await store.committed()
        lock = sqlite3.connect(store.database.path, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")  # nobody else may write now
        turn(c)
        hooks = Webhooks(c.switch)
        async with asyncio.timeout(1):
            await hooks.start()
        assert not hooks.hook("crm").file.exists()
        lock.execute("ROLLBACK")
        lock.close()
        await begun(hooks)
        turn(c)
        await there.until(lambda: there.messages)
        await hooks.stop()


async def test_a_journal_that_cannot_be_read_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.webhooks.hook._BROKEN_S", 0.05)
    async with receiver() as there, hooked(tmp_path, there.url) as (c, hooks):
        good = hooks.reader.place
        hooks.reader.place = tmp_path / "none.db"
        await hooks.run(hooks.reader.close)
        with capture_logs() as logs:
            turn(c)
            await settled(lambda: hooks.hook("crm").figures.last_error)
        assert any(each["event"] == "webhook_failed" for each in logs)
        hooks.reader.place = good
        await there.until(lambda: len(there.messages) == 2)
        await settled(lambda: not hooks.hook("crm").figures.last_error)


async def test_a_test_message_says_what_came_of_it(tmp_path: Path) -> None:
    async with receiver() as there, hooked(tmp_path, there.url) as (_, hooks):
        outcome, took_s = await hooks.test("crm")
        assert (outcome.status, outcome.error) == (204, "")
        assert 0 < took_s < 10
        (message,) = there.messages
        assert message.event == UnknownEvent("WebhookTest", {"webhook": "crm"})
        there.answer = (418, {})
        outcome, _ = await hooks.test("crm")
        assert (outcome.status, outcome.error) == (418, "answered 418")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        (tmp_path / "other").mkdir()
        async with hooked(tmp_path / "other", url) as (_, hooks):
            outcome, _ = await hooks.test("crm")
            assert outcome.status == 0
            assert outcome.error


def test_a_place_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "a" / "crm.json"
    assert load(file) is None
    first, second = Saved("j", Place(3, 1), "u"), Saved("j", Place(4), "u", "answered 410")
    save(file, first)
    save(file, second)
    assert load(file) == second
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text('{"journal": "j", "pla')
    assert load(file) is None


def test_pages_are_the_journal_whatever_their_borders(place: StorePlace) -> None:
    database = make_store(place).database
    db, made = database.open(), []
    insert = "INSERT INTO journal (seq, at, events, starts, data) VALUES (?, 5.0, 1, FALSE, ?)"
    for row, count in enumerate((3, 0, 120, 1, 49, 50, 51, 2), start=1):
        events = [
            {"type": "AgentChanged" if n % 2 else "Commanded", "at": 5.0, "n": f"{row}.{n}"}
            for n in range(count)
        ]
        db.execute(insert, (row, msgspec.json.encode(events).decode()))
        made += [event["n"] for event in events if event["type"] == "AgentChanged"]
    database.close()
    reader, at, seen = JournalReader(place), Place(0), []
    assert (reader.last(), reader.journal()) == (8, f"{5000:x}")
    while True:
        page = reader.page(at, Wanted())
        assert len(page.events) <= 50
        assert page.after > at
        seen += [msgspec.json.decode(event.text)["n"] for event in page.events]
        at = page.after
        if page.end:
            break
    assert seen == made
    assert reader.page(at, Wanted()).events == []
    assert reader.page(Place(0), Wanted(queues=("none",))).events == []
    reader.close()

"""What colleagues write to one another: kept, in order, once, for those concerned only."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from cicswitch.client import (
    Client,
    ConflictProblem,
    InvalidProblem,
    NotFoundProblem,
    TooOftenProblem,
)
from cicswitch.runtime.place import Place
from cicswitch.store import chat as kept
from cicswitch.store.journal import batches
from cicswitch.store.reader import reading
from tests.api.served import EXTRA, Served, problem, served
from tests.store.test_degraded import locked

MORE = (
    EXTRA
    + """
[queue.closed]
agents = ["kim"]
[chat]
keep_days = 30
messages_per_minute = 20
"""
)


@contextlib.asynccontextmanager
async def client(api: Served, account: str) -> AsyncIterator[Client]:
    made = await api.token(account)
    secret = str(made.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret, tries=1) as one:
        yield one


@contextlib.asynccontextmanager
async def listening(api: Served, account: str) -> AsyncIterator[ClientConnection]:
    made = await api.token(account)
    url = api.url.replace("http", "ws", 1) + "/api/v1/events"
    headers = {"Authorization": made.headers["Authorization"]}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        assert json.loads(await socket.recv())["type"] == "hello"
        yield socket


async def chat_on(socket: ClientConnection, until: str) -> list[dict[str, Any]]:
    """What is told up to a text."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while not any(each["text"] == until for each in found):
            message = json.loads(await socket.recv())
            if message["type"] == "chat":
                found += message["messages"]
    return found


def texts(found: list[Any]) -> list[str]:
    return [each.text for each in found]


async def test_messages_reach_those_concerned_at_once_and_nobody_else(tmp_path: Path) -> None:
    async with (
        served(tmp_path, extra=MORE) as api,
        client(api, "agent") as lee,
        client(api, "supervisor") as boss,
        client(api, "planner") as planner,
        listening(api, "agent") as at_lee,
        listening(api, "supervisor") as at_boss,
        listening(api, "administrator") as at_root,
    ):
        rooms = {each.to: each async for each in lee.chat_rooms()}
        assert rooms.keys() == {
            *("account:supervisor", "account:quality", "account:planner", "account:administrator"),
            *("queue:support", "supervisors"),
        }
        assert rooms["account:supervisor"].presence == "online"
        assert rooms["account:planner"].presence == "offline"
        assert "queue:closed" in {each.to async for each in boss.chat_rooms()}
        (at_lee_now,) = [each async for each in boss.chat_rooms() if each.to == "account:agent"]
        assert (at_lee_now.presence, at_lee_now.number) == ("online", "1002")
        await planner.send_chat("account:agent", "private to lee", "planner-1")
        await boss.send_chat("account:administrator", "private to root", "boss-0001")
        await boss.send_chat("queue:closed", "not for lee", "boss-0002")
        await planner.send_chat("supervisors", "for supervisors", "planner-2")
        await lee.send_chat("supervisors", "help me", "lee-00001")
        await boss.send_chat("queue:support", "end", "boss-0003")
        at = await chat_on(at_lee, "end")
        assert [(each["to"], each["text"]) for each in at] == [
            ("account:planner", "private to lee"),
            ("supervisors", "help me"),
            ("queue:support", "end"),
        ]
        assert [each["text"] for each in await chat_on(at_boss, "end")] == [
            *("private to root", "not for lee", "for supervisors", "help me", "end")
        ]
        assert [each["text"] for each in await chat_on(at_root, "end")] == [
            *("private to root", "not for lee", "for supervisors", "help me", "end")
        ]
        # The same without the stream, and nothing of it in the journal, which webhooks read.
        assert texts((await lee.chat_messages()).items) == ["private to lee", "help me", "end"]
        told = await planner.chat_messages()
        assert texts(told.items) == ["private to lee", "for supervisors"]
        for to in ("account:agent:x", "queue:closed", "account:agent", "queue:none", "account:"):
            with pytest.raises(NotFoundProblem):
                await lee.chat_messages(to)
            with pytest.raises(NotFoundProblem):
                await lee.send_chat(to, "x", "lee-00002")
        await api.switch.store.committed()
        with reading(api.switch.place) as db:
            journal = "".join(batches(db))
        assert "private" not in journal


async def test_unread_is_counted_and_all_of_it_outlives_a_restart(
    tmp_path: Path, stored: Place
) -> None:
    async with (
        served(tmp_path, extra=MORE) as api,
        client(api, "agent") as lee,
        client(api, "supervisor") as boss,
    ):
        sent = [await boss.send_chat("account:agent", f"m{n}", f"boss-000{n}") for n in range(5)]
        assert [each.seq for each in sent] == sorted({each.seq for each in sent})
        again = await boss.send_chat("account:agent", "m4", "boss-0004")
        assert again == sent[4]
        both = await asyncio.gather(
            *(boss.send_chat("account:agent", "m5", "boss-0005") for _ in range(3))
        )
        assert len({each.seq for each in both}) == 1
        with pytest.raises(ConflictProblem):
            await boss.send_chat("account:agent", "other", "boss-0004")
        mine = {each.to: each async for each in lee.chat_rooms()}["account:supervisor"]
        assert (mine.unread, mine.last) == (6, both[0].seq)
        await lee.read_chat("account:supervisor", sent[3].seq)
        await lee.read_chat("account:supervisor", sent[1].seq)  # never back
        first = await lee.chat_messages("account:supervisor", limit=2)
        assert (texts(first.items), first.more) == (["m0", "m1"], True)
        back = await lee.chat_messages("account:supervisor", before=both[0].seq, limit=2)
        assert (texts(back.items), back.more) == (["m3", "m4"], True)
        rest = await lee.chat_messages(after=sent[3].seq)
        assert (texts(rest.items), rest.more) == (["m4", "m5"], False)
        theirs = {each.to: each async for each in boss.chat_rooms()}["account:agent"]
        assert theirs.unread == 0
    async with (
        served(tmp_path, extra=MORE, people=False) as api,
        client(api, "agent") as lee,
        client(api, "supervisor") as boss,
    ):
        mine = {each.to: each async for each in lee.chat_rooms()}["account:supervisor"]
        assert mine.unread == 2
        assert texts((await lee.chat_messages()).items) == [f"m{n}" for n in range(6)]
        assert (await boss.send_chat("account:agent", "m5", "boss-0005")).seq == both[0].seq
        assert (await boss.send_chat("account:agent", "m6", "boss-0006")).seq > both[0].seq


async def test_what_is_no_message_is_refused_and_so_are_too_many(tmp_path: Path) -> None:
    async with served(tmp_path, extra=MORE) as api, client(api, "supervisor") as boss:
        for text, name in (
            *(("", "boss-0001"), (" \n", "boss-0001"), ("x" * 2001, "boss-0001")),
            *(("x\0", "boss-0001"), ("x", "short"), ("x", "with spaces in it"), ("x", "y" * 65)),
        ):
            with pytest.raises(InvalidProblem):
                await boss.send_chat("account:agent", text, name)
        markup = "<img src=x onerror=alert(1)> 안녕하세요 \U0001f600\nnext"
        assert (await boss.send_chat("account:agent", markup, "boss-0001")).text == markup
        for number in range(19):
            await boss.send_chat("account:agent", "x", f"boss-1{number:03}")
        with pytest.raises(TooOftenProblem) as caught:
            await asyncio.gather(
                *(boss.send_chat("account:agent", "x", f"boss-2{n:03}") for n in range(9))
            )
        assert caught.value.retry_after_s
        problem(await api.client().get("/api/v1/chat"), 401)


async def test_nothing_is_told_before_it_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        served(tmp_path, extra=MORE) as api,
        client(api, "supervisor") as boss,
        client(api, "agent") as lee,
        listening(api, "agent") as at_lee,
    ):
        with locked(tmp_path / "store.db"):
            sending = asyncio.create_task(boss.send_chat("account:agent", "late", "boss-0001"))
            await api.center.until(lambda: api.switch.store.degraded)
            assert not sending.done()
            assert not any(each.news for each in api.web.chat.listeners)
        assert (await sending).text == "late"
        assert [each["text"] for each in await chat_on(at_lee, "late")] == ["late"]
        assert texts((await lee.chat_messages()).items) == ["late"]


async def test_what_is_old_is_forgotten_and_no_number_is_given_twice(tmp_path: Path) -> None:
    day = 86400.0
    async with served(tmp_path, extra=MORE) as api, client(api, "supervisor") as boss:
        now = api.switch.clock.now()
        for seq, age in ((1, 40), (2, 31), (3, 29), (4, 31)):
            values = (seq, now - age * day, "direct:agent:supervisor", "supervisor", f"s{seq}", "x")
            api.switch.store.append_chat(kept.ADD, values)
        await api.switch.store.committed()
    async with served(tmp_path, extra=MORE, people=False) as api, client(api, "supervisor") as boss:
        assert [each.seq for each in (await boss.chat_messages()).items] == [3, 4]
        assert (await boss.send_chat("account:agent", "new", "boss-0001")).seq == 5
        with reading(api.switch.place) as db:
            assert kept.by_id(db, "supervisor", "s1") is None

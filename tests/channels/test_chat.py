"""Chat: from a page's visitor through bot and queue to an agent, and back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cicswitch.switch.queueing import FRONT
from tests.api.served import EXTRA, Served, served
from tests.support.center import PLAN, center
from tests.support.chat import Visitor

CHANNELS = """
[channel.chat]
type = "chat"
queue = "support"
away_s = 1
[widget.shop]
chat = "chat"
[widget.bot]
chat = "chat"
"""
BOT = """
[[route]]
trunk = "chat"
called = "bot"
flow = "bot"
[[flow.bot]]
do = "menu"
say = "1 for Korean, 2 for a person."
choices = { 1 = "korean", 2 = "person" }
[[flow.bot]]
name = "korean"
do = "set"
values = { language = "ko" }
[[flow.bot]]
do = "queue"
queue = "korean"
[[flow.bot]]
name = "person"
do = "queue"
queue = "support"
"""


@contextlib.asynccontextmanager
async def chatting(
    folder: Path, channels: str = CHANNELS, plan: str = "", **more: Any
) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    """A switch with chat, and lee, who is there."""
    extra = channels + EXTRA
    async with served(folder, extra=extra, plan=PLAN + BOT + plan, **more) as api:
        await (await api.token("administrator")).post("/api/v1/agents/kim/sign-out")
        lee = await api.token("agent")
        await lee.post("/api/v1/agents/lee/sign-in")
        yield api, lee


async def until(condition: Callable[[], Any], timeout_s: float = 15.0) -> None:
    """Wait until it is so; only for what says nothing by itself."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)


async def offered(api: Served, agent: str = "lee") -> Any:
    """The contact that is offered to an agent."""
    contacts = api.switch.conductor.contacts.live
    await until(lambda: any(agent in each.offers.values() for each in contacts.values()))
    return next(each for each in contacts.values() if agent in each.offers.values())


async def taken(api: Served, lee: httpx.AsyncClient) -> Any:
    """The agent takes what he is offered."""
    contact = await offered(api)
    reply = await lee.post(f"/api/v1/interactions/{contact.id}/take")
    assert reply.status_code == 200, reply.text
    return contact


def written(reply: httpx.Response) -> Any:
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_visitor_talks_to_an_agent(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, lee):
        page = Visitor(api.url, name="Park", language="ko", context={"order": "4711"})
        await page.come()
        assert page.last("welcome") == {
            "type": "welcome",
            "seq": 0,
            "state": "",
            "name": "",
            "position": 0,
        }
        assert await page.say_surely("Hello?") == 1
        await page.until(lambda: page.state == "waiting")
        contact = await offered(api)
        shown = (await lee.get(f"/api/v1/interactions/{contact.id}")).json()
        assert shown["medium"] == "chat"
        assert shown["state"] == "reserved"
        assert shown["caller_name"] == "Park"
        assert shown["context"] == {"order": "4711"}
        assert shown["called"] == "shop"
        name = shown["conversation"]
        listed = (await lee.get("/api/v1/interactions")).json()["items"]
        assert [each["interaction"] for each in listed] == [contact.id]
        # What is offered can be read before it is taken, and answered after.
        read = (await lee.get(f"/api/v1/conversations/{name}/messages")).json()
        assert [(each["author"], each["text"]) for each in read] == [("customer", "Hello?")]
        path = f"/api/v1/conversations/{name}/messages"
        assert (await lee.post(path, json={"text": "?"})).status_code == 403
        await lee.post(f"/api/v1/interactions/{contact.id}/take")
        await page.until(lambda: page.state == "talking")
        assert page.last("status")["name"] == "lee"
        assert written(await lee.post(path, json={"text": "Good day."}))["seq"] == 2
        said = await page.until_said("Good day.")
        assert said["name"] == "lee"
        await lee.post(f"/api/v1/conversations/{name}/typing")
        await page.until(lambda: page.last("status").get("typing"))
        await lee.post(f"/api/v1/conversations/{name}/read", json={"seq": 1})
        await page.until(lambda: page.last("status").get("read") == 1)
        # A reload: it has what it had, and hears what it has missed.
        await page.go()
        written(await lee.post(path, json={"text": "Are you there?"}))
        await page.come()
        assert page.last("welcome")["state"] == "talking"
        await page.until_said("Are you there?")
        assert await page.say_surely("Yes.") == 4
        await page.until(lambda: sorted(page.said) == [1, 2, 3, 4])
        # The end, and another contact of the same conversation: to the same agent first.
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        await page.until(lambda: page.state == "ended")
        assert (await lee.post(path, json={"text": "?"})).status_code == 409
        await lee.post("/api/v1/agents/lee/ready")
        assert await page.say_surely("One more thing") == 5
        again = await taken(api, lee)
        assert again.id != contact.id
        assert again.origin.conversation == name
        assert (await lee.get("/api/v1/conversations")).json()["items"][0]["messages"] == 5
        await page.send(type="leave")
        await page.until(lambda: page.state == "ended")
        await lee.post("/api/v1/agents/lee/ready")
        await until(lambda: not api.switch.conductor.contacts.live)
        await page.go()
        rows = await api.center.rows("interaction")
        assert [(row["medium"], row["outcome"], row["agent"]) for row in rows] == [
            ("chat", "handled", "lee"),
            ("chat", "handled", "lee"),
        ]
        handled = await api.center.rows("handled")
        assert len(handled) == 2
        assert (await api.center.rows("pending")) == []
        # What is written is in no event.
        assert "Hello?" not in str(await api.center.rows("journal"))


async def test_a_bot_asks_first(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, lee):
        page = Visitor(api.url, "bot")
        await page.come()
        await page.say_surely("hello")
        await page.until_said("1 for Korean, 2 for a person.", "bot")
        await page.say_surely("whatever")
        await page.until(lambda: sum(e["author"] == "bot" for e in page.said.values()) == 2)
        await page.say_surely("2")
        contact = await taken(api, lee)
        assert contact.origin.queue == "support"
        await page.go()


async def test_who_goes_away_is_let_go(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, lee):
        contacts = api.switch.conductor.contacts.live
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("x")
        await offered(api)
        await page.go()
        await until(lambda: not contacts)
        await until(lambda: api.center.state("lee") == "idle")
        # And who is back in time is not.
        await page.come()
        await page.say_surely("y")
        contact = await taken(api, lee)
        await page.go()
        await page.come()
        assert contact.leaving is None
        assert page.last("welcome")["state"] == "talking"
        await page.go()
        await until(lambda: not contacts)
        outcomes = [row["outcome"] for row in (await api.center.rows("interaction"))]
        assert outcomes == ["abandoned", "handled"]


async def test_silence_frees_the_agent_and_then_ends_it(tmp_path: Path) -> None:
    quiet = CHANNELS.replace("away_s = 1", "away_s = 60\nsilent_s = 0.4\nend_s = 1.2")
    async with chatting(tmp_path, quiet) as (api, lee):
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("x")
        contact = await taken(api, lee)
        agent = api.switch.engine.agents["lee"]
        work = next(iter(agent.work.values()))
        await until(lambda: work.silent)
        await page.say_surely("y")
        assert not work.silent
        await page.until(lambda: page.state == "ended")
        assert page.last("status")["reason"] == "idle"
        assert contact.stage.name == "OVER"
        await page.go()


async def test_a_chat_is_handed_on_and_declined(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, lee):
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("x")
        contact = await offered(api)
        await lee.post(f"/api/v1/interactions/{contact.id}/reject")
        await until(lambda: not contact.offers)
        assert contact.origin.queue == "support"
        await lee.post("/api/v1/agents/lee/ready")
        await taken(api, lee)
        path = f"/api/v1/interactions/{contact.id}/transfer"
        assert (await lee.post(path, json={"to": "1001"})).status_code == 422
        assert (await lee.post(path, json={"to": "queue:none"})).status_code == 404
        assert (await lee.post(path, json={"to": "agent:lee"})).status_code == 409
        root = await api.token("administrator")
        await root.post("/api/v1/agents/kim/sign-in")
        assert (await lee.post(path, json={"to": "agent:kim"})).status_code == 200
        await offered(api, "kim")
        assert contact.agent == ""
        # Not his any more.
        name = contact.origin.conversation
        reply = await lee.post(f"/api/v1/conversations/{name}/messages", json={"text": "?"})
        assert reply.status_code in (403, 409)
        await page.go()


async def test_what_a_page_says_wrong(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, _):
        url = api.url.replace("http", "ws", 1)
        for widget, origin, status in (
            ("shop", "https://elsewhere.example", 403),
            ("none", api.url, 404),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url}/widget/{widget}/chat", origin=origin, proxy=None)  # type: ignore[arg-type]  # a str
            assert refused.value.response.status_code == status
        async with connect(f"{url}/widget/shop/chat", origin=api.url, proxy=None) as socket:  # type: ignore[arg-type]  # a str
            for wrong in (
                *("", "[", "{}", '{"type":"x"}', '{"type":"say","id":"1","text":"x"}'),
                *('{"type":"hello","secret":"short"}', '{"type":"hello","secret":1}'),
                json.dumps({"type": "hello", "secret": "x" * 32, "context": {"A B": "x"}}),
            ):
                await socket.send(wrong)
                assert json.loads(await socket.recv())["type"] == "refused"
            await socket.send(json.dumps({"type": "hello", "secret": "x" * 32}))
            assert json.loads(await socket.recv())["type"] == "welcome"
            await socket.send(json.dumps({"type": "say", "id": "1", "text": "x" * 4001}))
            assert "4000" in json.loads(await socket.recv())["why"]
            for number in range(25):
                text = json.dumps({"type": "say", "id": str(number), "text": "x"})
                await socket.send(text)
            kinds = [json.loads(await socket.recv())["type"] for _ in range(45)]
            assert kinds.count("refused") == 5
        assert api.switch.counters["errors"] == 0


async def test_the_same_message_twice_is_one(tmp_path: Path) -> None:
    async with chatting(tmp_path) as (api, _):
        page = Visitor(api.url)
        await page.come()
        for _ in range(3):
            await page.send(type="say", id="one", text="once")
        await page.until(lambda: sum(e["type"] == "ack" for e in page.told) == 3)
        await page.until(lambda: page.said)
        assert list(page.said) == [1]
        assert len(api.switch.conductor.contacts.live) == 1
        await page.go()
        assert len(await api.center.rows("message")) == 1


async def test_a_restart_keeps_the_place_and_asks_who_had_it_first(tmp_path: Path) -> None:
    slow = CHANNELS.replace("away_s = 1", "away_s = 600")
    async with chatting(tmp_path, slow) as (api, lee):
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("x")
        before = await taken(api, lee)
        await page.go()
    async with center(tmp_path, extra=slow + EXTRA) as c:
        (contact,) = c.switch.conductor.contacts.live.values()
        assert contact.id == before.id
        assert contact.origin.prefer == ("lee",)
        assert contact.origin.priority == FRONT
        assert contact.origin.queued_at == before.origin.queued_at
        # Nobody waits for lee, who is not there.
        assert list(contact.offers.values()) == ["kim"]
    # A visitor who does not come back after it is let go.
    async with center(tmp_path, extra=CHANNELS + EXTRA) as c:
        await until(lambda: not c.switch.conductor.contacts.live)
        await c.switch.store.committed()
        assert await c.rows("pending") == []
        (row,) = await c.rows("interaction")
        assert row["interaction"] == before.id

"""The stream of events: what is sent, to whom, from where on, and who is let go."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cicswitch.acd import commands as c
from cicswitch.acd import events as acd
from cicswitch.api.feed import KINDS, Feed, Filter, Gone
from cicswitch.calls import events as calls
from tests.api.served import ROOT, Served, problem, served


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


class Listener:
    """A client of the stream."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def next(self, kind: str = "", timeout: float = 10) -> dict[str, Any]:
        """The next message, or the next of a kind."""
        async with asyncio.timeout(timeout):
            while True:
                message: dict[str, Any] = msgspec.json.decode(await self.socket.recv())
                if not kind or message["type"] == kind:
                    return message

    async def events(self, count: int) -> list[dict[str, Any]]:
        """So many events."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += (await self.next("events"))["events"]
        return found


@contextlib.asynccontextmanager
async def listen(api: Served, query: str = "", **more: Any) -> AsyncIterator[Listener]:
    if "additional_headers" not in more:
        client = await api.token("supervisor")
        more["additional_headers"] = {"Authorization": client.headers["Authorization"]}
    url = api.url.replace("http", "ws") + f"/api/v1/events{query}"
    async with connect(url, proxy=None, **more) as socket:
        yield Listener(socket)


def pause(api: Served, code: str = "", agent: str = "kim") -> None:
    api.switch.command(c.Pause(agent, code))


async def test_events_come_typed_and_numbered(api: Served) -> None:
    async with listen(api) as one:
        hello = await one.next()
        assert (hello["type"], hello["heartbeat_s"]) == ("hello", 15)
        pause(api, "meal")
        api.switch.command(c.Ready("kim"))
        first, second = await one.events(2)
        assert (first["type"], first["agent"], first["state"]) == ("AgentChanged", "kim", "paused")
        assert second["state"] == "idle"
        assert hello["id"] < first["id"] < second["id"] < 2**53
        decoded = msgspec.convert({k: v for k, v in first.items() if k != "id"}, acd.AgentChanged)
        assert decoded.code == "meal"


async def test_a_filter_by_query_and_by_message(api: Served) -> None:
    async with listen(api, "?agent=lee&kind=AgentChanged") as one, listen(api) as all_of_them:
        pause(api)
        api.switch.command(c.SignIn("lee"))
        assert [event["agent"] for event in await one.events(1)] == ["lee"]
        assert [event["agent"] for event in await all_of_them.events(2)] == ["kim", "lee"]
        await one.socket.send('{"type": "subscribe", "agents": ["kim"]}')
        assert (await one.next("subscribed"))["agents"] == ["kim"]
        pause(api, agent="lee")
        api.switch.command(c.Ready("kim"))
        assert [event["agent"] for event in await one.events(1)] == ["kim"]
        for wrong in ('{"type": "subscribe", "kinds": ["LegDigit"]}', "x", '{"agents": 1}', "[]"):
            await one.socket.send(wrong)
            assert (await one.next("problem"))["problem"]["status"] in (400, 422)
        await one.socket.send(b"\xff\xfe")
        assert (await one.next("problem"))["problem"]["status"] == 400
        pause(api)  # it is as it was
        assert (await one.events(1))[0]["state"] == "paused"


async def test_a_reader_goes_on_where_he_was(api: Served) -> None:
    async with listen(api) as one:
        pause(api)
        (first,) = await one.events(1)
    api.switch.command(c.Ready("kim"))
    pause(api, "meal")
    async with listen(api, f"?after={first['id']}") as again:
        assert (await again.next())["id"] == first["id"]
        found = await again.events(2)
        assert [(event["id"] - first["id"], event["state"]) for event in found] == [
            *((1, "idle"), (2, "paused"))
        ]


@pytest.mark.parametrize("after", [0, 5, 2**53, -1])
async def test_a_number_of_another_run_is_a_gap(api: Served, after: int) -> None:
    async with listen(api, f"?after={after}") as one:
        hello, gap = await one.next(), await one.next()
        assert gap == {"type": "gap", "after": after, "id": hello["id"]}
        pause(api)
        assert (await one.events(1))[0]["id"] == hello["id"] + 1


async def test_what_happened_while_nobody_listened_is_a_gap(api: Served) -> None:
    feed = api.web.server.stream.feed
    assert not feed.listening
    before = len(api.switch.conductor.subscribers)
    async with listen(api) as one:
        last = (await one.next())["id"]
        assert len(api.switch.conductor.subscribers) == before + 1
    await api.center.until(lambda: not feed.readers)
    feed.close()  # a minute has passed
    assert len(api.switch.conductor.subscribers) == before
    pause(api)
    async with listen(api, f"?after={last}") as again:
        await again.next("hello")
        assert (await again.next())["type"] == "gap"


async def test_a_heartbeat_says_that_the_stream_lives(api: Served) -> None:
    api.web.server.stream.heartbeat_s = 0.2
    async with listen(api) as one:
        hello = await one.next("hello")
        beats = [await one.next("heartbeat") for _ in range(3)]
        assert {beat["id"] for beat in beats} == {hello["id"]}
        assert beats[0]["at"] < beats[2]["at"]


# -- who may -------------------------------------------------------------------------------------


async def refused(api: Served, status: int, **more: Any) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with listen(api, **more):
            raise AssertionError("let in")
    reply = caught.value.response
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.body is not None
    assert msgspec.json.decode(reply.body)["status"] == status


async def test_only_who_may_is_let_in(api: Served) -> None:
    await refused(api, 401, additional_headers={})
    await refused(api, 401, additional_headers={"Authorization": "Bearer x"})
    for role in ("planner", "quality"):
        client = await api.token(role)
        headers = {"Authorization": client.headers["Authorization"]}
        await refused(api, 403, additional_headers=headers)
    await refused(api, 422, query="?kind=LegDigit")
    await refused(api, 422, query="?after=x")
    assert not api.web.server.stream.feed.listening


async def test_a_cookie_counts_only_from_a_page_of_ours(api: Served) -> None:
    client = await api.session("supervisor")
    cookie = {"Cookie": f"cicswitch={client.cookies['cicswitch']}"}
    await refused(api, 403, additional_headers=cookie)
    await refused(api, 403, additional_headers=cookie, origin="https://evil.example")
    async with listen(api, additional_headers=cookie, origin=api.url) as one:
        assert (await one.next())["type"] == "hello"


async def test_who_is_let_in_no_more_is_told_so(api: Served) -> None:
    api.web.server.stream.heartbeat_s = 0.2
    client = await api.session("supervisor")
    cookie = {"Cookie": f"cicswitch={client.cookies['cicswitch']}"}
    async with listen(api, additional_headers=cookie, origin=api.url) as one, listen(api) as two:
        await one.next("heartbeat")
        people = api.directory.file.people
        change = {"role": "planner"}
        await api.directory.run(people.change, ROOT, 2.0, "supervisor", change)
        for each in (one, two):
            assert (await each.next("dropped"))["reason"] == "signed-out"
            with pytest.raises(ConnectionClosed) as caught:
                await each.socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 4001


async def test_a_digit_is_never_sent(api: Served) -> None:
    assert "LegDigit" not in KINDS
    async with listen(api) as one:
        await one.next("hello")
        api.switch.conductor.emit(calls.LegDigit(1.0, "leg", "7"))
        pause(api)
        (event,) = await one.events(1)
        assert event["type"] == "AgentChanged"


# -- who is slow ---------------------------------------------------------------------------------


def stuck(api: Served, authorization: str) -> socket.socket:
    """A client that asks for the stream and then reads nothing."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", api.web.server.port))
    key = base64.b64encode(os.urandom(16)).decode()
    raw.sendall(
        f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: {authorization}\r\n\r\n".encode()
    )
    return raw


async def test_who_takes_nothing_is_let_go_and_others_are_not(api: Served) -> None:
    stream = api.web.server.stream
    stream.stuck_s = 0.5
    client = await api.token("supervisor")
    raw = stuck(api, client.headers["Authorization"])
    await api.center.until(lambda: stream.feed.readers)
    seen = 0

    async def read(one: Listener, count: int) -> None:
        nonlocal seen
        while seen < count:
            seen += len(await one.events(1))

    async with listen(api) as good:
        await good.next("hello")
        reading = asyncio.create_task(read(good, 60_000))
        for _ in range(600):
            for _ in range(100):
                event = calls.AnnouncementFailed(1.0, "x", "y" * 200, "z" * 200)
                api.switch.conductor.emit(event)
            await asyncio.sleep(0.005)
        await asyncio.wait_for(reading, 20)
        await api.center.until(lambda: len(stream.feed.readers) == 1)
        server = api.web.server._server
        assert server is not None
        connections = server.server_state.connections
        await api.center.until(lambda: len(connections) == 1, 5)  # its buffers are gone too
    assert stream.dropped == 1
    raw.close()


def test_who_falls_behind_the_ring_is_told_and_memory_is_bounded() -> None:
    asyncio.run(_fall_behind())


async def _fall_behind() -> None:
    feed = Feed(lambda listener: lambda: None, 1000.0, size=100)
    slow, missed = feed.join(None, Filter())
    assert not missed
    event = calls.InteractionEnded(1.0, "x", "normal")
    for _ in range(100):
        feed.feed(event)
    feed.flush()
    assert feed.read(slow).count(b"InteractionEnded") == 100
    for _ in range(101):
        feed.feed(event)
    feed.flush()
    with pytest.raises(Gone):
        feed.read(slow)
    assert feed.join(slow.at, Filter())[1] is True
    assert feed.join(slow.at + 1, Filter())[1] is False
    assert len(feed._events) == len(feed._texts) == 100
    feed.close()


async def test_readers_of_the_same_share_the_text() -> None:
    feed = Feed(lambda listener: lambda: None, 1000.0)
    readers = [feed.join(None, Filter())[0] for _ in range(3)]
    feed.feed(calls.InteractionEnded(1.0, "x", "normal"))
    assert feed.read(readers[0]) == b""  # it is gathered with those that come soon
    feed.flush()
    texts = [feed.read(reader) for reader in readers]
    assert texts[0] is texts[1] is texts[2]
    other, _ = feed.join(readers[0].at - 1, Filter(kinds=("AgentChanged",)))
    assert feed.read(other) == b""
    feed.close()


async def test_the_next_run_begins_above_the_numbers_of_this_one() -> None:
    now = time.time()
    one = Feed(lambda listener: lambda: None, now)
    one.join(None, Filter())
    for _ in range(1000):
        one.feed(calls.InteractionEnded(1.0, "x", "normal"))
    assert Feed(lambda listener: lambda: None, now + 1).last > one.last
    one.close()


async def test_a_switch_that_stops_closes_the_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        client = await api.token("supervisor")
        url = api.url.replace("http", "ws") + "/api/v1/events"
        headers = {"Authorization": client.headers["Authorization"]}
        socket = await connect(url, proxy=None, additional_headers=headers)
        await socket.recv()
        await api.web.stop()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert not api.web.server.stream.feed.listening


async def test_other_paths_have_no_websocket(api: Served) -> None:
    with pytest.raises(InvalidStatus):
        async with connect(api.url.replace("http", "ws") + "/api/v1/queues", proxy=None):
            raise AssertionError("let in")
    root = await api.token("administrator")
    problem(await root.get("/api/v1/events"), 404)


async def test_an_agent_hears_what_concerns_his_own_agent(api: Served) -> None:
    client = await api.token("agent")
    headers = {"Authorization": client.headers["Authorization"]}
    with pytest.raises(InvalidStatus) as refused:
        async with listen(api, "?agent=kim", additional_headers=headers):
            pass
    assert refused.value.response.status_code == 403
    async with listen(api, additional_headers=headers) as one:
        await one.next("hello")
        pause(api, agent="kim")
        api.switch.command(c.SignIn("lee"))
        (event,) = await one.events(1)
        assert (event["agent"], event["state"]) == ("lee", "idle")
        await one.socket.send('{"type": "subscribe", "agents": ["kim"]}')
        assert (await one.next("problem"))["problem"]["status"] == 403
        await one.socket.send('{"type": "subscribe", "kinds": ["AgentChanged"]}')
        assert (await one.next("subscribed"))["agents"] == ["lee"]


async def test_who_is_no_agent_any_more_hears_nothing_of_him(api: Served) -> None:
    client = await api.token("agent")
    headers = {"Authorization": client.headers["Authorization"]}
    api.web.server.stream.heartbeat_s = 0.2
    async with listen(api, additional_headers=headers) as one:
        await one.next("hello")
        root = await api.token("administrator")
        reply = await root.patch("/api/v1/accounts/agent", json={"agent": "kim"})
        assert reply.status_code == 200
        assert (await one.next("dropped"))["reason"] == "signed-out"


async def test_a_message_to_all_reaches_who_has_only_his_own_events(api: Served) -> None:
    agent = await api.token("agent")
    mine = {"Authorization": agent.headers["Authorization"]}
    supervisor = await api.token("supervisor")
    async with listen(api, additional_headers=mine) as one, listen(api, "?queue=support") as other:
        problem(await agent.post("/api/v1/messages", json={"text": "x"}), 403)
        problem(await supervisor.post("/api/v1/messages", json={"text": ""}), 422)
        reply = await supervisor.post("/api/v1/messages", json={"text": "back in 5 minutes"})
        assert reply.status_code == 204, reply.text
        for reader in (one, other):
            (event,) = await reader.events(1)
            assert (event["type"], event["account"]) == ("MessageSent", "supervisor")
            assert event["text"] == "back in 5 minutes"
    assert "message.send" in [entry.action for entry in await api.audit()]

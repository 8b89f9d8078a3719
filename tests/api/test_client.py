"""The typed client against a switch on a real socket."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.acd import commands as c
from cicswitch.acd.events import AgentChanged
from cicswitch.api.endpoint import ENDPOINTS
from cicswitch.client import (
    ApiProblem,
    Client,
    ForbiddenProblem,
    Gap,
    InvalidProblem,
    NotFoundProblem,
    NotSignedInProblem,
    StaleProblem,
    TooOftenProblem,
    Unreachable,
)
from tests.api.served import PASSWORD, Served, served

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


async def token(api: Served, account: str) -> str:
    made = await api.token(account)
    return str(made.headers["Authorization"]).removeprefix("Bearer ")


async def client(api: Served, account: str = "administrator", **more: Any) -> Client:
    return Client(api.url, token=await token(api, account), **more)


GIVEN: dict[str, Any] = {
    "agent": "kim",
    "queue": "support",
    "skills": {},
    "priority": 1,
    "role": "agent",
    "scopes": ["queues:read"],
}


async def test_every_endpoint_has_a_method(api: Served) -> None:
    asked: set[tuple[str, str]] = set()

    async def seen(request: httpx.Request) -> None:
        asked.add((request.method, request.url.path))

    async with await client(api) as root, Client(api.url) as nobody:
        for one in (root, nobody):
            one.http.event_hooks["request"].append(seen)
        names = [name for name, _ in inspect.getmembers(Client, inspect.isfunction)]
        apart = {"call", "each", "close", "events", "fetch", "identity", "send", "state", "tag_of"}
        for name in names:
            if name.startswith("_") or name in apart:
                continue
            method = getattr(nobody if name in ("sign_in", "set_up", "oidc_end") else root, name)
            needed = [
                GIVEN.get(key, "x")
                for key, parameter in inspect.signature(method).parameters.items()
                if parameter.default is parameter.empty
            ]
            try:
                answer = method(*needed)
                if inspect.isasyncgen(answer):
                    async for _ in answer:
                        break
                else:
                    await answer
            except ApiProblem as problem:
                assert problem.status in (401, 403, 404, 409, 422), (name, problem)
    for endpoint in ENDPOINTS:
        pattern = re.compile(re.sub(r"{\w+}", "[^/]+", endpoint.path))
        assert any(
            method == endpoint.method and pattern.fullmatch(path) for method, path in asked
        ), f"no method of Client asks {endpoint.method} {endpoint.path}"


async def test_answers_are_the_structs_of_the_switch(api: Served) -> None:
    async with await client(api) as one:
        assert [queue.queue async for queue in one.queues()] == ["korean", "support"]
        before = await one.agent("kim")
        paused = await one.pause("kim", "meal", tag=before)
        assert (paused.state, paused.code) == ("paused", "meal")
        with pytest.raises(StaleProblem):
            await one.ready("kim", tag=before)
        assert (await one.ready("kim", tag=paused)).state == "idle"
        listed = [agent async for agent in one.agents()]
        with pytest.raises(ValueError, match="by itself first"):
            await one.pause("kim", tag=listed[0])


async def test_a_list_is_read_page_after_page(api: Served) -> None:
    async with await client(api) as one:
        await one.pause("kim")
        for _ in range(60):
            await one.ready("kim")
            await one.pause("kim")
        entries = [entry.id async for entry in one.audit()]
        assert len(entries) > 100
        assert entries == sorted(set(entries))


async def test_problems_are_exceptions(api: Served) -> None:
    async with await client(api) as one, await client(api, "planner") as two:
        with pytest.raises(NotFoundProblem, match="no queue"):
            await one.queue("a ?b")
        with pytest.raises(InvalidProblem) as caught:
            await one.pause("kim", "nothing")
        assert caught.value.errors[0].pointer == "/code"
        with pytest.raises(ForbiddenProblem):
            await two.pause("kim")
    async with Client(api.url, token="cic_x") as stranger:
        with pytest.raises(NotSignedInProblem):
            await stranger.me()
    async with Client("http://127.0.0.1:1", tries=2) as nowhere:
        with pytest.raises(Unreachable):
            await nowhere.me()


async def test_a_post_whose_answer_was_lost_is_done_once(api: Served) -> None:
    port, cut = api.web.server.port, 1

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal cut
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(await reader.read(65536))
        answer = await there.read(65536)
        if cut:
            cut -= 1
        else:
            writer.write(answer)
        writer.close()
        back.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, Client(url, token=await token(api, "administrator")) as one:
        made = await one.add_my_token("once", ["queues:read"])
    assert not cut
    async with await client(api) as one:
        labels = [each.label async for each in one.my_tokens() if each.label == "once"]
        assert labels == ["once"]
        assert made.secret.startswith("cic_")


async def test_a_rate_is_waited_for_as_long_as_tries_allow(api: Served) -> None:
    api.web.api.rate.per_minute = 60
    async with await client(api) as one, await client(api, tries=1) as two:
        await asyncio.gather(*(one.codes() for _ in range(62)))
        with pytest.raises(TooOftenProblem) as caught:
            await asyncio.gather(*(two.codes() for _ in range(90)))
        assert caught.value.retry_after_s == 1


async def test_a_session_signs_in_changes_and_listens(api: Served) -> None:
    async with Client(api.url) as one:
        await one.sign_in("supervisor", PASSWORD)
        stream = one.events(kinds=[AgentChanged])
        reading = asyncio.ensure_future(anext(stream))
        await api.center.until(lambda: api.web.server.stream.feed.readers)
        await one.pause("kim", "meal")
        event = await asyncio.wait_for(reading, 10)
        assert isinstance(event, AgentChanged)
        assert event.code == "meal"
        await one.sign_out()
        with pytest.raises(NotSignedInProblem):
            await one.me()


async def test_events_go_on_after_the_connection_broke(api: Served) -> None:
    async with await client(api) as one:
        stream = one.events(agents=["kim"])
        reading = asyncio.ensure_future(anext(stream))
        await api.center.until(lambda: api.web.server.stream.feed.readers)
        api.switch.command(c.Pause("kim", ""))
        assert (await asyncio.wait_for(reading, 10)).state == "paused"
        first = stream.last_id
        assert stream._socket is not None
        stream._socket.transport.abort()
        api.switch.command(c.Ready("kim"))
        assert (await asyncio.wait_for(anext(stream), 10)).state == "idle"
        assert first is not None
        assert stream.last_id == first + 1
        again = one.events(after=first)
        assert (await asyncio.wait_for(anext(again), 10)).state == "idle"


async def test_what_is_lost_is_a_gap(api: Served) -> None:
    async with await client(api) as one:
        stream = one.events(after=5)
        gap = await asyncio.wait_for(anext(stream), 10)
        assert isinstance(gap, Gap)
        assert (gap.after, gap.id) == (5, stream.last_id)


async def test_a_stream_that_may_not_be_read_is_a_problem(api: Served) -> None:
    async with await client(api, "planner") as one:
        with pytest.raises(ForbiddenProblem):
            await anext(one.events())
    async with await client(api) as one:
        with pytest.raises(InvalidProblem):
            await anext(one.events(kinds=["LegDigit"]))


async def test_an_agent_hears_of_himself_only(api: Served) -> None:
    lee = await api.token("agent", "events:self")
    secret = str(lee.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret) as one:
        stream = one.events()
        reading = asyncio.ensure_future(anext(stream))
        await api.center.until(lambda: api.web.server.stream.feed.readers)
        api.switch.command(c.Pause("kim", "meal"))
        api.switch.command(c.SignIn("lee"))
        event = await asyncio.wait_for(reading, 10)
        assert isinstance(event, AgentChanged)
        assert event.agent == "lee"
        with pytest.raises(ForbiddenProblem):
            await anext(one.events(agents=["kim"]))


async def test_the_example_of_the_docs_runs(
    api: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"<!-- client -->\n\n((?:    .*\n|\n)+)", DOCS.read_text())
    assert found is not None
    source = re.sub(r"^    ", "", found[1], flags=re.MULTILINE)
    assert source.count("\n") < 30
    monkeypatch.setenv("CICSWITCH_URL", api.url)
    monkeypatch.setenv("CICSWITCH_TOKEN", await token(api, "supervisor"))
    scope: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, "docs/api.md", "exec"), scope)
    running = asyncio.create_task(scope["main"]())
    await api.center.until(lambda: api.web.server.stream.feed.readers)
    api.switch.command(c.SignIn("lee"))
    await asyncio.wait_for(running, 10)
    assert "lee is idle" in capsys.readouterr().out

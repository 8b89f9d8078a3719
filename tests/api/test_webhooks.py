"""Webhooks over the API: how they do, a test message, going on after 410; and the receiver of the
documentation."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest
import uvicorn

from cicswitch.acd import commands as acd
from cicswitch.client import Client, ConflictProblem, ForbiddenProblem, NotFoundProblem
from cicswitch.client.wire import Wire
from tests.api.served import EXTRA, Served, problem, served
from tests.webhooks.receiver import SECRET, Receiver, receiver, section

KEYS = 'events = ["AgentChanged"]\nretry_s = 0.1\n'
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


async def client(api: Served, account: str = "administrator") -> Client:
    made = await api.token(account)
    return Client(api.url, token=str(made.headers["Authorization"]).removeprefix("Bearer "))


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def api(tmp_path: Path, there: Receiver) -> AsyncIterator[Served]:
    extra = EXTRA + section(there.url + "?key=hidden", KEYS)
    async with served(tmp_path, extra=extra) as found:
        hook = found.web.webhooks.hook("crm")
        async with asyncio.timeout(10):
            while True:
                if hook.file.exists():
                    break
                await asyncio.sleep(0.01)
        yield found


async def test_its_state_its_test_and_its_end(api: Served, there: Receiver) -> None:
    async with await client(api) as one:
        (view,) = [each async for each in one.webhooks()]
        assert (view.webhook, view.state, view.delivered) == ("crm", "waiting", 0)
        assert (view.url, view.events) == (there.url, ["AgentChanged"])
        assert view.last_success_at is None
        tested = await one.test_webhook("crm")
        assert (tested.delivered, tested.status, tested.error) == (True, 204, "")
        assert there.kinds == ["WebhookTest"]
        there.answers = [(500, {}), (410, {})]
        api.switch.command(acd.Pause("kim", "meal"))
        await there.until(lambda: len(there.requests) == 3)
        async with asyncio.timeout(10):
            while True:
                view = await one.webhook("crm")
                if view.state == "disabled":
                    break
        assert (view.failures, view.last_error) == (2, "answered 410")
        assert view.last_failure_at is not None
        assert view.lag_s >= 0
        metrics = (await api.client().get("/metrics")).text
        assert 'cicswitch_webhook_failures_total{webhook="crm"} 2.0' in metrics
        assert 'cicswitch_webhook_enabled{webhook="crm"} 0.0' in metrics
        await one.enable_webhook("crm")
        await there.until(lambda: there.kinds[-1:] == ["AgentChanged"])
        async with asyncio.timeout(10):
            while True:
                view = await one.webhook("crm")
                if view.state == "waiting":
                    break
        assert (view.delivered, view.last_error, view.lag_s) == (1, "", 0)
        assert view.last_success_at is not None
        with pytest.raises(ConflictProblem):
            await one.enable_webhook("crm")
        with pytest.raises(NotFoundProblem):
            await one.test_webhook("other")
    metrics = (await api.client().get("/metrics")).text
    assert 'cicswitch_webhook_delivered_total{webhook="crm"} 1.0' in metrics
    assert 'cicswitch_webhook_lag_seconds{webhook="crm"} 0.0' in metrics
    assert 'cicswitch_webhook_skipped_total{webhook="crm"} 0.0' in metrics
    found = [(each.action, each.target) for each in await api.audit()]
    assert found[-2:] == [("webhook.test", "crm"), ("webhook.enable", "crm")]


async def test_only_administrators_see_them_and_nobody_the_secret(api: Served) -> None:
    async with await client(api, "supervisor") as two:
        with pytest.raises(ForbiddenProblem):
            await two.webhook("crm")
    root = await api.token("administrator")
    shown = (await root.get("/api/v1/configuration")).text
    assert SECRET not in shown
    assert "crm" in shown
    assert "hidden" not in (await root.get("/api/v1/webhooks")).text
    problem(await root.post("/api/v1/webhooks/none/enable"), 404)


async def test_the_receiver_of_the_docs_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(r"<!-- receiver -->\n\n((?:    .*\n|\n)+)", DOCS.read_text())
    assert found is not None
    source = re.sub(r"^    ", "", found[1], flags=re.MULTILINE)
    module = ModuleType("receiver_of_the_docs")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # Litestar looks its types up there
    scope = vars(module)
    exec(compile(source, "docs/api.md", "exec"), scope)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/cic"
    config = uvicorn.Config(scope["app"], log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    task = asyncio.create_task(server.main_loop())
    try:
        hook = section(url).replace(SECRET, scope["SECRET"])
        async with served(tmp_path, extra=EXTRA + hook) as api, await client(api) as one:
            assert (await one.test_webhook("crm")).status == 204
        assert "WebhookTest UnknownEvent(" in capsys.readouterr().out
        plain = Wire(url)
        reply = await plain.http.post(url, content=b"{}")
        assert reply.status_code == 400
        await plain.close()
    finally:
        server.should_exit = server.force_exit = True
        await task
        await server.shutdown(sockets=[sock])

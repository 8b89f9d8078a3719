"""Callbacks that are ordered over the API and from a page, and numbers that nobody is to call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.api.shapes.callbacks import CallbackOrder
from cicswitch.calls import events as ev
from cicswitch.client import Client
from tests.api.served import EXTRA, Served, problem, served
from tests.support.center import PLAN
from tests.support.ports import free_port
from tests.support.wire import wire

SITE = "https://shop.example"
MORE = f"""
[widget.shop]
callback = "support"
callback_numbers = ["_0ZX."]
origins = ["{SITE}"]
[do_not_call]
file = "never.csv"
"""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    """A switch whose queue calls back by a trunk, and a widget that lets people ask for it."""
    port = free_port()
    (tmp_path / "never.csv").write_text("name,number\nPark,02-700-0000\n")
    trunk = f'[trunk.near]\naddress = "udp:127.0.0.2:{port}"\noptions_s = 0\n'
    back = '[queue.support.callback]\ntrunk = "near"\n'
    async with (
        served(tmp_path, extra=EXTRA + trunk + back + MORE, plan=PLAN) as api,
        wire("127.0.0.2", api.center.port, port),
    ):
        yield api


async def wish(api: Served, client: httpx.AsyncClient | None = None, **said: Any) -> httpx.Response:
    client = client or api.client()
    return await client.post("/widget/shop/callback", json=said, headers={"Origin": SITE})


async def test_a_call_is_ordered_and_is_on_disk_when_that_is_answered(api: Served) -> None:
    lee = await api.token("agent")
    body = {"queue": "support", "number": "02-123-4567", "name": "Kim", "note": "an invoice"}
    reply = await lee.post("/api/v1/callbacks", json=body)
    assert reply.status_code == 201, reply.text
    told = reply.json()
    assert (told["number"], told["state"], told["by"]) == ("021234567", "waiting", "account:agent")
    (kept,) = [row["data"] for row in await api.center.rows("pending")]
    assert '"note":"an invoice"' in kept
    again = await lee.post("/api/v1/callbacks", json=body)
    assert (again.status_code, again.json()["interaction"]) == (200, told["interaction"])
    assert (await api.audit())[-1].action == "callback.order"
    problem(await lee.get("/api/v1/callbacks"), 403)
    problem(await lee.post("/api/v1/callbacks", json={**body, "priority": 5}), 403)


async def test_what_cannot_be_ordered_says_why(api: Served) -> None:
    lee = await api.token("agent")

    async def order(**said: Any) -> httpx.Response:
        body = {"queue": "support", "number": "021234567", **said}
        return await lee.post("/api/v1/callbacks", json=body)

    problem(await order(queue="none"), 404)
    assert "digits" in problem(await order(number="to whom"), 422)["detail"]
    assert problem(await order(at=5.0), 422)["errors"][0]["pointer"] == "/at"
    assert problem(await order(zone="Asia/Atlantis"), 422)["errors"][0]["pointer"] == "/zone"
    assert problem(await order(skills={"x": 1}), 422)["errors"][0]["pointer"] == "/skills/x"
    assert "not to be called" in problem(await order(number="027000000"), 409)["detail"]
    assert not api.switch.conductor.callbacks.promises


async def test_the_list_of_numbers_that_nobody_calls(api: Served) -> None:
    root = await api.token("administrator")
    client = Client(api.url, token=root.headers["authorization"].removeprefix("Bearer "))
    async with client:
        promised = await client.order_callback(CallbackOrder(queue="support", number="0311111"))
        blocked = await client.block_number("031-1111", "by letter")
        assert (blocked.number, blocked.by) == ("0311111", "account:administrator")
        ended = await api.center.event(ev.CallbackEnded, interaction=promised.interaction)
        assert ended.outcome == "do-not-call"
        assert [each async for each in client.do_not_call()] == [blocked]
        (kept,) = [row["interaction"] for row in await api.center.rows("pending")]
        assert kept == "do-not-call:0311111"
        await client.allow_number("0311111")
        assert [each async for each in client.do_not_call()] == []
        assert await api.center.rows("pending") == []
    problem(await root.delete("/api/v1/do-not-call/0311111"), 404)
    actions = [each.action for each in await api.audit()]
    assert actions[-2:] == ["do-not-call.add", "do-not-call.remove"]


async def test_a_visitor_asks_for_a_call_by_the_form_of_a_page(api: Served) -> None:
    about = await api.client().get("/widget/shop", headers={"Origin": SITE})
    assert about.json()["callback"] is True
    reply = await wish(api, number="02 123 4567", name="Kim", zone="Asia/Seoul", note="hi")
    assert (reply.status_code, reply.json()) == (201, {"at": 0.0})
    assert reply.headers["access-control-allow-origin"] == SITE
    (promise,) = api.switch.conductor.callbacks.promises.values()
    event = promise.event
    assert (event.number, event.name, event.zone) == ("021234567", "Kim", "Asia/Seoul")
    assert event.by == "widget:shop"
    at = round(api.switch.clock.now()) + 3600.0
    assert (await wish(api, number="0311112222", at=at)).json() == {"at": at}
    assert len(api.switch.conductor.callbacks.promises) == 2


async def test_a_form_calls_no_number_that_it_must_not(api: Served) -> None:
    # A dear number abroad, one on the list, an inner one, none: all get the same answer.
    for number in ("00882 1234567", "02-700-0000", "2001", "to whom", "0" * 40):
        assert "cannot be called" in problem(await wish(api, number=number), 422)["detail"]
    assert problem(await wish(api, number="021234567", at=1.0), 422)["errors"]
    problem(await wish(api, number="x" * 41), 422)
    problem(await wish(api, number="021234567", more="x"), 422)
    other = await api.client().post(
        "/widget/shop/callback",
        json={"number": "021234567"},
        headers={"Origin": "https://b.example"},
    )
    problem(other, 403)
    large = await api.client().post(
        "/widget/shop/callback", json={"number": "0" * 9000}, headers={"Origin": SITE}
    )
    problem(large, 413)
    assert not api.switch.conductor.callbacks.promises


async def test_a_flood_of_forms_is_stopped_by_network(api: Served) -> None:
    api.web.api.strangers.per_minute = 5
    client = api.client()
    replies = [await wish(api, client, number=f"02123000{n}") for n in range(8)]
    assert replies[-1].status_code == 429
    assert "retry-after" in replies[-1].headers

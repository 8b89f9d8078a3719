"""A visitor of another site's page: from the button to sound, picture and a shared screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from playwright.async_api import Page, expect
from websockets.exceptions import InvalidStatus

from cicswitch.acd import commands as acd
from cicswitch.config import Config
from tests.api.served import Served, problem, served
from tests.browser.page import Screen, needs_chromium
from tests.browser.sound import heard, talker
from tests.operation.test_webrtc_keys import OFFER
from tests.support.center import PLAN
from tests.support.ports import free_port
from tests.support.web import web_wire

pytestmark = needs_chromium
MOVES = """async (player) => {
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 48;
  const brush = canvas.getContext('2d', { willReadFrequently: true });
  let last = null, changed = 0;
  for (let at = 0; at < 20; at++) {
    await new Promise((done) => setTimeout(done, 100));
    brush.drawImage(player, 0, 0, 64, 48);
    const now = brush.getImageData(0, 0, 64, 48).data;
    if (last && now.some((value, index) => Math.abs(value - last[index]) > 24)) changed++;
    last = now;
  }
  return changed;
}"""
WIDE = """async ([player, wide]) => {
  for (let at = 0; at < 80; at++) {
    const shape = player.videoWidth / player.videoHeight;
    if (Math.abs(shape - (wide ? 16 / 9 : 4 / 3)) < 0.05) return true;
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}"""
ROUTE = """
[[route]]
trunk = "widget:sales"
called = "5009"
flow = "web"
[[flow.web]]
do = "if"
variable = "context_order"
equals = "4711"
then = "known"
[[flow.web]]
do = "hangup"
reason = "busy"
[[flow.known]]
do = "queue"
queue = "support"
"""


@contextlib.asynccontextmanager
async def site(html: str) -> AsyncIterator[str]:
    """A web site with one page; its origin."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        body = html.encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def keys(origin: str, more: str = "") -> str:
    return (
        "[http]\nrequests_per_minute = 100000\n[widget.sales]\n"
        f'number = "5009"\ntitle = "Talk to sales"\norigins = ["{origin}"]\n{more}\n'
    )


@contextlib.asynccontextmanager
async def visited(folder: Path, api: Served, *, hz: float) -> AsyncIterator[tuple[Page, str]]:
    """A page of another site with the widget, and its origin."""
    html = (
        "<!doctype html><html lang=en><title>Shop</title><body><main><h1>Shop</h1></main>"
        f'<script src="{api.url}/widget/widget.js" data-widget="sales" data-name="Visitor Kim"'
        ' data-context-order="4711" async></script></html>'
    )
    async with site(html) as origin, talker(folder, hz) as browser:
        api.switch.reload(_with_origin(api, origin))
        context = await browser.new_context(permissions=["microphone", "camera"])
        page = await context.new_page()
        await page.goto(origin)
        yield page, origin
        await context.close()


def _with_origin(api: Served, origin: str) -> Config:
    config = api.switch.config
    widgets = {name: replace(each, origins=(origin,)) for name, each in config.widget.items()}
    return replace(config, widget=widgets)


async def shape(page: Page, *, wide: bool) -> bool:
    """Whether the far end's picture gets to be of that shape."""
    player = await page.get_by_label("Picture of the far end").element_handle()
    return bool(await page.evaluate(WIDE, [player, wide]))


async def test_from_a_call_to_a_video_call_to_a_shared_screen(tmp_path: Path) -> None:
    extra = keys("https://shop.example")
    async with (
        served(tmp_path, extra=extra, plan=PLAN + ROUTE) as api,
        talker(tmp_path, 620) as browser,
    ):
        c = api.center
        c.switch.command(acd.Pause("kim", ""))
        context = await browser.new_context(locale="en-GB", permissions=["microphone", "camera"])
        at = Screen(await context.new_page(), api.url)
        desk = at.page
        await at.sign_in("agent")
        await at.go("desk")
        await desk.get_by_role("button", name="Use this browser as phone").click()
        await expect(desk.get_by_text("Ready for calls")).to_be_visible()
        c.switch.command(acd.SignIn("lee"))
        async with visited(tmp_path, api, hz=440) as (page, _):
            await page.get_by_role("button", name="Call", exact=True).click()
            await desk.get_by_role("button", name="Answer", exact=True).click()
            await expect(page.get_by_text("In the call")).to_be_visible()
            await expect(desk.get_by_text("order: 4711")).to_be_visible()
            await expect(desk.get_by_role("cell").filter(has_text="Visitor Kim")).to_be_visible()
            await heard(desk, 440)
            (before,) = c.switch.calls
            await page.get_by_role("button", name="Camera").click()
            theirs = desk.get_by_label("Picture of the far end")
            await expect(theirs).to_be_visible()
            assert await theirs.evaluate(MOVES) >= 5
            # The camera of the test is 4:3, its screen 16:9.
            assert await shape(desk, wide=False)
            await page.get_by_role("button", name="Share screen").click()
            assert await shape(desk, wide=True)
            await page.get_by_role("button", name="Share screen").click()
            assert await shape(desk, wide=False)
            assert await theirs.evaluate(MOVES) >= 5
            await page.get_by_role("button", name="Hang up").first.click()
            await expect(page.get_by_text("The call has ended.")).to_be_visible()
            await expect(desk.get_by_role("button", name="Hang up")).to_have_count(0)
            assert before not in c.switch.calls
            # And with pictures from the start, both ways.
            c.switch.command(acd.WrapUp("lee", "resolved"))
            await page.get_by_role("button", name="Video call").click()
            await desk.get_by_role("button", name="Answer with video").click()
            await expect(page.get_by_text("In the call")).to_be_visible()
            assert await theirs.evaluate(MOVES) >= 5
            assert await page.get_by_label("Picture of the agent").evaluate(MOVES) >= 5
            await desk.get_by_role("button", name="Hang up").first.click()
            await expect(page.get_by_text("The call has ended.")).to_be_visible()
        assert not at.wrong
        await context.close()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_other_sites_may_not_embed_it(tmp_path: Path, origin: str) -> None:
    async with served(tmp_path, extra=keys("https://shop.example"), plan=PLAN + ROUTE) as api:
        client = api.client()
        headers = {"Origin": origin} if origin else {}
        reply = await client.post("/widget/sales/session", json={}, headers=headers)
        problem(reply, 403)
        assert "access-control-allow-origin" not in reply.headers
        reply = await client.options("/widget/sales/session", headers=headers)
        assert reply.status_code == 403
        problem(await client.get("/widget/sales", headers=headers), 403)


async def test_what_a_visitor_may_say(tmp_path: Path) -> None:
    async with served(tmp_path, extra=keys("https://shop.example"), plan=PLAN + ROUTE) as api:
        client = api.client(headers={"Origin": "https://shop.example"})
        where = "/widget/sales/session"

        async def post(body: object, **headers: str) -> httpx.Response:
            return await client.post(where, json=body, headers=headers)

        reply = await post({"name": "Kim", "context": {"order": "4711"}})
        assert reply.status_code == 201
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        told = reply.json()
        assert (told["number"], told["video"], told["title"]) == ("5009", True, "Talk to sales")
        for body in (
            {"context": {"Order": "1"}},
            {"context": {"order": "x" * 201}},
            {"context": {f"k{n}": "v" for n in range(21)}},
            {"name": "x" * 81},
            {"nome": "Kim"},
            {"context": {"order": 4711}},
        ):
            problem(await post(body), 422)
        problem(
            await client.post(where, content=b"{", headers={"Content-Type": "application/json"}),
            400,
        )
        problem(
            await client.post(where, content=b"{}", headers={"Content-Type": "text/plain"}), 415
        )
        problem(await post({"name": "x" * 9000}), 413)
        problem(await client.post("/widget/other/session", json={}), 404)
        problem(await client.get(where), 405)
        about = await client.get("/widget/sales")
        assert about.json() == {
            "title": "Talk to sales",
            "chat": False,
            "call": True,
            "video": True,
            "callback": False,
        }
        assert about.headers["access-control-allow-origin"] == "https://shop.example"
        problem(await client.post("/widget/sales", json={}), 405)
        own = await api.client().get("/widget/sales", headers={"Sec-Fetch-Site": "same-origin"})
        assert own.status_code == 200
        script = await client.get("/widget/widget.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cross-origin-resource-policy"] == "cross-origin"
        again = await client.get(
            "/widget/widget.js", headers={"If-None-Match": script.headers["etag"]}
        )
        assert again.status_code == 304
        assert len(script.content) > 10_000


async def test_a_visitor_makes_one_call_at_a_time_and_to_one_number(tmp_path: Path) -> None:
    origin = "https://shop.example"
    async with served(tmp_path, extra=keys(origin), plan=PLAN + ROUTE) as api:
        client = api.client(headers={"Origin": origin})
        body = {"name": "Kim", "context": {"order": "4711"}}
        told = (await client.post("/widget/sales/session", json=body)).json()
        user, where = told["user"], f"?guest={told['guest']}"
        with pytest.raises(InvalidStatus, match="HTTP 401"):
            async with web_wire(api.url, "?guest=nobody", Origin=origin):
                pass
        with pytest.raises(InvalidStatus, match="HTTP 403"):
            async with web_wire(api.url, where, Origin="https://evil.example"):
                pass
        async with web_wire(api.url, where, Origin=origin) as wire:

            async def call(number: str, who: str = user) -> str:
                wire.request("INVITE", f"sip:{number}@127.0.0.1", user=who, body=OFFER)
                answer = await wire.expect("SIP/2.0 ", having="INVITE")
                while answer.startswith("SIP/2.0 1"):
                    answer = await wire.expect("SIP/2.0 ", having="INVITE")
                return answer[8:11]

            assert await call("1001") == "403"
            assert await call("5009", "1002") == "403"
            assert await call("5009") == "200"
            assert await call("5009") == "486"
            (interaction,) = api.switch.engine.interactions
            assert api.switch.conductor.calls[interaction].context == {"order": "4711"}
            wire.request("REGISTER", "sip:127.0.0.1", user="1002", headers="Expires: 120\n")
            await wire.expect("SIP/2.0 403")
        assert len(api.switch.sip.guests) == 1

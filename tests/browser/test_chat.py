"""Colleagues write to one another in the console: a drawer beside any page."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import Page, WebSocketRoute, expect

from tests.api.served import served
from tests.browser.page import Screen, chromium, needs_chromium

pytestmark = needs_chromium


async def fine(page: Page) -> None:
    found = (await Axe().run(page)).response["violations"]
    assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]


async def test_two_colleagues_write_by_keyboard_and_miss_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as api, chromium() as browser:
        ends = []
        streams: list[WebSocketRoute] = []

        def through(stream: WebSocketRoute) -> None:
            stream.connect_to_server()
            streams.append(stream)

        for name, scheme in (("agent", "light"), ("supervisor", "dark")):
            context = await browser.new_context(locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]  # one of two
            at = Screen(await context.new_page(), api.url)
            if name == "agent":
                await at.page.route_web_socket("**/api/v1/events*", through)
            await at.sign_in(name)
            ends.append(at)
        lee, boss = (at.page for at in ends)
        await expect(boss.get_by_role("button", name="Chat", exact=True)).to_be_visible()
        # To somebody, all by the keyboard.
        await lee.get_by_role("button", name="Chat", exact=True).focus()
        await lee.keyboard.press("Enter")
        await expect(lee.get_by_label("Find a colleague or a team")).to_be_focused()
        await lee.keyboard.type("super")
        await lee.get_by_role("button", name="supervisor Online").focus()
        await lee.keyboard.press("Enter")
        text = lee.get_by_label("Message", exact=True)
        await expect(text).to_be_focused()
        await lee.keyboard.type("<b>Lunch</b> at noon?")
        await lee.keyboard.press("Enter")
        log = lee.get_by_role("log")
        await expect(log.locator(".words")).to_have_text(["<b>Lunch</b> at noon?"])
        await expect(text).to_have_value("")
        # The other one sees it on another page, opens it, and it is read.
        await boss.get_by_role("link", name="Reports").click()
        await boss.get_by_role("button", name="Chat (1 new)").click()
        await boss.get_by_role("button", name="agent").filter(has_text="1 new").click()
        words = boss.get_by_role("log").locator(".words")
        await expect(words).to_have_text(["<b>Lunch</b> at noon?"])
        await expect(boss.get_by_role("button", name="Chat", exact=True)).to_be_visible()
        await boss.get_by_label("Message", exact=True).fill("Yes")
        await boss.get_by_role("button", name="Send").click()
        await expect(log.locator(".words")).to_have_text(["<b>Lunch</b> at noon?", "Yes"])
        # While the stream is away nothing is lost, and nothing comes twice.
        for each in list(api.web.chat.listeners):
            if each.account == "agent":
                api.web.chat.listeners.discard(each)
        await boss.get_by_label("Message", exact=True).fill("Are you there?")
        await boss.keyboard.press("Enter")
        await expect(words).to_have_count(3)
        await expect(log.locator(".words")).to_have_count(2)
        await streams[-1].close()
        await expect(log.locator(".words")).to_have_text(
            ["<b>Lunch</b> at noon?", "Yes", "Are you there?"]
        )
        # To call him takes a phone that is on.
        await expect(boss.get_by_role("button", name="Call 1002")).to_be_disabled()
        for page in (lee, boss):
            await fine(page)
        await boss.get_by_role("button", name="All", exact=True).click()
        await fine(boss)
        await boss.keyboard.press("Escape")
        await expect(boss.get_by_role("complementary", name="Chat")).to_have_count(0)
        for at in ends:
            assert [each for each in at.wrong if "ERR_INTERNET" not in each] == []

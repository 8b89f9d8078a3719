"""A fax on an agent's desk: its pages are looked at and turned, the answer's fate is seen."""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import Page, expect

from cicswitch.contacts import events as ce
from tests.api.served import EXTRA, served
from tests.browser.page import Screen, chromium, needs_chromium
from tests.channels.test_fax import WHOLE, came, fax
from tests.support.ports import free_port
from tests.support.wire import wire

pytestmark = needs_chromium


async def fine(page: Page) -> None:
    found = (await Axe().run(page)).response["violations"]
    assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]


async def shoot(page: Page, name: str) -> None:
    """For who wants to look: `CICSWITCH_SHOTS=FOLDER`."""
    folder = os.environ.get("CICSWITCH_SHOTS")
    if folder:
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def test_a_fax_is_read_turned_and_answered(tmp_path: Path) -> None:
    came(tmp_path, "0first", WHOLE, 2)
    port = free_port()
    extra = fax(port, retry_s=600) + EXTRA
    async with (
        wire("127.0.0.2", free_port(), port) as trunk,
        served(tmp_path, extra=extra) as api,
        chromium() as browser,
    ):
        trunk.server = api.center.port
        root = await api.token("administrator")
        await root.post("/api/v1/agents/kim/sign-out")
        await api.center.event(ce.FaxChanged, fax="0first", state="received")
        lee = Screen(await (await browser.new_context(locale="en-GB")).new_page(), api.url)
        page = lee.page
        await page.set_viewport_size({"width": 1440, "height": 900})
        await lee.sign_in("agent")
        agent = await api.token("agent")
        await agent.post("/api/v1/agents/lee/sign-in")
        await lee.go("desk")
        await page.get_by_role("button", name="Take", exact=True).click()
        paper = page.get_by_role("region", name="Pages")
        picture = paper.get_by_role("img")
        await expect(paper.get_by_role("status")).to_have_text("Page 1 of 2")
        size = "each => [each.naturalWidth, each.naturalHeight]"
        await expect(picture).to_have_js_property("complete", True)
        await expect(picture).not_to_have_js_property("naturalWidth", 0)
        across, down = await picture.evaluate(size)
        await shoot(page, "fax-desk-1440")
        await fine(page)
        await paper.get_by_role("button", name="Next page").click()
        await expect(paper.get_by_role("status")).to_have_text("Page 2 of 2")
        await expect(paper.get_by_role("button", name="Next page")).to_be_disabled()
        await paper.get_by_role("button", name="Turn").click()
        await expect(picture).to_have_js_property("naturalWidth", down)
        await expect(picture).to_have_js_property("naturalHeight", across)
        await paper.get_by_role("button", name="Larger").click()
        await expect(paper.get_by_text("150 %")).to_be_visible()
        async with page.expect_download() as download:
            await paper.get_by_role("link", name="Download PDF").click()
        saved = await (await download.value).path()
        assert Path(saved).read_bytes().startswith(b"%PDF-")
        # The answer goes as a fax, and it is seen how.
        await page.get_by_role("textbox", name="Message to").fill("Thank you.")
        await page.keyboard.press("Enter")
        invite = await trunk.expect("INVITE")
        trunk.reply(invite, "486 Busy Here")
        answers = page.get_by_role("list", name="Answers by fax")
        await expect(answers).to_contain_text("waits to be sent")
        await expect(answers).to_contain_text("busy")
        await page.set_viewport_size({"width": 390, "height": 844})
        await shoot(page, "fax-desk-390")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
        # And who looks after all of them sees all.
        dark = await browser.new_context(locale="en-GB", color_scheme="dark")
        boss = Screen(await dark.new_page(), api.url)
        await boss.page.set_viewport_size({"width": 1440, "height": 900})
        await boss.sign_in("supervisor")
        await boss.go("faxes")
        rows = boss.page.get_by_role("row")
        await expect(rows).to_have_count(3)
        await shoot(boss.page, "fax-list-1440")
        await fine(boss.page)
        await rows.filter(has_text="ACME").get_by_role("button").click()
        dialog = boss.page.get_by_role("dialog")
        await expect(dialog.get_by_role("row")).to_have_count(3)
        await expect(dialog.get_by_role("img")).to_be_visible()
        await shoot(boss.page, "fax-dialog-1440")
        await fine(boss.page)

"""Asking for a call: a visitor of another site's page, and a supervisor in the console."""

from __future__ import annotations

import contextlib
from pathlib import Path

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # none
from msgspec.structs import replace
from playwright.async_api import expect

from tests.api.served import EXTRA, served
from tests.browser.page import needs_chromium, screen
from tests.browser.test_widget import site
from tests.support.ports import free_port

pytestmark = needs_chromium
WIDGET = """
[queue.support.callback]
trunk = "near"
[widget.shop]
callback = "support"
callback_numbers = ["_0ZX."]
"""


async def test_a_call_is_asked_for_on_a_page_and_in_the_console(tmp_path: Path) -> None:
    trunk = f'[trunk.near]\naddress = "udp:127.0.0.2:{free_port()}"\noptions_s = 0\n'
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        api = await enter(served(tmp_path, extra=EXTRA + trunk + WIDGET))
        at = await enter(screen(api))
        html = (
            "<!doctype html><html lang=en><title>Shop</title><main><h1>Shop</h1></main>"
            f'<script src="{api.url}/widget/widget.js" data-widget="shop"></script></html>'
        )
        page = at.page
        origin = await enter(site(html))
        widgets = {"shop": replace(api.switch.config.widget["shop"], origins=(origin,))}
        api.switch.reload(replace(api.switch.config, widget=widgets))
        visit = await page.context.new_page()
        await visit.goto(origin)
        widget = visit.locator("cicswitch-widget")
        await widget.get_by_role("button", name="Call me back").click()
        await expect(widget.get_by_label("Your telephone number")).to_be_focused()
        await widget.get_by_role("button", name="Call me").click()
        await expect(widget.get_by_role("alert")).to_have_text("Please give a telephone number.")
        await widget.get_by_label("Your telephone number").fill("00882 1234567")
        await widget.get_by_role("button", name="Call me").click()
        await expect(widget.get_by_role("alert")).to_have_text("We cannot call this number.")
        await widget.get_by_label("Your telephone number").fill("02 123-4567")
        await widget.get_by_label("Your name").fill("Kim <b>Minji</b>")
        await widget.get_by_label("What is it about?").fill("an invoice")
        found = (await Axe().run(visit)).response["violations"]
        assert not [each for each in found if each["impact"] in ("serious", "critical")], found
        await widget.get_by_role("button", name="Call me").click()
        await expect(widget.get_by_role("status")).to_have_text(
            "We will call you as soon as it is your turn."
        )
        await at.sign_in("supervisor")
        await at.go("callbacks")
        asked = page.get_by_role("table", name="Callbacks").get_by_role("row").nth(1)
        await expect(asked).to_contain_text("021234567")
        await expect(asked).to_contain_text("Kim <b>Minji</b>")
        await expect(asked).to_contain_text("an invoice")
        await page.get_by_role("button", name="Order a callback").click()
        await page.get_by_label("Queue").select_option("support")
        await page.get_by_label("Number").fill("031 111 2222")
        await page.get_by_label("When").select_option("at")
        day = await page.evaluate(
            "() => { const at = new Date(Date.now() + 86400000 - new Date().getTimezoneOffset()"
            " * 60000); return at.toISOString().slice(0, 16); }"
        )
        await page.get_by_label("Day and time").fill(day)
        await page.get_by_role("button", name="Order", exact=True).click()
        later = page.get_by_role("row").filter(has_text="0311112222")
        await expect(later).to_contain_text("scheduled")
        await page.get_by_role("button", name="Add a number").click()
        await page.get_by_label("Number").fill("031-111-2222")
        await page.locator("dialog").get_by_role("button", name="Add a number").click()
        # What it was promised is over.
        await expect(
            page.get_by_role("table", name="Do not call").get_by_role("row").nth(1)
        ).to_contain_text("0311112222")
        await expect(
            page.get_by_role("table", name="Callbacks").get_by_text("0311112222")
        ).to_have_count(0)

"""Alerts in the console: told on every page, acknowledged, listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import expect

from cicswitch.acd import commands as acd
from tests.api.served import EXTRA, served
from tests.browser.page import needs_chromium, screen

pytestmark = needs_chromium
RULES = """
[alerts.nobody]
figure = "agents_signed_in"
queue = "support"
below = 1
severity = "critical"
"""


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
async def test_an_alert_is_told_on_every_page_until_it_is_over(tmp_path: Path, scheme: str) -> None:
    async with served(tmp_path, extra=EXTRA + RULES) as api, screen(api, color_scheme=scheme) as at:
        page = at.page
        await at.sign_in("supervisor")
        bar = page.locator(".alert-bar")
        await expect(bar).to_be_empty()
        api.switch.command(acd.SignOut("kim"))
        await expect(bar).to_contain_text("Critical: support agents signed in 0")
        await page.get_by_role("link", name="Recordings").click()
        await page.get_by_role("link", name="Alerts open: 1").click()
        row = page.locator("table").first.get_by_role("row").nth(1)
        await expect(row).to_contain_text("< 1")
        for language in ("ko", "en"):
            await at.go("me")
            await page.locator("select").first.select_option(language)
            await at.go("alerts")
            await expect(row).to_be_visible()
            found = (await Axe().run(page)).response["violations"]
            assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
        await row.get_by_role("button", name="Acknowledge").focus()
        await page.keyboard.press("Enter")
        await expect(row.get_by_role("cell").last).to_have_text("supervisor")
        await expect(bar).to_contain_text("(supervisor looks after it)")
        api.switch.command(acd.SignIn("kim"))
        await expect(bar).to_be_empty()
        await expect(page.get_by_role("table", name="Ended lately")).to_contain_text("nobody")

"""An agent's desk in Chromium: the offer with its time, the customer's history, notes, his day."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from cicswitch.acd import commands as acd
from tests.api.served import served
from tests.browser.page import needs_chromium, screen
from tests.browser.test_talks import shown
from tests.support.phone import phone

SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.soak)]
pytestmark = [needs_chromium, pytest.mark.interop]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_note_written_in_the_talk_is_seen_at_the_next_offer(
    tmp_path: Path, scheme: str
) -> None:
    async with (
        served(tmp_path, ring_s=20, wrap_up_s=60) as api,
        screen(api, color_scheme=scheme) as at,
        phone("1002", api.center.server) as desk,
        phone("2001", api.center.server) as customer,
    ):
        c, page = api.center, at.page
        c.command(acd.SignOut("kim"))
        c.command(acd.SignIn("lee"))
        await at.sign_in("agent")
        await at.go("desk")
        card = page.get_by_role("region", name="Customer")
        day = page.get_by_role("region", name="Your day")
        handled = day.locator(".tile").filter(has_text="Handled")
        await expect(handled.locator(".value")).to_have_text("0")
        customer.do("call", to="5000")
        await desk.expect("incoming")
        left = page.get_by_role("timer")
        await expect(left).to_have_text(re.compile(r"^0:(1\d|20) left to answer$"))
        first = await left.inner_text()
        await expect(left).not_to_have_text(first)
        await expect(card).to_contain_text("2001")
        await expect(card).to_contain_text("Nothing is known of before.")
        await expect(page.get_by_label("Note", exact=True)).to_have_count(0)
        desk.do("answer")
        note = page.get_by_label("Note", exact=True)
        await expect(note).to_be_enabled()
        await expect(left).to_have_count(0)
        await note.press_sequentially("wants a lens")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Save the note")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("The note is kept.")).to_be_visible()
        await shown(page, f"desk-talk-{scheme}")
        customer.do("hangup")
        await c.until(lambda: c.state("lee") == "wrap-up")
        await expect(note).to_have_value("wants a lens")
        await note.fill("wants a lens, in blue")
        await page.get_by_role("button", name="Save the note").click()
        await expect(page.get_by_text("The note is kept.")).to_be_visible()
        c.command(acd.WrapUp("lee", "resolved"))
        await expect(handled.locator(".value")).to_have_text("1")
        await c.until(lambda: not c.switch.calls)
        customer.do("call", to="5000")
        await c.until(lambda: c.state("lee") == "alerting")
        row = card.get_by_role("row").filter(has_text="wants a lens, in blue")
        await expect(row).to_contain_text("resolved")
        await expect(row).to_contain_text("lee")
        await expect(left).to_be_visible()
        await shown(page, f"desk-offer-{scheme}")
        customer.do("hangup")
        await c.until(lambda: not c.switch.calls)

"""A center at work: two agents and a supervisor at the console, a customer who is a PJSIP phone."""

from __future__ import annotations

import contextlib
from pathlib import Path

from playwright.async_api import expect

from cicswitch.acd import commands as acd
from cicswitch.api.accounts.model import Account
from tests.api.served import CHEAP, PASSWORD, ROOT, served
from tests.browser.page import Screen, needs_chromium, screen
from tests.browser.sound import heard, talker
from tests.browser.test_phone import at_work
from tests.support.phone import phone
from tests.support.sound import longest_tone, read_wav, write_tone

pytestmark = needs_chromium


async def test_from_one_browser_to_another_with_a_supervisor_who_whispers(tmp_path: Path) -> None:
    tone, whisper = (
        write_tone(tmp_path / "440.wav", 440),
        write_tone(tmp_path / "880.wav", 880, level=16000),
    )
    kept = tmp_path / "heard.wav"
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        api = await enter(served(tmp_path, wrap_up_s=60))
        c = api.center
        account = Account(name="kim", role="agent", agent="kim")
        api.web.directory.file.people.add(ROOT, 1.0, account, CHEAP.hash(PASSWORD))
        own = await enter(phone("1003", c.server, "--play", str(whisper), "--loop"))
        customer = await enter(
            phone("2001", c.server, "--play", str(tone), "--loop", "--record", str(kept))
        )
        first = await enter(at_work(tmp_path, api))
        browser = await enter(talker(tmp_path, 1000))
        context = await browser.new_context(locale="en-GB", permissions=["microphone"])
        second = Screen(await context.new_page(), api.url)
        await second.sign_in("kim")
        await second.go("desk")
        await second.page.get_by_role("button", name="Use this browser as phone").click()
        await expect(second.page.get_by_text("Ready for calls")).to_be_visible()

        # The first agent has a caller, and passes him to the second.
        customer.do("call", to="5000")
        page = first.page
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        await heard(page, 440)
        bar = page.get_by_label("Phone", exact=True)
        await bar.get_by_role("button", name="Transfer", exact=True).click()
        await bar.get_by_label("Transfer to number").fill("1001")
        await bar.get_by_role("button", name="Transfer", exact=True).last.click()
        await second.page.get_by_role("button", name="Answer", exact=True).click()
        await heard(second.page, 440)
        await expect(bar.get_by_role("button", name="Hang up")).to_have_count(0)

        # He says what came of it, and is free again.
        await expect(page.locator(".own")).to_contain_text("wrap-up")
        await page.get_by_label("What came of it").select_option("resolved")
        await page.get_by_role("button", name="Save", exact=True).first.click()
        await expect(page.locator(".own")).to_contain_text("idle")
        await first.go("me")
        c.command(acd.SignOut("lee"))

        # A supervisor joins and whispers: the second agent hears it, the customer does not.
        above = await enter(screen(api))
        await above.sign_in("supervisor")
        await above.go("interactions")
        row = above.page.get_by_role("row").filter(has_text="2001")
        await row.get_by_role("button", name="Join …").click()
        dialog = above.page.get_by_role("dialog")
        await dialog.get_by_label("Your phone's number").fill("1003")
        await dialog.get_by_role("button", name="Listen").click()
        await own.expect("incoming")
        own.do("answer")
        await expect(dialog.get_by_role("status")).to_contain_text("Nobody hears you.")
        await heard(second.page, 880, no=True)
        await dialog.get_by_role("button", name="Whisper").click()
        await expect(dialog.get_by_role("status")).to_contain_text("Only the agent hears you.")
        await heard(second.page, 880)  # it is the louder one
        assert not first.wrong
        assert not second.wrong
        await context.close()
    samples = read_wav(kept)[0]
    assert longest_tone(samples, 620)[0] > 0.4
    assert longest_tone(samples, 1000)[0] > 0.4
    assert longest_tone(samples, 880)[0] < 0.2

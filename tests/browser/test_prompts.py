"""Prompts in the console: listened to, made of a file and of a text, removed."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import expect

from tests.api.served import served
from tests.api.test_prompts import file
from tests.browser.page import needs_chromium, screen

pytestmark = needs_chromium


async def test_a_prompt_is_uploaded_heard_and_removed(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("administrator")
        await page.get_by_role("link", name="Prompts").click()
        await page.get_by_role("button", name="New prompt").click()
        await page.get_by_label("Prompt", exact=True).fill("promotion")
        sound = {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"no sound"}
        await page.get_by_label("Sound file").set_input_files(sound)  # type: ignore[arg-type]  # a file
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator(".note.bad")).to_contain_text("not a WAV file")
        sound["buffer"] = file(16, 44100, 2, 3.0)
        await page.get_by_label("Sound file").set_input_files(sound)  # type: ignore[arg-type]  # a file
        await page.get_by_label("Text", exact=True).fill("Ten percent off")
        await page.get_by_role("button", name="Save").click()
        row = page.get_by_role("row").filter(has_text="promotion")
        await expect(row).to_contain_text("0:03")
        await expect(row).to_contain_text("Ten percent off")
        await row.get_by_role("button", name="Listen promotion (en)").click()
        await page.wait_for_function(
            "(() => { const a = document.querySelector('audio');"
            " return a.currentTime > 0 && !a.error && a.duration > 2.9; })()"
        )
        found = (await Axe().run(page)).response["violations"]
        assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
        await row.get_by_role("button", name="Remove promotion (en)").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
        await expect(row).to_have_count(0)

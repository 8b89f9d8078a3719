"""The editor of the configuration's files: checked, saved, taken over; and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import Locator, Page, expect

from tests.api.served import served
from tests.browser.page import needs_chromium, screen

pytestmark = needs_chromium


def text_of(page: Page) -> Locator:
    return page.get_by_label("Text of")


async def test_a_file_is_changed_checked_saved_and_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("administrator")
        await page.get_by_role("link", name="Configuration").click()
        before = file.read_text()
        await expect(text_of(page)).to_have_value(before)
        save = page.get_by_role("button", name="Save and take over")
        await expect(save).to_be_disabled()
        # With a mistake: told beside its line, and nothing is written.
        line = before.count("\n") + 2
        await text_of(page).fill(before + '[queue.sales]\nring_s = "long"\n')
        await expect(page.get_by_text("Not saved yet.")).to_be_visible()
        await save.click()
        finding = page.locator(".finding")
        await expect(finding).to_have_count(1)
        await expect(finding).to_contain_text("queue.sales.ring_s")
        await expect(finding.locator("pre")).to_have_text('ring_s = "long"')
        await expect(page.locator(".editor .marked")).to_have_text(str(line))
        assert file.read_text() == before
        # By the keyboard to that line: what is typed replaces it.
        go = finding.get_by_role("button", name=f"Line {line}")
        await go.focus()
        await page.keyboard.press("Enter")
        await expect(text_of(page)).to_be_focused()
        await page.keyboard.type("ring_s = 15")
        after = before + "[queue.sales]\nring_s = 15\n"
        await expect(text_of(page)).to_have_value(after)
        await expect(finding).to_have_count(0)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Check", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("No mistakes.")).to_be_visible()
        assert file.read_text() == before
        await save.click()
        await expect(page.get_by_text("What was there is in cicswitch.toml.~1~.")).to_be_visible()
        assert file.read_text() == after
        assert (tmp_path / "cicswitch.toml.~1~").read_text() == before
        assert "sales" in api.switch.engine.queues
        await expect(save).to_be_disabled()
        await at.go("audit")
        await expect(page.get_by_role("table")).to_contain_text("queue.sales.ring_s")


async def test_a_dialplan_is_made_and_removed(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text().replace('["plan.toml"]', '["plan.toml", "plan*.toml"]'))
        await api.web.reload()
        page = at.page
        await at.sign_in("administrator")
        await at.go("configuration")
        await expect(page.get_by_role("button", name="Remove dialplan")).to_have_count(0)
        await page.get_by_role("button", name="New dialplan").click()
        name = page.get_by_label("File name")
        await name.fill("other.toml")
        await page.get_by_role("button", name="Create").click()
        await expect(page.locator(".note.bad")).to_contain_text("plan*.toml")
        await name.fill("plan-night")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("plan-night.toml is made and in use.")).to_be_visible()
        await expect(text_of(page)).to_have_value((tmp_path / "plan-night.toml").read_text())
        assert 'called = "9000"' in await text_of(page).input_value()
        await page.get_by_role("button", name="Remove dialplan").click()
        await page.get_by_role("button", name="Remove", exact=True).click()
        await expect(page.get_by_text("plan-night.toml.~1~")).to_be_visible()
        await expect(text_of(page)).to_have_value(file.read_text())
        assert not (tmp_path / "plan-night.toml").exists()
        await page.get_by_label("File", exact=True).select_option("plan.toml")
        await page.get_by_role("button", name="Remove dialplan").click()
        await page.get_by_role("button", name="Remove", exact=True).click()
        await expect(page.locator(".note.bad").last).to_contain_text("it is in use")


@pytest.mark.soak
async def test_what_is_not_saved_outlives_a_look_elsewhere_and_not_the_session(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("administrator")
        await page.get_by_role("link", name="Configuration").click()
        await page.get_by_label("File", exact=True).select_option("plan.toml")
        plan = (tmp_path / "plan.toml").read_text()
        await expect(text_of(page)).to_have_value(plan)
        await text_of(page).fill(plan + "# mine\n")
        await page.get_by_label("File", exact=True).select_option("cicswitch.toml")
        await expect(text_of(page)).to_have_value((tmp_path / "cicswitch.toml").read_text())
        await page.get_by_role("link", name="Accounts").click()
        await page.get_by_role("link", name="Configuration").click()
        await page.get_by_label("File", exact=True).select_option("plan.toml")
        await expect(text_of(page)).to_have_value(plan + "# mine\n")
        await page.get_by_role("button", name="Discard changes").click()
        await expect(text_of(page)).to_have_value(plan)
        await text_of(page).fill(plan + "# mine\n")
        await page.get_by_role("button", name="Sign out").first.click()
        await at.sign_in("administrator")
        await at.go("configuration")
        await page.get_by_label("File", exact=True).select_option("plan.toml")
        await expect(text_of(page)).to_have_value(plan)


async def test_who_was_slower_is_told_and_writes_over_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("administrator")
        await at.go("configuration")
        before = file.read_text()
        await expect(text_of(page)).to_have_value(before)
        await text_of(page).fill(before + "# mine\n")
        file.write_text(before + "# theirs\n")
        # Also where the page was left in between, and has read the file anew.
        await page.get_by_role("link", name="Accounts").click()
        await page.get_by_role("link", name="Configuration").click()
        await expect(text_of(page)).to_have_value(before + "# mine\n")
        await page.get_by_role("button", name="Save and take over").click()
        told = page.get_by_role("alert")
        await expect(told).to_contain_text("Somebody has changed the file")
        assert file.read_text() == before + "# theirs\n"
        await told.get_by_role("button", name="Read again").click()
        await expect(text_of(page)).to_have_value(before + "# theirs\n")
        await expect(told).to_have_count(0)


async def test_ends_of_lines_stay_as_they_are_and_the_numbers_go_along(tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        text = (file.read_text() + "# a line\n" * 200).replace("\n", "\r\n")
        file.write_bytes(text.encode())
        await at.sign_in("administrator")
        await at.go("configuration")
        await text_of(page).focus()
        await page.keyboard.press("Control+End")
        await page.keyboard.type("# the end")
        tops = await page.evaluate(
            "['pre', 'textarea'].map((of) => document.querySelector('.editor ' + of).scrollTop)"
        )
        assert tops[1] > 0
        assert tops[0] == pytest.approx(tops[1], abs=2)
        await page.get_by_role("button", name="Save and take over").click()
        await expect(page.get_by_text("What was there is in")).to_be_visible()
        assert file.read_bytes() == (text + "# the end").encode()
        assert api.switch.config.queue


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
async def test_the_editor_is_accessible_in_both_languages(tmp_path: Path, scheme: str) -> None:
    async with served(tmp_path) as api, screen(api, color_scheme=scheme) as at:
        page = at.page
        await at.sign_in("administrator")
        for language, check in (("en", "Check"), ("ko", "검사")):
            await at.go("me")
            await page.locator("select").first.select_option(language)
            await at.go("configuration")
            await page.locator("#document").fill('[queue.x]\nring_s = "long"\n')
            await page.get_by_role("button", name=check, exact=True).click()
            await expect(page.locator(".finding").first).to_be_visible()
            found = (await Axe().run(page)).response["violations"]
            assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]

"""Talks in the console: a supervisor joins, an agent steers; both colours, both languages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # none
from playwright.async_api import Page, expect

from cicswitch.acd import commands as acd
from cicswitch.calls import events as ev
from tests.api.served import Served, served
from tests.browser.page import needs_chromium, screen
from tests.support.phone import Phone, phone

SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.soak)]
pytestmark = [needs_chromium, pytest.mark.interop]
SHOTS = os.environ.get("CICSWITCH_SHOTS", "")


async def shown(page: Page, name: str) -> None:
    """Nothing that axe finds is wrong with the page; a picture of it where one is wanted."""
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    results = await Axe().run(page)
    wrong = [
        f"{each['id']} {each['nodes'][0]['html'][:200]}" for each in results.response["violations"]
    ]
    assert not wrong, "\n".join(wrong)


async def talking(api: Served, customer: Phone) -> None:
    """A customer talks to lee."""
    api.center.command(acd.SignOut("kim"))
    api.center.command(acd.SignIn("lee"))
    customer.do("call", to="5000")
    await api.center.event(ev.Bridged)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_supervisor_joins_a_call_and_takes_it_over(tmp_path: Path, scheme: str) -> None:
    async with (
        served(tmp_path) as api,
        screen(api, color_scheme=scheme) as at,
        phone("1002", api.center.server, "--answer-after", "0") as agent,
        phone("1003", api.center.server) as own,
        phone("2001", api.center.server) as customer,
    ):
        c, page = api.center, at.page
        await talking(api, customer)
        await at.sign_in("supervisor")
        await at.go("interactions")
        row = page.get_by_role("row").filter(has_text="2001")
        dialog = page.get_by_role("dialog")
        join = row.get_by_role("button", name="Join …")
        await join.press("Enter")
        hears = dialog.get_by_role("status")
        await expect(hears).to_have_text("You are not in this call.")
        await dialog.get_by_label("Your phone's number").fill("1003")
        await dialog.get_by_role("button", name="Listen").click()
        await expect(hears).to_contain_text("Your phone 1003 rings")
        await own.expect("incoming")
        own.do("answer")
        await expect(hears).to_contain_text("Nobody hears you.")
        whisper = dialog.get_by_role("button", name="Whisper")
        await whisper.press("Space")
        await expect(hears).to_contain_text("Only the agent hears you.")
        await expect(whisper).to_have_attribute("aria-pressed", "true")
        await shown(page, f"join-{scheme}")
        await dialog.get_by_role("button", name="Barge in").click()
        await expect(hears).to_contain_text("All hear one another")
        await page.keyboard.press("Escape")
        await expect(join).to_be_focused()
        await expect(row).to_contain_text("supervisor: Barge in")
        await shown(page, f"interactions-{scheme}")
        await at.go("agents")
        lee = page.get_by_role("row").filter(has_text="lee")
        await lee.get_by_role("button", name="Join …").click()
        await expect(hears).to_contain_text("All hear one another")
        await dialog.get_by_role("button", name="Take over").click()
        await agent.expect("disconnected")
        await c.event(ev.TakenOver, account="supervisor")
        await page.keyboard.press("Escape")
        await expect(lee).to_contain_text("wrap-up")
        customer.do("hangup")
        await own.expect("disconnected")


@pytest.mark.soak
async def test_one_who_left_and_a_call_that_is_over(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as api,
        screen(api) as at,
        phone("1002", api.center.server, "--answer-after", "0"),
        phone("1003", api.center.server, "--answer-after", "0") as own,
        phone("2001", api.center.server) as customer,
    ):
        page = at.page
        await talking(api, customer)
        await at.sign_in("quality")
        await at.go("interactions")
        await page.get_by_role("button", name="Join …").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("button", name="Whisper")).to_have_count(0)
        await dialog.get_by_label("Your phone's number").fill("4711")
        await dialog.get_by_role("button", name="Listen").click()
        await expect(page.get_by_text("is no device and no agent")).to_be_visible()
        await dialog.get_by_label("Your phone's number").fill("1003")
        await dialog.get_by_role("button", name="Listen").click()
        await expect(dialog.get_by_role("status")).to_contain_text("Nobody hears you.")
        await dialog.get_by_role("button", name="Leave the call").click()
        await own.expect("disconnected")
        await expect(dialog.get_by_role("status")).to_have_text("You are not in this call.")
        customer.do("hangup")
        await expect(dialog).to_contain_text("The call is over.")


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_an_agent_holds_consults_confers_and_asks_for_help(
    tmp_path: Path, scheme: str
) -> None:
    async with (
        served(tmp_path) as api,
        screen(api, color_scheme=scheme) as at,
        screen(api) as other,
        phone("1001", api.center.server, "--answer-after", "1"),
        phone("1002", api.center.server, "--answer-after", "0") as own,
        phone("2001", api.center.server) as customer,
    ):
        c, page = api.center, at.page
        await talking(api, customer)
        await other.sign_in("supervisor")
        await at.sign_in("agent")
        await at.go("desk")
        card = page.get_by_role("region", name="Call with 2001")
        hears = card.get_by_role("status")
        await expect(hears).to_have_text("You and the customer hear each other.")
        await card.get_by_role("button", name="Hold").click()
        await expect(hears).to_contain_text("on hold and hears music")
        await expect(page.locator(".own")).to_contain_text("holding")
        await card.get_by_role("button", name="Take back").click()
        await expect(hears).to_contain_text("hear each other")
        await card.get_by_label("Number or agent").fill("kim")
        await card.get_by_role("button", name="Consult").press("Enter")
        await expect(hears).to_contain_text("kim rings; the customer hears music.")
        await expect(hears).to_contain_text("You talk to kim; the customer hears music.")
        await shown(page, f"desk-{scheme}")
        await card.get_by_role("button", name="To the customer").click()
        await expect(hears).to_contain_text("kim hears music")
        await card.get_by_role("button", name="Talk together").click()
        await expect(hears).to_contain_text("You, the customer and kim hear one another.")
        await card.get_by_role("button", name="Ask for help").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("What it is about").fill("he shouts")
        await dialog.get_by_role("button", name="Ask for help").click()
        await expect(hears).to_contain_text("You have asked for help.")
        await expect(other.page.get_by_text("lee asks for help. he shouts")).to_be_visible()
        await other.go("interactions")
        row = other.page.get_by_role("row").filter(has_text="2001")
        await expect(row).to_contain_text("asks for help")
        await shown(other.page, f"help-{scheme}")
        await card.get_by_role("button", name="No help needed any more").click()
        await expect(row).not_to_contain_text("asks for help")
        await card.get_by_role("button", name="Hang up").click()
        await own.expect("disconnected")
        await expect(card).to_have_count(0)
        assert c.state("lee") == "wrap-up"
        (call,) = c.switch.conductor.calls.values()
        assert call.other.peer == "device:1001"


async def test_in_korean_too(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as api,
        screen(api) as at,
        phone("1002", api.center.server, "--answer-after", "0"),
        phone("2001", api.center.server) as customer,
    ):
        page = at.page
        await talking(api, customer)
        await at.sign_in("supervisor")
        await at.go("me")
        await page.get_by_label("Language").select_option("ko")
        await at.go("interactions")
        await page.get_by_role("button", name="참여 …").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("내 말은 상담원만 듣습니다.")
        await shown(page, "join-ko")


async def test_a_message_to_all_stays_until_it_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at, screen(api) as other:
        await other.sign_in("agent")
        await other.go("desk")
        await at.sign_in("supervisor")
        await at.go("agents")
        await at.page.get_by_role("button", name="Message to all …").click()
        dialog = at.page.get_by_role("dialog")
        await dialog.get_by_label("Message").fill("The fault is repaired.")
        await dialog.get_by_role("button", name="Send").click()
        note = other.page.get_by_text("supervisor: The fault is repaired.")
        await expect(note).to_be_visible()
        await shown(other.page, "message")
        await other.page.get_by_role("status").get_by_role("button", name="Close").click()
        await expect(note).to_have_count(0)

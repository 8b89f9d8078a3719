"""The console as people use it: Chromium at a switch with calls of PJSIP phones."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import expect

from cicswitch.acd import commands as acd
from cicswitch.acd.agent import AgentState
from cicswitch.api.snapshot import quality_of
from cicswitch.web import Web
from tests.api.served import CHEAP, PASSWORD, served
from tests.browser.page import needs_chromium, screen
from tests.support.phone import phone

pytestmark = needs_chromium
PAGES = (
    *("", "queues/support", "agents", "interactions", "callbacks", "reports", "trunks"),
    *(
        "recordings",
        "configuration",
        "accounts",
        "audit",
        "me",
        "desk",
        "alerts",
        "prompts",
        *("faxes", "customers"),
    ),
)
NARROW = {"width": 390, "height": 844}


async def test_the_first_administrator_sets_the_switch_up(tmp_path: Path) -> None:
    async with served(tmp_path, people=False) as api, screen(api) as at:
        page = at.page
        await page.goto(api.url)
        await page.get_by_role("button", name="First time?").click()
        await page.get_by_label("Set-up code").fill(api.web.set_up_code)
        await page.get_by_label("Name", exact=True).fill("root")
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Set up", exact=True).click()
        await expect(page.get_by_role("heading", name="Wallboard")).to_be_visible()
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Name", exact=True).fill("root")
        await page.get_by_label("Password", exact=True).fill("something else")
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(page.get_by_role("status")).to_contain_text("name or password is wrong")


async def test_a_supervisor_sees_who_waits_asks_why_moves_and_ends_him(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        c, page = api.center, at.page
        c.switch.command(acd.Pause("kim", ""))
        await at.sign_in("supervisor")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="support"))
        await expect(row.get_by_role("cell").nth(1)).to_have_text("0")
        async with phone("2001", c.server) as customer:
            customer.do("call", to="5000")
            await expect(row.get_by_role("cell").nth(1)).to_have_text("1")
            await page.get_by_role("link", name="support").click()
            waits = page.get_by_role("row").filter(has_text="2001")
            await expect(waits).to_contain_text("waiting")
            await waits.get_by_role("button", name="Why?").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("kim: until being ready again")
            await page.keyboard.press("Escape")
            await expect(dialog).not_to_be_visible()
            await expect(waits.get_by_role("button", name="Why?")).to_be_focused()
            (name,) = c.switch.conductor.calls
            await c.until(lambda: quality_of(c.switch, name))  # the first report by RTCP
            await waits.get_by_role("button", name="SIP messages").click()
            await expect(dialog).to_contain_text("INVITE")
            sound = dialog.get_by_role("table", name="Sound of each leg").get_by_role("row").nth(1)
            await expect(sound).to_contain_text("PCM")
            await expect(sound).to_contain_text("4.4")
            await page.keyboard.press("Escape")
            await waits.get_by_role("button", name="Move").click()
            await dialog.get_by_label("Move to queue").select_option("korean")
            await dialog.get_by_role("button", name="Move").click()
            await expect(page.get_by_role("status")).to_contain_text("place 1 of korean")
            assert c.switch.engine.view("korean", c.switch.clock.now()).waiting == 1
            await page.goto(f"{api.url}/console/#/interactions")
            await waits.get_by_role("button", name="Hang up").click()
            await dialog.get_by_role("button", name="Hang up").click()
            await customer.expect("disconnected")
            await expect(page.get_by_text("No interaction is in progress.")).to_be_visible()
        assert {entry.action for entry in await api.audit()} >= {
            *("interaction.move", "interaction.hang-up"),
        }


async def test_a_supervisor_acts_for_agents_and_changes_their_skills(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page, agents = at.page, api.switch.engine.agents
        await at.sign_in("supervisor")
        await at.go("agents")
        lee = page.get_by_role("row").filter(has_text="lee")
        await lee.get_by_role("button", name="Sign in").click()
        await expect(lee).to_contain_text("idle")
        assert agents["lee"].state is AgentState.IDLE
        await lee.get_by_role("combobox").select_option("Pause without a code")
        await expect(lee).to_contain_text("paused")
        api.switch.command(acd.Ready("lee"))  # somebody else, by telephone
        await expect(lee).to_contain_text("idle")
        await lee.get_by_role("button", name="Skills").click()
        await page.get_by_label("korean").fill("101")
        await page.get_by_role("button", name="Save").click()
        assert agents["lee"].skills == {}  # the browser keeps it back
        await page.get_by_label("korean").fill("70")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("dialog")).not_to_be_visible()
        assert agents["lee"].skills == {"korean": 70}


@pytest.mark.soak
async def test_agents_are_followed_by_events_and_not_read_again(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page, command = at.page, api.switch.command
        await at.sign_in("supervisor")
        await at.go("agents")
        kim = page.get_by_role("row").filter(has_text="kim")
        await expect(kim).to_contain_text("idle")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.wait_for_timeout(1500)  # what the first message of the stream asks for
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for code in ("meal", "break", "training"):
            command(acd.Pause("kim", code))
            await expect(kim).to_contain_text(f"paused {code}")
            command(acd.Ready("kim"))
            await expect(kim).to_contain_text("idle")
        assert not [url for url in asked if "/agents" in url]


async def test_an_agent_has_a_desk(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        c, page = api.center, at.page
        c.switch.command(acd.Pause("kim", ""))
        async with phone("1002", c.server) as desk, phone("2001", c.server) as customer:
            await at.sign_in("agent")
            await expect(page.get_by_role("link", name="Accounts")).not_to_be_visible()
            await page.get_by_role("link", name="My desk").click()
            card = page.locator(".own")
            await card.get_by_role("button", name="Sign in").click()
            await expect(card).to_contain_text("idle")
            customer.do("call", to="5000")
            await desk.expect("incoming")
            await expect(card).to_contain_text("a call from support")
            desk.do("answer")
            await expect(card).to_contain_text("talking")
            held = (
                page.get_by_role("table", name="In hand").get_by_role("row").filter(has_text="2001")
            )
            await expect(held).to_contain_text("support")
            customer.do("hangup")
            await expect(card).to_contain_text("wrap-up")
            await card.get_by_role("button", name="Ready").click()
            await expect(card).to_contain_text("idle")


async def test_a_wall_that_lost_the_switch_says_so_and_comes_back_by_itself(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page, switch = at.page, api.switch
        await at.sign_in("supervisor")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        port = api.web.server.port
        await api.web.stop()
        await expect(page.get_by_role("alert")).to_contain_text("Numbers below are old")
        await expect(page.locator(".inside")).to_have_class("inside old")
        switch.command(acd.SignIn("lee"))  # nobody tells the page
        again = Web(switch)
        again.directory.passwords = CHEAP
        again.server.port = port
        await again.start()
        try:
            await expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
            await expect(page.locator(".states")).to_contain_text("idle 2", timeout=20_000)
            await expect(page.locator(".inside")).to_have_class("inside")
        finally:
            await again.stop()
        at.wrong.clear()  # what could not be reached meanwhile


async def test_an_administrator_makes_accounts_and_tokens_and_checks_a_configuration(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("administrator")
        await at.go("accounts")
        await page.get_by_role("button", name="New account").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name", exact=True).fill("kim")
        await dialog.get_by_label("Password").fill(PASSWORD)
        await dialog.get_by_label("Belongs to agent").select_option("kim")
        await dialog.get_by_role("button", name="Add").click()
        made = page.get_by_role("row").filter(has=page.get_by_role("cell", name="kim").first)
        await expect(made.first).to_contain_text("Agent")
        await at.go("me")
        await page.get_by_role("button", name="New token").click()
        await dialog.get_by_label("What for").fill("a wall")
        await dialog.get_by_label("queues:read").check()
        await dialog.get_by_role("button", name="Add").click()
        secret = await page.locator("pre.secret").inner_text()
        client = api.client(headers={"Authorization": f"Bearer {secret}"})
        assert (await client.get("/api/v1/queues")).status_code == 200
        assert (await client.get("/api/v1/agents")).status_code == 403
        await page.keyboard.press("Escape")
        await at.go("configuration")
        await page.get_by_label("Text of").fill(
            'dialplans = []\n[queue.support]\nring_s = "long"\n'
        )
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator(".finding").first).to_contain_text("Line 3")
        await expect(page.locator(".finding pre").first).to_have_text('ring_s = "long"')
        await at.go("audit")
        await expect(page.get_by_role("table")).to_contain_text("account.add")


async def test_figures_of_a_day_are_shown_with_their_formulas(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        c, page = api.center, at.page
        async with phone("1001", c.server) as desk, phone("2001", c.server) as one:
            one.do("call", to="5000")
            await desk.expect("incoming")
            desk.do("answer")
            await one.expect("confirmed")
            one.do("hangup")
            await c.until(lambda: not c.switch.calls)
        await at.sign_in("supervisor")
        await at.go("reports")
        await page.get_by_role("button", name="Show").click()
        row = page.get_by_role("table", name="Queues").get_by_role("row").filter(has_text="support")
        await expect(row).to_contain_text("100%")
        await expect(page.locator(".chart canvas")).to_have_count(2)
        await page.get_by_text("Formula").click()
        await expect(page.locator("dl")).to_contain_text("service_level")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
async def test_every_page_is_accessible(tmp_path: Path, scheme: str) -> None:
    async with served(tmp_path) as api, screen(api, color_scheme=scheme) as at:
        axe, found = Axe(), []
        await at.go()
        await expect(at.page.get_by_label("Name", exact=True)).to_be_visible()
        found.append(("entry", await axe.run(at.page)))
        await at.sign_in("administrator")
        for place in PAGES:
            await at.go(place)
            await expect(at.page.get_by_role("heading").first).to_be_visible()
            await expect(at.page.get_by_text("Loading …")).to_have_count(0)
            found.append((place, await axe.run(at.page)))
            wide = at.page.viewport_size
            await at.page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a ViewportSize
            found.append((f"{place}, narrow", await axe.run(at.page)))
            across = await at.page.evaluate("document.scrollingElement.scrollWidth")
            assert across <= NARROW["width"], f"{place} is {across} pixels wide"
            await at.page.set_viewport_size(wide)  # type: ignore[arg-type]  # it has one
        wrong = [
            f"{place}: {each['id']} {each['nodes'][0]['html'][:200]}"
            for place, results in found
            for each in results.response["violations"]
        ]
        assert not wrong, "\n".join(wrong)


async def test_korean_is_korean_everywhere(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await at.sign_in("supervisor")
        await at.go("me")
        await page.get_by_label("Language").select_option("ko")
        await expect(page.get_by_role("heading", name="계정과 화면")).to_be_visible()
        await at.go("agents")
        await expect(page.get_by_role("row").filter(has_text="kim")).to_contain_text("대기")
        await (
            page.get_by_role("row").filter(has_text="kim").get_by_role("button", name="왜?").click()
        )
        await expect(page.get_by_role("dialog")).to_contain_text("담당 대기열")
        assert await page.locator("html").get_attribute("lang") == "ko"

"""Customers in Chromium: an agent links who he has in hand in two clicks; a supervisor's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from cicswitch.calls import events as ev
from cicswitch.contacts import events as ce
from tests.api.served import Served
from tests.browser.page import needs_chromium, screen
from tests.browser.test_console import NARROW
from tests.browser.test_talks import shown
from tests.support.letters import come, letter, letters

SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.soak)]
pytestmark = needs_chromium
GOLD = "[segment.gold]\npriority = 50\n"


async def known(api: Served, name: str, *addresses: tuple[str, str], **more: Any) -> str:
    """Somebody, and a contact of each of his addresses that is over."""
    boss = await api.token("supervisor")
    own = [{"kind": kind, "value": value} for kind, value in addresses]
    made = await boss.post("/api/v1/customers", json={"name": name, "addresses": own, **more})
    assert made.status_code == 201, made.text
    store = api.switch.store
    for kind, value in addresses:
        medium = {"number": "voice", "email": "email"}.get(kind, "chat")
        channel, _, caller = value.rpartition("/")
        interaction = f"{name}-{kind}".lower()
        begun = (1.77e9, interaction, medium, channel or "pbx", caller, "5000")
        store.append(ev.InteractionStarted(*begun))
        store.append(ev.InteractionEnded(1.77e9 + 60, interaction, "normal"))
    await store.committed()
    return str(made.json()["customer"])


async def narrow(page: Page, name: str) -> None:
    """The same on a phone: nothing stands out to the right."""
    await page.set_viewport_size(NARROW)  # type: ignore[arg-type]  # a ViewportSize
    await shown(page, name)
    across = await page.evaluate("document.scrollingElement.scrollWidth")
    assert across <= NARROW["width"], across
    await page.set_viewport_size({"width": 1280, "height": 720})


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_an_agent_links_a_mail_to_somebody_and_sees_all_that_he_called_for(
    tmp_path: Path, scheme: str
) -> None:
    async with (
        letters(tmp_path, GOLD) as (api, lee),
        screen(api, color_scheme=scheme) as at,
    ):
        page, c = at.page, api.center
        key = await known(
            *(api, "Park Jihye", ("number", "+821012345678"), ("chat", "line/U4af4980629")),
            language="ko",
            segment="gold",
            fields={"contract": "C-4711"},
        )
        await known(api, "Lee Min", ("number", "+82213"))
        await come(api, letter(From="Park <park@example.org>"))
        contact = await c.event(ce.ContactAccepted)
        await at.sign_in("agent")
        await at.go("desk")
        await page.get_by_role("button", name="Take", exact=True).first.click()
        await page.locator("summary", has_text="Customer").click()
        card = page.get_by_role("region", name="Customer")
        await expect(card).to_contain_text("park@example.org")
        await card.get_by_role("button", name="Link to a customer").click()
        box = page.get_by_role("dialog")
        await expect(box.get_by_role("listitem")).to_have_count(1)
        await shown(page, f"customer-link-{scheme}")
        await box.get_by_role("button", name="Link Park Jihye").click()
        await expect(card.get_by_role("heading", level=2).first).to_have_text("Park Jihye")
        for text in ("+821012345678", "U4af4980629 (line)", "C-4711", "gold", "Park@", "call"):
            await expect(card).to_contain_text(text, ignore_case=True)
        await expect(card.get_by_role("row")).to_have_count(3)
        await shown(page, f"customer-desk-{scheme}")
        await narrow(page, f"customer-desk-{scheme}-narrow")
        view = (await lee.get(f"/api/v1/interactions/{contact.interaction}")).json()
        assert view["customer_id"] == key


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_supervisor_searches_changes_and_merges_customers(
    tmp_path: Path, scheme: str
) -> None:
    async with (
        letters(tmp_path, GOLD, agent=False) as (api, _),
        screen(api, color_scheme=scheme) as at,
    ):
        page = at.page
        await known(api, "Park Jihye", ("number", "+821012345678"), ("email", "p@example.org"))
        await known(api, "P. Jihye", ("chat", "line/U4af4980629"))
        await known(api, "Lee Min", ("number", "+82213"))
        await at.sign_in("supervisor")
        await page.get_by_role("link", name="Customers").click()
        rows = page.get_by_role("table", name="Customers").get_by_role("row")
        await expect(rows).to_have_count(4)
        await shown(page, f"customers-{scheme}")
        await page.get_by_label("Search").fill("jihye")
        await expect(rows).to_have_count(3)
        await page.get_by_role("link", name="Park Jihye").click()
        await page.get_by_label("Segment").fill("gold")
        await page.get_by_label("Own fields").fill("contract = C-1\nplan = b")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("The customer is kept.")).to_be_visible()
        await page.get_by_role("button", name="Add an address").click()
        await page.get_by_label("Kind").select_option("id")
        await page.get_by_label("Address", exact=True).fill("4711")
        await page.get_by_role("button", name="Add", exact=True).click()
        own = page.get_by_role("table", name="Addresses").get_by_role("row")
        await expect(own).to_have_count(4)
        await page.get_by_role("button", name="Make one with another").click()
        await page.get_by_label("Search").fill("jihye")
        await page.get_by_role("button", name="Make one P. Jihye").click()
        await expect(own).to_have_count(5)
        past = page.get_by_role("table", name="Last contacts").get_by_role("row")
        await expect(past).to_have_count(4)
        await shown(page, f"customers-one-{scheme}")
        await narrow(page, f"customers-one-{scheme}-narrow")
        await page.get_by_role("button", name="Remove p@example.org").click()
        await expect(own).to_have_count(4)
        await expect(past).to_have_count(3)
        (found,) = [
            each for each in api.switch.conductor.people.by_id.values() if each.name == "Park Jihye"
        ]
        assert found.segment == "gold"
        assert found.own == {"contract": "C-1", "plan": "b"}
        await page.get_by_role("button", name="Remove", exact=True).first.click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(rows).to_have_count(2)

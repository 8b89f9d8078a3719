"""Letters on the desk: what one looks like, what is begun, put aside and made one."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

from playwright.async_api import Request, expect

from cicswitch.acd import commands as acd
from cicswitch.contacts import events as ce
from tests.browser.page import needs_chromium, picture, screen
from tests.browser.test_talks import shown
from tests.channels.test_answers import TEMPLATES
from tests.mail.test_parse import HOSTILE
from tests.support.letters import come, letter, letters

pytestmark = needs_chromium


def hostile() -> bytes:
    message = EmailMessage()
    message["From"] = "Park <park@example.org>"
    message["To"] = "support@example.com"
    message["Subject"] = "Order 4711"
    message["Message-ID"] = "<hostile@example.org>"
    message.set_content("Plain words")
    message.add_alternative(HOSTILE, subtype="html")
    (_, part) = message.iter_parts()
    part.add_related(picture(), maintype="image", subtype="png", cid="<logo@x>")
    return message.as_bytes()


async def test_letters_on_the_desk(tmp_path: Path) -> None:
    async with letters(tmp_path, TEMPLATES, wrap_up_s=0) as (api, _), screen(api) as at:
        page, c = at.page, api.center
        asked: list[str] = []

        def seen(request: Request) -> None:
            asked.append(request.url)

        page.context.on("request", seen)
        await page.set_viewport_size({"width": 1440, "height": 900})
        await at.sign_in("agent")
        await at.go("desk")
        await come(api, hostile())
        await page.get_by_role("button", name="Take").click()
        talk = page.get_by_role("tabpanel")
        await expect(talk.get_by_text("Plain words", exact=True)).to_be_visible()
        # What may come in meanwhile.
        await page.locator("summary", has_text="How much at once").click()
        held = page.get_by_role("table", name="How much at once").get_by_role("row")
        await expect(held.filter(has_text="email")).to_contain_text("1 of 1")
        await expect(held.filter(has_text="email")).to_contain_text("chat")
        await expect(held.nth(-1)).to_contain_text("nothing")
        # What it looks like: no script runs, nothing is asked for.
        await expect(talk.get_by_text("2 pictures of other servers are not shown")).to_be_visible()
        await talk.get_by_role("button", name="Show as it was sent").click()
        frame = page.frame_locator("iframe")
        await expect(frame.get_by_text("Yellow")).to_have_css(
            "background-color", "rgb(255, 255, 0)"
        )
        logo = frame.locator("img[src^='data:image/png']")
        await expect(logo).to_have_count(1)
        assert await logo.evaluate("image => image.complete && image.naturalWidth > 0")
        link = frame.get_by_role("link", name="https://bank.test")
        told = await link.evaluate("a => getComputedStyle(a, '::after').content")
        assert "https://evil.test/login" in told or "attr(href)" in told
        assert await page.evaluate("window.hacked") is None
        assert [url for url in asked if not url.startswith((api.url, "data:"))] == []
        assert at.wrong == []
        await shown(page, "letter-html")
        async with page.context.expect_page() as opening:
            await frame.get_by_role("link", name="plain").click()
        opened = await opening.value
        assert await opened.evaluate("window.opener") is None
        await opened.close()
        asked.clear()
        # What is begun is kept in the switch: another device, or this one anew, has it.
        line = page.get_by_label("Message to Park")
        await line.fill("Good day, I am")
        await c.event(ce.DraftKept, size=14)
        await page.evaluate("sessionStorage.clear()")
        await page.reload()
        await expect(line).to_have_value("Good day, I am")
        # Another letter of his waits: it is made one with this one.
        await come(api, letter("And where is the other thing?", subject="Other"))
        await page.reload()
        await talk.get_by_role("button", name="Make one").click()
        await page.get_by_role("dialog").get_by_role("button", name="Make one").click()
        await expect(talk.get_by_text("And where is the other thing?", exact=True)).to_be_visible()
        await expect(talk.get_by_role("button", name="Make one")).to_have_count(0)
        await expect(line).to_have_value("Good day, I am")
        # The same, split off again.
        await talk.get_by_role("button", name="Split off from here").click()
        await page.get_by_role("dialog").get_by_role("button", name="Split off").click()
        await expect(talk.get_by_text("And where is the other thing?", exact=True)).to_have_count(0)
        # A template in the place of what is written; nothing goes with an empty field.
        await talk.get_by_label("Text at hand").select_option("refund")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("order number").fill("4711")
        await dialog.get_by_label("amount").fill("12 euros")
        await dialog.get_by_role("button", name="Put it in").click()
        await expect(line).to_have_value("Dear Park, we have sent 12 euros for 4711.")
        await expect(talk.get_by_label("Subject")).to_have_value("Refund for 4711, Park")
        await talk.get_by_label("Subject").fill("Refund {field:x}")
        await expect(talk.get_by_text("Not filled in yet: {field:x}")).to_be_visible()
        await expect(talk.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        await talk.get_by_label("Subject").fill("Refund 4711")
        await talk.get_by_role("button", name="Send", exact=True).click()
        await expect(line).to_have_value("")
        await c.event(ce.MessageWritten, author="agent:lee")
        assert (await c.rows("message"))[-1]["subject"] == "Refund 4711"
        # Put aside, and back.
        await talk.get_by_role("button", name="Put aside").click()
        await page.get_by_role("dialog").get_by_role("button", name="Put aside").click()
        aside = page.get_by_role("region", name="put aside")
        await expect(aside.get_by_text("Order 4711")).to_be_visible()
        await expect(page.get_by_role("button", name="Take")).to_be_visible()  # what was split off
        await shown(page, "letter-aside")
        c.switch.command(acd.Pause("lee", "meal"))
        await aside.get_by_role("button", name="Have it back").click()
        await expect(aside).to_have_count(0)
        # To somebody who has not written.
        await page.get_by_role("button", name="Write", exact=True).click()
        dialog = page.get_by_role("dialog", name="Write")
        await shown(page, "letter-write")
        await dialog.get_by_label("To", exact=True).fill("lee@example.net")
        await dialog.get_by_label("Subject").fill("Your order")
        await dialog.get_by_label("Message").fill("It is on its way.")
        await dialog.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("It is on its way to lee@example.net.")).to_be_visible()
        assert (await c.rows("message"))[-1]["author"] == "agent:lee"
        assert (await c.rows("conversation"))[-1]["subject"] == "Your order"
        # The frame has let in no script of axe's, and the browser says so.
        at.wrong[:] = [each for each in at.wrong if "allow-scripts" not in each]

"""A chat from another site's page to an agent's desk and back, over what can go wrong between."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import FilePayload, Page, Route, WebSocketRoute, expect

from cicswitch.acd import commands as acd
from tests.api.served import served
from tests.browser.page import Screen, needs_chromium, picture
from tests.browser.sound import heard, talker
from tests.browser.test_talks import shown
from tests.browser.test_widget import MOVES, ROUTE, keys, visited
from tests.support.center import PLAN

pytestmark = needs_chromium
CHANNEL = """
[channel.chat]
type = "chat"
queue = "support"
away_s = 60
"""
HTML = '<img src=x onerror="document.title=1"><b>bold</b>'


class Between:
    """What is between a page and the switch; it may lose the acknowledgement of a message."""

    def __init__(self) -> None:
        self.loses = False
        self.said: list[str] = []
        self._closing: set[asyncio.Task[None]] = set()

    def __call__(self, route: WebSocketRoute) -> None:
        """A connection is made."""
        server = route.connect_to_server()

        def says(message: str | bytes) -> None:
            text = message if isinstance(message, str) else message.decode()
            if '"say"' in text:
                self.said.append(text)
            server.send(message)

        def is_told(message: str | bytes) -> None:
            if self.loses and '"ack"' in str(message):
                self.loses = False
                closing = asyncio.ensure_future(route.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                return
            route.send(message)

        route.on_message(says)
        server.on_message(is_told)


async def lost(route: Route) -> None:
    """The switch does what it is asked, and the page does not hear so."""
    await route.fetch()
    await route.abort()


async def writes(page: Page, label: str, text: str) -> None:
    """Write a message, as one does: by keys, and Enter."""
    line = page.get_by_label(label)
    await line.fill(text)
    await line.press("Enter")


async def test_a_chat_over_reloads_and_lost_connections_becomes_a_call(tmp_path: Path) -> None:
    extra = keys("https://shop.example", 'chat = "chat"') + CHANNEL
    extra += '[answer.bye]\ntitle = "Bye"\ntext = "Good bye {name}."\n'
    async with (
        served(tmp_path, extra=extra, plan=PLAN + ROUTE, wrap_up_s=60) as api,
        talker(tmp_path, 620) as browser,
    ):
        c = api.center
        c.switch.command(acd.SignOut("kim"))
        context = await browser.new_context(locale="en-GB", permissions=["microphone", "camera"])
        at = Screen(await context.new_page(), api.url)
        desk = at.page
        await at.sign_in("agent")
        await at.go("desk")
        await desk.get_by_role("button", name="Use this browser as phone").click()
        await expect(desk.get_by_text("Ready for calls")).to_be_visible()
        c.switch.command(acd.SignIn("lee"))
        async with visited(tmp_path, api, hz=440) as (page, _):
            between = Between()
            await page.route_web_socket(lambda url: url.endswith("/chat"), between)
            await page.reload()
            await page.get_by_role("button", name="Chat", exact=True).click()
            await expect(page.get_by_text("Write to us.")).to_be_visible()
            await writes(page, "Your message", HTML)
            # What anybody writes is text, in the offer, in the conversation and in the widget.
            offer = desk.get_by_role("region", name="Visitor Kim writes: chat from support")
            await expect(offer.get_by_text(HTML, exact=True)).to_be_visible()
            await expect(offer.get_by_text("order", exact=True)).to_be_visible()
            await expect(offer.get_by_role("timer")).to_contain_text("left to answer")
            await shown(desk, "chat-offer")
            await offer.get_by_role("button", name="Take").click()
            theirs = page.get_by_role("log", name="Messages")
            talk = desk.get_by_role("tabpanel")
            await expect(talk.get_by_text(HTML, exact=True)).to_be_visible()
            await expect(theirs.get_by_text(HTML, exact=True)).to_be_visible()
            await expect(page.get_by_text("You are chatting with lee.")).to_be_visible()
            await expect(theirs.get_by_text("read", exact=True)).to_be_visible()
            # Both see that the other types, and what he says.
            await page.get_by_label("Your message").press_sequentially("w")
            await expect(desk.get_by_text("Visitor Kim is typing …")).to_be_visible()
            await desk.get_by_label("Message to Visitor Kim").press_sequentially("G")
            await expect(page.get_by_text("lee is typing …")).to_be_visible()
            await writes(desk, "Message to Visitor Kim", "Good day.")
            await expect(theirs.get_by_text("Good day.", exact=True)).to_be_visible()
            await expect(talk.get_by_text("· sent")).to_be_visible()
            # A text at hand stands behind what is written.
            await desk.get_by_label("Message to Visitor Kim").fill("So:")
            await desk.get_by_label("Text at hand").select_option("Bye")
            box = desk.get_by_label("Message to Visitor Kim")
            await expect(box).to_have_value("So: Good bye Visitor Kim.")
            # A reload of either side.
            await desk.get_by_label("Message to Visitor Kim").fill("half a sen")
            await desk.reload()
            await expect(talk.get_by_text("Good day.", exact=True)).to_be_visible()
            await expect(desk.get_by_label("Message to Visitor Kim")).to_have_value("half a sen")
            await page.reload()
            await expect(theirs.get_by_text("Good day.", exact=True)).to_be_visible()
            await expect(theirs.get_by_text(HTML, exact=True)).to_have_count(1)
            # On disk, and the page does not know: it says it again, and it comes once.
            between.loses = True
            before = len(between.said)
            await writes(page, "Your message", "Are you there?")
            await expect(page.get_by_text("You are chatting with lee.")).to_be_visible()
            await expect(theirs.get_by_text("Are you there?", exact=True)).to_have_count(1)
            await c.until(lambda: len(between.said) == before + 2)
            assert between.said[-1] == between.said[-2]
            await expect(theirs.get_by_text("being sent …")).to_have_count(0)
            # Without a network it waits, and comes when there is one.
            await page.context.set_offline(True)
            await writes(page, "Your message", "From a tunnel")
            await expect(theirs.get_by_text("being sent …")).to_be_visible()
            await page.context.set_offline(False)
            await expect(theirs.get_by_text("being sent …")).to_have_count(0)
            for text in ("Are you there?", "From a tunnel"):
                await expect(talk.get_by_text(text, exact=True)).to_have_count(1)
                await expect(theirs.get_by_text(text, exact=True)).to_have_count(1)
            # The answer to the desk is lost: it says so, and sends again without doubling it.
            await desk.route("**/messages", lost, times=1)
            await writes(desk, "Message to Visitor Kim", "Hold on")
            await expect(talk.get_by_text("Not sent")).to_be_visible()
            await expect(theirs.get_by_text("Hold on", exact=True)).to_be_visible()
            await talk.get_by_role("button", name="Send again").click()
            await expect(theirs.get_by_text("Hold on", exact=True)).to_have_count(1)
            await expect(talk.get_by_text("Hold on", exact=True)).to_have_count(1)
            at.wrong.clear()  # what could not be reached meanwhile
            await shown(desk, "chat-desk")
            await shown(page, "chat-widget")
            # From the chat to a call with pictures, beside which it goes on.
            await expect(desk.get_by_text("Ready for calls")).to_be_visible()
            await page.get_by_role("button", name="Video call").click()
            await desk.get_by_role("button", name="Answer with video").click()
            await expect(page.get_by_text("In the call")).to_be_visible()
            await heard(desk, 440)
            assert await desk.get_by_label("Picture of the far end").evaluate(MOVES) >= 5
            assert await page.get_by_label("Picture of the agent").evaluate(MOVES) >= 5
            await writes(desk, "Message to Visitor Kim", "I hear you")
            await expect(theirs.get_by_text("I hear you", exact=True)).to_be_visible()
            await shown(page, "chat-and-call")
            await page.get_by_role("button", name="Hang up").click()
            await expect(page.get_by_text("The call has ended.")).to_be_visible()
            await page.get_by_role("button", name="End the chat").click()
            await expect(page.get_by_text("The chat has ended.")).to_be_visible()
            await expect(desk.get_by_text("The conversation has ended.")).to_be_visible()
            assert not api.switch.conductor.contacts.live
        texts = [row["text"] for row in await c.rows("message")]
        assert sorted(texts) == sorted(set(texts))
        assert len(texts) == 6
        assert not at.wrong
        await context.close()


async def test_files_go_both_ways(tmp_path: Path) -> None:
    extra = keys("https://shop.example", 'chat = "chat"') + CHANNEL
    async with (
        served(tmp_path, extra=extra, plan=PLAN + ROUTE, wrap_up_s=60) as api,
        talker(tmp_path, 620) as browser,
    ):
        api.center.switch.command(acd.SignOut("kim"))
        context = await browser.new_context(locale="en-GB")
        at = Screen(await context.new_page(), api.url)
        desk = at.page
        await at.sign_in("agent")
        await at.go("desk")
        api.center.switch.command(acd.SignIn("lee"))
        async with visited(tmp_path, api, hz=440) as (page, _):
            await page.get_by_role("button", name="Chat", exact=True).click()
            await writes(page, "Your message", "The photo")
            await desk.get_by_role("button", name="Take").click()
            talk = desk.get_by_role("tabpanel")
            await expect(page.get_by_text("You are chatting with lee.")).to_be_visible()
            chosen = page.locator("input[type=file]")
            photo: FilePayload = {"name": "photo.png", "mimeType": "text/html", "buffer": picture()}
            hurt: FilePayload = {"name": "x.png", "mimeType": "image/png", "buffer": HTML.encode()}
            await chosen.set_input_files([photo, hurt])
            await expect(page.get_by_text("photo.png", exact=True)).to_be_visible()
            await expect(page.get_by_text("x.png", exact=True)).to_be_visible()
            await page.get_by_role("button", name="Send", exact=True).click()
            files = talk.get_by_role("list", name="Files", exact=True)
            await expect(files.locator("img")).to_have_count(1)
            await expect(files.get_by_text(f"x.png ({len(HTML)} B)")).to_be_visible()
            theirs = page.get_by_role("log", name="Messages")
            await expect(theirs.locator("img")).to_have_count(1)
            # The agent's, and what the page saves is what he has sent.
            await talk.locator("input[type=file]").set_input_files(
                {"name": "계약.pdf", "mimeType": "x/y", "buffer": b"%PDF-1.4"}
            )
            await desk.get_by_role("button", name="Send", exact=True).click()
            async with page.expect_download() as saving:
                await theirs.get_by_role("button", name="계약.pdf").click()
            download = await saving.value
            assert download.suggested_filename == "계약.pdf"
            assert (await download.path()).read_bytes() == b"%PDF-1.4"
            await shown(page, "widget-files")
            await shown(desk, "desk-files")
            # A reload has them again.
            await page.reload()
            await expect(theirs.get_by_role("button", name="계약.pdf")).to_be_visible()
            await expect(theirs.locator("img")).to_have_count(1)
            assert await page.title() != "1"
        assert not at.wrong

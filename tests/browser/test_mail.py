"""Emails on the agent's desk: what came, what is shown of it, and the answer."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.async_api import expect

from cicswitch.acd import commands as acd
from cicswitch.mail.parse import parse
from tests.api.served import EXTRA, served
from tests.browser.page import needs_chromium, picture, screen
from tests.browser.test_talks import SHOTS, shown
from tests.support.ports import free_port

pytestmark = needs_chromium
CHANNEL = """
[channel.mail]
type = "email"
queue = "support"
[channel.mail.settings]
addresses = ["support@example.com"]
signature = "{agent}\\nExample Inc."
trusted = "mx.example.com"
"""
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title=1</script></svg>"
TEXT = """안녕하세요 😀, where is my order <b>4711</b>? The photo shows what came.

On Thu, 26 Nov 2026 at 09:00, Support <support@example.com> wrote:
> Your order is on its way.
"""


def mail() -> bytes:
    message = EmailMessage()
    message["From"] = "박지민 <park@example.org>"
    message["To"] = "support@example.com"
    message["Reply-To"] = "other@example.net"
    message["Subject"] = "Order 4711 <script>"
    message["Message-ID"] = "<one@example.org>"
    message["Authentication-Results"] = "mx.example.com; spf=pass; dkim=pass; dmarc=fail"
    message.set_content(TEXT)
    message.add_attachment(picture(), maintype="image", subtype="png", filename="photo.png")
    message.add_attachment(SVG, maintype="image", subtype="png", filename="logo.png")
    return message.as_bytes()


async def test_a_mail_is_read_and_answered(tmp_path: Path) -> None:
    ours, theirs = free_port(), free_port()
    places = (
        f'[channel.mail.settings.receive]\nlisten = "127.0.0.1:{ours}"\n'
        f'[channel.mail.settings.send]\nserver = "127.0.0.1"\nport = {theirs}\nsecurity = "none"\n'
    )
    got: list[bytes] = []
    came = asyncio.Event()

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            assert isinstance(envelope.content, bytes)
            got.append(envelope.content)
            came.set()
            return "250 OK" if len(got) > 1 else "550 no such user"

    loop = asyncio.get_running_loop()
    sink = await loop.create_server(
        lambda: SMTP(Handler(), loop=loop, hostname="x"), "127.0.0.1", theirs
    )

    def hand_in() -> None:
        with smtplib.LMTP("127.0.0.1", ours) as client:
            client.sendmail("park@example.org", ["support@example.com"], mail())

    async with (
        served(tmp_path, extra=CHANNEL + places + EXTRA, wrap_up_s=60) as api,
        screen(api) as at,
    ):
        page, c = at.page, api.center
        await page.set_viewport_size({"width": 1440, "height": 900})
        c.switch.command(acd.SignOut("kim"))
        await at.sign_in("agent")
        await at.go("desk")
        c.switch.command(acd.SignIn("lee"))
        await asyncio.to_thread(hand_in)
        offer = page.get_by_role("region", name="박지민 writes: email from support")
        await expect(offer.get_by_text("Order 4711 <script>")).to_be_visible()
        await expect(offer.get_by_text("the sender may be forged")).to_be_visible()
        await expect(offer.get_by_text("other@example.net")).to_be_visible()
        await shown(page, "mail-offer")
        await offer.get_by_role("button", name="Take").click()
        talk = page.get_by_role("tabpanel")
        new = TEXT.partition("\n")[0]
        await expect(talk.get_by_text(new, exact=True)).to_be_visible()
        # What is quoted is folded.
        old = talk.get_by_text("Your order is on its way.")
        await expect(old).to_be_hidden()
        await talk.get_by_text("Quoted text").click()
        await expect(old).to_be_visible()
        # A picture is shown; what calls itself one is a file.
        files = talk.get_by_role("list", name="Files", exact=True)
        await expect(files.get_by_role("listitem")).to_have_count(2)
        await expect(files.locator("img")).to_have_count(1)
        wide = "image => image.complete && image.naturalWidth"
        await page.wait_for_function(f"({wide})(document.querySelector('.files img'))")
        async with page.expect_download() as saving:
            await files.get_by_text("logo.png").click()
        download = await saving.value
        assert download.suggested_filename == "logo.png"
        assert (await download.path()).read_bytes() == SVG
        # The answer, with a file; Enter is a new line in a letter.
        line = page.get_by_label("Message to 박지민")
        await line.fill("Good day,")
        await line.press("Enter")
        await line.press_sequentially("it is on its way.")
        await talk.get_by_text("Signature and quotation").click()
        await expect(talk.get_by_text("Example Inc.")).to_contain_text(
            "lee\nExample Inc.\n\n> 안녕하세요 😀", use_inner_text=True
        )
        chosen = tmp_path / "계약.pdf"
        chosen.write_bytes(b"%PDF-1.4")
        empty = tmp_path / "empty.txt"
        empty.write_bytes(b"")
        await talk.locator("input[type=file]").set_input_files([chosen, empty])
        going = talk.get_by_role("list", name="Files to send")
        await expect(going.get_by_text("the file is empty")).to_be_visible()
        await expect(talk.get_by_role("button", name="Send", exact=True)).to_be_disabled()
        await going.get_by_role("button", name="Do not send empty.txt").click()
        await shown(page, "mail-answer")
        await page.set_viewport_size({"width": 390, "height": 844})
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/mail-narrow.png", full_page=True)
        await page.set_viewport_size({"width": 1440, "height": 900})
        await line.press("Control+Enter")
        await asyncio.wait_for(came.wait(), 15)
        # The customer's server has refused it: that is seen.
        await expect(talk.get_by_text("It did not arrive: 550 no such user")).to_be_visible()
        await shown(page, "mail-failed")
        sent = parse(got[0])
        assert sent.text.startswith("Good day,\nit is on its way.\n\nlee\nExample Inc.\n\n")
        assert [(each.name, each.data) for each in sent.pieces] == [("계약.pdf", b"%PDF-1.4")]
        assert sent.in_reply_to == ("one@example.org",)
        assert sent.subject == "Re: Order 4711 <script>"
    sink.close()

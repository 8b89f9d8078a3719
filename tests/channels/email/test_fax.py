"""Faxes by email: what came goes out as mails, once; mails order faxes, once, if they may."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import msgspec
import pytest

from cicswitch.contacts import events as ce
from cicswitch.contacts.faxes import FaxJob
from cicswitch.records.rows import OutboxRecord
from tests.channels.email.test_email import arrived, channel, mailbox
from tests.channels.test_chat import until
from tests.channels.test_fax import WHOLE, came, emptied, fax
from tests.support.center import Center, center
from tests.support.fax import draw_pages, needs_spandsp
from tests.support.fax_machine import machine
from tests.support.mailservers import MailServers, mailing
from tests.support.ports import free_port
from tests.support.wire import wire


def refused(waiting: dict[str, OutboxRecord]) -> bool:
    return [each.dead for each in waiting.values()] == [True]


async def test_a_fax_that_came_is_mailed_once(tmp_path: Path, servers: MailServers) -> None:
    to = '["office@customer.test", "boss@customer.test", "nobody@gone.test", "support@cic.test"]'
    config = fax(free_port(), email='"mail"', email_to=to) + channel(servers)
    came(tmp_path, "whole", WHOLE, 2)
    for run in range(2):
        async with center(tmp_path, extra=config) as switch:
            await emptied(switch)
            conductor = switch.switch.conductor
            waiting = conductor.outbox.waiting
            # What cannot go is there to be seen, and the fax is where it belongs.
            await until(partial(refused, waiting))
            assert "nobody is there" in next(iter(waiting.values())).error
            (contact,) = conductor.contacts.live.values()
            assert contact.origin.medium == "fax"
            assert len(await switch.rows("conversation")) == 4
            state = conductor.faxes.channels["fax"].state()
            assert "an address of this channel" in str(state["problem"])
            for address in ("office@customer.test", "boss@customer.test"):
                (mail,) = await arrived(servers, address)
                assert mail["Subject"] == "Fax, 2 pages from ACME"
                assert mail["Auto-Submitted"] == "auto-generated"
                assert "sent to 6000 by ACME" in mail.as_string()
                (pdf,) = mail.iter_attachments()
                assert pdf.get_content().startswith(b"%PDF-")
        if not run:
            # As if it had been killed before the files were gone.
            came(tmp_path, "whole", WHOLE, 2)
    await asyncio.sleep(0.5)
    assert len(await arrived(servers, "office@customer.test")) == 1


ORDERS = """
[channel.{channel}.settings.fax]
channel = "fax"
domain = "{domain}"
senders = ["*@customer.test"]
{more}
"""
PASS = "mx.test; dmarc=pass; spf=fail"


def ordering(name: str = "mail", domain: str = "cic.test", more: str = "") -> str:
    return ORDERS.format(channel=name, domain=domain, more=more)


def order(number: str, **headers: str) -> EmailMessage:
    """A mail to a number."""
    given = {"From": "Kim <kim@customer.test>", "To": f"{number}@cic.test", "Subject": "Order 7"}
    given |= {"Message_ID": f"<{number}@customer.test>", "Authentication_Results": PASS}
    return mailing(text="As agreed.\n", **(given | headers))


def handed_in(servers: MailServers, mail: bytes, to: str, sender: str) -> str:
    """What our own side answers to a mail by LMTP."""
    with smtplib.LMTP("127.0.0.1", servers.ours, timeout=20) as client:
        try:
            client.sendmail(sender, [to], mail)
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))[1].decode()
        except smtplib.SMTPDataError as error:
            return str(error.smtp_error)
    return "taken"


async def give(servers: MailServers, mail: EmailMessage, sender: str = "kim@customer.test") -> str:
    to = str(mail["To"])
    return await asyncio.to_thread(handed_in, servers, mail.as_bytes(), to, sender)


async def ordered(switch: Center) -> list[str]:
    return [record.number for _, record in await switch.switch.archive.faxes(50)]


async def test_a_mail_orders_a_fax_and_is_told_how_it_went(
    tmp_path: Path, servers: MailServers
) -> None:
    port = free_port()
    config = fax(port, retry_s=0.3) + channel(servers) + ordering()
    async with (
        wire("127.0.0.2", free_port(), port) as trunk,
        center(tmp_path, extra=config) as switch,
    ):
        trunk.server = switch.port
        mail = order("+8225550100")
        draw_pages(tmp_path / "page.tif", 1, rows=300)
        page = (tmp_path / "page.tif").read_bytes()
        mail.add_attachment(page, maintype="image", subtype="tiff", filename="page.tif")
        mail.add_attachment(b"x", maintype="application", subtype="pkcs7", filename="smime.p7s")
        assert await give(servers, mail) == "taken"
        assert await give(servers, mail) == "taken"
        assert await ordered(switch) == ["+8225550100"]
        invite = await trunk.expect("INVITE")
        assert "sip:+8225550100@" in invite
        trunk.reply(invite, "480 Temporarily Unavailable")
        await trunk.expect("ACK")
        # The far end has confirmed it after all: what it says is in the file then.
        waits = await switch.event(ce.FaxChanged, state="waiting")
        place = tmp_path / "var" / "fax" / "fax" / "out"
        (place / f"{waits.fax}.done").write_bytes(msgspec.json.encode(WHOLE))
        (got,) = await arrived(servers, "kim@customer.test")
        assert got["Subject"] == "Fax to +8225550100: sent, 2 pages"
        assert got["In-Reply-To"] == "<+8225550100@customer.test>"
        assert got["Auto-Submitted"] == "auto-generated"
        text = got.get_content()
        assert "was sent: 2 pages, 2 attempts." in text
        assert "Page 1: 1728 x 300 dots, 14400 bit/s, T.6, error correction" in text
        message = await switch.switch.archive.message(waits.fax)
        assert message is not None
        assert [each.name for each in message.attachments] == ["page.tif"]
        record = await switch.switch.archive.conversation(waits.conversation)
        assert record is not None
        assert (record.subject, '"cover":"yes"' in record.data) == ("Order 7", True)
        # A number that there is not.
        await give(servers, order("0255500009"))
        trunk.reply(await trunk.expect("INVITE"), "404 Not Found")
        mails = await arrived(servers, "kim@customer.test", 2)
        assert mails[1]["Subject"] == "Fax to 0255500009: not sent"
        assert "was not sent: not reached: not-found." in mails[1].get_content()
        assert not switch.switch.conductor.contacts.live
        state = switch.switch.conductor.contacts.channels["mail"].state()
        assert (state["faxes_ordered"], state["faxes_refused"]) == (2, 0)


async def test_who_may_not_sends_no_fax(tmp_path: Path, servers: MailServers) -> None:
    config = fax(free_port()) + channel(servers) + ordering(more="cover = false")
    other = {"Authentication_Results": "mx.test; dmarc=none; spf=pass"}
    async with center(tmp_path, extra=config) as switch:
        forged = "nothing shows that it comes from its sender"
        for number, mail, sender, told in (
            ("1", order("1", Authentication_Results="mx.test; dmarc=fail; spf=pass"), "", forged),
            ("2", order("2", Authentication_Results="other.test; dmarc=pass"), "", forged),
            ("3", order("3", **other), "x@evil.test", forged),
            ("4", order("4", From="kim@other.test"), "", "may not send faxes"),
            ("5", order("5", Auto_Submitted="auto-replied"), "", "a machine answers"),
            ("6", order("6"), "", "nothing in it"),
            ("7", order("7"), "", "cannot be faxed"),
            ("x8", order("x8"), "", "no such address"),
            ("*9", order("*9"), "", "no such address"),
        ):
            if number == "7":
                mail.add_attachment(b"MZ", maintype="x", subtype="y", filename="run.exe")
            assert told in await give(servers, mail, sender or "kim@customer.test"), number
        assert await ordered(switch) == []
        assert not switch.switch.conductor.contacts.live
        # Where a domain has no policy, the server that its mail comes from tells.
        mail = order("10", **other)
        mail.add_attachment(b"%PDF-1.4", maintype="x", subtype="y", filename="a.pdf")
        assert await give(servers, mail) == "taken"
        assert await ordered(switch) == ["10"]


async def test_a_mailbox_orders_faxes_and_says_no_by_mail(
    tmp_path: Path, servers: MailServers
) -> None:
    user = "fax@box.test"
    config = fax(free_port()) + mailbox(servers, user).replace(
        "[channel.box.settings.send]", 'trusted = "mx.test"\n[channel.box.settings.send]'
    )
    config += ordering("box", "fax.example.com")

    def send(number: str, sender: str, result: str = PASS) -> None:
        to = f"{number}@fax.example.com"
        mail = order(number, To=to, From=sender, Authentication_Results=result)
        servers.send(mail, sender, user)

    async with center(tmp_path, extra=config) as switch:
        await asyncio.to_thread(send, "1", "x@echo.test", "mx.test; dmarc=fail")
        await asyncio.to_thread(send, "2", "lee@gone.test")
        await asyncio.to_thread(send, "3", "kim@customer.test")
        waiting = switch.switch.conductor.outbox.waiting
        await until(lambda: any(each.channel == "box" for each in waiting.values()), 20)
        (told,) = [each for each in waiting.values() if each.channel == "box"]
        await switch.switch.store.committed()
        message = await switch.switch.archive.message(told.message)
        assert message is not None
        assert message.text == "Your fax to 2 was not sent: this sender may not send faxes."
        async with asyncio.timeout(20):
            while await ordered(switch) != ["3"]:  # noqa: ASYNC110  # the mailbox is read meanwhile
                await asyncio.sleep(0.1)
        assert not switch.switch.conductor.contacts.live


async def test_what_nobody_has_verified_faxes_only_where_that_is_said(
    tmp_path: Path, servers: MailServers
) -> None:
    config = fax(free_port()) + channel(servers) + ordering(more="unverified = true")
    async with center(tmp_path, extra=config) as switch:
        two = order("1", Authentication_Results="mx.test; dmarc=pass").as_bytes()
        two = two.replace(b"\nTo:", b"\nFrom: x@evil.test\nTo:", 1)
        assert "nothing shows" in await asyncio.to_thread(
            handed_in, servers, two, "1@cic.test", "kim@customer.test"
        )
        against = order("2", Authentication_Results="mx.test; spf=softfail; dmarc=none")
        assert "nothing shows" in await give(servers, against)
        assert await give(servers, order("3", Authentication_Results="x.test; spf=fail")) == "taken"
        assert await ordered(switch) == ["3"]


@needs_spandsp
@pytest.mark.realtime
@pytest.mark.soak
async def test_a_mail_comes_out_of_a_fax_machine(tmp_path: Path, servers: MailServers) -> None:
    port = free_port()
    config = fax(port, retry_s=600) + channel(servers) + ordering()
    async with (
        wire("127.0.0.2", free_port(), port) as trunk,
        center(tmp_path, extra=config) as switch,
    ):
        trunk.server = switch.port
        mail = order("0255500001", From="real@customer.test")
        draw_pages(tmp_path / "page.tif", 1, rows=200)
        page = (tmp_path / "page.tif").read_bytes()
        mail.add_attachment(page, maintype="image", subtype="tiff", filename="page.tif")
        mail.replace_header("Subject", "")
        job = FaxJob(receive=str(tmp_path / "came.tif"), ident="far")
        async with machine(trunk, job) as far:
            assert await give(servers, mail) == "taken"
            await far.answer()
            await asyncio.sleep(0.5)
            assert await far.ask_t38()
            assert (await far.result()).ok
        (got,) = await arrived(servers, "real@customer.test")
        assert got["Subject"] == "Fax to 0255500001: sent, 2 pages"

"""Faxes by email: what came goes out as mails, once."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from cicswitch.records.rows import OutboxRecord
from tests.channels.email.test_email import arrived, channel
from tests.channels.test_chat import until
from tests.channels.test_fax import WHOLE, came, emptied, fax
from tests.support.center import center
from tests.support.mailservers import MailServers
from tests.support.ports import free_port


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

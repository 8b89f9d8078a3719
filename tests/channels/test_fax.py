"""The fax channel and its folder: what a crash leaves is taken up once, what is confirmed is not
sent again.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cicswitch.calls import events as ev
from cicswitch.channels import fax as channel_of_faxes
from cicswitch.cli import app
from cicswitch.contacts import events as ce
from cicswitch.contacts.faxes import FaxPage, FaxResult
from cicswitch.core.errors import ConfigError, ResourceError
from cicswitch.media import spandsp
from cicswitch.ports import FaxCall
from cicswitch.switch import faxes as faxes_of_switch
from tests.channels.test_chat import until
from tests.support.center import Center, center
from tests.support.fax import draw_pages
from tests.support.ports import free_port
from tests.support.wire import wire

PAGE = FaxPage(1, 1728, 300, 204.0, 196.0, 0, 14400, "T.6", True)
WHOLE = FaxResult(ok=True, code=0, cause="OK", pages=(PAGE, PAGE), ident="ACME", seconds=30)


def fax(port: int, **settings: object) -> str:
    lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return (
        f'[trunk.pstn]\naddress = "udp:127.0.0.2:{port}"\noptions_s = 0\n'
        '[channel.fax]\ntype = "fax"\nqueue = "support"\n[channel.fax.settings]\n'
        f'trunk = "pstn"\ncaller = "+8225550200"\n{lines}'
    )


def came(folder: Path, name: str, result: FaxResult | None, pages: int) -> None:
    """What a switch that was killed has left of a fax."""
    place = folder / "var" / "fax" / "fax" / "in"
    place.mkdir(parents=True, exist_ok=True)
    if pages:
        draw_pages(place / f"{name}.tif", pages, rows=300)
    call = FaxCall(interaction=name, caller="0255501000", called="6000", at=1_790_000_000.0)
    entry = {"call": call, "result": result}
    (place / f"{name}.json").write_bytes(msgspec.json.encode(entry))


async def emptied(switch: Center) -> None:
    place = switch.folder / "var" / "fax" / "fax" / "in"
    await until(lambda: not list(place.iterdir()))


async def test_what_was_left_is_taken_up_once(tmp_path: Path) -> None:
    came(tmp_path, "whole", WHOLE, 2)
    came(tmp_path, "half", None, 1)
    came(tmp_path, "none", None, 0)
    port = free_port()
    async with center(tmp_path, extra=fax(port)) as switch:
        await emptied(switch)
        archive = switch.switch.archive
        records = {record.id: record for _, record in await archive.faxes(10)}
        assert {name: each.state for name, each in records.items()} == {
            "whole": "received",
            "half": "partial",
        }
        assert records["half"].cause == "the switch was stopped while it came"
        assert (records["whole"].pages, records["half"].pages) == (2, 1)
        contacts = switch.switch.conductor.contacts.live
        assert sorted(each.origin.subject for each in contacts.values()) == [
            "Fax, 2 pages from ACME",
            "Part of a fax, 1 page from 0255501000",
        ]
        assert {each.origin.medium for each in contacts.values()} == {"fax"}
        assert {each.origin.context["fax_complete"] for each in contacts.values()} == {"yes", "no"}
        state = switch.switch.conductor.contacts.channels["fax"].state()
        assert state == {"coming": 0, "going": 0, "problem": ""}
    # As if it had been killed before the files were gone.
    came(tmp_path, "whole", WHOLE, 2)
    async with center(tmp_path, extra=fax(port)) as switch:
        await emptied(switch)
        assert len(await switch.switch.archive.faxes(10)) == 2
        assert len(switch.switch.conductor.contacts.live) == 2
        accepted = [each for each in switch.events if isinstance(each, ce.ContactAccepted)]
        assert accepted == []


async def test_a_fax_is_routed_by_the_dialplan_and_receives_none(tmp_path: Path) -> None:
    plan = (
        '[[route]]\ntrunk = ["fax", "pstn"]\nflow = "a"\n[[flow.a]]\ndo = "fax"\n'
        'on_failed = "b"\n[[flow.b]]\ndo = "queue"\nqueue = "korean"\n'
    )
    (tmp_path / "plan.test.toml").write_text(
        '[[journey]]\nname = "a"\ncalled = "6000"\ntrunk = "pstn"\n'
        'script = ["answer", "fax", "outcome failed", "queue korean"]\n'
    )
    came(tmp_path, "whole", WHOLE, 1)
    async with center(tmp_path, extra=fax(free_port()), plan=plan) as switch:
        placed = await switch.event(ce.ContactPlaced)
        assert placed.queue == "korean"
        file = str(tmp_path / "cicswitch.toml")
        asked = CliRunner().invoke(app, ["dialplan", "test", "--config", file])
        assert asked.exit_code == 0, asked.output


async def test_what_cannot_be_stored_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_of_faxes, "_AGAIN_S", 0.2)
    async with center(tmp_path, extra=fax(free_port())) as switch:
        channel = switch.switch.conductor.faxes.channels["fax"]
        call = FaxCall(interaction="one", caller="0255501000", called="6000", at=1_790_000_000.0)
        job = channel.receives(call)
        draw_pages(Path(job.receive), 2, rows=300)
        # As a disk that is full: no file can be kept.
        folder = switch.switch.attachments.folder
        aside = folder.rename(tmp_path / "aside")
        folder.touch()
        with pytest.raises(ResourceError):
            await channel.received(call, WHOLE)
        assert channel.state()["problem"]
        assert Path(job.receive).exists()
        folder.unlink()
        aside.rename(folder)
        await switch.event(ce.FaxChanged, fax="one", state="received")
        await emptied(switch)
        assert channel.state() == {"coming": 0, "going": 0, "problem": ""}


async def test_what_is_confirmed_is_not_sent_again(tmp_path: Path) -> None:
    port = free_port()
    config = fax(port, retry_s=600, most_pages=2)
    async with wire("127.0.0.2", free_port(), port) as trunk:
        async with center(tmp_path, extra=config) as switch:
            trunk.server = switch.port
            conductor = switch.switch.conductor
            channel = conductor.faxes.channels["fax"]

            def order(number: str, text: str, **data: str) -> str:
                return conductor.do(
                    lambda: conductor.faxes.order(channel, number, text, (), "agent:kim", data)
                ).id

            name = order("+8225550100", "Hello", cover="yes")
            invite = await trunk.expect("INVITE")
            assert "sip:+8225550100@" in invite
            assert "+8225550200" in invite
            trunk.reply(invite, "480 Temporarily Unavailable")
            await trunk.expect("ACK")
            changed = await switch.event(ce.FaxChanged, fax=name, state="waiting")
            assert changed.cause == "not reached: unavailable"
            waits = conductor.outbox.waiting[name]
            assert waits.due_at - switch.switch.clock.now() > 500
            refused = order("+8225550101", "\n" * 30_000, cover="no")
            failed = await switch.event(ce.FaxChanged, fax=refused, state="failed")
            assert failed.cause == "there is no page to send"
            await switch.switch.store.committed()
            # Compiled code takes nothing else for a truth value.
            assert {type(each.dead) for each in await switch.switch.archive.outbox()} == {bool}
        # The far end had confirmed it, and the switch died before it heard of it.
        place = tmp_path / "var" / "fax" / "fax" / "out"
        assert (place / f"{name}.tif").exists()
        (place / f"{name}.done").write_bytes(msgspec.json.encode(WHOLE))
        with sqlite3.connect(tmp_path / "store.db") as db:
            db.execute("UPDATE outbox SET due_at = 0")
        db.close()
        async with center(tmp_path, extra=config) as switch:
            sent = await switch.event(ce.FaxChanged, fax=name, state="sent")
            assert sent.pages == 2
            await until(lambda: name not in switch.switch.conductor.outbox.waiting)
            await until(lambda: not list(place.glob(f"{name}*")))
            record = await switch.switch.archive.fax(name)
            assert record is not None
            assert (record.state, record.attempts) == ("sent", 2)
            assert await switch.switch.attachments.read(record.tiff)
            assert not [each for each in switch.events if isinstance(each, ev.LegStarted)]
        assert not [each for each in trunk.seen if each.startswith("INVITE")]


async def test_a_terminal_that_never_was_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faxes_of_switch, "_FOLLOWS_S", 0.2)
    plan = '[[route]]\ncalled = "6000"\nflow = "a"\n[[flow.a]]\ndo = "fax"\nt38 = false\n'
    port = free_port()
    async with (
        wire("127.0.0.2", free_port(), port) as trunk,
        center(tmp_path, extra=fax(port), plan=plan) as switch,
    ):
        trunk.server = switch.port
        # As if the leg had closed before the command came there.
        monkeypatch.setattr(switch.switch.media, "fax", lambda *_: None)
        call_id = trunk.call("6000")
        ok = await trunk.expect("SIP/2.0 200", having=call_id)
        trunk.ack(ok)
        coming = switch.switch.conductor.faxes._coming
        await switch.until(lambda: coming)
        trunk.within(ok, "BYE")
        await switch.until(lambda: not coming)
        await switch.empty()
        assert switch.switch.conductor.faxes.counters["failed"] == 1


async def test_settings_and_library_are_spoken_of_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"channel.fax.settings.modems.*v34"):
        async with center(tmp_path, extra=fax(9, modems='["v34"]')):
            pass
    with pytest.raises(ConfigError, match=r"channel.fax.settings.trunk.*a trunk"):
        async with center(tmp_path, extra=fax(9).replace('trunk = "', 'trunk = "no')):
            pass
    mailed = 'email_to = ["a@b.test", "x"]\nemail = "mail"'
    for given, told in (
        (mailed, r"email.*a channel of type email"),
        (mailed, r"email_to\[1\].*an address like"),
        ('email_to = ["a@b.test"]', "one of email and email_to"),
    ):
        with pytest.raises(ConfigError, match=told):
            async with center(tmp_path, extra=fax(9) + given):
                pass
    monkeypatch.setattr(spandsp, "LIBRARY", "libnowhere.so.2")
    monkeypatch.setattr(spandsp, "_loaded", [])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    async with center(tmp_path, extra=fax(9)) as switch:
        assert "apt-get install libspandsp2" in switch.switch.degraded["fax"]
        asked = CliRunner().invoke(app, ["check", str(tmp_path / "cicswitch.toml")])
        assert asked.exit_code == 0
        notes = [line for line in asked.output.splitlines() if line.startswith("note: ")]
        assert len(notes) == 2
        assert "libspandsp2" in notes[0]
        assert "ghostscript" in notes[1]
    await asyncio.sleep(0)

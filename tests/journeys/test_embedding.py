"""A program that embeds the switch: it calls out, joins calls, and puts one into a queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.core.errors import CommandError, Conflict
from tests.support.center import center
from tests.support.phone import phone

pytestmark = pytest.mark.interop


async def test_a_program_joins_two_phones_that_it_called(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1003", c.server, "--answer-after", "0") as one,
        phone("2002", c.server, "--answer-after", "0") as two,
    ):
        a = await c.switch.originate("1003", caller="100")
        await c.switch.play(a, "welcome")
        b = await c.switch.originate("2002", caller="100")
        c.switch.bridge(a, b)
        await c.event(ev.Bridged)
        one.do("hangup")
        await two.expect("disconnected")
        await c.empty()
        with pytest.raises(Conflict):
            c.switch.bridge(a, b)


async def test_a_program_puts_a_call_that_it_made_into_a_queue(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server, "--answer-after", "0"),
        phone("2002", c.server, "--answer-after", "0") as customer,
    ):
        call = await c.switch.originate("2002")
        c.switch.queue(call, "korean", skills={"korean": 80}, priority=5)
        await c.event(acd_events.InteractionConnected, agent="kim")
        c.switch.hangup(call)
        await customer.expect("disconnected")
        await c.empty()


async def test_who_cannot_be_called_is_an_error_with_the_reason(tmp_path: Path) -> None:
    async with center(tmp_path) as c, phone("2002", c.server, "--reject", "486"):
        with pytest.raises(CommandError, match="busy"):
            await c.switch.originate("2002")
        with pytest.raises(CommandError, match="unavailable"):
            await c.switch.originate("1003")
        with pytest.raises(CommandError, match="not-found"):
            await c.switch.originate("nothing:1")
        await c.empty()

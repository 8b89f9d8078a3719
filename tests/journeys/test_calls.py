"""Whole calls with PJSIP phones: devices, digits, transports, refusals, voicemail, dialling."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cicswitch.calls import events as ev
from tests.support.center import center
from tests.support.phone import phone
from tests.support.sound import read_wav, write_tone

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("method", ["rfc4733", "info"])
async def test_all_sixteen_digits_arrive_once_and_in_order(tmp_path: Path, method: str) -> None:
    taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def take(call: object, digits: str) -> None:
        taken.set_result(digits)

    async with (
        center(tmp_path, functions={"take": take}) as c,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5001")
        await customer.expect("confirmed")
        await customer.expect("media")
        if method == "info":
            for digit in "1234567890*#ABCD":
                customer.do("dtmf", digits=digit, method="info")
        else:
            customer.do("dtmf", digits="1234567890*#ABCD")
        assert await asyncio.wait_for(taken, 15) == "1234567890*#ABCD"
        await customer.expect("disconnected")
        await c.empty()


async def test_a_wrong_password_does_not_register(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("2001", c.server, "--password", "wrong") as customer,
    ):
        answer = await customer.expect("registration")
        assert answer["status"] in (401, 403)
        assert c.switch.sip.devices.registered() == []


async def test_a_number_that_nobody_has_is_answered_404(tmp_path: Path) -> None:
    async with center(tmp_path) as c, phone("2001", c.server) as customer:
        customer.do("call", to="5999")
        assert (await customer.expect("disconnected"))["status"] == 404
        await c.empty()


async def test_a_device_that_is_not_registered_is_answered_480(tmp_path: Path) -> None:
    async with center(tmp_path) as c, phone("2001", c.server) as customer:
        customer.do("call", to="1003")
        assert (await customer.expect("disconnected"))["status"] == 480
        await c.empty()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_phones_call_each_other(tmp_path: Path, transport: str) -> None:
    async with (
        center(tmp_path) as c,
        phone("1003", c.server, "--transport", transport, "--answer-after", "0") as callee,
        phone("2001", c.server, "--transport", transport) as caller,
    ):
        caller.do("call", to="1003")
        await callee.expect("confirmed")
        await caller.expect("confirmed")
        callee.do("hangup")
        await caller.expect("disconnected")
        await c.empty()


async def test_two_phones_ring_and_the_first_answer_wins(tmp_path: Path) -> None:
    async with (
        center(tmp_path) as c,
        phone("1001", c.server) as slow,
        phone("1002", c.server, "--answer-after", "1") as quick,
        phone("2001", c.server) as caller,
    ):
        caller.do("call", to="5004")
        await slow.expect("incoming")
        await quick.expect("confirmed")
        await slow.expect("disconnected")
        caller.do("hangup")
        await quick.expect("disconnected")
        await c.empty()


async def test_who_is_not_reached_may_leave_a_message(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "t.wav", 500)
    async with (
        center(tmp_path) as c,
        phone("1001", c.server),
        phone("2001", c.server, "--play", str(tone), "--loop") as caller,
    ):
        caller.do("call", to="5004")
        await caller.expect("confirmed", timeout=15)
        answered = await c.event(ev.LegAnswered)
        await c.until(lambda: c.switch.clock.now() > answered.at + 3)
        caller.do("hangup")
        message = await c.event(ev.VoicemailLeft)
        assert message.duration_ms > 1500
        await c.empty()
    assert abs(read_wav(Path(message.path))[0]).max() > 4000

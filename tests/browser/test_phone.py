"""The browser as an agent's phone: Chromium at the console, PJSIP phones at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from cicswitch.acd import commands as acd
from cicswitch.calls import events as ev
from tests.api.served import Served, served
from tests.browser.page import PROGRAM, Screen, needs_chromium
from tests.browser.sound import heard, hears, talker
from tests.support.phone import phone
from tests.support.sound import longest_tone, read_wav, write_tone

pytestmark = needs_chromium

KEEP = """
const Plain = RTCPeerConnection;
window.connections = [];
window.RTCPeerConnection = class extends Plain {
  constructor(...given) { super(...given); window.connections.push(this); }
};
"""
CODECS = """
async () => {
  const stats = await window.connections.at(-1).getStats();
  const found = {};
  for (const each of stats.values())
    if (each.type === "inbound-rtp" || each.type === "outbound-rtp")
      found[each.type] = stats.get(each.codecId).mimeType;
  return found;
}
"""
"""The codecs of the last connection, by direction."""


@contextlib.asynccontextmanager
async def at_work(
    folder: Path, api: Served, script: str = "", *flags: str, program: str = PROGRAM
) -> AsyncIterator[Screen]:
    """The agent lee at the console, whose microphone hears 620 Hz, ready by this browser."""
    c = api.center
    c.switch.command(acd.Pause("kim", ""))
    async with talker(folder, 620, *flags, program=program) as browser:
        context = await browser.new_context(locale="en-GB", permissions=["microphone", "camera"])
        await context.add_init_script(KEEP + script)
        at = Screen(await context.new_page(), api.url)
        await at.sign_in("agent")
        await at.go("desk")
        await at.page.get_by_role("button", name="Use this browser as phone").click()
        await expect(at.page.get_by_text("Ready for calls")).to_be_visible()
        c.switch.command(acd.SignIn("lee"))
        yield at
        await context.close()


@pytest.mark.realtime
async def test_an_agent_takes_a_call_in_the_browser(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    kept = tmp_path / "heard.wav"
    async with (
        served(tmp_path) as api,
        at_work(tmp_path, api) as at,
        phone("2001", api.center.server, "--play", str(tone), "--record", str(kept)) as customer,
    ):
        page = at.page
        customer.do("call", to="5000")
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        assert await hears(page, 440) > 0.8
        codecs = await page.evaluate(CODECS)
        assert codecs == {"inbound-rtp": "audio/opus", "outbound-rtp": "audio/opus"}
        await page.get_by_label("Phone", exact=True).get_by_role("button", name="Hang up").click()
        await customer.expect("disconnected")
        assert not at.wrong
    seconds, gap_ms = longest_tone(read_wav(kept)[0], 620)
    assert seconds > 2.5
    # A machine that stands still for a moment is no fault of the call: once a second was missing.
    assert gap_ms <= 1500


async def test_hold_mute_digits_and_transfer(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        at_work(tmp_path, api) as at,
        phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
        phone("1003", api.center.server, "--answer-after", "0") as colleague,
    ):
        page = at.page
        customer.do("call", to="5000")
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        await heard(page, 440)
        await page.get_by_role("button", name="Hold", exact=True).first.click()
        await expect(page.get_by_text("on hold").first).to_be_visible()
        await heard(page, 440, no=True)
        await page.get_by_role("button", name="Resume", exact=True).first.click()
        await heard(page, 440)
        await page.get_by_role("button", name="Keypad").click()
        await page.get_by_role("group", name="Keypad").get_by_text("7", exact=True).click()
        await customer.expect("dtmf", digit="7")
        phone_bar = page.get_by_label("Phone", exact=True)
        await phone_bar.get_by_role("button", name="Transfer", exact=True).click()
        await phone_bar.get_by_label("Transfer to number").fill("1003")
        await phone_bar.get_by_role("button", name="Transfer", exact=True).last.click()
        await colleague.expect("confirmed")
        await expect(phone_bar.get_by_role("button", name="Hang up")).to_have_count(0)
        customer.do("hangup", call=0)
        await colleague.expect("disconnected")


async def test_a_lost_connection_comes_back_and_the_call_goes_on(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        at_work(tmp_path, api) as at,
        phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
    ):
        page = at.page
        customer.do("call", to="5000")
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        await heard(page, 440)
        # Nothing gets through for two seconds, either way.
        browsers = api.switch.browsers
        assert browsers is not None
        assert browsers._process is not None
        os.kill(browsers._process.pid, signal.SIGSTOP)
        await asyncio.sleep(2)
        os.kill(browsers._process.pid, signal.SIGCONT)
        await heard(page, 440)
        # The WebSocket breaks: what the switch says next goes by the new one.
        before = api.switch.sip.transports._by_user.copy()
        for web in before.values():
            web.close()
        transports = api.switch.sip.transports
        await api.center.until(lambda: transports._by_user not in ({}, before))
        await expect(page.get_by_text("Ready for calls")).to_be_visible()
        await heard(page, 440)
        customer.do("hangup", call=0)
        phone_bar = page.get_by_label("Phone", exact=True)
        await expect(phone_bar.get_by_role("button", name="Hang up")).to_have_count(0)


async def test_a_page_that_is_loaded_again_gives_the_caller_back(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        at_work(tmp_path, api) as at,
        phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
    ):
        page = at.page
        customer.do("call", to="5000")
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        await heard(page, 440)
        began = asyncio.get_running_loop().time()
        await page.reload()
        await api.center.event(ev.AgentLost, timeout=6)
        assert asyncio.get_running_loop().time() - began < 5
        # The phone is there again by itself; ready again, he has the same caller.
        await expect(page.get_by_text("Ready for calls")).to_be_visible()
        await page.get_by_role("button", name="Ready", exact=True).click()
        await page.get_by_role("button", name="Answer", exact=True).click()
        await heard(page, 440)
        assert len(api.switch.calls) == 1
        customer.do("hangup", call=0)

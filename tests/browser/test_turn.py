"""A browser whose only way is a TURN server: coturn. It dies and comes back in the middle."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from cicswitch.calls import events as ev
from tests.api.served import EXTRA, served
from tests.browser.page import needs_chromium
from tests.browser.sound import heard
from tests.browser.test_phone import at_work
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.sound import write_tone

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(not shutil.which("turnserver"), reason="Debian's coturn is not here"),
]
SECRET = "a secret of both"
RELAY = """
const Any = RTCPeerConnection;
window.RTCPeerConnection = class extends Any {
  constructor(settings, ...more) { super({ ...settings, iceTransportPolicy: "relay" }, ...more); }
};
"""
PAIR = """
async () => {
  const stats = await window.connections.at(-1).getStats();
  for (const each of stats.values())
    if (each.type === "transport" && each.selectedCandidatePairId) {
      const pair = stats.get(each.selectedCandidatePairId);
      return stats.get(pair.localCandidateId).candidateType;
    }
  return "";
}
"""


@contextlib.asynccontextmanager
async def turn(port: int) -> AsyncIterator[None]:
    """A TURN server, until it is killed."""
    process = await asyncio.create_subprocess_exec(
        *("turnserver", "--listening-ip=127.0.0.1", f"--listening-port={port}"),
        *("--relay-ip=127.0.0.1", "--use-auth-secret", f"--static-auth-secret={SECRET}"),
        *("--realm=test", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli"),
        *("--no-multicast-peers", "--log-file=stdout", "--simple-log", "--pidfile=", "-n"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.1)
        yield
    finally:
        process.kill()
        await process.wait()


async def way(page: Page) -> str:
    """The kind of candidate by which the browser sends."""
    return str(await page.evaluate(PAIR))


async def test_a_call_by_turn_outlives_the_turn_server(tmp_path: Path) -> None:
    port = free_port()
    extra = f'{EXTRA}[webrtc]\nice_servers = ["turn:127.0.0.1:{port}"]\nturn_secret = "{SECRET}"\n'
    extra += "lost_s = 60\n"
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path, extra=extra) as api,
        contextlib.AsyncExitStack() as stack,
        at_work(tmp_path, api, RELAY) as at,
        phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
    ):
        server = turn(port)
        await server.__aenter__()
        page = at.page
        customer.do("call", to="5000")
        await page.get_by_role("button", name="Answer", exact=True).click()
        await customer.expect("confirmed")
        await heard(page, 440)
        assert await way(page) == "relay"
        await server.__aexit__(None, None, None)
        await heard(page, 440, no=True)
        await stack.enter_async_context(turn(port))
        # What the browser finds out after some seconds leads to new candidates by a re-INVITE.
        for _ in range(40):
            with contextlib.suppress(AssertionError):
                await heard(page, 440)
                break
        await heard(page, 440)
        assert await way(page) == "relay"
        assert not [e for e in api.center.events if isinstance(e, ev.LegEnded)]
        await page.get_by_label("Phone", exact=True).get_by_role("button", name="Hang up").click()
        await customer.expect("disconnected")

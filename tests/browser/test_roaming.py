"""A browser with two networks, in a namespace of its own: one goes away in the middle of a call."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from cicswitch.calls import events as ev
from tests.api.served import EXTRA, served
from tests.browser.page import PROGRAM, needs_chromium
from tests.browser.sound import heard
from tests.browser.test_phone import at_work
from tests.support import center
from tests.support.phone import phone
from tests.support.sound import write_tone

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"),
        reason="network namespaces need root, iproute2 and util-linux",
    ),
]
_NEWNET = 0x40000000
SWITCH = "10.77.0.1"
SOCKETS = """
const Any = WebSocket;
window.phones = [];
window.WebSocket = class extends Any {
  constructor(url, ...more) { super(url, ...more); if (url.endsWith("/sip")) phones.push(this); }
};
"""
AGAIN = "() => phones.length > 1 && phones.at(-1).readyState === 1"


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """This thread in a network of its own, and the process whose network is a browser's: it
    reaches `SWITCH` by w1, and by w2 where that is gone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(_NEWNET):
        os.close(before)
        pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
    other = subprocess.Popen(("unshare", "--net", "sleep", "300"))
    try:
        _ip("link", "set", "lo", "up")
        _ip("address", "add", SWITCH, "dev", "lo")
        there = ("nsenter", "--target", str(other.pid), "--net", "ip")
        own = Path("/proc/thread-self/ns/net").readlink()
        for _ in range(500):
            if Path(f"/proc/{other.pid}/ns/net").readlink() != own:
                break
            time.sleep(0.01)  # a process that becomes another tells nobody
        else:
            raise AssertionError("the other network was not made")
        subprocess.run((*there, "link", "set", "lo", "up"), check=True)
        for number in ("1", "2"):
            _ip(
                *("link", "add", f"v{number}", "type", "veth"),
                *("peer", "name", f"w{number}", "netns", str(other.pid)),
            )
            _ip("address", "add", f"10.77.{number}.1/24", "dev", f"v{number}")
            _ip("link", "set", f"v{number}", "up")
            subprocess.run(
                (*there, "address", "add", f"10.77.{number}.2/24", "dev", f"w{number}"), check=True
            )
            subprocess.run((*there, "link", "set", f"w{number}", "up"), check=True)
            subprocess.run(
                (*there, "route", "add", "default", "via", f"10.77.{number}.1", "metric", number),
                check=True,
            )
        yield other.pid
    finally:
        other.kill()
        other.wait()
        libc.setns(before, _NEWNET)
        os.close(before)


async def test_a_call_goes_on_when_its_network_is_gone(
    tmp_path: Path, elsewhere: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        center, "CONFIG", center.CONFIG.replace('http = "127.0.0.1:0"', f'http = "{SWITCH}:0"')
    )
    extra = f'{EXTRA}[webrtc]\nhost = "{SWITCH}"\nlost_s = 60\n'
    tone = write_tone(tmp_path / "440.wav", 440)
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nexec nsenter --target {elsewhere} --net "{PROGRAM}" "$@"\n')
    program.chmod(0o755)
    async with served(tmp_path, extra=extra) as api:
        api.url = f"http://{SWITCH}:{api.web.server.port}"
        async with (
            at_work(
                *(tmp_path, api, SOCKETS, f"--unsafely-treat-insecure-origin-as-secure={api.url}"),
                program=str(program),
            ) as at,
            phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
        ):
            page = at.page
            customer.do("call", to="5000")
            await page.get_by_role("button", name="Answer", exact=True).click()
            await customer.expect("confirmed")
            await heard(page, 440)
            _ip("link", "delete", "v1")
            # Media goes the other way by itself, and the page finds out that its WebSocket leads
            # nowhere any more.
            await page.wait_for_function(AGAIN, timeout=30_000)
            await heard(page, 440)
            assert not [each for each in api.center.events if isinstance(each, ev.LegEnded)]
            call = page.get_by_label("Phone", exact=True).get_by_role("button", name="Hang up")
            await expect(call).to_be_visible()
            customer.do("hangup", call=0)
            await expect(call).to_be_hidden()

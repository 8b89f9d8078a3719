"""No log line tells a secret, a number, a digit or a name, at any level and in either format."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.operation.test_daemon import configure
from tests.support import scenarios
from tests.support.lossy import link
from tests.support.phone import Phone, phone
from tests.support.ports import free_port
from tests.support.sipp import run_uac

pytestmark = pytest.mark.interop

CALLER = "821055512345"
"""Of a customer behind the trunk; what is left of it in a log is its last two digits."""
DEVICE = "0312340077"
PASSWORD = "Sesam-8nYq"
WRONG = "wrong-4kPz"
DIGITS = "739150"
NAME = "Hildegard"

PROGRAM = """
import asyncio, sys
import cicswitch
from cicswitch.runtime import log

async def check(call, digits):
    raise ValueError(f"no account {digits} of {call.caller}, <sip:{call.caller}@example.org>")

async def main(path, style, redact):
    log.configure("debug", style, redact == "yes")
    async with cicswitch.Switch(path, functions={"check": check}):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(*sys.argv[1:]))
"""
PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "support"
[[route]]
called = "5001"
flow = "digits"
[[flow.digits]]
do = "collect"
into = "digits"
most = 6
[[flow.digits]]
do = "python"
call = "check"
arguments = { digits = "{digits}" }
[[route]]
called = "5003"
flow = "box"
[[flow.box]]
do = "voicemail"
box = "main"
"""


@contextlib.asynccontextmanager
async def running(file: Path, style: str, redact: bool) -> AsyncIterator[None]:
    """The switch as another program embeds it, with its log in `log`."""
    with (file.parent / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, str(file), style, "yes" if redact else "no"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
        yield
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


def shout(server: tuple[str, int]) -> None:
    """Malformed messages and streams that hold all of it."""
    text = f"REGISTER sip:{DEVICE} SIP/9\r\nFrom: {NAME} {CALLER}\r\nX: {PASSWORD} {DIGITS}\r\n"
    bad = [f"{text}Content-Length: {PASSWORD}\r\n\r\n", f"{text}CSeq: {DIGITS}\r\n\r\n", PASSWORD]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in bad:
            sock.sendto(data.encode(), server)
    with socket.create_connection(server) as stream:
        stream.sendall(bad[0].encode())
        with contextlib.suppress(ConnectionError):
            stream.recv(1)


async def calls(device: Phone) -> None:
    """One to the step that fails on the digits, one to the voicemail that cannot be recorded."""
    device.do("call", to="5001")
    await device.expect("confirmed")
    await device.expect("media")
    device.do("dtmf", digits=DIGITS)
    await device.expect("disconnected", timeout=20)
    device.do("call", to="5003")
    await device.expect("disconnected", timeout=20)


@pytest.mark.parametrize(
    ("style", "redact"),
    [
        ("json", True),
        pytest.param("console", True, marks=pytest.mark.soak),
        pytest.param("json", False, marks=pytest.mark.soak),
    ],
)
async def test_logs_of_calls_hold_nothing_that_they_must_not(
    tmp_path: Path, style: str, redact: bool
) -> None:
    port, near = free_port(), free_port()
    (tmp_path / "box").write_text("")  # a file where the voicemails' folder should be
    extra = f"""
[trunk.near]
address = "udp:127.0.0.2:{near}"
options_s = 0
[device.{DEVICE}]
name = "{NAME}"
password = "{PASSWORD}"
[recording]
min_free_mb = 0
voicemail = "box/mail"
"""
    file = configure(tmp_path, port, free_port(), extra=extra, plan=PLAN)
    text = file.read_text().replace(
        f"udp:127.0.0.1:{port}", f'udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}'
    )
    file.write_text(text)
    server = f"127.0.0.1:{port}"
    customer = scenarios.CALLER["caller hangs up"]
    customer = customer.replace("<sip:5550[call_number]", f'"{NAME}" <sip:+{CALLER}')
    scenario = scenarios.write(tmp_path, "customer", customer)
    wire: list[bytes] = []

    def listen(up: bool, data: bytes) -> bool:
        wire.append(data)
        return False

    own = free_port()
    at = ("--bind", "127.0.0.2", "--port", str(own))
    async with (
        running(file, style, redact),
        phone("1001", server, "--answer-after", "0"),
        link(("127.0.0.2", own), "127.0.0.4", ("127.0.0.1", port), "127.0.0.5") as line,
    ):
        line.lose = listen
        line.carries_rtp = True
        async with phone(DEVICE, f"127.0.0.5:{port}", "--password", WRONG, *at) as stranger:
            await stranger.expect("registration")
        async with phone(DEVICE, f"127.0.0.5:{port}", "--password", PASSWORD, *at) as device:
            await calls(device)
        status, out = await run_uac(
            server,
            "5000",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-sf", str(scenario), "-m", "1"),
        )
        assert status == 0, out[-2000:]
        await asyncio.to_thread(shout, ("127.0.0.1", port))

    log = (tmp_path / "log").read_text()
    said = {
        *("interaction", "device_registered", "python_step_failed", "recording_failed"),
        *("stream_malformed", "ValueError"),
    }
    assert not {word for word in said if word not in log}
    digests = set(re.findall(rb'(?:response|nonce|cnonce)="([^"]+)"', b"".join(wire)))
    assert len(digests) > 6  # of two registrations and two calls
    secrets = {PASSWORD, WRONG, "phone-1001", NAME, *(digest.decode() for digest in digests)}
    assert not {secret for secret in secrets if secret in log}
    numbers = {CALLER, DEVICE, DIGITS}
    found = {number for number in numbers if number in log}
    # Without redaction they are all there: the test does see what it looks for.
    assert found == (set() if redact else numbers)

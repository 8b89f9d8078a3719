"""baresip as agent: registers, is called, answers, and hears the customer."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from tests.support.center import center
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.sound import write_tone

pytestmark = pytest.mark.interop

CONFIG = """
sip_listen 127.0.0.1:{sip}
net_interface 127.0.0.1
audio_player none
audio_source aufile,{tone}
module_path /usr/lib/baresip/modules
module stdio.so
module uuid.so
module g711.so
module aufile.so
module_app account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
rtp_ports {rtp}-{rtp_end}
"""


async def test_baresip_takes_a_call_from_a_queue_and_hangs_up(tmp_path: Path) -> None:
    program = shutil.which("baresip")
    if program is None:
        pytest.skip("baresip is not installed: apt-get install baresip-core")
    folder = tmp_path / "baresip"
    folder.mkdir()
    sip, control, rtp = free_port(), free_port(), free_port()
    tone = write_tone(tmp_path / "t.wav", 620)
    only_md5 = (
        '[sip]\ndigest = ["MD5"]\n'  # baresip 1.0 gives up on a challenge that it does not know
    )
    async with center(tmp_path, extra=only_md5) as c, phone("2001", c.server) as customer:
        (folder / "config").write_text(
            CONFIG.format(
                sip=sip, folder=folder, tone=tone, control=control, rtp=rtp, rtp_end=rtp + 8
            )
        )
        (folder / "accounts").write_text(
            f"<sip:1001@{c.server}>;auth_user=1001;auth_pass=phone-1001;answermode=auto;regint=600\n"
        )
        process = await asyncio.create_subprocess_exec(
            *(program, "-f", str(folder)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await c.until(lambda: "1001" in c.switch.sip.devices.registered(), 15)
            customer.do("call", to="5000")
            await c.event(acd_events.InteractionConnected, agent="kim")
            bridged = await c.event(ev.Bridged)
            await c.until(lambda: c.switch.clock.now() > bridged.at + 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", control)
            command = json.dumps({"command": "hangup", "token": "x"})
            writer.write(f"{len(command)}:{command},".encode())
            await customer.expect("disconnected")
            writer.close()
            await c.empty()
            assert reader is not None
        finally:
            process.terminate()
            await process.wait()
        legs = await c.rows("leg")
        assert min(leg["packets_received"] for leg in legs) > 30

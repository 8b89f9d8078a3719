"""The example of docs/examples runs as it stands, with a phone of PJSIP."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.support.center import CONFIG
from tests.support.phone import phone
from tests.support.ports import free_port, rtp_ports

EXAMPLE = Path(__file__).parents[2] / "docs/examples/embed.py"
PLAN = """
[[route]]
called = "5000"
flow = "main"
[[flow.main]]
do = "python"
call = "rate"
[[flow.main]]
do = "hangup"
reason = "busy"
[[flow.vip]]
do = "queue"
queue = "support"
"""


async def test_the_embedding_example_brings_a_caller_to_an_agent(tmp_path: Path) -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 40
    port = free_port()
    (tmp_path / "plan.toml").write_text(PLAN)
    text = CONFIG.format(
        listen=f'"udp:127.0.0.1:{port}"',
        media=rtp_ports(),
        ring_s=20,
        wrap_up_s=0,
        sounds="",
        extra="",
    )
    (tmp_path / "cicswitch.toml").write_text(text)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), str(tmp_path / "cicswitch.toml")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert program.stdout is not None
    out: list[str] = []

    async def until(word: str) -> None:
        assert program.stdout is not None
        async with asyncio.timeout(15):
            while line := (await program.stdout.readline()).decode():
                out.append(line)
                if word in line:
                    return
        raise AssertionError(f"no {word}: {out}")

    try:
        server = f"127.0.0.1:{port}"
        async with (
            phone("1001", server, "--answer-after", "0"),
            phone("2001", server, register=False) as customer,
        ):
            customer.do("call", to="5000")
            await customer.expect("confirmed")
            await until("kim took")
            customer.do("hangup")
            await until("ended")
        async with asyncio.timeout(15):
            await program.stdout.read()
            assert await program.wait() == 0
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()

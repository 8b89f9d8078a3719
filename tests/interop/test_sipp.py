"""SIPp as customer and as far end, over trunks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cicswitch.acd import events as acd_events
from tests.support.center import center
from tests.support.ports import free_port
from tests.support.sipp import run_uac, uas

pytestmark = pytest.mark.interop

PLAN = """
[[route]]
called = "_X."
trunk = "near"
flow = "dial"
[[flow.dial]]
do = "dial"
to = "far:{called}"
"""


def trunks(near: str, far: str) -> str:
    return f"""
[trunk.near]
address = "{near}"
options_s = 0
[trunk.far]
address = "{far}"
options_s = 0
"""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_between_two_trunks_over_udp_and_tcp(tmp_path: Path, transport: str) -> None:
    near, far = free_port(), free_port()
    extra = trunks(f"{transport}:127.0.0.2:{near}", f"{transport}:127.0.0.3:{far}")
    kind = ("-t", "t1") if transport == "tcp" else ("-t", "u1")
    async with (
        center(tmp_path, extra=extra, plan=PLAN) as c,
        uas("127.0.0.3", far, tmp_path, *kind),
    ):
        status, out = await run_uac(
            c.server,
            "4711",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-m", "20", "-r", "10", "-d", "200", *kind),
        )
        assert status == 0, out[-2000:]
        await c.empty()
        records = await c.rows("interaction")
        assert len(records) == 20
        assert {record["called"] for record in records} == {"4711"}


async def test_a_call_from_ipv6_goes_out_over_ipv4(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    extra = trunks(f"udp:[::1]:{near}", f"udp:127.0.0.3:{far}")
    async with (
        center(tmp_path, extra=extra, plan=PLAN, ipv6=True) as c,
        uas("127.0.0.3", far, tmp_path),
    ):
        status, out = await run_uac(
            c.server6,
            "4711",
            host="::1",
            port=near,
            folder=tmp_path,
            options=("-m", "5", "-r", "5", "-d", "200"),
        )
        assert status == 0, out[-2000:]
        await c.empty()


async def test_a_number_without_route_is_answered_404(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    extra = trunks(f"udp:127.0.0.2:{near}", f"udp:127.0.0.3:{far}")
    plan = PLAN.replace('"_X."', '"999"')
    async with center(tmp_path, extra=extra, plan=plan) as c:
        status, out = await run_uac(
            c.server,
            "4711",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=(
                "-m",
                "1",
            ),
        )
        assert status != 0
        assert "404" in "".join(p.read_text() for p in tmp_path.glob("*errors.log")) + out
        await c.empty()


AGENTS = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "pbx"
"""


async def test_agents_behind_a_trunk_of_tcp_take_calls_over_one_connection(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    extra = trunks(f"udp:127.0.0.2:{near}", f"tcp:127.0.0.3:{far}").replace(
        "trunk.far", "trunk.pbx"
    )
    extra += '[queue.pbx]\nagents = ["a0", "a1", "a2"]\nwrap_up_s = 0\n'
    for n in range(3):
        extra += f'[agent.a{n}]\ndevice = "pbx:700{n}"\nsigned_in = true\n'
    async with (
        center(tmp_path, extra=extra, plan=AGENTS) as c,
        uas("127.0.0.3", far, tmp_path, "-t", "t1"),
    ):
        status, out = await run_uac(
            c.server,
            "5000",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-m", "15", "-r", "10", "-d", "300"),
        )
        assert status == 0, out[-2000:]
        assert c.switch.sip.transports.connections == 1
        await c.empty()
        records = await c.rows("interaction")
        assert [record["outcome"] for record in records] == ["handled"] * 15
        served = {row["agent"] for row in await c.rows("handled")}
        assert served == {"a0", "a1", "a2"}
        assert {c.state(f"a{n}") for n in range(3)} == {"idle"}


async def test_a_pbx_that_hangs_up_the_connection_costs_the_offer_not_the_call(
    tmp_path: Path,
) -> None:
    """The agent at the PBX is unreachable at once, not after the 32 s of a timeout."""

    def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    near, far, broken = free_port(), free_port(), free_port()
    extra = trunks(f"udp:127.0.0.2:{near}", f"tcp:127.0.0.3:{far}").replace(
        "trunk.far", "trunk.pbx"
    )
    extra += f'[trunk.old]\naddress = "tcp:127.0.0.5:{broken}"\noptions_s = 0\n'
    extra += '[queue.pbx]\nagents = ["first", "second"]\nwrap_up_s = 0\nselect = "most-skilled"\n'
    extra += "skills = { korean = 1 }\n"
    extra += '[agent.first]\ndevice = "old:7000"\nsigned_in = true\nskills = { korean = 90 }\n'
    extra += '[agent.second]\ndevice = "pbx:7000"\nsigned_in = true\nskills = { korean = 10 }\n'
    listening = await asyncio.start_server(gone, "127.0.0.5", broken)
    async with (
        listening,
        center(tmp_path, extra=extra, plan=AGENTS) as c,
        uas("127.0.0.3", far, tmp_path, "-t", "t1"),
    ):
        status, out = await run_uac(
            c.server,
            "5000",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-m", "1", "-d", "300"),
        )
        assert status == 0, out[-2000:]
        offered = await c.event(acd_events.Reserved, agent="first")
        connected = await c.event(acd_events.InteractionConnected, agent="second")
        assert connected.at - offered.at < 2
        await c.empty()

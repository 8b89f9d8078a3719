"""SIPp as customer and as far end, over trunks."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    extra = extra.replace("options_s = 0", 'accept = ["127.0.0.2/32"]\noptions_s = 0', 1)
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

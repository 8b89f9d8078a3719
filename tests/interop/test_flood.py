"""A flood of INVITEs over `max_calls`: 503 at once, and calls in progress do not notice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.test_sipp import PLAN, trunks
from tests.support import scenarios
from tests.support.center import center
from tests.support.ports import free_port
from tests.support.sipp import run_uac, uas

pytestmark = pytest.mark.interop

REFUSED = (
    scenarios.INVITE
    + '<recv response="503"><action>\n'
    + '<ereg regexp="^ *7 *$" search_in="hdr" header="Retry-After:" check_it="true"'
    + ' assign_to="after"/>\n<log message="[$after]"/></action></recv>\n'
    + scenarios.ACK
)


async def test_a_flood_gets_503_with_retry_after_and_calls_in_progress_go_on(
    tmp_path: Path,
) -> None:
    near, far, flood = free_port(), free_port(), free_port()
    extra = trunks(f"udp:127.0.0.2:{near}", f"udp:127.0.0.3:{far}")
    extra += f'[trunk.flood]\naddress = "udp:127.0.0.9:{flood}"\noptions_s = 0\n'
    extra += "[sip]\nmax_calls = 5\nretry_after_s = 7\n"
    refused = scenarios.write(tmp_path, "refused", REFUSED)
    talking = tmp_path / "talking"
    talking.mkdir()
    async with (
        center(tmp_path, extra=extra, plan=PLAN) as c,
        uas("127.0.0.3", far, tmp_path),
    ):
        calls = asyncio.create_task(
            run_uac(
                c.server,
                "4711",
                host="127.0.0.2",
                port=near,
                folder=talking,
                options=("-m", "5", "-r", "50", "-d", "4000"),
            )
        )
        await c.until(lambda: len(c.switch.calls) == 5)
        status, out = await run_uac(
            c.server,
            "4711",
            host="127.0.0.9",
            port=flood,
            folder=tmp_path,
            options=("-sf", str(refused), "-m", "500", "-r", "400"),
        )
        assert status == 0, out[-2000:]
        assert len(c.switch.calls) == 5
        assert c.switch.gate.refused >= 500
        status, out = await calls
        assert status == 0, out[-2000:]
        await c.empty()
        records = await c.rows("interaction")
        assert len(records) == 5
        assert all(record["reason"] == "normal" for record in records)
        # They talked on until their own end, through all of the flood.
        legs = await c.rows("leg")
        assert all(3.9 < leg["ended_at"] - leg["answered_at"] < 5.5 for leg in legs)
        # And who calls then is let in again.
        status, out = await run_uac(
            c.server,
            "4711",
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-m", "1", "-d", "100"),
        )
        assert status == 0, out[-2000:]
        await c.all_empty()

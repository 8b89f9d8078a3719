"""A mistake of ours or of an embedding program ends one call at most, and is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from cicswitch.api.metrics import registry_of
from cicswitch.api.snapshot import snapshot
from cicswitch.calls import events as ev
from cicswitch.sip.events import InfoReceived
from tests.support.center import Center, center
from tests.support.phone import phone

pytestmark = pytest.mark.interop

PLAN = """
[[route]]
called = "6000"
flow = "step"
[[flow.step]]
do = "python"
call = "take"
on_failed = "sorry"
[[flow.step]]
do = "hangup"
reason = "busy"
[[flow.step]]
name = "sorry"
do = "hangup"
reason = "congestion"
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "support"
"""


def counted(c: Center) -> int:
    """The errors, as the metrics and `top` have them."""
    shown = int(snapshot(c.switch)["counters"]["errors"])
    metrics = generate_latest(registry_of(c.switch)).decode()
    assert f"\ncicswitch_calls_errors_total {shown}.0\n" in metrics
    return shown


@pytest.mark.parametrize("functions", [True, False], ids=["that raises", "that nobody gave"])
async def test_a_python_step_is_counted_and_its_call_goes_on(
    tmp_path: Path, functions: bool
) -> None:
    def take(call: object) -> str:
        raise LookupError("a mistake of the embedding program")

    given: dict[str, Any] = {"take": take} if functions else {}
    async with (
        center(tmp_path, plan=PLAN, functions=given) as c,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="6000")
        assert (await customer.expect("disconnected"))["status"] == 503  # on_failed led on
        assert counted(c) == 1
        await c.empty(errors=1)


async def test_an_error_at_a_sip_event_ends_its_call_only_and_is_counted(tmp_path: Path) -> None:
    async with (
        center(tmp_path, plan=PLAN) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("2001", c.server) as customer,
        phone("2002", c.server) as other,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        other.do("call", to="5000")
        await other.expect("confirmed")

        def broken(event: object) -> None:
            raise RuntimeError("a mistake of ours")

        c.switch.sip._handlers[InfoReceived] = broken
        other.do("dtmf", digits="1", method="info")
        await other.expect("disconnected")
        ended = await c.event(ev.InteractionEnded)
        assert ended.reason == "error"
        assert counted(c) == 1
        assert c.state("kim") == "talking"  # with the first customer, who noticed nothing
        customer.do("hangup")
        await agent.expect("disconnected")
        await c.empty(errors=1)

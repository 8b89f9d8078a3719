"""A lost packet in each message's place: SIPp on both sides, a network that loses just that one.

All places are gone through at once: call n is the one that loses the n-th message of its customer's
side, and behind those of the customer's side come those of the agent's.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cicswitch.acd import events as acd_events
from tests.support import scenarios
from tests.support.center import center
from tests.support.lossy import link
from tests.support.ports import free_port
from tests.support.sipp import run_uac, uas

pytestmark = pytest.mark.interop

_CALL_ID = re.compile(rb"^Call-ID: *(\S+)", re.MULTILINE | re.IGNORECASE)
_CALLER = re.compile(rb"^From:.*sip:5550(\d+)@", re.MULTILINE | re.IGNORECASE)
_CSEQ = re.compile(rb"^CSeq: *\d+ (\w+)", re.MULTILINE | re.IGNORECASE)

PLAN = """
[[route]]
called = "4711"
flow = "dial"
[[flow.dial]]
do = "dial"
to = "far:{called}"
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "lossy"
"""


def name(up: bool, data: bytes) -> str:
    """`> INVITE` from the peer, `< 200 INVITE` to it."""
    first = data.split(b" ", 2)
    method = _CSEQ.search(data)
    assert method is not None
    status = f"{first[1].decode()} " if first[0] == b"SIP/2.0" else ""
    return f"{'>' if up else '<'} {status}{method[1].decode()}"


class Places:
    """Loses message n of call `first + n`, once; `lost` is what that was."""

    def __init__(self, first: int, count: int) -> None:
        self.lost: dict[int, str] = {}
        self._first, self._last = first, first + count
        self._calls: dict[bytes, int] = {}
        self._seen: dict[int, int] = {}

    def __call__(self, up: bool, data: bytes) -> bool:
        found = _CALL_ID.search(data)
        assert found is not None
        call = self._calls.get(found[1])
        if call is None:
            caller = _CALLER.search(data)
            assert caller is not None
            call = self._calls[found[1]] = int(caller[1])
        place = self._first + self._seen.get(call, 0)
        self._seen[call] = self._seen.get(call, 0) + 1
        if call != place or call in self.lost or not self._first <= call < self._last:
            return False
        self.lost[call] = name(up, data)
        return True


RINGS = ["> INVITE", "< 180 INVITE"]
WAITS = ["> INVITE"]
ANSWERED = ["< 200 INVITE", "> ACK"]
AGENT = ["< INVITE", "> 180 INVITE"]
AGENT_ANSWERS = ["> 200 INVITE", "< ACK"]
UP, DOWN = ["> BYE", "< 200 BYE"], ["< BYE", "> 200 BYE"]
CANCELLED = ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
AGENT_CANCELLED = ["< CANCEL", "> 200 CANCEL", "> 487 INVITE", "< ACK"]


@pytest.mark.parametrize(
    ("number", "customer", "agent", "of_customer", "of_agent"),
    [
        pytest.param(
            *("4711", "caller hangs up", "caller hangs up"),
            *(RINGS + ANSWERED + UP, AGENT + AGENT_ANSWERS + DOWN),
            id="dialled, the caller hangs up",
        ),
        pytest.param(
            *("4711", "callee hangs up", "callee hangs up"),
            *(RINGS + ANSWERED + DOWN, AGENT + AGENT_ANSWERS + UP),
            id="dialled, the callee hangs up",
        ),
        pytest.param(
            *("4711", "caller cancels", "caller cancels"),
            *(RINGS + CANCELLED, AGENT + AGENT_CANCELLED),
            id="dialled, the caller cancels",
        ),
        pytest.param(
            *("5000", "caller hangs up", "caller hangs up"),
            *(WAITS + ANSWERED + UP, AGENT + AGENT_ANSWERS + DOWN),
            id="queue, the customer hangs up",
        ),
        pytest.param(
            *("5000", "callee hangs up", "callee hangs up"),
            *(WAITS + ANSWERED + DOWN, AGENT + AGENT_ANSWERS + UP),
            id="queue, the agent hangs up",
        ),
        pytest.param(
            *("5000", "caller hangs up", "caller cancels"),
            *(WAITS + ANSWERED + UP, AGENT + AGENT_CANCELLED),
            id="queue, the customer gives up while the agent rings",
        ),
    ],
)
async def test_any_one_message_of_a_call_may_be_lost(
    tmp_path: Path,
    number: str,
    customer: str,
    agent: str,
    of_customer: list[str],
    of_agent: list[str],
) -> None:
    near, far = free_port(), free_port()
    calls = len(of_customer) + len(of_agent)
    extra = f"""
[sip]
max_loop_lag_ms = 10000
[trunk.near]
address = "udp:127.0.0.4:{near}"
options_s = 0
[trunk.far]
address = "udp:127.0.0.6:{far}"
options_s = 0
[queue.lossy]
agents = [{", ".join(f'"a{n}"' for n in range(calls))}]
wrap_up_s = 0
record = false
"""
    for n in range(calls):
        extra += f'[agent.a{n}]\ndevice = "far:70{n:02}"\nsigned_in = true\n'
    of_customers = Places(1, len(of_customer))
    of_agents = Places(1 + len(of_customer), len(of_agent))
    caller = scenarios.write(tmp_path, "caller", scenarios.CALLER[customer])
    callee = scenarios.write(tmp_path, "callee", scenarios.CALLEE[agent])
    async with (
        center(tmp_path, extra=extra, plan=PLAN) as c,
        link(("127.0.0.2", near), "127.0.0.4", ("127.0.0.1", c.port), "127.0.0.5") as near_link,
        link(("127.0.0.3", far), "127.0.0.6", ("127.0.0.1", c.port), "127.0.0.7") as far_link,
        uas("127.0.0.3", far, tmp_path, "-sf", str(callee)),
    ):
        near_link.lose, far_link.lose = of_customers, of_agents
        status, out = await run_uac(
            f"127.0.0.5:{c.port}",
            number,
            host="127.0.0.2",
            port=near,
            folder=tmp_path,
            options=("-sf", str(caller), "-m", str(calls), "-r", "50"),
        )
        assert status == 0, out[-3000:]
        # Each message had its turn, and was the only one that its call lost.
        assert [of_customers.lost[n] for n in sorted(of_customers.lost)] == of_customer
        assert [of_agents.lost[n] for n in sorted(of_agents.lost)] == of_agent
        await c.all_empty()
        records = await c.rows("interaction")
        assert len(records) == calls
        legs = await c.rows("leg")
        assert len(legs) == 2 * calls
        if agent != "caller cancels":
            assert all(leg["answered_at"] for leg in legs)
            assert {leg["reason"] for leg in legs} == {"normal"}
        if number == "5000":
            outcome = "abandoned" if agent == "caller cancels" else "handled"
            assert {record["outcome"] for record in records} == {outcome}
            assert {c.state(f"a{n}") for n in range(calls)} == {"idle"}
            ends = [e for e in c.events if isinstance(e, acd_events.ReservationEnded)]
            assert all(e.outcome not in ("timed-out", "rejected") for e in ends)

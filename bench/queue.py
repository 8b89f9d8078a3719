"""`bench queue`: calls through a queue to agents at a PBX, and what waiting callers cost."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.dial import TAIL_S, clean_rate
from bench.harness import NEAR_HOST, Switch, cpu_s, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import SCENARIOS, Load, call, far_end, start_caller, stop

__all__ = ["run"]

HOLD_MS = 150
"""Short, so that 200 agents are enough for the rates offered."""
RATE = 600.0
"""The rate that has to be clean; its calls are what a CPU-second is measured by."""
LIGHT = 300.0
"""A call is dearer here, as in `bench dial`."""
MOST = 1000
"""Calls/s that 200 agents can take with that; above it callers would be answered to wait."""
PLAN = """
[[route]]
trunk = "near"
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "support"
"""


def config(agents: int, *, signed_in: bool = True) -> str:
    """A queue and its agents, extensions of the far PBX."""
    lines = ["[queue.support]", "wrap_up_s = 0", "comfort_s = 0", "record = false"]
    for number in range(agents):
        lines += [
            f"[agent.a{number}]",
            f'device = "far:{70000 + number}"',
            f"signed_in = {str(signed_in).lower()}",
        ]
    return "\n".join(lines)


def connected(switch: Switch) -> int:
    """Callers who got an agent, by the books."""
    db = sqlite3.connect(f"file:{switch.folder / 'store.db'}?mode=ro", uri=True)
    try:
        query = "SELECT count(*) FROM queue_visit WHERE outcome = 'answered'"
        return int(db.execute(query).fetchone()[0])
    finally:
        db.close()


def offer(switch: Switch, folder: Path, rate: float, seconds: float, idle: float) -> Load:
    """Calls at a rate; `answered` are those that got an agent."""
    before = connected(switch)
    load = call(
        switch,
        folder,
        "5000",
        rate=rate,
        seconds=seconds,
        hold_ms=HOLD_MS,
        idle_share=idle,
        tail_s=TAIL_S,
    )
    load.answered = connected(switch) - before
    return load


@contextlib.contextmanager
def center(agents: int, profile: str = "") -> Iterator[tuple[Switch, Path]]:
    """A switch with so many agents, warm, and the PBX that they are at."""
    with (
        switch_under_test(plan=PLAN, extra=config(agents), profile=profile) as switch,
        tempfile.TemporaryDirectory() as name,
        far_end(switch, Path(name)),
    ):
        call(switch, Path(name), "5000", rate=100, seconds=3, hold_ms=HOLD_MS)
        yield switch, Path(name)


def in_turn(
    centers: list[tuple[Switch, Path]], rate: float, seconds: float, turns: int
) -> list[Load]:
    """What each costs, measured in turn: the hour makes no difference between them."""
    idle = [switch.idle_share() for switch, _ in centers]
    totals = [Load() for _ in centers]
    for _ in range(turns):
        for (switch, folder), share, total in zip(centers, idle, totals, strict=True):
            load = offer(switch, folder, rate, seconds, share)
            total.offered += load.offered
            total.answered += load.answered
            total.cpu_s += load.cpu_s
            total.caller_cpu_s += load.caller_cpu_s
            progress(
                f"{load.answered} of {load.offered} got an agent,"
                f" {load.answered / load.cpu_s:,.0f} a CPU-second"
            )
    return totals


def waiting(callers: int, seconds: float, media: str = "") -> tuple[float, float]:
    """Shares of a core that waiting callers cost: the signalling process, the media worker.

    They name one media port for all. SIPp would leave it closed, and a closed port costs the kernel
    more than an open one, by an ICMP error a packet; so it is open, and nobody reads what comes.
    """
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        switch_under_test(plan=PLAN, extra=config(200, signed_in=False), media=media) as switch,
        tempfile.TemporaryDirectory() as name,
    ):
        ear.bind((NEAR_HOST, 0))
        scenario = Path(name) / "waiting.xml"
        text = (SCENARIOS / "caller.xml").read_text()
        scenario.write_text(text.replace("[media_port]", str(ear.getsockname()[1])))
        idle = cpu_s(switch.pid)
        time.sleep(3)
        idle = (cpu_s(switch.pid) - idle) / 3
        process = start_caller(
            switch,
            Path(name),
            "5000",
            rate=100,
            count=callers,
            hold_ms=round(seconds + 20) * 1000,
            scenario=str(scenario),
        )
        try:
            time.sleep(callers / 100 + 4)
            own, both = cpu_s(switch.pid), switch.cpu_s()
            time.sleep(seconds)
            own, both = cpu_s(switch.pid) - own, switch.cpu_s() - both
            found = switch.tables()["interactions"]
            progress(f"{found} callers wait")
        finally:
            stop(process)
    return own / seconds - idle, (both - own) / seconds


def run(options: Options) -> list[Result]:
    """200 agents beside 5,000, the clean rate, 500 callers who wait."""
    result = Result("queue", x_label="offered calls/s", y_label="calls/s")
    seconds = 8.0 if options.quick else 20.0
    rate = options.rate or RATE
    agents = options.agents or 200
    with center(agents, options.profile) as few:
        with contextlib.ExitStack() as stack:
            centers = [few]
            if not options.rate and not options.agents:
                centers.append(stack.enter_context(center(5000)))
            progress(f"{agents} agents, 5,000 in turn: {rate:.0f} calls/s for {seconds:.0f} s")
            base, *more = in_turn(centers, rate, seconds, turns=len(centers))
        value = base.answered / base.cpu_s
        result.add("calls_per_cpu_s", value, "calls/CPU-s", least=1500)
        result.add("connected_share", base.answered / base.offered, "", least=0.999)
        result.add("sipp_us_per_call", 1e6 * base.caller_cpu_s / base.answered, "µs")
        for many in more:
            result.add("calls_per_cpu_s_5000_agents", many.answered / many.cpu_s, "calls/CPU-s")
            result.add("cost_5000_to_200", value * many.cpu_s / many.answered, "times", most=1.1)
        if options.rate:
            return [result]
        switch, folder = few
        light = offer(switch, folder, LIGHT, seconds, switch.idle_share())
        result.add(f"calls_per_cpu_s_at_{LIGHT:.0f}", light.answered / light.cpu_s, "calls/CPU-s")
        best, steps = clean_rate(
            switch,
            folder,
            "5000",
            start=600,
            step=200 if options.quick else 100,
            seconds=seconds,
            idle_share=0.0,
            hold_ms=HOLD_MS,
            most=MOST,
        )
    result.add("clean_rate", best, "calls/s", least=600)
    result.series = [
        Series(
            "answered",
            [float(rate) for rate, _ in steps],
            [rate * load.answered_share for rate, load in steps],
        )
    ]
    if not options.agents:
        # The queue itself, and what the music costs beside it: 25,000 packets a second.
        own, media = waiting(500, seconds, 'music = "none"')
        result.add("waiting_500", (own + media) * 100, "% of a core", most=2)
        own, media = waiting(500, seconds)
        result.add("waiting_500_with_music", (own + media) * 100, "% of a core")
        own, media = waiting(500, seconds, "music_ptime_ms = 60")
        result.add("waiting_500_with_music_60_ms", (own + media) * 100, "% of a core")
    return [result]

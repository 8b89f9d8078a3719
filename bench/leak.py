"""`bench leak`: after many calls memory, descriptors, tables and timers are what they were.

Two figures stand for memory. `blocks_more` is what Python has handed out and not got back, when all
is quiet again against when all was quiet before: one object left behind by each call is 1,000 per
1,000 calls. `growth` is how fast the anonymous memory of all processes (what a file stands behind
the system takes back when it likes) grows in the second half of the run: the slope of the line,
with one step in it, that fits the samples best. A leak grows with every call; a moment in which
much waited, because other work had the machine, takes a few MiB more once and keeps them.
`memory_more` is all of it.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.harness import Switch, errors_in_log, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import call, far_end, read, start_caller, stop

__all__ = ["Leak", "measure", "run"]

_WARM_S = 45
"""Finished transactions linger for 32 s: by then as many as there will ever be."""
_POOL_S = 150
"""RTP ports that a busy moment made the switch bind are closed when they were idle for 60 s."""


class Leak(msgspec.Struct):
    """What was seen."""

    offered: int
    answered: int
    failed: int
    memory_kib: list[int]
    """Anonymous memory in equal steps, the first after the warm-up."""
    calls: list[int]
    blocks_before: int
    """What is held when all is quiet, before the calls and after them."""
    blocks_after: int
    fds_before: int
    fds_after: int
    timers_before: int
    timers_after: int
    left: dict[str, int]
    errors: list[str]

    @property
    def growth_kib_per_1000(self) -> float:
        """Over the second half of the run, beside the one step that explains most."""
        half = len(self.calls) // 2
        calls = np.array(self.calls[half:]) / 1000
        memory = np.array(self.memory_kib[half:])
        best, growth = np.inf, 0.0
        for step in calls[1:]:
            terms = np.stack([np.ones_like(calls), calls, calls >= step], axis=1)
            found = np.linalg.lstsq(terms, memory, rcond=None)[0]
            error = float(np.sum((terms @ found - memory) ** 2))
            if error < best:
                best, growth = error, float(found[1])
        return growth

    @property
    def blocks_more_per_1000(self) -> float:
        """What is held for good by a thousand calls."""
        return (self.blocks_after - self.blocks_before) / max(1, self.answered) * 1000


def _blocks(switch: Switch) -> int:
    return sum(switch.ask(do="blocks").values())


def measure(count: int, rate: float, *, warm: int, settle_s: float) -> Leak:
    """Warm up, place `count` calls, wait until every deadline of the protocol has passed."""
    with switch_under_test() as switch, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with far_end(switch, folder):
            call(switch, folder, "4711", rate=rate, seconds=warm / rate, hold_ms=100)
            if settle_s:
                switch.settle(settle_s)
                time.sleep(2)  # the media workers tell their figures once a second
            blocks = _blocks(switch)
            fds, timers = switch.fds(), int(switch.ask(do="timers"))
            memory, calls = [switch.anonymous_kib()], [0]
            process = start_caller(switch, folder, "4711", rate=rate, count=count, hold_ms=100)
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(1.0, count / rate / 40))
                    done = read(folder).offered if (folder / "caller.csv").exists() else 0
                    if done > calls[-1]:
                        memory.append(switch.anonymous_kib())
                        calls.append(done)
                        if len(calls) % 4 == 0:
                            progress(f"{done} calls, {memory[-1] / 1024:.1f} MiB")
            finally:
                stop(process)
            load = read(folder)
            left = switch.settle(settle_s) if settle_s else {}
            if not settle_s:
                names = ("calls", "call_legs", "sip_legs", "interactions", "reservations")
                left = switch.settle(5, names)
            time.sleep(2)
            blocks_after, timers_after = _blocks(switch), int(switch.ask(do="timers"))
            deadline = time.monotonic() + (_POOL_S if settle_s else 0)
            while switch.fds() > fds and time.monotonic() < deadline:
                time.sleep(1)
            return Leak(
                offered=load.offered,
                answered=load.answered,
                failed=load.failed,
                memory_kib=memory,
                calls=calls,
                blocks_before=blocks,
                blocks_after=blocks_after,
                fds_before=fds,
                fds_after=switch.fds(),
                timers_before=timers,
                timers_after=timers_after,
                left=left,
                errors=errors_in_log(switch.folder),
            )


def run(options: Options) -> list[Result]:
    """100,000 calls, or `--calls`."""
    count = options.calls or (20_000 if options.quick else 100_000)
    rate = options.rate or 500.0
    seen = measure(count, rate, warm=round(_WARM_S * rate), settle_s=60)
    result = Result("leak", x_label="calls", y_label="MiB, anonymous")
    result.add("calls", seen.answered, "calls", least=0.999 * seen.offered)
    result.add("growth", seen.growth_kib_per_1000, "KiB/1,000 calls", most=20)
    result.add("memory_more", (seen.memory_kib[-1] - seen.memory_kib[0]) / 1024, "MiB")
    result.add("blocks_more", seen.blocks_more_per_1000, "blocks/1,000 calls", most=100)
    result.add("fds_more", seen.fds_after - seen.fds_before, "", most=0)
    result.add("timers_more", seen.timers_after - seen.timers_before, "", most=5)
    result.add("left_in_tables", sum(seen.left.values()), "entries", most=0)
    result.add("errors_logged", len(seen.errors), "", most=0)
    if seen.left:
        result.notes.append(f"left behind: {seen.left}")
    memory = [kib / 1024 for kib in seen.memory_kib]
    result.series = [Series("anonymous", [float(each) for each in seen.calls], memory)]
    return [result]

"""`bench leak`: after many calls memory, descriptors, tables and timers are what they were."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from bench.harness import errors_in_log, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import call, far_end, read, start_caller, stop

__all__ = ["Leak", "measure", "run"]


class Leak(msgspec.Struct):
    """What was seen."""

    offered: int
    answered: int
    failed: int
    rss_kib: list[int]
    """Samples in equal steps, the first after the warm-up, the last when all is quiet again."""
    calls: list[int]
    fds_before: int
    fds_after: int
    timers_before: int
    timers_after: int
    left: dict[str, int]
    errors: list[str]

    @property
    def growth_kib_per_1000(self) -> float:
        """From the middle of the run to its end: pools and caches have their size by then."""
        middle = len(self.rss_kib) // 2
        calls = self.calls[-1] - self.calls[middle]
        return (self.rss_kib[-1] - self.rss_kib[middle]) / max(1, calls) * 1000


def measure(count: int, rate: float, *, warm: int, settle_s: float) -> Leak:
    """Warm up, place `count` calls, wait until every deadline of the protocol has passed."""
    with switch_under_test() as switch, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with far_end(switch, folder):
            call(switch, folder, "4711", rate=rate, seconds=warm / rate, hold_ms=100)
            if settle_s:
                switch.settle(settle_s)
            rss, calls = [switch.rss_kib()], [0]
            fds, timers = switch.fds(), int(switch.ask(do="timers"))
            process = start_caller(switch, folder, "4711", rate=rate, count=count, hold_ms=100)
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(1.0, count / rate / 40))
                    rss.append(switch.rss_kib())
                    done = read(folder).offered if (folder / "caller.csv").exists() else 0
                    calls.append(done)
                    if len(calls) % 4 == 0:
                        progress(f"{done} calls, {rss[-1] / 1024:.1f} MiB")
            finally:
                stop(process)
            load = read(folder)
            left = switch.settle(settle_s) if settle_s else {}
            if not settle_s:
                names = ("calls", "call_legs", "sip_legs", "interactions", "reservations")
                left = switch.settle(5, names)
            time.sleep(1)
            rss.append(switch.rss_kib())
            calls.append(load.offered)
            after = int(switch.ask(do="timers"))
            return Leak(
                load.offered,
                load.answered,
                load.failed,
                rss,
                calls,
                fds,
                switch.fds(),
                timers,
                after,
                left,
                errors_in_log(switch.folder),
            )


def run(options: Options) -> list[Result]:
    """100,000 calls, or `--calls`."""
    count = options.calls or (20_000 if options.quick else 100_000)
    seen = measure(count, options.rate or 500.0, warm=5000, settle_s=60)
    result = Result("leak", x_label="calls", y_label="MiB resident")
    result.add("calls", seen.answered, "calls", least=0.999 * seen.offered)
    result.add("growth", seen.growth_kib_per_1000, "KiB/1,000 calls", most=20)
    result.add("fds_more", seen.fds_after - seen.fds_before, "", most=0)
    result.add("timers_more", seen.timers_after - seen.timers_before, "", most=5)
    result.add("left_in_tables", sum(seen.left.values()), "entries", most=0)
    result.add("errors_logged", len(seen.errors), "", most=0)
    if seen.left:
        result.notes.append(f"left behind: {seen.left}")
    rss = [kib / 1024 for kib in seen.rss_kib]
    result.series = [Series("resident", [float(each) for each in seen.calls], rss)]
    return [result]

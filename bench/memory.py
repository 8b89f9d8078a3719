"""`bench memory`: what a held call keeps resident, over all processes of the switch."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.dial import target_of
from bench.harness import progress
from bench.result import Options, Result, Series
from bench.sipp import call, far_end, start_caller, stop

__all__ = ["run"]


def run(options: Options) -> list[Result]:
    """Resident memory before and while calls are held."""
    result = Result("memory", x_label="calls held", y_label="MiB resident")
    count = options.calls or (500 if options.quick else 2000)
    rate = 200.0
    held: list[float] = []
    resident: list[float] = []
    with target_of(options) as target, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with far_end(target, folder):
            call(target, folder, "4711", rate=50, seconds=2)
            time.sleep(8)  # what the first calls left is written and given back
            empty = target.rss_kib()
            progress(f"empty: {empty / 1024:.1f} MiB; {count} calls at {rate:.0f}/s")
            build_s = count / rate
            process = start_caller(
                target, folder, "4711", rate=rate, count=count, hold_ms=round(build_s + 30) * 1000
            )
            try:
                for step in range(11):
                    held.append(min(count, count * step / 10))
                    resident.append(target.rss_kib() / 1024)
                    time.sleep(build_s / 10)
                time.sleep(6)
                full, calls = target.rss_kib(), target.tables().get("calls", count)
            finally:
                stop(process)
    result.add("held_calls", calls)
    result.add("kib_per_call", (full - empty) / max(1, calls), "KiB", most=100)
    result.add("rss_empty", empty / 1024, "MiB")
    result.series = [Series("resident", held, resident)]
    return [result]

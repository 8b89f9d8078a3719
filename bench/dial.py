"""`bench dial`: two-leg calls through a dialplan's `dial`, as cheap and as fast as they go."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.harness import DIAL_PLAN, Target, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import Load, call, far_end

__all__ = ["clean_rate", "run", "target_of"]

TAIL_S = 6.0
"""Calls have written their ladders and rows by then."""


@contextlib.contextmanager
def target_of(options: Options, *, plan: str = DIAL_PLAN, extra: str = "") -> Iterator[Target]:
    """The switch, or what `--target` names."""
    if options.target:
        yield Target(options.target, options.pid, 15060, 15070)
        return
    with switch_under_test(plan=plan, extra=extra, profile=options.profile) as switch:
        yield switch


def clean_rate(
    target: Target,
    folder: Path,
    number: str,
    *,
    start: int,
    step: int,
    seconds: float,
    idle_share: float,
    hold_ms: int = 500,
    most: int = 3000,
) -> tuple[int, list[tuple[int, Load]]]:
    """The highest rate that is clean, in steps from `start`; each is held for `seconds`.

    A rate that is not clean is tried once more: the machine has other things to do, too.
    """
    best, steps = 0, []
    rate = start
    while 0 < rate <= most:
        for attempt in (1, 2):
            progress(f"{rate} calls/s for {seconds:.0f} s" + (" again" if attempt > 1 else ""))
            load = call(
                target,
                folder,
                number,
                rate=rate,
                seconds=seconds,
                hold_ms=hold_ms,
                idle_share=idle_share,
                tail_s=TAIL_S,
            )
            progress(
                f"  {load.answered} of {load.offered} answered, {load.refused} refused,"
                f" {load.retransmissions} retransmissions ({load.retransmissions_late} late),"
                f" {load.answer_ms:.1f} ms, core {load.cpu_s / seconds:.0%}"
            )
            if load.clean:
                break
        steps.append((rate, load))
        if load.clean:
            best = rate
            if best < start:
                break  # came down to it
            rate += step
        elif best:
            break
        else:
            rate -= step
    return best, steps


RATE = 1000.0
"""The rate that has to be clean; its calls are what a CPU-second is measured by."""
LIGHT = 400.0
"""A call is dearer here: the processor goes to sleep between messages, and wakes up cold."""


def run(options: Options) -> list[Result]:
    """Calls a CPU-second at a high and at a moderate rate, then the clean rate."""
    result = Result("dial", x_label="offered calls/s", y_label="calls/s")
    seconds = 8.0 if options.quick else 20.0
    rate = options.rate or RATE
    with target_of(options) as target, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with far_end(target, folder):
            call(target, folder, "4711", rate=100, seconds=3)  # what is made at first use
            idle = target.idle_share()
            progress(f"idle: {idle:.2%} of a core; {rate:.0f} calls/s for {seconds:.0f} s")
            load = call(
                target, folder, "4711", rate=rate, seconds=seconds, idle_share=idle, tail_s=TAIL_S
            )
            per_cpu_s = load.answered / load.cpu_s if load.cpu_s > 0 else 0.0
            result.add("calls_per_cpu_s", per_cpu_s, "calls/CPU-s", least=2500)
            result.add("cpu_us_per_call", 1e6 / per_cpu_s if per_cpu_s else 0.0, "µs")
            if load.answered:
                sipp = 1e6 * load.caller_cpu_s / load.answered
                result.add("sipp_us_per_call", sipp, "µs")
                if load.cpu_s > 0 and sipp:
                    result.add("cpu_to_sipp", 1e6 / per_cpu_s / sipp, "times")
            result.add("idle_share", idle, "of a core")
            result.add("answer_ms", load.answer_ms, "ms")
            if options.rate:
                return [result]
            light = call(
                target, folder, "4711", rate=LIGHT, seconds=seconds, idle_share=idle, tail_s=TAIL_S
            )
            per_cpu_s = light.answered / light.cpu_s if light.cpu_s > 0 else 0.0
            result.add(f"calls_per_cpu_s_at_{LIGHT:.0f}", per_cpu_s, "calls/CPU-s")
            best, steps = clean_rate(
                target,
                folder,
                "4711",
                start=800 if options.quick else 1000,
                step=200 if options.quick else 100,
                seconds=seconds,
                idle_share=idle,
            )
    result.add("clean_rate", best, "calls/s", least=1000)
    for rate, load in steps:
        if load.clean and load.cpu_s > 0:
            result.add(f"calls_per_cpu_s_at_{rate}", load.answered / load.cpu_s, "calls/CPU-s")
    result.series = [
        Series(
            "answered",
            [float(rate) for rate, _ in steps],
            [rate * load.answered_share for rate, load in steps],
        ),
        Series("offered", [float(rate) for rate, _ in steps], [float(rate) for rate, _ in steps]),
    ]
    return [result]

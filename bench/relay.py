"""`bench relay`: G.711 both ways in bridged calls: CPU, delay added, loss.

`floor_cpu_ms_per_call_s` is what `floor.c` needs for the same packets in the minute after: a relay
of one page in C that reads no header and counts nothing. What the switch can save is above it.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bench.dial import target_of
from bench.harness import DIAL_PLAN, NEAR_HOST, Target, cpu_s, progress
from bench.result import Options, Result, Series
from bench.sound import Heard, built, driven, held
from cicswitch.core.errors import ResourceError

__all__ = ["run"]

_FLOOR_PORT = 20000


def _floor(calls: int, seconds: float, result: Result) -> None:
    """The same packets through `floor.c`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender, floor = built(folder, "sender"), built(folder, "floor")
        relay = subprocess.Popen(
            [floor, str(2 * calls), "127.0.0.1", str(_FLOOR_PORT)],
            stdout=subprocess.PIPE,
        )
        try:
            assert relay.stdout is not None
            if not relay.stdout.readline():
                raise ResourceError("floor.c could not bind its ports")
            legs = [
                f"{NEAR_HOST} {_FLOOR_PORT + 2 * leg} {_FLOOR_PORT + 2 * leg}"
                for leg in range(2 * calls)
            ]
            used, seen = driven(sender, legs, seconds, lambda: cpu_s(relay.pid))
        finally:
            relay.terminate()
            relay.wait()
    cost = used / calls / seconds * 1000
    progress(f"floor, {calls} calls: {cost:.3f} CPU-ms a call-second, {seen}")
    result.add("floor_cpu_ms_per_call_s", cost, "ms")
    result.add("floor_loss", seen.loss * 100, "%")  # with any the machine had no room to compare on


def _one(target: Target, calls: int, seconds: float, result: Result, prefix: str) -> float:
    idle = target.idle_share()
    with tempfile.TemporaryDirectory() as name, held(target, calls, seconds) as legs:
        used, seen = driven(built(Path(name), "sender"), legs, seconds, target.cpu_s)
    return figures(result, prefix, calls, seconds, used - idle * seconds, seen)


def figures(
    result: Result, prefix: str, calls: int, seconds: float, used: float, seen: Heard
) -> float:
    """Add what a run brought; CPU-ms a call-second.

    The price is by call offered, so one that lost packets has not done what it is asked for.
    """
    lost = seen.loss
    cost = used / calls / seconds * 1000
    progress(f"{calls} calls: {cost:.3f} CPU-ms a call-second, lost {lost:.4%}, {seen}")
    most = 1.5 if prefix else 0.6
    result.add(f"{prefix}cpu_ms_per_call_s", cost, "ms", most=most, done=not lost)
    most_p99 = None if prefix else 3
    result.add(f"{prefix}added_ms_p99", seen.p99_ms, "ms", most=most_p99, done=not lost)
    result.add(f"{prefix}loss", lost * 100, "%", most=0)
    result.add(f"{prefix}core", used / seconds * 100, "% of a core")
    return cost


def run(options: Options) -> list[Result]:
    """500 calls; with `--record` every call is recorded."""
    calls = options.calls or 500
    seconds = 6.0 if options.quick else 15.0
    results = []
    for record in (True,) if options.record else (False, True):
        plan = DIAL_PLAN + ("record = true\n" if record else "")
        name = "relay recorded" if record else "relay"
        result = Result(name, x_label="calls", y_label="CPU-ms a call-second")
        with target_of(options, plan=plan) as target:
            cost = _one(target, calls, seconds, result, "recorded_" if record else "")
        if not record and not options.target:
            _floor(calls, seconds, result)
        result.series = [Series(name, [float(calls)], [cost])]
        results.append(result)
        if options.target:
            break
    if not options.quick and not options.calls and not options.record and not options.target:
        result = Result("relay 1200", x_label="calls", y_label="CPU-ms a call-second")
        with target_of(options) as target:
            _one(target, 1200, seconds, result, "")
        results.append(result)
    return results

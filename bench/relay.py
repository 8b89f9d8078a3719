"""`bench relay`: G.711 both ways in bridged calls: CPU, delay added, loss.

`floor_cpu_ms_per_call_s` is what `floor.c` needs for the same packets in the minute after: a relay
of one page in C that reads no header and counts nothing. What the switch can save is above it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.dial import target_of
from bench.harness import DIAL_PLAN, FAR_HOST, NEAR_HOST, Target, cpu_s, progress
from bench.result import Options, Result, Series
from bench.sipp import SCENARIOS, far_end, start_caller, stop
from cicswitch.core.errors import ResourceError

__all__ = ["run"]

_FIRST_PORT = 20000
_FLOOR_PORT = 20000
_LEARN = """
    <action>
      <ereg regexp="m=audio ([0-9]+) " search_in="msg" check_it="true" assign_to="1,2" />
      <log message="{host} [call_number] [$2]" />
    </action>
  </recv>"""


def _scenario(folder: Path, name: str, host: str, receives: str) -> Path:
    """A scenario with a media port a call, which logs the port that the switch gave it."""
    text = (SCENARIOS / f"{name}.xml").read_text().replace("[media_port]", "[auto_media_port+20]")
    at = text.index(receives)
    end = text.index("/>", at)
    text = text[:end] + ">" + _LEARN.format(host=host) + text[end + 2 :]
    text = text.replace("</scenario>", '  <Reference variables="1" />\n</scenario>')
    path = folder / f"{name}-rtp.xml"
    path.write_text(text)
    return path


def _legs(folder: Path, count: int) -> list[str]:
    """`HOST PORT NEAR-PORT` of both legs of all calls."""
    lines = []
    for name in ("caller.log", "callee.log"):
        path = folder / name
        text = path.read_text("latin-1") if path.exists() else ""
        for line in text.splitlines():
            if line.count(" ") == 2:
                host, number, near = line.split()
                # SIPp's [auto_media_port+20] of that call; it has bound the first ones itself.
                port = _FIRST_PORT + 20 + 4 * (int(number) - 1) % 10000
                lines.append(f"{host} {port} {near}")
    if len(lines) != 2 * count:
        raise ResourceError(f"{len(lines)} of {2 * count} legs are up: the calls did not connect")
    return lines


def _built(folder: Path, name: str) -> Path:
    program, source = folder / name, Path(__file__).parent / f"{name}.c"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source)], check=True)
    return program


def _driven(
    sender: Path, legs: list[str], seconds: float, cpu_s: Callable[[], float]
) -> tuple[float, dict[str, Any]]:
    """CPU seconds of whoever relays while packets flow, and what the far ends saw."""
    driver = subprocess.Popen(
        [sender, str(len(legs)), str(seconds), "3", "127.0.0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdin is not None
    driver.stdin.write("\n".join(legs) + "\n")
    driver.stdin.close()
    time.sleep(3)
    before = cpu_s()
    time.sleep(seconds)
    used = cpu_s() - before
    driver.wait(30)
    assert driver.stdout is not None
    if driver.returncode:
        raise ResourceError("the RTP driver could not bind its ports")
    seen: dict[str, Any] = json.loads(driver.stdout.read())
    return used, seen


def _floor(calls: int, seconds: float, result: Result) -> None:
    """The same packets through `floor.c`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender, floor = _built(folder, "sender"), _built(folder, "floor")
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
            used, seen = _driven(sender, legs, seconds, lambda: cpu_s(relay.pid))
        finally:
            relay.terminate()
            relay.wait()
    cost = used / calls / seconds * 1000
    progress(f"floor, {calls} calls: {cost:.3f} CPU-ms a call-second, {seen}")
    result.add("floor_cpu_ms_per_call_s", cost, "ms")
    lost = 1 - seen["got"] / seen["sent"] if seen["sent"] else 1.0
    result.add("floor_loss", lost * 100, "%")  # with any the machine had no room to compare on


def _one(target: Target, calls: int, seconds: float, result: Result, prefix: str) -> float:
    idle = target.idle_share()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender = _built(folder, "sender")
        near = _scenario(folder, "caller", NEAR_HOST, '<recv response="200" rtd="1" counter="2"')
        far = _scenario(folder, "callee", FAR_HOST, '<recv request="INVITE"')
        logged = ("-trace_logs", "-log_file")
        with far_end(target, folder, str(far), (*logged, "callee.log", "-mp", str(_FIRST_PORT))):
            process = start_caller(
                target,
                folder,
                "4711",
                rate=100,
                count=calls,
                hold_ms=round(calls / 100 + seconds + 30) * 1000,
                scenario=str(near),
                options=(*logged, "caller.log", "-mp", str(_FIRST_PORT)),
            )
            try:
                time.sleep(calls / 100 + 3)
                legs = _legs(folder, calls)
                used, seen = _driven(sender, legs, seconds, target.cpu_s)
            finally:
                stop(process)
    return figures(result, prefix, calls, seconds, used - idle * seconds, seen)


def figures(
    result: Result, prefix: str, calls: int, seconds: float, used: float, seen: dict[str, Any]
) -> float:
    """Add what a run brought; CPU-ms a call-second.

    The price is by call offered, so one that lost packets has not done what it is asked for.
    """
    lost = 1 - seen["got"] / seen["sent"] if seen["sent"] else 1.0
    cost = used / calls / seconds * 1000
    progress(f"{calls} calls: {cost:.3f} CPU-ms a call-second, lost {lost:.4%}, {seen}")
    most = 1.5 if prefix else 0.6
    result.add(f"{prefix}cpu_ms_per_call_s", cost, "ms", most=most, done=not lost)
    most_p99 = None if prefix else 3
    result.add(f"{prefix}added_ms_p99", seen["p99_ms"], "ms", most=most_p99, done=not lost)
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

"""SIPp on both sides of the target: callers who dial, and the far end that answers."""

from __future__ import annotations

import contextlib
import csv
import io
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.harness import FAR_HOST, NEAR_HOST, Target
from cicswitch.core.errors import ResourceError

__all__ = ["Load", "call", "far_end", "start_caller"]

SCENARIOS = Path(__file__).parent / "scenarios"


class Load(msgspec.Struct):
    """What a caller saw."""

    offered: int = 0
    answered: int = 0
    refused: int = 0
    """503."""
    failed: int = 0
    completed: int = 0
    """Ended as the scenario wanted; a 503 does too."""
    retransmissions: int = 0
    retransmissions_late: int = 0
    """Those of the second half."""
    seconds: float = 0.0
    """From the first call to the last."""
    cpu_s: float = 0.0
    """The target's, until it had nothing more to do; its idle share is taken off."""
    caller_cpu_s: float = 0.0
    """SIPp's own, for the callers: the same work in every run, so it tells what a CPU-second was
    worth in this one."""
    answer_ms: float = 0.0
    """Mean time from INVITE to 200."""
    refuse_ms: float = 0.0
    series: list[tuple[float, int, int, int]] = []
    """(second, answered, refused, retransmissions) of each second."""

    @property
    def answered_share(self) -> float:
        """Of what was offered."""
        return self.answered / self.offered if self.offered else 0.0

    @property
    def clean(self) -> bool:
        """At least 99.9 % answered and completed, and retransmission does not grow."""
        allowed = max(5, self.offered // 500)
        early = self.retransmissions - self.retransmissions_late
        return (
            self.offered > 0
            and self.answered_share >= 0.999
            and self.failed <= self.offered // 1000
            and self.retransmissions_late <= early + allowed
        )


def _sipp(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    program = shutil.which("sipp")
    if program is None:
        raise ResourceError("SIPp is not installed: apt-get install sip-tester")
    return subprocess.Popen(
        [program, *arguments, "-nostdin", "-buff_size", "4194304"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a SIPp that we started."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(3)
    if process.poll() is None:
        process.kill()
        process.wait()


@contextlib.contextmanager
def far_end(
    target: Target, folder: Path, scenario: str = "callee.xml", options: tuple[str, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """The answering side while the block runs."""
    process = _sipp(
        *("-sf", str(SCENARIOS / scenario), "-i", FAR_HOST, "-p", str(target.far_port)),
        *("-mi", FAR_HOST, "-mp", str(9200 + 2 * (target.far_port - 15070))),
        *("-timeout", "1800", *options),
        folder=folder,
    )
    time.sleep(0.5)
    if process.poll() is not None:
        raise ResourceError(f"SIPp could not listen at {FAR_HOST}:{target.far_port}")
    try:
        yield process
    finally:
        stop(process)


def start_caller(
    target: Target,
    folder: Path,
    number: str,
    *,
    rate: float,
    count: int,
    hold_ms: int,
    scenario: str = "caller.xml",
    options: tuple[str, ...] = (),
) -> subprocess.Popen[bytes]:
    """Calls at a rate; its figures go into `caller.csv`."""
    (folder / "caller.csv").unlink(missing_ok=True)
    # The rate of less than 10 a second needs a longer period.
    return _sipp(
        target.address,
        *("-sf", str(SCENARIOS / scenario), "-s", number, "-i", NEAR_HOST),
        *("-p", str(target.near_port), "-mi", NEAR_HOST, "-mp", "9100"),
        *("-r", str(round(rate)), "-m", str(count), "-l", "15000", "-d", str(hold_ms)),
        *("-recv_timeout", "15000", "-trace_stat", "-stf", "caller.csv", "-fd", "1"),
        *("-timeout", f"{round(count / rate + hold_ms / 1000 + 30)}", *options),
        folder=folder,
    )


def read(folder: Path) -> Load:
    """What `caller.csv` says."""
    try:
        text = (folder / "caller.csv").read_text("latin-1")
    except OSError:
        raise ResourceError("SIPp wrote no figures: it did not run") from None
    rows = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    if not rows:
        raise ResourceError("SIPp wrote no figures: it did not run")
    last = rows[-1]
    load = Load(
        offered=int(last["TotalCallCreated"]),
        answered=int(last["GenericCounter2(C)"]),
        refused=int(last["GenericCounter1(C)"]),
        failed=int(last["FailedCall(C)"]),
        completed=int(last["SuccessfulCall(C)"]),
        retransmissions=int(last["Retransmissions(C)"]),
        answer_ms=_ms(last["ResponseTime1(C)"]),
        refuse_ms=_ms(last["ResponseTime2(C)"]),
    )
    half = rows[len(rows) // 2]
    load.retransmissions_late = load.retransmissions - int(half["Retransmissions(C)"])
    load.series = [
        (
            _ms(row["ElapsedTime(C)"]) / 1000,
            int(row["GenericCounter2(P)"]),
            int(row["GenericCounter1(P)"]),
            int(row["Retransmissions(P)"]),
        )
        for row in rows
    ]
    created = [row for row in rows if int(row["TotalCallCreated"]) < load.offered]
    load.seconds = _ms(created[-1]["ElapsedTime(C)"]) / 1000 if created else 0.0
    return load


def _children_cpu_s() -> float:
    """CPU seconds of the processes that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _ms(text: str) -> float:
    """`00:00:01:250000` or `00:00:01` in milliseconds."""
    parts = text.split(":")
    whole = int(parts[0]) * 3600 + int(parts[1]) * 60 + int(parts[2])
    return whole * 1000 + (int(parts[3]) / 1000 if len(parts) > 3 else 0.0)


def call(
    target: Target,
    folder: Path,
    number: str,
    *,
    rate: float,
    seconds: float,
    hold_ms: int = 500,
    idle_share: float = 0.0,
    tail_s: float = 1.0,
) -> Load:
    """Offer calls at a rate and wait for their end; CPU counts `tail_s` longer."""
    before, start = target.cpu_s(), time.monotonic()
    ended = _children_cpu_s()
    process = start_caller(
        target, folder, number, rate=rate, count=round(rate * seconds), hold_ms=hold_ms
    )
    try:
        process.wait(seconds + hold_ms / 1000 + 60)
    except subprocess.TimeoutExpired:
        pass
    finally:
        stop(process)
    ended = _children_cpu_s() - ended
    time.sleep(tail_s)
    load = read(folder)
    load.caller_cpu_s = ended
    load.cpu_s = target.cpu_s() - before - idle_share * (time.monotonic() - start)
    return load

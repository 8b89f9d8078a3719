"""Whether the machine kept time while a test ran.

A machine that is shared stands still at times: a tenth of a second in which nothing of ours runs
is a gap in the sound, and no test can tell it from a fault of the switch. So a process of its own
sleeps in short steps on every processor and writes down when it was woken late. A test that failed
while that happened proves nothing and is run again, twice at most; one that failed while the
machine kept time has failed. The last lines of a run name the tests that ran again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

__all__ = [
    "pytest_configure",
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
    "pytest_unconfigure",
    "stood_still",
]

_SOUND_S: Final = 0.02
"""What tests with sound at its own pace do not bear: a packet's length."""
_OTHERS_S: Final = 0.25
_RUNS: Final = 3
_FILE: Final = "CICSWITCH_TEST_STALLS"
_AGAIN: Final = "ran again"

_watch: subprocess.Popen[bytes] | None = None


def pytest_configure() -> None:
    """Start the watch, once for all workers of a run."""
    global _watch
    if _FILE in os.environ:
        return
    handle, path = tempfile.mkstemp(prefix="cicswitch-stalls-")
    os.environ[_FILE] = path
    _watch = subprocess.Popen(
        [sys.executable, "-S", "-E", str(Path(__file__).with_name("stall_watch.py"))],
        stdin=subprocess.PIPE,  # the watch ends when this does, however that comes about
        stdout=handle,
    )
    os.close(handle)


def pytest_unconfigure() -> None:
    """End it."""
    global _watch
    if _watch is not None:
        assert _watch.stdin is not None
        _watch.stdin.close()
        _watch.wait(5)
        _watch = None
        Path(os.environ.pop(_FILE)).unlink(missing_ok=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test, and again if it failed while the machine stood still."""
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    borne = _SOUND_S if item.get_closest_marker("realtime") else _OTHERS_S
    for left in reversed(range(_RUNS)):
        since = time.monotonic()
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        if not left or not any(report.failed for report in reports):
            break
        stood = stood_still(since)
        if stood < borne:
            break
        item.user_properties.append((_AGAIN, round(stood, 3)))
        if hasattr(item, "_initrequest"):
            item._initrequest()
    for report in reports:
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests that ran again."""
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name == _AGAIN:
                terminalreporter.write_line(
                    f"AGAIN {report.nodeid} - the machine stood still for {1000 * value:.0f} ms"
                )


def stood_still(since: float) -> float:
    """The longest that the machine stood still since then, in seconds of the monotonic clock."""
    return max((late for at, late in _stalls() if at >= since), default=0.0)


def _stalls() -> Iterator[tuple[float, float]]:
    """When the machine was woken late, and by how many seconds."""
    for line in Path(os.environ[_FILE]).read_text("ascii").splitlines():
        words = line.split()
        if len(words) == 2:  # the last line may be half written
            yield float(words[0]), float(words[1])

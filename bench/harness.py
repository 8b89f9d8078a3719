"""A switch under test as a process of its own, and what the operating system says of it.

CPU is utime + stime of all processes of the switch (signalling and media workers) in `/proc`; the
machine's busy share is sampled there and can lie, a process's own account does not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cicswitch.api.control import request
from cicswitch.core.errors import CicError, ResourceError

__all__ = [
    "FAR_HOST",
    "NEAR_HOST",
    "Switch",
    "Target",
    "children",
    "cpu_s",
    "free_port",
    "progress",
    "switch_under_test",
]

NEAR_HOST, FAR_HOST = "127.0.0.2", "127.0.0.3"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

CONFIG = """
control = "control.sock"
dialplans = ["plan.toml"]
[listen]
sip = ["udp:127.0.0.1:{port}"]
http = "127.0.0.1:{http}"
[sip]
max_calls = {max_calls}
[media]
ports = "16384-32767"
rtp_timeout_s = 3600
{media}
[store]
path = "store.db"
[recording]
directory = "recordings"
[logging]
level = "info"
format = "json"
[trunk.near]
address = "udp:{near_host}:{near_port}"
accept = ["{near_host}/32"]
options_s = 0
[trunk.far]
address = "udp:{far_host}:{far_port}"
options_s = 0
{extra}
"""

DIAL_PLAN = """
[[route]]
trunk = "near"
called = "_X."
flow = "dial"
[[flow.dial]]
do = "dial"
to = "far:{called}"
"""


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


def free_port(host: str, start: int) -> int:
    """The first port from `start` on that is free for UDP and TCP, below 16384."""
    for port in range(start, 16384, 7):
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        return port
    raise ResourceError(f"no port is free at {host}")


def cpu_s(pid: int) -> float:
    """utime + stime of a process; 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def children(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


class Target:
    """What is measured: an address, and the processes whose CPU and memory count."""

    def __init__(self, address: str, pid: int, near_port: int, far_port: int) -> None:
        self.address = address
        self.pid = pid
        self.near_port = near_port
        self.far_port = far_port

    @property
    def pids(self) -> list[int]:
        """All processes of the target; none if it is not of this machine."""
        return children(self.pid) if self.pid else []

    def cpu_s(self) -> float:
        """CPU seconds of all processes."""
        return sum(cpu_s(pid) for pid in self.pids)

    def rss_kib(self) -> int:
        """Resident memory of all processes."""
        pages = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.pids]
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") // 1024

    def anonymous_kib(self) -> int:
        """Resident memory of all processes that no file stands behind."""
        pages = [Path(f"/proc/{pid}/statm").read_text().split() for pid in self.pids]
        own = sum(int(each[1]) - int(each[2]) for each in pages)
        return own * os.sysconf("SC_PAGE_SIZE") // 1024

    def fds(self) -> int:
        """Open descriptors of all processes."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids)

    def idle_share(self, seconds: float = 3.0) -> float:
        """CPU per second with nothing to do: what a measurement subtracts."""
        before, start = self.cpu_s(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_s() - before) / (time.monotonic() - start)

    def tables(self) -> dict[str, int]:
        """Sizes of the target's tables; none of a target that is not ours."""
        return {}


class Switch(Target):
    """Our own switch in a temporary folder."""

    def __init__(self, folder: Path, port: int, pid: int, near_port: int, far_port: int) -> None:
        super().__init__(f"127.0.0.1:{port}", pid, near_port, far_port)
        self.folder = folder

    def ask(self, **asked: Any) -> Any:
        """Ask by the control socket."""
        return request(self.folder / "control.sock", asked, timeout_s=20)

    def tables(self) -> dict[str, int]:
        """As `Switch.tables` of the daemon."""
        found: dict[str, int] = self.ask(do="tables")
        return found

    def settle(self, seconds: float, names: tuple[str, ...] = ()) -> dict[str, int]:
        """Wait until the tables (all, or `names`) are empty; what is in them at the end."""
        deadline = time.monotonic() + seconds
        while True:
            tables = self.tables()
            left = {name: tables[name] for name in names or tables if tables[name]}
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.5)


@contextlib.contextmanager
def switch_under_test(
    *,
    plan: str = DIAL_PLAN,
    extra: str = "",
    media: str = "",
    max_calls: int = 20_000,
    profile: str = "",
) -> Iterator[Switch]:
    """A switch that is up while the block runs; `profile` is a file for cProfile's figures."""
    with tempfile.TemporaryDirectory(prefix="cicswitch-bench-") as name:
        folder = Path(name)
        near, far = free_port(NEAR_HOST, 15060), free_port(FAR_HOST, 15070)
        port, http = free_port("127.0.0.1", 15080), free_port("127.0.0.1", 15201)
        (folder / "plan.toml").write_text(plan)
        config = CONFIG.format(
            port=port,
            http=http,
            near_host=NEAR_HOST,
            near_port=near,
            far_host=FAR_HOST,
            far_port=far,
            max_calls=max_calls,
            extra=extra,
            media=media,
        )
        (folder / "cicswitch.toml").write_text(config)
        profiling = ["-m", "cProfile", "-o", profile] if profile else []
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *profiling, "-m", "cicswitch.cli", "run", "-c", "cicswitch.toml"],
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        switch = Switch(folder, port, process.pid, near, far)
        try:
            _wait_until_up(switch, process)
            yield switch
        finally:
            _stop(process)


def _wait_until_up(switch: Switch, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            switch.ask(do="ping")
        except CicError:
            if process.poll() is not None or time.monotonic() > deadline:
                log = (switch.folder / "log").read_text("utf-8", "replace")
                raise ResourceError(f"the switch did not start:\n{log[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM twice (drain, then at once), SIGKILL last; always by id."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0 if number == signal.SIGTERM else 10.0)


def errors_in_log(folder: Path) -> list[str]:
    """Lines of level error in the switch's log."""
    found = []
    for line in (folder / "log").read_text("utf-8", "replace").splitlines():
        if '"level":"error"' in line.replace(" ", "") and line.startswith("{"):
            with contextlib.suppress(ValueError):
                found.append(str(json.loads(line).get("event")))
    return found

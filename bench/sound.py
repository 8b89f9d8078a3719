"""Sound both ways in calls that are held: `sender.c` is the far ends, SIPp their signalling."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from bench.harness import FAR_HOST, NEAR_HOST, Target
from bench.sipp import SCENARIOS, far_end, start_caller, stop
from cicswitch.core.errors import ResourceError

__all__ = ["WARM_S", "Heard", "built", "driven", "held"]

WARM_S = 3
"""Sound flows for so long before it is measured."""
_FIRST_PORT = 20000
_LEARN = """
    <action>
      <ereg regexp="m=audio ([0-9]+) " search_in="msg" check_it="true" assign_to="1,2" />
      <log message="{host} [call_number] [$2]" />
    </action>
  </recv>"""


class Heard(msgspec.Struct):
    """What the far ends saw, all of them together."""

    sent: int
    got: int
    other: int
    """Packets of another size than was sent."""
    p50_ms: float
    p99_ms: float
    max_ms: float
    """Of the ways from one far end to the other."""

    @property
    def loss(self) -> float:
        """The share of the packets; all of them if none was sent."""
        return 1 - self.got / self.sent if self.sent else 1.0


def built(folder: Path, name: str) -> Path:
    """A program of the bench's in C."""
    program, source = folder / name, Path(__file__).parent / f"{name}.c"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source)], check=True)
    return program


@contextlib.contextmanager
def held(target: Target, calls: int, seconds: float) -> Iterator[list[str]]:
    """So many bridged calls for so long at most: `HOST PORT NEAR-PORT` of their legs, which are
    `driven`'s. Raises `ResourceError` if they do not all connect."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
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
                yield _legs(folder, calls)
            finally:
                stop(process)


def driven(
    sender: Path, legs: list[str], seconds: float, cpu_s: Callable[[], float]
) -> tuple[float, Heard]:
    """CPU seconds of whoever relays while packets flow, and what the far ends saw."""
    driver = subprocess.Popen(
        [sender, str(len(legs)), str(seconds), str(WARM_S), "127.0.0.1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert driver.stdin is not None
    driver.stdin.write("\n".join(legs) + "\n")
    driver.stdin.close()
    time.sleep(WARM_S)
    before = cpu_s()
    time.sleep(seconds)
    used = cpu_s() - before
    driver.wait(30)
    assert driver.stdout is not None
    if driver.returncode:
        raise ResourceError("the RTP driver could not bind its ports")
    return used, msgspec.json.decode(driver.stdout.read(), type=Heard)


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

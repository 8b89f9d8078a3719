"""What the media plane costs: `python -m bench.micro_media [relay|record|hold|mix|open|all]`.

A worker process behind a `WorkerPlane`, driven by `sender.c` (one in Python would need more CPU
than what it measures) from another loopback address. CPU is that of the worker, utime + stime in
`/proc/PID/stat`, so it holds its kernel time too; run it on an idle machine and mind that both
share the caches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import uvloop

from cicswitch.media.plane import WorkerPlane
from cicswitch.media.settings import MediaSettings
from cicswitch.ports import MediaEvent, MediaParams, MediaSource

NEAR, FAR = "127.0.0.9", "127.0.0.2"
FAR_PORT = 16384


def cpu_s(pid: int, *, only_system: bool = False) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user = 0 if only_system else int(fields[11])
    return (user + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_s(pid: int) -> float:
    """As `cpu_s`, to the nanosecond: of the main thread only."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def build(folder: Path) -> Path:
    source, program = Path(__file__).parent / "sender.c", folder / "sender"
    subprocess.run(["gcc", "-O2", "-o", str(program), str(source)], check=True)
    return program


async def plane() -> tuple[WorkerPlane, list[MediaEvent]]:
    made = WorkerPlane(MediaSettings(host=NEAR, port_min=16384, port_max=32766))
    events: list[MediaEvent] = []
    await made.start(events.append)
    return made, events


async def opened(made: WorkerPlane, count: int) -> list[int]:
    """Legs `0` to `count - 1`, configured for the sender's ports."""
    ports: list[int] = []
    for index in range(count):
        while True:
            try:
                ports.append(made.open(str(index)).port)
                break
            except Exception:
                await asyncio.sleep(0.02)
        made.configure(
            str(index),
            MediaParams(
                codec="PCMA",
                payload_type=8,
                host=FAR,
                port=FAR_PORT + 2 * index,
                dtmf_payload_type=101,
            ),
        )
        if index % 50 == 49:
            await asyncio.sleep(0)
    return ports


async def drive(
    sender: Path,
    made: WorkerPlane,
    ports: list[int],
    seconds: float,
    warm_s: float,
    *,
    silent: bool = False,
) -> tuple[float, float, dict[str, float]]:
    """CPU seconds of the worker (all, the kernel's part) while the sender runs, what that saw."""
    talk = ("0.04",) if silent else ()
    process = await asyncio.create_subprocess_exec(
        str(sender), str(len(ports)), str(seconds), str(warm_s), NEAR, *talk,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    for index, port in enumerate(ports):
        process.stdin.write(f"{FAR} {FAR_PORT + 2 * index} {port}\n".encode())
    process.stdin.close()
    (pid,) = made.worker_pids()
    await asyncio.sleep(warm_s)
    before, before_system = cpu_s(pid), cpu_s(pid, only_system=True)
    await asyncio.sleep(seconds)
    used, system = cpu_s(pid) - before, cpu_s(pid, only_system=True) - before_system
    assert process.stdout is not None
    seen = json.loads(await process.stdout.read())
    await process.wait()
    return used, system, seen


async def relay(sender: Path, calls: int, seconds: float, folder: Path | None) -> None:
    made, _ = await plane()
    try:
        (pid,) = made.worker_pids()
        empty = rss_kib(pid)
        ports = await opened(made, 2 * calls)
        for call in range(calls):
            made.bridge(str(2 * call), str(2 * call + 1))
            if folder is not None:
                made.record(str(2 * call), f"r{call}", folder / f"r{call}.wav")
        await asyncio.sleep(0.3)
        used, system, seen = await drive(sender, made, ports, seconds, 1.5)
        packets = calls * 100 * seconds
        print(
            f"{'record' if folder else 'relay'} {calls} calls:"
            f" {used / packets * 1e6:.2f} µs/packet ({system / packets * 1e6:.2f} in the kernel),"
            f" {used / calls / seconds * 1e3:.3f} CPU-ms/call-s, core {used / seconds:.0%},"
            f" lost {seen['sent'] - seen['got']:.0f} of {seen['sent']:.0f},"
            f" delay p50 {seen['p50_ms']} p99 {seen['p99_ms']} max {seen['max_ms']} ms,"
            f" {(rss_kib(pid) - empty) / calls / 2:.1f} KiB/leg"
        )
    finally:
        await made.stop()


async def hold(sender: Path, legs: int, seconds: float, *, talking: bool) -> None:
    """Legs that hear music; `talking`: and send packets of their own, as callers do."""
    made, _ = await plane()
    try:
        ports = await opened(made, legs)
        for leg in range(legs):
            made.play(str(leg), "moh", [MediaSource(tone_hz=(440.0,))], loop=True)
        await asyncio.sleep(0.3)
        used, system, seen = await drive(sender, made, ports, seconds, 1.0, silent=not talking)
        print(
            f"hold {legs} legs {'both ways' if talking else 'music only'}:"
            f" core {used / seconds:.1%}, {used / legs / seconds / 50 * 1e6:.2f} µs/leg-tick"
            f" ({system / legs / seconds / 50 * 1e6:.2f} in the kernel), heard {seen['other']:.0f}"
        )
    finally:
        await made.stop()


async def mix(sender: Path, legs: int, size: int, seconds: float) -> None:
    """Rooms of so many legs, in which all talk and hear one another.

    A leg-tick is 20 ms of one leg: its packet received, mixed with the others, and one sent.
    """
    made, _ = await plane()
    try:
        legs -= legs % size
        ports = await opened(made, legs)
        for first in range(0, legs, size):
            room = [str(leg) for leg in range(first, first + size)]
            made.mix({leg: [other for other in room if other != leg] for leg in room})
        await asyncio.sleep(0.5)
        used, system, seen = await drive(sender, made, ports, seconds, 1.5)
        await asyncio.sleep(1.1)
        figures = made.figures()
        print(
            f"mix {legs} legs in rooms of {size}: {used / legs / seconds / 50 * 1e6:.2f}"
            f" µs/leg-tick ({system / legs / seconds / 50 * 1e6:.2f} in the kernel),"
            f" core {used / seconds:.0%}, heard {seen['other']:.0f} packets,"
            f" late {figures['packets_late']:.0f}, concealed {figures['frames_concealed']:.0f}"
        )
    finally:
        await made.stop()


async def open_close(rounds: int, calls: int) -> None:
    """Two legs opened, configured, bridged, closed; both processes."""
    made, events = await plane()
    try:
        (pid,) = made.worker_pids()
        await opened(made, 2 * calls)
        for index in range(2 * calls):
            made.close(str(index))
        await asyncio.sleep(1.5)
        here, there, worker = [], [], 0.0
        for turn in range(rounds):
            events.clear()
            start, worker = time.process_time(), cpu_s(pid)
            for call in range(calls):
                a, b = f"a{turn}.{call}", f"b{turn}.{call}"
                made.open(a)
                made.configure(
                    a, MediaParams(codec="PCMA", payload_type=8, host=FAR, port=FAR_PORT)
                )
                made.open(b, near=a)
                made.configure(
                    b, MediaParams(codec="PCMA", payload_type=8, host=FAR, port=FAR_PORT)
                )
                made.bridge(a, b)
                if call % 8 == 7:
                    await asyncio.sleep(0)
            for call in range(calls):
                made.close(f"a{turn}.{call}")
                made.close(f"b{turn}.{call}")
                if call % 8 == 7:
                    await asyncio.sleep(0)
            while len(events) < 2 * calls:  # noqa: ASYNC110 - the plane calls, it sets no event
                await asyncio.sleep(0.001)
            here.append(time.process_time() - start)
            there.append(cpu_s(pid) - worker)
            await asyncio.sleep(0.4)
        print(
            f"open+close: {statistics.median(here) / calls * 1e6:.1f} µs/call in the plane,"
            f" {sum(there) / rounds / calls * 1e6:.1f} µs/call in the worker"
        )
    finally:
        await made.stop()


async def paced(rate: int, seconds: float) -> None:
    """Calls at a rate, their commands in the steps that signalling takes; both processes."""
    made, events = await plane()
    loop = asyncio.get_running_loop()
    params = MediaParams(codec="PCMA", payload_type=8, host=FAR, port=FAR_PORT)

    def invite(call: int) -> None:
        made.open(f"a{call}")
        made.configure(f"a{call}", params)
        made.open(f"b{call}", near=f"a{call}")
        loop.call_later(0.002, answered, call)

    def answered(call: int) -> None:
        made.configure(f"b{call}", params)
        made.bridge(f"a{call}", f"b{call}")
        loop.call_later(0.5, bye, call, "ab")

    def bye(call: int, legs: str) -> None:
        made.close(f"{legs[0]}{call}")
        if legs[1:]:
            loop.call_later(0.001, bye, call, legs[1:])

    try:
        (pid,) = made.worker_pids()
        await opened(made, 1200)
        for index in range(1200):
            made.close(str(index))
        await asyncio.sleep(1.5)
        idle, start = run_s(pid), time.process_time()
        await asyncio.sleep(2)
        idle, own_idle = (run_s(pid) - idle) / 2, (time.process_time() - start) / 2
        events.clear()
        before, start, began = run_s(pid), time.process_time(), time.monotonic()
        calls = int(rate * seconds)
        for call in range(calls):
            await asyncio.sleep(began + call / rate - time.monotonic())
            invite(call)
        while len(events) < 2 * calls:  # noqa: ASYNC110 - the plane calls, it sets no event
            await asyncio.sleep(0.01)
        took = time.monotonic() - began
        worker = run_s(pid) - before - idle * took
        here = time.process_time() - start - own_idle * took
        print(
            f"{rate} calls/s: {worker / calls * 1e6:.1f} µs/call in the worker (idle {idle:.2%}),"
            f" {here / calls * 1e6:.1f} µs/call here, timers of this bench and all"
        )
    finally:
        await made.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--calls", type=int, action="append")
    arguments = parser.parse_args()
    what, seconds = arguments.what, arguments.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sender = build(folder)
        if what in ("relay", "all"):
            for calls in arguments.calls or (100, 500, 1200):
                await relay(sender, calls, seconds, None)
        if what in ("record", "all"):
            for calls in arguments.calls or (100, 500):
                await relay(sender, calls, seconds, folder)
        if what in ("hold", "all"):
            for talking in (False, True):
                await hold(sender, 500, seconds, talking=talking)
        if what in ("mix", "all"):
            for legs in (300, 1000):
                for size in (3, 10):
                    await mix(sender, legs, size, seconds)
        if what in ("open", "all"):
            await open_close(10, 400)
            for rate in (100, 400, 1000):
                await paced(rate, seconds)


if __name__ == "__main__":
    uvloop.run(main())

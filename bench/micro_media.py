"""What the media plane costs: `python bench/micro_media.py [relay|record|hold|open|all]`.

A worker process behind a `WorkerPlane`, driven by a sender in C (compiled here, because one in
Python would need more CPU than what it measures) from another loopback address. CPU is that of the
worker, utime + stime in `/proc/PID/stat`, so it holds its kernel time too; run it on an idle
machine and mind that both share the caches.
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

from cicswitch.media.plane import WorkerPlane
from cicswitch.media.settings import MediaSettings
from cicswitch.ports import MediaEvent, MediaParams, MediaSource

NEAR, FAR = "127.0.0.9", "127.0.0.2"
FAR_PORT = 16384

SENDER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static double now(void) {
  struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9;
}
static int cmp(const void *a, const void *b) {
  double x = *(double *)a, y = *(double *)b; return x < y ? -1 : x > y;
}
/* legs seconds warm-up far near far-port silent (40 ms of packets, to latch);
   the near ports come on stdin */
int main(int c, char **v) {
  int n = atoi(v[1]); double secs = atof(v[2]), warm = atof(v[3]);
  const char *far = v[4], *near = v[5]; int base = atoi(v[6]), silent = atoi(v[7]);
  struct rlimit r; getrlimit(RLIMIT_NOFILE, &r); r.rlim_cur = r.rlim_max;
  setrlimit(RLIMIT_NOFILE, &r);
  int *fd = malloc(n * 4), ep = epoll_create1(0);
  for (int i = 0; i < n; i++) {
    int port; if (scanf("%d", &port) != 1) return 1;
    fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {0}; a.sin_family = AF_INET; a.sin_port = htons(base + 2 * i);
    a.sin_addr.s_addr = inet_addr(far);
    if (bind(fd[i], (void *)&a, sizeof a)) { perror("bind"); return 1; }
    a.sin_addr.s_addr = inet_addr(near); a.sin_port = htons(port);
    connect(fd[i], (void *)&a, sizeof a);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
  }
  unsigned char pk[172]; memset(pk, 0xd5, sizeof pk);
  long sent = 0, got = 0, other = 0, cap = (long)(n * 52 * (secs + 1)) + 1000;
  double *d = malloc(cap * 8);
  unsigned short *seq = calloc(n, 2); unsigned *ts = calloc(n, 4);
  struct epoll_event ev[512];
  double step = 0.020 / n, next = now(), start = next + warm, end = start + secs, fin = end + 0.3;
  int i = 0;
  for (;;) {
    double t = now(); if (t > fin) break;
    if (silent) if (t > start - warm + 0.04) next = end;
    while (t < end && next <= t) {
      pk[0] = 0x80; pk[1] = 8; seq[i]++; ts[i] += 160; pk[2] = seq[i] >> 8; pk[3] = seq[i];
      unsigned x = htonl(ts[i]); memcpy(pk + 4, &x, 4); x = htonl(i + 1000); memcpy(pk + 8, &x, 4);
      double tt = now(); memcpy(pk + 12, &tt, 8);
      if (send(fd[i], pk, 172, 0) == 172 && tt >= start) sent++;
      i = (i + 1) % n; next += step;
    }
    int k = epoll_wait(ep, ev, 512, 0);
    if (!k) { usleep(300); continue; }
    for (int j = 0; j < k; j++) for (;;) {
      unsigned char b[2048]; ssize_t m = recv(fd[ev[j].data.u32], b, sizeof b, 0);
      if (m < 0) break;
      if (m == 172) { double tt; memcpy(&tt, b + 12, 8);
        if (tt >= start && tt < end) { if (got < cap) d[got++] = now() - tt; } else other++; }
    }
  }
  qsort(d, got, 8, cmp);
  printf("{\"sent\":%ld,\"got\":%ld,\"other\":%ld,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n",
    sent, got, other, got ? d[got / 2] * 1e3 : 0, got ? d[got * 99 / 100] * 1e3 : 0,
    got ? d[got - 1] * 1e3 : 0);
  return 0;
}
"""


def cpu_s(pid: int, *, only_system: bool = False) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    user = 0 if only_system else int(fields[11])
    return (user + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def build(folder: Path) -> Path:
    source, program = folder / "sender.c", folder / "sender"
    source.write_text(SENDER)
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
    process = await asyncio.create_subprocess_exec(
        str(sender), str(len(ports)), str(seconds), str(warm_s),
        FAR, NEAR, str(FAR_PORT), str(int(silent)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("\n".join(map(str, ports)).encode() + b"\n")
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
        if what in ("open", "all"):
            await open_close(10, 400)


if __name__ == "__main__":
    asyncio.run(main())

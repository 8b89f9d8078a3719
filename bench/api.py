"""`bench api`: requests and wallboards beside live calls, and what they do to the loop.

A SIP peer sends an OPTIONS every 20 ms and notes how long its answer takes: what delays the loop
delays that. Calls go on all the time. `lag_ms_p99` is what is added at the 99th percentile to a
minute without requests, `requests_per_s` the most that adds no more than 5 ms. A wallboard is a
WebSocket at `/api/v1/events` that gets every event; all of them have to get all.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TypeVar

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.beside import beside, lag, port_of
from bench.harness import Switch, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import far_end, start_caller, stop
from cicswitch.core.errors import ResourceError

__all__ = ["run"]

T = TypeVar("T")

_EXTRA = "[http]\nrequests_per_minute = 100000000\n"
_QUEUES = "".join(f"[queue.q{number}]\n" for number in range(10))
_CALLS_PER_S = 50
_HOLD_S = 4.0
_CONNECTIONS = 16
_RATES = (100, 200, 400, 600, 800, 1000, 1400, 1800)
_WALLBOARDS = 200
_MOST_MS = 5.0


def run(options: Options) -> list[Result]:
    """First requests, then wallboards."""
    seconds = 5.0 if options.quick else 12.0
    result = Result("api", x_label="requests a second", y_label="ms added at the 99th percentile")
    with (
        switch_under_test(extra=_EXTRA + _QUEUES) as switch,
        tempfile.TemporaryDirectory() as name,
        far_end(switch, Path(name)),
    ):
        token, port = _token(switch), port_of(switch)
        caller = start_caller(
            *(switch, Path(name), "4711"),
            rate=_CALLS_PER_S,
            count=1_000_000,
            hold_ms=round(_HOLD_S * 1000),
        )
        try:
            time.sleep(_HOLD_S + 2)
            asyncio.run(_measure(switch, port, token, seconds, options, result))
        finally:
            stop(caller)
    return [result]


async def _measure(
    switch: Switch, port: int, token: str, seconds: float, options: Options, result: Result
) -> None:
    quiet, used = await lag(switch, seconds)
    progress(f"calls alone: p99 {quiet:.2f} ms, {used:.1%} of a core")
    result.add("calls_per_s", _CALLS_PER_S)
    result.add("quiet_ms_p99", quiet, "ms")
    best = served = 0.0
    rates: list[float] = []
    lags: list[float] = []
    for rate in (options.rate,) if options.rate else _RATES:
        done, (late, cpu) = await beside(_requests(port, token, rate, seconds), switch, seconds)
        progress(f"{rate:g} requests/s: {done / seconds:.0f}/s, p99 {late:.2f} ms, {cpu:.1%}")
        rates.append(rate)
        lags.append(late - quiet)
        if late - quiet > _MOST_MS or done < 0.98 * rate * seconds:
            break
        best, served = rate, cpu - used
    result.add("requests_per_s", best, "requests/s")
    result.add("core_ms_per_request", 1000 * served / best if best else 0, "ms")
    result.add("lag_ms_p99", lags[rates.index(best)] if best else lags[0], "ms", most=_MOST_MS)
    result.series = [Series("added at p99", rates, lags)]
    count = options.agents or _WALLBOARDS
    seen, (late, cpu) = await beside(_walls(port, token, count, seconds), switch, seconds)
    alike = len(set(seen)) == 1 and seen[0] > 0
    progress(f"{count} wallboards: {seen[0]} events each, p99 {late:.2f} ms, {cpu:.1%} of a core")
    result.add("wallboards", sum(each == max(seen) for each in seen), "boards", least=count)
    result.add("wallboard_events", max(seen), "events each", least=1, done=alike)
    result.add("wallboard_lag_ms_p99", late - quiet, "ms", most=_MOST_MS)
    result.add("wallboard_core", 100 * (cpu - used), "% of a core")


async def _requests(port: int, token: str, rate: float, seconds: float) -> int:
    """Ask for the queues so often, over connections that stay; how many were answered well."""
    request = (
        f"GET /api/v1/queues HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    began = loop.time()
    done = 0

    async def client(first: int) -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = first
        while number < rate * (seconds + 1):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(size[1]) if size else 0)
            if " 200 " not in head.partition("\r\n")[0] + " ":
                raise ResourceError(f"a request was answered {head.partition(chr(13))[0]}")
            done += loop.time() - began >= 1
            number += _CONNECTIONS
        writer.close()

    await asyncio.gather(*(client(first) for first in range(_CONNECTIONS)))
    return done


async def _walls(port: int, token: str, count: int, seconds: float) -> list[int]:
    """How many events each of so many wallboards has got between the same two."""
    url = f"ws://127.0.0.1:{port}/api/v1/events"
    headers = {"Authorization": f"Bearer {token}"}
    seen: list[list[int]] = [[] for _ in range(count)]

    async def wall(ids: list[int]) -> None:
        async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
            with contextlib.suppress(ConnectionClosed):
                async for message in socket:
                    ids += [int(each) for each in re.findall(r'"id":(\d+)', str(message))]

    tasks = [asyncio.create_task(wall(ids)) for ids in seen]
    while not all(seen):  # noqa: ASYNC110  # lists that fill
        await asyncio.sleep(0.1)
    first = max(ids[-1] for ids in seen)
    await asyncio.sleep(seconds)
    last = min(ids[-1] for ids in seen)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return [sum(first < number <= last for number in ids) for ids in seen]


def _token(switch: Switch) -> str:
    """A supervisor's, made by the command line."""

    def cli(*arguments: str, given: str = "") -> str:
        return subprocess.run(
            [sys.executable, "-m", "cicswitch.cli", *arguments, "-c", "cicswitch.toml"],
            cwd=switch.folder,
            input=given,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    cli("account", "add", "wall", "--role", "supervisor", given="correct horse battery\n")
    told = cli("token", "add", "wall", "--scope", "queues:read", "--scope", "events:read")
    found = re.search(r"cic_[\w-]+", told)
    if found is None:
        raise ResourceError("no token was made")
    return found[0]

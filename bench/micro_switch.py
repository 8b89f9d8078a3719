"""What one two-leg call costs the signalling process, in memory: no socket, no worker.

    python bench/micro_switch.py [calls] [--queue] [--profile [KEY]]

With `--queue` the call goes through a queue to one of 200 agents, else through a `dial` step.

The whole switch runs, from datagram to journal: SIP, legs, conductor, dialplan, ladder, log line.
Only the media worker, the disk and the sockets are left out. Peers are scripted, and the clock runs
as at 1,000 calls/s, so that finished transactions linger as they do in life.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import CONFIG, DIAL_PLAN
from bench.micro_sip import OFFER, request_of_a, response_of_b, value
from bench.queue import PLAN as QUEUE_PLAN
from bench.queue import config as queue_config
from cicswitch.config import load, parse_endpoint
from cicswitch.daemon import Switch
from cicswitch.ports import MediaAddress, MediaLegClosed, MediaParams, MediaStats
from cicswitch.runtime import log as logs
from cicswitch.sip.flow import Flow, Listener

_STATS = MediaStats()
WARM_UP = 35_000
"""Calls until as many transactions end as begin: 32 s of Timer J."""


class _NoLoop:
    """What is to be done soon is done at once."""

    def call_soon(self, work: Callable[[], None]) -> None:
        work()


class _Silence:
    """A media plane that has ports and no sound."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._port = 0

    def open(self, leg: str, *, ipv6: bool = False, near: str | None = None) -> MediaAddress:
        self._port = (self._port + 2) % 8000
        return MediaAddress("10.0.0.1", 20_000 + self._port)

    def configure(self, leg: str, params: MediaParams) -> None: ...

    def bridge(self, a: str, b: str) -> None: ...

    def unbridge(self, leg: str) -> None: ...

    def play(
        self, leg: str, play_id: str, sources: Sequence[Any], *, loop: bool = False
    ) -> None: ...

    def stop_play(self, leg: str) -> None: ...

    def close(self, leg: str) -> None:
        self._switch.conductor.post(MediaLegClosed(leg, _STATS))


def make(folder: Path, *, queue: bool = False) -> Switch:
    """A switch with its trunks, and nothing of the outside world."""
    (folder / "plan.toml").write_text(QUEUE_PLAN if queue else DIAL_PLAN)
    ports = {"port": 5060, "http": 8080, "near_port": 5080, "far_port": 5090, "max_calls": 10_000}
    extra = queue_config(200) if queue else ""
    hosts = {"near_host": "10.0.0.9", "far_host": "10.0.0.8"}
    (folder / "cicswitch.toml").write_text(CONFIG.format(**ports, **hosts, extra=extra, media=""))
    switch = Switch(load(folder / "cicswitch.toml"))
    silence: Any = _Silence(switch)
    switch.media = switch.sip.media = switch.conductor.env.media = silence
    switch.sip.sink = switch.conductor
    switch.sip._interaction_of = switch.conductor.interaction_of
    listener = Listener("main", "UDP", "10.0.0.1", 5060)
    endpoint = parse_endpoint("udp:10.0.0.1:5060", ("udp",), 5060)
    switch.sip._listeners.append((endpoint, listener))
    for trunk in switch.sip.trunks.by_name.values():
        assert trunk.remote is not None
        trunk.flow = Flow(listener, trunk.remote)
    return switch


def run(switch: Switch, first: int, calls: int) -> float:
    """Seconds of CPU for so many calls, numbered from `first`."""
    stack, store = switch.sip, switch.store
    near, far = (switch.sip.trunks.by_name[name].flow for name in ("near", "far"))
    assert near is not None
    assert far is not None
    sent: list[bytes] = []
    stack.transports.send = lambda flow, data: sent.append(data)  # type: ignore[method-assign]  # caught
    clock = time.thread_time
    called = b"sip:5000@" if switch.engine.queues else b"sip:1000@"
    spent = 0.0

    def step(data: bytes, flow: Flow) -> list[bytes]:
        nonlocal spent
        sent.clear()
        start = clock()
        stack._received([(flow, data)])
        spent += clock() - start
        return list(sent)

    for number in range(first, first + calls):
        to = b"<sip:1000@10.0.0.1>"
        out = step(
            request_of_a(number, b"INVITE", to, 1, OFFER).replace(b"sip:1000@", called), near
        )
        invite = next(data for data in out if data.startswith(b"INVITE"))
        tag = b";tag=btag%d" % number
        oks = [data for data in out if data.startswith(b"SIP/2.0 200")]
        if oks:  # a queue answers first
            to = value(oks[0], b"To")
            step(request_of_a(number, b"ACK", to, 1), near)
        step(response_of_b(invite, b"100 Trying", b""), far)
        step(response_of_b(invite, b"180 Ringing", tag), far)
        out = step(response_of_b(invite, b"200 OK", tag, OFFER), far)
        if not oks:
            to = value(next(data for data in out if data.startswith(b"SIP/2.0 200")), b"To")
            step(request_of_a(number, b"ACK", to, 1), near)
        out = step(request_of_a(number, b"BYE", to, 2), near)
        bye = next(data for data in out if data.startswith(b"BYE"))
        step(response_of_b(bye, b"200 OK", b""), far)
        switch.clock._offset += 0.001
        if number % 10 == 0:
            start = clock()
            now = switch.clock.now()
            switch.wheel.fire(now)
            switch._after_fire(now)
            spent += clock() - start
            store._pending.clear()
            store._traces.clear()
    assert not switch.conductor.calls, switch.tables()
    return spent


def main(arguments: list[str]) -> None:
    asyncio.get_running_loop = _NoLoop  # type: ignore[assignment]  # nothing here waits
    numbers = [int(item) for item in arguments if item.isdigit()]
    calls = numbers[0] if numbers else 3_000
    queue = "--queue" in arguments
    with tempfile.TemporaryDirectory() as name, Path(os.devnull).open("w") as nowhere:
        logs.configure("info", "json", True, nowhere)
        switch = make(Path(name), queue=queue)
        gc.collect()
        gc.disable()
        run(switch, 0, WARM_UP)
        if "--profile" in arguments:
            key = arguments[-1] if arguments[-1] in ("cumtime", "tottime") else "tottime"
            profile: Any = cProfile.Profile()
            profile.enable()
            run(switch, WARM_UP, calls)
            profile.disable()
            pstats.Stats(profile).sort_stats(key).print_stats(70)
            return
        rounds = [run(switch, WARM_UP + each * calls, calls) for each in range(5)]
        best = min(rounds) / calls * 1e6
    kind = "queued" if queue else "dialled"
    print(f"{best:.1f} us a {kind} call, best of 5")


if __name__ == "__main__":
    main(sys.argv[1:])

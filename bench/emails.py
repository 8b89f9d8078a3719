"""A switch with very many open emails: `python -m bench.emails FOLDER fill|open COUNT`.

`fill` hands them in and dies without a word; `open` starts on what is there, has agents answer
some, and dies too. A line of JSON says how it went.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import structlog

from cicswitch import Switch
from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.contacts.messages import Incoming

AGENTS = 50
_AT_ONCE = 256
_ANSWERED = 10_000


def config(folder: Path) -> Path:
    """A configuration with a mailbox that nothing reaches, and agents."""
    lines = [
        '[channel.mail]\ntype = "email"\nqueue = "support"',
        '[channel.mail.settings]\naddresses = ["support@example.com"]',
        '[channel.mail.settings.send]\nserver = "127.0.0.1"\nport = 9\nsecurity = "none"',
        '[channel.mail.settings.receive]\nlisten = "127.0.0.1:15402"',
        "[queue.support]\nwrap_up_s = 0",
    ]
    for number in range(AGENTS):
        lines.append(f'[device.{7000 + number}]\npassword = "not of anybody"')
        lines.append(f'[agent.a{number}]\ndevice = "{7000 + number}"')
    file = folder / "cicswitch.toml"
    head = (
        'dialplans = []\n[listen]\nsip = ["udp:127.0.0.1:15403"]\nhttp = "127.0.0.1:15404"\n'
        '[store]\npath = "store.db"\n[media]\nworkers = 1\nports = "30000-30199"\n'
    )
    file.write_text(head + "\n".join(lines) + "\n")
    return file


def memory_mib() -> float:
    """Resident, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def fill(file: Path, count: int) -> None:
    """Hand so many in, each from a customer of its own."""
    async with Switch(file) as switch:
        contacts = switch.conductor.contacts
        channel = contacts.channels["mail"]
        before, numbers = memory_mib(), iter(range(count))
        text = "My order has not arrived yet. " * 30

        async def some() -> None:
            for number in numbers:
                await contacts.accept(
                    channel,
                    Incoming(
                        customer=f"c{number}@example.com",
                        called="support@example.com",
                        subject=f"Order {number}",
                        text=text,
                        external=f"{number}@example.com#0",
                    ),
                )

        began, cpu = time.monotonic(), time.process_time()
        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        told = {
            "seconds": time.monotonic() - began,
            "cpu_s": time.process_time() - cpu,
            "mib": memory_mib() - before,
        }
        die(told)


async def answer(file: Path, count: int) -> None:
    """Start on what is there; agents take and end some, each the next when he is done."""
    began, cpu = time.monotonic(), time.process_time()
    async with Switch(file) as switch:
        told: dict[str, Any] = {
            "start_s": time.monotonic() - began,
            "start_cpu_s": time.process_time() - cpu,
            "mib": memory_mib(),
            "waiting": len(switch.conductor.contacts.live),
        }
        enough = min(_ANSWERED, count, told["waiting"])
        contacts, do, done = switch.conductor.contacts, switch.conductor.do, 0
        over = asyncio.Event()

        def take(event: acd_events.Reserved) -> None:
            nonlocal done
            if over.is_set():
                return
            do(lambda: contacts.take(event.interaction, event.agent))
            do(lambda: contacts.finish(event.interaction))
            done += 1
            if done >= enough:
                over.set()

        loop = asyncio.get_running_loop()

        def heard(event: Any) -> None:
            if isinstance(event, acd_events.Reserved):
                loop.call_soon(take, event)

        switch.subscribe(heard)
        began, cpu = time.monotonic(), time.process_time()
        for number in range(AGENTS):
            switch.command(acd.SignIn(f"a{number}"))
        async with asyncio.timeout(300):
            await over.wait()
        told["answered"] = done
        told["seconds"] = time.monotonic() - began
        told["cpu_s"] = time.process_time() - cpu
        die(told)


def die(told: dict[str, Any]) -> None:
    """Say how it went, and end as by kill -9."""
    print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    place, work, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    asyncio.run((fill if work == "fill" else answer)(config(place), number))

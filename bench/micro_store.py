"""What a store costs: events appended as calls leave them, committed in groups.

    python -m bench.micro_store FILE.db
    python -m bench.micro_store postgresql://USER@HOST/DATABASE      an empty one

Prints events a second with a commit for each 50 calls, and the CPU that a million events cost this
process, and the server's process beside it, if it runs on this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from cicswitch.acd.commands import Enqueue
from cicswitch.acd.events import Commanded
from cicswitch.calls import events as ev
from cicswitch.records.journal import Event
from cicswitch.runtime.place import Place, place_of
from cicswitch.store.make import make_store
from cicswitch.store.reader import let_go, reading

CALLS = 20_000
AT_ONCE = 50
"""What comes in 50 ms at 1,000 calls/s."""


def call(number: int) -> list[Event]:
    """A call through a queue: its events, of which its rows are booked."""
    at, name, leg = 10.0 + number / 1000, f"i{number}", f"a{number}"
    caller = f"+8221{number:07}"
    return [
        ev.InteractionStarted(at, name, "voice", "trunk:pbx", caller, "5000"),
        ev.LegStarted(at, leg, name, "in", "trunk:pbx", caller, "5000", f"{name}@pbx.example"),
        ev.LegAnswered(at, leg, "PCMU"),
        Commanded(at, Enqueue(interaction=name, queue="support")),
        ev.LegEnded(at + 30, leg, "normal", True),
        ev.InteractionEnded(at + 30, name, "normal"),
    ]


def server_cpu_s(place: Place) -> float:
    """Of the process that serves the writer; 0 where there is none to be seen."""
    if isinstance(place, Path):
        return 0.0
    with reading(place) as db:
        query = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        (pid,) = db.execute(query).fetchone()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(place: Place) -> str:
    """One line."""
    store = make_store(place)
    store.open(1.0, "bench")
    calls = [call(number) for number in range(CALLS)]
    await store.committed()
    server, cpu, begun = server_cpu_s(place), time.process_time(), time.perf_counter()
    for start in range(0, CALLS, AT_ONCE):
        for events in calls[start : start + AT_ONCE]:
            for event in events:
                store.append(event)
        await store.committed()
    took, spent = time.perf_counter() - begun, time.process_time() - cpu
    served, count = server_cpu_s(place) - server, sum(map(len, calls))
    store.close(9e6, "bench")
    let_go(place)
    return (
        f"{count / took:,.0f} events/s; a million events: {spent / count * 1e6:.1f} CPU-s"
        f" here, {served / count * 1e6:.1f} in the server"
    )


if __name__ == "__main__":
    print(asyncio.run(measure(place_of(sys.argv[1]))))

"""A switch for a test: its own folder, its own ports, and a look at what it journals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from cicswitch import daemon
from cicswitch.acd.invariants import breaches
from cicswitch.calls import events as ev
from cicswitch.core.errors import CommandError
from cicswitch.records.journal import Event
from cicswitch.runtime.place import Place
from cicswitch.store.reader import reading
from tests.support.ports import free_port, rtp_ports

CONFIG = """
control = "control.sock"
dialplans = ["plan.toml"]
[listen]
sip = [{listen}]
http = "127.0.0.1:0"
[media]
workers = 1
ports = "{media}"
[store]
path = "store.db"
[device.1001]
name = "Kim"
password = "phone-1001"
[device.1002]
password = "phone-1002"
[device.1003]
password = "phone-1003"
[device.2001]
name = "Customer"
password = "phone-2001"
[device.2002]
password = "phone-2002"
[skills]
korean = ""
[agent.kim]
device = "1001"
skills = {{ korean = 90 }}
signed_in = true
[agent.lee]
device = "1002"
[queue.support]
ring_s = {ring_s}
wrap_up_s = {wrap_up_s}
reject_pause_s = 60
comfort_s = 0
[queue.korean]
skills = {{ korean = 50 }}
wrap_up_s = 0
{extra}
"""

PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "support"
[[route]]
called = "5001"
flow = "digits"
[[flow.digits]]
do = "collect"
into = "digits"
most = 16
finish = ""
timeout_s = 20
between_s = 10
[[flow.digits]]
do = "python"
call = "take"
arguments = { digits = "{digits}" }
[[route]]
called = "5002"
flow = "korean"
[[flow.korean]]
do = "queue"
queue = "korean"
[[route]]
called = "5003"
flow = "voicemail"
[[flow.voicemail]]
do = "voicemail"
box = "main"
[[route]]
called = "5004"
flow = "dial"
[[flow.dial]]
do = "dial"
to = ["1001", "1002"]
timeout_s = 5
on_busy = "busy"
on_no_answer = "voicemail"
[[flow.busy]]
do = "hangup"
reason = "busy"
"""


class Center:
    """A running switch under test."""

    def __init__(self, switch: daemon.Switch, folder: Path, port: int) -> None:
        self.switch = switch
        self.folder = folder
        self.port = port
        self.server = f"127.0.0.1:{port}"
        self.server6 = f"[::1]:{port}"
        self.events: list[Event] = []
        self._news = asyncio.Event()
        switch.subscribe(self._heard)

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def until(self, done: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Wait until `done()` is true, looking again after every event of the switch."""
        try:
            async with asyncio.timeout(timeout):
                while not (result := done()):
                    self._news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.2)
                return result
        except TimeoutError:
            raise AssertionError(f"not within {timeout} s; last: {self.events[-8:]}") from None

    async def event(self, what: type, /, timeout: float = 10.0, **values: Any) -> Any:
        """The first event of a kind with these values, also one that has happened."""

        def find() -> Any:
            for event in self.events:
                if type(event) is what and all(getattr(event, k) == v for k, v in values.items()):
                    return event
            return None

        return await self.until(find, timeout)

    def _legs_of(self, kind: type[ev.LegEnded] | type[ev.LegMedia]) -> set[str]:
        return {event.leg for event in self.events if isinstance(event, kind)}

    def state(self, agent: str) -> str:
        """The state of an agent."""
        return self.switch.engine.agents[agent].state.word

    def command(self, command: Any) -> None:
        """A command to the ACD, None if it is refused."""
        with contextlib.suppress(CommandError):
            self.switch.command(command)

    async def empty(self, errors: int = 0) -> None:
        """Nothing of any call is left behind, but for finished transactions and known errors."""
        names = ("calls", "call_legs", "seized", "sip_legs", "interactions", "reservations")

        def clean() -> bool:
            tables = self.switch.tables()
            return not any(tables[name] for name in names)

        await self.until(clean)
        assert breaches(self.switch.engine, self.switch.clock.now()) == []
        assert self.switch.counters["errors"] == errors

    async def all_empty(self) -> None:
        """As `empty`, with finished transactions too: their timers are run to the end at once."""
        await self.empty()
        # Timer H, B and F end 64 T1 (32 s) after the last message, a voice call's wrap-up sooner.
        later = self.switch.clock.now() + 70
        self.switch.wheel.fire(later)
        self.switch.conductor.pump()
        self.switch.sip.pump()
        self.switch.wheel.fire(later + 70)
        assert not any(self.switch.tables().values()), self.switch.tables()

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Rows of a table of the store, once all is written; legs with their media's figures."""
        if table == "leg":
            await self.until(lambda: not self._legs_of(ev.LegEnded) - self._legs_of(ev.LegMedia))
        await self.switch.store.committed()
        return await asyncio.to_thread(rows_of, self.switch.place, table)


def rows_of(place: Place, table: str) -> list[dict[str, Any]]:
    """Rows of a table of a store by their columns."""
    if not isinstance(place, Path):
        with reading(place) as asked:
            found = asked.execute(f"SELECT row_to_json(t)::text FROM {table} AS t").fetchall()
        made = [json.loads(text) for (text,) in found]
        return [{key: row[key] for key in row if key != "rowid"} for row in made]
    with contextlib.closing(sqlite3.connect(place)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]


@contextlib.asynccontextmanager
async def center(
    folder: Path,
    *,
    ring_s: int = 20,
    wrap_up_s: int = 30,
    extra: str = "",
    plan: str = PLAN,
    ipv6: bool = False,
    functions: dict[str, Any] | None = None,
    sounds: str = "",
    **more: Any,
) -> AsyncIterator[Center]:
    """A switch with the configuration above in a folder of its own."""
    port = free_port()
    listen = [f'"udp:127.0.0.1:{port}"', f'"tcp:127.0.0.1:{port}"']
    if ipv6:
        listen.append(f'"udp:[::1]:{port}"')
    (folder / "plan.toml").write_text(plan)
    (folder / "cicswitch.toml").write_text(
        CONFIG.format(
            listen=", ".join(listen),
            media=rtp_ports(),
            ring_s=ring_s,
            wrap_up_s=wrap_up_s,
            extra=extra,
        ).replace("[store]", f"{sounds}\n[store]")
    )
    async with daemon.Switch(folder / "cicswitch.toml", functions=functions, **more) as switch:
        yield Center(switch, folder, port)

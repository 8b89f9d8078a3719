"""PJSIP phones in tests: the headless phone as a process, awaited event by event."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from tests.support.ports import WORKER, free_port

_FIRST_RTP = 4000 + WORKER % 4 * 1500
_rtp = count()
"""Each phone takes 200 ports; seven at a time have their own, below those of `ports`."""


class Phone:
    """One phone. `expect` waits for an event; events that nobody asked for are kept."""

    def __init__(self, user: str, process: asyncio.subprocess.Process) -> None:
        self.user = user
        self.seen: list[dict[str, Any]] = []
        self._process = process
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read(), name=f"phone-{user}")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            await self._events.put(json.loads(line))

    async def expect(self, event: str, timeout: float = 10.0, **values: Any) -> dict[str, Any]:
        """The first event of a kind with these values, also one that came before."""

        def fits(item: dict[str, Any]) -> bool:
            return item["event"] == event and all(item.get(k) == v for k, v in values.items())

        for item in self.seen:
            if fits(item):
                self.seen.remove(item)
                return item
        try:
            async with asyncio.timeout(timeout):
                while True:
                    item = await self._events.get()
                    if fits(item):
                        return item
                    self.seen.append(item)
        except TimeoutError:
            raise AssertionError(
                f"phone {self.user}: no {event} {values} in {timeout} s; seen: {self.seen}"
            ) from None

    def do(self, what: str, **values: Any) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **values}).encode() + b"\n")

    async def close(self) -> None:
        """Quit, and wait for it."""
        with contextlib.suppress(ConnectionError):
            self.do("quit")
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader


@contextlib.asynccontextmanager
async def phone(
    user: str, server: str, *options: str, register: bool = True
) -> AsyncIterator[Phone]:
    """A phone, ready and (unless told otherwise) registered, as device `user`."""
    bind = "::1" if server.startswith("[") else "127.0.0.1"
    arguments = ["--server", server, "--user", user, "--port", str(free_port(bind)), "--bind", bind]
    rtp = _FIRST_RTP + next(_rtp) % 7 * 200
    arguments += ["--password", f"phone-{user}", "--rtp-port", str(rtp), *options]
    if register:
        arguments.append("--register")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cicswitch.phone", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    one = Phone(user, process)
    try:
        await one.expect("ready")
        if register and "--password" in arguments and not any("wrong" in o for o in options):
            await one.expect("registration", status=200)
        yield one
    finally:
        await one.close()

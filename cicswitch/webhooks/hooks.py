"""All webhooks of a switch: started, changed by a reload, stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from cicswitch.config import Config, WebhookConfig
from cicswitch.core.errors import NotFound, ResourceError
from cicswitch.core.ids import Tokens
from cicswitch.core.signature import secret_key
from cicswitch.webhooks import place as places
from cicswitch.webhooks.hook import Hook
from cicswitch.webhooks.reader import JournalReader
from cicswitch.webhooks.sender import Outcome

if TYPE_CHECKING:
    from cicswitch.daemon import Switch

__all__ = ["Webhooks"]

log = structlog.get_logger("webhooks")

_APART_S = 0.004
"""Between two messages, of all hooks: one costs the loop that calls run in some 0.9 ms, so hooks
that have much to catch up with take a fifth of it."""


class Webhooks:
    """The webhooks of a switch that runs: `start` and `stop`, both idempotent."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        store = switch.config.path(switch.config.store.path)
        self.folder = store.with_name(store.name + "-webhooks")
        """A file for each hook: where it is in the journal beside it."""
        self.reader = JournalReader(switch.place)
        self.journal = ""
        self._hooks: dict[str, Hook] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._tokens = Tokens(os.urandom)
        self._next = 0.0
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def hooks(self) -> Mapping[str, Hook]:
        """All of them by name."""
        return self._hooks

    def hook(self, name: str) -> Hook:
        """One of them. Raises `NotFound`."""
        found = self._hooks.get(name)
        if found is None:
            raise NotFound(f'there is no webhook "{name[:80]}"')
        return found

    async def start(self) -> None:
        """Begin with those of the configuration. Raises `ResourceError`."""
        if self._thread is not None:
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhooks")
        self._configure(self._switch.config)
        self._switch.on_reload.append(self.configure)

    async def stop(self) -> None:
        """End all."""
        if self._thread is None:
            return
        self._switch.on_reload.remove(self.configure)
        await asyncio.gather(*(hook.stop() for hook in self._hooks.values()), *self._ending)
        self._hooks.clear()
        await self.run(self.reader.close)
        self._thread.shutdown()
        self._thread = None

    async def run(self, work: Callable[..., Any], *values: Any) -> Any:
        """Do what blocks in a thread of the webhooks, one thing after the other."""
        if self._thread is None:
            raise ResourceError("the webhooks have stopped")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *values)

    async def identify(self) -> None:
        """Find out which journal it is. Waits for as long as the store cannot write."""
        if not self.journal:
            await self._switch.store.committed()  # it has a row then: that of this start
            self.journal = await self.run(self.reader.journal)

    async def turn(self) -> None:
        """Wait until the next message may be sent."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + _APART_S
        if at > now:
            await asyncio.sleep(at - now)

    def committed(self) -> int:
        """A number that grows with what is on the disk."""
        return self._switch.store.committed_events

    def configure(self, config: Config) -> list[str]:
        """Take over what a reload brings. A hook that is as it was is left alone."""
        self._configure(config)
        return []

    async def test(self, name: str) -> tuple[Outcome, float]:
        """Send a test message; what came of it, and the seconds it took. Raises `NotFound`."""
        return await self.hook(name).test(self._tokens)

    def _configure(self, config: Config) -> None:
        wanted = {hook.name: hook for hook in config.webhooks}
        for name, hook in list(self._hooks.items()):
            if hook.config == wanted.get(name):
                continue
            del self._hooks[name]
            ending = asyncio.create_task(hook.stop(), name=f"webhook-{name}-stop")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            if name in wanted:
                self._hooks[name] = self._made(config, wanted[name])
                self._hooks[name].start(ending)
        for name, each in wanted.items():
            if name not in self._hooks:
                self._hooks[name] = self._made(config, each)
                self._hooks[name].start(self._ended(name))
        self._forget(set(wanted))

    def _made(self, config: Config, each: WebhookConfig) -> Hook:
        ca_file = config.path(each.ca_file) if each.ca_file else None
        key = secret_key(each.secret.reveal())
        return Hook(each, key, ca_file, self.folder / f"{each.name}.json", self)

    def _ended(self, name: str) -> asyncio.Task[None] | None:
        """The end of one of this name, if that is still to come."""
        names = {task.get_name(): task for task in self._ending}
        return names.get(f"webhook-{name}-stop")

    def _forget(self, wanted: set[str]) -> None:
        """One that is not in the configuration any more has no place in the journal."""
        assert self._thread is not None
        for file in self.folder.glob("*.json"):
            if file.stem not in wanted:
                ended = self._ended(file.stem)
                if ended is None:
                    self._thread.submit(places.remove, file)
                else:
                    ended.add_done_callback(self._removing(file))

    def _removing(self, file: Path) -> Callable[[asyncio.Task[None]], None]:
        def remove(_: asyncio.Task[None]) -> None:
            if self._thread is not None:
                self._thread.submit(places.remove, file)

        return remove

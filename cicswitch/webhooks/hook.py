"""One hook: it sends event after event, and waits where it has to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from msgspec import Struct

from cicswitch.config import WebhookConfig
from cicswitch.core.errors import CicError
from cicswitch.core.ids import Tokens
from cicswitch.webhooks import place as places
from cicswitch.webhooks.place import Place, Saved
from cicswitch.webhooks.reader import JournalReader, Kept, Page, Wanted
from cicswitch.webhooks.sender import Outcome, Sender, body_of

__all__ = ["Figures", "Hook", "Shared"]

log = structlog.get_logger("webhooks")

_LOOK_S = 0.25
"""How often a hook that waits looks whether something was committed: a number is compared."""
_BROKEN_S = 5.0
_SAVE_S = 60.0
"""A hook that passes by events which it does not want writes its place so often."""
_GONE = 410


class Shared(Protocol):
    """What all hooks have together."""

    reader: JournalReader
    journal: str
    """Which journal it is, once that is known."""

    async def identify(self) -> None:
        """Find that out."""

    async def run(self, work: Callable[..., Any], *values: Any) -> Any:
        """Do what blocks in the thread for it."""

    async def turn(self) -> None:
        """Wait until the next message may be sent."""

    def committed(self) -> int:
        """A number that grows with what is on the disk."""


class Figures(Struct):
    """How a hook does. Times are seconds of the epoch; 0: never."""

    state: str = "waiting"
    """`waiting`, `sending`, `retrying`, `disabled`."""
    delivered: int = 0
    failures: int = 0
    """Attempts that were not acknowledged."""
    skipped: int = 0
    """Events that were given up after `max_attempts`."""
    attempts: int = 0
    """Of the event in hand."""
    oldest_at: float = 0.0
    """When the event in hand happened; 0: none is in hand."""
    last_success_at: float = 0.0
    last_failure_at: float = 0.0
    last_error: str = ""
    next_at: float = 0.0
    """When it is tried again; 0: it waits for nothing."""


class Hook:
    """One hook of the configuration. `start` and `stop` are idempotent."""

    def __init__(
        self, config: WebhookConfig, key: bytes, ca_file: Path | None, file: Path, shared: Shared
    ) -> None:
        self.config = config
        self.file = file
        self.figures = Figures()
        self._shared = shared
        self._wanted = Wanted(config.events, config.queues, config.agents)
        self._key = key
        self._ca_file = ca_file
        self._sender = self._made()
        self._place = Place(0)
        self._saved_at = 0.0
        self._unsaved = False
        self._disabled = ""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _made(self) -> Sender:
        timeout_s = self.config.timeout_s
        return Sender(self.config.url, self._key, timeout_s=timeout_s, ca_file=self._ca_file)

    def start(self, after: Awaitable[None] | None = None) -> None:
        """Begin, when what `after` stands for has ended."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(after), name=f"webhook-{self.config.name}")

    async def stop(self) -> None:
        """End; an event that is on its way is sent again at the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._sender.close()

    def lag_s(self, now: float) -> float:
        """How long ago the event in hand happened; 0: all are delivered."""
        return max(0.0, now - self.figures.oldest_at) if self.figures.oldest_at else 0.0

    @property
    def address(self) -> str:
        """The URL without its query, which may be a secret."""
        split = urlsplit(self.config.url)
        return f"{split.scheme}://{split.netloc}{split.path}"

    async def test(self, tokens: Tokens) -> tuple[Outcome, float]:
        """Send a test message now, beside all others and once; what came of it, and its seconds."""
        sender, begun = self._made(), time.monotonic()
        now = time.time()
        body = body_of("WebhookTest", now, f'{{"webhook":"{self.config.name}"}}')
        try:
            outcome = await sender.send(f"test_{tokens.token()}", body, now)
        finally:
            await sender.close()
        return outcome, time.monotonic() - begun

    def enable(self) -> None:
        """Go on after 410, from the event that was refused."""
        self._disabled = ""
        self._wake.set()

    # -- the loop --------------------------------------------------------------------------------

    async def _work(self, after: Awaitable[None] | None) -> None:
        if after is not None:
            await after
        begun = False
        while True:
            try:
                if not begun:
                    await self._begin()
                    begun = True
                await self._go_on()
            except CicError as error:
                log.error("webhook_failed", webhook=self.config.name, error=str(error))
                self.figures.last_error = str(error)
            except Exception as error:
                log.exception("webhook_failed", webhook=self.config.name)
                self.figures.last_error = repr(error)
            await asyncio.sleep(_BROKEN_S)

    async def _begin(self) -> None:
        """Find the place; a hook that has none begins with what happens from now on."""
        shared = self._shared
        await shared.identify()
        found: Saved | None = await shared.run(places.load, self.file)
        if found is None:
            self._place = Place(await shared.run(shared.reader.last) + 1)
        elif found.journal != shared.journal:
            log.warning("webhook_journal_is_new", webhook=self.config.name)
            self._place = Place(0)
        else:
            self._place = found.place
            self._disabled = found.disabled if found.url == self.config.url else ""
        await self._save()

    async def _go_on(self) -> None:
        shared = self._shared
        while True:
            if self._disabled:
                await self._rest()
            committed = shared.committed()
            page: Page = await shared.run(shared.reader.page, self._place, self._wanted)
            for event in page.events:
                await self._deliver(event)
            self._place = page.after
            if page.end:
                self.figures.oldest_at = 0.0
                self._set("waiting")
                while shared.committed() == committed:
                    await self._maybe_save()
                    await asyncio.sleep(_LOOK_S)
            else:
                await self._maybe_save()

    async def _deliver(self, event: Kept) -> None:
        figures, config = self.figures, self.config
        figures.attempts, figures.oldest_at = 0, event.at
        message_id = f"evt_{self._shared.journal}_{event.row}_{event.index}"
        body = body_of(event.type, event.at, event.text)
        while True:
            await self._shared.turn()
            self._set("sending")
            outcome = await self._sender.send(message_id, body, time.time())
            figures.attempts += 1
            if not outcome.error:
                figures.delivered += 1
                figures.last_success_at = time.time()
                figures.last_error = ""
                break
            figures.failures += 1
            figures.last_failure_at, figures.last_error = time.time(), outcome.error
            if figures.attempts == 1:
                log.warning("webhook_refused", webhook=config.name, error=outcome.error)
            if outcome.status == _GONE:
                self._disabled = outcome.error
                log.error("webhook_disabled", webhook=config.name, error=outcome.error)
                await self._save()
                await self._rest()
                figures.attempts = 0
                continue
            if config.max_attempts and figures.attempts >= config.max_attempts:
                figures.skipped += 1
                log.error(
                    "webhook_event_skipped",
                    webhook=config.name,
                    id=message_id,
                    attempts=figures.attempts,
                    error=outcome.error,
                )
                break
            await self._pause(self._pause_s(outcome))
        figures.attempts = 0
        self._place = Place(event.row, event.index)
        await self._save()

    def _pause_s(self, outcome: Outcome) -> float:
        if outcome.retry_after_s is not None:
            return outcome.retry_after_s
        doubled = min(self.figures.attempts - 1, 30)
        longest_s = min(self.config.retry_max_s, self.config.retry_s * 2.0**doubled)
        return longest_s * random.uniform(0.5, 1.0)

    async def _pause(self, seconds: float) -> None:
        self._set("retrying")
        self.figures.next_at = time.time() + seconds
        await asyncio.sleep(seconds)
        self.figures.next_at = 0.0

    async def _rest(self) -> None:
        """Send nothing until somebody says so."""
        self._set("disabled")
        self.figures.last_error = self._disabled
        await self._sender.close()
        while self._disabled:
            self._wake.clear()
            await self._wake.wait()
        self.figures.last_error = ""
        await self._save()

    def _set(self, state: str) -> None:
        self.figures.state = state

    # -- the place -------------------------------------------------------------------------------

    async def _maybe_save(self) -> None:
        if time.monotonic() - self._saved_at > _SAVE_S:
            await self._save()

    async def _save(self) -> None:
        shared, self._saved_at = self._shared, time.monotonic()
        saved = Saved(shared.journal, self._place, self.config.url, self._disabled)
        try:
            await shared.run(places.save, self.file, saved)
        except OSError as error:
            if not self._unsaved:
                log.error("webhook_place_not_saved", webhook=self.config.name, error=str(error))
            self._unsaved = True
        else:
            self._unsaved = False

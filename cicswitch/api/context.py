"""What endpoints answer from: the switch, the accounts, and what other shells give."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cicswitch.api.accounts.directory import Directory
from cicswitch.api.accounts.throttle import Rate
from cicswitch.api.idempotency import Idempotency
from cicswitch.api.listening import Heard
from cicswitch.api.oidc import Providers
from cicswitch.api.paging import Sorted

if TYPE_CHECKING:
    from cicswitch.chat import Chat
    from cicswitch.config import Config
    from cicswitch.customers import Customers
    from cicswitch.daemon import Switch
    from cicswitch.documents import Documents
    from cicswitch.prompts import Prompts
    from cicswitch.recordings import Recordings
    from cicswitch.webhooks import Webhooks

__all__ = ["Api", "Sources"]


class Sources(Struct, frozen=True):
    """What the API asks of other shells: it imports none of them."""

    report: Callable[[dict[str, Any]], Awaitable[bytes]]
    """Figures of a period, as JSON; in a process of its own."""
    trace: Callable[[str], Awaitable[list[dict[str, Any]]]]
    """The SIP messages of a call, live or ended. Raises `NotFound`."""
    quality: Callable[[str], Awaitable[list[dict[str, Any]]]]
    """How the legs of a call sound, live or ended."""
    check: Callable[[str], Awaitable[list[Any]]]
    """Findings of a candidate configuration."""
    reload: Callable[[], Awaitable[list[str]]]
    """Take over the changed file; what needs a restart. Raises `ConfigError`."""
    recordings: Recordings
    """Recordings: in the store, and on the disk."""
    customers: Customers
    """What the store knows of customers and of agents' days."""
    documents: Documents
    """The files of the configuration as texts."""
    webhooks: Webhooks
    """Events that are sent elsewhere."""
    prompts: Prompts
    """What calls are played."""
    chat: Chat
    """What colleagues write to one another."""


class Api:
    """One API of one switch."""

    def __init__(self, switch: Switch, directory: Directory, sources: Sources) -> None:
        self.switch = switch
        self.directory = directory
        self.sources = sources
        self.idempotency = Idempotency()
        self.providers = Providers()
        self.rate = Rate(switch.config.http.requests_per_minute)
        self.writing = Rate(switch.config.chat.messages_per_minute)
        """Messages to colleagues, of an account."""
        self.strangers = Rate(120)
        """Requests by address that nobody is known behind."""
        self.figures: dict[str, tuple[float, Any]] = {}
        """Queue -> when its figures were made, and they."""
        self.counting = asyncio.Lock()
        """Held while figures are worked out: who asks for the same waits for them."""
        self.explaining = asyncio.Lock()
        """Held while something is explained, and for a while after what took long."""
        self.noting = asyncio.Lock()
        """Held while a note is compared and written: the last writer wins knowingly."""
        self.heard = Heard()
        self.agents, self.interactions = Sorted(), Sorted()
        self.queues, self.devices = Sorted(), Sorted()

    @property
    def config(self) -> Config:
        """The configuration as it is now."""
        return self.switch.config

    def configure(self, config: Config) -> None:
        """Take over what a reload may change."""
        self.rate.per_minute = config.http.requests_per_minute
        self.directory.idle_s = config.http.session_idle_s
        self.directory.session_s = config.http.session_max_s
        self.figures.clear()

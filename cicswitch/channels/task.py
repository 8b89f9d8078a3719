"""Tasks: work that another system hands in by the API. Nobody is written to."""

from __future__ import annotations

from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import Outgoing
from cicswitch.ports import Archive, ChannelHost, News, Undeliverable

__all__ = ["Task"]


class Task:
    """`ports.Channel` of type `task`."""

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.medium, self.live, self.stored = "task", False, True
        self.queue = config.queue
        self.silent_s = self.end_s = 0.0
        self.away_s = float(config.away_s)

    async def start(self) -> None:
        """Nothing has to be begun."""

    async def stop(self) -> None:
        """Nothing has to be ended."""

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`."""
        raise Undeliverable("a task has nobody who could be written to")

    def told(self, conversation: str, news: News) -> None:
        """Nobody reads along."""

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        return {}

    async def test(self) -> str:
        """See `ports.Channel`."""
        return "tasks come by the API"

"""A typed asynchronous client of a switch's HTTP API.

    async with Client("https://switch.example:8080", token="cic_…") as api:
        async for queue in api.queues():
            print(queue.queue, queue.waiting)
        kim = await api.agent("kim")
        await api.pause("kim", "meal", tag=kim)  # only if he is still as he was read

errors   what goes wrong, as exceptions
wire     requests, retries, tags
work, customers, conversations, faxes, plant, people, prompts, recordings …   the methods, a module
                                                                             for each group
events   the stream of events
webhooks   for programs that receive webhooks: `verify`

Answers are the Structs of the switch itself: `cicswitch.api.shapes`, `acd.events`, `calls.events`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from cicswitch.client.chat import ChatCalls
from cicswitch.client.conversations import ConversationCalls
from cicswitch.client.customers import CustomerCalls
from cicswitch.client.errors import (
    ApiError,
    ApiProblem,
    ConflictProblem,
    ForbiddenProblem,
    InternalProblem,
    InvalidProblem,
    MalformedProblem,
    NotFoundProblem,
    NotSignedInProblem,
    StaleProblem,
    TooOftenProblem,
    UnavailableProblem,
    Unreachable,
)
from cicswitch.client.events import Events, Gap, UnknownEvent
from cicswitch.client.faxes import FaxCalls
from cicswitch.client.people import PeopleCalls
from cicswitch.client.plant import PlantCalls
from cicswitch.client.prompts import PromptCalls
from cicswitch.client.recordings import RecordingCalls
from cicswitch.client.talks import TalkCalls
from cicswitch.client.webhooks import BadMessage, WebhookMessage, verify
from cicswitch.client.work import WorkCalls

__all__ = [
    "ApiError",
    "ApiProblem",
    "BadMessage",
    "Client",
    "ConflictProblem",
    "Events",
    "ForbiddenProblem",
    "Gap",
    "InternalProblem",
    "InvalidProblem",
    "MalformedProblem",
    "NotFoundProblem",
    "NotSignedInProblem",
    "StaleProblem",
    "TooOftenProblem",
    "UnavailableProblem",
    "UnknownEvent",
    "Unreachable",
    "WebhookMessage",
    "verify",
]


class Client(
    WorkCalls,
    TalkCalls,
    ConversationCalls,
    CustomerCalls,
    FaxCalls,
    ChatCalls,
    PlantCalls,
    PromptCalls,
    PeopleCalls,
    RecordingCalls,
):
    """A client of one switch, by token or, after `sign_in`, by session.

    `timeout_s` holds for each try; `tries` is how often a request is sent at most. `verify` is as
    in httpx: an `ssl.SSLContext` for a certificate of one's own authority. Every method raises
    `ApiProblem` or `Unreachable`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        timeout_s: float = 30.0,
        tries: int = 4,
        verify: Any = True,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        if tries < 1:
            raise ValueError("tries is at least 1")
        super().__init__(
            url, token=token, timeout_s=timeout_s, tries=tries, verify=verify, http=http
        )
        self._streams: list[Events] = []

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections and streams. Idempotent."""
        for stream in self._streams:
            await stream.close()
        self._streams.clear()
        await super().close()

    def events(
        self,
        *,
        after: int | None = None,
        queues: Sequence[str] = (),
        agents: Sequence[str] = (),
        kinds: Sequence[str | type] = (),
    ) -> Events:
        """What happens from now on, or after the event numbered `after`: any of each, empty: all.
        `kinds` are the events' Structs, or their names."""
        stream = Events(self, after, queues, agents, kinds)
        self._streams = [each for each in self._streams if not each.closed]
        self._streams.append(stream)
        return stream

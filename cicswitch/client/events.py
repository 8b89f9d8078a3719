"""The stream of events: typed, in order, going on by itself after the connection broke."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Origin

from cicswitch.api.shapes.problems import ProblemBody
from cicswitch.client.errors import ApiError, NotSignedInProblem, Unreachable, problem_from
from cicswitch.client.wire import PREFIX
from cicswitch.records.journal import Event

if TYPE_CHECKING:
    from cicswitch.client.wire import Wire

__all__ = ["Events", "Gap", "UnknownEvent"]

_FIRST_S, _LONGEST_S = 0.2, 15.0
_PASSING = (429, 500, 502, 503, 504)
_OPEN_S = 10.0


class Gap(Struct, frozen=True):
    """What lies between two numbers is lost: read the state anew, then go on."""

    after: int
    id: int


class UnknownEvent(Struct, frozen=True):
    """An event of a switch that is newer than this client."""

    type: str
    data: dict[str, Any]


class _Id(Struct):
    id: int
    type: str


class _Message(Struct):
    type: str
    id: int | None = None
    after: int = 0
    heartbeat_s: float = 15.0
    reason: str = ""
    events: list[msgspec.Raw] = []


_message = msgspec.json.Decoder(_Message)
_id = msgspec.json.Decoder(_Id)
_event: Any = msgspec.json.Decoder(Event)


class Events:
    """`async for event in api.events()`: events of the switch and, where some were lost, a `Gap`.

    It reconnects for as long as it is asked for the next event, and goes on after the last one.
    The first connection has to succeed within the client's tries. Raises `ApiProblem` if it is let
    in no more, `Unreachable`.
    """

    def __init__(
        self,
        wire: Wire,
        after: int | None,
        queues: Sequence[str],
        agents: Sequence[str],
        kinds: Sequence[str | type],
    ) -> None:
        self._wire = wire
        self.last_id = after
        """The number of the last event that was given out, or that the switch has passed by: what
        `after` takes to go on from here later."""
        names = [kind if isinstance(kind, str) else kind.__name__ for kind in kinds]
        chosen = {"queue": queues, "agent": agents, "kind": names}
        self._query = {key: ",".join(value) for key, value in chosen.items() if value}
        self._socket: ClientConnection | None = None
        self._silence_s = 30.0
        self._ready: deque[tuple[int, Any]] = deque()
        self._failures = 0
        self._begun = False
        self._closed = False

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Any:
        while not self._ready:
            if self._closed:
                raise StopAsyncIteration
            try:
                if self._socket is None:
                    self._socket = await self._connected()
                async with asyncio.timeout(self._silence_s):
                    raw = await self._socket.recv()
            except InvalidStatus as error:
                reply = error.response
                headers = {key.lower(): value for key, value in reply.headers.raw_items()}
                problem = problem_from(reply.status_code, headers, bytes(reply.body or b""))
                await self._again(problem, passing=reply.status_code in _PASSING)
            except (OSError, TimeoutError, WebSocketException) as error:
                what = str(error) or type(error).__name__
                await self._again(Unreachable(f"no events of {self._wire.url}: {what}"))
            else:
                self._take(_message.decode(raw))
        self.last_id, event = self._ready.popleft()
        return event

    @property
    def closed(self) -> bool:
        """Whether it listens no more."""
        return self._closed

    async def close(self) -> None:
        """Listen no more. Idempotent; the client does it too at its end."""
        self._closed = True
        await self._drop()

    async def _connected(self) -> ClientConnection:
        query = dict(self._query)
        if self.last_id is not None:
            query["after"] = str(self.last_id)
        split = urlsplit(self._wire.url)
        headers = self._wire.identity()
        more: dict[str, Any] = {}
        if split.scheme == "https" and self._wire.verify is not True:
            more["ssl"] = _context(self._wire.verify)
        url = self._wire.url.replace("http", "ws", 1) + f"{PREFIX}/events?{urlencode(query)}"
        return await connect(
            url,
            additional_headers=headers,
            origin=Origin(f"{split.scheme}://{split.netloc}") if "cookie" in headers else None,
            proxy=None,
            open_timeout=_OPEN_S,
            ping_interval=None,  # the switch says by its heartbeats that it lives
            close_timeout=2,
            max_size=1 << 24,
            **more,
        )

    def _take(self, message: _Message) -> None:
        self._begun, self._failures = True, 0
        if message.type == "hello":
            self._silence_s = 2 * message.heartbeat_s
            if self.last_id is None:
                self.last_id = message.id
        elif message.type == "gap" and message.id is not None:
            self._ready.append((message.id, Gap(message.after, message.id)))
        elif message.type == "events":
            self._ready.extend(_typed(raw) for raw in message.events)
        elif message.type == "heartbeat" and message.id is not None:
            self.last_id = message.id
        elif message.type == "dropped" and message.reason == "signed-out":
            self._closed = True
            raise NotSignedInProblem(
                ProblemBody(type="about:blank", title="signed out", status=401)
            )

    async def _again(self, error: ApiError, *, passing: bool = True) -> None:
        """Wait before the next try. Raises the error where none is to be made."""
        await self._drop()
        self._failures += 1
        if self._closed:
            return
        if not passing or (not self._begun and self._failures >= self._wire.tries):
            self._closed = True
            raise error
        told_s = getattr(error, "retry_after_s", None)
        pause_s = min(_LONGEST_S, _FIRST_S * 2 ** min(self._failures - 1, 10))
        await asyncio.sleep(told_s or pause_s * random.uniform(0.5, 1))

    async def _drop(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                await socket.close()
            except (OSError, ConnectionClosed):
                return


def _typed(raw: msgspec.Raw) -> tuple[int, Any]:
    head = _id.decode(raw)
    try:
        return head.id, _event.decode(raw)
    except msgspec.ValidationError:
        return head.id, UnknownEvent(head.type, msgspec.json.decode(raw))


def _context(verify: Any) -> ssl.SSLContext:
    if isinstance(verify, ssl.SSLContext):
        return verify
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context

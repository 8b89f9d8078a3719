"""`/api/v1/events`: the feed over WebSocket.

    ← {"type": "hello", "id": 1863…, "at": …, "heartbeat_s": 15}
    ← {"type": "events", "events": [{"id": …, "type": "AgentChanged", "agent": "kim", …}, …]}
    → {"type": "subscribe", "queues": ["support"], "agents": [], "kinds": []}
    ← {"type": "chat", "messages": […], "missed": false}   what colleagues write to him
    ← {"type": "gap", "after": …, "id": …}       what lies between is lost: read the state anew
    ← {"type": "dropped", "reason": "too-slow"}  and the connection is closed

Nothing is kept for a reader but his place in the ring. One whose connection takes nothing for
`_STUCK_S`, or who falls behind by more than the ring, is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import structlog
from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send

from cicswitch.api.context import Api
from cicswitch.api.decoding import decode_body, decode_query
from cicswitch.api.endpoint import PREFIX, Ask, encode
from cicswitch.api.feed import KINDS, Feed, Filter, Gone, Reader
from cicswitch.api.problems import MEDIA_TYPE, FieldError, Problem, ProblemBody, problem_of
from cicswitch.api.resources.chat import concerns, message_of
from cicswitch.api.serving import check_origin, who
from cicswitch.records.chat import Listener

__all__ = ["PATH", "Stream", "refuse"]

log = structlog.get_logger("api")

PATH = PREFIX + "/events"
_HEARTBEAT_S = 15.0
_STUCK_S = 10.0
_READERS = 1000
_SCOPE, _OWN, _CHAT = "events:read", "events:self", "chat:self"
_NAMES = 200


class _Query(msgspec.Struct, frozen=True):
    after: int | None = None
    queue: str = ""
    agent: str = ""
    kind: str = ""


class _Subscribe(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="subscribe"
):
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


class _Dropped(Exception):  # reads as the condition
    def __init__(self, reason: str, code: int) -> None:
        self.reason = reason
        self.code = code


class Stream:
    """Serves the WebSocket connections of one API."""

    def __init__(
        self, api: Api, feed: Feed, *, heartbeat_s: float = _HEARTBEAT_S, stuck_s: float = _STUCK_S
    ) -> None:
        self.api = api
        self.feed = feed
        self.heartbeat_s = heartbeat_s
        self.stuck_s = stuck_s
        self.dropped = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application for `websocket` scopes."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope, receive, send)
        await receive()  # websocket.connect
        address = connection.client.host if connection.client is not None else ""
        secure = scope["scheme"] in ("https", "wss")
        ask = Ask(self.api, connection.headers, address, time.time(), secure=secure)
        try:
            cookies, authorization = connection.cookies, ask.headers.get("authorization", "")
            await who(ask, cookies, authorization, {})
            self._check(ask)
            query = decode_query(
                _Query, parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
            )
            asked = _filter(*(_listed(getattr(query, key)) for key in ("queue", "agent", "kind")))
            wanted = _allowed(ask, asked)
        except Exception as error:
            await refuse(send, error)
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        reader, missed = self.feed.join(query.after, wanted)
        abort: Any = (scope.get("extensions") or {}).get("cicswitch.abort")
        wire = _Wire(send, self.stuck_s)
        private = self._told_of(ask, reader)
        listening = asyncio.create_task(self._listen(ask, receive, reader, wire), name="api-reader")
        try:
            await self._talk(ask, wire, reader, query.after if missed else None, listening, private)
        except _Dropped as dropped:
            self.dropped += 1
            log.info("reader_dropped", account=ask.account.name, reason=dropped.reason)
            with contextlib.suppress(Exception):
                await wire.say({"type": "dropped", "reason": dropped.reason})
                close = {"type": "websocket.close", "code": dropped.code, "reason": dropped.reason}
                await wire.send(close)
        except TimeoutError:
            self.dropped += 1
            log.info("reader_dropped", account=ask.account.name, reason="stuck")
            if callable(abort):
                abort()  # whatever waits to be sent is not taken: closing would wait for it
        except OSError:
            pass  # he has gone
        finally:
            self.feed.leave(reader)
            self.api.sources.chat.listeners.discard(private)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await listening

    def _check(self, ask: Ask) -> None:
        principal = ask.principal
        if principal.via == "session":
            if not ask.headers.get("origin"):
                raise Problem(403, "with a cookie this takes an Origin")
            check_origin(ask)
        if not ask.may(_SCOPE) and not ask.may(_OWN):
            raise Problem(403, f"this takes {_SCOPE} or {_OWN}")
        if len(self.feed.readers) >= _READERS:
            raise Problem(503, f"{_READERS} listen already", headers={"Retry-After": "10"})

    async def _talk(
        self,
        ask: Ask,
        wire: _Wire,
        reader: Reader,
        after: int | None,
        listening: Any,
        private: Listener,
    ) -> None:
        feed = self.feed
        hello = {"type": "hello", "id": reader.at, "heartbeat_s": self.heartbeat_s}
        await wire.say({**hello, "at": time.time()})
        if after is not None:
            await wire.say({"type": "gap", "after": after, "id": reader.at})
        beat = time.monotonic() + self.heartbeat_s
        listening.add_done_callback(lambda _: reader.news.set())
        while not listening.done():
            reader.news.clear()
            if private.news or private.missed:
                me, missed = ask.account.name, private.missed
                said = [message_of(me, private.news.popleft()) for _ in range(len(private.news))]
                private.missed = False
                await wire.say({"type": "chat", "messages": said, "missed": missed})
            try:
                while reader.at < feed.ready:
                    text = feed.read(reader)
                    if text:
                        await wire.text(b'{"type":"events","events":[' + text + b"]}")
                    else:
                        await asyncio.sleep(0)
            except Gone:
                raise _Dropped("too-slow", 4008) from None
            left = beat - time.monotonic()
            if left <= 0:
                beat += self.heartbeat_s
                await self._still(ask)
                beating = {"type": "heartbeat", "id": reader.at, "at": time.time()}
                await wire.say(beating)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await reader.news.wait()
        if not listening.cancelled() and (error := listening.exception()) is not None:
            raise error

    def _told_of(self, ask: Ask, reader: Reader) -> Listener:
        """What colleagues write to him, told at once: to him and in his teams, nothing else."""

        def wants(room: str, sender: str) -> bool:
            return ask.may(_CHAT) and concerns(self.api, ask.account, room, sender)

        made = Listener(ask.account.name, wants, reader.news.set)
        if ask.may(_CHAT):
            self.api.sources.chat.listeners.add(made)
        return made

    async def _still(self, ask: Ask) -> None:
        """Whether he may listen still."""
        found = await self.api.directory.renewed(ask.principal, time.time())
        was = ask.principal
        if found is not None:
            ask.known = found  # chat goes by what he is now
        if found is not None and _SCOPE in found.scopes:
            return
        if (
            found is None
            or _OWN not in found.scopes
            or _SCOPE in was.scopes
            or found.account.agent != was.account.agent
        ):
            raise _Dropped("signed-out", 4001)

    async def _listen(self, ask: Ask, receive: Receive, reader: Reader, wire: _Wire) -> None:
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                return
            raw = message.get("text") or message.get("bytes") or b""
            key = ask.account.name if ask.principal.via == "session" else ask.principal.id
            if not self.api.rate.take(key, time.time())[0]:
                raise _Dropped("too-often", 4029)
            try:
                body = decode_body(_Subscribe, raw.encode() if isinstance(raw, str) else raw)
                reader.filter = _allowed(ask, _filter(body.queues, body.agents, body.kinds))
            except Problem as problem:
                told = msgspec.json.decode(problem.body, type=ProblemBody)
                await wire.say({"type": "problem", "problem": told})
                continue
            wanted = msgspec.to_builtins(reader.filter)
            await wire.say({"type": "subscribed", "id": reader.at, **wanted})


class _Wire:
    """Says one thing after the other; `TimeoutError` if one is not taken."""

    def __init__(self, send: Send, stuck_s: float) -> None:
        self._send = send
        self._stuck_s = stuck_s
        self._turn = asyncio.Lock()

    async def send(self, message: Any) -> None:
        async with self._turn:
            async with asyncio.timeout(self._stuck_s):
                await self._send(message)

    async def text(self, raw: bytes) -> None:
        await self.send({"type": "websocket.send", "bytes": None, "text": raw.decode()})

    async def say(self, value: Any) -> None:
        await self.text(encode(value))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _filter(queues: tuple[str, ...], agents: tuple[str, ...], kinds: tuple[str, ...]) -> Filter:
    errors = [
        FieldError(pointer=f"/kinds/{at}", found=f'"{kind[:80]}"', expected="a kind of event")
        for at, kind in enumerate(kinds[:_NAMES])
        if kind not in KINDS
    ]
    for name, given in (("queues", queues), ("agents", agents), ("kinds", kinds)):
        if len(given) > _NAMES:
            errors.append(FieldError(pointer=f"/{name}", expected=f"{_NAMES} at most"))
    if errors:
        raise Problem(422, "there are no such events", errors=errors)
    return Filter(queues=queues, agents=agents, kinds=kinds)


def _allowed(ask: Ask, wanted: Filter) -> Filter:
    """What is asked for; for who has `events:self` only what concerns his own agent.

    Raises `Problem` 403.
    """
    if ask.may(_SCOPE):
        return wanted
    own = ask.account.agent
    if not own or set(wanted.agents) - {own}:
        raise Problem(403, f"for any agent but one's own this takes {_SCOPE}")
    return Filter(queues=wanted.queues, agents=(own,), kinds=wanted.kinds)


async def refuse(send: Send, error: Exception) -> None:
    """Answer with a problem document in the place of the WebSocket."""
    problem = problem_of(error)
    if problem is None:
        log.exception("api_failed", endpoint="events")
        problem = Problem(500, "see the log of the switch")
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **problem.headers}
    start: Any = {
        "type": "websocket.http.response.start",
        "status": problem.status,
        "headers": [(key.lower().encode(), value.encode()) for key, value in headers.items()],
    }
    await send(start)
    body: Any = {"type": "websocket.http.response.body", "body": problem.body, "more_body": False}
    await send(body)

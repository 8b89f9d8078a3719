"""`/widget/NAME/chat`: the chat of a page's visitors, as `channels.chat` speaks it.

The Origin decides, as for all that a widget asks. What the visitor is told waits in a line; who
does not read his loses the connection, and comes back from where he was.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import Any, Final, Protocol

import structlog
from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send

from cicswitch.api.accounts.throttle import network_of
from cicswitch.api.context import Api
from cicswitch.api.problems import Problem
from cicswitch.api.stream import refuse
from cicswitch.api.widget import may_embed

__all__ = ["ChatSocket", "is_chat"]

log = structlog.get_logger("api")

_PATH: Final = re.compile(r"/widget/([\w.-]{1,64})/chat")
_WAITING: Final = 500
"""Messages that wait to be sent on one connection."""
_STUCK_S: Final = 10.0
_LARGEST: Final = 32_768
"""Bytes of a message of the page's."""


class _Visit(Protocol):
    def received(self, data: bytes | str) -> None: ...

    def gone(self) -> None: ...


def is_chat(path: str) -> bool:
    """Whether a WebSocket's path is a chat's."""
    return _PATH.fullmatch(path) is not None


class ChatSocket:
    """An ASGI application for `websocket` scopes."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope, receive, send)
        await receive()  # websocket.connect
        line: asyncio.Queue[bytes | None] = asyncio.Queue()

        def write(data: bytes) -> None:
            waiting = line.qsize()
            if waiting <= _WAITING:
                line.put_nowait(data if waiting < _WAITING else None)

        try:
            visit = self._admit(connection, write, lambda: line.put_nowait(None))
        except Exception as error:
            await refuse(send, error)
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        abort: Any = (scope.get("extensions") or {}).get("cicswitch.abort")
        saying = asyncio.create_task(_say(send, line, abort), name="chat-websocket")
        try:
            while not saying.done():
                message: Any = await receive()
                if message["type"] != "websocket.receive":
                    break
                raw = message.get("text") or message.get("bytes") or ""
                if len(raw) > _LARGEST:
                    break
                visit.received(raw)
        finally:
            visit.gone()
            saying.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await saying

    def _admit(
        self, connection: ASGIConnection[Any, Any, Any, Any], write: Any, close: Any
    ) -> _Visit:
        found = _PATH.fullmatch(str(connection.scope["path"]))
        widget = self.api.config.widget.get(found[1]) if found is not None else None
        if found is None or widget is None or not widget.chat:
            raise Problem(404, "there is no such widget, or it has no chat")
        headers = connection.headers
        if not may_embed(self.api, found[1], headers.get("origin", ""), headers.get("host", "")):
            raise Problem(403, "the widget may not be used on this site: see its origins")
        address = connection.client.host if connection.client is not None else ""
        allowed, _, wait_s = self.api.strangers.take(network_of(address), time.time())
        if not allowed:
            raise Problem(429, headers={"Retry-After": str(wait_s)})
        channel: Any = self.api.switch.conductor.contacts.channels.get(widget.chat)
        if channel is None or not hasattr(channel, "open"):
            raise Problem(503, f'"{widget.chat}" is no channel that pages can chat with')
        secret = widget.secret.reveal()
        visit: _Visit | None = channel.open(found[1], write, close, secret)
        if visit is None:
            raise Problem(503, "too many visitors", headers={"Retry-After": "30"})
        return visit


async def _say(send: Send, line: asyncio.Queue[bytes | None], abort: Any) -> None:
    """Send what waits; None ends the connection."""
    while True:
        data = await line.get()
        try:
            async with asyncio.timeout(_STUCK_S):
                if data is None:
                    await send({"type": "websocket.close", "code": 1000, "reason": ""})
                    return
                await send({"type": "websocket.send", "bytes": None, "text": data.decode()})
        except TimeoutError:
            log.info("chat_websocket_stuck")
            if callable(abort):
                abort()
            return
        except OSError:
            return

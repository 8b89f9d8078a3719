"""`/sip`: SIP over WebSocket (RFC 7118), for softphones in browsers.

A person who is signed in is his agent's device, without a password: the cookie says who he is, the
Origin that it is a page of ours which asks. A visitor of a page with a widget shows his secret,
`?guest=…`. Everybody else is asked for a device's password by SIP itself. What comes is handed to
the user agent, message by message; what it sends waits in a line, and who does not read his loses
the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import structlog
from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send

from cicswitch.api.context import Api
from cicswitch.api.endpoint import Ask
from cicswitch.api.problems import Problem
from cicswitch.api.serving import check_origin, who
from cicswitch.api.stream import refuse
from cicswitch.api.widget import may_embed
from cicswitch.core.errors import ResourceError

if TYPE_CHECKING:
    from cicswitch.legs.sip.guests import Guest

__all__ = ["PATH", "SipSocket"]

log = structlog.get_logger("api")

PATH: Final = "/sip"
_PROTOCOL: Final = "sip"
_WAITING: Final = 1000
"""Messages that wait to be sent on one connection."""
_STUCK_S: Final = 10.0
_STILL_S: Final = 15.0
"""How often it is asked whether who was signed in still is."""


class SipSocket:
    """An ASGI application for `websocket` scopes."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope, receive, send)
        await receive()  # websocket.connect
        client = connection.client
        address = client.host if client is not None else ""
        secure = scope["scheme"] in ("https", "wss")
        ask = Ask(self.api, connection.headers, address, time.time(), secure=secure)
        line: asyncio.Queue[bytes | None] = asyncio.Queue()

        def write(data: bytes) -> None:
            waiting = line.qsize()
            if waiting <= _WAITING:
                line.put_nowait(data if waiting < _WAITING else None)

        protocols: Any = scope.get("subprotocols") or ()
        try:
            authorization = ask.headers.get("authorization", "")
            guest = self._guest(scope, ask)
            if guest is None:
                await who(ask, connection.cookies, authorization, {})
            if ask.known is not None and ask.known.via == "session":
                if not ask.headers.get("origin"):
                    raise Problem(403, "with a cookie this takes an Origin")
                check_origin(ask)
            if _PROTOCOL not in protocols:
                raise Problem(400, "this takes the WebSocket protocol sip (RFC 7118)")
            user = guest.id if guest is not None else self._device(ask)
            remote = (address, client.port if client is not None else 0)
            web = self.api.switch.sip.open_web(
                remote, write, lambda: line.put_nowait(None), secure=secure, user=user
            )
        except ResourceError:
            await refuse(send, Problem(503, "too many connections", headers={"Retry-After": "5"}))
            return
        except Exception as error:
            await refuse(send, error)
            return
        guests = self.api.switch.sip.guests
        if guest is not None:
            guests.connected(guest)
        await send({"type": "websocket.accept", "subprotocol": _PROTOCOL, "headers": []})
        abort: Any = (scope.get("extensions") or {}).get("cicswitch.abort")
        saying = asyncio.create_task(self._say(ask, send, line, abort), name="sip-websocket")
        try:
            while not saying.done():
                message: Any = await receive()
                if message["type"] != "websocket.receive":
                    break
                raw = message.get("bytes") or message.get("text") or b""
                web.received(raw.encode() if isinstance(raw, str) else raw)
        finally:
            web.gone()
            if guest is not None:
                guests.disconnected(guest, time.time())
            saying.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await saying

    def _guest(self, scope: Scope, ask: Ask) -> Guest | None:
        """The visitor whose secret is in the address. Raises `Problem` for one that is none."""
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        if "guest" not in asked:
            return None
        guest = self.api.switch.sip.guests.by_secret(asked["guest"][0], ask.now)
        if guest is None:
            raise Problem(401, "there is no such visitor, or his leave is over")
        host, origin = ask.headers.get("host", ""), ask.headers.get("origin", "")
        if not may_embed(self.api, guest.widget, origin, host):
            raise Problem(403, "the widget may not be used on this site")
        return guest

    def _device(self, ask: Ask) -> str:
        """The device of the agent who is signed in; empty for everybody else."""
        if ask.known is None:
            return ""
        device = self.api.switch.conductor.workplaces.of(ask.account.agent)
        return device if ":" not in device else ""

    async def _say(
        self, ask: Ask, send: Send, line: asyncio.Queue[bytes | None], abort: Any
    ) -> None:
        """Send what waits; None ends the connection."""
        beat = time.monotonic() + _STILL_S
        while True:
            data: bytes | None = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, beat - time.monotonic())):
                    data = await line.get()
            if time.monotonic() >= beat:
                beat = time.monotonic() + _STILL_S
                known = ask.known
                if known is not None and not await self.api.directory.renewed(known, time.time()):
                    data = None  # he has signed out
            if data == b"":
                continue
            try:
                async with asyncio.timeout(_STUCK_S):
                    if data is None:
                        await send({"type": "websocket.close", "code": 1000, "reason": ""})
                        return
                    text = data.decode("utf-8", "surrogateescape")
                    try:
                        text.encode()
                    except UnicodeEncodeError:
                        await send({"type": "websocket.send", "bytes": data, "text": None})
                    else:
                        await send({"type": "websocket.send", "bytes": None, "text": text})
            except TimeoutError:
                log.info("sip_websocket_stuck")
                if callable(abort):
                    abort()
                return
            except OSError:
                return

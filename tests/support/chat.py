"""A visitor who chats: what a page does, with its secret and the messages not acknowledged yet."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

__all__ = ["Visitor"]


class Visitor:
    """One page. It says again what was not acknowledged when the connection comes back."""

    def __init__(self, url: str, widget: str = "shop", **hello: Any) -> None:
        self.url = url.replace("http", "ws", 1) + f"/widget/{widget}/chat"
        self.origin = url
        self.secret = secrets.token_hex(16)
        self.hello = hello
        self.said: dict[int, dict[str, Any]] = {}
        """By number."""
        self.acked: dict[str, int] = {}
        self.unacked: dict[str, str] = {}
        self.told: list[dict[str, Any]] = []
        """All but messages."""
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def come(self) -> None:
        """Connect, and say who one is."""
        self._socket = await connect(self.url, origin=self.origin, proxy=None)  # type: ignore[arg-type]  # a str
        self._reading = asyncio.create_task(self._read(self._socket))
        after = max(self.said, default=0)
        await self.send(type="hello", secret=self.secret, after=after, **self.hello)
        await self.until(lambda: any(each["type"] == "welcome" for each in self.told))
        for name, text in list(self.unacked.items()):
            await self.send(type="say", id=name, text=text)

    async def go(self) -> None:
        """The connection is gone."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await self._reading
        self._socket = None
        self.told.clear()

    async def send(self, **message: Any) -> None:
        """Send a message."""
        assert self._socket is not None
        await self._socket.send(json.dumps(message))

    async def say(self, text: str) -> str:
        """Say something; its id."""
        name = secrets.token_hex(8)
        self.unacked[name] = text
        await self.send(type="say", id=name, text=text)
        return name

    async def say_surely(self, text: str) -> int:
        """Say something, and wait until it is acknowledged; its number."""
        name = await self.say(text)
        await self.until(lambda: name in self.acked)
        return self.acked[name]

    async def try_to_come(self, timeout_s: float = 100.0) -> None:
        """Come as soon as the switch is there."""
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    await self.come()
                    return
                except (OSError, InvalidHandshake, ConnectionClosed):
                    await self.go()
                    await asyncio.sleep(0.05)

    async def until(self, condition: Any, timeout_s: float = 15.0) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                if self._reading is None or self._reading.done():
                    raise ConnectionError("the switch has ended the connection")
                await self._news.wait()

    async def until_said(self, text: str, author: str = "agent") -> dict[str, Any]:
        """Wait until somebody has said so; the message."""

        def found() -> dict[str, Any] | None:
            each: dict[str, Any]
            for each in self.said.values():
                if each["text"] == text and each["author"] == author:
                    return each
            return None

        await self.until(found)
        message = found()
        assert message is not None
        return message

    def last(self, kind: str) -> dict[str, Any]:
        """The last message of a kind."""
        return next(each for each in reversed(self.told) if each["type"] == kind)

    @property
    def state(self) -> str:
        """How it stands, as the page was told last."""
        for each in reversed(self.told):
            if each.get("state"):
                return str(each["state"])
        return ""

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for raw in socket:
                message = json.loads(raw)
                if message["type"] == "said":
                    assert message["seq"] not in self.said or self.said[message["seq"]] == message
                    self.said[message["seq"]] = message
                else:
                    self.told.append(message)
                    if message["type"] == "ack":
                        self.acked[message["id"]] = message["seq"]
                        self.unacked.pop(message["id"], None)
                self._news.set()
        self._news.set()

"""A receiver of webhooks: Litestar by uvicorn, on a real socket, in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar, Request, Response, route

from cicswitch.client import WebhookMessage, verify

__all__ = ["SECRET", "Receiver", "receiver", "section"]

SECRET = "a secret of the tests, long enough"


class Receiver:
    """What came, and what is answered: by default 204."""

    def __init__(self) -> None:
        self.url = ""
        self.messages: list[WebhookMessage] = []
        """Those that were acknowledged."""
        self.requests: list[tuple[dict[str, str], bytes]] = []
        """All of them: headers and body."""
        self.times: list[float] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        """The next answers: status and headers."""
        self.answer: tuple[int, dict[str, str]] = (204, {})
        """When those are used up."""
        self.gate: asyncio.Event | None = None
        """If it is there, nothing is answered before it is set."""
        self.news = asyncio.Event()

    async def until(self, done: Callable[[], Any], timeout: float = 15.0) -> None:
        """Wait until `done()` is true, looking again after every request."""
        async with asyncio.timeout(timeout):
            while not done():
                self.news.clear()
                await self.news.wait()

    @property
    def kinds(self) -> list[str]:
        """The types of what was acknowledged."""
        return [message.type for message in self.messages]

    async def take(self, request: Request[Any, Any, Any]) -> Response[None]:
        """A request."""
        body = await request.body()
        headers = dict(request.headers)
        message = verify(SECRET, headers, body)
        self.requests.append((headers, body))
        self.times.append(asyncio.get_running_loop().time())
        self.news.set()
        if self.gate is not None:
            await self.gate.wait()
        status, more = self.answers.pop(0) if self.answers else self.answer
        if status < 300:
            self.messages.append(message)
        self.news.set()
        return Response(None, status_code=status, headers=more)


@contextlib.asynccontextmanager
async def receiver(
    *, port: int = 0, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that runs."""
    found = Receiver()

    @route("/{rest:path}", http_method=["GET", "POST"])
    async def any_path(request: Request[Any, Any, Any]) -> Response[None]:
        return await found.take(request)

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    secure: dict[str, Any] = {}
    if certificate is not None:
        secure = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]}
    config = uvicorn.Config(
        Litestar([any_path], logging_config=None), log_config=None, lifespan="off", **secure
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[sock])
    task = asyncio.create_task(server.main_loop())
    scheme = "https" if certificate is not None else "http"
    found.url = f"{scheme}://127.0.0.1:{sock.getsockname()[1]}/cic"
    try:
        yield found
    finally:
        if found.gate is not None:
            found.gate.set()
        server.should_exit = server.force_exit = True
        await task
        await server.shutdown(sockets=[sock])


def section(url: str, keys: str = "", name: str = "crm") -> str:
    """The lines of `cicswitch.toml` for a hook."""
    told = {"name": name, "url": url, "secret": SECRET}
    lines = [f"{key} = {msgspec.json.encode(value).decode()}" for key, value in told.items()]
    return "\n".join(["[[webhooks]]", *lines, keys, ""])

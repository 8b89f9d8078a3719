"""A messenger's gateway: it posts what customers write, and takes what they are answered."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn
from litestar import Litestar, Request, Response, route
from litestar.datastructures import UploadFile

__all__ = ["SECRET", "Gateway", "gateway", "section"]

SECRET = "of the tests, 24 bytes or more"


def section(url: str, keys: str = "", name: str = "line") -> str:
    """The channel in a configuration."""
    return (
        f'[channel.{name}]\ntype = "webhook"\nqueue = "support"\n'
        f'[channel.{name}.settings]\nurl = "{url}"\nsecret = "{SECRET}"\nshape = "line"\n'
        f'token = "t0ken"\n{keys}\n'
    )


class Gateway:
    """One that speaks as LINE does."""

    def __init__(self) -> None:
        self.url = ""
        self.took: list[tuple[dict[str, str], dict[str, Any]]] = []
        """Headers and bodies of the answers that it has taken."""
        self.keys: set[str] = set()
        self.answers: list[int] = []
        """The next statuses; 200 when there is none."""
        self.news = asyncio.Event()
        self.files: dict[str, tuple[int, bytes]] = {}
        """By the path and query of what is asked for: a status, and a body."""
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of all but the answers."""
        self.forms: list[dict[str, Any]] = []
        """What was posted as forms: the file of each as its name, type and bytes."""
        self.paths = ["/push"]
        """Where answers are taken."""
        self.posted = b"{}"
        """What a form is answered with."""

    @property
    def texts(self) -> list[str]:
        """What customers were answered."""
        return [body["messages"][0]["text"] for _, body in self.took]

    async def until(self, count: int) -> None:
        """Wait until so many answers were taken."""
        async with asyncio.timeout(20):
            while len(self.took) < count:
                self.news.clear()
                await self.news.wait()

    async def take(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """An answer to a customer."""
        if request.method == "HEAD":
            return Response(None, status_code=405)
        body = json.loads(await request.body())
        status = self.answers.pop(0) if self.answers else 200
        key = request.headers.get("x-line-retry-key", "")
        if status == 200 and key and key in self.keys:
            status = 409
        elif status == 200:
            self.keys.add(key)
            self.took.append((dict(request.headers), body))
        self.news.set()
        return Response({"message": "told\nso"}, status_code=status)

    async def other(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """A file that is asked for, or one that is posted."""
        if request.url.path in self.paths:
            return await self.take(request)
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        self.asked.append((request.method, path, dict(request.headers)))
        if request.method == "POST":
            form = dict((await request.form()).items())
            for key, value in form.items():
                if isinstance(value, UploadFile):
                    form[key] = (value.filename, value.content_type, await value.read())
            self.forms.append(form)
            self.news.set()
            return Response(self.posted, media_type="application/json")
        status, body = self.files.get(path, (404, b"there is none"))
        headers = {"location": body.decode()} if status == 302 else {}
        return Response(body, status_code=status, media_type="image/png", headers=headers)


def event(user: str, name: str, text: Any) -> dict[str, Any]:
    """A message as LINE tells of it."""
    return {
        "type": "message",
        "source": {"type": "user", "userId": user},
        "message": {"id": name, "type": "text", "text": text},
    }


def signed(raw: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers that go with a body."""
    digest = hmac.digest(secret.encode(), raw, hashlib.sha256)
    return {"X-Line-Signature": base64.b64encode(digest).decode()}


async def post(client: httpx.AsyncClient, url: str, *events: Any) -> httpx.Response:
    """Hand messages in."""
    raw = json.dumps({"destination": "shop", "events": events}).encode()
    return await client.post(url, content=raw, headers=signed(raw))


@contextlib.asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """One that runs."""
    made = Gateway()
    take = route("/push", http_method=["POST", "HEAD"], status_code=200)(made.take)
    other = route(["/", "/{path:path}"], http_method=["GET", "POST"], status_code=200)(made.other)
    config = uvicorn.Config(
        Litestar([take, other], openapi_config=None, logging_config=None),
        log_config=None,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        made.url = f"http://127.0.0.1:{listening.getsockname()[1]}/push"
        await server.startup(sockets=[listening])
        serving = asyncio.create_task(server.main_loop())
        try:
            yield made
        finally:
            server.should_exit = server.force_exit = True
            await serving
            await server.shutdown(sockets=[listening])

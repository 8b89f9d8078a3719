"""`/health`, `/metrics` and `/explain` over HTTP, in the switch's own loop (Litestar, uvicorn)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.openapi.config import OpenAPIConfig
from litestar.params import FromPath, FromQuery
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from cicswitch.core.errors import NotFound, ResourceError

__all__ = ["HttpServer", "http_app"]


Health = Callable[[], dict[str, Any]]
Explain = Callable[[str, str], dict[str, Any]]


def http_app(health: Health, explain: Explain, registry: CollectorRegistry) -> Litestar:
    """The application: what `HttpServer` serves."""

    @get("/health", sync_to_thread=False)
    def get_health() -> Response[dict[str, Any]]:
        """Whether the switch works; 503 with the reasons while something does not."""
        body = health()
        return Response(body, status_code=200 if body["ok"] else 503)

    @get("/metrics", sync_to_thread=False)
    def get_metrics() -> Response[bytes]:
        """Figures in the Prometheus text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @get("/explain/{name:str}", sync_to_thread=False, raises=[NotFoundException])
    def get_explain(
        request: Request[Any, Any, Any], name: FromPath[str], language: FromQuery[str] = ""
    ) -> dict[str, Any]:
        """Why an interaction waits and who could take it, or why an agent gets what he gets:
        `text` in sentences, in English or Korean (`language`, else Accept-Language)."""
        if request.client is None or not _is_here(request.client.host):
            raise PermissionDeniedException("only this machine is answered")
        spoken = request.headers.get("Accept-Language", "en")
        try:
            return explain(name, language or spoken.split(",")[0].strip())
        except NotFound as error:
            raise NotFoundException(str(error)) from None

    return Litestar(
        [get_health, get_metrics, get_explain],
        openapi_config=OpenAPIConfig(title="cicswitch", version="1"),
        logging_config=None,
    )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class HttpServer:
    """One HTTP listener. `health()` gives the body of `/health`; `ok` in it decides the status.

    `explain(name, language)` gives that of `/explain/NAME`. It names people, so only this machine
    is answered.
    """

    def __init__(
        self,
        host: str,
        port: int,
        health: Health,
        explain: Explain,
        registry: CollectorRegistry,
    ) -> None:
        self.host = host
        self.port = port
        self._health = health
        self._explain = explain
        self._registry = registry
        self._server: uvicorn.Server | None = None
        self._sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; `port` is then the bound one. Raises `ResourceError` in one line."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self.host, self.port))
        except OSError as error:
            sock.close()
            raise ResourceError(
                f"cannot listen on {self.host}:{self.port} (HTTP): {error.strerror}"
            ) from None
        self.port = sock.getsockname()[1]
        app = http_app(self._health, self._explain, self._registry)
        config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off")
        # The parts of `uvicorn.Server.serve` without its signal handlers: those are the daemon's.
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._sockets = [sock]
        await self._server.startup(sockets=self._sockets)
        self._task = asyncio.create_task(self._server.main_loop(), name="http")

    async def stop(self) -> None:
        """Close. Idempotent."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._task
            await self._server.shutdown(sockets=self._sockets)
            self._server = self._task = None

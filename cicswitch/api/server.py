"""The HTTP listener: uvicorn in the switch's own loop, with or without TLS."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from cicswitch.api.app import Health, http_app
from cicswitch.api.context import Api
from cicswitch.api.feed import Feed
from cicswitch.api.sip_socket import PATH as SIP
from cicswitch.api.sip_socket import SipSocket
from cicswitch.api.stream import PATH as EVENTS
from cicswitch.api.stream import Stream
from cicswitch.config import Config
from cicswitch.core.errors import ResourceError

__all__ = ["ApiServer"]

_CONNECTIONS = 4096


class _FromOutside(logging.Filter):
    """Drops what anybody could have uvicorn say as often as he likes."""

    _SAID = (
        "Invalid HTTP request received.",
        "ASGI callable returned without completing handshake.",  # a WebSocket that was refused
    )

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is told."""
        return record.getMessage() not in self._SAID


_FILTER = _FromOutside()


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's, that lets the application end a connection which takes nothing any more."""

    async def run_asgi(self) -> None:
        extensions: Any = self.scope.setdefault("extensions", {})
        extensions["cicswitch.abort"] = self.transport.abort
        await super().run_asgi()


class ApiServer:
    """One listener. `health()` gives the body of `/health`; `ok` in it decides the status."""

    def __init__(
        self, host: str, port: int, api: Api, health: Health, registry: CollectorRegistry
    ) -> None:
        self.host = host
        self.port = port
        self.api = api
        self.stream = Stream(api, Feed(api.switch.subscribe, time.time()))
        sockets: dict[str, Any] = {EVENTS: self.stream, SIP: SipSocket(api)}
        self._app: Any = http_app(api, sockets, health, registry)
        self._server: uvicorn.Server | None = None
        self._sockets: list[socket.socket] = []
        self._task: asyncio.Task[None] | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "http" if self._context is None else "https"

    async def start(self) -> None:
        """Listen; `port` is then the bound one. Raises `ResourceError` in one line."""
        files = _files(self.api.config)
        context = _context(*files) if files else None
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
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            server_header=False,
            ws=_WebSocket,
            ws_max_size=1 << 16,
            ws_per_message_deflate=False,  # a zlib state for each reader, and no text shared
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            ssl_certfile=files[0] if files else None,
            ssl_keyfile=files[1] if files else None,
        )
        logging.getLogger("uvicorn.error").addFilter(_FILTER)
        # The parts of `uvicorn.Server.serve` without its signal handlers: those are the daemon's.
        config.load()
        if context is not None:
            self._context = config.ssl = context
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
            self.stream.feed.close()
            self._server = self._task = None

    def configure(self, config: Config) -> list[str]:
        """Take over what a reload may change, the certificate too; in words what cannot be."""
        self.api.configure(config)
        files = _files(config)
        if (self._context is None) is not (files is None):
            return ["http.certificate takes effect at the next start"]
        if self._context is None or files is None:
            return []
        try:
            _context(*files)  # into another one first: a file that is wrong must not change this
            self._context.load_cert_chain(*files)
        except ResourceError as error:
            return [f"the certificate is the old one: {error}"]
        return []


def _files(config: Config) -> tuple[Path, Path] | None:
    http = config.http
    if not http.certificate:
        return None
    return config.path(http.certificate), config.path(http.key)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a passphrase would be asked for at a terminal that is not there.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise ResourceError(f"http.certificate {certificate}, http.key {key}: {text}") from None
    return context

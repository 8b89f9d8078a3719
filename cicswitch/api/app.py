"""The Litestar application: the endpoints' routes, `/health`, `/metrics`, `/openapi.json`; and the
console beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from litestar import Litestar, Request, Response, get, route
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from cicswitch.api import resources
from cicswitch.api.channel_http import PREFIX as CHANNELS
from cicswitch.api.channel_http import ChannelHttp
from cicswitch.api.chat_socket import ChatSocket, is_chat
from cicswitch.api.context import Api
from cicswitch.api.endpoint import ENDPOINTS, PREFIX
from cicswitch.api.openapi import document
from cicswitch.api.pages import Pages
from cicswitch.api.serving import answer_problem, serve
from cicswitch.api.widget import PREFIX as WIDGETS
from cicswitch.api.widget import Widgets

__all__ = ["http_app"]

Health = Callable[[], dict[str, Any]]
_OPEN = ("/health", "/metrics", "/openapi.json")
_HEADERS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none';"
    b" form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}
_OF_FRAMES = {b"content-security-policy", b"x-frame-options"}
_HSTS = b"max-age=31536000"


def http_app(
    api: Api,
    sockets: Mapping[str, ASGIApp],
    health: Health,
    registry: CollectorRegistry,
) -> ASGIApp:
    """The application: what `ApiServer` serves. `sockets` has what takes WebSockets, by path."""
    assert resources
    methods = {path: ["GET"] for path in _OPEN}
    for endpoint in ENDPOINTS:
        methods.setdefault(endpoint.path, []).append(endpoint.method)
    patterns = [
        (re.compile(re.sub(r"{\w+}", "[^/]+", path)), ", ".join(sorted(of)))
        for path, of in methods.items()
    ]
    schema: list[bytes] = []

    @get("/health", sync_to_thread=False)
    def get_health() -> Response[dict[str, Any]]:
        body = health()
        return Response(body, status_code=200 if body["ok"] else 503)

    @get("/metrics", sync_to_thread=False)
    def get_metrics() -> Response[bytes]:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @get("/openapi.json", sync_to_thread=False)
    def get_openapi() -> Response[bytes]:
        if not schema:
            schema.append(document())
        return Response(schema[0], media_type="application/json")

    def failed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        headers = {}
        if getattr(error, "status_code", 0) == 405:
            path = request.scope["path"]
            allowed = [of for pattern, of in patterns if pattern.fullmatch(path)]
            headers = {"Allow": allowed[0]} if allowed else {}
        return answer_problem(error, headers)

    routes = []
    for endpoint in ENDPOINTS:
        handle = serve(api, endpoint)
        path = re.sub(r"{(\w+)}", r"{\1:str}", endpoint.path)
        routes.append(
            route(
                path,
                http_method=[endpoint.method],  # type: ignore[list-item]  # one of the methods
                name=endpoint.name,
                status_code=endpoint.status,
            )(_typed(handle))
        )
    app = Litestar(
        [get_health, get_metrics, get_openapi, *routes],
        openapi_config=None,
        logging_config=None,
        exception_handlers={Exception: failed},
        request_max_body_size=None,  # `serving` limits each by its endpoint
    )
    return _secured(app, sockets, Pages(), Widgets(api), ChatSocket(api), ChannelHttp(api))


def _typed(handle: Any) -> Any:
    async def handler(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await handle(request)  # type: ignore[no-any-return]  # what `serve` gives

    return handler


def _secured(
    app: ASGIApp,
    sockets: Mapping[str, ASGIApp],
    pages: Pages,
    widgets: Widgets,
    chats: ChatSocket,
    channels: ChannelHttp,
) -> ASGIApp:
    """Put the headers that browsers heed on every answer."""
    plain = [*_HEADERS.items()]
    secure = [*plain, (b"strict-transport-security", _HSTS)]

    async def secured(scope: Scope, receive: Receive, send: Send) -> None:
        if str(scope["type"]) == "websocket" and scope["path"] in sockets:
            await sockets[scope["path"]](scope, receive, send)
            return
        if str(scope["type"]) == "websocket" and is_chat(scope["path"]):
            await chats(scope, receive, send)
            return
        if str(scope["type"]) == "http" and str(scope["path"]).startswith(WIDGETS):
            await widgets(scope, receive, send)
            return
        if str(scope["type"]) == "http" and str(scope["path"]).startswith(CHANNELS):
            await channels(scope, receive, send)
            return
        if str(scope["type"]) == "http" and pages.serves(str(scope["path"])):
            await pages(scope, receive, send)
            return
        more = secure if scope.get("scheme") in ("https", "wss") else plain
        if str(scope.get("path", "")).startswith(PREFIX):
            more = [*more, (b"cache-control", b"no-store")]

        async def heeded(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A policy of an answer's own stands alone: of two, both would be heeded.
                own = {bytes(name).lower() for name, _ in message["headers"]} & _OF_FRAMES
                added = [each for each in more if each[0] not in own]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await app(scope, receive, heeded)

    return secured

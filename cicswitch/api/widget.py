"""What pages of other sites may ask: the widget's script, and leave to call.

    GET  /widget/widget.js          the script; `data-widget` of its tag names the widget
    GET  /widget/NAME               what it is for: {"title": …, "chat": …, "call": …, "video": …}
    POST /widget/NAME/session       {"name": …, "context": {…}} → a secret for `/sip?guest=…`
    POST /widget/NAME/callback      {"number": …, "at": …} → a call to that number, on disk by then
    POST /widget/NAME/files?name=…  a file for the chat whose secret is in Authorization
    GET  /widget/NAME/files/DIGEST  a file of that chat

The Origin decides: a widget names the sites that may embed it. A visitor is nobody's account, can
call the widget's number and nothing else, and costs his network's share of requests.
"""

from __future__ import annotations

import hashlib
import re
import time
from math import isfinite
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send
from msgspec import Meta, Struct

from cicswitch.api.accounts.throttle import network_of
from cicswitch.api.context import Api
from cicswitch.api.decoding import decode_body
from cicswitch.api.endpoint import encode
from cicswitch.api.pages import file_of
from cicswitch.api.problems import MEDIA_TYPE, Problem, problem_of
from cicswitch.api.resources.callbacks import check_time
from cicswitch.api.resources.phone import ice_servers
from cicswitch.api.sending import Flow, Streamed
from cicswitch.api.shapes.phone import IceServer
from cicswitch.api.visitor_files import VisitorFiles
from cicswitch.contacts.contact import CONVERSATION
from cicswitch.core.errors import Conflict
from cicswitch.dialplan.match import number_matcher
from cicswitch.identity import proven
from cicswitch.reach import plain

__all__ = ["PREFIX", "About", "Visit", "Visitor", "Widgets", "may_embed"]

PREFIX: Final = "/widget/"
_PATH: Final = re.compile(r"/widget/([\w.-]{1,64})(/session|/callback|/files(?:/([0-9a-f]{64}))?)?")
_BODY: Final = 8192
_MOST_WISHES: Final = 5_000
"""Half of all that may be promised: a flood of forms leaves callers their place."""
_Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
_Value = Annotated[str, Meta(max_length=200)]


class Visitor(Struct, frozen=True, forbid_unknown_fields=True):
    """Who visits, as far as the page knows. It reaches the dialplan and the agent."""

    name: Annotated[str, Meta(max_length=80)] = ""
    context: Annotated[dict[_Key, _Value], Meta(max_length=20)] = {}
    chat: Annotated[str, Meta(max_length=128)] = ""
    """The secret of the chat out of which he calls: the agent who has it gets the call."""


class About(Struct, frozen=True, kw_only=True):
    """What a widget is for."""

    title: str
    chat: bool
    call: bool
    video: bool
    callback: bool


class Wish(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visitor wants to be called."""

    number: Annotated[str, Meta(min_length=2, max_length=40)]
    at: float = 0.0
    """When, in seconds of the epoch; 0: as soon as it is his turn."""
    zone: Annotated[str, Meta(max_length=64)] = ""
    """His browser's time zone."""
    name: Annotated[str, Meta(max_length=80)] = ""
    note: Annotated[str, Meta(max_length=500)] = ""
    language: Annotated[str, Meta(max_length=16)] = ""


class Promised(Struct, frozen=True, kw_only=True):
    """He will be called."""

    at: float
    """Not before then; 0: as soon as it is his turn."""


class Visit(Struct, frozen=True, kw_only=True):
    """Leave to call, for a minute unless it is used."""

    guest: str
    """The secret, for `/sip?guest=…`."""
    user: str
    number: str
    title: str
    video: bool
    ice_servers: list[IceServer]


def may_embed(api: Api, widget: str, origin: str, host: str) -> bool:
    """Whether a page of that origin may use a widget: one it names, or one of the switch itself."""
    config = api.config.widget.get(widget)
    if config is None or not origin:
        return False
    return origin in config.origins or urlsplit(origin).netloc.lower() == host.lower()


class Widgets:
    """An ASGI application for what begins with `/widget/`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._script = file_of("widget.js")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        connection: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope, receive, send)
        origin = connection.headers.get("origin", "")
        headers = {"x-content-type-options": "nosniff", "vary": "Origin"}
        try:
            status, body = await self._answer(connection, scope, receive, origin, headers)
            if isinstance(body, Flow):
                await Streamed(body, status, headers).to_asgi_response()(scope, receive, send)
                return
        except Exception as error:
            problem = problem_of(error) or Problem(500, "see the log of the switch")
            status, body = problem.status, problem.body
            headers.update({"content-type": MEDIA_TYPE, **problem.headers})
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        start: Any = {"type": "http.response.start", "status": status, "headers": raw}
        await send(start)
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(
        self,
        connection: ASGIConnection[Any, Any, Any, Any],
        scope: Scope,
        receive: Receive,
        origin: str,
        headers: dict[str, str],
    ) -> tuple[int, bytes | Flow]:
        method, path = str(scope.get("method", "")), str(scope["path"])
        if path == PREFIX + "widget.js":
            if method not in ("GET", "HEAD"):
                raise Problem(405, headers={"Allow": "GET, HEAD"})
            if self._script is None:
                raise Problem(404, "the console is not built")
            headers["cross-origin-resource-policy"] = "cross-origin"
            headers["cache-control"] = "public, max-age=300"
            headers["content-type"] = "text/javascript; charset=utf-8"
            headers["etag"] = self._script.tag.decode()
            if connection.headers.get("if-none-match", "") == headers["etag"]:
                return 304, b""
            body = self._script.body
            if "gzip" in connection.headers.get("accept-encoding", ""):
                headers["content-encoding"] = "gzip"
                body = self._script.packed
            return 200, body if method == "GET" else b""
        found = _PATH.fullmatch(path)
        if found is None or found[1] not in self.api.config.widget:
            raise Problem(404, "there is no such widget")
        allowed = "POST" if found[2] and not found[3] else "GET"
        host = connection.headers.get("host", "")
        own = connection.headers.get("sec-fetch-site", "") == "same-origin"
        if own and not origin and method == "GET":
            # A browser that reads from where the page is tells no Origin.
            origin = f"{connection.url.scheme}://{host}"
        if not may_embed(self.api, found[1], origin, host):
            raise Problem(403, "the widget may not be used on this site: see its origins")
        headers["access-control-allow-origin"] = origin
        headers["cross-origin-resource-policy"] = "cross-origin"
        headers["cache-control"] = "no-store"
        if method == "OPTIONS":
            headers["access-control-allow-methods"] = allowed
            headers["access-control-allow-headers"] = "authorization, content-type"
            headers["access-control-max-age"] = "600"
            return 204, b""
        if method != allowed:
            raise Problem(405, headers={"Allow": f"{allowed}, OPTIONS"})
        if found[2] and found[2].startswith("/files"):
            self._count(connection)
            files = VisitorFiles(self.api, found[1], connection.headers.get("authorization", ""))
            if found[3]:
                answer = await files.give(found[3], connection.headers)
                headers.update(answer.headers)
                return answer.status, answer.value
            headers["content-type"] = "application/json"
            return 201, await files.take(connection.query_params.get("name", ""), receive)
        if allowed == "GET":
            self._count(connection)
            headers["content-type"] = "application/json"
            return 200, self._about(found[1])
        kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Problem(415, "Content-Type has to be application/json")
        headers["content-type"] = "application/json"
        now = self._count(connection)
        raw = await _body(receive)
        if found[2] == "/callback":
            return 201, await self._call_back(raw, found[1], now)
        return 201, await self._admit(raw, found[1], now)

    def _count(self, connection: ASGIConnection[Any, Any, Any, Any]) -> float:
        """The time; this request is one of its network's share. Raises `Problem` 429."""
        address = connection.client.host if connection.client is not None else ""
        now = time.time()
        allowed, _, wait_s = self.api.strangers.take(network_of(address), now)
        if not allowed:
            raise Problem(429, headers={"Retry-After": str(wait_s)})
        return now

    def _about(self, widget: str) -> bytes:
        config, switch = self.api.config.widget[widget], self.api.switch
        call = bool(config.number) and switch.sip.webrtc is not None
        return encode(
            About(
                title=config.title,
                chat=config.chat in switch.conductor.contacts.channels,
                call=call,
                video=call and config.video and self.api.config.webrtc.video,
                callback=bool(config.callback),
            )
        )

    async def _admit(self, raw: bytes, widget: str, now: float) -> bytes:
        visitor = decode_body(Visitor, raw or b"{}")
        config = self.api.config.widget[widget]
        if not config.number:
            raise Problem(404, "the widget has no number to call")
        sip = self.api.switch.sip
        if sip.webrtc is None:
            raise Problem(503, "WebRTC is off")
        context = proven(visitor.context, config.secret.reveal(), now)
        context.pop(CONVERSATION, None)  # only the switch says this
        if visitor.chat and config.chat:
            digest = hashlib.sha256(visitor.chat.encode()).hexdigest()
            talk = await self.api.switch.archive.by_token(config.chat, digest)
            if talk is not None:
                context[CONVERSATION] = talk.id
        found = sip.guests.admit(widget, config, visitor.name, context, now)
        if found is None:
            raise Problem(503, "too many visitors", headers={"Retry-After": "30"})
        secret, guest = found
        webrtc = self.api.config.webrtc
        return encode(
            Visit(
                guest=secret,
                user=guest.id,
                number=guest.number,
                title=config.title,
                video=guest.video and webrtc.video,
                ice_servers=ice_servers(webrtc, guest.id, now),
            )
        )

    async def _call_back(self, raw: bytes, widget: str, now: float) -> bytes:
        wish, config = decode_body(Wish, raw), self.api.config.widget[widget]
        if not config.callback:
            raise Problem(404, "nobody is called back from here")
        check_time(wish.at, wish.zone, now)
        conductor, number = self.api.switch.conductor, plain(wish.number)
        if not any(number_matcher(each)(number) for each in config.callback_numbers):
            raise Problem(422, "this number cannot be called")
        if len(conductor.callbacks.promises) >= _MOST_WISHES:
            raise Problem(503, "too many wait to be called", headers={"Retry-After": "600"})
        try:
            promise, _ = conductor.do(
                lambda: conductor.callbacks.order(
                    config.callback,
                    number,
                    at=wish.at,
                    zone=wish.zone,
                    name=wish.name,
                    note=wish.note,
                    language=wish.language,
                    by=f"widget:{widget}",
                )
            )
        except Conflict:
            # Whether a number is on the list is nobody's business.
            raise Problem(422, "this number cannot be called") from None
        await conductor.contacts.stored()
        event = promise.event
        opens_at = conductor.callbacks.opens_at(event)
        at = max(event.not_before, opens_at if isfinite(opens_at) else 0.0)
        return encode(Promised(at=at))


async def _body(receive: Receive) -> bytes:
    """A small body. Raises `Problem`."""
    raw = bytearray()
    more = True
    while more:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise Problem(400, "the request was cut off")
        raw += message.get("body", b"")
        more = message.get("more_body", False)
        if len(raw) > _BODY:
            raise Problem(413, f"at most {_BODY} bytes", headers={"Connection": "close"})
    return bytes(raw)

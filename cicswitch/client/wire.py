"""Requests and answers: retries, keys, tags, the session. What the methods of `Client` stand on.

A request is sent again after a broken connection, 429 and 503, at most `tries` times with a
growing, jittered pause (or `Retry-After`), if it is safe:

- GET, PUT, PATCH and DELETE may be sent twice.
- A POST has an `Idempotency-Key`, the same for every try, where the endpoint heeds it. Where it
  does not, it is sent again only if it never left, or was refused.
- A 503 of something that changes is taken for final if the switch itself gives it without
  `Retry-After`: it may be done already ("… but the audit log has failed").
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from cicswitch.api.shapes.common import Page
from cicswitch.client.errors import Unreachable, problem_from, retry_after
from cicswitch.core.version import __version__

__all__ = ["PREFIX", "Wire", "part"]

T = TypeVar("T")
PREFIX = "/api/v1"
_FIRST_S, _LONGEST_S = 0.2, 10.0
_PATIENCE_S = 60.0
"""A `Retry-After` of more than this is the caller's to wait for."""
_TAGS = 1024
_CHANGES = ("PUT", "PATCH", "DELETE", "POST")


class Wire:
    """One connection pool to one switch."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        timeout_s: float = 30.0,
        tries: int = 4,
        verify: Any = True,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self.tries = tries
        self.verify = verify
        headers = {"User-Agent": f"cicswitch-client/{__version__}"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # No environment: a token must not go by a proxy that somebody has set for something else.
        self.http = http or httpx.AsyncClient(
            timeout=timeout_s, verify=verify, headers=headers, trust_env=False
        )
        if http is not None:
            self.http.headers.update(headers)
        self._tags: OrderedDict[int, tuple[Any, str]] = OrderedDict()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self.http.aclose()

    # -- one request -----------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: Struct | None = None,
        query: Mapping[str, Any] | None = None,
        tag: Any = None,
        keyed: bool | None = None,
        **names: str,
    ) -> T:
        """Ask, and the answer as a `kind`. `tag`: what was read before; `keyed`: whether the
        endpoint heeds `Idempotency-Key`. Raises `ApiProblem`, `Unreachable`."""
        headers = {}
        if tag is not None:
            headers["If-Match"] = self.tag_of(tag)
        if keyed if keyed is not None else method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        raw = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            raw = msgspec.json.encode(body)
        way = _filled(path, names) if names else path
        given = {key: str(value) for key, value in (query or {}).items() if value not in (None, "")}
        reply = await self._sent(method, self.url + PREFIX + way, given, raw, headers)
        if not reply.content:
            return None  # type: ignore[return-value]  # `kind` is NoneType then
        value = msgspec.json.decode(reply.content, type=kind)
        if "etag" in reply.headers:
            self._remember(value, reply.headers["etag"])
        return value

    async def send(
        self,
        method: str,
        path: str,
        kind: type[T],
        content: bytes | AsyncIterable[bytes],
        query: Mapping[str, str],
        **names: str,
    ) -> T:
        """Send a file, and the answer as a `kind`. Raises `ApiProblem`, `Unreachable`."""
        headers = {"Content-Type": "application/octet-stream"}
        url = self.url + PREFIX + _filled(path, names)
        reply = await self._sent(method, url, dict(query), content, headers)
        return msgspec.json.decode(reply.content, type=kind)

    async def fetch(self, path: str, headers: dict[str, str], **names: str) -> bytes:
        """Get what is no JSON, as it is. Raises `ApiProblem`, `Unreachable`."""
        url = self.url + PREFIX + _filled(path, names)
        return (await self._sent("GET", url, {}, None, headers)).content

    async def state(self, path: str) -> Any:
        """Get the JSON of what stands outside `/api/v1` and answers 503 for "not well"; once.
        Raises `ApiProblem`, `Unreachable`."""
        try:
            reply = await self.http.get(self.url + path)
        except httpx.TransportError as error:
            what = str(error) or type(error).__name__
            raise Unreachable(f"no answer of {self.url}: {what}") from error
        if reply.status_code not in (200, 503):
            raise problem_from(reply.status_code, reply.headers, reply.content)
        try:
            return msgspec.json.decode(reply.content)
        except msgspec.DecodeError:
            raise problem_from(reply.status_code, reply.headers, reply.content) from None

    async def each(
        self, path: str, item: type[T], query: Mapping[str, Any] | None = None, **names: str
    ) -> AsyncIterator[T]:
        """All items of a list, page after page, each page when it is needed."""
        cursor: str | None = ""
        way = _filled(path, names)
        kind: Any = Page[item]  # type: ignore[valid-type]  # made at run time
        while cursor is not None:
            asked = {**(query or {}), "cursor": cursor}
            page: Any = await self.call("GET", way, kind, query=asked)
            for found in page.items:
                yield found
            cursor = page.next

    async def _sent(
        self,
        method: str,
        url: str,
        query: dict[str, str],
        raw: bytes | AsyncIterable[bytes] | None,
        headers: dict[str, str],
    ) -> httpx.Response:
        again = method != "POST" or "Idempotency-Key" in headers
        lost = False
        for left in reversed(range(self.tries)):
            pause_s: float | None = None
            try:
                reply = await self.http.request(
                    method, url, params=query or None, content=raw, headers=headers
                )
            except httpx.TransportError as error:
                never_left = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                lost = lost or not never_left
                if not left or not (again or never_left):
                    what = str(error) or type(error).__name__
                    raise Unreachable(f"no answer of {self.url}: {what}") from error
            else:
                if reply.is_success:
                    return reply
                if lost and method == "DELETE" and reply.status_code == 404:
                    return httpx.Response(204)  # the first one has done it, and its answer was lost
                pause_s = retry_after(reply.headers)
                if not left or not _passing(method, reply) or (pause_s or 0) > _PATIENCE_S:
                    raise problem_from(reply.status_code, reply.headers, reply.content)
            tried = self.tries - 1 - left
            most_s = min(_LONGEST_S, _FIRST_S * 2**tried)
            await asyncio.sleep(pause_s or most_s * random.uniform(0.5, 1))
        raise AssertionError("tries is at least 1")

    # -- tags and the session --------------------------------------------------------------------

    def tag_of(self, read: Any) -> str:
        """The tag of what was read, or a tag itself. Raises `ValueError` for what came in a list:
        only what was asked for by itself has one."""
        if isinstance(read, str):
            return read
        found = self._tags.get(id(read))
        if found is None or found[0] is not read:
            raise ValueError(f"this {type(read).__name__} has no tag: read it by itself first")
        return found[1]

    def _remember(self, value: Any, tag: str) -> None:
        self._tags[id(value)] = (value, tag)  # held, so that its id stays its own
        self._tags.move_to_end(id(value))
        while len(self._tags) > _TAGS:
            self._tags.popitem(last=False)

    def identity(self) -> dict[str, str]:
        """The headers that say who asks, for a WebSocket."""
        asked = self.http.build_request("GET", self.url + PREFIX + "/events").headers
        return {key: asked[key] for key in ("authorization", "cookie") if key in asked}


def _filled(path: str, names: Mapping[str, str]) -> str:
    return path.format_map({name: quote(value, safe="") for name, value in names.items()})


def _passing(method: str, reply: httpx.Response) -> bool:
    if reply.status_code == 429:
        return True
    if reply.status_code != 503:
        return False
    of_the_switch = "problem+json" in reply.headers.get("content-type", "")
    return method not in _CHANGES or "retry-after" in reply.headers or not of_the_switch


def part(begin: int, end: int | None) -> dict[str, str]:
    """The header that asks for bytes from `begin` to before `end`. Raises `ValueError`."""
    if begin < 0 or (end is not None and end <= begin):
        raise ValueError(f"no bytes lie from {begin} to before {end}")
    if not begin and end is None:
        return {}
    last = "" if end is None else end - 1
    return {"Range": f"bytes={begin}-{last}"}  # RFC 9110 section 14.1.2

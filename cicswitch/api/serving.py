"""From a request to an answer: who asks, how often, whether he may, what he sends, what he gets.

In this order: size of the body, who it is (token or cookie), the rate, CSRF for a cookie, scopes,
decoding, `Idempotency-Key`, the endpoint, ETag. Everything that goes wrong is a problem document.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import structlog
from litestar import Request, Response
from msgspec import Struct

from cicswitch.api.accounts.throttle import network_of
from cicswitch.api.context import Api
from cicswitch.api.decoding import decode_body, decode_query
from cicswitch.api.endpoint import BODY_LIMIT, Answer, Ask, Endpoint, Raw, encode, etag_of
from cicswitch.api.idempotency import Kept
from cicswitch.api.problems import MEDIA_TYPE, Problem, problem_of
from cicswitch.api.sending import Flow, Streamed
from cicswitch.core.errors import CicError

__all__ = [
    "BODY_LIMIT",
    "CSRF_HEADER",
    "answer_problem",
    "check_origin",
    "cookie_of",
    "serve",
    "who",
]

log = structlog.get_logger("api")

CSRF_HEADER = "x-csrf-token"
_SAFE = ("GET", "HEAD")
_LISTENED_S = 30.0
AnyRequest = Request[Any, Any, Any]


class _Nothing(Struct, forbid_unknown_fields=True):
    """The body or the query of what takes none."""


def cookie_of(*, secure: bool) -> str:
    """The name of the session's cookie; over HTTPS browsers bind `__Host-` to this host."""
    return "__Host-cicswitch" if secure else "cicswitch"


def serve(api: Api, endpoint: Endpoint) -> Callable[[AnyRequest], Awaitable[Response[bytes]]]:
    """The function that answers an endpoint's requests."""

    async def handle(request: AnyRequest) -> Response[bytes]:
        rated: dict[str, str] = {}
        try:
            kept = await _answer(api, endpoint, request, rated)
            if isinstance(kept, Answer):
                headers = {**kept.headers, **rated}
                return Streamed(kept.value, kept.status or endpoint.status, headers)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("api_failed", endpoint=endpoint.name)
                problem = Problem(500, "see the log of the switch")
            kept = _of_problem(problem)
        return _response(kept, rated)

    return handle


def answer_problem(error: Exception, headers: dict[str, str] | None = None) -> Response[bytes]:
    """The answer to what no endpoint has caused: no such path, no such method."""
    problem = problem_of(error)
    if problem is None:
        log.error("api_failed", exc_info=error)
        problem = Problem(500, "see the log of the switch")
    problem.headers.update(headers or {})
    return _response(_of_problem(problem), {})


def _of_problem(problem: Problem) -> Kept:
    return Kept(problem.status, {"content-type": MEDIA_TYPE, **problem.headers}, problem.body)


def _response(kept: Kept, more: dict[str, str]) -> Response[bytes]:
    headers = {**kept.headers, **more}
    kind = headers.pop("content-type", "application/json")
    return Response(kept.body, status_code=kept.status, headers=headers, media_type=kind)


async def _answer(
    api: Api, endpoint: Endpoint, request: AnyRequest, rated: dict[str, str]
) -> Kept | Answer[Flow]:
    """What is answered: whole, or piece by piece."""
    address = request.client.host if request.client is not None else ""
    secure = request.scope["scheme"] in ("https", "wss")
    ask = Ask(api, request.headers, address, time.time(), secure=secure)
    streamed = endpoint.body is Raw
    pieces: AsyncIterator[bytes] = request.stream()
    large = streamed or endpoint.body_limit > BODY_LIMIT
    raw = b"" if large else await _body(request, BODY_LIMIT)
    await who(ask, request.cookies, request.headers.get("authorization", ""), rated)
    cookie = ask.known is not None and ask.known.via == "session"
    if endpoint.method not in _SAFE and (cookie or endpoint.scopes is None):
        check_origin(ask)
        if cookie and endpoint.scopes is not None:
            _check_csrf(ask)
    if endpoint.scopes is not None:
        _check_scopes(ask, endpoint)
    if large and not streamed:
        raw = await _body(request, endpoint.body_limit)
    arguments: dict[str, Any] = {name: request.path_params[name] for name in endpoint.names}
    if endpoint.query is not None:
        arguments["query"] = decode_query(endpoint.query, request.query_params.multi_items())
    elif request.scope["query_string"]:
        decode_query(_Nothing, request.query_params.multi_items())
    if streamed:
        arguments["body"] = Raw(pieces)
    elif endpoint.body is not None:
        _check_json(request)
        arguments["body"] = decode_body(endpoint.body, raw)
    elif raw:
        _check_json(request)
        decode_body(_Nothing, raw)
    key = request.headers.get("idempotency-key", "") if endpoint.repeatable else ""
    if not key:
        try:
            found = await endpoint.handler(ask, **arguments)
        except CicError:
            if streamed:
                await _listened(pieces)
            raise
        if isinstance(found, Answer) and isinstance(found.value, Flow):
            return found
        return _kept(endpoint, request, found)
    path, name = request.url.path, ask.account.name
    before = api.idempotency.begin(name, key, endpoint.method, path, raw, ask.now)
    if before is not None:
        return Kept(before.status, {**before.headers, "Idempotency-Replayed": "true"}, before.body)
    answer: Kept | None = None
    try:
        answer = _kept(endpoint, request, await endpoint.handler(ask, **arguments))
    except Exception as error:
        problem = problem_of(error)
        if problem is not None and problem.status < 500 and problem.status != 429:
            answer = _of_problem(problem)
        raise
    finally:
        api.idempotency.end(name, key, answer)
    return answer


async def _listened(pieces: AsyncIterator[bytes]) -> None:
    """Take what is still sent, for a while: see `_body`."""
    left = 15 * BODY_LIMIT
    with contextlib.suppress(Exception):  # its connection may be gone, or all is read
        async with asyncio.timeout(_LISTENED_S):
            async for part in pieces:
                left -= len(part)
                if left < 0:
                    break


async def _body(request: AnyRequest, limit: int) -> bytes:
    """The body. Raises `Problem` 413 once it is too large; a client that sends on is listened to
    for a while, because one whose connection is closed under it does not see the answer."""
    raw = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            raw += part
        elif size > limit + 15 * BODY_LIMIT:
            break
    if size > limit:
        raise Problem(413, f"at most {limit} bytes", headers={"Connection": "close"})
    return bytes(raw)


async def who(ask: Ask, cookies: dict[str, str], authorization: str, rated: dict[str, str]) -> None:
    """Find out who asks, and count it. Raises `Problem` 401 for a token that is none, 429."""
    api, now = ask.api, ask.now
    kind, _, secret = authorization.partition(" ")
    cookie = cookies.get(cookie_of(secure=ask.secure), "")
    place = network_of(ask.address)
    if kind:
        if kind.lower() == "bearer":
            ask.known = await api.directory.by_token(secret.strip(), now)
        if ask.known is None:
            _count(api.strangers, place, now, {})
            raise Problem(
                401,
                "there is no such token, or it is good no more",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
    elif cookie:
        ask.known = await api.directory.by_cookie(cookie, now)
    if ask.known is None:
        _count(api.strangers, place, now, rated)
    else:
        key = ask.known.account.name if ask.known.via == "session" else ask.known.id
        _count(api.rate, key, now, rated)


def _count(rate: Any, key: str, now: float, rated: dict[str, str]) -> None:
    allowed, left, wait_s = rate.take(key, now)
    rated["RateLimit-Limit"] = str(rate.per_minute)
    rated["RateLimit-Remaining"] = str(left)
    rated["RateLimit-Reset"] = str(wait_s)
    if not allowed:
        raise Problem(
            429, f"{rate.per_minute} a minute are the most", headers={"Retry-After": str(wait_s)}
        )


def check_origin(ask: Ask) -> None:
    """A browser says which page asks: it has to be one of ours. Raises `Problem` 403."""
    origin = ask.headers.get("origin", "")
    if not origin:
        return
    asked = urlsplit(origin)
    scheme = "https" if ask.secure else "http"
    if asked.scheme != scheme or asked.netloc.lower() != ask.headers.get("host", "").lower():
        raise Problem(403, "a page of another site asks")


def _check_csrf(ask: Ask) -> None:
    given = ask.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), ask.principal.csrf.encode()):
        raise Problem(403, f"with a cookie this takes the header {CSRF_HEADER}: see the sign-in")


def _check_scopes(ask: Ask, endpoint: Endpoint) -> None:
    scopes = endpoint.scopes or ()
    if scopes and not ask.principal.scopes.intersection(scopes):
        raise Problem(403, f"this takes {' or '.join(scopes)}")
    assert ask.principal


def _check_json(request: AnyRequest) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "Content-Type has to be application/json")


def _kept(endpoint: Endpoint, request: AnyRequest, answer: Any) -> Kept:
    headers: dict[str, str] = {}
    status = endpoint.status
    if isinstance(answer, Answer):
        headers, status, answer = answer.headers, answer.status or status, answer.value
    if answer is None:
        return Kept(204 if status == 200 else status, headers, b"")
    raw = answer if isinstance(answer, bytes) else encode(answer)
    if endpoint.tagged:
        tag = etag_of(raw)
        headers = {**headers, "ETag": tag}
        none = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
        if endpoint.method == "GET" and (tag in none or f"W/{tag}" in none):
            return Kept(304, headers, b"")
    return Kept(status, headers, raw)

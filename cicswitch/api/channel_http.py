"""`/channel/NAME`: what the gateways of messengers post, for the channel of that name.

The channel decides who may: a signature of the medium's stands in place of a token.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

import structlog
from litestar.connection import ASGIConnection
from litestar.types import Receive, Scope, Send

from cicswitch.api.context import Api
from cicswitch.api.problems import MEDIA_TYPE, Problem, problem_of
from cicswitch.attachments.kinds import PICTURES
from cicswitch.ports import HttpAnswer, HttpChannel, HttpRequest

__all__ = ["PREFIX", "ChannelHttp"]

log = structlog.get_logger("api")

PREFIX: Final = "/channel/"
_PATH: Final = re.compile(r"/channel/([\w.-]{1,64})")
_BODY: Final = 1 << 20


class ChannelHttp:
    """An ASGI application for what begins with `/channel/`."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
        try:
            answer = await self._answer(scope, receive)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("channel_failed", path=scope["path"])
                problem = Problem(500, "see the log of the switch")
            answer = HttpAnswer(problem.status, problem.body, MEDIA_TYPE)
            headers.update(problem.headers)
        if answer.status == 503:
            headers["retry-after"] = "5"
        headers |= {"content-type": answer.media_type, "content-length": str(len(answer.body))}
        if answer.name:
            kind = "inline" if answer.media_type in PICTURES else "attachment"
            headers["content-disposition"] = f"{kind}; filename*=UTF-8''{quote(answer.name)}"
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        start: Any = {"type": "http.response.start", "status": answer.status, "headers": raw}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _answer(self, scope: Scope, receive: Receive) -> HttpAnswer:
        found = _PATH.fullmatch(str(scope["path"]))
        channels = self.api.switch.conductor.contacts.channels
        channel: object = channels.get(found[1]) if found is not None else None
        if not isinstance(channel, HttpChannel):
            raise Problem(404, "there is no such channel, or it is not spoken to by HTTP")
        method = str(scope.get("method", ""))
        if method not in ("GET", "POST"):
            raise Problem(405, headers={"Allow": "GET, POST"})
        asked: ASGIConnection[Any, Any, Any, Any] = ASGIConnection(scope, receive)
        body, more = bytearray(), True
        while more:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the body has no end")
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > _BODY:
                raise Problem(413, f"at most {_BODY} bytes", headers={"Connection": "close"})
        return await channel.asked(
            HttpRequest(
                method,
                {name.lower(): value for name, value in asked.headers.items()},
                {name: str(value) for name, value in asked.query_params.items()},
                bytes(body),
            )
        )

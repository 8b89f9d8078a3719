"""An answer that is sent piece by piece: a file is never in memory as a whole."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from cicswitch.api.problems import Problem

__all__ = ["Bytes", "Flow", "Streamed", "room"]

_PIECE = 1 << 16
_STALLED_S = 60.0
"""A client that takes nothing for so long is let go; a player asks again for what it misses."""
_AT_ONCE = 128


class Bytes(Protocol):
    """Where the pieces come from."""

    async def read(self, count: int, at: int) -> bytes:
        """At most so many bytes from there."""

    def close(self) -> None:
        """Let go of it."""


class Flow:
    """The bytes of a source from `begin` to before `end`. Who makes one has it sent."""

    __slots__ = ("begin", "end", "source")

    def __init__(self, source: Bytes, begin: int, end: int) -> None:
        self.source = source
        self.begin = begin
        self.end = end


class Streamed(Response[bytes]):
    """A `Flow` as an answer of Litestar's."""

    sending = 0
    """How many are being sent, of all."""

    def __init__(self, flow: Flow, status: int, headers: dict[str, str]) -> None:
        super().__init__(b"", status_code=status)
        length = {"content-length": str(flow.end - flow.begin)}
        self._sent = _Sent(flow, status, {**headers, **length})

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """As Litestar wants it."""
        return self._sent  # type: ignore[return-value]  # an ASGI application too


def room() -> None:
    """Raises `Problem` 503 while too many are being sent."""
    if Streamed.sending >= _AT_ONCE:
        raise Problem(503, "too many listen at the same time")


class _Sent:
    def __init__(self, flow: Flow, status: int, headers: dict[str, str]) -> None:
        self._flow = flow
        self._status = status
        self._headers = [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until the client is gone."""
        gone = asyncio.ensure_future(_gone(receive))
        Streamed.sending += 1
        flow = self._flow
        try:
            start = {
                "type": "http.response.start",
                "status": self._status,
                "headers": self._headers,
            }
            await send(start)  # type: ignore[arg-type]  # one of the messages of ASGI
            at = flow.begin
            while at < flow.end and not gone.done():
                piece = await flow.source.read(min(_PIECE, flow.end - at), at)
                if not piece:
                    break  # it has been cut short under us: the connection tells
                at += len(piece)
                async with asyncio.timeout(_STALLED_S):
                    await send(_body(piece, at < flow.end))  # type: ignore[arg-type]  # the same
        except TimeoutError:
            pass
        finally:
            Streamed.sending -= 1
            flow.source.close()
            gone.cancel()


def _body(piece: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""The control socket: one JSON object a line, a reply a line, over a Unix socket of mode 0600.

    {"do": "agent", "agent": "kim", "action": "sign-in"}
    {"ok": true, "result": …}  or  {"ok": false, "error": "…", "kind": "not-found"}

Whoever may open the socket file may do everything; the file system decides who that is.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from cicswitch.core.errors import CicError, CommandError, Conflict, NotFound, ResourceError

__all__ = ["ControlServer", "request"]

log = structlog.get_logger("control")

LIMIT = 1 << 20
_LONGEST_S = 30.0
"""What a handler that waits for somebody else may take."""
Handler = Callable[[Mapping[str, Any]], Any]
_KINDS: dict[type[CicError], str] = {NotFound: "not-found", Conflict: "conflict"}


class ControlServer:
    """Serves handlers by the name in `do`. A handler takes the request and gives the result, or
    something that gives it when it is awaited."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self.path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen. Raises `ResourceError`, also if a living switch has the socket already."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.path))
                except OSError:
                    self.path.unlink(missing_ok=True)  # left by a process that is gone
                else:
                    raise ResourceError(f"a switch is running already: {self.path} answers")
        try:
            mask = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(
                    self._serve, str(self.path), limit=LIMIT
                )
            finally:
                os.umask(mask)
        except OSError as error:
            raise ResourceError(f"cannot listen on {self.path}: {error.strerror}") from None

    async def stop(self) -> None:
        """Close. Idempotent."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.close()
            self._server = None
            self.path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
                while line := await reader.readline():
                    reply = await self._reply(line)
                    writer.write(msgspec.json.encode(reply, enc_hook=str) + b"\n")
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            asked = msgspec.json.decode(line)
            handler = self._handlers.get(asked["do"])
            if handler is None:
                known = ", ".join(sorted(self._handlers))
                return _error(f'unknown request "{asked["do"]}" (known: {known})', "bad-request")
            result = handler(asked)
            if inspect.isawaitable(result):
                result = await asyncio.wait_for(result, _LONGEST_S)
            return {"ok": True, "result": result}
        except CicError as error:
            return _error(str(error), _KINDS.get(type(error), "refused"))
        except TimeoutError:
            return _error(f"it has taken more than {_LONGEST_S:g} s", "refused")
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            return _error(f"a request that makes no sense: {error!r}", "bad-request")
        except Exception as error:
            log.exception("control_failed")
            return _error(f"internal error: {error!r}", "internal")


def _error(text: str, kind: str) -> dict[str, Any]:
    return {"ok": False, "error": text, "kind": kind}


def request(path: Path, asked: Mapping[str, Any], timeout_s: float = 5.0) -> Any:
    """Ask a running switch; the result. Raises `CommandError` or `ResourceError` in one line."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout_s)
        try:
            client.connect(str(path))
            client.sendall(msgspec.json.encode(asked) + b"\n")
            data = bytearray()
            while not data.endswith(b"\n"):
                chunk = client.recv(65536)
                if not chunk:
                    raise ResourceError(f"the switch closed {path} without an answer")
                data += chunk
        except OSError as error:
            reason = error.strerror or str(error)
            raise ResourceError(f"no switch answers at {path}: {reason} (is it running?)") from None
    reply = msgspec.json.decode(data)
    if reply["ok"]:
        return reply["result"]
    kinds: dict[str, type[CommandError]] = {"not-found": NotFound, "conflict": Conflict}
    raise kinds.get(reply["kind"], CommandError)(reply["error"])

"""One attempt: a message is signed, sent, and what came of it.

The URL is the administrator's, and still a request goes from inside the network to wherever it
says: redirects are not followed, certificates are verified, no proxy of the environment is used,
and of an answer at most `_ANSWER` bytes are read, and none is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from msgspec import Struct

from cicswitch.core.errors import ResourceError
from cicswitch.core.signature import sign
from cicswitch.core.version import __version__

__all__ = ["Outcome", "Sender", "body_of"]

_ANSWER = 1 << 16
_LONGEST_S = 86400.0
"""A `Retry-After` of more than a day is taken for a day."""


class Outcome(Struct, frozen=True):
    """What came of an attempt."""

    status: int
    """Of HTTP; 0: there was no answer."""
    error: str = ""
    """What was wrong; empty: it was acknowledged."""
    retry_after_s: float | None = None


def body_of(kind: str, at: float, data: str) -> bytes:
    """A message: `data` is JSON."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    stamp = stamp.replace("+00:00", "Z")
    return f'{{"type":"{kind}","timestamp":"{stamp}","data":{data}}}'.encode()


class Sender:
    """Sends to one URL, by one connection."""

    def __init__(self, url: str, key: bytes, *, timeout_s: float, ca_file: Path | None) -> None:
        self.url = url
        self._key = key
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._http: httpx.AsyncClient | None = None

    async def send(self, message_id: str, body: bytes, now: float) -> Outcome:
        """Send it once; `now` is the time of this attempt, in seconds of the epoch."""
        stamp = int(now)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign(self._key, message_id, stamp, body),
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                client = await self._client()
                async with client.stream("POST", self.url, content=body, headers=headers) as reply:
                    with contextlib.suppress(httpx.HTTPError):
                        await _emptied(reply)
                    return _outcome(reply, now)
        except TimeoutError:
            return Outcome(0, f"no answer in {self._timeout_s:g} s")
        except ResourceError as error:
            return Outcome(0, str(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if self._ca_file is not None:
                await self.close()  # it is read again: it may be another by now
            return Outcome(0, _said(error))

    async def close(self) -> None:
        """Close the connection. Idempotent; the next attempt opens another."""
        client, self._http = self._http, None
        if client is not None:
            await client.aclose()

    async def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            verify: ssl.SSLContext | bool = False  # there is nothing to verify without TLS
            if self.url.startswith("https:"):
                verify = await asyncio.to_thread(_context, self._ca_file)
            self._http = httpx.AsyncClient(
                timeout=self._timeout_s,
                verify=verify,
                follow_redirects=False,
                trust_env=False,
                limits=httpx.Limits(max_connections=1),
                headers={"User-Agent": f"cicswitch-webhook/{__version__}"},
            )
        return self._http


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ResourceError(f"ca_file {ca_file}: {reason}") from None


async def _emptied(reply: httpx.Response) -> None:
    """Read what is left, so that the connection can be used again; of a long answer some."""
    count = 0
    async for piece in reply.aiter_raw():
        count += len(piece)
        if count > _ANSWER:
            return


def _outcome(reply: httpx.Response, now: float) -> Outcome:
    if reply.is_success:
        return Outcome(reply.status_code)
    what = f"answered {reply.status_code}"
    if reply.is_redirect:
        what += ": redirects are not followed"
    return Outcome(reply.status_code, what, _retry_after(reply.headers.get("retry-after", ""), now))


def _retry_after(text: str, now: float) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3): a number, or a date."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_S)
    try:
        at = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(0.0, at - now), _LONGEST_S)


def _said(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"

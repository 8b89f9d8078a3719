"""Messengers by webhook: a gateway posts to `/channel/NAME`, answers are posted to its URL.

What it looks like there is a shape of `cicswitch.gateways`. A gateway is told that all is well when
every message of its body is on disk; what it sends again is known by its id. A customer who writes
again goes on in his conversation.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
import time
import uuid
from typing import Final

import httpx
import msgspec
import structlog

from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import Incoming, Outgoing
from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.core.signature import secret_key, sign
from cicswitch.core.version import __version__
from cicswitch.gateways.proof import proven
from cicswitch.gateways.reading import Written, read
from cicswitch.gateways.shape import GatewaySettings
from cicswitch.gateways.writing import bodies
from cicswitch.ports import (
    Archive,
    ChannelHost,
    HttpAnswer,
    HttpRequest,
    News,
    Undeliverable,
)

__all__ = ["Webhook"]

log = structlog.get_logger("channels")

_AT_ONCE: Final = 64
"""Bodies of a gateway that are being taken; a further one is to come again."""
_TURNS: Final = 256
_ANSWER: Final = 1 << 16
_LATER: Final = (408, 425, 429)
_NAMESPACE: Final = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
"""That of URLs (RFC 9562, 6.6)."""


class Webhook:
    """See `ports.Channel` and `ports.HttpChannel`."""

    live = False
    stored = False
    talks = True

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.queue = config.queue
        self.silent_s, self.end_s = config.silent_s, config.end_s
        self.away_s = float(config.away_s)
        self._settings = GatewaySettings(**config.settings)
        self._shape = self._settings.form()
        self.medium: str = self._settings.medium
        self._host, self._archive = host, archive
        self._http: httpx.AsyncClient | None = None
        self._busy = 0
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        """A customer's messages are taken one after the other."""
        self._sent: dict[str, int] = {}
        """Message -> how many of its pieces the gateway has taken; one that it refused goes on from
        there, if somebody has it tried again."""
        self._problem = ""
        self._received = self._others = self._forged = self._refused = self._delivered = 0

    async def start(self) -> None:
        """See `ports.Channel`."""
        settings = self._settings
        try:
            context = await asyncio.to_thread(
                ssl.create_default_context, cafile=settings.ca_file or None
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise ResourceError(f'channel "{self.name}": {settings.ca_file}: {why}') from None
        headers = {"User-Agent": f"cicswitch/{__version__}", "Content-Type": "application/json"}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        headers |= {name: value.reveal() for name, value in settings.headers.items()}
        self._http = httpx.AsyncClient(
            verify=context, timeout=settings.timeout_s, headers=headers, trust_env=False
        )

    async def stop(self) -> None:
        """See `ports.Channel`."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # -- in --------------------------------------------------------------------------------------

    async def asked(self, request: HttpRequest) -> HttpAnswer:
        """See `ports.HttpChannel`."""
        if request.method == "GET":
            return self._greeted(request)
        secret = self._settings.secret.reveal()
        if not proven(
            *(self._shape, secret, request.headers, request.query, request.body, time.time())
        ):
            self._forged += 1
            return _told(401, "the signature is wrong, or there is none")
        try:
            messages, others = read(self._shape, request.body)
        except ValueError as error:
            self._refused += 1
            return _told(400, str(error))
        self._others += others
        if self._busy >= _AT_ONCE:
            return _told(503, "too much at the same time: send it again")
        self._busy += 1
        try:
            for number, message in enumerate(messages):
                await self._take(message, request.headers.get("webhook-id", ""), number)
        except ResourceError as error:
            return _told(503, str(error))
        finally:
            self._busy -= 1
        return HttpAnswer(200, msgspec.json.encode(self._shape.reply))

    def _greeted(self, request: HttpRequest) -> HttpAnswer:
        """WhatsApp asks whether one is the one before it sends anything."""
        verify, given = self._settings.verify.reveal(), request.query.get("hub.verify_token", "")
        challenge = request.query.get("hub.challenge", "")
        if not verify or request.query.get("hub.mode") != "subscribe":
            return _told(405, "messages come by POST")
        if not hmac.compare_digest(verify.encode(), given.encode()):
            self._forged += 1
            return _told(403, "hub.verify_token is another")
        return HttpAnswer(200, challenge[:256].encode(), "text/plain")

    async def _take(self, message: Written, delivery: str, number: int) -> None:
        external = message.external or (delivery and f"{delivery}#{number}")
        who = f"{self.name}\n{message.called}\n{message.customer}"
        token = hashlib.sha256(who.encode()).hexdigest()
        async with self._turns[int(token[:8], 16) % _TURNS]:
            known = await self._archive.by_token(self.name, token)
            try:
                accepted = await self._host.accept(
                    self,
                    Incoming(
                        customer=message.customer,
                        called=message.called,
                        text=message.text,
                        name=message.name,
                        external=external,
                        conversation=known.id if known is not None else "",
                        language=message.language,
                        token="" if known is not None else token,
                    ),
                )
            except CommandError as error:  # to be sent again would not help
                self._refused += 1
                log.warning("message_refused", channel=self.name, why=str(error))
                return
        self._received += not accepted.again

    # -- out -------------------------------------------------------------------------------------

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`."""
        message = out.message
        if message.attachments:
            raise Undeliverable("no files go over this channel")
        values = {
            "id": message.id,
            "customer": out.customer,
            "called": out.called,
            "name": out.name,
            "uuid": str(uuid.uuid5(_NAMESPACE, message.id)),
        }
        pieces = bodies(self._shape, message.text, values)
        while (at := self._sent.get(message.id, 0)) < len(pieces):
            await self._send(f"{message.id}-{at}" if at else message.id, pieces[at])
            self._sent[message.id] = at + 1
        del self._sent[message.id]
        self._delivered += 1
        self._problem = ""

    async def _send(self, name: str, body: bytes) -> None:
        settings, shape, http = self._settings, self._shape, self._http
        if http is None:
            raise ResourceError("the channel is stopped")
        headers = {}
        if shape.once:
            headers[shape.once] = str(uuid.uuid5(_NAMESPACE, name))
        if shape.proof == "standard":
            now = int(time.time())
            key = secret_key(settings.secret.reveal())
            headers |= {
                "webhook-id": name,
                "webhook-timestamp": str(now),
                "webhook-signature": sign(key, name, now, body),
            }
        status, told = 0, ""
        try:
            async with (
                asyncio.timeout(settings.timeout_s),
                http.stream("POST", settings.url, content=body, headers=headers) as reply,
            ):
                status = reply.status_code
                told = await _beginning(reply)
        except TimeoutError:
            self._problem = f"no answer in {settings.timeout_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self._problem = str(error) or type(error).__name__
        else:
            if 200 <= status < 300 or (status == 409 and shape.once):
                return
            self._problem = f"the gateway answers {status}: {told}"
            if 400 <= status < 500 and status not in _LATER:
                raise Undeliverable(self._problem)
        raise ResourceError(self._problem)

    # -- how it does -----------------------------------------------------------------------------

    def told(self, conversation: str, news: News) -> None:
        """See `ports.Channel`: a gateway is told nothing but messages."""

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        return {
            "problem": self._problem,
            "received": self._received,
            "delivered": self._delivered,
            "refused": self._refused,
            "forged": self._forged,
            "other": self._others,
        }

    async def test(self) -> str:
        """See `ports.Channel`: whether the gateway can be reached; nothing is sent."""
        if self._http is None:
            raise ResourceError("the channel is stopped")
        try:
            async with (
                asyncio.timeout(self._settings.timeout_s),
                self._http.stream("HEAD", self._settings.url) as reply,
            ):
                return f"{reply.url.host} answers (HEAD: {reply.status_code})"
        except TimeoutError:
            raise ResourceError(f"no answer in {self._settings.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = str(error) or type(error).__name__
            raise ResourceError(f"{self._settings.url}: {why}") from None


async def _beginning(reply: httpx.Response) -> str:
    """The beginning of an answer on one line; the rest is read, up to a limit."""
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > _ANSWER:
            break
    text = body[:300].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _told(status: int, detail: str) -> HttpAnswer:
    return HttpAnswer(status, msgspec.json.encode({"status": status, "detail": detail}))

"""Messengers by webhook: a gateway posts to `/channel/NAME`, answers are posted to its URL.

What it looks like there is a shape of `cicswitch.gateways`. A gateway is told that all is well when
every message of its body is on disk; what it sends again is known by its id. A customer who writes
again goes on in his conversation.

A file is got before its message is acknowledged, if it comes within seconds: a gateway does not
wait for long. One that does not come is noted on disk, tried again, and is a message of its own
then.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
import structlog

from cicswitch.attachments.kinds import HEAD, PICTURES, kind_of
from cicswitch.channels.fetching import Fetcher, NeverFetched
from cicswitch.channels.later import Later, Wanted, named
from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import Attachment, Incoming, Outgoing
from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.core.signature import secret_key, sign
from cicswitch.core.version import __version__
from cicswitch.gateways.files import address
from cicswitch.gateways.links import link, linked
from cicswitch.gateways.proof import proven
from cicswitch.gateways.reading import Written, found, read
from cicswitch.gateways.shape import GatewaySettings
from cicswitch.gateways.writing import bodies, file_body, form_fields, link_body
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
_SOON_S = 4.0
"""All files of a body are got in this time, or later."""
_FILE_S: Final = 120.0
_FILES_AT_ONCE: Final = 2
"""Files of a channel that are in memory on their way out."""
_PICTURES: Final = ("image/jpeg", "image/png")
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
        self._fetcher: Fetcher | None = None
        self._later = Later(archive.aside(name), self._fetched)
        self._files = asyncio.Semaphore(_FILES_AT_ONCE)
        self._key = b""
        self._busy = 0
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        """A customer's messages are taken one after the other."""
        self._sent: dict[str, int] = {}
        """Message -> how many of its pieces the gateway has taken; one that it refused goes on from
        there, if somebody has it tried again."""
        self._problem = ""
        self._received = self._others = self._forged = self._refused = self._delivered = 0
        self._lost = 0

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
        if settings.public:
            self._key = await asyncio.to_thread(self._archive.key, self.name)
        along = {name: value.reveal() for name, value in settings.headers.items()}
        if settings.token:
            along = {"Authorization": f"Bearer {settings.token.reveal()}", **along}
        headers = {"User-Agent": f"cicswitch/{__version__}", **along}
        self._http = httpx.AsyncClient(
            verify=context, timeout=settings.timeout_s, headers=headers, trust_env=False
        )
        self._fetcher = Fetcher(settings, self._shape, along, context)
        await self._later.start()

    async def stop(self) -> None:
        """See `ports.Channel`."""
        await self._later.stop()
        if self._fetcher is not None:
            await self._fetcher.close()
            self._fetcher = None
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # -- in --------------------------------------------------------------------------------------

    async def asked(self, request: HttpRequest) -> HttpAnswer:
        """See `ports.HttpChannel`."""
        if request.method == "GET" and "file" in request.query:
            return await self._given(request)
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
        until = asyncio.get_running_loop().time() + _SOON_S
        try:
            for number, message in enumerate(messages):
                await self._take(message, request.headers.get("webhook-id", ""), number, until)
        except ResourceError as error:
            return _told(503, str(error))
        finally:
            self._busy -= 1
        return HttpAnswer(200, msgspec.json.encode(self._shape.reply))

    async def _given(self, request: HttpRequest) -> HttpAnswer:
        """A file, for whom it was sent to as a link."""
        found = linked(self._key, request.query, time.time()) if self._key else None
        if found is None:
            return _told(404, "there is no such file, or no more")
        try:
            async with self._files:
                data = await self._archive.attachments.read(found[0])
        except CommandError:
            return _told(404, "there is no such file, or no more")
        except ResourceError as error:
            return _told(503, str(error))
        kind = kind_of(data[:HEAD])
        kind = kind if kind in PICTURES else "application/octet-stream"
        return HttpAnswer(200, data, kind, found[1])

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

    async def _take(self, message: Written, delivery: str, number: int, until: float) -> None:
        external = message.external or (delivery and f"{delivery}#{number}")
        token = self._token(message.called, message.customer)
        async with self._turns[int(token[:8], 16) % _TURNS]:
            text, kept, wanted = message.text, tuple[Attachment, ...](), list[Wanted]()
            if message.files and not (
                external and await self._archive.known(self.name, external) is not None
            ):
                text, kept, wanted = await self._files_of(message, external, until)
            await self._later.add(wanted)
            incoming = Incoming(
                customer=message.customer,
                called=message.called,
                text=text,
                name=message.name,
                external=external,
                language=message.language,
                attachments=kept,
            )
            try:
                again = await self._accept(incoming, token)
            except CommandError as error:  # to be sent again would not help
                await self._later.drop(wanted)
                self._refused += 1
                log.warning("message_refused", channel=self.name, why=str(error))
                return
            except ResourceError:
                self._later.begin(wanted)  # it may be on its way to the disk all the same
                raise
            if again:  # it was taken with what there was the first time
                await self._later.drop(wanted)
            else:
                self._later.begin(wanted)
        self._received += not again

    def _token(self, called: str, customer: str) -> str:
        return hashlib.sha256(f"{self.name}\n{called}\n{customer}".encode()).hexdigest()

    async def _accept(self, incoming: Incoming, token: str) -> bool:
        """Take a message of a customer's; whether it was known already."""
        known = await self._archive.by_token(self.name, token)
        where = {"token": token} if known is None else {"conversation": known.id}
        accepted = await self._host.accept(self, msgspec.structs.replace(incoming, **where))
        return accepted.again

    # -- files of customers ----------------------------------------------------------------------

    async def _files_of(
        self, message: Written, external: str, until: float
    ) -> tuple[str, tuple[Attachment, ...], list[Wanted]]:
        """The text that is shown, the files that are there, and those that are still to be got."""
        files, lines = self._archive.attachments, [message.text] if message.text else []
        kept, wanted, room = list[Attachment](), list[Wanted](), files.message_bytes
        external = external or secrets.token_hex(16)
        for number, file in enumerate(message.files):
            left_s = until - asyncio.get_running_loop().time()
            name = named(f"{self.name}\n{external}", number)
            if await self._comes(name):  # of a first time, whose message was not acknowledged
                lines.append(f"[{file.kind}]")
                continue
            try:
                if self._fetcher is None or left_s <= 0:
                    raise ResourceError("there is no time now")
                made = await self._fetcher.fetch(file, left_s, files)
                if made.size > room:
                    most = files.message_bytes >> 20
                    raise NeverFetched(f"the files of a message have at most {most} MiB")
                room -= made.size
                kept.append(made)
            except NeverFetched as error:
                lines.append(self._no_file(file.kind, str(error)))
            except ResourceError as error:
                log.info("file_later", channel=self.name, why=str(error))
                lines.append(f"[{file.kind}]")
                wanted.append(
                    Wanted(
                        *(file, name, time.time(), message.customer, message.called),
                        *(message.name, message.language),
                    )
                )
        return "\n".join(lines), tuple(kept), wanted

    async def _comes(self, name: str) -> bool:
        """Whether a file is a message of its own, or will be."""
        if name in self._later:
            return True
        return await self._archive.known(self.name, f"file:{name}") is not None

    def _no_file(self, kind: str, why: str) -> str:
        self._lost += 1
        why = " ".join(why.split())[:200]
        log.warning("file_not_got", channel=self.name, why=why)
        return f"[{kind}: {why}]"

    async def _fetched(self, wanted: Wanted, last: bool) -> bool:
        """Get a file that was not there with its message; whether that is over."""
        text, kept = "", tuple[Attachment, ...]()
        try:
            if self._fetcher is None:
                return False
            files = self._archive.attachments
            kept = (await self._fetcher.fetch(wanted.file, _FILE_S, files, later=True),)
        except NeverFetched as error:
            text = self._no_file(wanted.file.kind, str(error))
        except ResourceError as error:
            if not last:
                return False
            text = self._no_file(wanted.file.kind, str(error))
        incoming = Incoming(
            customer=wanted.customer,
            called=wanted.called,
            text=text,
            name=wanted.shown,
            external=f"file:{wanted.name}",
            language=wanted.language,
            attachments=kept,
            quiet=not kept,
        )
        token = self._token(wanted.called, wanted.customer)
        async with self._turns[int(token[:8], 16) % _TURNS]:
            try:
                await self._accept(incoming, token)
            except CommandError as error:
                self._refused += 1
                log.warning("message_refused", channel=self.name, why=str(error))
            except ResourceError:
                return False
        return True

    # -- out -------------------------------------------------------------------------------------

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`."""
        message, shape = out.message, self._shape
        files = [each for each in message.attachments if not each.use]
        if files and not (shape.upload or shape.write_file or self._key):
            raise Undeliverable("no files go over this channel")
        for file in files:
            if file.size > shape.file_mb << 20:
                raise Undeliverable(f"{file.name}: a file has at most {shape.file_mb} MiB here")
        values = {
            "id": message.id,
            "customer": out.customer,
            "called": out.called,
            "name": out.name,
            "uuid": str(uuid.uuid5(_NAMESPACE, message.id)),
        }
        pieces = bodies(shape, message.text, values) if message.text or not files else []
        while (at := self._sent.get(message.id, 0)) < len(pieces) + len(files):
            name = f"{message.id}-{at}" if at else message.id
            if at < len(pieces):
                await self._send(name, pieces[at])
            else:
                await self._send_file(name, files[at - len(pieces)], {**values, "id": name})
            self._sent[message.id] = at + 1
        self._sent.pop(message.id, None)
        self._delivered += 1
        self._problem = ""

    async def _send_file(self, name: str, file: Attachment, values: dict[str, str]) -> None:
        shape, url = self._shape, self._settings.url
        small = file.size <= shape.picture_mb << 20 and file.media_type in _PICTURES
        values |= {"file_name": file.name, "media_type": file.media_type}
        if not (shape.upload or shape.write_file):
            base = f"{self._settings.public.rstrip('/')}/channel/{self.name}"
            values["link"] = link(base, self._key, file.digest, file.name, time.time())
            await self._send(name, link_body(shape, small, values))
            return
        async with self._files:
            try:
                data = await self._archive.attachments.read(file.digest)
            except CommandError as error:
                raise Undeliverable(f"{file.name}: {error}") from None
            if shape.upload:
                posted = await self._post(
                    address(shape.upload, url),
                    {},
                    data=form_fields(shape, values),
                    files={shape.upload_part: (file.name, data, file.media_type)},
                )
                if not shape.uploaded:
                    return
                values["media"] = found(posted, shape.uploaded)
                if not values["media"]:
                    self._problem = "the gateway does not say what it calls the file"
                    raise ResourceError(self._problem)
            else:
                values["data"] = base64.b64encode(data).decode()
            await self._send(name, file_body(shape, small, values))

    async def _send(self, name: str, body: bytes) -> None:
        settings, shape = self._settings, self._shape
        headers = {"Content-Type": "application/json"}
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
        await self._post(settings.url, headers, content=body)

    async def _post(self, url: str, headers: Mapping[str, str], **more: Any) -> bytes:
        """What the gateway answers. Raises `Undeliverable`, `ResourceError` for what may pass."""
        settings, http = self._settings, self._http
        if http is None:
            raise ResourceError("the channel is stopped")
        status, answer = 0, b""
        within_s = _FILE_S if "files" in more else settings.timeout_s
        try:
            async with (
                asyncio.timeout(within_s),
                http.stream("POST", url, headers=headers, **more) as reply,
            ):
                status = reply.status_code
                answer = await _beginning(reply)
        except TimeoutError:
            self._problem = f"no answer in {within_s:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            self._problem = str(error) or type(error).__name__
        else:
            if 200 <= status < 300 or (status == 409 and self._shape.once):
                return answer
            self._problem = f"the gateway answers {status}: {_line(answer)}"
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
            "files_waiting": len(self._later),
            "files_lost": self._lost,
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


async def _beginning(reply: httpx.Response) -> bytes:
    """An answer, up to a limit."""
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > _ANSWER:
            break
    return bytes(body)


def _line(answer: bytes) -> str:
    """The beginning of an answer on one line."""
    text = answer[:300].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _told(status: int, detail: str) -> HttpAnswer:
    return HttpAnswer(status, msgspec.json.encode({"status": status, "detail": detail}))

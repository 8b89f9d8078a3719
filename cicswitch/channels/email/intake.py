"""A mail that came: into which conversation it goes, as what, with which files."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import structlog
from msgspec.structs import replace

from cicswitch.channels.email.faxing import Faxing
from cicswitch.channels.email.rates import Sender
from cicswitch.channels.email.verify import Verifier
from cicswitch.contacts.messages import Attachment, Incoming
from cicswitch.core.errors import CommandError, TooLarge
from cicswitch.mail import html as markup
from cicswitch.mail import token
from cicswitch.mail.headers import address_of, domain_of
from cicswitch.mail.language import language_of
from cicswitch.mail.model import Bounce, Mail
from cicswitch.mail.parse import parse
from cicswitch.mail.quoting import split
from cicswitch.mail.results import verdicts
from cicswitch.mail.settings import MailSettings
from cicswitch.ports import Archive, Channel, ChannelHost

__all__ = ["Intake"]

log = structlog.get_logger("email")

T = TypeVar("T")
MOST_HOPS: Final = 50
"""Servers on the way; RFC 5321 section 6.3 takes 100 for the sign of a loop."""
_AT_ONCE: Final = 2
"""Mails that are read at the same time: each has several times its size in hand."""


class Intake:
    """Takes mails into conversations."""

    def __init__(
        self,
        channel: Channel,
        settings: MailSettings,
        host: ChannelHost,
        archive: Archive,
        key: bytes,
    ) -> None:
        self._channel = channel
        self._settings = settings
        self._host = host
        self._archive = archive
        self._key = key
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "mail")
        """Its own: mails do not wait for what else threads do."""
        self._verifier = Verifier(settings) if settings.verify else None
        self._senders = Sender(settings.per_hour)
        self.faxing: Faxing | None = None
        if settings.fax is not None:
            self.faxing = Faxing(settings.fax, channel, host, archive, settings.per_hour)
        self._own = {address_of(each).lower(): address_of(each) for each in settings.addresses}
        self.counts = {"received": 0, "automatic": 0, "bounces": 0, "loops": 0, "throttled": 0}

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._verifier is not None:
            self._verifier.close()

    def verifying(self) -> dict[str, int]:
        """How many could not be verified in time."""
        return {} if self._verifier is None else dict(self._verifier.counts)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def own(self, address: str) -> str:
        """Which of the channel's addresses this is, with a token or without; empty: none."""
        address = address_of(address).lower()
        local, _, domain = address.rpartition("@")
        return self._own.get(address) or self._own.get(f"{local.partition('+')[0]}@{domain}", "")

    def takes(self, address: str) -> bool:
        """Whether a mail to this address is taken."""
        if self.own(address):
            return True
        return self.faxing is not None and bool(self.faxing.number(address))

    async def take(
        self,
        raw: bytes,
        envelope_from: str | None = None,
        recipients: Sequence[str] = (),
        *,
        peer: str = "",
        helo: str = "",
    ) -> None:
        """Take a mail; it is on disk when this returns. `peer`: who has handed it in, and how he
        has greeted, where that may be the sender's server.

        Raises `TooLarge`, `CommandError` for one that nobody takes, `ResourceError` when it is to
        be handed in again.
        """
        if len(raw) > self._settings.most_mb << 20:
            raise TooLarge(f"a mail has at most {self._settings.most_mb} MiB")
        checked: dict[str, str] = {}
        if self._verifier is not None:
            checked = await self._verifier.verify(raw, peer, helo, envelope_from)
        async with self._gate:
            mail = await self._run(lambda: parse(raw, envelope_from=envelope_from))
            if token.of_message_id(mail.message_id, self._key)[0]:
                self.counts["loops"] += 1
                log.warning("mail_loop", channel=self._channel.name)
                return  # we have written it ourselves, and have it
            checked = verdicts(mail.results, self._settings.trusted) or checked
            await self._take(mail, raw, envelope_from or "", recipients, checked)

    async def _take(
        self,
        mail: Mail,
        raw: bytes,
        envelope_from: str,
        recipients: Sequence[str],
        checked: dict[str, str],
    ) -> None:
        external = await self._run(lambda: _external(mail, raw))
        if self.faxing is not None:
            given = (mail, raw, envelope_from, recipients, checked)
            if await self._fax(self.faxing, external, *given):
                return
        if await self._archive.known(self._channel.name, external) is not None:
            return  # its server did not hear that it is on disk
        came_to = [*recipients, *mail.delivered_to, *mail.recipients]
        called = next((own for each in came_to if (own := self.own(each))), "")
        customer = mail.sender or address_of(envelope_from) or "unknown"
        bounced = await self._bounce(mail.bounce) if mail.bounce is not None else False
        conversation = await self._conversation(mail, came_to, customer)
        quiet = self._is_quiet(mail, customer, bounced)
        new = mail.text[: split(mail.text)]
        incoming = Incoming(
            customer=customer,
            called=called or next(iter(self._own.values())),
            text=mail.text,
            name=mail.sender_name,
            external=external,
            conversation=conversation,
            subject=mail.subject,
            language=language_of(new),
            context=self._context(mail, customer, checked),
            data={} if conversation and mail.automatic else self._data(mail, checked),
            attachments=await self._files(mail),
            quiet=quiet,
        )
        accepted = await self._host.accept(self._channel, incoming)
        if not accepted.again:
            self._senders.add(customer, asyncio.get_running_loop().time())
            self.counts["received"] += 1
            self.counts["automatic"] += bool(mail.automatic)
            log.info("mail_taken", channel=self._channel.name, message=accepted.message)

    async def _fax(
        self,
        faxing: Faxing,
        external: str,
        mail: Mail,
        raw: bytes,
        envelope_from: str,
        recipients: Sequence[str],
        checked: dict[str, str],
    ) -> bool:
        """Order the faxes that it asks for; whether it is nothing else."""
        numbers = faxing.numbers(recipients or [*mail.delivered_to, *mail.recipients])
        if not numbers:
            return False
        # Delivered-To has the mailbox in any case.
        alone = not any(self.own(each) for each in recipients or mail.recipients)
        try:
            await faxing.order(mail, raw, numbers, external, envelope_from, checked)
        except CommandError as error:
            log.warning("fax_refused", channel=self._channel.name, error=str(error))
            if alone and recipients:
                raise  # its server tells who has sent it
            try:
                await faxing.refuse(mail, raw, numbers, external, envelope_from, checked, error)
            except CommandError:
                if alone:
                    raise
        return alone

    def _is_quiet(self, mail: Mail, customer: str, bounced: bool) -> bool:
        """Whether it is kept and nobody called to it."""
        if bounced:
            return False  # somebody has to see that an answer did not arrive
        if mail.hops > MOST_HOPS:
            self.counts["loops"] += 1
            return True
        if self._senders.full(customer, asyncio.get_running_loop().time()):
            self.counts["throttled"] += 1
            log.warning("mail_throttled", channel=self._channel.name, called=customer)
            return True
        return bool(mail.automatic) and self._settings.automatic == "keep"

    async def _bounce(self, bounce: Bounce) -> bool:
        """Note at the message what became of it; whether one of ours failed."""
        message, conversation = token.of_message_id(bounce.original, self._key)
        if not message or bounce.action != "failed":
            return False
        found = await self._archive.message(message)
        if found is None:
            return False
        if found.conversation != await self._archive.heir(message, conversation):
            return False
        self.counts["bounces"] += 1
        told = " ".join(each for each in (bounce.status, bounce.diagnostic) if each)
        await self._host.undelivered(
            self._channel, found, told or "the receiving server has sent it back"
        )
        return True

    async def _conversation(self, mail: Mail, came_to: Sequence[str], customer: str) -> str:
        ids = [*mail.in_reply_to, *reversed(mail.references)]
        if mail.bounce is not None and mail.bounce.original:
            ids.insert(0, mail.bounce.original)
        message, named = token.found(ids, mail.subject, came_to, self._key)
        if named:
            return await self._archive.heir(message, named)
        if not ids:
            return ""
        # What only refers to the customer's own mail is his only if he writes himself.
        answered = await self._archive.answered(self._channel.name, ids[:20])
        if answered is None or answered.customer.lower() != customer.lower():
            return ""
        return answered.id

    def _context(self, mail: Mail, customer: str, checked: dict[str, str]) -> dict[str, str]:
        found = {
            "mail_from_domain": domain_of(customer),
            "mail_automatic": mail.automatic,
            "mail_reply_to": mail.reply_to if mail.reply_to.lower() != customer.lower() else "",
            "mail_to": ", ".join(mail.recipients[:10])[:200],
            **{f"mail_{name}": value for name, value in checked.items()},
        }
        return {name: value for name, value in found.items() if value}

    def _data(self, mail: Mail, checked: dict[str, str]) -> dict[str, str]:
        """What an answer needs."""
        found = {
            "to": mail.reply_to or mail.sender,
            "id": mail.message_id,
            "references": " ".join([*mail.references[:1], *mail.references[1:][-18:]]),
            "subject": mail.subject,
            "silent": mail.silent,
            "authentication": " ".join(
                f"{name}={value}" for name, value in sorted(checked.items())
            ),
        }
        return {name: value for name, value in found.items() if value}

    async def _files(self, mail: Mail) -> tuple[Attachment, ...]:
        attachments = self._archive.attachments
        if sum(len(each.data) for each in mail.pieces) > attachments.message_bytes:
            raise TooLarge("its files are larger than attachments.message_mb")
        kept, digests = [], {}
        for each in mail.pieces:
            made = await attachments.keep(each.data, each.name)
            kept.append(made)
            if each.cid:
                digests[each.cid] = made.digest
        if mail.html:
            html = markup.placed(mail.html, digests)
            made = await attachments.keep(html.encode(), "message.html")
            kept.append(replace(made, use="html", blocked=markup.blocked(html)))
        return tuple(kept)


def _external(mail: Mail, raw: bytes) -> str:
    """What it is known by: its Message-ID, and its body, for senders that use one twice."""
    body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    digest = hashlib.sha256(body if mail.message_id else raw).hexdigest()[:24]
    return f"{mail.message_id}#{digest}"


def refusal(error: CommandError) -> str:
    """Why a mail is not taken, in one line of ASCII for a server."""
    return str(error).encode("ascii", "replace").decode().replace("\n", " ")[:200]

"""Answers on their way out: written, signed, given to the mail server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import aiosmtplib
import dkim

from cicswitch.channels.email.imap import tls
from cicswitch.channels.email.rates import Sender
from cicswitch.contacts.messages import Message, Outgoing
from cicswitch.core.errors import Conflict, NotFound, ResourceError
from cicswitch.mail import token
from cicswitch.mail.compose import Draft, File, ascii_address, compose, reply_subject
from cicswitch.mail.headers import address_of, cleaned, domain_of
from cicswitch.mail.quoting import quote, split
from cicswitch.mail.settings import DkimSettings, MailSettings, SendSettings
from cicswitch.ports import Archive, Undeliverable

__all__ = ["Post"]

_AT_ONCE: Final = 4
"""Mails that are written and sent at the same time: each is in memory with its files."""
_AUTOMATIC: Final = 3
"""Answers of a machine that one address gets in an hour."""
_SIGNED: Final = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to"),
    *(b"references", b"mime-version", b"content-type", b"content-transfer-encoding"),
)
_WROTE: Final = {
    "ko": "{when} {who}님이 작성:",
    "de": "Am {when} schrieb {who}:",
}


class Post:
    """Writes and sends."""

    def __init__(self, settings: MailSettings, archive: Archive, key: bytes) -> None:
        self._settings = settings
        self._archive = archive
        self._key = key
        self._machines = Sender(_AUTOMATIC)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self.counts = {"sent": 0, "unanswered": 0}
        self.problem = ""

    def check(self) -> None:
        """Try what can be tried without a server. Raises `ResourceError`."""
        if self._settings.dkim is not None:
            _signed(b"From: a@b.c\r\n\r\nx", self._settings.dkim)
        if self._settings.send.security != "none":
            tls(self._settings.send.ca)

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`."""
        automatic = not out.message.author.startswith("agent:")
        to = address_of(out.data.get("to", "") or out.customer)
        if not to:
            raise Undeliverable("the customer has no address that could be written to")
        # What nobody is answered with: a first mail, of a program's own.
        generated = automatic and _is_first(out)
        if automatic and not generated:
            self._check_answer(out, to)
        async with self._gate:
            raw, sender = await self._written(out, to, automatic)
            try:
                await self._send(raw, "" if automatic and not generated else sender, to)
            except ResourceError as error:
                self.problem = f"SMTP: {error}"
                raise
        self.problem = ""
        self.counts["sent"] += 1
        if automatic and not generated:
            self._machines.add(to, asyncio.get_running_loop().time())

    def _check_answer(self, out: Outgoing, to: str) -> None:
        """RFC 3834 section 2: no machine answers a machine, nor one person over and over."""
        told = ""
        if out.data.get("silent"):
            told = f"no machine may answer it: {out.data['silent']}"
        elif self._machines.full(to, asyncio.get_running_loop().time()):
            told = f"this address had {_AUTOMATIC} automatic answers within an hour"
        if told:
            self.counts["unanswered"] += 1
            raise Undeliverable(told)

    async def _written(self, out: Outgoing, to: str, automatic: bool) -> tuple[bytes, str]:
        settings, message, data = self._settings, out.message, out.data
        sender = address_of(out.called) or address_of(settings.addresses[0])
        signed = token.token(message.conversation, self._key)
        local, _, domain = sender.rpartition("@")
        subject = cleaned(message.subject) or cleaned(out.subject)
        if not message.subject and not _is_first(out):
            subject = reply_subject(data.get("subject") or subject)
        if settings.subject_token and signed not in subject:
            subject = f"{subject} [#{signed}]"
        try:
            draft = Draft(
                message_id=token.message_id(
                    *(message.id, message.conversation, domain_of(ascii_address(sender))), self._key
                ),
                at=message.at,
                sender=sender,
                sender_name=settings.name or out.name,
                to=to,
                reply_to=f"{local}+{signed}@{domain}" if settings.reply_token else "",
                subject=subject,
                text=await self._text(out, automatic),
                in_reply_to=data.get("id", ""),
                references=tuple(data.get("references", "").split()),
                automatic=automatic,
                generated=_is_first(out),
                files=await self._files(message),
            )
            return await asyncio.to_thread(self._finished, draft), ascii_address(sender)
        except ValueError as error:
            raise Undeliverable(f"it cannot be written: {error}") from None

    def _finished(self, draft: Draft) -> bytes:
        raw = compose(draft)
        return raw if self._settings.dkim is None else _signed(raw, self._settings.dkim)

    async def _text(self, out: Outgoing, automatic: bool) -> str:
        parts = [out.message.text.rstrip()]
        if self._settings.signature and not automatic:
            parts.append(self._settings.signature.replace("{agent}", out.name).strip("\n"))
        if self._settings.quote:
            parts += await self._quoted(out)
        return "\n\n".join(part for part in parts if part) + "\n"

    async def _quoted(self, out: Outgoing) -> list[str]:
        """What the customer wrote last before this."""
        message = out.message
        before = await self._archive.messages(
            message.conversation, max(0, message.seq - 51), min(50, message.seq)
        )
        asked = [each for each in before if each.author == "customer" and each.seq < message.seq]
        if not asked or not asked[-1].text.strip():
            return []
        last = asked[-1]
        record = await self._archive.conversation(message.conversation)
        language = record.language if record is not None else ""
        wrote = _WROTE.get(language, "On {when} {who} wrote:")
        when = datetime.fromtimestamp(last.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        who = (record.name if record is not None else "") or out.customer
        head = wrote.format(when=when, who=who.replace("\n", " "))
        return [quote(last.text[: split(last.text)], head)]

    async def _files(self, message: Message) -> tuple[File, ...]:
        found = []
        for each in message.attachments:
            try:
                data = await self._archive.attachments.read(each.digest)
            except (NotFound, Conflict) as error:
                raise Undeliverable(f"{each.name}: {error}") from None
            found.append(File(each.name, each.media_type, data))
        return tuple(found)

    async def _send(self, raw: bytes, sender: str, to: str) -> None:
        client = client_of(self._settings.send)
        try:
            async with client:
                try:
                    await client.sendmail(sender, [ascii_address(to)], raw)
                except aiosmtplib.SMTPRecipientsRefused as error:
                    first = error.recipients[0]
                    raise _refused(first.code, first.message) from None
                except aiosmtplib.SMTPResponseException as error:
                    raise _refused(error.code, error.message) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ResourceError(f"the mail server: {_one_line(str(error))}") from None

    async def test(self) -> str:
        """Sign in at the server. Raises `ResourceError`."""
        send = self._settings.send
        try:
            async with client_of(send) as client:
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ResourceError(f"the mail server: {_one_line(str(error))}") from None
        return f"{send.server}:{send.port} takes mails"


def _is_first(out: Outgoing) -> bool:
    """Whether it begins its conversation."""
    return out.message.seq == 1 and "first" in out.data


def client_of(send: SendSettings) -> aiosmtplib.SMTP:
    """A connection that is to be made. Raises `ResourceError`."""
    secured = send.security != "none"
    return aiosmtplib.SMTP(
        hostname=send.server,
        port=send.port,
        username=send.user or None,
        password=send.password.reveal() or None,
        timeout=send.timeout_s,
        use_tls=send.security == "tls",
        start_tls=send.security == "starttls",
        tls_context=tls(send.ca) if secured else None,
    )


def _refused(code: int, message: str) -> Exception:
    """RFC 5321 section 4.2.1: 4 may pass, 5 will not."""
    told = f"{code} {_one_line(message)}"
    return Undeliverable(told) if 500 <= code < 600 else ResourceError(told)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300] or "it does not answer"


def _signed(raw: bytes, settings: DkimSettings) -> bytes:
    """With a DKIM-Signature (RFC 6376) before it. Raises `ResourceError`."""
    try:
        signature = dkim.sign(
            raw,
            settings.selector.encode("ascii"),
            settings.domain.encode("ascii"),
            settings.key.reveal().encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[
                name for name in _SIGNED if b"\n" + name + b":" in b"\n" + raw.lower()
            ],
        )
    except Exception as error:
        # dkimpy and its readers of keys raise of many kinds.
        raise ResourceError(f"DKIM: {_one_line(str(error) or type(error).__name__)}") from None
    return bytes(signature) + raw

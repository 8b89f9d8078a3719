"""Mails to NUMBER@fax.example.com: each orders a fax, if its sender may and is who he says.

    number(address)      what is to be called; empty: it is no such address
    order(mail, …)       the fax is on disk when it returns, once for each mail and number
    refuse(mail, …)      told by mail, where the server that handed it in cannot be told

A From is written by anybody. What is believed: DMARC that passes; where the domain has no policy,
SPF that passes for the very domain of From. What fails is refused, and so is what nobody has
verified, unless `unverified` says otherwise.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import structlog

from cicswitch.channels.email.rates import Sender
from cicswitch.contacts.messages import Attachment, First
from cicswitch.core.errors import CommandError
from cicswitch.mail.headers import addresses, domain_of, fields
from cicswitch.mail.model import Mail, Piece
from cicswitch.mail.parse import header_of
from cicswitch.mail.quoting import split
from cicswitch.mail.settings import FaxOrders
from cicswitch.ports import Archive, Channel, ChannelHost

__all__ = ["Faxing"]

log = structlog.get_logger("email")

_NUMBER: Final = re.compile(r"\+?[0-9]{1,32}")
_MOST_TEXT: Final = 4000
_MOST_NUMBERS: Final = 10
_REFUSALS: Final = 3
"""Mails that say no, to one address in an hour."""
_AGAINST: Final = ("fail", "softfail", "policy", "permerror", "temperror")
_PAPER: Final = (b"%PDF-", b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")
_PICTURES: Final = _PAPER[1:4]
_BESIDE: Final = (".p7s", ".asc", ".ics", ".vcf")
"""What programs put into mails beside what is meant."""


class Faxing:
    """Orders faxes by one channel of mails."""

    def __init__(
        self, settings: FaxOrders, channel: Channel, host: ChannelHost, archive: Archive, most: int
    ) -> None:
        self._settings = settings
        self._channel = channel
        self._host = host
        self._archive = archive
        self._senders = Sender(most)
        self._refusals = Sender(_REFUSALS)
        self.counts = {"faxes_ordered": 0, "faxes_refused": 0}

    def number(self, address: str) -> str:
        """What an address has called; empty: none of ours, or no number."""
        local, _, domain = address.strip("<> ").rpartition("@")
        if domain.lower() != self._settings.domain.lower() or not _NUMBER.fullmatch(local):
            return ""
        return local

    def numbers(self, addresses: Iterable[str]) -> list[str]:
        """Those of these addresses, each once."""
        return list(dict.fromkeys(found for each in addresses if (found := self.number(each))))

    async def order(
        self,
        mail: Mail,
        raw: bytes,
        numbers: Sequence[str],
        external: str,
        envelope_from: str,
        checked: dict[str, str],
    ) -> None:
        """Order it. Raises `CommandError` for what is refused, and `ResourceError`."""
        known = [each for each in numbers if await self._known(f"{external}>{each}")]
        left = [each for each in numbers if each not in known]
        if not left:
            return  # its server did not hear that it is on disk
        now = asyncio.get_running_loop().time()
        try:
            self._check(mail, raw, left, envelope_from, checked)
            if self._senders.full(mail.sender, now):
                raise CommandError("that are too many faxes of one sender within an hour")
            papers = self._papers(mail)
            text = mail.text[: split(mail.text)].strip()[:_MOST_TEXT]
            cover = self._settings.cover and bool(text)
            if not papers and not cover:
                raise CommandError("there is nothing in it that could be faxed")
        except CommandError:
            self.counts["faxes_refused"] += 1
            raise
        files = [await self._archive.attachments.keep(each.data, each.name) for each in papers]
        for number in left:
            await self._order(mail, number, text if cover else "", files, f"{external}>{number}")
            self._senders.add(mail.sender, now)
            self.counts["faxes_ordered"] += 1

    async def _known(self, external: str) -> bool:
        return await self._archive.known(self._settings.channel, external) is not None

    async def _order(
        self, mail: Mail, number: str, text: str, files: list[Attachment], external: str
    ) -> None:
        first = First(
            customer=number,
            text=text,
            subject=mail.subject[:120],
            external=external,
            attachments=tuple(files),
            data={
                "cover": "yes" if text else "no",
                "to": "",
                "from": (mail.sender_name or mail.sender)[:80],
                "mail": self._channel.name,
                "mail_to": mail.sender,
                "mail_id": mail.message_id,
            },
        )
        accepted = await self._host.write_first(self._settings.channel, first)
        log.info("fax_ordered", channel=self._channel.name, message=accepted.message)

    # -- who may ---------------------------------------------------------------------------------

    def _check(
        self,
        mail: Mail,
        raw: bytes,
        numbers: Sequence[str],
        envelope_from: str,
        checked: dict[str, str],
    ) -> None:
        """Raises `CommandError`."""
        if mail.bounce is not None or mail.silent in ("null sender", "report", "auto-replied"):
            raise CommandError("what a machine answers is not faxed")
        if not self._may(mail.sender):
            raise CommandError("this sender may not send faxes")
        if not self._is_genuine(mail, raw, envelope_from, checked):
            raise CommandError("nothing shows that it comes from its sender (SPF, DKIM, DMARC)")
        if len(numbers) > _MOST_NUMBERS:
            raise CommandError(f"a mail has at most {_MOST_NUMBERS} numbers to fax to")

    def _may(self, sender: str) -> bool:
        allowed = (each.lower() for each in self._settings.senders)
        return bool(sender) and any(fnmatchcase(sender.lower(), each) for each in allowed)

    def _is_genuine(
        self, mail: Mail, raw: bytes, envelope_from: str, checked: dict[str, str]
    ) -> bool:
        senders = fields(header_of(raw), "From", 2)
        if len(senders) != 1 or len(addresses(senders)) != 1:
            return False  # who verifies and who reads may mean different ones
        dmarc = checked.get("dmarc", "")
        if dmarc == "pass":
            return True
        if dmarc in _AGAINST:
            return False
        own = domain_of(envelope_from).lower() == domain_of(mail.sender).lower()
        if checked.get("spf") == "pass" and own:
            return True
        against = any(each in _AGAINST for each in checked.values())
        return self._settings.unverified and not against

    def _papers(self, mail: Mail) -> list[Piece]:
        """The files that become pages. Raises `CommandError` for one that cannot."""
        found = []
        for piece in mail.pieces:
            if piece.data.startswith(_PICTURES) and piece.cid and mail.html:
                continue  # it is in the text of it, like the picture below a signature
            if piece.data.startswith(_PAPER):
                found.append(piece)
            elif not piece.name.lower().endswith(_BESIDE):
                name = piece.name[:80] or "a file of it"
                raise CommandError(f"{name} cannot be faxed: it is no PDF, TIFF, PNG, JPEG or GIF")
        return found

    async def refuse(
        self,
        mail: Mail,
        raw: bytes,
        numbers: Sequence[str],
        external: str,
        envelope_from: str,
        checked: dict[str, str],
        reason: CommandError,
    ) -> None:
        """Say so by mail, once, to a sender who is who he says. Raises `reason` where it is not
        said: a mail to who was only named would go to somebody who has not written.
        """
        now = asyncio.get_running_loop().time()
        genuine = self._is_genuine(mail, raw, envelope_from, checked)
        if not genuine or mail.silent or self._refusals.full(mail.sender, now):
            raise reason
        first = First(
            customer=mail.sender,
            subject=f"No fax to {', '.join(numbers)}"[:200],
            text=f"Your fax to {', '.join(numbers)} was not sent: {reason}.",
            external=f"no fax {external}",
            data={"id": mail.message_id} if mail.message_id else {},
        )
        accepted = await self._host.write_first(self._channel.name, first)
        if not accepted.again:
            self._refusals.add(mail.sender, now)

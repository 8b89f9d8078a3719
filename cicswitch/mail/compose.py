"""A mail to bytes. The same draft gives the same bytes: a retry is the same mail."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import idna
from msgspec import Struct

from cicswitch.mail.headers import address_of, cleaned

__all__ = ["Draft", "File", "ascii_address", "compose", "reply_subject"]

_POLICY: Final = policy.SMTP.clone(max_line_length=78, cte_type="7bit")
_MOST_REFERENCES: Final = 20
_RE: Final = re.compile(
    r"(?:\s*(?:re|aw|sv|antw|res|回复|답장)\s*(?:\[\d{1,3}\])?\s*[:\uff1a])+\s*", re.IGNORECASE
)
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")


class File(Struct, frozen=True):
    """A file that goes along."""

    name: str
    media_type: str
    data: bytes


class Draft(Struct, frozen=True, kw_only=True):
    """A mail that is to be written."""

    message_id: str
    at: float
    sender: str
    """Its address."""
    sender_name: str = ""
    to: str
    to_name: str = ""
    reply_to: str = ""
    subject: str
    text: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    automatic: bool = False
    """A machine has written it: nobody's machine is to answer (RFC 3834)."""
    generated: bool = False
    """It answers nothing."""
    files: tuple[File, ...] = ()


def ascii_address(address: str) -> str:
    """An address for any server: its domain in A-labels (RFC 5891). Raises `ValueError`."""
    local, _, domain = address_of(address).rpartition("@")
    if not local:
        raise ValueError(f"{cleaned(address)[:100]!r} is no address")
    if not local.isascii():
        raise ValueError("what stands before the @ is not ASCII: few servers take that")
    if domain.isascii():
        return f"{local}@{domain}"
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError as error:
        raise ValueError(f"the domain is none: {error}") from None


def reply_subject(subject: str) -> str:
    """`Re:` once, whatever stood there."""
    return f"Re: {_RE.sub('', cleaned(subject), count=1)}".strip()


def compose(draft: Draft) -> bytes:
    """The mail. Raises `ValueError` for an address that is none; nothing gets into a header that
    could end it."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = _address(draft.sender_name, draft.sender)
    message["To"] = _address(draft.to_name, draft.to)
    if draft.reply_to:
        message["Reply-To"] = _address("", draft.reply_to)
    message["Subject"] = cleaned(draft.subject)[:500]
    message["Date"] = format_datetime(datetime.fromtimestamp(int(draft.at), UTC))
    if draft.automatic:
        message["Auto-Submitted"] = "auto-generated" if draft.generated else "auto-replied"
        message["X-Auto-Response-Suppress"] = "All"
        message["Precedence"] = "bulk"
    text = draft.text.encode("utf-8", "replace").decode()
    text = "".join(
        each for each in text if each in "\n\t" or each.isprintable() or ord(each) > 0x9F
    )
    message.set_content(text, charset="utf-8", cte="quoted-printable")
    for file in draft.files:
        kind = file.media_type if _KIND.fullmatch(file.media_type) else "application/octet-stream"
        main, _, sub = kind.partition("/")
        if main in ("message", "multipart"):
            main, sub = "application", "octet-stream"
        name = cleaned(file.name)[:200] or "file"
        message.add_attachment(file.data, maintype=main, subtype=sub, filename=name)
    if message.is_multipart():
        message.set_boundary("=_" + hashlib.sha256(draft.message_id.encode()).hexdigest()[:40])
    return _ids(draft) + message.as_bytes()


def _ids(draft: Draft) -> bytes:
    """Message-IDs as they stand: the library would encode those that are longer than a line."""
    lines = [f"Message-ID: <{_id(draft.message_id)}>"]
    if draft.in_reply_to:
        kept = list(dict.fromkeys([*draft.references, draft.in_reply_to]))
        # RFC 5322 section 3.6.4; the first and the last ones say where it belongs.
        if len(kept) > _MOST_REFERENCES:
            kept = [kept[0], *kept[1 - _MOST_REFERENCES :]]
        lines.append(f"In-Reply-To: <{_id(draft.in_reply_to)}>")
        lines.append("References: " + "\r\n ".join(f"<{_id(each)}>" for each in kept))
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _address(name: str, address: str) -> Address:
    local, _, domain = ascii_address(address).rpartition("@")
    return Address(cleaned(name)[:200], local, domain)


def _id(text: str) -> str:
    return "".join(
        each for each in text if each.isascii() and each.isprintable() and each not in "<> "
    )

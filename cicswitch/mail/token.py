"""Conversations named in mails, signed so that nobody names one that he was not told.

A token is the conversation's name in base32 and 16 characters of an HMAC-SHA-256 (80 bits), in
lower case: it goes through servers that change the case of addresses. A Message-ID of ours is
`MESSAGE.TOKEN@domain`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["find", "found", "message_id", "of_message_id", "token"]

_SIGNED: Final = 16
_TOKEN: Final = re.compile(r"[a-z2-7]{8,96}")
_IN_SUBJECT: Final = re.compile(r"\[#([A-Za-z2-7]{24,112})\]")
_IN_ADDRESS: Final = re.compile(r"\+([A-Za-z2-7]{24,112})@")
_OURS: Final = re.compile(r"([A-Za-z0-9]{1,40})\.([A-Za-z2-7]{24,112})@")


def _b32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _signature(conversation: str, key: bytes) -> str:
    return _b32(hmac.digest(key, conversation.encode(), hashlib.sha256))[:_SIGNED]


def token(conversation: str, key: bytes) -> str:
    """What names a conversation to who was told it."""
    return _b32(conversation.encode()) + _signature(conversation, key)


def _opened(text: str, key: bytes) -> str:
    text = text.lower()
    name, signed = text[:-_SIGNED], text[-_SIGNED:]
    if not _TOKEN.fullmatch(name):
        return ""
    try:
        conversation = base64.b32decode(name.upper() + "=" * (-len(name) % 8)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return conversation if hmac.compare_digest(signed, _signature(conversation, key)) else ""


def message_id(message: str, conversation: str, domain: str, key: bytes) -> str:
    """The Message-ID of a message of ours, the same each time; without brackets."""
    return f"{message}.{token(conversation, key)}@{domain}"


def of_message_id(text: str, key: bytes) -> tuple[str, str]:
    """Message and conversation of a Message-ID of ours; empty: it is none."""
    found = _OURS.match(text)
    if found is None:
        return "", ""
    conversation = _opened(found[2], key)
    return (found[1], conversation) if conversation else ("", "")


def find(ids: Iterable[str], subject: str, addresses: Iterable[str], key: bytes) -> str:
    """The conversation that a mail answers, by what only we can have written; empty: none."""
    return found(ids, subject, addresses, key)[1]


def found(
    ids: Iterable[str], subject: str, addresses: Iterable[str], key: bytes
) -> tuple[str, str]:
    """The same, with the message of ours before it; empty: none is named."""
    for each in ids:
        message, conversation = of_message_id(each, key)
        if conversation:
            return message, conversation
    places = [(_IN_ADDRESS, address) for address in addresses]
    for pattern, text in [*places, (_IN_SUBJECT, subject)]:
        for each in pattern.findall(text)[:5]:
            conversation = _opened(each, key)
            if conversation:
                return "", conversation
    return "", ""

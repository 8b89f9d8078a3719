"""Header fields as they come: words, addresses, Message-IDs, dates. Nothing here raises."""

from __future__ import annotations

import re
import unicodedata
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

__all__ = [
    "address_of",
    "addresses",
    "cleaned",
    "decoded",
    "domain_of",
    "fields",
    "ids",
    "parts_of",
    "when",
]

_MOST_FIELD: Final = 20_000
"""Characters of one field that are looked at."""
_MOST_IDS: Final = 100
_MOST_ADDRESSES: Final = 500
_ID: Final = re.compile(r"<([^<>\s]{1,300})>")
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{1,255}")


def fields(message: Message, name: str, most: int = 20) -> list[str]:
    """The fields of a name, as they stand, without their folds."""
    found: list[str] = []
    for key, raw in message.raw_items():
        if key.lower() != name.lower():
            continue
        found.append(re.sub(r"\r?\n[ \t]?", " ", _text(raw)[:_MOST_FIELD]).strip())
        if len(found) >= most:
            break
    return found


def _text(raw: object) -> str:
    """Bytes that are not ASCII come as surrogates: UTF-8 (RFC 6532), or else Latin-1."""
    text = str(raw)
    try:
        text.encode()
    except UnicodeEncodeError:
        data = _bytes(text)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    return text


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def parts_of(message: Message) -> list[Message] | None:
    """The parts of one that has parts."""
    payload = message.get_payload()
    if not isinstance(payload, list):
        return None
    return [each for each in payload if isinstance(each, Message)]


def decoded(text: str) -> str:
    """Encoded words (RFC 2047) as what they say."""
    if "=?" not in text:
        return cleaned(text)
    try:
        parts = decode_header(text)
    except Exception:
        return cleaned(text)  # base64 that is none, and the like: as it stands
    found: list[str] = []
    for part, charset in parts:
        if isinstance(part, str):
            found.append(part)
            continue
        try:
            found.append(part.decode(charset or "utf-8"))
        except (LookupError, UnicodeError, ValueError):
            found.append(part.decode("utf-8", "replace"))
    return cleaned("".join(found))


def cleaned(text: str) -> str:
    """One line without control characters."""
    kept = (
        each if unicodedata.category(each) not in ("Cc", "Cs") else " "
        for each in text[:_MOST_FIELD]
    )
    return " ".join("".join(kept).split())


def address_of(text: str) -> str:
    """An address, its domain in lower case; empty for what is none."""
    found = _ADDRESS.fullmatch(text.strip())
    if found is None:
        return ""
    local, _, domain = found[0].rpartition("@")
    domain = domain.strip(".").lower()
    return f"{local}@{domain}" if domain else ""


def domain_of(address: str) -> str:
    """What stands behind the @."""
    return address.rpartition("@")[2]


def addresses(values: list[str]) -> list[tuple[str, str]]:
    """(name, address) of address lists; what is no address is left out."""
    try:
        pairs = getaddresses([value[:_MOST_FIELD] for value in values], strict=False)
    except TypeError:
        pairs = getaddresses([value[:_MOST_FIELD] for value in values])
    except Exception:
        pairs = []
    found = [(decoded(name), address) for name, raw in pairs if (address := address_of(raw))]
    if not found:
        found = [("", each) for value in values for each in _ADDRESS.findall(value)[:1]]
    return found[:_MOST_ADDRESSES]


def ids(values: list[str]) -> tuple[str, ...]:
    """Message-IDs in fields, without their brackets; the last ones where there are many."""
    # Some programs encode what is longer than a line, as if it were words.
    return tuple(each for value in values for each in _ID.findall(decoded(value)))[-_MOST_IDS:]


def when(values: list[str]) -> float | None:
    """A Date; None: there is none that makes sense."""
    for value in values[:1]:
        try:
            return parsedate_to_datetime(value).timestamp()
        except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
            return None
    return None

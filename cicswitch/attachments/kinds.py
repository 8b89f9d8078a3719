"""What a file is, by its bytes, and names that are safe to show and to save."""

from __future__ import annotations

import unicodedata
from typing import Final

import puremagic

__all__ = ["HEAD", "PICTURES", "kind_of", "safe_name"]

HEAD: Final = 65_536
"""Bytes from the beginning that decide."""
UNKNOWN: Final = "application/octet-stream"
PICTURES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""What may be shown in a page; everything else is only ever downloaded."""
_LONGEST: Final = 120
_OFFICE: Final = "application/vnd."


def kind_of(head: bytes) -> str:
    """The media type of a file that begins like this. What the sender says counts for nothing."""
    picture = _picture(head)
    if picture:
        return picture
    try:
        found = _of_magic(head[:HEAD])
    except (puremagic.PureError, ValueError):
        found = ""
    except Exception:
        # A library before bytes of strangers; whatever it stumbles over is of no known kind.
        return UNKNOWN
    if found and found not in PICTURES:
        return found
    return "text/plain" if _is_text(head) else UNKNOWN


def _picture(head: bytes) -> str:
    """Pictures by their whole signatures: what is called one is put into pages."""
    if head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:15] == b"WEBPVP8":
        return "image/webp"
    return ""


def _of_magic(head: bytes) -> str:
    matches = puremagic.magic_string(head)
    best = max(match.confidence for match in matches)
    kinds = [match.mime_type for match in matches if match.confidence == best and match.mime_type]
    if head.startswith(b"PK\x03\x04") and len({*kinds}) > 1:
        return "application/zip"
    return kinds[0] if kinds else ""


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and error.reason == "unexpected end of data"
    return True


def safe_name(name: str) -> str:
    """A file's name without what could lead elsewhere or look like another name."""
    text = unicodedata.normalize("NFC", name[:4000].encode("utf-8", "replace").decode())
    text = text.replace("\\", "/").rpartition("/")[2]
    kept = [
        "_" if each in '<>:"|?*' else each
        for each in text
        if unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    ]
    text = " ".join("".join(kept).split()).strip(". ")
    if len(text) > _LONGEST:
        stem, dot, end = text.rpartition(".")
        end = f".{end}" if dot and len(end) <= 16 else ""
        text = (stem or text)[: _LONGEST - len(end)].rstrip(". ") + end
    return text or "file"

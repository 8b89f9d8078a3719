"""Links to files for customers whose gateway takes no files: who has one may have the file, for a
time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

__all__ = ["link", "linked"]

_LONGEST_S: Final = 30 * 86_400


def link(base: str, key: bytes, digest: str, name: str, now: float) -> str:
    """An address of a file below `base`."""
    until = str(int(now) + _LONGEST_S)
    proof = _proof(key, digest, name, until)
    return f"{base}?{urlencode({'file': digest, 'name': name, 'until': until, 'proof': proof})}"


def linked(key: bytes, query: Mapping[str, str], now: float) -> tuple[str, str] | None:
    """The file that such an address is of, and its name; None: it is none, or of another time."""
    digest, name, until = (query.get(each, "") for each in ("file", "name", "until"))
    proof = _proof(key, digest, name, until)
    if not hmac.compare_digest(proof.encode(), query.get("proof", "").encode("utf-8", "replace")):
        return None
    return (digest, name) if now < int(until) else None


def _proof(key: bytes, digest: str, name: str, until: str) -> str:
    told = "\n".join((digest, until, name)).encode("utf-8", "replace")
    return hmac.digest(key, told, sha256).hex()[:40]

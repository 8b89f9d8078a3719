"""Small pieces of SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

__all__ = ["marks", "numbered", "shortened"]

_LONGEST: Final = 1000
"""Bytes of a text in an index of PostgreSQL's: two of these and what else is in it fit in 2,700."""


def marks(values: Sequence[Any]) -> str:
    """What stands between the brackets of an IN."""
    return ", ".join("?" * len(values)) or "NULL"


@lru_cache(512)
def numbered(query: str) -> str:
    """`$1`, `$2`, … instead of each `?`, which no text of ours has elsewhere."""
    first, *others = query.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def shortened(text: str) -> str:
    """A text that an index takes: a long one is its beginning and what tells it from all others."""
    data = text.encode("utf-8", "replace")
    if len(data) <= _LONGEST:
        return text
    digest = hashlib.sha256(data).hexdigest()
    return f"{data[: _LONGEST - 100].decode('utf-8', 'ignore')}…{digest}"

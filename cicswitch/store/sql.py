"""Small pieces of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

__all__ = ["marks", "numbered"]


def marks(values: Sequence[Any]) -> str:
    """What stands between the brackets of an IN."""
    return ", ".join("?" * len(values)) or "NULL"


@lru_cache(512)
def numbered(query: str) -> str:
    """`$1`, `$2`, … instead of each `?`, which no text of ours has elsewhere."""
    first, *others = query.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))

"""Lists and problems, as every endpoint asks and answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from msgspec import Meta, Struct

__all__ = ["LIMIT", "Limit", "Page", "Paging"]

T = TypeVar("T")
LIMIT = 500
Limit = Annotated[int, Meta(ge=1, le=LIMIT)]


class Paging(Struct, frozen=True, kw_only=True):
    """The query of a list."""

    cursor: str = ""
    """`next` of the page before; empty: from the beginning."""
    limit: Limit = 100


class Page(Struct, Generic[T], frozen=True):
    """A part of a list."""

    items: Sequence[T]
    next: str | None = None
    """The cursor of the next page; null: this is the last."""

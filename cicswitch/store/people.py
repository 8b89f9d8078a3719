"""Customers as persons: all of them for the switch's index, and found by what they are called."""

from __future__ import annotations

from typing import Any, Final

from cicswitch.ports import Reader
from cicswitch.records.rows import CustomerRecord

__all__ = ["INDEXES", "everybody", "found"]

INDEXES: Final = (
    "CREATE UNIQUE INDEX IF NOT EXISTS customer_id ON customer (id)",
    "CREATE INDEX IF NOT EXISTS customer_sort ON customer (sort, id)",
)

_COLUMNS: Final = "id, name, language, segment, fields, addresses, created_at, updated_at"


def everybody(db: Reader) -> list[CustomerRecord]:
    """All of them, in the order in which they were made."""
    return [CustomerRecord(*row) for row in db.execute(f"SELECT {_COLUMNS} FROM customer")]


def found(
    db: Reader, text: str, limit: int, after: tuple[str, str] | None
) -> list[tuple[str, str]]:
    """Names and ids of those who have a text in what they are found by, by their names, behind a
    place of that order; an empty text: of all."""
    where, values = "TRUE", list[Any]()
    if after is not None:
        where += " AND (sort, id) > (?, ?)"
        values += after
    if text:
        where += r" AND search LIKE ? ESCAPE '!'"
        values.append(f"%{_plain(text.lower())}%")
    query = f"SELECT sort, id FROM customer WHERE {where} ORDER BY sort, id LIMIT ?"
    return [(sort, name) for sort, name in db.execute(query, (*values, limit))]


def _plain(text: str) -> str:
    """A text in which LIKE sees no signs of its own."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")

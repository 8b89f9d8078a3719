"""What PostgreSQL does not take, put right: whatever came from the network, a batch can be written.

A NUL becomes `�`; half a surrogate too; a number too large becomes the largest; a text is shortened
where it is too long for an index. Of a column that holds something of another type, what that is as
its own.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cicswitch.store.asking import LARGEST
from cicswitch.store.database import Batch
from cicswitch.store.postgres_schema import column_types
from cicswitch.store.sql import shortened
from cicswitch.store.tables import INDEXES, TABLES

__all__ = ["clean", "row_of", "without_nul"]

_ESCAPED: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def without_nul(text: str) -> str:
    """JSON without its NULs, which PostgreSQL could keep and not read again."""
    return _ESCAPED.sub(r"\1\\ufffd", text) if "\\u0000" in text else text


def _indexed() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for statement in INDEXES:
        matched = re.search(r" ON (\w+) \(([^()]+)\)", statement)
        assert matched is not None
        found.setdefault(matched[1], set()).update(matched[2].split(", "))
    return found


_INDEXED: Final = _indexed()


def _fit(value: Any, kind: type, short: bool) -> Any:
    if value is None or (type(value) is kind and kind in (bool, bytes)):
        return value
    if kind is str:
        text = without_nul(str(value).replace("\0", "�")).encode("utf-8", "replace").decode()
        return shortened(text) if short else text
    if kind is bytes:
        return bytes(value)
    try:
        if kind is int:
            return max(-LARGEST, min(LARGEST, int(value)))
        return kind(value)
    except (OverflowError, TypeError, ValueError):
        return None


def row_of(table: str, types: dict[str, type], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of a table as its columns take it."""
    short = _INDEXED.get(table, ())
    return tuple(
        _fit(value, kind, name in short)
        for (name, kind), value in zip(types.items(), values, strict=True)
    )


def clean(batch: Batch) -> Batch:
    """The same batch, put right."""
    rows: dict[type, list[tuple[Any, ...]]] = {}
    for kind, values in batch.rows.items():
        table, types = TABLES.get(kind, ""), column_types(kind)
        rows[kind] = [row_of(table, types, each) for each in values]
    said = [
        (statement, tuple(_fit(each, str, True) if isinstance(each, str) else each for each in own))
        for statement, own in batch.said
    ]
    return Batch(batch.entry, rows, batch.ladders, said)

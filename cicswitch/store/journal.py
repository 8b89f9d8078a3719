"""The rows of the journal, in their order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cicswitch.ports import Reader

__all__ = ["batches"]

_AT_ONCE: Final = 50


def batches(db: Reader, since: int = 0) -> Iterator[str]:
    """What each commit took, a JSON array, from a row on; some rows in memory at a time."""
    after = since - 1
    query = "SELECT seq, data FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
    while found := db.execute(query, (after, _AT_ONCE)).fetchall():
        for _, data in found:
            yield data
        after = found[-1][0]

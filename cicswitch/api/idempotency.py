"""`Idempotency-Key`: a POST that is sent again is answered as the first time, and done once.

In memory, because answers hold secrets that are shown once (a new token): a restart forgets them.
Bounded by number and size; the oldest goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from msgspec import Struct

from cicswitch.api.problems import FieldError, Problem

__all__ = ["Idempotency", "Kept"]

_KEPT_S = 86400.0


class Kept(Struct, frozen=True, gc=False):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Entry(Struct, gc=False):
    at: float
    asked: bytes
    answer: Kept | None = None


class Idempotency:
    """Answers by account and key."""

    def __init__(self, most: int = 10_000, most_bytes: int = 16 << 20) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def begin(
        self, account: str, key: str, method: str, path: str, body: bytes, now: float
    ) -> Kept | None:
        """The answer of the first time; None: this is it. Raises `Problem`: 422 if the key was for
        another request, 409 while the first is being answered."""
        if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
            error = FieldError(parameter="Idempotency-Key", expected="1 to 255 characters of ASCII")
            raise Problem(422, "the key is none", errors=[error])
        self._expire(now)
        asked = hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()
        entry = self._entries.get((account, key))
        if entry is None:
            self._entries[account, key] = _Entry(now, asked)
            return None
        if entry.asked != asked:
            error = FieldError(parameter="Idempotency-Key", expected="a key for each request")
            raise Problem(422, "the key was used for another request", errors=[error])
        if entry.answer is None:
            raise Problem(409, "the first request with this key is not done yet")
        return entry.answer

    def end(self, account: str, key: str, answer: Kept | None) -> None:
        """Keep the answer; None: nothing was done, and the key may be used again."""
        entry = self._entries.get((account, key))
        if entry is None:
            return
        if answer is None:
            del self._entries[account, key]
            return
        entry.answer = answer
        self._bytes += len(answer.body)
        while len(self._entries) > self._most or self._bytes > self._most_bytes:
            self._forget()

    def _expire(self, now: float) -> None:
        while self._entries:
            first = next(iter(self._entries.values()))
            if now < first.at + _KEPT_S:
                return
            self._forget()

    def _forget(self) -> None:
        _, entry = self._entries.popitem(last=False)
        if entry.answer is not None:
            self._bytes -= len(entry.answer.body)

    def __len__(self) -> int:
        return len(self._entries)

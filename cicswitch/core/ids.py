"""Identifiers and tokens from an injected source of random bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["Names", "Tokens"]


class Tokens:
    """Unguessable hexadecimal tokens, cut from large draws so that one costs well under 1 µs.

    `random_bytes(n)` is `os.urandom` in the daemon and a seeded generator in tests.
    """

    __slots__ = ("_buffer", "_position", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._buffer = ""
        self._position = 0

    def token(self, characters: int = 16) -> str:
        """A token of so many hexadecimal characters, 4 random bits each.

        RFC 3261 section 19.3 asks for at least 32 random bits in a tag: 8 characters.
        """
        start = self._position
        end = start + characters
        if end > len(self._buffer):
            self._buffer = self._random_bytes(max(2048, characters)).hex()
            start, end = 0, characters
        self._position = end
        return self._buffer[start:end]


_BYTES: Final = [f"{byte:02x}" for byte in range(256)]


class Names:
    """Names in the order of time: start of the process, four random characters, a number.

    An index of a database grows at its end by them; by random names every new one is written to a
    page of its own. They are no secret: what must not be guessed is a token.
    """

    __slots__ = ("_block", "_next", "_prefix")

    def __init__(self, now: float, tokens: Tokens) -> None:
        self._prefix = f"{int(now):08x}{tokens.token(4)}"
        self._block = f"{self._prefix}000000"
        self._next = 0

    def name(self) -> str:
        """The next name, 20 characters."""
        self._next += 1
        low = self._next & 0xFF
        if low == 0:
            self._block = f"{self._prefix}{self._next >> 8:06x}"
        return self._block + _BYTES[low]

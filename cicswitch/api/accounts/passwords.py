"""Passwords: argon2id (RFC 9106). Everything here blocks, some 20 ms a password.

The parameters are those of OWASP's password storage sheet, 19 MiB and two passes on one core: a
sign-in takes a moment of one core, not four, because the others carry calls. A hash made with other
ones is good, and is made anew at the next sign-in.
"""

from __future__ import annotations

from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from cicswitch.core.errors import CommandError

__all__ = ["LEAST", "MOST", "Passwords", "acceptable"]

LEAST, MOST = 10, 256
"""Characters in a password."""


def acceptable(password: str) -> str:
    """The password, if it is long enough and not too long. Raises `CommandError`."""
    if not LEAST <= len(password) <= MOST:
        raise CommandError(f"a password has {LEAST} to {MOST} characters")
    return password


def _normal(password: str) -> str:
    """As RFC 8265 compares: one keyboard composes 한, another sends its letters."""
    return normalize("NFC", password)


class Passwords:
    """Hashes and verifies."""

    def __init__(self, *, time_cost: int = 2, memory_kib: int = 19 * 1024) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._nobody = ""

    def hash(self, password: str) -> str:
        """What is kept of a password."""
        return self._hasher.hash(_normal(password))

    def verify(self, kept: str, password: str) -> bool:
        """Whether it is the one. An empty `kept` is nobody's: as much work, and False."""
        if not self._nobody:
            self._nobody = self.hash("nobody has this one")
        try:
            return self._hasher.verify(kept or self._nobody, _normal(password)) and bool(kept)
        except (Argon2Error, InvalidHashError):
            return False

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with other parameters."""
        return self._hasher.check_needs_rehash(kept)

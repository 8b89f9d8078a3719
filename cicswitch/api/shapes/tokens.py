"""Tokens: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.api.accounts.model import Token

__all__ = ["NewToken", "TokenMade"]


class NewToken(Struct, frozen=True, forbid_unknown_fields=True):
    """What a token is for, and what it may do."""

    label: str
    scopes: tuple[str, ...]
    expires_at: float | None = None
    """Seconds of the epoch; null: it does not expire."""


class TokenMade(Struct, frozen=True):
    """A new token. Nobody sees its secret again."""

    token: Token
    secret: str

"""Oneself: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.api.accounts.model import Account

__all__ = ["Me", "NewPassword"]


class Me(Struct, frozen=True, kw_only=True):
    """Who asks, by what, and what he may do."""

    account: Account
    scopes: list[str]
    via: str
    expires_at: float | None
    csrf: str = ""
    """For a session: to be sent as X-CSRF-Token with what changes something."""


class NewPassword(Struct, frozen=True, forbid_unknown_fields=True):
    """The password that it is, and that it is to be."""

    current: str
    new: str

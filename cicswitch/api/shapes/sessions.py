"""Signing in: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.api.accounts.model import Account, Session

__all__ = ["SetUp", "SignIn", "SignedIn"]


class SetUp(Struct, frozen=True, forbid_unknown_fields=True):
    """The first administrator."""

    code: str
    """What `cicswitch run` has printed."""
    name: str
    password: str
    display_name: str = ""


class SignIn(Struct, frozen=True, forbid_unknown_fields=True):
    """A name and its password."""

    name: str
    password: str


class SignedIn(Struct, frozen=True):
    """Who has signed in. The cookie is in the headers."""

    account: Account
    session: Session
    scopes: list[str]
    csrf: str
    """To be sent as X-CSRF-Token with what changes something."""

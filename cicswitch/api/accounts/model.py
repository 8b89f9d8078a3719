"""Accounts, sessions, tokens, entries of the audit log. Times are seconds of the epoch."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cicswitch.api.accounts.roles import ROLE_SCOPES, Role
from cicswitch.core.errors import Conflict

__all__ = ["Account", "Actor", "AuditEntry", "Principal", "Session", "Stale", "Token"]


class Stale(Conflict):
    """Somebody else changed it in the meantime."""


class Account(Struct, frozen=True, kw_only=True):
    """Somebody, or some program, who may sign in."""

    name: str
    display_name: str = ""
    role: Role = "agent"
    agent: str = ""
    """The agent of the ACD whom the account acts for; empty: none."""
    disabled: bool = False
    version: int = 1
    """One more with every change."""
    created_at: float = 0.0
    changed_at: float = 0.0

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""
        return frozenset() if self.disabled else ROLE_SCOPES[self.role]


class Session(Struct, frozen=True, kw_only=True):
    """A sign-in by password or at a provider. It ends when it was idle too long, and in any case at
    `expires_at`."""

    id: str
    account: str
    created_at: float
    seen_at: float
    """Right to a minute."""
    expires_at: float
    address: str = ""
    client: str = ""
    """What the browser calls itself."""


class Token(Struct, frozen=True, kw_only=True):
    """A key for a program. The secret itself is kept nowhere."""

    id: str
    account: str
    label: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    used_at: float | None = None
    """Right to a minute."""


class Actor(Struct, frozen=True):
    """Who changes something, by what, and from where: `session`, `token ID`, `setup`,
    `oidc NAME`, `command-line`."""

    who: str
    via: str
    address: str = ""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A change. `before` and `after` hold what changed; secrets are never in them."""

    id: int
    at: float
    who: str
    via: str
    address: str
    action: str
    """What was done: `account.add`, `agent.pause` …"""
    target: str
    before: Any = None
    after: Any = None


class Principal(Struct, frozen=True, kw_only=True):
    """Whom a request comes from, and what it may do."""

    account: Account
    scopes: frozenset[str]
    via: str
    """`session` or `token`."""
    id: str
    """The session's or the token's."""
    expires_at: float | None = None
    csrf: str = ""
    """What a request that changes something has to repeat, where a cookie says who it is."""

    def actor(self, address: str) -> Actor:
        """For the audit log."""
        via = self.via if self.via == "session" else f"token {self.id}"
        return Actor(self.account.name, via, address)

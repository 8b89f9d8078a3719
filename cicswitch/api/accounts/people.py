"""Accounts in the file: made, found, changed, removed. Everything here blocks."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from cicswitch.api.accounts.database import Database
from cicswitch.api.accounts.model import Account, Actor, Stale
from cicswitch.core.errors import CommandError, Conflict, NotFound

__all__ = ["People", "valid_name"]

_COLUMNS = "name, display_name, role, agent, disabled, version, created_at, changed_at"
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_SHOWN = ("display_name", "role", "agent", "disabled")


def valid_name(name: str) -> str:
    """The name, if it can be an account's. Raises `CommandError`."""
    if not _NAME.fullmatch(name):
        raise CommandError(
            f'"{name[:80]}" is no name: a-z, 0-9 and ._@- after the first, 64 characters at most'
        )
    return name


def _account(row: tuple[Any, ...]) -> Account:
    name, display_name, role, agent, disabled, version, created_at, changed_at = row
    return Account(
        name=name,
        display_name=display_name,
        role=role,
        agent=agent,
        disabled=bool(disabled),
        version=version,
        created_at=created_at,
        changed_at=changed_at,
    )


def _shown(account: Account) -> dict[str, Any]:
    return {key: getattr(account, key) for key in _SHOWN}


class People:
    """The accounts of a file."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def none(self) -> bool:
        """Whether there is no account yet."""
        return not self._db.rows("SELECT 1 FROM account LIMIT 1")

    def find(self, name: str) -> Account:
        """An account. Raises `NotFound`."""
        return self.with_password(name)[0]

    def with_password(self, name: str) -> tuple[Account, str]:
        """An account and the hash of its password. Raises `NotFound`."""
        found = self._db.rows(f"SELECT {_COLUMNS}, password FROM account WHERE name = ?", (name,))
        if not found:
            raise NotFound(f'there is no account "{name}"')
        *row, password = found[0]
        return _account(tuple(row)), password

    def page(self, after: str, limit: int) -> list[Account]:
        """So many accounts by name, from the one after `after` on."""
        query = f"SELECT {_COLUMNS} FROM account WHERE name > ? ORDER BY name LIMIT ?"
        return [_account(row) for row in self._db.rows(query, (after, limit))]

    def add(
        self, actor: Actor, now: float, account: Account, password: str, *, first: bool = False
    ) -> Account:
        """Make an account. `first`: only while there is none. Raises `Conflict`, `CommandError`."""
        valid_name(account.name)
        account = msgspec.structs.replace(account, version=1, created_at=now, changed_at=now)
        with self._db.changing() as db:
            if first and not self.none():
                raise Conflict("there are accounts already")
            if db.execute("SELECT 1 FROM account WHERE name = ?", (account.name,)).fetchone():
                raise Conflict(f'there is an account "{account.name}" already')
            db.execute(
                f"INSERT INTO account ({_COLUMNS}, password) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*msgspec.structs.astuple(account), password),
            )
            self._db.note(actor, now, "account.add", account.name, None, _shown(account))
        return account

    def known(
        self, actor: Actor, now: float, account: Account, changes: dict[str, Any], *, make: bool
    ) -> Account | None:
        """An account for whom somebody else answers, as he says that it is; None: there is none.

        With `make` it is made then, without a password. Raises as `add` and `change`.
        """
        try:
            before = self.find(account.name)
        except NotFound:
            return self.add(actor, now, account, "") if make else None
        return before if before.disabled else self.change(actor, now, before.name, changes)

    def change(
        self, actor: Actor, now: float, name: str, changes: dict[str, Any], version: int = 0
    ) -> Account:
        """Change fields. Raises `NotFound`, `Stale` if it is no more of `version`, or `Conflict`
        where no administrator would be left."""
        with self._db.changing() as db:
            before = self._fresh(name, version)
            after = msgspec.structs.replace(before, **changes)
            if after == before:
                return before
            after = msgspec.structs.replace(after, version=before.version + 1, changed_at=now)
            self._keep_one(before, after)
            db.execute(
                "UPDATE account SET display_name = ?, role = ?, agent = ?, disabled = ?,"
                " version = ?, changed_at = ? WHERE name = ?",
                (*_shown(after).values(), after.version, now, name),
            )
            if after.disabled:
                db.execute("DELETE FROM session WHERE account = ?", (name,))
            old, new = _shown(before), _shown(after)
            changed = [key for key in _SHOWN if old[key] != new[key]]
            self._db.note(
                *(actor, now, "account.change", name),
                {key: old[key] for key in changed},
                {key: new[key] for key in changed},
            )
        return after

    def set_password(
        self, actor: Actor, now: float, name: str, password: str, keep: str = "", version: int = 0
    ) -> Account:
        """Take over the hash of a new password; sessions end but for `keep`. Raises `NotFound`."""
        with self._db.changing() as db:
            before = self._fresh(name, version)
            after = msgspec.structs.replace(before, version=before.version + 1, changed_at=now)
            db.execute(
                "UPDATE account SET password = ?, version = ?, changed_at = ? WHERE name = ?",
                (password, after.version, now, name),
            )
            db.execute("DELETE FROM session WHERE account = ? AND id != ?", (name, keep))
            self._db.note(actor, now, "account.password", name, None, None)
        return after

    def rehash(self, name: str, old: str, new: str) -> None:
        """The same password under other parameters. Nothing that anybody sees."""
        with self._db.changing() as db:
            db.execute(
                "UPDATE account SET password = ? WHERE name = ? AND password = ?", (new, name, old)
            )

    def remove(self, actor: Actor, now: float, name: str, version: int = 0) -> None:
        """Remove an account with its sessions and tokens. Raises as `change`."""
        with self._db.changing() as db:
            before = self._fresh(name, version)
            self._keep_one(before, None)
            db.execute("DELETE FROM account WHERE name = ?", (name,))
            self._db.note(actor, now, "account.remove", name, _shown(before), None)

    def _fresh(self, name: str, version: int) -> Account:
        found = self.find(name)
        if version and version != found.version:
            raise Stale(f'account "{name}" was changed in the meantime')
        return found

    def _keep_one(self, before: Account, after: Account | None) -> None:
        """The last administrator who can sign in stays one."""
        if before.role != "administrator" or before.disabled:
            return
        if after is not None and after.role == "administrator" and not after.disabled:
            return
        others = self._db.rows(
            "SELECT 1 FROM account WHERE role = 'administrator' AND NOT disabled AND name != ?"
            " LIMIT 1",
            (before.name,),
        )
        if not others:
            raise Conflict(f'"{before.name}" is the last administrator: make another one first')

"""Sessions and tokens in the file. Everything here blocks.

The secret of either is 32 random bytes. What the file keeps is their SHA-256: a password needs a
slow hash because people choose it, but nobody guesses 256 random bits, however fast the hash.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any

from msgspec.structs import replace

from cicswitch.api.accounts.database import Database
from cicswitch.api.accounts.model import Account, Actor, Session, Token
from cicswitch.api.accounts.people import People
from cicswitch.core.errors import Conflict, NotFound

__all__ = ["TOKEN_PREFIX", "Sessions", "Tokens", "csrf_of", "digest_of"]

TOKEN_PREFIX = "cic_"
"""By which a token is known in a text where it should not be."""
_TOUCH_S = 60.0
_SESSIONS = 50
_TOKENS = 100


def digest_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def csrf_of(secret: str) -> str:
    """What a page repeats in a header: it follows from the cookie, and tells nothing of it."""
    digest = hashlib.sha256(b"csrf " + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


def _identity() -> str:
    return secrets.token_hex(8)


class Sessions:
    """Sign-ins by password."""

    _COLUMNS = "id, account, created_at, seen_at, expires_at, address, client"

    def __init__(self, database: Database, people: People) -> None:
        self._db = database
        self._people = people

    def add(self, actor: Actor, now: float, length_s: float, client: str) -> tuple[Session, str]:
        """A new session of the actor's account, and its secret. The oldest of too many ends."""
        secret = secrets.token_urlsafe(32)
        session = Session(
            id=_identity(),
            account=actor.who,
            created_at=now,
            seen_at=now,
            expires_at=now + length_s,
            address=actor.address,
            client=client[:200],
        )
        with self._db.changing() as db:
            db.execute("DELETE FROM session WHERE expires_at < ?", (now,))
            db.execute(
                "DELETE FROM session WHERE account = ? AND id NOT IN (SELECT id FROM session"
                " WHERE account = ? ORDER BY created_at DESC LIMIT ?)",
                (actor.who, actor.who, _SESSIONS - 1),
            )
            db.execute(
                f"INSERT INTO session (digest, {self._COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(digest_of(secret), session.id, session.account, now, now),
                    *(session.expires_at, session.address, session.client),
                ),
            )
            self._db.note(actor, now, "session.add", session.id, None, {"client": session.client})
        return session, secret

    def use(self, digest: bytes, now: float, idle_s: float) -> tuple[Session, Account] | None:
        """The session of a secret and its account, if both are good still."""
        query = f"SELECT {self._COLUMNS} FROM session WHERE digest = ?"
        rows = self._db.rows(query, (digest,))
        if not rows:
            return None
        session = _session(rows[0])
        if now > session.expires_at or now > session.seen_at + idle_s:
            with self._db.changing() as db:
                db.execute("DELETE FROM session WHERE digest = ?", (digest,))
            return None
        account = self._people.find(session.account)
        if account.disabled:
            return None
        if now > session.seen_at + min(_TOUCH_S, idle_s / 4):
            session = replace(session, seen_at=now)
            with self._db.changing() as db:
                db.execute("UPDATE session SET seen_at = ? WHERE digest = ?", (now, digest))
        return session, account

    def digest(self, name: str) -> bytes | None:
        """What is kept of a session's secret; None if there is no such session."""
        rows = self._db.rows("SELECT digest FROM session WHERE id = ?", (name,))
        return rows[0][0] if rows else None

    def of(self, account: str) -> list[Session]:
        """The sessions of an account, oldest first."""
        query = f"SELECT {self._COLUMNS} FROM session WHERE account = ? ORDER BY created_at"
        return [_session(row) for row in self._db.rows(query, (account,))]

    def end(self, actor: Actor, now: float, name: str, account: str) -> None:
        """End a session of an account. Raises `NotFound`."""
        with self._db.changing() as db:
            ended = db.execute(
                "DELETE FROM session WHERE id = ? AND account = ?", (name, account)
            ).rowcount
            if not ended:
                raise NotFound(f'"{account}" has no session "{name}"')
            self._db.note(actor, now, "session.end", name, {"account": account}, None)


def _session(row: tuple[Any, ...]) -> Session:
    name, account, created_at, seen_at, expires_at, address, client = row
    return Session(
        id=name,
        account=account,
        created_at=created_at,
        seen_at=seen_at,
        expires_at=expires_at,
        address=address,
        client=client,
    )


class Tokens:
    """Keys for programs."""

    _COLUMNS = "id, account, label, scopes, created_at, expires_at, used_at"

    def __init__(self, database: Database, people: People) -> None:
        self._db = database
        self._people = people

    def add(
        self,
        actor: Actor,
        now: float,
        account: str,
        label: str,
        scopes: tuple[str, ...],
        expires_at: float | None,
    ) -> tuple[Token, str]:
        """A new token and its secret, which nobody sees again. Raises `NotFound`, `Conflict`."""
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        with self._db.changing() as db:
            lacking = set(scopes) - self._people.find(account).scopes
            if lacking:
                raise Conflict(f'"{account}" itself has no {", ".join(sorted(lacking))}')
            db.execute("DELETE FROM token WHERE expires_at < ?", (now,))
            if len(self.of(account)) >= _TOKENS:
                raise Conflict(f'"{account}" has {_TOKENS} tokens: revoke one first')
            token = Token(
                id=_identity(),
                account=account,
                label=label,
                scopes=tuple(sorted(set(scopes))),
                created_at=now,
                expires_at=expires_at,
            )
            db.execute(
                f"INSERT INTO token (digest, {self._COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (
                    *(digest_of(secret), token.id, account, label),
                    *(" ".join(token.scopes), now, expires_at),
                ),
            )
            shown = {
                "account": account,
                "label": label,
                "scopes": token.scopes,
                "expires_at": expires_at,
            }
            self._db.note(actor, now, "token.add", token.id, None, shown)
        return token, secret

    def use(self, digest: bytes, now: float) -> tuple[Token, Account] | None:
        """The token of a secret and its owner, if both are good still."""
        rows = self._db.rows(f"SELECT {self._COLUMNS} FROM token WHERE digest = ?", (digest,))
        if not rows:
            return None
        token = _token(rows[0])
        if token.expires_at is not None and now > token.expires_at:
            return None
        account = self._people.find(token.account)
        if account.disabled:
            return None
        if token.used_at is None or now > token.used_at + _TOUCH_S:
            token = replace(token, used_at=now)
            with self._db.changing() as db:
                db.execute("UPDATE token SET used_at = ? WHERE digest = ?", (now, digest))
        return token, account

    def find(self, name: str) -> Token:
        """A token. Raises `NotFound`."""
        rows = self._db.rows(f"SELECT {self._COLUMNS} FROM token WHERE id = ?", (name,))
        if not rows:
            raise NotFound(f'there is no token "{name}"')
        return _token(rows[0])

    def digest(self, name: str) -> bytes | None:
        """What is kept of a token's secret; None if there is no such token."""
        rows = self._db.rows("SELECT digest FROM token WHERE id = ?", (name,))
        return rows[0][0] if rows else None

    def of(self, account: str) -> list[Token]:
        """The tokens of an account, oldest first."""
        query = f"SELECT {self._COLUMNS} FROM token WHERE account = ? ORDER BY created_at"
        return [_token(row) for row in self._db.rows(query, (account,))]

    def all(self) -> list[Token]:
        """Those of everybody, for the command line."""
        query = f"SELECT {self._COLUMNS} FROM token ORDER BY account, created_at"
        return [_token(row) for row in self._db.rows(query)]

    def revoke(self, actor: Actor, now: float, name: str, account: str = "") -> None:
        """Take a token back, of an account or of any. Raises `NotFound`."""
        with self._db.changing() as db:
            token = self.find(name)
            if account and token.account != account:
                raise NotFound(f'"{account}" has no token "{name}"')
            db.execute("DELETE FROM token WHERE id = ?", (name,))
            shown = {"account": token.account, "label": token.label, "scopes": token.scopes}
            self._db.note(actor, now, "token.revoke", name, shown, None)


def _token(row: tuple[Any, ...]) -> Token:
    name, account, label, scopes, created_at, expires_at, used_at = row
    return Token(
        id=name,
        account=account,
        label=label,
        scopes=tuple(scopes.split()),
        created_at=created_at,
        expires_at=expires_at,
        used_at=used_at,
    )

"""The accounts for the loop: every look at the file is in a thread, and so is every password.

directory = Directory(path)          AccountFile(path) is the same for programs that may block
await directory.open()
principal = await directory.by_token(secret, now)
await directory.run(directory.file.people.page, "", 100)
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cicswitch.api.accounts.audit import Audit
from cicswitch.api.accounts.credentials import Sessions, Tokens, csrf_of, digest_of
from cicswitch.api.accounts.database import Database
from cicswitch.api.accounts.model import Account, Actor, Principal, Session
from cicswitch.api.accounts.passwords import Passwords
from cicswitch.api.accounts.people import People
from cicswitch.api.accounts.throttle import Attempts, network_of
from cicswitch.core.errors import CicError, Conflict, NotFound

__all__ = ["AccountFile", "Directory", "TooOften"]

P = ParamSpec("P")
T = TypeVar("T")

_TRUSTED_S = 1.0
"""So long a principal is not looked up again, unless this process has changed an account."""
_PRINCIPALS = 4096
_PASSWORDS_AT_ONCE = 8
"""Sign-ins that wait for the thread; a further one is told to come again."""


class TooOften(CicError):
    """Too many attempts or requests; `retry_after_s` says when the next may come."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class AccountFile:
    """The parts of a file, for programs that may block."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.people = People(self.database)
        self.sessions = Sessions(self.database, self.people)
        self.tokens = Tokens(self.database, self.people)
        self.audit = Audit(self.database)

    def open(self) -> None:
        """Open, or make. Raises `ResourceError`."""
        self.database.open()

    def close(self) -> None:
        """Close. Idempotent."""
        self.database.close()


class Directory:
    """Accounts, sessions, tokens and audit log of a switch."""

    def __init__(
        self,
        path: Path,
        *,
        idle_s: float = 3600,
        session_s: float = 43200,
        passwords: Passwords | None = None,
    ) -> None:
        self.file = AccountFile(path)
        self.idle_s = idle_s
        self.session_s = session_s
        self.passwords = passwords or Passwords()
        self._code = b""
        self._of_account = Attempts(5)
        self._of_address = Attempts(20)
        self._thread = ThreadPoolExecutor(1, "accounts")
        self._hashing = ThreadPoolExecutor(1, "passwords")
        self._waiting = 0
        self._closed = False
        self._known: OrderedDict[bytes, tuple[int, float, Principal | None]] = OrderedDict()

    async def open(self) -> str:
        """Open the file; the set-up code if there is no account yet. Raises `ResourceError`."""
        await self.run(self.file.open)
        if not await self.run(self.file.people.none):
            return ""
        code = base64.b32encode(secrets.token_bytes(10)).decode()
        self._code = digest_of(code)
        return "-".join(code[at : at + 4] for at in range(0, 16, 4))

    async def close(self) -> None:
        """Close. Idempotent."""
        if self._closed:
            return
        self._closed = True
        await self.run(self.file.close)
        self._thread.shutdown(wait=False)
        self._hashing.shutdown(wait=False)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what blocks in the file's thread, one thing after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    async def hashed(self, password: str) -> str:
        """The hash of a password. Raises `TooOften` while too many are being made."""
        return await self._slow(self.passwords.hash, password)

    async def _slow(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= _PASSWORDS_AT_ONCE:
            raise TooOften("too many sign in at the same time", 1.0)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._hashing, lambda: work(*args, **kwargs))
        finally:
            self._waiting -= 1

    # -- the first account -----------------------------------------------------------------------

    async def set_up(
        self, code: str, account: Account, password: str, address: str, now: float
    ) -> Account:
        """The first account, by the code that `open` gave. Raises `NotFound` without such a code,
        `TooOften`, `Conflict`."""
        place = network_of(address)
        self._count(self._of_address, place, now)
        given = digest_of(code.replace("-", "").strip().upper())
        if not self._code or not hmac.compare_digest(given, self._code):
            raise NotFound("there is no such set-up code; it is good until the first account")
        self._of_address.undone(place)
        kept = await self.hashed(password)
        actor = Actor(account.name, "setup", address)
        try:
            made = await self.run(self.file.people.add, actor, now, account, kept, first=True)
        except Conflict:
            if not await self.run(self.file.people.none):
                self._code = b""  # somebody has made one on the command line
            raise
        self._code = b""
        return made

    # -- sign-in ---------------------------------------------------------------------------------

    async def sign_in(
        self, name: str, password: str, address: str, client: str, now: float
    ) -> tuple[Session, Account, str] | None:
        """A session, its account and its secret; None if name or password is wrong, or the account
        disabled: nobody is told which. Raises `TooOften`."""
        name, place = name.lower(), network_of(address)
        self._count(self._of_address, place, now)
        self._count(self._of_account, name, now)
        try:
            account, kept = await self.run(self.file.people.with_password, name)
        except NotFound:
            account, kept = None, ""
        if not await self._slow(self.passwords.verify, kept, password):
            return None
        if account is None or account.disabled:
            return None
        self._of_account.succeeded(name)
        self._of_address.undone(place)
        if self.passwords.outdated(kept):
            better = await self.hashed(password)
            await self.run(self.file.people.rehash, name, kept, better)
        actor = Actor(name, "session", address)
        session, secret = await self.run(self.file.sessions.add, actor, now, self.session_s, client)
        return session, account, secret

    async def admit(
        self,
        actor: Actor,
        account: Account,
        changes: dict[str, Any],
        client: str,
        now: float,
        *,
        make: bool,
    ) -> tuple[Session, Account, str] | None:
        """A session for whom somebody else answers, as `sign_in` gives; None: no such account,
        or it is disabled. `changes`: what of it is to be as he says. Raises `Conflict`,
        `CommandError`."""
        known = self.file.people.known
        found = await self.run(known, actor, now, account, changes, make=make)
        if found is None or found.disabled:
            return None
        session, secret = await self.run(self.file.sessions.add, actor, now, self.session_s, client)
        return session, found, secret

    async def is_password(self, name: str, password: str, address: str, now: float) -> bool:
        """Whether it is the account's password: for who changes it. Raises `TooOften`."""
        self._count(self._of_account, name, now)
        _, kept = await self.run(self.file.people.with_password, name)
        if not await self._slow(self.passwords.verify, kept, password):
            return False
        self._of_account.succeeded(name)
        return True

    @staticmethod
    def _count(attempts: Attempts, key: str, now: float) -> None:
        wait_s = attempts.wait_s(key, now)
        if wait_s > 0:
            raise TooOften("too many attempts", wait_s)
        attempts.began(key, now)

    # -- who asks --------------------------------------------------------------------------------

    async def by_cookie(self, secret: str, now: float) -> Principal | None:
        """Whose session a cookie is."""
        return await self._known_as(b"s" + digest_of(secret), secret, now, self._session)

    async def by_token(self, secret: str, now: float) -> Principal | None:
        """Whose token it is."""
        return await self._known_as(b"t" + digest_of(secret), secret, now, self._token)

    async def renewed(self, principal: Principal, now: float) -> Principal | None:
        """Who has been let in for long, as he is now; None if he would not be let in any more. To
        stay is a use: a session does not become idle by it."""
        if principal.via == "session":
            return await self.run(self._session_of, principal.id, now)
        return await self.run(self._token_of, principal.id, now)

    async def _known_as(
        self,
        key: bytes,
        secret: str,
        now: float,
        look: Callable[[str, float], Principal | None],
    ) -> Principal | None:
        known = self._known.get(key)
        if known is not None:
            generation, until, principal = known
            if generation == self.file.database.generation and now < until:
                return principal
        generation = self.file.database.generation
        principal = await self.run(look, secret, now)
        self._known[key] = (generation, now + _TRUSTED_S, principal)
        self._known.move_to_end(key)
        while len(self._known) > _PRINCIPALS:
            self._known.popitem(last=False)
        return principal

    def _session_of(self, name: str, now: float) -> Principal | None:
        digest = self.file.sessions.digest(name)
        return None if digest is None else self._by_session(digest, "", now)

    def _token_of(self, name: str, now: float) -> Principal | None:
        digest = self.file.tokens.digest(name)
        return None if digest is None else self._by_token(digest, now)

    def _session(self, secret: str, now: float) -> Principal | None:
        return self._by_session(digest_of(secret), csrf_of(secret), now)

    def _token(self, secret: str, now: float) -> Principal | None:
        return self._by_token(digest_of(secret), now)

    def _by_session(self, digest: bytes, csrf: str, now: float) -> Principal | None:
        found = self.file.sessions.use(digest, now, self.idle_s)
        if found is None:
            return None
        session, account = found
        return Principal(
            account=account,
            scopes=account.scopes,
            via="session",
            id=session.id,
            expires_at=session.expires_at,
            csrf=csrf,
        )

    def _by_token(self, digest: bytes, now: float) -> Principal | None:
        found = self.file.tokens.use(digest, now)
        if found is None:
            return None
        token, account = found
        return Principal(
            account=account,
            scopes=account.scopes & frozenset(token.scopes),
            via="token",
            id=token.id,
            expires_at=token.expires_at,
        )

    # -- what was changed ------------------------------------------------------------------------

    async def note(
        self, actor: Actor, now: float, action: str, target: str, before: Any, after: Any
    ) -> None:
        """Add to the audit log; it is on disk when this returns. Raises `ResourceError`."""
        await self.run(self.file.audit.note, actor, now, action, target, before, after)

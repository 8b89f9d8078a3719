"""Methods about people: signing in, oneself, accounts, tokens, the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from cicswitch.api.accounts.model import Account, AuditEntry, Session, Token
from cicswitch.api.accounts.roles import Role
from cicswitch.api.shapes.accounts import AccountChange, NewAccount, PasswordGiven
from cicswitch.api.shapes.me import Me, NewPassword
from cicswitch.api.shapes.oidc import Begun, Provider, Providers, Returned
from cicswitch.api.shapes.sessions import SetUp, SignedIn, SignIn
from cicswitch.api.shapes.tokens import NewToken, TokenMade
from cicswitch.client.wire import Wire

__all__ = ["PeopleCalls"]

_CSRF = "X-CSRF-Token"


class PeopleCalls(Wire):
    """Signing in, oneself, accounts, tokens, the audit log."""

    async def set_up(
        self, code: str, name: str, password: str, *, display_name: str = ""
    ) -> Account:
        """Make the first administrator, with the code that the switch has printed."""
        body = SetUp(code, name, password, display_name)
        return await self.call("POST", "/setup", Account, body=body, keyed=False)

    async def sign_in(self, name: str, password: str) -> SignedIn:
        """Sign in by password, for a client without a token; all that follows goes by the session.
        Raises `ValueError` with a token."""
        if self.token:
            raise ValueError("this client has a token, and does not need a session")
        body = SignIn(name, password)
        self.http.headers.pop(_CSRF, None)
        signed_in = await self.call("POST", "/session", SignedIn, body=body, keyed=False)
        self.http.headers[_CSRF] = signed_in.csrf
        return signed_in

    async def oidc(self) -> list[Provider]:
        """The OpenID providers at which people may sign in."""
        return (await self.call("GET", "/oidc", Providers)).items

    async def oidc_begin(self, provider: str) -> Begun:
        """Begin to sign in at a provider: where the browser goes."""
        return await self.call("POST", "/oidc/{provider}", Begun, provider=provider, keyed=False)

    async def oidc_end(self, provider: str, state: str, code: str, proof: str) -> SignedIn:
        """Sign in with what the browser is back with. Raises `ValueError` with a token."""
        if self.token:
            raise ValueError("this client has a token, and does not need a session")
        body = Returned(state, code, proof)
        self.http.headers.pop(_CSRF, None)
        path = "/oidc/{provider}/session"
        signed_in = await self.call(
            "POST", path, SignedIn, provider=provider, body=body, keyed=False
        )
        self.http.headers[_CSRF] = signed_in.csrf
        return signed_in

    async def sign_out(self) -> None:
        """End the session."""
        await self.call("DELETE", "/session", type(None))
        self.http.headers.pop(_CSRF, None)

    async def me(self) -> Me:
        """Who asks, and what he may do."""
        return await self.call("GET", "/me", Me)

    async def change_password(self, current: str, new: str) -> None:
        """Give oneself another password. All other sessions end."""
        body = NewPassword(current, new)
        await self.call("POST", "/me/password", type(None), body=body, keyed=False)

    def my_sessions(self) -> AsyncIterator[Session]:
        """One's own sessions, oldest first."""
        return self.each("/me/sessions", Session)

    async def end_my_session(self, session: str) -> None:
        """End a session of one's own."""
        await self.call("DELETE", "/me/sessions/{session}", type(None), session=session)

    def my_tokens(self) -> AsyncIterator[Token]:
        """One's own tokens, oldest first."""
        return self.each("/me/tokens", Token)

    async def add_my_token(
        self, label: str, scopes: Sequence[str], *, expires_at: float | None = None
    ) -> TokenMade:
        """Make a token of one's own; its secret is shown now and never again."""
        body = NewToken(label, tuple(scopes), expires_at)
        return await self.call("POST", "/me/tokens", TokenMade, body=body)

    async def revoke_my_token(self, token: str) -> None:
        """Take back a token of one's own."""
        await self.call("DELETE", "/me/tokens/{token}", type(None), token=token)

    # -- accounts --------------------------------------------------------------------------------

    def accounts(self) -> AsyncIterator[Account]:
        """All accounts by name."""
        return self.each("/accounts", Account)

    async def account(self, account: str) -> Account:
        """An account."""
        return await self.call("GET", "/accounts/{account}", Account, account=account)

    async def add_account(
        self, name: str, password: str, role: Role, *, display_name: str = "", agent: str = ""
    ) -> Account:
        """Make an account."""
        body = NewAccount(name, password, role, display_name, agent)
        return await self.call("POST", "/accounts", Account, body=body)

    async def change_account(
        self,
        account: str,
        *,
        display_name: str | UnsetType = UNSET,
        role: Role | UnsetType = UNSET,
        agent: str | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        tag: Any = None,
    ) -> Account:
        """Change an account; what is left out stays."""
        path, body = "/accounts/{account}", AccountChange(display_name, role, agent, disabled)
        return await self.call("PATCH", path, Account, body=body, tag=tag, account=account)

    async def remove_account(self, account: str, *, tag: Any = None) -> None:
        """Remove an account with its sessions and tokens."""
        await self.call("DELETE", "/accounts/{account}", type(None), tag=tag, account=account)

    async def give_password(self, account: str, password: str, *, tag: Any = None) -> Account:
        """Give an account another password. Its sessions end."""
        path, body = "/accounts/{account}/password", PasswordGiven(password)
        return await self.call(
            "POST", path, Account, body=body, tag=tag, keyed=False, account=account
        )

    def account_sessions(self, account: str) -> AsyncIterator[Session]:
        """An account's sessions, oldest first."""
        return self.each("/accounts/{account}/sessions", Session, account=account)

    async def end_account_session(self, account: str, session: str) -> None:
        """End a session of an account."""
        path = "/accounts/{account}/sessions/{session}"
        await self.call("DELETE", path, type(None), account=account, session=session)

    def account_tokens(self, account: str) -> AsyncIterator[Token]:
        """An account's tokens, oldest first."""
        return self.each("/accounts/{account}/tokens", Token, account=account)

    async def add_account_token(
        self, account: str, label: str, scopes: Sequence[str], *, expires_at: float | None = None
    ) -> TokenMade:
        """Make a token for an account; its secret is shown now and never again."""
        path, body = "/accounts/{account}/tokens", NewToken(label, tuple(scopes), expires_at)
        return await self.call("POST", path, TokenMade, body=body, account=account)

    async def revoke_account_token(self, account: str, token: str) -> None:
        """Take back a token of an account."""
        path = "/accounts/{account}/tokens/{token}"
        await self.call("DELETE", path, type(None), account=account, token=token)

    def audit(
        self,
        *,
        who: str = "",
        action: str = "",
        target: str = "",
        order: Literal["oldest", "newest"] = "oldest",
    ) -> AsyncIterator[AuditEntry]:
        """The audit log, oldest or newest first."""
        query = {"who": who, "action": action, "target": target, "order": order}
        return self.each("/audit", AuditEntry, query)

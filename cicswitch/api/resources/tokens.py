"""Tokens of one's own, and of others."""

from __future__ import annotations

from cicswitch.api.accounts.model import Token
from cicswitch.api.accounts.roles import SCOPES
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.tokens import NewToken, TokenMade

__all__ = ["NewToken", "TokenMade"]

_LONGEST_S = 10 * 365 * 86400


@endpoint("GET", "/me/tokens", scopes="tokens:write")
async def my_tokens(ask: Ask) -> Page[Token]:
    """One's own tokens, oldest first."""
    return await _of(ask, ask.account.name)


@endpoint("POST", "/me/tokens", scopes="tokens:write", status=201)
async def add_mine(ask: Ask, body: NewToken) -> TokenMade:
    """Make a token of one's own. It never has more than who makes it, nor lives longer."""
    return await _add(ask, ask.account.name, body)


@endpoint("DELETE", "/me/tokens/{token}", scopes="tokens:write")
async def revoke_mine(ask: Ask, token: str) -> None:
    """Take back a token of one's own."""
    await _revoke(ask, ask.account.name, token)


@endpoint("GET", "/accounts/{account}/tokens", scopes="accounts:read")
async def theirs(ask: Ask, account: str) -> Page[Token]:
    """An account's tokens, oldest first."""
    return await _of(ask, account)


@endpoint("POST", "/accounts/{account}/tokens", scopes="accounts:write", status=201)
async def add_theirs(ask: Ask, account: str, body: NewToken) -> TokenMade:
    """Make a token for an account, with what both it and who asks may do."""
    return await _add(ask, account, body)


@endpoint("DELETE", "/accounts/{account}/tokens/{token}", scopes="accounts:write")
async def revoke_theirs(ask: Ask, account: str, token: str) -> None:
    """Take back a token of an account."""
    await _revoke(ask, account, token)


async def _of(ask: Ask, account: str) -> Page[Token]:
    directory = ask.api.directory
    await directory.run(directory.file.people.find, account)
    return Page(await directory.run(directory.file.tokens.of, account))


async def _add(ask: Ask, account: str, body: NewToken) -> TokenMade:
    principal, directory = ask.principal, ask.api.directory
    _check(ask, body)
    until = body.expires_at
    if principal.via == "token" and principal.expires_at is not None:
        until = min(until or principal.expires_at, principal.expires_at)
    token, secret = await directory.run(
        directory.file.tokens.add,
        principal.actor(ask.address),
        ask.now,
        account,
        body.label,
        body.scopes,
        until,
    )
    return TokenMade(token, secret)


def _check(ask: Ask, body: NewToken) -> None:
    errors = [
        FieldError(pointer=f"/scopes/{at}", found=f'"{scope[:40]}"', expected=expected)
        for at, scope in enumerate(body.scopes[:100])
        for expected in (
            ["one of " + ", ".join(SCOPES)]
            if scope not in SCOPES
            else ([] if ask.may(scope) else ["a scope that who asks has"])
        )
    ]
    if not body.scopes:
        errors.append(FieldError(pointer="/scopes", found="none", expected="at least one"))
    if not 1 <= len(body.label) <= 100:
        errors.append(FieldError(pointer="/label", expected="1 to 100 characters"))
    until = body.expires_at
    if until is not None and not ask.now < until < ask.now + _LONGEST_S:
        errors.append(
            FieldError(pointer="/expires_at", expected="a time to come, within ten years")
        )
    if errors:
        raise Problem(422, "the token cannot be made so", errors=errors)


async def _revoke(ask: Ask, account: str, token: str) -> None:
    directory = ask.api.directory
    actor = ask.principal.actor(ask.address)
    await directory.run(directory.file.tokens.revoke, actor, ask.now, token, account)

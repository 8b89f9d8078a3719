"""Accounts, for administrators."""

from __future__ import annotations

from msgspec import UNSET

from cicswitch.api.accounts.model import Account, Session
from cicswitch.api.accounts.passwords import acceptable
from cicswitch.api.accounts.people import valid_name
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, key_of, whole
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.accounts import AccountChange, NewAccount, PasswordGiven

__all__ = ["AccountChange", "NewAccount", "PasswordGiven"]


@endpoint("GET", "/accounts", scopes="accounts:read")
async def accounts(ask: Ask, query: Paging) -> Page[Account]:
    """All accounts by name."""
    directory = ask.api.directory
    after = key_of(query.cursor) if query.cursor else ""
    found = await directory.run(directory.file.people.page, after, query.limit + 1)
    return whole(found, query.limit, lambda account: account.name)


@endpoint("POST", "/accounts", scopes="accounts:write", status=201, tagged=True)
async def add(ask: Ask, body: NewAccount) -> Account:
    """Make an account."""
    directory = ask.api.directory
    account = Account(
        name=valid_name(body.name),
        role=body.role,
        display_name=_shown(body.display_name),
        agent=_agent(ask, body.agent),
    )
    kept = await directory.hashed(acceptable(body.password))
    actor = ask.principal.actor(ask.address)
    return await directory.run(directory.file.people.add, actor, ask.now, account, kept)


@endpoint("GET", "/accounts/{account}", scopes="accounts:read", tagged=True)
async def account(ask: Ask, account: str) -> Account:
    """An account."""
    return await ask.api.directory.run(ask.api.directory.file.people.find, account)


@endpoint(
    *("PATCH", "/accounts/{account}"), scopes="accounts:write", tagged=True, errors=(409, 412)
)
async def change(ask: Ask, account: str, body: AccountChange) -> Account:
    """Change an account. One that is disabled has no sessions any more."""
    directory = ask.api.directory
    changes = {
        name: value
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }
    if "agent" in changes:
        _agent(ask, changes["agent"])
    if "display_name" in changes:
        _shown(changes["display_name"])
    actor = ask.principal.actor(ask.address)
    version = await _version(ask, account)
    return await directory.run(
        directory.file.people.change, actor, ask.now, account, changes, version
    )


@endpoint("DELETE", "/accounts/{account}", scopes="accounts:write", errors=(409, 412))
async def remove(ask: Ask, account: str) -> None:
    """Remove an account with its sessions and tokens. The audit log keeps its name."""
    directory = ask.api.directory
    actor = ask.principal.actor(ask.address)
    version = await _version(ask, account)
    await directory.run(directory.file.people.remove, actor, ask.now, account, version)


@endpoint(
    "POST",
    "/accounts/{account}/password",
    scopes="accounts:write",
    errors=(412,),
    tagged=True,
    repeatable=False,
)
async def give_password(ask: Ask, account: str, body: PasswordGiven) -> Account:
    """Give an account another password. Its sessions end."""
    directory = ask.api.directory
    version = await _version(ask, account)
    await directory.run(directory.file.people.find, account)
    kept = await directory.hashed(acceptable(body.password))
    actor = ask.principal.actor(ask.address)
    return await directory.run(
        directory.file.people.set_password, actor, ask.now, account, kept, version=version
    )


@endpoint("GET", "/accounts/{account}/sessions", scopes="accounts:read")
async def sessions(ask: Ask, account: str) -> Page[Session]:
    """An account's sessions, oldest first."""
    directory = ask.api.directory
    await directory.run(directory.file.people.find, account)
    return Page(await directory.run(directory.file.sessions.of, account))


@endpoint("DELETE", "/accounts/{account}/sessions/{session}", scopes="accounts:write")
async def end_session(ask: Ask, account: str, session: str) -> None:
    """End a session of an account."""
    directory = ask.api.directory
    actor = ask.principal.actor(ask.address)
    await directory.run(directory.file.sessions.end, actor, ask.now, session, account)


async def _version(ask: Ask, account: str) -> int:
    """The version that a change is meant for; 0: any. The file looks again when it changes it."""
    if not ask.conditional:
        return 0
    found = await ask.api.directory.run(ask.api.directory.file.people.find, account)
    ask.match(found)
    return found.version


def _agent(ask: Ask, agent: str) -> str:
    if agent and agent not in ask.api.config.agent:
        error = FieldError(pointer="/agent", found=f'"{agent[:80]}"', expected="an agent, or none")
        raise Problem(422, "there is no such agent in the configuration", errors=[error])
    return agent


def _shown(name: str) -> str:
    if len(name) > 200:
        error = FieldError(pointer="/display_name", expected="200 characters at most")
        raise Problem(422, "the name is too long", errors=[error])
    return name

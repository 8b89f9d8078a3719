"""Who asks: the own account, password and sessions."""

from __future__ import annotations

from cicswitch.api.accounts.model import Session
from cicswitch.api.accounts.passwords import acceptable
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.me import Me, NewPassword

__all__ = ["Me", "NewPassword"]


@endpoint("GET", "/me")
async def me(ask: Ask) -> Me:
    """Who asks, and what he may do."""
    principal = ask.principal
    return Me(
        account=principal.account,
        scopes=sorted(principal.scopes),
        via=principal.via,
        expires_at=principal.expires_at,
        csrf=principal.csrf,
    )


@endpoint("POST", "/me/password", errors=(409,), repeatable=False)
async def change_password(ask: Ask, body: NewPassword) -> None:
    """Give oneself another password. All other sessions end."""
    principal = ask.principal
    if principal.via != "session":
        raise Problem(403, "a token changes no password: sign in")
    directory, name = ask.api.directory, ask.account.name
    acceptable(body.new)
    if not await directory.is_password(name, body.current[:1024], ask.address, ask.now):
        error = FieldError(pointer="/current", expected="the password that it is now")
        raise Problem(422, "the password is another one", errors=[error])
    kept = await directory.hashed(body.new)
    actor = principal.actor(ask.address)
    await directory.run(
        directory.file.people.set_password, actor, ask.now, name, kept, keep=principal.id
    )


@endpoint("GET", "/me/sessions")
async def my_sessions(ask: Ask) -> Page[Session]:
    """One's own sessions, oldest first."""
    directory = ask.api.directory
    return Page(await directory.run(directory.file.sessions.of, ask.account.name))


@endpoint("DELETE", "/me/sessions/{session}")
async def end_my_session(ask: Ask, session: str) -> None:
    """End a session of one's own, say on a machine that was left."""
    directory = ask.api.directory
    actor = ask.principal.actor(ask.address)
    await directory.run(directory.file.sessions.end, actor, ask.now, session, ask.account.name)

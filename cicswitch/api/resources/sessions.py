"""Signing in and out, and the first account."""

from __future__ import annotations

from cicswitch.api.accounts.credentials import csrf_of
from cicswitch.api.accounts.model import Account, Session
from cicswitch.api.accounts.passwords import acceptable
from cicswitch.api.accounts.people import valid_name
from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.problems import Problem
from cicswitch.api.serving import cookie_of
from cicswitch.api.shapes.sessions import SetUp, SignedIn, SignIn

__all__ = ["SetUp", "SignIn", "SignedIn", "signed_in"]


@endpoint("POST", "/setup", scopes=None, status=201, errors=(404, 409))
async def set_up(ask: Ask, body: SetUp) -> Account:
    """Make the first administrator, with the code that the switch has printed.

    It works once, and only while there is no account.
    """
    account = Account(
        name=valid_name(body.name), display_name=body.display_name[:200], role="administrator"
    )
    return await ask.api.directory.set_up(
        body.code, account, acceptable(body.password), ask.address, ask.now
    )


@endpoint("POST", "/session", scopes=None, status=201, errors=(401,))
async def sign_in(ask: Ask, body: SignIn) -> Answer[SignedIn]:
    """Sign in by password; a cookie says who it is from then on."""
    client = ask.headers.get("user-agent", "")
    found = await ask.api.directory.sign_in(
        body.name, body.password[:1024], ask.address, client, ask.now
    )
    if found is None:
        raise Problem(401, "name or password is wrong, or the account is disabled")
    return signed_in(ask, *found)


def signed_in(ask: Ask, session: Session, account: Account, secret: str) -> Answer[SignedIn]:
    """The answer to who has signed in, with the cookie."""
    value = SignedIn(account, session, sorted(account.scopes), csrf_of(secret))
    seconds = int(session.expires_at - ask.now)
    return Answer(value, headers={"Set-Cookie": _cookie(ask, secret, seconds)})


@endpoint("DELETE", "/session", errors=(409,))
async def sign_out(ask: Ask) -> Answer[None]:
    """End the session that asks."""
    principal = ask.principal
    if principal.via != "session":
        raise Problem(409, "a token has no session")
    directory = ask.api.directory
    actor = principal.actor(ask.address)
    await directory.run(
        directory.file.sessions.end, actor, ask.now, principal.id, principal.account.name
    )
    return Answer(None, headers={"Set-Cookie": _cookie(ask, "", 0)})


def _cookie(ask: Ask, value: str, seconds: int) -> str:
    secure = "; Secure" if ask.secure else ""
    name = cookie_of(secure=ask.secure)
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"

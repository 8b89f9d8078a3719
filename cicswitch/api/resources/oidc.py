"""Signing in at an OpenID provider.

The provider sends the browser back to the console's page with `state` and `code`; the page hands
both in with the `proof` that it was given, so a link that somebody else has made signs nobody in.
"""

from __future__ import annotations

from typing import Any

import structlog

from cicswitch.api.accounts.model import Account, Actor
from cicswitch.api.accounts.people import valid_name
from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.oidc import Claims
from cicswitch.api.pages import ROOT
from cicswitch.api.problems import Problem
from cicswitch.api.resources.sessions import signed_in
from cicswitch.api.shapes.oidc import Begun, Provider, Providers, Returned
from cicswitch.api.shapes.sessions import SignedIn
from cicswitch.config import OidcConfig
from cicswitch.core.errors import CommandError, NotFound

__all__ = ["Begun", "Provider", "Providers", "Returned"]

log = structlog.get_logger("api")


@endpoint("GET", "/oidc", scopes=None)
async def providers(ask: Ask) -> Providers:
    """The OpenID providers at which people may sign in."""
    found = ask.api.config.oidc.items()
    return Providers([Provider(name, config.label or name) for name, config in found])


@endpoint("POST", "/oidc/{provider}", scopes=None, errors=(404,))
async def begin(ask: Ask, provider: str) -> Begun:
    """Begin to sign in at a provider: send the browser to `url`."""
    config = _provider(ask, provider)
    return Begun(*await ask.api.providers.begin(provider, config, _redirect(ask, config), ask.now))


@endpoint("POST", "/oidc/{provider}/session", scopes=None, status=201, errors=(401, 404, 409))
async def end(ask: Ask, provider: str, body: Returned) -> Answer[SignedIn]:
    """Sign in with what the browser is back with; a cookie says who it is from then on."""
    config = _provider(ask, provider)
    try:
        claims = await ask.api.providers.end(
            provider, config, _redirect(ask, config), body, ask.now
        )
        account, changes = _account(config, claims)
    except CommandError as error:
        log.warning("oidc_refused", provider=provider, why=str(error), remote=ask.address)
        raise Problem(401, str(error)) from None
    found = await ask.api.directory.admit(
        *(Actor(account.name, f"oidc {provider}", ask.address), account, changes),
        *(ask.headers.get("user-agent", ""), ask.now),
        make=bool(config.roles or config.new_role),
    )
    if found is None:
        why = f'there is no account "{account.name}", or it is disabled'
        log.warning("oidc_refused", provider=provider, why=why, remote=ask.address)
        raise Problem(401, why)
    return signed_in(ask, *found)


def _provider(ask: Ask, name: str) -> OidcConfig:
    found = ask.api.config.oidc.get(name)
    if found is None:
        raise NotFound(f'there is no OpenID provider "{name[:80]}"')
    return found


def _redirect(ask: Ask, config: OidcConfig) -> str:
    """Where the provider sends the browser: it has to be told of it before, word by word."""
    scheme = "https" if ask.secure else "http"
    return config.redirect or f"{scheme}://{ask.headers.get('host', '')}{ROOT}"


def _account(config: OidcConfig, claims: Claims) -> tuple[Account, dict[str, Any]]:
    """Whom the claims mean, and what of his account is as they say. Raises `CommandError`."""
    name = claims.get(config.name_claim)
    if not isinstance(name, str) or not name:
        raise CommandError(f'the provider does not say who it is: no claim "{config.name_claim}"')
    if config.name_claim == "email" and claims.get("email_verified") is not True:
        raise CommandError("the provider has not verified this address (email_verified)")
    changes: dict[str, Any] = {}
    if config.roles:
        given = claims.get(config.role_claim)
        groups = given if isinstance(given, list) else [given]
        roles = [role for group, role in config.roles.items() if group in groups]
        if not roles:
            raise CommandError(f'none of the roles is for "{name[:80]}" ({config.role_claim})')
        changes["role"] = roles[0]
    agent = claims.get(config.agent_claim) if config.agent_claim else None
    if isinstance(agent, str):
        changes["agent"] = agent[:80]
    shown = claims.get("name")
    account = Account(
        name=valid_name(name.lower()),
        display_name=shown[:200] if isinstance(shown, str) else "",
        role=changes.get("role") or config.new_role or "agent",
        agent=changes.get("agent", ""),
    )
    return account, changes

"""Commands about accounts and tokens of the API: on their file, whether or not the switch runs."""

from __future__ import annotations

import contextlib
import getpass
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, load_config, print_json
from cicswitch.core.errors import CommandError

if TYPE_CHECKING:
    from cicswitch.api.accounts.directory import AccountFile
    from cicswitch.api.accounts.model import Actor

account_app = typer.Typer(no_args_is_help=True, help="Accounts of the API and the console.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens by which programs use the API.")
app.add_typer(account_app, name="account")
app.add_typer(token_app, name="token")

AccountName = Annotated[str, typer.Argument(help="The account's name.")]


@contextlib.contextmanager
def _opened(config: Path | None) -> Iterator[tuple[AccountFile, Actor, Any]]:
    from cicswitch.api.accounts.directory import AccountFile
    from cicswitch.api.accounts.model import Actor

    settings = load_config(config)
    file = AccountFile(settings.path(settings.http.accounts))
    file.open()
    try:
        yield file, Actor(getpass.getuser(), "command-line"), settings
    finally:
        file.close()


def _password() -> str:
    """Asked for twice at a terminal; else the first line that comes in."""
    from cicswitch.api.accounts.passwords import Passwords, acceptable

    if sys.stdin.isatty():
        text = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    return Passwords().hash(acceptable(text))


def _day(at: float | None, without: str) -> str:
    return without if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


@account_app.command("add")
def account_add(
    name: AccountName,
    role: Annotated[
        str, typer.Option(help="agent, supervisor, quality, planner or administrator.")
    ] = "agent",
    agent: Annotated[str, typer.Option(help="The agent that it acts for.")] = "",
    display_name: Annotated[str, typer.Option(help="As people are to see it.")] = "",
    config: ConfigOption = None,
) -> None:
    """Make an account. The password is asked for, or is the first line of the input.

    Example: cicswitch account add kim --role agent --agent kim
    """
    from cicswitch.api.accounts.model import Account
    from cicswitch.api.accounts.people import valid_name
    from cicswitch.api.accounts.roles import ROLES

    if role not in ROLES:
        raise typer.BadParameter(f"one of {', '.join(ROLES)}", param_hint="--role")
    valid_name(name)
    with _opened(config) as (file, actor, settings):
        if agent and agent not in settings.agent:
            raise CommandError(f'there is no agent "{agent}" in the configuration')
        account = Account(name=name, display_name=display_name, role=role, agent=agent)
        file.people.add(actor, time.time(), account, _password())
    print(f"made account {name}, {role}")


@account_app.command("list")
def account_list(config: ConfigOption = None, json: JsonOption = False) -> None:
    """All accounts."""
    with _opened(config) as (file, _, _settings):
        accounts = file.people.page("", -1)
    if json:
        print_json(accounts)
        return
    for account in accounts:
        agent = f", agent {account.agent}" if account.agent else ""
        disabled = ", disabled" if account.disabled else ""
        print(f"{account.name:20} {account.role:13} {account.display_name}{agent}{disabled}")
    if not accounts:
        print("there is no account: cicswitch account add NAME --role administrator")


@account_app.command("passwd")
def account_passwd(name: AccountName, config: ConfigOption = None) -> None:
    """Give an account another password; its sessions end. Input as for `add`."""
    with _opened(config) as (file, actor, _):
        file.people.find(name)
        file.people.set_password(actor, time.time(), name, _password())
    print(f"changed the password of {name}")


@account_app.command("disable")
def account_disable(
    name: AccountName,
    undo: Annotated[bool, typer.Option("--undo", help="Let it sign in again.")] = False,
    config: ConfigOption = None,
) -> None:
    """Let an account sign in no more: its sessions end, its tokens are good for nothing."""
    with _opened(config) as (file, actor, _):
        file.people.change(actor, time.time(), name, {"disabled": not undo})
    print(f"{name} is {'enabled' if undo else 'disabled'}")


@account_app.command("remove")
def account_remove(name: AccountName, config: ConfigOption = None) -> None:
    """Remove an account with its sessions and tokens. The audit log keeps its name."""
    with _opened(config) as (file, actor, _):
        file.people.remove(actor, time.time(), name)
    print(f"removed account {name}")


@token_app.command("add")
def token_add(
    account: Annotated[str, typer.Argument(help="The account that it belongs to.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; again for more.")],
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[float, typer.Option(help="How long it is good; 0: for ever.", min=0)] = 90,
    config: ConfigOption = None,
) -> None:
    """Make a token; it is printed once, and kept nowhere.

    Example: cicswitch token add wall --scope queues:read --scope agents:read --label wallboard
    """
    from cicswitch.api.accounts.roles import SCOPES

    for name in scope:
        if name not in SCOPES:
            raise typer.BadParameter(f"one of {', '.join(SCOPES)}", param_hint="--scope")
    now = time.time()
    with _opened(config) as (file, actor, _):
        until = now + days * 86400 if days else None
        token, secret = file.tokens.add(actor, now, account, label, tuple(scope), until)
    print(f"token {token.id}, good until {_day(until, 'it is revoked')}", file=sys.stderr)
    print(secret)


@token_app.command("list")
def token_list(
    account: Annotated[str, typer.Argument(help="Only those of this account.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tokens, their owners, and when they were used last."""
    with _opened(config) as (file, _, _settings):
        tokens = file.tokens.of(account) if account else file.tokens.all()
    if json:
        print_json(tokens)
        return
    for token in tokens:
        print(
            f"{token.id}  {token.account:16} until {_day(token.expires_at, 'revoked'):16}"
            f"  used {_day(token.used_at, 'never'):16}  {token.label}  {' '.join(token.scopes)}"
        )


@token_app.command("revoke")
def token_revoke(
    token: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Take a token back."""
    with _opened(config) as (file, actor, _):
        file.tokens.revoke(actor, time.time(), token)
    print(f"revoked token {token}")

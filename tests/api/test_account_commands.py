"""`cicswitch account` and `cicswitch token`, as people run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cicswitch.api.accounts.credentials import digest_of
from cicswitch.api.accounts.directory import AccountFile
from tests.operation.test_daemon import configure
from tests.support.ports import free_port


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configure(tmp_path, free_port(), free_port(), '[http]\naccounts = "people/a.db"\n')


def cicswitch(config: Path, *words: str, stdin: str = "", status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cicswitch.cli", *words, "-c", str(config)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def test_an_account_from_its_beginning_to_its_end(config: Path) -> None:
    secret = "a long password"
    words = ("account", "add", "kim", "--agent", "kim", "--display-name", "Kim")
    assert cicswitch(config, *words, stdin=secret + "\n") == "made account kim, agent\n"
    assert (config.parent / "people" / "a.db").exists()
    listed = cicswitch(config, "account", "list")
    assert listed.split() == ["kim", "agent", "Kim,", "agent", "kim"]
    cicswitch(config, "account", "passwd", "kim", stdin="another password\n")
    cicswitch(config, "account", "disable", "kim")
    (account,) = msgspec.json.decode(cicswitch(config, "account", "list", "--json"))
    assert (account["disabled"], account["version"]) == (True, 3)
    cicswitch(config, "account", "disable", "kim", "--undo")
    cicswitch(config, "account", "remove", "kim")
    assert "there is no account" in cicswitch(config, "account", "list")
    file = AccountFile(config.parent / "people" / "a.db")
    file.open()
    actions = [entry.action.removeprefix("account.") for entry in file.audit.page(0, 10)]
    assert actions == ["add", "password", "change", "change", "remove"]
    assert {entry.via for entry in file.audit.page(0, 10)} == {"command-line"}


def test_a_token_is_printed_once(config: Path) -> None:
    cicswitch(config, "account", "add", "wall", "--role", "planner", stdin="a long password\n")
    words = ("token", "add", "wall", "--scope", "queues:read", "--label", "wallboard")
    secret = cicswitch(config, *words).strip()
    listed = cicswitch(config, "token", "list")
    assert secret not in listed
    assert "wallboard" in listed
    file = AccountFile(config.parent / "people" / "a.db")
    file.open()
    found = file.tokens.use(digest_of(secret), 1.0)
    assert found is not None
    assert found[0].scopes == ("queues:read",)
    file.close()
    cicswitch(config, "token", "revoke", found[0].id)
    assert cicswitch(config, "token", "list", "wall") == ""


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (("account", "add", "kim", "--role", "king"), 2, "one of agent, supervisor"),
        (("account", "add", "Kim"), 1, '"Kim" is no name'),
        (("account", "add", "kim", "--agent", "leo"), 1, 'no agent "leo"'),
        (("account", "add", "kim"), 1, "a password has 10 to 256 characters"),
        (("account", "remove", "kim"), 1, 'there is no account "kim"'),
        (("account", "passwd", "kim"), 1, 'there is no account "kim"'),
        (("token", "add", "kim", "--scope", "everything"), 2, "one of queues:read"),
        (("token", "add", "kim", "--scope", "queues:read"), 1, 'there is no account "kim"'),
        (("token", "revoke", "x"), 1, 'there is no token "x"'),
    ],
)
def test_a_mistake_is_a_clear_line(
    config: Path, words: tuple[str, ...], status: int, text: str
) -> None:
    assert text in " ".join(cicswitch(config, *words, stdin="short\n", status=status).split())

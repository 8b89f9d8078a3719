"""Which switch a command is for: the one of this machine by its control socket, or one by its API.

`--url` chooses the API, or CICSWITCH_URL where no `--config` is given. What is chosen holds for one
command, so it is a context variable.
"""

from __future__ import annotations

import os
import ssl
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer
from msgspec import Struct

from cicswitch.core.errors import CommandError

__all__ = ["REMOTE", "Target", "choose", "chosen", "remote"]

REMOTE = (
    *("status", "queues", "agent", "interactions", "calls", "hangup", "callbacks"),
    *("channels", "customers"),
    *("move", "prioritise", "explain", "trace", "report", "check", "reload"),
)
"""The commands that can ask a switch by its API."""
_HERE = ("127.0.0.1", "::1", "localhost")


class Target(Struct, frozen=True):
    """A switch's API, and who asks."""

    url: str
    token: str
    verify: Any
    """As in httpx."""
    timeout_s: float
    explicit: bool
    """By `--url`, not by the environment."""


_chosen: ContextVar[Target | None] = ContextVar("target", default=None)


def choose(
    url: str, token_file: Path | None, ca_file: Path | None, timeout_s: float, *, explicit: bool
) -> None:
    """Take a switch for this command; an empty `url` is the control socket.

    Raises `BadParameter` for an address that is none, `CommandError` for a file that cannot be
    read.
    """
    if not url:
        _chosen.set(None)
        return
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname or split.query:
        expected = "expected http://HOST:PORT or https://HOST:PORT"
        raise typer.BadParameter(f'"{url}" is no address: {expected}', param_hint="--url")
    if split.username is not None:
        raise typer.BadParameter("a name in an address is not used: give a token")
    token = _token(token_file)
    if token and split.scheme == "http" and split.hostname not in _HERE:
        print(f"cicswitch: the token goes to {split.hostname} unencrypted", file=sys.stderr)
    verify = _verify(ca_file) if split.scheme == "https" else True
    _chosen.set(Target(url, token, verify, timeout_s, explicit))


def chosen() -> Target | None:
    """The switch of this command; None: this machine's."""
    return _chosen.get()


def remote(config: Path | None) -> Target | None:
    """The same for a command that has `--config`. Raises `BadParameter` where both are given."""
    target = _chosen.get()
    if target is None or config is None:
        return target
    if target.explicit:
        raise typer.BadParameter("a switch is asked by --url or by --config, not by both")
    return None  # what stands in the command counts for more than the environment


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("CICSWITCH_TOKEN", "").strip()
    try:
        text = file.read_text("utf-8").strip()
        open_to_all = bool(file.stat().st_mode & 0o077) and file.is_file()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"the token cannot be read: {file}: {reason}") from None
    if not text or len(text.split()) != 1:
        raise CommandError(f"{file}: expected a token and nothing else")
    if open_to_all:
        print(f"cicswitch: others may read the token: chmod 600 {file}", file=sys.stderr)
    return text


def _verify(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"no certificates can be read: {ca_file}: {reason}") from None

"""What all commands share: the application, the options they have in common, asking the switch."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cicswitch.core.version import BUILD, __version__

__all__ = [
    "ConfigOption",
    "JsonOption",
    "app",
    "ask",
    "console",
    "instant",
    "load_config",
    "print_json",
]

app = typer.Typer(
    name="cicswitch",
    help="A telephony switch and routing engine for customer interaction centers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration; default: ./cicswitch.toml or built in."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for programs.")]


def load_config(path: Path | None) -> Any:
    """The configuration of `--config`, or the one that is here, or the built-in one."""
    from cicswitch.config import default_path, load

    return load(path or default_path())


def ask(config: Path | None, **asked: Any) -> Any:
    """Ask the running switch by its control socket."""
    from cicswitch.api.control import request

    settings = load_config(config)
    return request(settings.path(settings.control), asked)


def print_json(value: Any) -> None:
    """For programs: one JSON value, indented."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def instant(text: str, now: float) -> float:
    """`today`, `-2h`, `-30m`, `-7d`, or ISO 8601 (UTC without an offset)."""
    if text == "now":
        return now
    if text == "today":
        return now - now % 86400
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    if text.startswith("-") and text[-1] in units and text[1:-1].isdigit():
        return now - int(text[1:-1]) * units[text[-1]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f'"{text}" is no time: today, -2h, or 2026-05-04T09:00') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def console() -> Any:
    """Where tables go: as wide as the terminal, or 160 columns into a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"cicswitch {__version__} ({BUILD})")
        raise typer.Exit

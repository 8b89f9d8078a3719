"""What all commands share: the application, the options they have in common, asking the switch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cicswitch.cli.target import REMOTE, choose, remote
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
    "table",
]

app = typer.Typer(
    name="cicswitch",
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
    """Ask the running switch: by its control socket, or by its API where one is chosen.

    `within_s` is no part of the request: so long the control socket may take.
    """
    within_s = asked.pop("within_s", 5.0)
    target = remote(config)
    if target is not None:
        from cicswitch.cli.remote import ask_api

        return ask_api(target, asked)
    from cicswitch.api.control import request

    settings = load_config(config)
    reply = request(settings.path(settings.control), asked, within_s)
    return reply[asked["part"]] if "part" in asked else reply


def print_json(value: Any) -> None:
    """For programs: one JSON value, indented."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print rows under their heads; `right` names the columns that stand to the right."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False)
    for column in columns:
        shown.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*("–" if cell is None else Text(str(cell)) for cell in row))
    console().print(shown)


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
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    url: Annotated[
        str,
        typer.Option(
            envvar="CICSWITCH_URL",
            metavar="URL",
            help="Ask a switch by its API, https://HOST:8080; without it this machine's.",
        ),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The API token; else the variable CICSWITCH_TOKEN."),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="CICSWITCH_CA_FILE",
            metavar="FILE",
            help="Certificates to trust, PEM; without it those of the system.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for an answer of the API.")
    ] = 30.0,
) -> None:
    """A telephony switch and routing engine for customer interaction centers.

    Commands ask the switch of this machine, or with --url another one by its API:

    cicswitch --url https://switch.example:8080 --token-file token agent pause kim meal

    Exit status: 0 done, 1 it failed (the reason is one line), 2 wrong usage.
    """
    if version:
        print(f"cicswitch {__version__} ({BUILD})")
        raise typer.Exit
    command = context.invoked_subcommand
    given = _by_hand(context, "url")
    if given and command is not None and command not in REMOTE:
        told = f"`cicswitch {command}` is for this machine only; with it: {', '.join(REMOTE)}"
        raise typer.BadParameter(told, param_hint="--url")
    for name in ("token_file", "ca_file", "timeout"):
        if not url and _by_hand(context, name):
            hint = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("it takes --url, or CICSWITCH_URL", param_hint=hint)
    choose(url if command in REMOTE else "", token_file, ca_file, timeout, explicit=given)


def _by_hand(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"

"""Commands about records and hours: reports, the journal, what is open when."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from cicswitch.cli.base import (
    ConfigOption,
    JsonOption,
    app,
    ask,
    instant,
    load_config,
    print_json,
)
from cicswitch.cli.target import remote


@app.command()
def report(
    config: ConfigOption = None,
    since: Annotated[str, typer.Option(help="today, -2h, -7d or 2026-05-04T09:00.")] = "today",
    until: Annotated[str, typer.Option(help="The end, in the same forms.")] = "now",
    service_level: Annotated[
        str, typer.Option(help="answered_or_abandoned, answered_only, abandons_met, with_flow_outs")
    ] = "answered_or_abandoned",
    by: Annotated[str, typer.Option(help="queue, or segment of customers.")] = "queue",
    json: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="A row a queue and a row an agent.")] = False,
) -> None:
    """Figures of queues and agents, with their formulas. Works beside a running switch.

    Example: cicswitch report --since -7d --csv > week.csv
    """
    from msgspec import convert, to_builtins
    from rich.console import Console

    from cicswitch.records.report import FORMULAS
    from cicswitch.reporting import Report, gather, limits_of
    from cicswitch.terminal.report import as_json, print_csv, print_tables

    variants = ("answered_or_abandoned", "answered_only", "abandons_met", "with_flow_outs")
    if service_level not in variants or service_level not in FORMULAS:
        raise typer.BadParameter(f"one of {', '.join(variants)}", param_hint="--service-level")
    if by not in ("queue", "segment"):
        raise typer.BadParameter("queue or segment", param_hint="--by")
    now = time.time()
    begin, end = instant(since, now), instant(until, now)
    if remote(config) is not None:
        asked = {"since": begin, "until": end, "by": by, "service_level": service_level}
        gathered = convert(to_builtins(ask(config, do="report", **asked)), Report)
    else:
        settings = load_config(config)
        gathered = gather(
            settings.store_place(),
            limits_of(settings),
            begin,
            end,
            service_level,  # type: ignore[arg-type]  # checked above
            by,
        )
    if json:
        print(as_json(gathered))
    elif csv:
        print_csv(gathered)
    else:
        print_tables(gathered, Console(width=None if sys.stdout.isatty() else 160))


@app.command()
def hours(
    name: Annotated[str, typer.Argument(help="A table of hours; without it all.")] = "",
    at: Annotated[str, typer.Option(help="now, -2h or 2026-12-25T12:00.")] = "now",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What is open and why, and the next changes. Reads the configuration, asks no switch.

    A time without an offset is UTC. Hours of a dialplan are called FILE:NAME.

    Example: cicswitch hours office --at 2026-12-25T12:00+09:00
    """
    from cicswitch.terminal.hours import hours_at, lines

    found = hours_at(load_config(config), name, instant(at, time.time()))
    if json:
        print_json(found)
        return
    for line in lines(found) or ["there are no hours"]:
        print(line)


@app.command()
def replay(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Run the journal's commands through the ACD again; ends with 1 if it decides otherwise."""
    import msgspec

    from cicswitch.records.journal import decode_batch
    from cicswitch.records.replay import replay as run_again
    from cicswitch.store.journal import batches
    from cicswitch.store.reader import reading

    with reading(load_config(config).store_place()) as db:
        runs = list(run_again(event for data in batches(db) for event in decode_batch(data)))
    if json:
        print_json([msgspec.to_builtins(run) for run in runs])
    for run in [] if json else runs:
        when = datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="seconds")
        print(f"{when}  {run.commands} commands, {run.decided} decisions the same")
        if not run.same:
            print(f"  expected {run.expected}\n  got      {run.got}")
    if not all(run.same for run in runs):
        raise typer.Exit(1)

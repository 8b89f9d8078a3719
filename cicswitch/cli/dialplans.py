"""Commands that test and try dialplans."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from cicswitch.cli.base import ConfigOption, app, instant, load_config

dialplan_app = typer.Typer(no_args_is_help=True, help="Test and try dialplans.")
app.add_typer(dialplan_app, name="dialplan")


@dialplan_app.command("test")
def dialplan_test(
    files: Annotated[list[Path] | None, typer.Argument(help="*.test.toml; default: all.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run the example journeys that stand beside dialplans: `cicswitch dialplan test`."""
    from cicswitch.dialplan.journey import run_journeys

    settings = load_config(config)
    found = files or [
        path
        for pattern in settings.dialplans
        for path in sorted(Path(settings.directory).glob(pattern.replace(".toml", ".test.toml")))
    ]
    results = run_journeys(found, settings.plan)
    for result in results:
        print(result)
    failed = sum(not result.ok for result in results)
    print(f"{len(results)} journeys, {failed} failed")
    raise typer.Exit(1 if failed or not results else 0)


@dialplan_app.command("try")
def dialplan_try(
    called: Annotated[str, typer.Argument(help="The number that is called.")],
    caller: Annotated[str, typer.Option(help="The caller's number.")] = "",
    trunk: Annotated[str, typer.Option(help="The trunk, or device.")] = "device",
    at: Annotated[str, typer.Option(help="When, as in `report --since`.")] = "now",
    config: ConfigOption = None,
) -> None:
    """Which route would take a call: `cicswitch dialplan try 5002 --at 2026-12-25T12:00`."""
    from cicswitch.dialplan.match import Matcher

    settings = load_config(config)
    found = Matcher(settings.plan).match(trunk, called, caller, instant(at, time.time()))
    if found is None:
        print(f"no route: the caller would hear 404 for {called}")
        raise typer.Exit(1)
    route, plan = found
    print(f"{plan.file}: route {route.name or '(no name)'} → flow {route.flow}")

"""The command that runs the ACD at virtual time."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, console, load_config


@app.command()
def simulate(
    scenario: Annotated[
        Path | None, typer.Argument(help="A scenario in TOML; see docs/simulation.md.")
    ] = None,
    config: ConfigOption = None,
    seeds: Annotated[int, typer.Option(help="How many runs; default: the scenario's.", min=0)] = 0,
    hours: Annotated[float, typer.Option(help="How long; default: the scenario's.", min=0)] = 0.0,
    interval: Annotated[
        int, typer.Option(help="Figures of parts of the day too: minutes, such as 30.", min=0)
    ] = 0,
    json: JsonOption = False,
    plot: Annotated[Path | None, typer.Option(help="Draw a PNG into this file.")] = None,
    journal: Annotated[
        str, typer.Option(help="A store, a file or a URL: run a day of it again.")
    ] = "",
    day: Annotated[str, typer.Option(help="2026-05-04 (UTC), or 2026-05-04T00:00+09:00.")] = "",
    against: Annotated[
        Path | None, typer.Option(help="The configuration to compare with, for --journal.")
    ] = None,
) -> None:
    """The ACD at virtual time: service level, waits and occupancy before anybody calls.

    Example: cicswitch simulate docs/examples/simulation.toml --seeds 10
    Example: cicswitch simulate --journal var/cicswitch.db --day 2026-05-04 --config new.toml
    """
    from cicswitch.terminal import simulation

    if (scenario is None) == (not journal):
        raise typer.BadParameter("either a scenario or --journal")
    if journal:
        if hours or interval:
            raise typer.BadParameter("--hours and --interval need a scenario")
        _simulate_day(journal, day, config, against, seeds or 5, json=json, image=plot)
        return
    assert scenario is not None
    if day or against is not None:
        raise typer.BadParameter("--day and --against need --journal")
    from msgspec import structs

    from cicswitch.simulate import results
    from cicswitch.simulate.scenario import config_of, load

    settings = load_config(config or config_of(scenario))
    read = load(scenario, settings, hours, simulation.source)
    model = structs.replace(read.model, choosers=simulation.policies(settings))
    with simulation.progress("simulating") as progress:
        found = results.simulate(
            model,
            seeds=seeds or read.seeds,
            seed=read.seed,
            interval_s=interval * 60.0,
            progress=progress,
        )
    if plot is not None:
        simulation.plot(found, plot)
    if json:
        print(simulation.as_json(found))
    else:
        simulation.print_report(found, console())


def _simulate_day(
    journal: str,
    day: str,
    config: Path | None,
    against: Path | None,
    seeds: int,
    *,
    json: bool,
    image: Path | None,
) -> None:
    from cicswitch.config import default_path
    from cicswitch.simulate import results
    from cicswitch.simulate.history import models, read_day, recorded
    from cicswitch.terminal import simulation

    try:
        begin = datetime.fromisoformat(day)
    except ValueError:
        raise typer.BadParameter(f'"{day}" is no day: 2026-05-04', param_hint="--day") from None
    found_day = read_day(
        simulation.source(journal), begin if begin.tzinfo else begin.replace(tzinfo=UTC)
    )
    paths = (against or default_path(), config or default_path())
    both = [load_config(path) for path in paths]
    for path, settings in zip(paths, both, strict=True):
        for queue, count in found_day.left_out(settings.queue).items():
            why = "nobody was answered" if queue in settings.queue else f"{path} does not have it"
            print(f"left out: {count} contacts of queue {queue}, {why}", file=sys.stderr)
    with simulation.progress("simulating") as progress:
        before, after = (
            results.simulate(
                models(found_day, settings, simulation.policies(settings)),
                seeds=seeds,
                progress=lambda done, place=place: progress((place + done) / 2),  # type: ignore[misc]  # place is bound
            )
            for place, settings in enumerate(both)
        )
    limits = {
        name: (float(queue.service_level_s), queue.short_abandon_s)
        for name, queue in both[0].queue.items()
    }
    found = results.compare(before, after, recorded(found_day, limits))
    short = paths[0].name != paths[1].name
    names = (paths[0].name, paths[1].name) if short else (str(paths[0]), str(paths[1]))
    if image is not None:
        simulation.plot(found, image, names)
    if json:
        print(simulation.as_json(found))
    else:
        simulation.print_comparison(found, console(), names)

"""Commands that start other programs: the phone, the benches."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cicswitch.cli.base import JsonOption, app
from cicswitch.core.errors import CommandError


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def phone(context: typer.Context) -> None:
    """A headless SIP phone (PJSIP) for trials and tests; `cicswitch phone --help` for its options.

    Example: cicswitch phone --user 1001 --password phone-1001 --register --answer-after 0
    """
    # A process of its own: PJSIP is GPL and must not be loaded into ours.
    os.execv(sys.executable, [sys.executable, "-m", "cicswitch.phone", *context.args])


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="The bench, or all.")],
    json: JsonOption = False,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter and coarser.")] = False,
    target: Annotated[str, typer.Option(help="HOST:PORT of another switch to drive.")] = "",
    pid: Annotated[int, typer.Option(help="Its process, for CPU and memory.")] = 0,
    calls: Annotated[int, typer.Option(help="How many, where a bench counts calls.")] = 0,
    agents: Annotated[int, typer.Option(help="How many agents `queue` and `acd` have.")] = 0,
    waiting: Annotated[
        int | None, typer.Option(min=0, help="How many wait in `acd`; 0: some agents are free.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Only this rate, calls a second.")] = 0.0,
    record: Annotated[bool, typer.Option("--record", help="`relay` records every call.")] = False,
    profile: Annotated[str, typer.Option(help="Write cProfile's figures here.")] = "",
) -> None:
    """Measure the switch: dial, queue, acd, relay, memory, overload, leak, webrtc, api, fax; in a
    checkout only.

    Another switch (`--target`) must let calls in from 127.0.0.2:15060 and dial all numbers out to
    127.0.0.3:15070. Example: cicswitch bench dial --json
    """
    # This folder, the one that holds the virtual environment, the one that holds the sources.
    places = (Path.cwd(), Path(sys.prefix).parent, Path(__file__).parents[2])
    checkout = next((place for place in places if (place / "bench" / "run.py").exists()), None)
    if checkout is None:
        raise CommandError("bench needs a checkout: the scenarios are not part of the package")
    sys.path.append(str(checkout))
    from bench.result import Options
    from bench.run import main as run_bench

    options = Options(quick, target, pid, calls, agents, waiting, rate, record, profile)
    run_bench(name, options, json=json)

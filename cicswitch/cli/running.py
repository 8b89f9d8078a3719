"""Commands that run the switch, check it, change it and stop it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, ask, load_config, print_json
from cicswitch.cli.target import chosen
from cicswitch.core.errors import CicError, CommandError


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the switch in the foreground until SIGTERM or Ctrl-C.

    SIGHUP reloads the configuration. SIGTERM lets calls end for `sip.drain_s` seconds; a second one
    ends them at once.

    Example: cicswitch run -c /etc/cicswitch/cicswitch.toml
    """
    from cicswitch.config import default_path
    from cicswitch.runtime import heap, log

    heap.keep_flat()
    path = config or default_path()
    settings = load_config(path)
    log.configure(settings.logging.level, settings.logging.format, settings.logging.redact)
    import uvloop

    from cicswitch.daemon import serve

    with _no_tracebacks():
        raise SystemExit(uvloop.run(serve(path, on_start=_beside)))


@contextlib.contextmanager
def _no_tracebacks() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None


async def _beside(switch: Any) -> list[Callable[[], Awaitable[None]]]:
    """Start what stands beside a switch: control socket, webhooks and API."""
    from cicswitch.api.control import ControlServer
    from cicswitch.api.handlers import handlers_of
    from cicswitch.terminal.welcome import welcome
    from cicswitch.webhooks import Webhooks

    stops: list[Callable[[], Awaitable[None]]] = []
    config = switch.config
    control = ControlServer(config.path(config.control), handlers_of(switch))
    webhooks = Webhooks(switch)
    web = None
    try:
        await control.start()
        stops.append(control.stop)
        await webhooks.start()
        stops.append(webhooks.stop)
        if config.http.enabled:
            from cicswitch.web import Web

            web = Web(switch, webhooks)
            await web.start()
            stops.append(web.stop)
    except CicError:
        for stop in reversed(stops):
            await stop()
        await switch.stop("failed start")
        raise
    print(welcome(switch, web), file=sys.stderr, flush=True)
    return stops


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The configuration to check.")] = None,
    json: JsonOption = False,
) -> None:
    """Check a configuration and its dialplans without starting.

    Prints `FILE:LINE: KEY: found …, expected …` for every mistake; exit status 1 if there is one.

    With --url the switch there checks it, with the files that are there.

    Example: cicswitch check cicswitch.toml && systemctl reload cicswitch
    """
    from cicswitch.config import check as findings_of
    from cicswitch.config import default_path

    path = file or default_path()
    target = chosen()
    if target is not None and target.explicit:
        findings = ask(None, do="check", text=_text(path))
    else:
        findings = findings_of(path)
    notes = [] if findings or (target is not None and target.explicit) else _notes(path)
    if json:
        print_json({"file": str(path), "findings": findings})
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{path}: all is well")
        for note in notes:
            print(f"note: {note}")
    raise typer.Exit(1 if findings else 0)


def _notes(path: Path) -> list[str]:
    """What this machine lacks for what is configured: no mistake, but it will not work."""
    from cicswitch.config import load
    from cicswitch.media.spandsp import missing as no_terminal
    from cicswitch.paper import missing as no_pages

    if not any(channel.type == "fax" for channel in load(path).channel.values()):
        return []
    return [note for note in (no_terminal(), no_pages()) if note]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write; made if missing.")] = Path(),
) -> None:
    """Write the commented default configuration and the example dialplans into a folder.

    Nothing that is there is overwritten. Example: cicswitch init /etc/cicswitch
    """
    from cicswitch.config import default_path

    source = default_path()
    folder.mkdir(parents=True, exist_ok=True)
    plans = source.parent / "dialplans"
    pairs = [(source, folder / "cicswitch.toml")]
    pairs += [(plan, folder / "dialplans" / plan.name) for plan in sorted(plans.glob("*.toml"))]
    for origin, target in pairs:
        if target.exists():
            print(f"{target} is there already, left as it is")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(origin.read_bytes())
        print(f"wrote {target}")


@app.command()
def reload(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Take over the changed configuration file without dropping a call.

    Example: cicswitch --url https://switch.example:8080 --token-file token reload
    """
    reply = ask(config, do="reload")
    if json:
        print_json(reply)
        raise typer.Exit(1 if reply["findings"] else 0)
    for finding in reply["findings"]:
        print(finding, file=sys.stderr)
    if reply["findings"]:
        print("nothing was changed", file=sys.stderr)
        raise typer.Exit(1)
    print("reloaded" + "".join(f"\n  {note}" for note in reply["notes"]))


@app.command()
def stop(
    config: ConfigOption = None,
    now: Annotated[bool, typer.Option("--now", help="End calls in progress at once.")] = False,
) -> None:
    """Stop the running switch: drain, then end."""
    pid = ask(config, do="ping")["pid"]
    os.kill(pid, signal.SIGTERM)
    if now:
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
    print(f"asked process {pid} to stop")


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(help="How long.", min=5)] = 120.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same customers.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with its records.")] = False,
) -> None:
    """A switch, four agents and a stream of customers who speak, on this machine; then the report.

    Example: cicswitch demo --seconds 40
    """
    from cicswitch.demo import run_demo

    run_demo(seconds=seconds, seed=seed, keep=keep)

"""The command line. Exit status: 0 done, 1 it failed (the reason is one line), 2 wrong usage."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cicswitch.core.errors import CicError, CommandError, ConfigError
from cicswitch.core.version import BUILD, __version__

__all__ = ["app", "main"]

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


def main() -> None:
    """The entry point of the command."""
    try:
        app()
    except ConfigError as error:
        for finding in error.findings:
            print(finding, file=sys.stderr)
        raise SystemExit(1) from None
    except CicError as error:
        print(f"cicswitch: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has had enough
        raise SystemExit(0) from None


def _load(path: Path | None) -> Any:
    from cicswitch.config import default_path, load

    return load(path or default_path())


def _ask(config: Path | None, **asked: Any) -> Any:
    """Ask the running switch by its control socket."""
    from cicswitch.api.control import request

    settings = _load(config)
    return request(settings.path(settings.control), asked)


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"cicswitch {__version__} ({BUILD})")
        raise typer.Exit


# -- running ---------------------------------------------------------------------------------------


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
    settings = _load(path)
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
    """Start what stands beside a switch: control socket and HTTP."""
    from cicswitch.api.control import ControlServer
    from cicswitch.api.handlers import explain as explain_now
    from cicswitch.api.handlers import handlers_of
    from cicswitch.terminal.welcome import welcome

    stops: list[Callable[[], Awaitable[None]]] = []
    config = switch.config
    control = ControlServer(config.path(config.control), handlers_of(switch))
    http_port = None
    try:
        await control.start()
        stops.append(control.stop)
        if config.http.enabled:
            from cicswitch.api.http import HttpServer
            from cicswitch.api.metrics import registry_of
            from cicswitch.api.snapshot import health

            endpoint = config.http_endpoint()
            http = HttpServer(
                endpoint.host,
                endpoint.port,
                lambda: health(switch),
                lambda name, language: explain_now(switch, name, language),
                registry_of(switch),
            )
            await http.start()
            http_port = http.port
            stops.append(http.stop)
    except CicError:
        for stop in reversed(stops):
            await stop()
        await switch.stop("failed start")
        raise
    print(welcome(switch, http_port), file=sys.stderr, flush=True)
    return stops


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="The configuration to check.")] = None,
    json: JsonOption = False,
) -> None:
    """Check a configuration and its dialplans without starting.

    Prints `FILE:LINE: KEY: found …, expected …` for every mistake; exit status 1 if there is one.

    Example: cicswitch check cicswitch.toml && systemctl reload cicswitch
    """
    from cicswitch.config import check as findings_of
    from cicswitch.config import default_path

    path = file or default_path()
    findings = findings_of(path)
    if json:
        _print_json({"file": str(path), "findings": findings})
    else:
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{path}: all is well")
    raise typer.Exit(1 if findings else 0)


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
def reload(config: ConfigOption = None) -> None:
    """Take over the changed configuration file without dropping a call."""
    reply = _ask(config, do="reload")
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
    pid = _ask(config, do="ping")["pid"]
    os.kill(pid, signal.SIGTERM)
    if now:
        time.sleep(0.2)
        os.kill(pid, signal.SIGTERM)
    print(f"asked process {pid} to stop")


# -- agents ----------------------------------------------------------------------------------------

agent_app = typer.Typer(no_args_is_help=True, help="Sign agents in and out, pause them, list them.")
app.add_typer(agent_app, name="agent")
AgentName = Annotated[str, typer.Argument(help="The agent's name in the configuration.")]


def _agent(config: Path | None, agent: str, action: str, code: str = "") -> None:
    reply = _ask(config, do="agent", agent=agent, action=action, code=code)
    print(f"{reply['agent']}: {reply['state']}" + (f" ({reply['code']})" if reply["code"] else ""))


@agent_app.command("sign-in")
def agent_sign_in(agent: AgentName, config: ConfigOption = None) -> None:
    """The agent begins to work: `cicswitch agent sign-in kim`."""
    _agent(config, agent, "sign-in")


@agent_app.command("sign-out")
def agent_sign_out(agent: AgentName, config: ConfigOption = None) -> None:
    """The agent goes, after the interaction in hand."""
    _agent(config, agent, "sign-out")


@agent_app.command("pause")
def agent_pause(
    agent: AgentName,
    code: Annotated[str, typer.Argument(help="A pause code, such as break or meal.")] = "",
    config: ConfigOption = None,
) -> None:
    """The agent takes no interactions: `cicswitch agent pause kim meal`."""
    _agent(config, agent, "pause", code)


@agent_app.command("ready")
def agent_ready(agent: AgentName, config: ConfigOption = None) -> None:
    """The agent is idle again, after a pause, wrap-up or not responding."""
    _agent(config, agent, "ready")


@agent_app.command("wrap-up")
def agent_wrap_up(
    agent: AgentName,
    code: Annotated[str, typer.Argument(help="A wrap-up code, such as resolved.")],
    config: ConfigOption = None,
) -> None:
    """Give the wrap-up code and end the wrap-up: `cicswitch agent wrap-up kim resolved`."""
    _agent(config, agent, "wrap-up", code)


@agent_app.command("list")
def agent_list(config: ConfigOption = None, json: JsonOption = False) -> None:
    """All agents and their states."""
    agents = _ask(config, do="snapshot")["agents"]
    if json:
        _print_json(agents)
        return
    for agent in agents:
        code = f" ({agent['code']})" if agent["code"] else ""
        print(f"{agent['agent']:16} {agent['state']}{code}  {agent['since_s']:.0f} s")


# -- looking ---------------------------------------------------------------------------------------


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Health, queues, trunks and devices of the running switch, once."""
    reply = _ask(config, do="snapshot")
    if json:
        _print_json(reply)
        return
    health = reply["health"]
    print(
        f"{'ok' if health['ok'] else 'degraded'}, up {health['uptime_s']:.0f} s,"
        f" {reply['call_count']} calls"
    )
    for what, why in health["degraded"].items():
        print(f"  {what}: {why}")
    for queue in reply["queues"]:
        print(
            f"queue {queue['queue']:16} {queue['waiting']} waiting, {queue['idle']} idle of"
            f" {queue['signed_in']} agents{'' if queue['open'] else ', closed'}"
        )
    for trunk in reply["trunks"]:
        state = "up" if trunk["up"] else "down"
        where = f", at {trunk['at']}" if trunk["at"] and trunk["at"] not in trunk["address"] else ""
        why = f" ({trunk['problem']})" if trunk["problem"] else ""
        print(f"trunk {trunk['trunk']:16} {state}, {trunk['calls']} calls{where}{why}")
    print(f"registered: {', '.join(reply['devices']) or 'no device'}")


@app.command()
def calls(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Calls in progress, with the names that `trace` and `hangup` take."""
    reply = _ask(config, do="snapshot")["calls"]
    if json:
        _print_json(reply)
        return
    for call in reply:
        where = call["agent"] or call["queue"] or call["step"]
        print(
            f"{call['interaction']}  {call['seconds']:7.1f} s  {call['phase']:10}"
            f" {call['caller']} → {call['called']}  {where}"
        )


@app.command()
def hangup(
    call: Annotated[str, typer.Argument(help="An interaction, as `calls` shows it.")],
    config: ConfigOption = None,
) -> None:
    """End a call."""
    _ask(config, do="hangup", interaction=call)
    print(f"ended {call}")


@app.command()
def callbacks(
    cancel: Annotated[str, typer.Option(metavar="ID", help="Call this one no more.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Customers who are to be called back, with their place in line.

    Example: cicswitch callbacks --cancel 6925a1c0x4Jq00000001
    """
    reply = _ask(config, do="callbacks", cancel=cancel)
    if json:
        _print_json(reply)
        return
    if not reply:
        print("nobody is to be called back")
    for each in reply:
        tried = f", tried {each['attempts']} x" if each["attempts"] else ""
        again = f", again in {each['next_in_s']:.0f} s" if each["next_in_s"] else ""
        print(
            f"{each['interaction']}  {each['queue']}  place {each['position']}"
            f"  waits {each['waited_s']:.0f} s  {each['number']}  {each['state']}{tried}{again}"
        )


@app.command()
def top(
    config: ConfigOption = None,
    once: Annotated[bool, typer.Option("--once", help="Print one view and end.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between views.")] = 1.0,
) -> None:
    """A live view of queues, agents and calls. q quits."""
    from cicswitch.terminal.top import run_top

    settings = _load(config)
    run_top(settings.path(settings.control), once=once, interval_s=interval)


@app.command()
def move(
    call: Annotated[str, typer.Argument(help="An interaction that waits.")],
    queue: Annotated[str, typer.Argument(help="The queue that it goes to.")],
    config: ConfigOption = None,
) -> None:
    """Put a waiting interaction into another queue; its place counts from the same time."""
    _say_place(_ask(config, do="waiting", interaction=call, queue=queue))


@app.command()
def prioritise(
    call: Annotated[str, typer.Argument(help="An interaction that waits.")],
    points: Annotated[int, typer.Argument(help="Its own priority from now.")],
    config: ConfigOption = None,
) -> None:
    """Give a waiting interaction another priority of its own."""
    _say_place(_ask(config, do="waiting", interaction=call, priority=points))


def _say_place(answer: dict[str, Any]) -> None:
    place = f"place {answer['position']}" if answer["position"] else "offered to an agent"
    print(f"{answer['interaction']} in queue {answer['queue']}, {place}")


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="An interaction that waits, or an agent.")],
    language: Annotated[str, typer.Option(help="en or ko; default: the terminal's.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Why an interaction waits and who could take it; why an agent gets what he gets.

    Example: cicswitch explain kim --language ko
    """
    settings = ("LC_ALL", "LC_MESSAGES", "LANG")
    here = next((os.environ[name] for name in settings if os.environ.get(name)), "en")
    answer = _ask(config, do="explain", name=name, language=language or here.partition("_")[0])
    if json:
        _print_json(answer["explained"])
        return
    for line in answer["text"]:
        print(line)


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

    found = hours_at(_load(config), name, _instant(at, time.time()))
    if json:
        _print_json(found)
        return
    for line in lines(found) or ["there are no hours"]:
        print(line)


@app.command()
def replay(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Run the journal's commands through the ACD again; ends with 1 if it decides otherwise."""
    import msgspec

    from cicswitch.records.journal import decode_batch
    from cicswitch.records.replay import replay as run_again
    from cicswitch.store.sqlite import connect_reader

    settings = _load(config)
    db = connect_reader(settings.path(settings.store.path))
    with contextlib.closing(db):
        rows = db.execute("SELECT data FROM journal ORDER BY seq")
        runs = list(run_again(event for (data,) in rows for event in decode_batch(data)))
    if json:
        _print_json([msgspec.to_builtins(run) for run in runs])
    for run in [] if json else runs:
        when = datetime.fromtimestamp(run.started_at, UTC).isoformat(timespec="seconds")
        print(f"{when}  {run.commands} commands, {run.decided} decisions the same")
        if not run.same:
            print(f"  expected {run.expected}\n  got      {run.got}")
    if not all(run.same for run in runs):
        raise typer.Exit(1)


@app.command()
def trace(
    call: Annotated[str, typer.Argument(help="An interaction, a leg or a SIP Call-ID.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The SIP ladder of a call, live or ended.

    Example: cicswitch trace $(cicswitch calls --json | jq -r '.[0].interaction')
    """
    from cicswitch.core.errors import NotFound
    from cicswitch.terminal.trace import draw, from_store, from_switch

    settings = _load(config)
    ladders = []
    with contextlib.suppress(CicError):
        ladders = from_switch(_ask(config, do="trace", call=call))
    if not ladders:
        try:
            ladders = from_store(settings.path(settings.store.path), call)
        except NotFound as error:
            print(f"cicswitch: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if json:
        steps = [
            {"leg": leg, **{name: getattr(step, name) for name in step.__slots__}}
            for leg, ladder in ladders
            for step in ladder
        ]
        _print_json(sorted(steps, key=lambda step: step["at"]))
    else:
        print(draw(ladders))


def _instant(text: str, now: float) -> float:
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
    from rich.console import Console

    from cicswitch.records.report import FORMULAS
    from cicswitch.terminal.report import as_json, gather, print_csv, print_tables

    variants = ("answered_or_abandoned", "answered_only", "abandons_met", "with_flow_outs")
    if service_level not in variants or service_level not in FORMULAS:
        raise typer.BadParameter(f"one of {', '.join(variants)}", param_hint="--service-level")
    if by not in ("queue", "segment"):
        raise typer.BadParameter("queue or segment", param_hint="--by")
    settings = _load(config)
    now = time.time()
    gathered = gather(
        settings.path(settings.store.path),
        settings,
        _instant(since, now),
        _instant(until, now),
        service_level,  # type: ignore[arg-type]  # checked above
        by,
    )
    if json:
        print(as_json(gathered))
    elif csv:
        print_csv(gathered)
    else:
        print_tables(gathered, Console(width=None if sys.stdout.isatty() else 160))


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
    waiting: Annotated[int, typer.Option(help="How many wait in `acd`.")] = 0,
    rate: Annotated[float, typer.Option(help="Only this rate, calls a second.")] = 0.0,
    record: Annotated[bool, typer.Option("--record", help="`relay` records every call.")] = False,
    profile: Annotated[str, typer.Option(help="Write cProfile's figures here.")] = "",
) -> None:
    """Measure the switch: dial, queue, acd, relay, memory, overload, leak; in a checkout only.

    Another switch (`--target`) must let calls in from 127.0.0.2:15060 and dial all numbers out to
    127.0.0.3:15070. Example: cicswitch bench dial --json
    """
    # This folder, the one that holds the virtual environment, the one that holds the sources.
    places = (Path.cwd(), Path(sys.prefix).parent, Path(__file__).parents[1])
    checkout = next((place for place in places if (place / "bench" / "run.py").exists()), None)
    if checkout is None:
        raise CommandError("bench needs a checkout: the scenarios are not part of the package")
    sys.path.append(str(checkout))
    from bench.result import Options
    from bench.run import main as run_bench

    options = Options(quick, target, pid, calls, agents, waiting, rate, record, profile)
    run_bench(name, options, json=json)


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
        Path | None, typer.Option(help="A store: run a day of it again instead of a scenario.")
    ] = None,
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

    if (scenario is None) == (journal is None):
        raise typer.BadParameter("either a scenario or --journal")
    if journal is not None:
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

    settings = _load(config or config_of(scenario))
    read = load(scenario, settings, hours)
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
        simulation.print_report(found, _console())


def _simulate_day(
    journal: Path,
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
    found_day = read_day(journal, begin if begin.tzinfo else begin.replace(tzinfo=UTC))
    paths = (against or default_path(), config or default_path())
    both = [_load(path) for path in paths]
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
        simulation.print_comparison(found, _console(), names)


def _console() -> Any:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


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


# -- dialplans -------------------------------------------------------------------------------------

dialplan_app = typer.Typer(no_args_is_help=True, help="Test and try dialplans.")
app.add_typer(dialplan_app, name="dialplan")


@dialplan_app.command("test")
def dialplan_test(
    files: Annotated[list[Path] | None, typer.Argument(help="*.test.toml; default: all.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run the example journeys that stand beside dialplans: `cicswitch dialplan test`."""
    from cicswitch.dialplan.journey import run_journeys

    settings = _load(config)
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

    settings = _load(config)
    found = Matcher(settings.plan).match(trunk, called, caller, _instant(at, time.time()))
    if found is None:
        print(f"no route: the caller would hear 404 for {called}")
        raise typer.Exit(1)
    route, plan = found
    print(f"{plan.file}: route {route.name or '(no name)'} → flow {route.flow}")


if __name__ == "__main__":
    main()

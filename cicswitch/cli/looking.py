"""Commands that look at what is going on, and at single calls."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated, Any

import typer

from cicswitch.cli.base import ConfigOption, JsonOption, app, ask, load_config, print_json, table
from cicswitch.cli.target import remote
from cicswitch.core.errors import CicError


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Health, queues, trunks and devices of the running switch, once.

    Example: cicswitch status --json | jq .health
    """
    reply = ask(config, do="snapshot")
    if json:
        print_json(reply)
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
def queues(config: ConfigOption = None, json: JsonOption = False) -> None:
    """All queues: who waits, who works, and the figures of today.

    Example: cicswitch queues --json | jq -r '.[] | select(.waiting > 5).queue'
    """
    reply = ask(config, do="snapshot", part="queues")
    if json:
        print_json(reply)
        return
    heads = ("queue", "open", "waiting", "longest s", "idle", "agents", "offered", "answered")
    table(
        (*heads, "abandoned", "service level"),
        [
            (
                *(each["queue"], "yes" if each["open"] else "no", each["waiting"]),
                *(each["longest_wait_s"], each["idle"], each["signed_in"]),
                *(each["offered"], each["answered"], each["abandoned"]),
                None if each["service_level"] is None else f"{each['service_level'] * 100:.1f} %",
            )
            for each in reply
        ],
        right=heads[2:],
    )


@app.command()
def interactions(
    queue: Annotated[str, typer.Option(help="Only those of this queue.")] = "",
    state: Annotated[str, typer.Option(help="waiting, away, reserved, connected, held …")] = "",
    agent: Annotated[str, typer.Option(help="Only those of this agent.")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Interactions that wait or are in progress, with the names that `move` and `explain` take.

    Example: cicswitch interactions --queue support --state waiting
    """
    reply = ask(config, do="interactions", queue=queue, state=state, agent=agent)
    if json:
        print_json(reply)
        return
    heads = ("interaction", "medium", "state", "queue", "agent", "priority", "caller", "called")
    rows = [[each[head] for head in heads] for each in reply]
    table(heads, rows, right=("priority",))


@app.command()
def calls(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Calls in progress, with the names that `trace` and `hangup` take.

    Example: cicswitch calls --json | jq -r '.[] | select(.seconds > 600).interaction'
    """
    reply = ask(config, do="snapshot", part="calls")
    if json:
        print_json(reply)
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
    json: JsonOption = False,
) -> None:
    """End a call.

    Example: cicswitch hangup 6925a1c0x4Jq00000001
    """
    ask(config, do="hangup", interaction=call)
    if json:
        print_json({"interaction": call})
    else:
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
    reply = ask(config, do="callbacks", cancel=cancel)
    if json:
        print_json(reply)
        return
    if not reply:
        print("nobody is to be called back")
    for each in reply:
        tried = f", tried {each['attempts']} x" if each["attempts"] else ""
        again = f", again in {each['next_in_s']:.0f} s" if each["next_in_s"] else ""
        place = "" if each["position"] is None else f"  place {each['position']}"
        print(
            f"{each['interaction']}  {each['queue']}{place}"
            f"  waits {each['waited_s']:.0f} s  {each['number']}  {each['state']}{tried}{again}"
        )


@app.command()
def channels(
    test: Annotated[
        str, typer.Option(metavar="NAME", help="Have this one try whether it can do its work.")
    ] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Channels in writing: what they have, and what is wrong with them.

    Example: cicswitch channels
    Example: cicswitch channels --test mail
    """
    reply = ask(config, do="channels", test=test, within_s=35.0)
    if json:
        print_json(reply)
    elif test:
        print(f"{reply['channel']}: {reply['found']}")
    elif not reply:
        print("no channel is configured: see docs/channels.md")
    else:
        table(
            ("channel", "type", "medium", "contacts", "undelivered", "given up", "state"),
            (
                (
                    *(each["channel"], each["type"], each["medium"], each["contacts"]),
                    *(each["undelivered"], each["dead"], _channel_state(each)),
                )
                for each in reply
            ),
            right=("contacts", "undelivered", "given up"),
        )


def _channel_state(channel: dict[str, Any]) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in channel["figures"].items())
    return f"problem: {channel['problem']}" if channel["problem"] else figures or "well"


@app.command()
def top(
    config: ConfigOption = None,
    once: Annotated[bool, typer.Option("--once", help="Print one view and end.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between views.")] = 1.0,
) -> None:
    """A live view of queues, agents and calls. q quits."""
    from cicswitch.terminal.top import run_top

    settings = load_config(config)
    run_top(settings.path(settings.control), once=once, interval_s=interval)


@app.command()
def move(
    call: Annotated[str, typer.Argument(help="An interaction that waits.")],
    queue: Annotated[str, typer.Argument(help="The queue that it goes to.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Put a waiting interaction into another queue; its place counts from the same time.

    Example: cicswitch move 6925a1c0x4Jq00000001 sales
    """
    _say_place(ask(config, do="waiting", interaction=call, queue=queue), json)


@app.command()
def prioritise(
    call: Annotated[str, typer.Argument(help="An interaction that waits.")],
    points: Annotated[int, typer.Argument(help="Its own priority from now.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give a waiting interaction another priority of its own.

    Example: cicswitch prioritise 6925a1c0x4Jq00000001 10
    """
    _say_place(ask(config, do="waiting", interaction=call, priority=points), json)


def _say_place(answer: dict[str, Any], json: bool) -> None:
    if json:
        print_json(answer)
        return
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
    answer = ask(config, do="explain", name=name, language=language or here.partition("_")[0])
    if json:
        print_json(answer["explained"])
        return
    for line in answer["text"]:
        print(line)


@app.command()
def trace(
    call: Annotated[str, typer.Argument(help="An interaction, a leg or a SIP Call-ID.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """The SIP ladder of a call, live or ended, and how each leg sounds.

    Example: cicswitch trace $(cicswitch calls --json | jq -r '.[0].interaction')
    """
    from cicswitch.core.errors import NotFound
    from cicswitch.terminal.trace import (
        draw,
        draw_quality,
        from_api,
        from_store,
        from_switch,
        rows,
        with_kept,
    )

    if remote(config) is not None:
        found = ask(config, do="trace", call=call)
        if json:
            print_json(found["steps"])
        else:
            print(draw(from_api(found["steps"])))
            print(draw_quality(found["legs"]))
        return
    settings = load_config(config)
    ladders = []
    quality: list[Any] = []
    with contextlib.suppress(CicError):
        reply = ask(config, do="trace", call=call)
        ladders, quality = from_switch(reply), reply["quality"]
    if not ladders:
        try:
            ladders = from_store(settings.store_place(), call)
        except NotFound as error:
            print(f"cicswitch: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
    if json:
        print_json(rows(ladders))
    else:
        print(draw(ladders))
        print(draw_quality(with_kept(settings.store_place(), call, quality)))

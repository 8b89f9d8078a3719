"""`cicswitch top`: a live view of health, queues, agents and calls in a terminal.

A view holds only what the switch said just now. When it does not answer, the view says since when,
and shows no numbers at all: an old number that looks fresh is worse than none.
"""

from __future__ import annotations

import contextlib
import select
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cicswitch.api.control import request
from cicswitch.core.errors import CicError

__all__ = ["View", "run_top", "watch"]

_TIMEOUT_S = 2.0
_AGENT_STYLES = {
    "idle": "green",
    "reserved": "yellow",
    "alerting": "yellow",
    "talking": "cyan",
    "holding": "magenta",
    "wrap-up": "blue",
    "paused": "bright_black",
    "communicating": "cyan",
    "not-responding": "bold red",
    "offline": "dim",
}
_PHASE_STYLES = {"queued": "yellow", "talking": "cyan", "dialling": "yellow", "voicemail": "blue"}


class View:
    """What the switch says, and how it looks. `look` asks, `render` draws."""

    def __init__(self, control_socket: Path, title: str = "") -> None:
        self.socket = control_socket
        self.title = title
        self.data: dict[str, Any] | None = None
        """The last answer; None while the switch does not answer."""
        self.error = ""
        self.heard_at = 0.0
        """When it last answered, seconds of the epoch; 0: never."""
        self._asked_since = time.time()

    def look(self) -> bool:
        """Ask the switch once; whether it answered."""
        try:
            self.data = request(self.socket, {"do": "snapshot"}, timeout_s=_TIMEOUT_S)
        except (CicError, ValueError, KeyError) as error:
            self.data, self.error = None, str(error)
            return False
        self.error, self.heard_at = "", time.time()
        return True

    def render(self, width: int, height: int | None) -> RenderableType:
        """The view in so many columns and lines; `height` None: as long as it is."""
        if self.data is None:
            return self._silence()
        head = self._head(self.data)
        if height is None:
            return Group(*head, *self._tables(self.data, width, (10_000, 10_000, 10_000)))
        # Three titles, two empty lines between the tables, and the foot.
        room = max(3, height - len(head) - 8)
        queues, agents, calls = (len(self.data[key]) for key in ("queues", "agents", "calls"))
        limits = _share(room, (queues, agents, calls))
        foot = Text(self.title or "q quits", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(*head, *self._tables(self.data, width, limits), Text(), foot)

    def _silence(self) -> RenderableType:
        since = self.heard_at or self._asked_since
        words = "not answering" if self.heard_at else "no answer yet, asking"
        clock = time.strftime("%H:%M:%S", time.localtime(since))
        line = f"● {words} since {clock} ({_span(time.time() - since)})"
        return Group(
            Text(line, style="bold red"),
            Text(self.error, style="red"),
            Text(),
            Text("Asking again all the time. q quits.", style="dim"),
        )

    def _head(self, data: Mapping[str, Any]) -> list[Text]:
        health = data["health"]
        counters = data["counters"]
        line = Text(no_wrap=True, overflow="ellipsis")
        if health["draining"]:
            line.append("● draining", "bold yellow")
        elif health["ok"]:
            line.append("● ok", "bold green")
        else:
            line.append("● degraded", "bold red")
        line.append(f"   up {_span(health['uptime_s'])}")
        line.append(f"   {data['call_count']} calls", "bold")
        line.append(f"   agents signed in: {data['agent_count']}")
        lag = data["lag_ms"]
        line.append(f"   lag {lag:.1f} ms", "red" if lag > 50 else "")
        errors = counters.get("errors", 0)
        if errors:
            line.append(f"   {errors} errors", "red")
        line.append(time.strftime("   %H:%M:%S"), "dim")
        down = {t["trunk"] for t in data["trunks"] if not t["up"]}
        lines = [line]
        for what, why in health["degraded"].items():
            lines.append(
                Text(f"  {what}: {_clean(why)}", style="red", no_wrap=True, overflow="ellipsis")
            )
        if alerts := data.get("alerts", []):
            told = ", ".join(
                f"{a['name']}{' ' + a['subject'] if a['subject'] else ''} {a['value']:.4g}"
                + (f" ({a['acknowledged_by']})" if a["acknowledged_by"] else "")
                for a in alerts
            )
            style = "bold red" if any(a["severity"] == "critical" for a in alerts) else "red"
            told = f"  {len(alerts)} alerts: {_clean(told)}"
            lines.append(Text(told, style=style, no_wrap=True, overflow="ellipsis"))
        up = [f"{t['trunk']} {t['calls']}" for t in data["trunks"] if t["trunk"] not in down]
        if up:
            text = f"  trunks up, with their calls: {', '.join(up)}"
            lines.append(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
        return [*lines, Text()]

    def _tables(
        self, data: Mapping[str, Any], width: int, limits: Sequence[int]
    ) -> Iterator[RenderableType]:
        queues = sorted(data["queues"], key=lambda q: (-q["waiting"], -q["offered"]))
        yield _queues(queues[: limits[0]], len(queues), wide=width >= 100)
        yield Text()
        agents = sorted(data["agents"], key=lambda a: a["state"] == "offline")
        yield _agents(agents[: limits[1]], len(agents), wide=width >= 100)
        yield Text()
        calls = sorted(data["calls"], key=lambda c: -c["seconds"])
        yield _calls(calls[: limits[2]], data["call_count"], wide=width >= 100)


def _queues(rows: Sequence[Mapping[str, Any]], count: int, *, wide: bool) -> Table:
    table = _table("QUEUES", len(rows), count)
    for title in ("wait", "longest", "idle/in", "off'd", "answ", "aband", "out", "SL", "ASA"):
        if wide:
            title = _WIDE.get(title, title)
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        level, asa = row["service_level"], row["asa_s"]
        waiting, callbacks = row["waiting"], row["callbacks"]
        # "3 +2": three on the line, two to be called back.
        shown = f"{waiting} +{callbacks}" if callbacks else str(waiting)
        table.add_row(
            _cell(row["queue"] if row["open"] else f"{row['queue']} (closed)"),
            Text(shown, style="bold yellow" if waiting or callbacks else "dim"),
            _span(row["longest_wait_s"]) if waiting else Text("–", style="dim"),
            Text(
                f"{row['idle']}/{row['signed_in']}",
                style="red" if waiting and not row["signed_in"] else "",
            ),
            *(str(row[key]) for key in ("offered", "answered", "abandoned", "flowed_out")),
            Text("–", style="dim")
            if level is None
            else Text(f"{level * 100:.0f} %", style="red" if level < 0.8 else "green"),
            Text("–", style="dim") if asa is None else f"{asa:.1f} s",
        )
    return table


_WIDE = {
    "wait": "waiting",
    "longest": "longest wait",
    "idle/in": "idle/signed in",
    "off'd": "offered",
    "answ": "answered",
    "aband": "abandoned",
    "out": "flowed out",
    "SL": "service level",
}


def _agents(rows: Sequence[Mapping[str, Any]], count: int, *, wide: bool) -> Table:
    table = _table("AGENTS", len(rows), count)
    table.add_column("state", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    for title in ("code", "queue", "interaction"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    if wide:
        table.add_column("device", no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells: list[str | Text] = [
            _cell(row["name"]),
            Text(row["state"], style=_AGENT_STYLES.get(row["state"], "")),
            _span(row["since_s"]),
            *(_cell(row[key]) for key in ("code", "queue", "interaction")),
        ]
        table.add_row(*cells, *([_cell(row["device"])] if wide else []))
    return table


def _calls(rows: Sequence[Mapping[str, Any]], count: int, *, wide: bool) -> Table:
    table = _table("CALLS", len(rows), count)
    table.add_column("phase", no_wrap=True)
    table.add_column("for", justify="right", no_wrap=True)
    for title in (*(("from",) if wide else ()), "caller", "called", "at"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for row in rows:
        step = PurePath(row["step"]).name if row["step"] else ""
        if row["agent"]:
            where = f"{row['agent']} ({row['queue']})" if row["queue"] else row["agent"]
        else:
            where = row["queue"] or step
        phase = Text(row["phase"], style=_PHASE_STYLES.get(row["phase"], ""))
        if row["recording"]:
            phase.append(" ●", "red")
        table.add_row(
            _cell(row["interaction"]),
            phase,
            _span(row["seconds"]),
            *([_cell(row["peer"])] if wide else []),
            *(_cell(text) for text in (row["caller"], row["called"], where)),
        )
    return table


def _table(name: str, shown: int, count: int) -> Table:
    """An empty table whose first heading is its name, with how many rows it leaves out."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    more = f" {shown} of {count}" if shown < count else f" {count}"
    table.add_column(name + more, no_wrap=True, overflow="ellipsis")
    return table


def _share(room: int, wanted: Sequence[int]) -> list[int]:
    """Lines for each table: the small ones get all that they want, the others share the rest."""
    given = [0] * len(wanted)
    left = list(range(len(wanted)))
    while left:
        fair = room // len(left)
        small = [index for index in left if wanted[index] <= fair]
        if not small:
            for index in left:
                given[index] = max(1, fair)
            given[left[-1]] += max(0, room - fair * len(left))
            return given
        for index in small:
            given[index] = wanted[index]
            room -= wanted[index]
            left.remove(index)
    return given


def _span(seconds: float) -> str:
    """7 s, 3:05, 2:03:05, 4 d 02:03."""
    whole = int(max(0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02}:{minute:02}"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _clean(text: str) -> str:
    """Without control characters: what a caller sends must not reach the terminal as commands."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _cell(text: str) -> Text:
    """A cell that shows a text as it is; a `str` would be taken for rich's markup."""
    return Text(_clean(text))


# -- running ---------------------------------------------------------------------------------------


def run_top(control_socket: Path, *, once: bool, interval_s: float) -> None:
    """Show the view until q; with `once` print one and return.

    Raises `ResourceError` with `once` when no switch answers; the live view goes on asking instead.
    """
    if once:
        data = request(control_socket, {"do": "snapshot"}, timeout_s=_TIMEOUT_S)
        view = View(control_socket)
        view.data, view.heard_at = data, time.time()
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print(view.render(console.width, None))
        return
    with contextlib.suppress(KeyboardInterrupt):
        watch(View(control_socket), interval_s, threading.Event())


def watch(view: View, interval_s: float, stop: threading.Event) -> None:
    """Draw the view again and again until `stop` is set, or q sets it. For a thread or a main."""
    console = Console()
    with (
        _keys() as pressed,
        Live(console=console, screen=console.is_terminal, auto_refresh=False) as live,
    ):
        while not stop.is_set():
            view.look()
            size = console.size
            live.update(view.render(size.width, size.height), refresh=True)
            due = time.monotonic() + max(0.1, interval_s)
            while (left := due - time.monotonic()) > 0 and not stop.is_set():
                key = pressed(min(left, 0.2))
                if key in ("q", "Q", "\x04"):
                    stop.set()
                elif key:
                    break


@contextlib.contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits some seconds for a key and gives it, or "" if none came."""
    if not sys.stdin.isatty():

        def wait(seconds: float) -> str:
            time.sleep(seconds)
            return ""

        yield wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def read(seconds: float) -> str:
        if not select.select([descriptor], [], [], seconds)[0]:
            return ""
        return sys.stdin.read(1)

    try:
        tty.setcbreak(descriptor)
        yield read
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

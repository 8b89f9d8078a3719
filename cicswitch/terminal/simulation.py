"""`cicswitch simulate`: its tables, its plot, and a bar while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cicswitch.acd.floor import Choose
from cicswitch.config import Config
from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.runtime.place import place_of
from cicswitch.runtime.policy import Policy, find
from cicswitch.simulate.history import Source
from cicswitch.simulate.results import (
    AGENT_FIGURES,
    FORMULAS,
    QUEUE_FIGURES,
    Comparison,
    Estimate,
    Report,
    Row,
)
from cicswitch.store.reader import reading

__all__ = ["as_json", "plot", "policies", "print_comparison", "print_report", "progress", "source"]

_RATES = ("service_level", "abandon_rate", "occupancy")
_INTERVAL_FIGURES = tuple(name for name in QUEUE_FIGURES if name != "aht_s")
_MOST_AGENTS = 40
"""So many a table shows; JSON has all."""


def source(text: str) -> Source:
    """A store, by its path or its URL. Raises `ResourceError`."""
    try:
        place = place_of(text)
    except ValueError as error:
        raise ResourceError(f"no store: {error}") from None
    return place if isinstance(place, Path) else lambda: reading(place)


def policies(config: Config) -> dict[str, Choose]:
    """The policies in Python of a configuration, by queue, as the switch would call them.

    The time budget is a second, so that a busy machine does not change the figures. What cannot be
    found here, or only shadows, leaves the queue's own policy.
    """
    found: dict[str, Choose] = {}
    for name, queue in config.queue.items():
        if not queue.policy or queue.policy_shadow:
            continue
        try:
            found[name] = Policy(find(queue.policy, {}), budget_s=1.0)
        except LookupError as error:
            print(f"queue {name}: {error}; {queue.select} decides", file=sys.stderr)
    return found


@contextmanager
def progress(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, where that is a terminal; the value is told how much is done, 0 to 1."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def as_json(found: Report | Comparison) -> str:
    """One JSON object; what has no base is null, and single seeds are left out."""
    value: Any = msgspec.to_builtins(found)
    for report in (value, value.get("before"), value.get("after")):
        if report is not None:
            report.pop("runs", None)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _cell(name: str, estimate: Estimate, *, sign: bool = False) -> str:
    if estimate.mean is None:
        return "–"
    scale, digits = (100.0, 1) if name in _RATES else (1.0, 0 if name == "signed_in_s" else 1)
    shown = f"{estimate.mean * scale:{'+' if sign else ''},.{digits}f}"
    if estimate.half:
        shown += f" ± {estimate.half * scale:,.{digits}f}"
    return shown


def _label(name: str) -> str:
    unit = " %" if name in _RATES else " s" if name.endswith("_s") else ""
    return name.removesuffix("_s").replace("_", " ") + unit


def _table(
    title: str, of: str, rows: Sequence[Row], names: Sequence[str], *, sign: bool = False
) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(of)
    for name in names:
        table.add_column(_label(name), justify="right")
    for row in rows:
        table.add_row(row.name, *[_cell(name, row.figures[name], sign=sign) for name in names])
    return table


def _few(rows: Sequence[Row]) -> Sequence[Row]:
    return rows if len(rows) <= _MOST_AGENTS else [*rows[: _MOST_AGENTS - 1], rows[-1]]


def _shown(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Without counts that are 0 everywhere: blocked, moved, left."""
    rare = ("blocked", "moved", "left")
    return [n for n in names if n not in rare or any(row.figures[n].mean for row in rows)]


def _clock(seconds: float) -> str:
    day, minute = divmod(int(seconds) // 60, 24 * 60)
    return f"{f'day {day + 1} ' if day else ''}{minute // 60:02}:{minute % 60:02}"


def print_report(report: Report, console: Console) -> None:
    """Queues, agents, and the formulas."""
    title = f"{report.hours:g} simulated hours, {report.seeds} seeds, ± 99 % confidence"
    console.print(_table(title, "queue", report.queues, _shown(QUEUE_FIGURES, report.queues)))
    if report.intervals:
        parts = [Row(_clock(part.begin), part.queues[-1].figures) for part in report.intervals]
        console.print(_table("all queues", "from", parts, _shown(_INTERVAL_FIGURES, parts)))
    agents = _few(report.agents)
    console.print(_table("", "agent", agents, AGENT_FIGURES))
    if len(agents) < len(report.agents):
        console.print(f"{len(report.agents) - len(agents)} agents more: --json shows all")
    if report.unfinished:
        console.print(f"{report.unfinished:g} waited at the end for nobody who would come")
    for name, formula in FORMULAS.items():
        console.print(f"  {_label(name)}: {formula}", style="dim")


def print_comparison(found: Comparison, console: Console, names: tuple[str, str]) -> None:
    """The day as it was, under each configuration, and the second less the first."""
    if found.recorded:
        shown = _shown(QUEUE_FIGURES, found.recorded)
        console.print(_table("as recorded", "queue", found.recorded, shown))
    for name, report in zip(names, (found.before, found.after), strict=True):
        title = f"{name}: {report.seeds} seeds, ± 99 % confidence"
        console.print(_table(title, "queue", report.queues, _shown(QUEUE_FIGURES, report.queues)))
    title = f"{names[1]} less {names[0]}, seed by seed"
    rows = found.queues
    console.print(_table(title, "queue", rows, _shown(QUEUE_FIGURES, rows), sign=True))
    console.print(_table("", "agent", _few(found.agents), AGENT_FIGURES, sign=True))


def plot(found: Report | Comparison, path: Path, names: tuple[str, ...] = ("",)) -> None:
    """Service level and waits of queues, occupancy of agents, as a PNG.

    Raises `CommandError` without matplotlib.
    """
    try:
        import matplotlib
    except ImportError:
        raise CommandError("a plot needs matplotlib: pip install 'cicswitch[bench]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    reports = [found] if isinstance(found, Report) else [found.before, found.after]
    figure, (level, wait, busy) = pyplot.subplots(1, 3, figsize=(13, 4.5), layout="constrained")
    used = {r.name for report in reports for r in report.queues if r.figures["offered"].mean}
    for place, (name, report) in enumerate(zip(names, reports, strict=True)):
        rows = [row for row in report.queues if row.name != "(all)" and row.name in used]
        at = [index + (place - (len(reports) - 1) / 2) * 0.4 for index in range(len(rows))]
        for axes, key, scale in ((level, "service_level", 100.0), (wait, "asa_s", 1.0)):
            found_bars = [row.figures[key] for row in rows]
            axes.bar(
                at,
                [(bar.mean or 0.0) * scale for bar in found_bars],
                0.4,
                yerr=[(bar.half or 0.0) * scale for bar in found_bars],
                capsize=3,
                label=name,
            )
            axes.set_xticks(range(len(rows)), [row.name for row in rows], rotation=30)
        occupancy = sorted(
            100 * (row.figures["occupancy"].mean or 0.0)
            for row in report.agents
            if row.name != "(all)"
        )
        busy.plot(range(1, len(occupancy) + 1), occupancy, marker=".", label=name)
    level.set_ylabel("service level, %")
    level.set_ylim(0, 100)
    wait.set_ylabel("ASA, s")
    wait.set_ylim(bottom=0)
    busy.set_ylabel("occupancy, %")
    busy.set_xlabel("agents, least occupied first")
    busy.set_ylim(0, 100)
    for axes in (level, wait, busy):
        axes.grid(alpha=0.3)
    if len(reports) > 1:
        handles, labels = level.get_legend_handles_labels()
        figure.legend(handles, [label[-60:] for label in labels], loc="outside upper center")
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be written: {error}") from None
    finally:
        pyplot.close(figure)

"""`cicswitch report`: the store's rows as tables, JSON or CSV."""

from __future__ import annotations

import csv
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from cicswitch.config import Config
from cicswitch.records.report import (
    FORMULAS,
    AgentFigures,
    QueueFigures,
    ServiceLevel,
    agent_figures,
    queue_figures,
)
from cicswitch.records.rows import AgentSegment, HandledRecord, InteractionRecord, QueueVisit
from cicswitch.store.sqlite import connect_reader, read_rows

__all__ = ["Report", "as_json", "gather", "print_csv", "print_tables"]


class Report(msgspec.Struct, kw_only=True):
    """All figures of a period (ISO 8601, UTC)."""

    begin: str
    end: str
    service_level: str
    formulas: dict[str, str]
    queues: list[QueueFigures]
    agents: list[AgentFigures]
    interactions: dict[str, int]
    by: str = "queue"
    """What the rows of `queues` stand for: `queue`, or `segment`; `-` are those of none."""


def gather(
    path: Path,
    config: Config,
    begin: float,
    end: float,
    variant: ServiceLevel,
    by: str = "queue",
) -> Report:
    """Read and compute, by `queue` or `segment`. Raises `ResourceError` if there is no store."""
    db = connect_reader(path)
    try:
        ended = "ended_at >= ? AND ended_at < ?"
        visits: list[QueueVisit] = read_rows(db, QueueVisit, ended, (begin, end))
        handled: list[HandledRecord] = read_rows(db, HandledRecord, ended, (begin, end))
        segments: list[AgentSegment] = read_rows(
            db, AgentSegment, "ended_at > ? AND started_at < ?", (begin, end)
        )
        outcomes = _outcomes(db, begin, end)
        of_customers = _segments(db, begin) if by == "segment" else None
    finally:
        db.close()
    limits = {
        name: (float(queue.service_level_s), queue.short_abandon_s)
        for name, queue in config.queue.items()
    }
    shown = {**FORMULAS, "service_level": FORMULAS[variant]}
    return Report(
        begin=_iso(begin),
        end=_iso(end),
        service_level=variant,
        formulas={
            key: shown[key]
            for key in ("service_level", "offered", "asa_s", "aht_s", "abandon_rate", "occupancy")
        },
        queues=queue_figures(visits, handled, limits, variant=variant, segments=of_customers),
        by=by,
        agents=agent_figures(segments, handled, visits, (begin, end)),
        interactions=outcomes,
    )


def _outcomes(db: sqlite3.Connection, begin: float, end: float) -> dict[str, int]:
    rows: list[InteractionRecord] = read_rows(
        db, InteractionRecord, "ended_at >= ? AND ended_at < ?", (begin, end)
    )
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.outcome] = counts.get(row.outcome, 0) + 1
    return dict(sorted(counts.items()))


def _segments(db: sqlite3.Connection, begin: float) -> dict[str, str]:
    """The segments of interactions that were under way then or later, and are over."""
    rows: list[InteractionRecord] = read_rows(
        db, InteractionRecord, "ended_at >= ? AND segment != ''", (begin,)
    )
    return {row.interaction: row.segment for row in rows}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def _cell(value: Any, kind: str = "") -> str:
    if value is None:
        return "–"
    if kind == "%":
        return f"{value * 100:.1f} %"
    if kind == "s":
        return f"{value:.1f}" if value < 600 else f"{value / 60:.1f} min"
    return str(value)


_QUEUE_COLUMNS: Sequence[tuple[str, str, str]] = (
    ("offered", "offered", ""),
    ("answered", "answered", ""),
    ("abandoned", "abandoned", ""),
    ("short", "short_abandons", ""),
    ("flow-outs", "flow_outs", ""),
    ("service level", "service_level", "%"),
    ("T s", "threshold_s", "s"),
    ("ASA s", "asa_s", "s"),
    ("longest s", "max_wait_s", "s"),
    ("AHT s", "aht_s", "s"),
    ("abandon rate", "abandon_rate", "%"),
)


def print_tables(report: Report, console: Console) -> None:
    """For people."""
    console.print(f"[bold]Report[/bold]  {report.begin} to {report.end}\n")
    title = "Queues" if report.by == "queue" else "Segments"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(report.by)
    for title, _, _ in _QUEUE_COLUMNS:
        table.add_column(title, justify="right")
    for queue in report.queues:
        cells = [_cell(getattr(queue, key), kind) for _, key, kind in _QUEUE_COLUMNS]
        table.add_row(queue.queue, *cells)
    console.print(table if report.queues else "No interaction was in a queue.")
    console.print()
    agents = Table(title="Agents", title_justify="left", box=None, pad_edge=False)
    agents.add_column("agent")
    for title in (
        *("answered", "handled", "RONA", "AHT s", "occupancy", "signed in"),
        *("talk", "hold", "ACW", "idle", "alerting", "paused", "not resp."),
    ):
        agents.add_column(title, justify="right")
    states = ("talking", "holding", "wrap-up", "idle", "alerting", "paused", "not-responding")
    for agent in report.agents:
        agents.add_row(
            agent.agent,
            str(agent.answered),
            str(agent.handled),
            str(agent.rona),
            _cell(agent.aht_s, "s"),
            _cell(agent.occupancy, "%"),
            _cell(agent.signed_in_s, "s"),
            *(_cell(agent.seconds.get(state, 0.0), "s") for state in states),
        )
    console.print(agents if report.agents else "No agent was signed in.")
    console.print()
    if report.interactions:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in report.interactions.items())
        console.print(f"Interactions: {counted}\n")
    for key, formula in report.formulas.items():
        console.print(f"[dim]{key} = {formula}[/dim]", highlight=False)


def print_csv(report: Report) -> None:
    """For spreadsheets: a row a queue and a row an agent, told apart by the first column."""
    writer = csv.writer(sys.stdout)
    for kind, rows in ((report.by, report.queues), ("agent", report.agents)):
        if not rows:
            continue
        fields = [f for f in rows[0].__struct_fields__ if f not in ("seconds", "pauses", "codes")]
        states = [] if kind != "agent" else sorted({s for a in report.agents for s in a.seconds})
        writer.writerow(["kind", *fields, *(f"{state}_s" for state in states)])
        for row in rows:
            seconds = row.seconds if isinstance(row, AgentFigures) else {}
            extra = [seconds.get(state, 0.0) for state in states]
            writer.writerow([kind, *(getattr(row, field) for field in fields), *extra])

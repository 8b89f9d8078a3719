"""`cicswitch report`: the store's rows as tables, JSON or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from cicswitch.records.report import AgentFigures
from cicswitch.reporting import Report

__all__ = ["as_json", "print_csv", "print_tables"]


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

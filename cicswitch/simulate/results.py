"""Figures of queues and agents: of one run, and over several seeds with their confidence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf, isnan, nan
from typing import TypeVar

import numpy as np
from msgspec import Struct, field

from cicswitch.simulate.interval import interval
from cicswitch.simulate.model import Model
from cicswitch.simulate.run import Simulation
from cicswitch.simulate.tally import AgentTally, QueueTally

__all__ = [
    "AGENT_FIGURES",
    "FORMULAS",
    "QUEUE_FIGURES",
    "Comparison",
    "Estimate",
    "Interval",
    "Report",
    "Row",
    "compare",
    "queue_figures",
    "rows",
    "simulate",
]

FORMULAS = {
    "offered": "answered + abandoned + blocked + moved + left + unfinished",
    "service_level": "answered within T ÷ (answered + abandoned − short abandons)",
    "asa_s": "Σ wait of answered ÷ answered",
    "aht_s": "(talk + hold + ACW) ÷ handled",
    "occupancy": "interacting ÷ (interacting + communicating + idle); idle includes alerting",
}
"""The formulas of GLOSSARY that these figures are computed by."""
QUEUE_FIGURES = (
    "offered",
    "answered",
    "abandoned",
    "blocked",
    "moved",
    "left",
    "service_level",
    "asa_s",
    "wait_p50_s",
    "wait_p90_s",
    "abandon_rate",
    "aht_s",
)
AGENT_FIGURES = ("answered", "handled", "occupancy", "aht_s", "signed_in_s")
_COUNTS = (*QUEUE_FIGURES[:6], "handled", "signed_in_s")
_PIECES = 100

T = TypeVar("T")
Figures = dict[str, float]
"""By name; NaN where there is no base: nobody answered, so no ASA."""


class Estimate(Struct, frozen=True):
    """A mean over seeds, and half of its 99 % confidence interval; None where it has no base."""

    mean: float | None
    half: float | None = None


class Row(Struct, frozen=True):
    """A queue or an agent, or all of them."""

    name: str
    figures: dict[str, Estimate]


class Interval(Struct, frozen=True):
    """A part of the span: what came in it, and what was answered and given up in it."""

    begin: float
    """Seconds after midnight of the first day."""
    queues: list[Row]


class Report(Struct, frozen=True, kw_only=True):
    """What came of a simulation. Seconds, rates from 0 to 1."""

    seeds: int
    hours: float
    """Of each seed."""
    formulas: dict[str, str] = field(default_factory=lambda: dict(FORMULAS))
    queues: list[Row]
    agents: list[Row]
    unfinished: float = 0.0
    intervals: list[Interval] = []
    """Parts of the span, where they were asked for."""
    runs: list[tuple[dict[str, Figures], dict[str, Figures]]] = []
    """Each seed's figures of queues and agents."""


class Comparison(Struct, frozen=True, kw_only=True):
    """Two configurations under the same customers, and the second less the first."""

    recorded: list[Row] = []
    """The queues as they were, where a recorded day is run again."""
    before: Report
    after: Report
    queues: list[Row]
    agents: list[Row]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def queue_figures(tallies: Sequence[QueueTally]) -> Figures:
    """The figures of one queue, or of several together."""

    def total(name: str) -> float:
        return float(sum(getattr(tally, name) for tally in tallies))

    answered, abandoned = total("answered"), total("abandoned")
    waits = np.concatenate([np.array(tally.waits) for tally in tallies])
    p50, p90 = np.percentile(waits, (50, 90)) if len(waits) else (nan, nan)
    return {
        "offered": total("offered"),
        "answered": answered,
        "abandoned": abandoned,
        "blocked": total("blocked"),
        "moved": total("moved"),
        "left": total("left"),
        "service_level": _ratio(
            total("answered_within"), answered + abandoned - total("short_abandons")
        ),
        "asa_s": _ratio(total("wait_s"), answered),
        "wait_p50_s": float(p50),
        "wait_p90_s": float(p90),
        "abandon_rate": _ratio(abandoned, total("offered")),
        "aht_s": _ratio(total("handle_s"), total("handled")),
    }


def agent_figures(tallies: Sequence[AgentTally]) -> Figures:
    """The figures of one agent, or of several together."""
    seconds: dict[str, float] = {}
    for tally in tallies:
        for state, spent_s in tally.seconds.items():
            seconds[state] = seconds.get(state, 0.0) + spent_s
    interacting = sum(
        seconds.get(state, 0.0) for state in ("talking", "holding", "handling", "wrap-up")
    )
    idle = seconds.get("idle", 0.0) + seconds.get("alerting", 0.0)
    handled = float(sum(tally.handled for tally in tallies))
    return {
        "answered": float(sum(tally.answered for tally in tallies)),
        "handled": handled,
        "occupancy": _ratio(interacting, interacting + seconds.get("communicating", 0.0) + idle),
        "aht_s": _ratio(sum(tally.handle_s for tally in tallies), handled),
        "signed_in_s": sum(seconds.values()) - seconds.get("offline", 0.0),
    }


def simulate(
    model: Model | Callable[[int], Model],
    *,
    seeds: int = 5,
    seed: int = 1,
    interval_s: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> Report:
    """Run a model under `seeds` seeds, the first of which is `seed`.

    A function gives a model for each seed, where more is drawn than the model itself draws.
    `interval_s`: figures of parts of the span as well. `progress` is told from 0 to 1 how much is
    done.
    """
    runs: list[tuple[dict[str, Figures], dict[str, Figures]]] = []
    parts: dict[float, list[dict[str, Figures]]] = {}
    unfinished = 0
    hours = 0.0
    for number in range(seeds):
        one = model(seed + number) if callable(model) else model
        span = one.end - one.start
        hours = span / 3600
        simulation = Simulation(one, seed + number)
        total = simulation.take_queues()
        step = interval_s or span / _PIECES
        pieces = max(1, ceil(span / step - 1e-9))
        for piece in range(1, pieces + 1):
            simulation.run(inf if piece == pieces else one.start + piece * step)
            taken = simulation.take_queues()
            for name, tally in taken.items():
                total[name].add(tally)
            if interval_s:
                begin = one.start + (piece - 1) * step
                parts.setdefault(begin, []).append(_with_all(taken, queue_figures))
            if progress is not None:
                progress((number + piece / pieces) / seeds)
        simulation.close()
        unfinished += simulation.unfinished
        runs.append((_with_all(total, queue_figures), _with_all(simulation.agents, agent_figures)))
    return Report(
        seeds=seeds,
        hours=hours,
        queues=rows([queues for queues, _ in runs]),
        agents=rows([agents for _, agents in runs]),
        unfinished=unfinished / seeds,
        intervals=[Interval(begin, rows(found)) for begin, found in sorted(parts.items())],
        runs=runs,
    )


def _with_all(
    tallies: dict[str, T], figures: Callable[[Sequence[T]], Figures]
) -> dict[str, Figures]:
    found = {name: figures([tally]) for name, tally in tallies.items()}
    found["(all)"] = figures(list(tallies.values()))
    return found


def compare(before: Report, after: Report, recorded: Sequence[Row] = ()) -> Comparison:
    """The second less the first, seed by seed; who is new is counted as he is."""
    return Comparison(
        recorded=list(recorded),
        before=before,
        after=after,
        queues=rows([_less(a[0], b[0]) for a, b in zip(after.runs, before.runs, strict=True)]),
        agents=rows([_less(a[1], b[1]) for a, b in zip(after.runs, before.runs, strict=True)]),
    )


def _less(after: dict[str, Figures], before: dict[str, Figures]) -> dict[str, Figures]:
    found = {}
    for name, figures in after.items():
        known = before.get(name, dict.fromkeys(_COUNTS, 0.0))
        found[name] = {key: value - known.get(key, nan) for key, value in figures.items()}
    return found


def rows(runs: Sequence[dict[str, Figures]]) -> list[Row]:
    """Each queue's or agent's figures over the runs."""
    return [
        Row(name, {key: _estimate([run[name][key] for run in runs]) for key in runs[0][name]})
        for name in runs[0]
    ]


def _estimate(values: Sequence[float]) -> Estimate:
    based = [value for value in values if not isnan(value)]
    if not based:
        return Estimate(None)
    mean, half = interval(based)
    return Estimate(mean, None if isnan(half) else half)

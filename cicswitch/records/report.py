"""From rows to the figures of GLOSSARY: of each queue and each agent, each with its formula.

All functions are pure; the CLI reads the rows from the store. A figure without a base (no call
answered, so no ASA) is None, never 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from cicswitch.records.rows import AgentSegment, AnswerRecord, HandledRecord, QueueVisit

__all__ = [
    "FORMULAS",
    "AgentFigures",
    "QueueFigures",
    "ServiceLevel",
    "agent_figures",
    "queue_figures",
    "service_level",
]

ServiceLevel = Literal["answered_or_abandoned", "answered_only", "abandons_met", "with_flow_outs"]

FORMULAS = {
    "answered_or_abandoned": "answered within T ÷ (answered + abandoned − short abandons)",
    "answered_only": "answered within T ÷ answered",
    "abandons_met": "(answered within T + abandoned within T) ÷ (answered + abandoned)",
    "with_flow_outs": "answered within T ÷ (answered + abandoned + flow-outs)",
    "offered": "answered + abandoned + flow-outs",
    "asa_s": "Σ wait of answered ÷ answered",
    "aht_s": "(talk + hold + ACW) ÷ handled, booked when the ACW ends",
    "abandon_rate": "abandoned ÷ offered",
    "reply_level": "answers in writing before their due date ÷ answers with one",
    "reply_s": "Σ time to an answer ÷ answers with a due date, in the queue's hours, without the "
    "time in which it was put aside",
    "occupancy": "interacting ÷ (interacting + communicating + idle); interacting is talk, hold "
    "and ACW, idle includes alerting",
}
"""The formula of each figure, as reports print it."""


class QueueFigures(Struct, kw_only=True):
    """A queue in a period. Times in seconds, rates from 0 to 1."""

    queue: str
    threshold_s: float
    offered: int = 0
    answered: int = 0
    answered_within: int = 0
    abandoned: int = 0
    abandoned_within: int = 0
    short_abandons: int = 0
    flow_outs: int = 0
    refused: int = 0
    handled: int = 0
    service_level: float | None = None
    asa_s: float | None = None
    max_wait_s: float | None = None
    aht_s: float | None = None
    talk_s: float | None = None
    hold_s: float | None = None
    acw_s: float | None = None
    abandon_rate: float | None = None
    replies: int = 0
    """Answers in writing that had a due date."""
    replies_within: int = 0
    reply_level: float | None = None
    reply_s: float | None = None


class AgentFigures(Struct, kw_only=True):
    """An agent in a period. `seconds` partition the time signed in; rates from 0 to 1."""

    agent: str
    answered: int = 0
    handled: int = 0
    rona: int = 0
    aht_s: float | None = None
    occupancy: float | None = None
    signed_in_s: float = 0.0
    seconds: dict[str, float] = {}
    pauses: dict[str, float] = {}
    codes: dict[str, int] = {}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def service_level(figures: QueueFigures, variant: ServiceLevel) -> float | None:
    """The service level by one of the four formulas; None without a base."""
    f = figures
    match variant:
        case "answered_only":
            return _ratio(f.answered_within, f.answered)
        case "abandons_met":
            return _ratio(f.answered_within + f.abandoned_within, f.answered + f.abandoned)
        case "with_flow_outs":
            return _ratio(f.answered_within, f.answered + f.abandoned + f.flow_outs)
    return _ratio(f.answered_within, f.answered + f.abandoned - f.short_abandons)


def queue_figures(
    visits: Iterable[QueueVisit],
    handled: Iterable[HandledRecord],
    limits: Mapping[str, tuple[float, float]],
    *,
    variant: ServiceLevel = "answered_or_abandoned",
    segments: Mapping[str, str] | None = None,
    answers: Iterable[AnswerRecord] = (),
) -> list[QueueFigures]:
    """Figures of each queue. `limits`: queue -> (T, short abandon), in seconds; default 20 and 5.

    With `segments` (interaction -> segment) figures of each segment in the place of queues, each
    visit by the T of its own queue.

    A visit that the queue refused (full, empty) is a flow-out that never waited: it counts as
    offered and flowed out, and is shown apart too.
    """
    figures: dict[str, QueueFigures] = {}
    waits: defaultdict[str, float] = defaultdict(float)

    def group(row: QueueVisit | HandledRecord | AnswerRecord) -> str:
        return row.queue if segments is None else segments.get(row.interaction) or "-"

    def entry(row: QueueVisit | HandledRecord | AnswerRecord) -> QueueFigures:
        name = group(row)
        if name not in figures:
            threshold_s = limits.get(row.queue, (20.0, 5.0))[0]
            figures[name] = QueueFigures(queue=name, threshold_s=threshold_s)
        return figures[name]

    for visit in visits:
        f = entry(visit)
        threshold_s, short_s = limits.get(visit.queue, (20.0, 5.0))
        f.offered += 1
        within = visit.wait_s <= threshold_s
        if visit.outcome == "answered":
            f.answered += 1
            f.answered_within += within
            waits[group(visit)] += visit.wait_s
        elif visit.outcome == "abandoned":
            f.abandoned += 1
            f.abandoned_within += within
            f.short_abandons += visit.wait_s < short_s
        else:
            f.flow_outs += 1
            f.refused += visit.outcome.startswith("refused")
        f.max_wait_s = max(f.max_wait_s or 0.0, visit.wait_s)
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for record in handled:
        entry(record).handled += 1
        total = sums[group(record)]
        total[0] += record.talk_s
        total[1] += record.hold_s
        total[2] += record.acw_s
    took: defaultdict[str, float] = defaultdict(float)
    for answer in answers:
        f = entry(answer)
        f.replies += 1
        f.replies_within += answer.within
        took[group(answer)] += answer.took_s
    for queue, f in figures.items():
        f.reply_level = _ratio(f.replies_within, f.replies)
        f.reply_s = _ratio(took[queue], f.replies)
        f.service_level = service_level(f, variant)
        f.asa_s = _ratio(waits[queue], f.answered)
        f.abandon_rate = _ratio(f.abandoned, f.offered)
        f.talk_s, f.hold_s, f.acw_s = (_ratio(value, f.handled) for value in sums[queue])
        f.aht_s = _ratio(sum(sums[queue]), f.handled)
    return sorted(figures.values(), key=lambda f: f.queue)


def agent_figures(
    segments: Iterable[AgentSegment],
    handled: Iterable[HandledRecord],
    visits: Iterable[QueueVisit],
    period: tuple[float, float],
) -> list[AgentFigures]:
    """Figures of each agent; segments are cut to the period (seconds of the epoch)."""
    begin, end = period
    figures: dict[str, AgentFigures] = {}

    def entry(agent: str) -> AgentFigures:
        if agent not in figures:
            figures[agent] = AgentFigures(agent=agent, seconds={}, pauses={}, codes={})
        return figures[agent]

    for segment in segments:
        spent_s = min(segment.ended_at, end) - max(segment.started_at, begin)
        if spent_s <= 0:
            continue
        f = entry(segment.agent)
        f.seconds[segment.state] = f.seconds.get(segment.state, 0.0) + spent_s
        f.signed_in_s += spent_s
        if segment.state == "paused":
            code = segment.code or "no code"
            f.pauses[code] = f.pauses.get(code, 0.0) + spent_s
        elif segment.state == "not-responding" and segment.code == "timed-out":
            f.rona += 1
    sums: defaultdict[str, float] = defaultdict(float)
    for record in handled:
        f = entry(record.agent)
        f.handled += 1
        sums[record.agent] += record.talk_s + record.hold_s + record.acw_s
        if record.code:
            f.codes[record.code] = f.codes.get(record.code, 0) + 1
    for visit in visits:
        if visit.outcome == "answered":
            entry(visit.agent).answered += 1
    for agent, f in figures.items():
        s = f.seconds
        interacting = s.get("talking", 0.0) + s.get("holding", 0.0) + s.get("wrap-up", 0.0)
        idle = s.get("idle", 0.0) + s.get("alerting", 0.0)
        f.occupancy = _ratio(interacting, interacting + s.get("communicating", 0.0) + idle)
        f.aht_s = _ratio(sums[agent], f.handled)
    return sorted(figures.values(), key=lambda f: f.agent)

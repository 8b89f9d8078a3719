"""Figures of a period out of the store: for the command line, and for the API.

    python -m cicswitch.reporting < request.json > report.json

is a process of its own, because the arithmetic of a month would hold up calls: a thread shares the
interpreter with them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from cicswitch.config import Config
from cicswitch.core.errors import CicError
from cicswitch.ports import Reader
from cicswitch.records.report import (
    FORMULAS,
    AgentFigures,
    QueueFigures,
    ServiceLevel,
    agent_figures,
    queue_figures,
)
from cicswitch.records.rows import (
    AgentSegment,
    AnswerRecord,
    HandledRecord,
    InteractionRecord,
    QueueVisit,
)
from cicswitch.runtime.place import Place, place_of
from cicswitch.store.reader import read_rows, reading

__all__ = ["Interval", "Report", "ReportRequest", "gather", "limits_of"]


class Interval(Struct, kw_only=True):
    """The figures of a part of the period."""

    begin: float
    end: float
    queues: list[QueueFigures]
    agents: list[AgentFigures]


class Report(Struct, kw_only=True):
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
    intervals: list[Interval] = []
    """The same by interval, where one was asked for."""


class ReportRequest(Struct, kw_only=True):
    """What a report is made of."""

    store: str
    """A path, or the URL of a database."""
    limits: dict[str, tuple[float, float]]
    begin: float
    end: float
    service_level: ServiceLevel = "answered_or_abandoned"
    by: str = "queue"
    interval_s: float = 0


def limits_of(config: Config) -> dict[str, tuple[float, float]]:
    """T and the short abandon of each queue, in seconds."""
    return {
        name: (float(queue.service_level_s), queue.short_abandon_s)
        for name, queue in config.queue.items()
    }


def gather(
    place: Place,
    limits: Mapping[str, tuple[float, float]],
    begin: float,
    end: float,
    variant: ServiceLevel,
    by: str = "queue",
    interval_s: float = 0,
) -> Report:
    """Read and compute, by `queue` or `segment`. Raises `ResourceError` if there is no store."""
    with reading(place) as db:
        ended = "ended_at >= ? AND ended_at < ?"
        visits: list[QueueVisit] = read_rows(db, QueueVisit, ended, (begin, end))
        handled: list[HandledRecord] = read_rows(db, HandledRecord, ended, (begin, end))
        segments: list[AgentSegment] = read_rows(
            db, AgentSegment, "ended_at > ? AND started_at < ?", (begin, end)
        )
        answers: list[AnswerRecord] = []
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'answer'").fetchone():
            # A store that a switch of before has written, and none of now, has none.
            within = "answered_at >= ? AND answered_at < ?"
            answers = read_rows(db, AnswerRecord, within, (begin, end))
        outcomes = _outcomes(db, begin, end)
        of_customers = _segments(db, begin) if by == "segment" else None

    def queues(
        visits: list[QueueVisit], handled: list[HandledRecord], answers: list[AnswerRecord]
    ) -> list[QueueFigures]:
        return queue_figures(
            visits, handled, limits, variant=variant, segments=of_customers, answers=answers
        )

    intervals = []
    at = begin
    while interval_s and at < end:
        until = min(end, at + interval_s)
        seen = [row for row in visits if at <= row.ended_at < until]
        done = [row for row in handled if at <= row.ended_at < until]
        said = [row for row in answers if at <= row.answered_at < until]
        spent = [row for row in segments if row.ended_at > at and row.started_at < until]
        intervals.append(
            Interval(
                begin=at,
                end=until,
                queues=queues(seen, done, said),
                agents=agent_figures(spent, done, seen, (at, until)),
            )
        )
        at = until
    shown = {**FORMULAS, "service_level": FORMULAS[variant]}
    return Report(
        begin=_iso(begin),
        end=_iso(end),
        service_level=variant,
        formulas={
            key: shown[key]
            for key in (
                *("service_level", "offered", "asa_s", "aht_s", "abandon_rate", "occupancy"),
                *("reply_level", "reply_s"),
            )
        },
        queues=queues(visits, handled, answers),
        by=by,
        agents=agent_figures(segments, handled, visits, (begin, end)),
        interactions=outcomes,
        intervals=intervals,
    )


def _outcomes(db: Reader, begin: float, end: float) -> dict[str, int]:
    rows: list[InteractionRecord] = read_rows(
        db, InteractionRecord, "ended_at >= ? AND ended_at < ?", (begin, end)
    )
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.outcome] = counts.get(row.outcome, 0) + 1
    return dict(sorted(counts.items()))


def _segments(db: Reader, begin: float) -> dict[str, str]:
    """The segments of interactions that were under way then or later, and are over."""
    rows: list[InteractionRecord] = read_rows(
        db, InteractionRecord, "ended_at >= ? AND segment != ''", (begin,)
    )
    return {row.interaction: row.segment for row in rows}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def main() -> int:
    """A request in, a report out; 1 and a line where there is none."""
    os.nice(10)
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=ReportRequest)
    try:
        report = gather(
            place_of(asked.store),
            asked.limits,
            asked.begin,
            asked.end,
            asked.service_level,
            asked.by,
            asked.interval_s,
        )
    except CicError as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

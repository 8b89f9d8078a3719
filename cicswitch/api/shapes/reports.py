"""Figures of a period: what is asked and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.records.report import AgentFigures, QueueFigures, ServiceLevel

__all__ = ["ReportInterval", "ReportQuery", "ReportView"]


class ReportQuery(Struct, frozen=True, kw_only=True):
    """Which period, and how it is counted."""

    since: float = -1.0
    """Seconds of the epoch; left out: midnight UTC."""
    until: float = -1.0
    """Left out: now."""
    by: Literal["queue", "segment"] = "queue"
    service_level: ServiceLevel = "answered_or_abandoned"
    interval_s: Annotated[int, Meta(ge=0)] = 0
    """Also the figures of each such part of the period, like 1800; 0: none."""


class ReportInterval(Struct, frozen=True, kw_only=True):
    """The figures of a part of the period."""

    begin: float
    end: float
    queues: list[QueueFigures]
    agents: list[AgentFigures]


class ReportView(Struct, frozen=True, kw_only=True):
    """All figures of a period (ISO 8601, UTC), and how each is worked out."""

    begin: str
    end: str
    service_level: str
    formulas: dict[str, str]
    queues: list[QueueFigures]
    agents: list[AgentFigures]
    interactions: dict[str, int]
    """How many ended how."""
    by: str
    """What the rows of `queues` stand for: `queue`, or `segment`."""
    intervals: list[ReportInterval]

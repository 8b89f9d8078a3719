"""Figures of a period: what `cicswitch report` gives, with its formulas."""

from __future__ import annotations

from typing import Any

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.reports import ReportInterval, ReportQuery, ReportView

__all__ = ["ReportInterval", "ReportQuery", "ReportView"]

_DAY_S = 86400
_LONGEST_S = 400 * _DAY_S
_INTERVALS = 1000


@endpoint("GET", "/reports", scopes="reports:read")
async def report(ask: Ask, query: ReportQuery) -> ReportView:
    """Figures of queues, or segments of customers, and of agents.

    An interaction counts where it ended. One report is worked out at a time.
    """
    until = query.until if query.until >= 0 else ask.now
    since = query.since if query.since >= 0 else ask.now - ask.now % _DAY_S
    errors = []
    if not since < until or until > 1e11:
        errors.append(FieldError(parameter="until", expected="a time after `since`"))
    elif until - since > _LONGEST_S:
        errors.append(FieldError(parameter="since", expected="400 days at most before `until`"))
    elif query.interval_s and (until - since) / query.interval_s > _INTERVALS:
        errors.append(
            FieldError(parameter="interval_s", expected=f"{_INTERVALS} parts of it at most")
        )
    if errors:
        raise Problem(422, "there is no such report", errors=errors)
    asked: dict[str, Any] = {
        "begin": since,
        "end": until,
        "by": query.by,
        "service_level": query.service_level,
        "interval_s": query.interval_s,
    }
    return await ask.api.sources.report(asked)  # type: ignore[return-value]  # its JSON, as it is

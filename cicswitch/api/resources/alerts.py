"""Alerts on thresholds: those that are open, and the last that have ended."""

from __future__ import annotations

from typing import Any

import msgspec

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.shapes.alerts import AlertView
from cicswitch.calls.events import AlertCleared

__all__ = ["AlertView"]


@endpoint("GET", "/alerts", scopes="alerts:read")
async def alerts(ask: Ask, query: Paging) -> Page[AlertView]:
    """Those that are open, the newest first; then the last that have ended."""
    known = ask.api.switch.alerting.alerts
    views: dict[str, AlertView] = {}
    for event in [*known, *known.ended]:
        ended = isinstance(event, AlertCleared)
        stamp = int((1 << 53) - (event.at if ended else event.raised_at) * 1000)
        views[f"{int(ended)}{stamp:016x}{event.alert}"] = view_of(event)
    return page_of(sorted(views), query, lambda key: views[key])


@endpoint("POST", "/alerts/{alert}/acknowledge", scopes="alerts:write", errors=(409,))
async def acknowledge(ask: Ask, alert: str) -> AlertView:
    """Say that one looks after it; on disk when it is answered."""
    made = await ask.api.switch.alerting.acknowledge(alert, ask.account.name)
    await ask.note("alert.acknowledge", alert, None, {"name": made.name, "subject": made.subject})
    return view_of(made)


def view_of(event: Any) -> AlertView:
    """An alert as an event of it tells."""
    ended = isinstance(event, AlertCleared)
    told = msgspec.structs.asdict(event)
    known = {name: told[name] for name in AlertView.__struct_fields__ if name in told}
    return AlertView(
        **{**known, "ended_at": event.at if ended else None, "reason": told.get("reason", "")}
    )

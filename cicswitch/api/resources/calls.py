"""The SIP ladder of a call."""

from __future__ import annotations

from typing import Any

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.shapes.calls import LegQuality, SipStep, Trace

__all__ = ["LegQuality", "SipStep", "Trace"]


@endpoint("GET", "/calls/{call}/trace", scopes="calls:read")
async def trace(ask: Ask, call: str) -> Trace:
    """The SIP messages of a call, and how its legs sound: by interaction, leg or Call-ID.

    It may be live or ended. Messages are kept for `store.trace_hours`.
    """
    steps: list[dict[str, Any]] = await ask.api.sources.trace(call)
    legs: list[dict[str, Any]] = await ask.api.sources.quality(call)
    return Trace(
        call,
        [SipStep(**step) for step in steps],
        [LegQuality(**leg) for leg in legs],
    )

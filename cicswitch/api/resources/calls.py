"""The SIP ladder of a call."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cicswitch.api.endpoint import Ask, endpoint

__all__ = ["SipStep", "Trace"]


class SipStep(Struct, frozen=True, kw_only=True):
    """A SIP message. Headers and bodies are not kept."""

    leg: str
    at: float
    direction: str
    """`in` or `out`."""
    peer: str
    line: str
    cseq: str
    sdp: bool


class Trace(Struct, frozen=True):
    """The messages of a call, in the order of time."""

    call: str
    steps: list[SipStep]


@endpoint("GET", "/calls/{call}/trace", scopes="calls:read")
async def trace(ask: Ask, call: str) -> Trace:
    """The SIP messages of a call that is live or ended: by interaction, leg or Call-ID.

    They are kept for `store.trace_hours`.
    """
    steps: list[dict[str, Any]] = await ask.api.sources.trace(call)
    return Trace(call, [SipStep(**step) for step in steps])

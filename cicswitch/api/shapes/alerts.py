"""Alerts: what is answered."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["AlertView"]


class AlertView(Struct, frozen=True, kw_only=True):
    """An alert that is open, or has ended."""

    alert: str
    name: str
    """That of its table in the configuration."""
    figure: str
    subject: str
    """A queue, a trunk; empty: the switch."""
    direction: Literal["above", "below"]
    threshold: float
    clear: float
    severity: str
    value: float
    """Of an open one as it is now, else as it was at the end."""
    raised_at: float
    acknowledged_by: str
    acknowledged_at: float | None
    ended_at: float | None
    """null: it is open."""
    reason: str
    """Why it has ended: back (the figure is), gone (the queue or trunk), changed (the rule)."""

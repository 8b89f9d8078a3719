"""Queues: what is answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["QueueView"]


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue. Figures of today begin at midnight UTC, or when the switch was started."""

    queue: str
    at: float
    """When the figures were right; they are never older than a second."""
    open: bool
    waiting: int
    callbacks: int
    """Those who have a place and are to be called back."""
    longest_wait_s: float
    ewt_p50_s: float | None
    """Estimated wait of one who comes now; null: nobody could ever serve."""
    ewt_p90_s: float | None
    signed_in: int
    """Agents who could serve."""
    idle: int
    offered: int
    answered: int
    abandoned: int
    flowed_out: int
    service_level: float | None
    """Of today, by the default formula; null: no call yet."""
    asa_s: float | None
    snoozed: int = 0
    """Contacts in writing that are put aside."""
    overdue: int = 0
    """Those that were to be answered by now."""

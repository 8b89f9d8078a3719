"""Webhooks: what is answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["WebhookTested", "WebhookView"]


class WebhookView(Struct, frozen=True, kw_only=True):
    """A webhook and how it does. Times are seconds of the epoch; null: never, or not now."""

    webhook: str
    url: str
    """Without its query, which may be a secret."""
    events: list[str]
    """The kinds that are sent; empty: all."""
    queues: list[str]
    agents: list[str]
    state: str
    """`waiting`, `sending`, `retrying`, or `disabled`: answered 410."""
    lag_s: float
    """How long ago the event in hand happened; 0: all are delivered."""
    delivered: int
    """Since the start of the switch, like the next two."""
    failures: int
    """Attempts that were not acknowledged."""
    skipped: int
    """Events that were given up after `max_attempts`."""
    attempts: int
    """Of the event in hand."""
    last_success_at: float | None
    last_failure_at: float | None
    last_error: str
    """Empty: the last attempt was acknowledged."""
    next_attempt_at: float | None


class WebhookTested(Struct, frozen=True, kw_only=True):
    """What came of a test message."""

    delivered: bool
    status: int
    """Of HTTP; 0: there was no answer."""
    error: str
    took_s: float

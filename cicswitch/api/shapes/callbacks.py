"""Callbacks: what is answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["CallbackView"]


class CallbackView(Struct, frozen=True, kw_only=True):
    """A promise to call somebody back."""

    interaction: str
    queue: str
    number: str
    state: str
    """`waiting`, `dialling`, or `on the line`."""
    queued_at: float
    attempts: int
    not_before: float
    """0: as soon as an agent is expected to be free."""
    expires_at: float
    """0: never."""
    position: int | None = None
    """The place in line, where a single one is asked for."""

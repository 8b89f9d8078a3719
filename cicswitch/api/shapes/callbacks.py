"""Callbacks: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["Blocked", "BlockedView", "CallbackOrder", "CallbackView"]

_Number = Annotated[str, Meta(min_length=2, max_length=40)]


class CallbackView(Struct, frozen=True, kw_only=True):
    """A promise to call somebody back."""

    interaction: str
    queue: str
    number: str
    name: str
    note: str
    """What it is about."""
    by: str
    """Who asked for it: empty, the customer on the line; `account:NAME`; `widget:NAME`."""
    state: str
    """`scheduled`, `waiting`, `dialling`, or `on the line`."""
    queued_at: float
    """Its place in line counts from then; later than now: the time that it is scheduled for."""
    attempts: int
    not_before: float
    """0: as soon as an agent is expected to be free."""
    expires_at: float
    """0: never."""
    zone: str
    """The customer's time zone, if somebody said it."""
    position: int | None = None
    """The place in line, where a single one is asked for."""


class CallbackOrder(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody is to be called."""

    queue: Annotated[str, Meta(min_length=1, max_length=80)]
    number: _Number
    at: float = 0.0
    """When, in seconds of the epoch, up to 60 days ahead; 0: as soon as it is his turn."""
    zone: Annotated[str, Meta(max_length=64)] = ""
    """His time zone, like `Asia/Seoul`; empty: that of his number."""
    name: Annotated[str, Meta(max_length=80)] = ""
    note: Annotated[str, Meta(max_length=500)] = ""
    """What it is about: the agent reads it."""
    language: Annotated[str, Meta(max_length=16)] = ""
    skills: Annotated[dict[str, int], Meta(max_length=20)] = {}
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    """Other than 0 takes callbacks:write."""


class BlockedView(Struct, frozen=True, kw_only=True):
    """A number that is not to be called."""

    number: str
    at: float
    by: str
    """`account:NAME`, or `customer`."""
    note: str


class Blocked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number that is not to be called any more."""

    number: _Number
    note: Annotated[str, Meta(max_length=200)] = ""

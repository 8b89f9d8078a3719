"""Customers: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["ContactView", "NoteText", "NoteView"]


class ContactView(Struct, frozen=True, kw_only=True):
    """A contact of a customer that is over."""

    interaction: str
    medium: str
    called: str
    started_at: float
    ended_at: float | None
    queue: str
    agent: str
    """Who had it last; empty: nobody."""
    wait_s: float
    talk_s: float
    outcome: str
    """`handled`, `abandoned`, `flowed-out`, `self-service`, `failed`."""
    reason: str
    """Why it ended."""
    code: str
    """The wrap-up code; empty: none was given."""
    recorded: bool
    """A recording or a message is there."""
    note: str
    note_agent: str
    """Whose note it is."""


class NoteText(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be kept of an interaction."""

    text: Annotated[str, Meta(max_length=2000)]


class NoteView(Struct, frozen=True, kw_only=True):
    """What is kept of an interaction; empty: nothing was written."""

    interaction: str
    text: str
    agent: str
    account: str
    """Who wrote it."""
    at: float | None

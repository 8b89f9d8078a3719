"""Messages to all: what is sent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["Message"]


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """What is told. It is kept in the journal and the audit log."""

    text: Annotated[str, Meta(min_length=1, max_length=500)]

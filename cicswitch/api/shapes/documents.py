"""The files of the configuration: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["DocumentSaved", "DocumentText", "DocumentView", "NamedDocument", "NewDocument"]


class NamedDocument(Struct, frozen=True, kw_only=True):
    """A file of the configuration."""

    document: str
    """Its path from the folder of `cicswitch.toml`, with `:` for `/`."""
    kind: str
    """`configuration` or `dialplan`."""
    file: str
    """As findings name it."""


class DocumentView(Struct, frozen=True, kw_only=True):
    """A file with its text, secrets and all."""

    document: str
    kind: str
    file: str
    text: str


class DocumentText(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to stand there, the whole of it."""

    text: str


class NewDocument(Struct, frozen=True, forbid_unknown_fields=True):
    """A dialplan to be made."""

    document: str
    """Its name, like `dialplans:night.toml`: where `dialplans` of the configuration looks."""
    text: str | None = None
    """What it holds; without it a template, whose route takes a number that is free."""


class DocumentSaved(Struct, frozen=True, kw_only=True):
    """It is written and taken over."""

    document: str
    backup: int
    """What was there before is in the file NAME.~N~; 0: it was the same."""
    notes: list[str]
    """What takes effect only at the next start."""

"""Prompts: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.api.shapes.common import Paging

__all__ = ["PromptFile", "PromptQuery", "PromptText", "PromptView"]


class PromptQuery(Paging, frozen=True):
    """Which prompts."""

    language: str = ""


class PromptView(Struct, frozen=True, kw_only=True):
    """A prompt as a call in its language gets it."""

    language: str
    prompt: str
    source: str
    """`uploaded` (made here), `folder` (of `media.prompts`) or `built-in`."""
    duration_s: float
    transcript: str
    version: str
    """Another one with each change of the sound."""
    used_by: list[str]
    """Lines of dialplans and keys of queues that name it."""


class PromptFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A WAV file: PCM or floats, A-law or µ-law, any rate and up to 8 channels."""

    wav: bytes
    """In base64; 10 MiB and 300 s at most."""
    transcript: Annotated[str, Meta(max_length=4000)] = ""


class PromptText(Struct, frozen=True, forbid_unknown_fields=True):
    """A text to be spoken."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]

"""The configuration: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.core.toml import Finding

__all__ = ["Candidate", "Codes", "Findings", "Reloaded", "Section"]


class Codes(Struct, frozen=True, kw_only=True):
    """Names for reasons, by the digits that agents dial; and the skills that there are."""

    pause: dict[str, str]
    wrap_up: dict[str, str]
    skills: dict[str, str]


class Section(Struct, frozen=True):
    """Which part."""

    section: str = ""
    """A table, like `queue`; empty: all of it."""


class Candidate(Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration that might be."""

    text: str
    """TOML. Paths in it count from the folder of the configuration that is."""


class Findings(Struct, frozen=True):
    """What is wrong with it; nothing: all is well."""

    findings: list[Finding]


class Reloaded(Struct, frozen=True):
    """What was changed and takes effect only at the next start."""

    notes: list[str]

"""The configuration: read, checked, taken over; and the codes in it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec import Struct

from cicswitch.api.endpoint import Ask, encode, endpoint
from cicswitch.api.problems import FieldError, Problem
from cicswitch.config import Config
from cicswitch.core.toml import Finding

__all__ = ["Candidate", "Codes", "Findings", "Reloaded", "Section"]

_LEFT_OUT = ("plan", "directory", "segment_numbers")


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


@endpoint("GET", "/codes", scopes="codes:read")
async def codes(ask: Ask) -> Codes:
    """Pause codes, wrap-up codes and skills."""
    config = ask.api.config
    return Codes(pause=config.codes.pause, wrap_up=config.codes.wrap_up, skills=config.skills)


@endpoint("GET", "/configuration", scopes="config:read", tagged=True)
async def configuration(ask: Ask, query: Section) -> dict[str, Any]:
    """The configuration as it is now, with the defaults; secrets are `…`."""
    config = ask.api.config
    fields = [name for name in Config.__struct_fields__ if name not in _LEFT_OUT]
    if query.section and query.section not in fields:
        expected = "one of " + ", ".join(fields)
        error = FieldError(parameter="section", found=query.section[:80], expected=expected)
        raise Problem(422, "there is no such table", errors=[error])
    chosen = [query.section] if query.section else fields

    def made() -> dict[str, Any]:
        return {name: msgspec.Raw(encode(getattr(config, name))) for name in chosen}

    return await asyncio.to_thread(made)  # it is frozen, and may name thousands of agents


@endpoint("POST", "/configuration/check", scopes="config:write", repeatable=False)
async def check(ask: Ask, body: Candidate) -> Findings:
    """What is wrong with a configuration that might be. Nothing is changed.

    It takes config:write, because to check one means to read the files that it names.
    """
    return Findings(await ask.api.sources.check(body.text))


@endpoint("POST", "/configuration/reload", scopes="config:write")
async def reload(ask: Ask) -> Reloaded:
    """Take over the changed file without dropping a call; with a mistake in it nothing changes."""
    notes = await ask.api.sources.reload()
    await ask.note("configuration.reload", "", None, {"notes": notes})
    return Reloaded(notes)

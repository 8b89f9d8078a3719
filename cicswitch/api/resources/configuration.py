"""The configuration: read, checked, taken over; and the codes in it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from cicswitch.api.endpoint import Ask, encode, endpoint
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.configuration import Candidate, Codes, Findings, Reloaded, Section
from cicswitch.config import Config

__all__ = ["Candidate", "Codes", "Findings", "Reloaded", "Section"]

_LEFT_OUT = ("plan", "directory", "segment_numbers")


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

"""Texts that agents have at hand, with what is known of the customer filled in.

`{name}` and the like are filled in by the switch. `{field:order number}` is asked of the agent, and
nothing is sent in which one still stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["FIELDS", "asked_fields", "filled", "unfilled", "unknown_fields"]

FIELDS: Final = ("agent", "called", "customer", "name", "queue", "subject")
"""`{name}` is the customer's name, or his address or number where it is not known; `{customer}` is
the address in any case."""
_FIELD: Final = re.compile(r"\{([a-z_]+)\}")
_ASKED: Final = re.compile(r"\{field:\s*([^{}\n]{1,60}?)\s*\}")
_LEFT: Final = re.compile(r"\{field:[^{}\n]{0,80}\}?")


def unknown_fields(text: str) -> list[str]:
    """What stands in braces and is no field."""
    named = [each for each in _FIELD.findall(text) if each not in FIELDS]
    return named + [each.strip("{}") for each in _LEFT.findall(_ASKED.sub("", text))]


def asked_fields(*texts: str) -> list[str]:
    """What an agent is asked for, in its order, each once."""
    return list(dict.fromkeys(each for text in texts for each in _ASKED.findall(text)))


def unfilled(text: str) -> str:
    """The first field that was not filled in, as it stands there; empty: there is none."""
    found = _LEFT.search(text)
    return found[0] if found is not None else ""


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in, once: what a customer calls himself is no field."""
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), text)

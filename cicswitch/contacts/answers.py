"""Texts that agents have at hand, with what is known of the customer filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["FIELDS", "filled", "unknown_fields"]

FIELDS: Final = ("agent", "called", "customer", "name", "queue", "subject")
"""`{name}` is the customer's name, or his address or number where it is not known; `{customer}` is
the address in any case."""
_FIELD: Final = re.compile(r"\{([a-z_]+)\}")


def unknown_fields(text: str) -> list[str]:
    """What stands in braces and is no field."""
    return [each for each in _FIELD.findall(text) if each not in FIELDS]


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in, once: what a customer calls himself is no field."""
    return _FIELD.sub(lambda found: values.get(found[1], found[0]), text)

"""What differs between two TOML texts, key by key and without secrets: for the audit log."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

__all__ = ["SECRET", "changes"]

SECRET = re.compile(r"password|secret|token|api_?key", re.IGNORECASE)
"""Keys whose values are not shown; a test sees that all secrets of the configuration are among
them."""
STORE = (("store",), ("store", "url"))
"""Where the URL of a database stands, with its password."""
_MOST = 200
_LONG = 200
_NONE = object()


def changes(before: str, after: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keys that differ, with what they were and what they are; a key that is missing on one
    side is there on the other only. At most 200 of them; `…` stands for a secret."""
    try:
        old, new = dict(_leaves(tomllib.loads(before))), dict(_leaves(tomllib.loads(after)))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {"text": "no TOML"}, {"text": f"{len(after)} characters"}
    differ = [key for key in {**old, **new} if old.get(key, _NONE) != new.get(key, _NONE)]
    if not differ:
        told = "the same values" if before == after else "other comments or order"
        return {}, {"text": told}
    found = (
        {_dotted(key): _shown(key, side[key]) for key in differ[:_MOST] if key in side}
        for side in (old, new)
    )
    was, is_now = found
    if len(differ) > _MOST:
        is_now["…"] = f"{len(differ) - _MOST} more"
    return was, is_now


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    elif path:
        yield path, value


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _shown(path: tuple[str | int, ...], value: Any) -> Any:
    if any(isinstance(part, str) and SECRET.search(part) for part in path[-2:]) or path in STORE:
        return "…"
    if isinstance(value, str) and "://" in value:
        value = _without_query(value)
    if isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONG else text[: _LONG - 1] + "…"


def _without_query(url: str) -> str:
    """The query of an address, and a name in it, may be secrets."""
    try:
        split = urlsplit(url)
    except ValueError:
        return "…"
    place = split.netloc.rpartition("@")[2]
    return f"{split.scheme}://{place}{split.path}" + ("?…" if split.query else "")

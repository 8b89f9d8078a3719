"""A gateway's body -> what customers have written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from cicswitch.gateways.files import FileAt
from cicswitch.gateways.shape import Shape

__all__ = ["Written", "found", "read"]

_MOST: Final = 200
"""Messages of one body."""
_SHORT: Final = 256
"""Characters of what is no text."""
_FILES: Final = 10
"""Files of one message."""
_LINK: Final = 2000


class Written(Struct, frozen=True):
    """One message."""

    customer: str
    text: str
    external: str = ""
    called: str = ""
    name: str = ""
    language: str = ""
    files: tuple[FileAt, ...] = ()


def found(body: bytes, path: str) -> str:
    """What an answer has at a path, as text; empty: there is none."""
    try:
        return _field([msgspec.json.decode(body)], path)[:_LINK]
    except (msgspec.DecodeError, RecursionError):
        return ""


def read(shape: Shape, body: bytes) -> tuple[list[Written], int]:
    """The messages of a body, and how many things in it are none that a customer has written.

    Raises `ValueError` for what is no JSON, or more than a body should have.
    """
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("the body is no JSON") from None
    messages, others = [], 0
    for count, around in enumerate(_walk([decoded], _steps(shape.messages))):
        if count >= _MOST:
            raise ValueError(f"more than {_MOST} messages")
        message = _message(shape, around)
        if message is None:
            others += 1
        else:
            messages.append(message)
    return messages, others


def _message(shape: Shape, around: list[Any]) -> Written | None:
    for path, value in shape.where.items():
        if _field(around, path) != value:
            return None
    customer, text = _field(around, shape.customer), _field(around, shape.text)
    if not customer:
        return None
    kind = _field(around, shape.kind)[:_SHORT]
    files = _files(shape, around, kind)
    if text in [each.link for each in files]:
        text = ""
    if not text and not files:
        if not kind:
            return None
        text = f"[{kind}]"
    return Written(
        customer=customer[:_SHORT],
        text=text,
        external=_field(around, shape.external)[:_SHORT],
        called=_field(around, shape.called)[:_SHORT],
        name=_field(around, shape.name)[:_SHORT],
        language=_field(around, shape.language)[:_SHORT],
        files=files,
    )


def _files(shape: Shape, around: list[Any], kind: str) -> tuple[FileAt, ...]:
    if not (shape.media or shape.link) or (shape.file_kinds and kind not in shape.file_kinds):
        return ()
    made: list[FileAt] = []
    for each in _walk(around, _steps(shape.files)):
        link, media = _field(each, shape.link), _field(each, shape.media)
        if (link or media) and len(link) <= _LINK and len(media) <= _LINK:
            media = "" if link else media
            made.append(FileAt(kind or "file", media, link, _field(each, shape.file_name)[:_SHORT]))
        if len(made) == _FILES:
            break
    return tuple(made)


def _field(around: list[Any], path: str) -> str:
    """The value at a path, as text; empty: there is none. `around` is the message and, before it,
    what it is in."""
    for each in path.split("|"):
        value = each[1:] if each.startswith("=") else _looked_up(around, each)
        if value:
            return value
    return ""


def _looked_up(around: list[Any], path: str) -> str:
    up = len(path) - len(path.lstrip("^"))
    if not path or up >= len(around):
        return ""
    for way in _walk(around[: len(around) - up], _steps(path[up:])):
        value = way[-1]
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""


def _steps(path: str) -> list[str]:
    return [step for step in path.split(".") if step]


def _walk(around: list[Any], steps: list[str]) -> Iterator[list[Any]]:
    """All that a path leads to, each behind the objects that it is in."""
    if not steps:
        yield around
        return
    step = steps[0]
    here = around[-1]
    value = here.get(step.partition("[")[0]) if isinstance(here, dict) else None
    if value is None:
        return
    if not step.endswith("]"):
        yield from _walk([*around, value], steps[1:])
    elif isinstance(value, list):
        for each in value[-1:] if step.endswith("[-1]") else value:
            yield from _walk([*around, each], steps[1:])

"""A message -> the bodies that a gateway is sent."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from cicswitch.gateways.shape import Shape

__all__ = ["bodies", "file_body", "form_fields", "link_body", "parts"]

_NAME: Final = re.compile(r"\{(\w+)\}")


def parts(text: str, longest: int) -> list[str]:
    """A text in pieces of at most so many characters, between words where there are some."""
    if not longest or len(text) <= longest:
        return [text]
    found = []
    while len(text) > longest:
        at = max(text.rfind(each, 0, longest + 1) for each in (" ", "\n"))
        if at < longest // 2:
            at = longest
        found.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*found, text] if text else found


def bodies(shape: Shape, text: str, values: dict[str, str]) -> list[bytes]:
    """What is sent, in its order, for a text and what else is known."""
    pieces = parts(text, shape.longest)
    made = []
    for number, piece in enumerate(pieces):
        more = {"text": piece, "id": values["id"] + (f"-{number}" if number else "")}
        made.append(msgspec.json.encode(_filled(shape.write, {**values, **more})))
    return made


def file_body(shape: Shape, picture: bool, values: dict[str, str]) -> bytes:
    """What sends a file."""
    template = shape.write_picture if picture and shape.write_picture else shape.write_file
    return msgspec.json.encode(_filled(template, values))


def link_body(shape: Shape, picture: bool, values: dict[str, str]) -> bytes:
    """What sends a link to a file."""
    if picture and shape.write_link:
        return msgspec.json.encode(_filled(shape.write_link, values))
    text = f"{values['file_name']}\n{values['link']}"
    return msgspec.json.encode(_filled(shape.write, {**values, "text": text}))


def form_fields(shape: Shape, values: dict[str, str]) -> dict[str, str]:
    """What stands beside a file in the form that it is posted with."""
    return {key: str(_filled(each, values)) for key, each in shape.upload_fields.items()}


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _NAME.sub(lambda name: values.get(name[1], name[0]), value)
    if isinstance(value, dict):
        return {key: _filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    return value

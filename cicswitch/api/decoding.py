"""Bodies and query parameters -> Structs, with every mistake and where it is.

The way that is usual is one call of msgspec. Only if that fails the data are walked, by the decoder
that reads `cicswitch.toml`, to tell all mistakes in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import inspect as mi

from cicswitch.api.problems import FieldError, Problem
from cicswitch.core.toml import Decoder, Document, KeyPath

__all__ = ["decode_body", "decode_query", "pointer"]

T = TypeVar("T")


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class _Walker(Decoder):
    """The decoder of TOML, on JSON: null is a value, and a mistake has a pointer."""

    def __init__(self) -> None:
        super().__init__(Document("", ""), {})
        self.errors: list[tuple[KeyPath, str, str]] = []

    def add(self, path: KeyPath, found: str, expected: str, hint: str = "") -> None:
        more = f" ({hint})" if hint else ""
        self.errors.append((path, found[:200], expected + more))

    def _convert(self, info: mi.Type, data: object, path: KeyPath) -> object:
        if data is None:
            kinds = info.types if isinstance(info, mi.UnionType) else (info,)
            if any(isinstance(kind, mi.NoneType | mi.AnyType) for kind in kinds):
                return None
            self.add(path, "null", "a value")
            return None
        return super()._convert(info, data, path)

    def _secret(self, data: object, path: KeyPath) -> object:
        raise AssertionError("a request names no file and no environment")


def _at(message: str) -> tuple[str, KeyPath]:
    """What msgspec says, and the way to it as far as it tells."""
    text, _, way = message.partition(" - at `$")
    parts = [part for part in way.rstrip("`").replace("[", ".").replace("]", "").split(".") if part]
    return text, tuple(part for part in parts if part != "...")


def decode_body(kind: type[T], raw: bytes) -> T:
    """The body as a `kind`. Raises `Problem`: 400 where it is no JSON, else 422."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        first = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {error}") from None
    walker = _Walker()
    try:
        walker.decode(kind, msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is no JSON: {error}") from None
    errors = [
        FieldError(pointer=pointer(path), found=found, expected=expected)
        for path, found, expected in walker.errors[:100]
    ]
    if not errors:
        text, path = _at(first)
        errors = [FieldError(pointer=pointer(path), detail=text)]
    raise Problem(422, "the body has mistakes", errors=errors)


def decode_query(kind: type[T], pairs: Iterable[tuple[str, str]]) -> T:
    """Query parameters as a `kind`; each once. Raises `Problem` 422."""
    given: dict[str, str] = {}
    errors: list[FieldError] = []
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}  # type: ignore[arg-type]  # a Struct
    for name, value in pairs:
        if name not in fields:
            known = ", ".join(fields) or "none"
            errors.append(FieldError(parameter=name[:80], expected=f"known here: {known}"))
        elif name in given:
            errors.append(FieldError(parameter=name, expected="once"))
        given[name] = value
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in given:
            if field.required:
                errors.append(FieldError(parameter=name, expected="a value"))
            continue
        try:
            values[field.name] = msgspec.convert(given[name], field.type, strict=False)
        except msgspec.ValidationError as error:
            errors.append(
                FieldError(parameter=name, found=f'"{given[name][:80]}"', detail=_at(str(error))[0])
            )
    if errors:
        raise Problem(422, "the query has mistakes", errors=errors[:100])
    return kind(**values)

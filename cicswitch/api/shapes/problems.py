"""RFC 9457 problem details, as every error answers."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["FieldError", "ProblemBody"]


class FieldError(Struct, frozen=True, omit_defaults=True):
    """One mistake in a request: in the body at a JSON pointer (RFC 6901), or in a parameter."""

    pointer: str | None = None
    parameter: str | None = None
    found: str = ""
    expected: str = ""
    detail: str = ""


class ProblemBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every error answers with."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: tuple[FieldError, ...] = ()

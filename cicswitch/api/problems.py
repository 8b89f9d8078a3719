"""Errors over HTTP: RFC 9457 problem details, one shape for every one of them.

    {"type": "urn:cicswitch:problem:invalid", "title": "…", "status": 422, "detail": "…",
     "errors": [{"pointer": "/skills/korean", "found": "\\"high\\"", "expected": "a whole number"}]}

`type` is for programs and `detail` for people. What a caller may not know is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil

import msgspec

from cicswitch.api.accounts.directory import TooOften
from cicswitch.api.accounts.model import Stale
from cicswitch.api.shapes.problems import FieldError, ProblemBody
from cicswitch.core.errors import (
    CicError,
    CommandError,
    ConfigError,
    Conflict,
    NotFound,
    ResourceError,
    TooLarge,
)

__all__ = ["KINDS", "MEDIA_TYPE", "FieldError", "Problem", "ProblemBody", "problem_of"]

MEDIA_TYPE = "application/problem+json"

KINDS = {
    400: ("malformed", "The request makes no sense"),
    401: ("not-signed-in", "Who asks is not known"),
    403: ("forbidden", "Who asks may not do this"),
    404: ("not-found", "It is not there"),
    405: ("method-not-allowed", "It cannot be asked so"),
    409: ("conflict", "Its state does not allow this"),
    412: ("stale", "It was changed in the meantime"),
    413: ("too-large", "The body is too large"),
    415: ("media-type", "The body has to be JSON"),
    416: ("no-such-part", "There is no such part of it"),
    422: ("invalid", "The request has mistakes"),
    429: ("too-often", "Too many requests"),
    500: ("internal", "A mistake of the switch"),
    503: ("unavailable", "Not at the moment"),
}
"""Status -> the end of `type`, and `title`."""
_PREFIX = "urn:cicswitch:problem:"


class Problem(CicError):
    """An answer that is an error."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(detail)

    @property
    def body(self) -> bytes:
        """The document."""
        kind, title = KINDS.get(self.status) or (f"http-{self.status}", _phrase(self.status))
        return msgspec.json.encode(
            ProblemBody(
                type=_PREFIX + kind,
                title=title,
                status=self.status,
                detail=self.detail,
                errors=self.errors,
            )
        )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


_STATUS: tuple[tuple[type[CicError], int], ...] = (
    (NotFound, 404),
    (Stale, 412),
    (TooLarge, 413),
    (Conflict, 409),
    (CommandError, 422),
    (ResourceError, 503),
)


def problem_of(error: Exception) -> Problem | None:
    """The answer for an error that is raised on purpose; None for one that is not."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, TooOften):
        return Problem(429, str(error), headers={"Retry-After": str(ceil(error.retry_after_s))})
    if isinstance(error, ConfigError):
        errors = [
            FieldError(detail=str(finding), found=finding.found, expected=finding.expected)
            for finding in error.findings
        ]
        return Problem(422, "the configuration has mistakes; nothing was changed", errors=errors)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return Problem(status, str(error))
    status = getattr(error, "status_code", 0)
    if isinstance(status, int) and 400 <= status < 500:  # Litestar's: no such path, no such method
        return Problem(status, "" if status in (404, 405) else str(getattr(error, "detail", "")))
    return None

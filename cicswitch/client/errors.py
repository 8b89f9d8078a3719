"""What goes wrong between a program and a switch.

    ApiError
    ├── BadMessage             a webhook message that is not from the switch (`client.webhooks`)
    ├── Unreachable            no answer, after all tries
    └── ApiProblem             an answer that is an error: a problem document (RFC 9457)
        ├── MalformedProblem    400    ├── StaleProblem      412
        ├── NotSignedInProblem  401    ├── InvalidProblem    422  `errors` says where
        ├── ForbiddenProblem    403    ├── TooOftenProblem   429  `retry_after_s`
        ├── NotFoundProblem     404    ├── InternalProblem   500
        └── ConflictProblem     409    └── UnavailableProblem 503

Other statuses are plain `ApiProblem`s.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cicswitch.api.shapes.problems import FieldError, ProblemBody
from cicswitch.core.errors import CicError

__all__ = [
    "ApiError",
    "ApiProblem",
    "ConflictProblem",
    "ForbiddenProblem",
    "InternalProblem",
    "InvalidProblem",
    "MalformedProblem",
    "NotFoundProblem",
    "NotSignedInProblem",
    "StaleProblem",
    "TooOftenProblem",
    "UnavailableProblem",
    "Unreachable",
    "problem_from",
    "retry_after",
]


class ApiError(CicError):
    """Something went wrong between this program and the switch."""


class Unreachable(ApiError):
    """No answer: no connection, or none that held."""


class ApiProblem(ApiError):
    """The switch has answered with an error."""

    def __init__(self, body: ProblemBody, retry_after_s: float | None = None) -> None:
        self.status = body.status
        self.type = body.type
        """For programs, `urn:cicswitch:problem:…`."""
        self.title = body.title
        self.detail = body.detail
        self.errors: tuple[FieldError, ...] = body.errors
        """Of 422: each mistake with its place."""
        self.retry_after_s = retry_after_s
        """When it may be tried again; None: nobody has said."""
        places = "; ".join(_said(error) for error in body.errors)
        told = ": ".join(part for part in (body.detail or body.title, places) if part)
        super().__init__(f"{told} ({body.status})")


class MalformedProblem(ApiProblem):
    """400: no JSON, or no HTTP."""


class NotSignedInProblem(ApiProblem):
    """401: no token and no session, or one that is good no more."""


class ForbiddenProblem(ApiProblem):
    """403: `detail` says which scope it takes."""


class NotFoundProblem(ApiProblem):
    """404: it is not there."""


class ConflictProblem(ApiProblem):
    """409: its state does not allow this."""


class StaleProblem(ApiProblem):
    """412: it was changed since it was read. Read it again."""


class InvalidProblem(ApiProblem):
    """422: the request has mistakes."""


class TooOftenProblem(ApiProblem):
    """429: too many requests, still after all tries."""


class InternalProblem(ApiProblem):
    """500: a mistake of the switch."""


class UnavailableProblem(ApiProblem):
    """503: not at the moment, still after all tries."""


_BY_STATUS: dict[int, type[ApiProblem]] = {
    400: MalformedProblem,
    401: NotSignedInProblem,
    403: ForbiddenProblem,
    404: NotFoundProblem,
    409: ConflictProblem,
    412: StaleProblem,
    422: InvalidProblem,
    429: TooOftenProblem,
    500: InternalProblem,
    503: UnavailableProblem,
}


def problem_from(status: int, headers: Mapping[str, str], raw: bytes) -> ApiProblem:
    """The exception for an answer; what is no problem document, say of a proxy, becomes one."""
    try:
        body = msgspec.json.decode(raw, type=ProblemBody)
    except msgspec.MsgspecError:
        detail = raw[:200].decode("utf-8", "replace").strip()
        body = ProblemBody(type="about:blank", title="Error", status=status, detail=detail)
    return _BY_STATUS.get(status, ApiProblem)(body, retry_after(headers))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After`; None without one, or with a date."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _said(error: FieldError) -> str:
    place = error.pointer if error.pointer is not None else error.parameter or ""
    parts = [place, error.detail]
    if error.found:
        parts.append(f"found {error.found}")
    if error.expected:
        parts.append(f"expected {error.expected}")
    return " ".join(part for part in parts if part)

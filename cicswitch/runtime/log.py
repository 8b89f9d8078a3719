"""Logs: structlog, JSON or console, with numbers and addresses redacted.

Every line has `event` and `at`; lines about a call have `interaction_id`. Keys in `PERSONAL` hold
what identifies a person and are shortened unless `logging.redact` is off; `Secret` values show
nothing in any case.
"""

from __future__ import annotations

import logging
import sys
import time
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["PERSONAL", "configure", "redacted"]

PERSONAL = frozenset({"caller", "called", "caller_name", "number", "target"})

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def redacted(value: str) -> str:
    """All but the last two characters of what identifies a person."""
    return "…" + value[-2:] if len(value) > 4 else value


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key in PERSONAL & event.keys():
        event[key] = redacted(str(event[key]))
    return event


def _stamp() -> str:
    """The time in UTC, ISO 8601 with microseconds."""
    micros = time.time_ns() // 1000
    return f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _json_line(redact: bool) -> Any:
    """All that makes a line of JSON, in one processor: every call writes a line."""

    def line(logger: WrappedLogger, name: str, event: EventDict) -> bytes:
        if redact:
            _redact(logger, name, event)
        event["level"] = name
        event["at"] = _stamp()
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, name, event)
        return _encode(event)

    return line


def configure(level: str, style: str, redact: bool, stream: TextIO | None = None) -> None:
    """Set up logging for the process. `style`: `json` or `console`. Goes to stderr by default."""
    stream = stream or sys.stderr
    processors: list[Any]
    factory: Any
    if style == "json":
        processors = [_json_line(redact)]
        factory = structlog.BytesLoggerFactory(stream.buffer)
    else:
        processors = [_redact] if redact else []
        processors += [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                timestamp_key="at",
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
        factory = structlog.PrintLoggerFactory(stream)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    # What libraries say through the standard logger: warnings and worse, in the same stream.
    logging.basicConfig(level=logging.WARNING, stream=stream, force=True)

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
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

__all__ = ["PERSONAL", "JsonLogger", "configure", "redacted"]

PERSONAL = frozenset({"caller", "called", "caller_name", "number", "target"})

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NAMES = {number: name for name, number in _LEVELS.items()}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def redacted(value: str) -> str:
    """All but the last two characters of what identifies a person."""
    return "…" + value[-2:] if len(value) > 4 else value


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key in event:
        if key in PERSONAL:
            event[key] = redacted(str(event[key]))
    return event


def _stamp() -> str:
    """The time in UTC, ISO 8601 with microseconds."""
    micros = time.time_ns() // 1000
    return f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class JsonLogger:
    """structlog's logger for JSON, without its chain of processors: every call writes a line.

    Bound values come first. A line that the stream does not take (a full disk, a closed pipe) is
    lost and counted in `unwritten`: a log must never stop what it tells of.
    """

    level = 20
    redact = True
    unwritten = 0

    def __init__(self, logger: BinaryIO, processors: object = None, context: Any = ()) -> None:
        self._stream = logger
        self._context: dict[str, Any] = dict(context)

    def bind(self, **values: Any) -> JsonLogger:
        """A logger whose lines have these values too."""
        return JsonLogger(self._stream, context={**self._context, **values})

    def new(self, **values: Any) -> JsonLogger:
        """A logger whose lines have these values only."""
        return JsonLogger(self._stream, context=values)

    def unbind(self, *keys: str) -> JsonLogger:
        """A logger without these values. Raises `KeyError` if one is not bound."""
        context = dict(self._context)
        for key in keys:
            del context[key]
        return JsonLogger(self._stream, context=context)

    def try_unbind(self, *keys: str) -> JsonLogger:
        """A logger without these values, bound or not."""
        kept = {key: value for key, value in self._context.items() if key not in keys}
        return JsonLogger(self._stream, context=kept)

    def log(self, level: int, event: str, **values: Any) -> None:
        """A line of a level of the standard logger."""
        if level >= self.level:
            self._write(_NAMES.get(level, "info"), event, values)

    def debug(self, event: str, **values: Any) -> None:
        """What only a developer wants to see."""
        if self.level <= 10:
            self._write("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """What an operator may want to see."""
        if self.level <= 20:
            self._write("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """What an operator should see."""
        if self.level <= 30:
            self._write("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """What an operator must see."""
        self._write("error", event, values)

    def exception(self, event: str, **values: Any) -> None:
        """An error with the traceback of the exception in hand."""
        self._write("error", event, {"exc_info": True, **values})

    def _write(self, level: str, event: str, values: dict[str, Any]) -> None:
        line: EventDict = {"event": event, **self._context, **values}
        if self.redact:
            _redact(None, level, line)
        line["level"] = level
        line["at"] = _stamp()
        if "exc_info" in line:
            line = structlog.processors.format_exc_info(None, level, line)
        try:
            self._stream.write(_encode(line) + b"\n")
            self._stream.flush()
        except (OSError, ValueError):
            JsonLogger.unwritten += 1


def configure(level: str, style: str, redact: bool, stream: TextIO | None = None) -> None:
    """Set up logging for the process. `style`: `json` or `console`. Goes to stderr by default."""
    stream = stream or sys.stderr
    if style == "json":
        JsonLogger.level, JsonLogger.redact = _LEVELS[level], redact
        structlog.configure(
            processors=[],
            wrapper_class=JsonLogger,
            logger_factory=lambda *_: stream.buffer,
            cache_logger_on_first_use=True,
        )
    else:
        processors: list[Any] = [_redact] if redact else []
        processors += [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                timestamp_key="at",
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
        structlog.configure(
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            logger_factory=structlog.PrintLoggerFactory(stream),
            cache_logger_on_first_use=True,
        )
    # What libraries say through the standard logger: warnings and worse, in the same stream.
    logging.basicConfig(level=logging.WARNING, stream=stream, force=True)

"""Logs: structlog, JSON or console, with numbers and addresses redacted.

Every line has `event` and `at`; lines about a call have `interaction_id`. Keys in `PERSONAL` hold
what identifies a person and are shortened unless `logging.redact` is off; numbers and SIP addresses
in the texts of exceptions are left out then. `Secret` values show nothing in any case. IP addresses
of peers are shown: they are what a firewall needs.

A line that cannot be written, because the disk is full or the reader is gone, is counted and never
stops what logged it. `failure()` says so for `/health`, and the first line that gets through again
is preceded by one that says how many were lost.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExceptionRenderer, ExcInfo, WrappedLogger

__all__ = ["PERSONAL", "Sink", "configure", "failure", "redacted", "retry"]

PERSONAL = frozenset({"caller", "called", "caller_name", "device", "number", "peer", "target"})

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def redacted(value: str) -> str:
    """All but the last two characters of what identifies a person."""
    return "…" + value[-2:] if len(value) > 4 else value


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key in PERSONAL & event.keys():
        value = event[key]
        if not isinstance(value, str):
            continue  # the (host, port) of a peer in the network
        kind, colon, number = value.rpartition(":")
        if key != "peer" or kind == "device":  # a peer is a trunk's name or `device:NUMBER`
            event[key] = kind + colon + redacted(number)
    return event


_NUMBERS = re.compile(r"sips?:[^\s>'\"]+|(?<![0-9a-zA-Z])\+?\d{4,}")


def _traceback(redact: bool, style: ExceptionRenderer, out: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback; redacted, what its messages say of addresses, numbers and digits goes."""
    text = io.StringIO()
    style(text, exc_info)
    for line in text.getvalue().splitlines(keepends=True):
        place = line.lstrip().startswith('File "')
        out.write(line if place or not redact else _NUMBERS.sub("…", line))


def _render(_logger: WrappedLogger, _name: str, event: EventDict) -> bytes:
    return _encode(event)


class Sink:
    """Where lines go: a stream that may fail. `notice(lines, reason)` words what was lost."""

    def __init__(self, stream: TextIO, notice: Callable[[int, str], bytes]) -> None:
        self.lost = 0
        """Lines lost since one got through."""
        self.reason = ""
        """Why they were."""
        self._stream = stream
        self._notice = notice
        self._cut = False
        self._lock = threading.Lock()
        try:
            stream.flush()
            self._fd = stream.fileno()
        except (OSError, io.UnsupportedOperation):
            self._fd = -1  # a stream of a test or of an embedding program

    def write(self, message: str | bytes) -> None:
        """Write one line; never raises."""
        data = message if isinstance(message, bytes) else message.encode("utf-8", "replace")
        with self._lock:
            if not (self._told() and self._put(data)):
                self.lost += 1

    def retry(self) -> None:
        """If lines were lost, see whether they get through again."""
        with self._lock:
            self._told()

    def _told(self) -> bool:
        if self.lost and self._put(self._notice(self.lost, self.reason)):
            self.lost, self.reason = 0, ""
        return not self.lost

    def _put(self, data: bytes) -> bool:
        # A line that broke off is ended first, so that the next one stands alone.
        data = b"\n" * self._cut + data + b"\n"
        try:
            if self._fd < 0:
                self._stream.write(data.decode("utf-8", "replace"))
                self._stream.flush()
                return True
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
                self._cut = bool(view)
        except (OSError, ValueError) as error:
            self.reason = getattr(error, "strerror", None) or str(error)
            return False
        return True


class _Lines:
    """The logger that structlog calls by level."""

    __slots__ = ("msg",)

    def __init__(self, sink: Sink) -> None:
        self.msg = sink.write

    def __getattr__(self, level: str) -> Callable[[str | bytes], None]:
        return self.msg


class _Standard(logging.Handler):
    """What libraries say through the standard logger, as lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        level = max(10, min(50, record.levelno // 10 * 10))
        log.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


_sink: Sink | None = None


def failure() -> str:
    """Why lines are being lost, and how many; empty when all is well."""
    if _sink is None or not _sink.lost:
        return ""
    return f"{_sink.lost} lines could not be written: {_sink.reason}"


def retry() -> None:
    """If lines were lost, see whether they get through again."""
    if _sink is not None:
        _sink.retry()


def configure(level: str, style: str, redact: bool, stream: TextIO | None = None) -> None:
    """Set up logging for the process. `style`: `json` or `console`. Goes to stderr by default."""
    global _sink
    stream = stream or sys.stderr
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    processors: list[Any] = [structlog.contextvars.merge_contextvars]
    if redact:
        processors.append(_redact)
    processors += [structlog.processors.add_log_level, stamp]
    traceback_of = partial(_traceback, redact, structlog.dev.plain_traceback)

    def exception_text(exc_info: ExcInfo) -> str:
        text = io.StringIO()
        traceback_of(text, exc_info)
        return text.getvalue().strip()

    last: list[Any]
    if style == "json":
        last = [structlog.processors.ExceptionRenderer(exception_text), _render]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                timestamp_key="at",
                exception_formatter=traceback_of,
            )
        ]

    def notice(lines: int, reason: str) -> bytes:
        event: Any = {"event": "log_lines_lost", "lines": lines, "error": reason, "level": "error"}
        for processor in (stamp, last[-1]):
            event = processor(None, "error", event)
        return event if isinstance(event, bytes) else str(event).encode()

    _sink = sink = Sink(stream, notice)
    structlog.configure(
        processors=[*processors, *last],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(sink),
        cache_logger_on_first_use=True,
    )
    # What libraries say through the standard logger: warnings and worse, in the same stream.
    logging.basicConfig(level=logging.WARNING, handlers=[_Standard()], force=True)

"""Logs: structlog, JSON or console, with numbers and addresses redacted.

Every line has `event` and `at`; lines about a call have `interaction_id`. Keys in `PERSONAL` hold
what identifies a person and are shortened unless `logging.redact` is off; numbers, SIP and email
addresses in the texts of exceptions are left out then, and email addresses in `error`. `Secret`
values show nothing in any case. IP addresses of peers are shown: they are what a firewall needs.

While a loop serves, JSON lines of level info and below wait up to `GATHER_S` and are made and
written together: alone a line costs four times as much. A warning or an error takes those before it
along at once. Who kills the process by SIGKILL loses what waits; the journal has it all the same.

A line that cannot be written, because the disk is full or the reader is gone, is counted and never
stops what logged it. `failure()` says so for `/health`, and the first line that gets through again
is preceded by one that says how many were lost.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, ExceptionRenderer, ExcInfo, WrappedLogger

__all__ = ["PERSONAL", "Sink", "configure", "failure", "gather", "redacted", "retry", "scatter"]

PERSONAL = frozenset({"caller", "called", "caller_name", "device", "number", "peer", "target"})

GATHER_S = 0.05
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NAMES = {number: name for name, number in _LEVELS.items()} | {50: "critical"}
_encode = msgspec.json.Encoder(enc_hook=str).encode


def redacted(value: str) -> str:
    """All but the last two characters of what identifies a person."""
    return "…" + value[-2:] if len(value) > 4 else value


def _redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key == "error" and isinstance(value, str) and "@" in value:
            event[key] = _MAILS.sub("…", value)
            continue
        if key not in PERSONAL or not isinstance(value, str):
            continue  # the (host, port) of a peer in the network
        if ":" in value:
            kind, _, number = value.rpartition(":")
            if key != "peer" or kind == "device":  # a peer is a trunk's name or `device:NUMBER`
                event[key] = f"{kind}:{redacted(number)}"
        elif key != "peer" and len(value) > 4:
            event[key] = redacted(value)
    return event


_MAILS = re.compile(r"[^\s<>@'\"]+@[^\s<>@'\"]+")
_NUMBERS = re.compile(r"sips?:[^\s>'\"]+|(?<![0-9a-zA-Z])\+?\d{4,}")


def _traceback(redact: bool, style: ExceptionRenderer, out: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback; redacted, what its messages say of addresses, numbers and digits goes."""
    text = io.StringIO()
    style(text, exc_info)
    for line in text.getvalue().splitlines(keepends=True):
        place = line.lstrip().startswith('File "')
        out.write(line if place or not redact else _NUMBERS.sub("…", _MAILS.sub("…", line)))


def _stamp(at_ns: int) -> str:
    """A time of the epoch in UTC, ISO 8601 with microseconds."""
    micros = at_ns // 1000
    return f"{_second(micros // 1_000_000)}.{micros % 1_000_000:06}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


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
        """Write one line, or several; never raises."""
        data = message if isinstance(message, bytes) else message.encode("utf-8", "replace")
        with self._lock:
            self.lost += self._put(data) if self._told() else data.count(b"\n") + 1

    def retry(self) -> None:
        """If lines were lost, see whether they get through again."""
        with self._lock:
            self._told()

    def _told(self) -> bool:
        if self.lost and not self._put(self._notice(self.lost, self.reason)):
            self.lost, self.reason = 0, ""
        return not self.lost

    def _put(self, data: bytes) -> int:
        """Write lines; how many did not get out as a whole."""
        # A line that broke off is ended first, so that the next one stands alone.
        data = b"\n" * self._cut + data + b"\n"
        try:
            if self._fd < 0:
                self._stream.write(data.decode("utf-8", "replace"))
                self._stream.flush()
                return 0
            while data:
                sent = os.write(self._fd, data)
                self._cut = sent < len(data) and data[sent - 1 : sent] != b"\n"
                data = data[sent:]
        except (OSError, ValueError) as error:
            self.reason = getattr(error, "strerror", None) or str(error)
            return data.count(b"\n")
        return 0


class _Lines:
    """The logger that structlog calls by level, for the console."""

    __slots__ = ("msg",)

    def __init__(self, sink: Sink) -> None:
        self.msg = sink.write

    def __getattr__(self, level: str) -> Callable[[str | bytes], None]:
        return self.msg


_Fields = tuple[int, str, str, dict[str, Any], dict[str, Any]]
"""Nanoseconds of the epoch, level, event, what is bound, what is given."""


class Output:
    """Where the JSON lines go, from which level on, and whether they are redacted."""

    __slots__ = ("_loop", "_thread", "_waiting", "level", "redact", "sink")

    def __init__(self, sink: Sink, level: int, redact: bool) -> None:
        self.sink = sink
        self.level = level
        self.redact = redact
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._waiting: list[_Fields] = []

    def gather(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Let the lines of the loop's thread, which is this one, wait; None: no more."""
        self.flush()
        self._loop, self._thread = loop, threading.get_ident()

    def put(self, fields: _Fields, *, urgent: bool) -> None:
        """Write a line, now or soon."""
        loop = self._loop
        if loop is None or threading.get_ident() != self._thread:
            self.sink.write(self._line(*fields))
            return
        waiting = self._waiting
        waiting.append(fields)
        if urgent:
            self.flush()
        elif len(waiting) == 1:
            loop.call_later(GATHER_S, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        lines = []
        for fields in waiting:
            try:
                lines.append(self._line(*fields))
            except Exception as error:  # of one line, which must not cost the others
                failed = {"event": "log_line_failed", "line": fields[2], "error": repr(error)}
                lines.append(_encode({**failed, "level": "error", "at": _stamp(fields[0])}))
        if lines:
            self.sink.write(b"\n".join(lines))

    def _line(
        self, at_ns: int, level: str, event: str, bound: dict[str, Any], values: dict[str, Any]
    ) -> bytes:
        line: dict[str, Any] = {"event": event, **bound, **values}
        if self.redact:
            _redact(None, level, line)
        line["level"] = level
        line["at"] = _stamp(at_ns)
        if "exc_info" in line:
            line = dict(_exceptions(self.redact)(None, level, line))
        return _encode(line)


class JsonLogger:
    """structlog's logger for JSON, without its chain of processors: every call writes a line."""

    __slots__ = ("_context", "_output")

    def __init__(self, logger: Output, processors: object = None, context: Any = ()) -> None:
        self._output = logger
        self._context: dict[str, Any] = dict(context)

    def bind(self, **values: Any) -> JsonLogger:
        """A logger whose lines have these values too."""
        return JsonLogger(self._output, context={**self._context, **values})

    def new(self, **values: Any) -> JsonLogger:
        """A logger whose lines have these values only."""
        return JsonLogger(self._output, context=values)

    def unbind(self, *keys: str) -> JsonLogger:
        """A logger without these values. Raises `KeyError` if one is not bound."""
        context = dict(self._context)
        for key in keys:
            del context[key]
        return JsonLogger(self._output, context=context)

    def try_unbind(self, *keys: str) -> JsonLogger:
        """A logger without these values, bound or not."""
        kept = {key: value for key, value in self._context.items() if key not in keys}
        return JsonLogger(self._output, context=kept)

    def log(self, level: int, event: str, **values: Any) -> None:
        """A line of a level of the standard logger."""
        if level >= self._output.level:
            self._write(_NAMES.get(level, "info"), event, values)

    def debug(self, event: str, **values: Any) -> None:
        """What only a developer wants to see."""
        if self._output.level <= 10:
            self._write("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """What an operator may want to see."""
        output = self._output  # the way of most lines, so without another call
        if output.level <= 20:
            urgent = "exc_info" in values
            output.put((time.time_ns(), "info", event, self._context, values), urgent=urgent)

    def warning(self, event: str, **values: Any) -> None:
        """What an operator should see."""
        if self._output.level <= 30:
            self._write("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """What an operator must see."""
        self._write("error", event, values)

    def exception(self, event: str, **values: Any) -> None:
        """An error with the traceback of the exception in hand."""
        self._write("error", event, {"exc_info": True, **values})

    def _write(self, level: str, event: str, values: dict[str, Any]) -> None:
        urgent = level not in ("info", "debug") or "exc_info" in values
        self._output.put((time.time_ns(), level, event, self._context, values), urgent=urgent)


@lru_cache(maxsize=2)
def _exceptions(redact: bool) -> structlog.processors.ExceptionRenderer:
    def text_of(exc_info: ExcInfo) -> str:
        text = io.StringIO()
        _traceback(redact, structlog.dev.plain_traceback, text, exc_info)
        return text.getvalue().strip()

    return structlog.processors.ExceptionRenderer(text_of)


class _Standard(logging.Handler):
    """What libraries say through the standard logger, as lines of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(record.name)
        level = max(10, min(50, record.levelno // 10 * 10))
        log.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)


_sink: Sink | None = None
_output: Output | None = None


def gather() -> None:
    """Let JSON lines of level info and below wait for others, in the loop that runs."""
    if _output is not None:
        _output.gather(asyncio.get_running_loop())


def scatter() -> None:
    """Write what waits, and let nothing wait any more. Idempotent."""
    if _output is not None:
        _output.gather(None)


def failure() -> str:
    """Why lines are being lost, and how many; empty when all is well."""
    if _sink is None or not _sink.lost:
        return ""
    return f"{_sink.lost} lines could not be written: {_sink.reason}"


def retry() -> None:
    """If lines were lost, see whether they get through again."""
    if _sink is not None:
        _sink.retry()


def _notice(lines: int, reason: str) -> bytes:
    line = {"event": "log_lines_lost", "lines": lines, "error": reason, "level": "error"}
    return _encode({**line, "at": _stamp(time.time_ns())})


def _console(level: str, redact: bool, stream: TextIO) -> Sink:
    """structlog's own renderer for people."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")
    renderer = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        timestamp_key="at",
        exception_formatter=partial(_traceback, redact, structlog.dev.plain_traceback),
    )

    def notice(lines: int, reason: str) -> bytes:
        event: Any = {"event": "log_lines_lost", "lines": lines, "error": reason, "level": "error"}
        return str(renderer(None, "error", stamp(None, "error", event))).encode()

    sink = Sink(stream, notice)
    structlog.configure(
        processors=[
            *([_redact] if redact else []),
            structlog.processors.add_log_level,
            stamp,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=lambda *_: _Lines(sink),
        cache_logger_on_first_use=True,
    )
    return sink


def configure(level: str, style: str, redact: bool, stream: TextIO | None = None) -> None:
    """Set up logging for the process. `style`: `json` or `console`. Goes to stderr by default."""
    global _output, _sink
    scatter()
    _output = None
    stream = stream or sys.stderr
    if style == "json":
        _sink = Sink(stream, _notice)
        output = _output = Output(_sink, _LEVELS[level], redact)
        structlog.configure(
            processors=[],
            wrapper_class=JsonLogger,
            logger_factory=lambda *_: output,
            cache_logger_on_first_use=True,
        )
    else:
        _sink = _console(level, redact, stream)
    # What libraries say through the standard logger: warnings and worse, in the same stream.
    logging.basicConfig(level=logging.WARNING, handlers=[_Standard()], force=True)

"""Lines of the log: what is in them, what is shortened, and that a log stops nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from cicswitch.runtime import log as logs


class Full(io.RawIOBase):
    """A disk that takes nothing."""

    def writable(self) -> bool:
        return True

    def write(self, _data: Any) -> int:
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def lines(buffer: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in buffer.getvalue().splitlines()]


def written(level: str = "info", *, redact: bool = True) -> tuple[Any, io.BytesIO]:
    buffer = io.BytesIO()
    logs.configure(level, "json", redact, io.TextIOWrapper(buffer, write_through=True))
    return structlog.get_logger("test"), buffer


def test_a_line_has_event_level_and_time() -> None:
    log, buffer = written()
    log.warning("store_degraded", error="full")
    (line,) = lines(buffer)
    assert (line["event"], line["level"], line["error"]) == ("store_degraded", "warning", "full")
    assert line["at"].endswith("Z")
    assert line["at"][10] == "T"


def test_lines_below_the_level_are_not_written() -> None:
    log, buffer = written("warning")
    log.debug("a")
    log.info("b")
    log.log(20, "c")
    log.log(30, "d")
    log.error("e")
    assert [(line["event"], line["level"]) for line in lines(buffer)] == [
        ("d", "warning"),
        ("e", "error"),
    ]


def test_what_identifies_a_person_is_shortened() -> None:
    log, buffer = written()
    log.bind(caller="01012345678").info("interaction", called="5000", peer="pbx")
    (line,) = lines(buffer)
    assert (line["caller"], line["called"], line["peer"]) == ("…78", "5000", "pbx")


def test_without_redaction_numbers_stay_whole() -> None:
    log, buffer = written(redact=False)
    log.info("interaction", caller="01012345678")
    assert lines(buffer)[0]["caller"] == "01012345678"


def test_an_exception_comes_with_its_traceback() -> None:
    log, buffer = written()
    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("handler_failed")
    (line,) = lines(buffer)
    assert line["level"] == "error"
    assert "ValueError: odd" in line["exception"]


def test_values_are_bound_and_let_go() -> None:
    log, buffer = written()
    bound = log.bind(a=1, b=2)
    bound.unbind("a").info("one")
    bound.try_unbind("b", "c").info("two")
    bound.new(c=3).info("three")
    found = [{key: line.get(key) for key in "abc"} for line in lines(buffer)]
    assert found == [
        {"a": None, "b": 2, "c": None},
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": None, "c": 3},
    ]
    with pytest.raises(KeyError):
        bound.unbind("nothing")


def test_a_full_disk_loses_the_line_and_nothing_else() -> None:
    logs.configure("info", "json", True, io.TextIOWrapper(io.BufferedWriter(Full(), 1)))
    before = logs.JsonLogger.unwritten
    structlog.get_logger("test").info("lost")
    assert logs.JsonLogger.unwritten == before + 1

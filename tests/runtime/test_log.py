"""Logging goes on where its stream does not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
import structlog

from cicswitch.runtime import log
from tests.support.disk import small_disk


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging belongs to the process: hand it back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    log.configure("info", "console", True, io.StringIO())
    root.handlers[:] = handlers
    structlog.reset_defaults()


def said(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines() if line]


@pytest.mark.parametrize("style", ["json", "console"])
def test_lines_that_a_full_disk_refuses_are_counted_and_told(tmp_path: Path, style: str) -> None:
    with small_disk(tmp_path / "disk", 1) as disk, (disk.path / "log").open("a") as stream:
        log.configure("info", style, True, stream)
        logger = structlog.get_logger("test")
        logger.info("first")
        disk.fill()
        for number in range(100):
            logger.info("not_there", filler="-" * 100, number=number)
        assert "No space left on device" in log.failure()
        log.retry()
        assert log.failure()
        disk.make_room()
        log.retry()
        assert log.failure() == ""
        logger.info("last")
        lines = (disk.path / "log").read_text().splitlines()
    assert "first" in lines[0]
    assert "log_lines_lost" in lines[-2]
    assert "No space left on device" in lines[-2]
    assert "last" in lines[-1]
    # Some fitted into the file's last page and one may have broken off there; all others counted.
    through = sum("number" in line for line in lines)
    told = re.search(r"\blines\W+(\d+)", lines[-2])
    assert told is not None
    assert abs(through + int(told[1]) - 100) <= 1


def test_a_reader_that_is_gone_ends_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    log.configure("info", "json", True, Gone())
    structlog.get_logger("test").info("said_to_nobody")
    assert log.failure() == "1 lines could not be written: Broken pipe"
    log.configure("info", "json", True, sys.stderr)
    structlog.get_logger("test").info("said_again")
    assert log.failure() == ""
    assert said(capfd.readouterr().err)[0]["event"] == "said_again"


def test_what_libraries_say_is_a_line_of_ours() -> None:
    stream: TextIO = io.StringIO()
    log.configure("info", "json", True, stream)
    try:
        raise ValueError("nothing fits")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("request %d failed", 7)
    assert isinstance(stream, io.StringIO)
    (line,) = said(stream.getvalue())
    assert line["event"] == "request 7 failed"
    assert line["logger"] == "uvicorn.error"
    assert line["level"] == "error"
    assert "ValueError: nothing fits" in str(line["exception"])


@pytest.mark.parametrize(
    ("level", "heard"),
    [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
)
def test_the_level_says_what_is_left_out(level: str, heard: int) -> None:
    stream = io.StringIO()
    log.configure(level, "json", True, stream)
    logger = structlog.get_logger("test")
    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")
    assert len(said(stream.getvalue())) == heard


def test_what_identifies_a_person_is_shortened_unless_told_otherwise() -> None:
    for redact, number in ((True, "…78"), (False, "+82212345678")):
        stream = io.StringIO()
        log.configure("info", "json", redact, stream)
        structlog.get_logger("test").info("call", caller="+82212345678")
        assert said(stream.getvalue())[0]["caller"] == number


def test_a_line_has_event_level_and_time() -> None:
    stream = io.StringIO()
    log.configure("info", "json", True, stream)
    structlog.get_logger("test").warning("store_degraded", error="full")
    (line,) = said(stream.getvalue())
    assert (line["event"], line["level"], line["error"]) == ("store_degraded", "warning", "full")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(line["at"]))


def test_values_are_bound_and_let_go() -> None:
    stream = io.StringIO()
    log.configure("info", "json", True, stream)
    bound = structlog.get_logger("test").bind(a=1, b=2)
    bound.unbind("a").info("one")
    bound.try_unbind("b", "c").info("two")
    bound.new(c=3).info("three")
    found = [{key: line.get(key) for key in "abc"} for line in said(stream.getvalue())]
    assert found == [
        {"a": None, "b": 2, "c": None},
        {"a": 1, "b": None, "c": None},
        {"a": None, "b": None, "c": 3},
    ]
    with pytest.raises(KeyError):
        bound.unbind("nothing")


def test_a_level_of_the_standard_logger_is_known_by_its_name() -> None:
    stream = io.StringIO()
    log.configure("warning", "json", True, stream)
    logger = structlog.get_logger("test")
    for number in (10, 20, 30, 40, 50):
        logger.log(number, "said")
    assert [line["level"] for line in said(stream.getvalue())] == ["warning", "error", "critical"]


class Flushed(io.StringIO):
    """A stream whose flush can be awaited."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = asyncio.Event()

    def flush(self) -> None:
        self.flushed.set()


async def test_lines_wait_for_one_another_and_keep_their_order_and_times() -> None:
    out = Flushed()
    log.configure("info", "json", True, out)
    logger = structlog.get_logger("test")
    log.gather()
    logger.info("first", number="5551234")
    logger.info("second")
    assert out.getvalue() == ""
    logger.warning("third")
    lines = said(out.getvalue())
    assert [line["event"] for line in lines] == ["first", "second", "third"]
    assert lines[0]["number"] == "…34"
    assert str(lines[0]["at"]) <= str(lines[1]["at"]) <= str(lines[2]["at"])
    logger.info("fourth")
    await asyncio.to_thread(logger.info, "of another thread")
    assert [line["event"] for line in said(out.getvalue())][3:] == ["of another thread"]
    out.flushed.clear()
    await out.flushed.wait()
    assert said(out.getvalue())[-1]["event"] == "fourth"
    logger.info("last")
    log.scatter()
    assert said(out.getvalue())[-1]["event"] == "last"
    logger.info("at once")
    assert said(out.getvalue())[-1]["event"] == "at once"


async def test_a_line_that_cannot_be_made_costs_no_other() -> None:
    out = io.StringIO()
    log.configure("info", "json", True, out)
    logger = structlog.get_logger("test")
    log.gather()
    logger.info("before")
    logger.info("broken", value="\ud800")
    logger.info("after")
    log.scatter()
    lines = said(out.getvalue())
    assert [line["event"] for line in lines] == ["before", "log_line_failed", "after"]
    assert lines[1]["line"] == "broken"


async def test_lines_that_are_lost_together_are_counted_one_by_one(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk, (disk.path / "log").open("a") as stream:
        log.configure("info", "json", True, stream)
        logger = structlog.get_logger("test")
        log.gather()
        disk.fill()
        for number in range(100):
            logger.info("not_there", filler="-" * 100, number=number)
        log.scatter()
        told = log.failure()
        disk.make_room()
        log.retry()
        lines = (disk.path / "log").read_text().splitlines()
    through = sum(line.endswith("}") and "number" in line for line in lines)
    assert through < 100
    assert told.startswith(f"{100 - through} lines could not be written: No space left")

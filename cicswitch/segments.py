"""Customer segments: who a caller is to the center, by his number, and what priority that gives.

Numbers come from patterns of the dialplan's kind and from lists in CSV files. A number that is
named goes before a pattern, and of patterns the first in the order of the tables counts.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.core.toml import Decoder, Finding, near_miss
from cicswitch.dialplan.match import PatternError, number_matcher

__all__ = ["MOST_NUMBERS", "SegmentConfig", "Segments", "check_segments"]

MOST_NUMBERS = 500_000
"""In all files together."""
_MOST_FINDINGS = 20
_MOST_BYTES = 32 * 2**20
_DIALLED = frozenset("0123456789*#")


class SegmentConfig(Struct, frozen=True, kw_only=True):
    """A segment of customers."""

    numbers: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Callers: exact numbers, or patterns as in a route's `caller`."""
    file: str = ""
    """CSV with the column `number`; with `segment` too, only the rows of this one count."""
    priority: int = 0
    """Points for whoever is of this segment, where the queue says no other."""


class Segments:
    """Finds the segment of a number."""

    def __init__(
        self,
        config: Mapping[str, SegmentConfig] | None = None,
        listed: Mapping[str, str] | None = None,
    ) -> None:
        config = config or {}
        self.exact: dict[str, str] = dict(listed or {})
        self._patterns: list[tuple[Callable[[str], object], str]] = []
        for name, segment in config.items():
            for number in segment.numbers:
                if number.startswith("_"):
                    self._patterns.append((number_matcher(number), name))
                else:
                    self.exact.setdefault(number, name)
        self._priorities = {name: segment.priority for name, segment in config.items()}

    def of(self, number: str) -> str:
        """The segment of a caller; empty if he is of none."""
        found = self.exact.get(number)
        if found is not None:
            return found
        for matches, name in self._patterns:
            if matches(number):
                return name
        return ""

    def priority(self, segment: str, overrides: Mapping[str, int]) -> int:
        """The points of a segment in a queue with these overrides."""
        if not segment:
            return 0
        found = overrides.get(segment)
        return self._priorities.get(segment, 0) if found is None else found


# -- loading -------------------------------------------------------------------------------------


def check_segments(
    config: Mapping[str, SegmentConfig], directory: Path, decoder: Decoder
) -> dict[str, str]:
    """The numbers of the files by segment, with findings for all that is wrong."""
    listed: dict[str, str] = {}
    named: dict[str, str] = {}
    for name, segment in config.items():
        for index, number in enumerate(segment.numbers):
            key = ("segment", name, "numbers", index)
            if number.endswith("*") and not number.startswith("_"):
                hint = f'did you mean "_{number[:-1]}."?'
                decoder.add(key, f'"{number}"', 'a number, or "_" and a pattern', hint)
                continue
            try:
                number_matcher(number)
            except PatternError as error:
                decoder.add(key, f'"{number}"', str(error))
            other = named.setdefault(number, name)
            if other != name:
                decoder.add(key, f'"{number}", of segment "{other}" too', "one segment a number")
        if segment.file:
            path = directory / segment.file
            try:
                _read(path, name, config, listed)
            except OSError as error:
                key_path = ("segment", name, "file")
                reason = error.strerror or str(error)
                decoder.add(key_path, f'"{segment.file}"', f"a readable file ({reason})")
            except _BadFile as error:
                decoder.findings += error.findings
    return listed


class _BadFile(Exception):
    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__(str(findings[0]))


def _read(
    path: Path, own: str, config: Mapping[str, SegmentConfig], listed: dict[str, str]
) -> None:
    """Add the numbers of a file. Raises `OSError` or `_BadFile`."""

    def bad(line: int, key: str, found: str, expected: str, hint: str = "") -> Finding:
        return Finding(str(path), line, key, found, expected, hint)

    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise _BadFile([bad(1, "", f"{size} bytes", f"at most {_MOST_BYTES}")])
    findings: list[Finding] = []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _BadFile([bad(1, "", f"byte {error.start} outside UTF-8", "UTF-8 text")]) from None
    rows = csv.reader(text.splitlines())
    header = [cell.strip() for cell in next(rows, [])]
    if "number" not in header:
        raise _BadFile(
            [bad(1, "", f'"{",".join(header)[:60]}"', "a first line that names the column number")]
        )
    at = header.index("number")
    of = header.index("segment") if "segment" in header else -1
    try:
        for row in rows:
            if len(findings) >= _MOST_FINDINGS:
                break
            line = rows.line_num
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                findings.append(bad(line, "", f"{len(row)} columns", f"{len(header)}"))
                continue
            number, segment = row[at].strip(), row[of].strip() if of >= 0 else own
            if segment not in config:
                wanted = f"a segment ({', '.join(sorted(config)[:8])})"
                hint = near_miss(segment, config)
                findings.append(bad(line, "segment", f'"{segment}"', wanted, hint))
            elif not number or len(number) > 32 or not _DIALLED.issuperset(number.lstrip("+")):
                wanted = "a number of digits, with + in front or without"
                findings.append(bad(line, "number", f'"{number[:40]}"', wanted))
            elif segment == own:
                other = listed.setdefault(number, own)
                if other != own:
                    found = f'"{number}", of segment "{other}" too'
                    findings.append(bad(line, "number", found, "one segment a number"))
                elif len(listed) > MOST_NUMBERS:
                    wanted = f"at most {MOST_NUMBERS} in all files"
                    findings.append(bad(line, "number", "one number more", wanted))
                    break
    except csv.Error as error:
        findings.append(bad(rows.line_num, "", str(error), "CSV"))
    if findings:
        raise _BadFile(findings)

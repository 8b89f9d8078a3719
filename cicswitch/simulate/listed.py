"""Tables of what was measured, from CSV files; every mistake with its line and column.

A first line names the columns. Times are seconds after midnight, `08:30`, `08:30:15.5` or ISO 8601;
with dates they count from the midnight of the first.
"""

from __future__ import annotations

import csv
from datetime import datetime
from math import inf, nan
from pathlib import Path

from cicswitch.core.toml import Finding, near_miss

__all__ = ["Arrivals", "clock", "read_arrivals", "read_column"]

_COLUMNS = ("time", "queue", "skills", "priority", "handle_s", "patience_s")

Key = tuple[str, int, tuple[tuple[str, int], ...]]
"""Queue, priority, skills."""


class Arrivals:
    """Interactions that ask for the same: their times, and NaN for what the file leaves open."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []
        """Time, handle time, patience; seconds."""


def clock(text: str) -> float:
    """Seconds after midnight of `8:30`, `08:30:15.5` or a number. Raises `ValueError`."""
    parts = text.split(":")
    if len(parts) == 1:
        seconds = float(text)
    elif len(parts) <= 3:
        whole = [int(part) for part in parts[:2]]
        if not (0 <= whole[0] <= 48 and 0 <= whole[1] < 60):
            raise ValueError(text)
        seconds = whole[0] * 3600.0 + whole[1] * 60.0 + (float(parts[2]) if parts[2:] else 0.0)
    else:
        raise ValueError(text)
    if not 0 <= seconds < inf:
        raise ValueError(text)
    return seconds


def _when(text: str, first: list[datetime]) -> float:
    if "-" not in text:
        return clock(text)
    moment = datetime.fromisoformat(text).replace(tzinfo=None)
    if not first:
        first.append(moment.replace(hour=0, minute=0, second=0, microsecond=0))
    seconds = (moment - first[0]).total_seconds()
    if seconds < 0:
        raise ValueError(text)
    return seconds


def _seconds(text: str) -> float:
    seconds = float(text) if text else nan
    if seconds < 0 or seconds == inf:
        raise ValueError(text)
    return seconds


def _skills(text: str) -> dict[str, int]:
    """`korean=50;billing`: levels from 1 to 100, 1 where none is given."""
    found: dict[str, int] = {}
    for part in text.split(";"):
        name, given, level = part.strip().partition("=")
        if name:
            found[name.strip()] = int(level) if given else 1
            if not 1 <= found[name.strip()] <= 100:
                raise ValueError(text)
    return found


def _table(path: Path, findings: list[Finding]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and the rows with their lines."""
    file = str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        reason = error.strerror or str(error)
        findings.append(Finding(file, 1, "", reason, "a readable file"))
        return [], []
    except (UnicodeDecodeError, csv.Error) as error:
        findings.append(Finding(file, 1, "", str(error), "a CSV file in UTF-8"))
        return [], []
    if not rows:
        findings.append(Finding(file, 1, "", "an empty file", "a line that names the columns"))
        return [], []
    return [name.strip() for name in rows[0][1]], rows[1:]


def read_arrivals(path: Path, findings: list[Finding]) -> dict[Key, Arrivals]:
    """Arrivals by what they ask for, in order of time; mistakes are added to `findings`."""
    before = len(findings)
    names, rows = _table(path, findings)
    file = str(path)
    for name in names:
        if name not in _COLUMNS:
            hint = near_miss(name, _COLUMNS) or f"known here: {', '.join(_COLUMNS)}"
            found = f'unknown column "{name}"'
            findings.append(Finding(file, 1, name, found, "a column that is known here", hint))
    if rows:
        findings += [
            Finding(file, 1, name, f'no column "{name}"', "time,queue and optionally more")
            for name in ("time", "queue")
            if name not in names
        ]
    if len(findings) > before:
        return {}
    arrivals: dict[Key, Arrivals] = {}
    first: list[datetime] = []
    for line, row in rows:
        if len(row) != len(names):
            findings.append(Finding(file, line, "", f"{len(row)} fields", f"{len(names)}"))
            continue
        fields = {name: value.strip() for name, value in zip(names, row, strict=True)}
        at = _field(
            file, line, "time", fields, _when, "08:30, 08:30:15 or seconds", findings, first
        )
        seconds = [
            _field(file, line, name, fields, _seconds, "seconds, or nothing", findings)
            for name in ("handle_s", "patience_s")
        ]
        skills = _field(file, line, "skills", fields, _skills, "korean=50;billing", findings)
        priority = _field(file, line, "priority", fields, _whole, "a whole number", findings)
        if None in (at, skills, priority, *seconds):
            continue
        key = fields["queue"], priority, tuple(sorted(skills.items()))
        arrivals.setdefault(key, Arrivals()).rows.append((at, seconds[0], seconds[1]))
    for found_rows in arrivals.values():
        found_rows.rows.sort()
    return arrivals


def _whole(text: str) -> int:
    return int(text) if text else 0


def _field(  # type: ignore[no-untyped-def]  # any reader, and what it reads
    file: str, line: int, name: str, fields: dict[str, str], read, expected, findings, *more
):
    text = fields.get(name, "")
    try:
        return read(text, *more)
    except ValueError:
        findings.append(Finding(file, line, name, f'"{text}"', expected))
        return None


def read_column(path: Path, column: str, findings: list[Finding]) -> tuple[float, ...]:
    """One column of durations, empty fields left out."""
    names, rows = _table(path, findings)
    file = str(path)
    if not names:
        return ()
    if column not in names:
        hint = near_miss(column, names) or f"the file has: {', '.join(names)}"
        findings.append(Finding(file, 1, column, f'no column "{column}"', "a column of it", hint))
        return ()
    index = names.index(column)
    values: list[float] = []
    for line, row in rows:
        text = row[index].strip() if index < len(row) else ""
        if not text:
            continue
        try:
            values.append(_seconds(text))
        except ValueError:
            findings.append(Finding(file, line, column, f'"{text}"', "seconds"))
    if not values:
        findings.append(Finding(file, 1, column, "no value", "at least one"))
    return tuple(values)

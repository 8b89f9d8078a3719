"""Which route takes a call: number patterns and opening hours, both compiled once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cicswitch.dialplan.model import Dialplan, Hours, Plan, Route

__all__ = ["Matcher", "PatternError", "is_open", "number_matcher", "parse_open"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class PatternError(ValueError):
    """A number pattern or a text of hours that says nothing; the text is what was expected."""


@lru_cache(maxsize=4096)
def number_matcher(pattern: str) -> Callable[[str], object]:
    """A function that is truthy for the numbers that match. Raises `PatternError`.

    The patterns are Asterisk's: `_1XXX`, `_0[2-5]N.`, `_9!`; without `_` the number itself.
    """
    if not pattern.startswith("_"):
        return pattern.__eq__
    if len(pattern) == 1:
        raise PatternError('a pattern after "_"')
    out, at = "", 1
    classes = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            end = pattern.find("]", at)
            inside = pattern[at + 1 : end] if end > 0 else ""
            if not inside or not re.fullmatch(r"(?:[0-9*#+](?:-[0-9])?)+", inside):
                raise PatternError("digits between [ and ], like [125-7]")
            for span in re.findall(r"([0-9])-([0-9])", inside):
                if span[0] > span[1]:
                    raise PatternError("a range that goes up, like [2-5]")
            out += f"[{re.escape(inside).replace(chr(92) + '-', '-')}]"
            at = end + 1
            continue
        if char in ".!" and at != len(pattern) - 1:
            raise PatternError(f'"{char}" only at the end')
        out += classes.get(char) or re.escape(char)
        at += 1
    return re.compile(out, re.DOTALL).fullmatch


@lru_cache(maxsize=512)
def parse_open(text: str) -> tuple[frozenset[int], int, int]:
    """`mon-fri 09:00-18:00` as (weekdays 0-6, first minute, last minute). Raises `PatternError`.

    A span that ends before it begins goes on past midnight.
    """
    match = re.fullmatch(
        r"([a-z,\-]+)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", text.strip().lower()
    )
    if not match:
        raise PatternError('days and hours, like "mon-fri 09:00-18:00"')
    days: set[int] = set()
    for part in match[1].split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise PatternError(f"days out of {', '.join(DAYS)}")
        low, high = DAYS.index(first), DAYS.index(last if dash else first)
        days |= {day % 7 for day in range(low, high + 1 if high >= low else high + 8)}
    begin, end = int(match[2]) * 60 + int(match[3]), int(match[4]) * 60 + int(match[5])
    if begin >= 1440 or end > 1440 or int(match[3]) > 59 or int(match[5]) > 59:
        raise PatternError("times from 00:00 to 24:00")
    return frozenset(days), begin, end


def is_open(hours: Hours, now: float) -> bool:
    """Whether the hours are open at `now` (seconds of the epoch)."""
    local = datetime.fromtimestamp(now, ZoneInfo(hours.timezone))
    date = local.date().isoformat()
    if date in hours.closed or date[5:] in hours.closed:
        return False
    minute, day = local.hour * 60 + local.minute, local.weekday()
    for text in hours.open:
        days, begin, end = parse_open(text)
        if begin < end:
            if day in days and begin <= minute < end:
                return True
        elif (day in days and minute >= begin) or ((day - 1) % 7 in days and minute < end):
            return True
    return False


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


class Matcher:
    """The routes of a dialplan. Exact numbers cost one dict look-up however many there are."""

    def __init__(self, dialplan: Dialplan) -> None:
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        self._routes = dialplan.routes
        self._called: list[tuple[Callable[[str], object], ...]] = []
        self._caller: list[tuple[Callable[[str], object], ...]] = []
        for index, (route, _) in enumerate(dialplan.routes):
            called = _several(route.called)
            if called and not any(number.startswith("_") for number in called):
                for number in called:
                    self._exact.setdefault(number, []).append(index)
            else:
                self._patterns.append(index)
            self._called.append(tuple(number_matcher(number) for number in called))
            self._caller.append(tuple(number_matcher(n) for n in _several(route.caller)))

    def match(self, trunk: str, called: str, caller: str, now: float) -> tuple[Route, Plan] | None:
        """The first route, in the order of the files, that takes the call; None: no such number.

        `trunk` is the trunk's name, or `device` for a registered phone.
        """
        exact = self._exact.get(called)
        if exact is None:
            candidates: Iterable[int] = self._patterns
        elif not self._patterns:
            candidates = exact
        else:
            candidates = sorted([*exact, *self._patterns])
        for index in candidates:
            route, plan = self._routes[index]
            if route.trunk and trunk not in _several(route.trunk):
                continue
            tests = self._called[index]
            if tests and not any(test(called) for test in tests):
                continue
            tests = self._caller[index]
            if tests and not any(test(caller) for test in tests):
                continue
            if route.hours:
                name = route.hours.removeprefix("!")
                if is_open(plan.hours[name], now) is route.hours.startswith("!"):
                    continue
            return route, plan
        return None

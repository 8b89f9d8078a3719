"""Hours compiled: open or closed at a time, and when that changes next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dateutil.rrule import rrule, rrulestr

from cicswitch.hours.model import DAYS, Holidays, Hours, Rule

if TYPE_CHECKING:
    from holidays import HolidayBase

__all__ = [
    "HoursError",
    "Schedule",
    "parse_date",
    "parse_interval",
    "parse_rule",
    "parse_week",
    "schedules",
]

Span = tuple[float, float]
Interval = tuple[int, int]

DAY_MIN = 1440
_HORIZONS = (1, 8, 40, 400)
"""Days looked ahead for the next change, the next if that is not enough."""
_MOST_DAYS = 2000
_MOST_CHANGES = 5000
_FIRST = date(2020, 1, 1)
_TIME = r"(\d{1,2}):(\d{2})"
_INTERVAL = re.compile(rf"{_TIME}\s*-\s*{_TIME}")
_RULE_FREQ = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_RULE_RANGES = {
    "INTERVAL": (1, 1000),
    "COUNT": (1, 10_000),
    "BYMONTHDAY": (-31, 31),
    "BYYEARDAY": (-366, 366),
    "BYWEEKNO": (-53, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (-366, 366),
}
_RULE_PARTS = ("FREQ", "UNTIL", "BYDAY", "WKST", *_RULE_RANGES)


class HoursError(ValueError):
    """A text of hours that says nothing; the message is what was expected."""


# -- texts ---------------------------------------------------------------------------------------


def parse_interval(text: str) -> Interval:
    """`09:00-18:00` as minutes; past midnight the end is above 1440. Raises `HoursError`."""
    match = _INTERVAL.fullmatch(text.strip())
    if match is None:
        raise HoursError('an interval, like "09:00-18:00"')
    hour, minute, end_hour, end_minute = (int(part) for part in match.groups())
    begin, end = hour * 60 + minute, end_hour * 60 + end_minute
    if minute > 59 or end_minute > 59 or begin >= DAY_MIN or end > DAY_MIN:
        raise HoursError("times from 00:00 to 24:00")
    if begin == end:
        raise HoursError('an interval with a length; all day is "00:00-24:00"')
    return begin, end if end > begin else end + DAY_MIN


@lru_cache(maxsize=512)
def parse_week(text: str) -> tuple[frozenset[int], int, int]:
    """`mon-fri 09:00-18:00` as (weekdays 0-6, first minute, last minute). Raises `HoursError`."""
    days_text, _, interval = text.strip().lower().partition(" ")
    if not interval or not re.fullmatch(r"[a-z,\-]+", days_text):
        raise HoursError('days and hours, like "mon-fri 09:00-18:00"')
    days: set[int] = set()
    for part in days_text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise HoursError(f"days out of {', '.join(DAYS)}")
        low, high = DAYS.index(first), DAYS.index(last if dash else first)
        days |= {day % 7 for day in range(low, high + 1 if high >= low else high + 8)}
    return frozenset(days), *parse_interval(interval)


def parse_date(text: str, *, interval: bool) -> tuple[str, Interval | None]:
    """`2026-12-25` or `12-25`, with an interval behind it if it must have one (or may).

    The date is given as it is looked up. Raises `HoursError`.
    """
    word, _, rest = text.strip().partition(" ")
    try:
        date.fromisoformat(word if len(word) > 5 else f"2024-{word}")
    except ValueError:
        word = ""
    if not re.fullmatch(r"(\d{4}-)?\d{2}-\d{2}", word) or (interval and not rest):
        wanted = "2026-12-26 10:00-14:00" if interval else "2026-12-25 or 12-25"
        what = "a date and an interval" if interval else "a date"
        raise HoursError(f"{what}, like {wanted}")
    return word, parse_interval(rest) if rest else None


def parse_rule(rule: Rule) -> rrule:
    """The rule, from its start on. Raises `HoursError`."""
    try:
        start = date.fromisoformat(rule.start) if rule.start else _FIRST
    except ValueError:
        raise HoursError("a date as start, like 2026-01-31") from None
    if not 1970 <= start.year <= 2200:
        raise HoursError("a start from 1970 to 2200")
    parts = {}
    for part in rule.rrule.upper().split(";"):
        key, equals, value = part.partition("=")
        if not equals or key not in _RULE_PARTS or key in parts:
            raise HoursError(f'parts out of {", ".join(_RULE_PARTS)}, each once, not "{part}"')
        parts[key] = value
    if parts.get("FREQ") not in _RULE_FREQ:
        raise HoursError(f"FREQ={' or '.join(_RULE_FREQ)}")
    for key, (low, high) in _RULE_RANGES.items():
        for number in parts[key].split(",") if key in parts else ():
            if not re.fullmatch(r"[+-]?\d{1,5}", number) or not low <= int(number) <= high:
                raise HoursError(f'{key} from {low} to {high}, not "{number}"')
            if not int(number):
                raise HoursError(f"{key} that is not 0")
    for key in ("BYDAY", "WKST"):
        for day in parts[key].split(",") if key in parts else ():
            if not re.fullmatch(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", day):
                raise HoursError(f'{key} of MO TU WE TH FR SA SU, like -1FR, not "{day}"')
    if not rule.start and not {"INTERVAL", "COUNT"}.isdisjoint(parts):
        raise HoursError("a start beside INTERVAL or COUNT, to count from")
    begin = datetime(start.year, start.month, start.day)
    try:
        made = rrulestr(rule.rrule.upper(), dtstart=begin)
    except (ValueError, TypeError) as error:
        raise HoursError(f"a rule as in RFC 5545 ({error})") from None
    if not isinstance(made, rrule) or made.after(begin, inc=True) is None:
        raise HoursError("a rule that some date meets")
    return made


# -- the schedule --------------------------------------------------------------------------------


class _Day:
    """What one date says."""

    __slots__ = ("cuts", "fixed", "reason", "shifts")

    def __init__(self) -> None:
        self.fixed: list[Span] = []
        self.shifts: list[Span] = []
        self.cuts: list[tuple[float, float, str]] = []
        self.reason = ""


class Schedule:
    """Hours with their holidays. Times are seconds of the epoch. Raises `HoursError` for bad ones.

    It reads no clock; what it has worked out is kept, so that a question costs a comparison.
    """

    def __init__(self, hours: Hours, sets: Mapping[str, Holidays] | None = None) -> None:
        try:
            self.zone = ZoneInfo(hours.zone)
        except (KeyError, ValueError, OSError):
            raise HoursError('a time zone, like "Asia/Seoul"') from None
        self._week: list[list[Interval]] = [[] for _ in DAYS]
        for text in hours.open:
            days, begin, end = parse_week(text)
            for day in days:
                self._week[day].append((begin, end))
        for number, day_name in enumerate(DAYS):
            self._week[number] += [parse_interval(text) for text in getattr(hours, day_name)]
        self._holidays = [made_holidays((sets or {})[name]) for name in hours.holidays]
        self._closed = [parse_date(text, interval=False) for text in hours.closed]
        self._open_on = [parse_date(text, interval=True) for text in hours.open_on]
        self._rules = [_Recurring(rule) for rule in hours.rule]
        self._days: dict[date, _Day] = {}
        self._from = self._until = 0.0
        self._open = False

    def is_open(self, now: float) -> bool:
        """Whether it is open."""
        if not self._from <= now < self._until:
            self._look(now)
        return self._open

    def next_change(self, now: float) -> float | None:
        """When that is over; None: not in the next 400 days."""
        if not self._from <= now < self._until:
            self._look(now)
        return self._until if self._until < _date_limit(self._from) else None

    def elapsed(self, begin: float, end: float) -> float:
        """Seconds of the time between that are open."""
        at, total = begin, 0.0
        for _ in range(_MOST_CHANGES):
            if at >= end:
                break
            change = self.next_change(at)
            until = end if change is None else min(change, end)
            if self.is_open(at):
                total += until - at
            at = until
        return total

    def after(self, begin: float, seconds: float) -> float | None:
        """When so many open seconds have passed since `begin`; None: never, as far as is seen."""
        at, left = begin, seconds
        for _ in range(_MOST_CHANGES):
            change = self.next_change(at)
            if self.is_open(at):
                if change is None or at + left <= change:
                    return at + left
                left -= change - at
            elif change is None:
                break
            at = change
        return None

    def morning(self, now: float, minute: int = 9 * 60) -> float:
        """This minute of tomorrow, by the clock on the wall; where that is closed, the opening
        after it."""
        at = self._at(datetime.fromtimestamp(now, self.zone).date() + timedelta(days=1), minute)
        if self.is_open(at):
            return at
        opens = self.next_change(at)
        return at if opens is None else opens

    def why(self, now: float) -> str:
        """What opens or closes it at a time, in words."""
        today = datetime.fromtimestamp(now, self.zone).date()
        yesterday = self._day(today - timedelta(days=1))
        found = self._day(today)
        days = (yesterday, found)
        if any(begin <= now < end for day in days for begin, end in day.fixed):
            return "an open date"
        for day in days:
            for begin, end, reason in day.cuts:
                if begin <= now < end:
                    return reason
        if any(begin <= now < end for day in days for begin, end in day.shifts):
            return "the hours of the week"
        return found.reason or "outside the hours"

    # -- looking ---------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Find the stretch around `now` in which nothing changes."""
        today = datetime.fromtimestamp(now, self.zone).date()
        self._from = now
        for ahead in _HORIZONS:
            limit = self._at(today + timedelta(days=ahead + 1), 0)
            spans = self._spans(today, ahead)
            around = [span for span in spans if span[0] <= now < span[1]]
            later = [span[0] for span in spans if span[0] > now]
            self._open = bool(around)
            if around and around[0][1] < limit:
                self._until = around[0][1]
                return
            if not around and later and later[0] < limit:
                self._until = later[0]
                return
        self._until = _date_limit(now)

    def _spans(self, today: date, ahead: int) -> list[Span]:
        """What is open from yesterday's shifts on, in order, none touching another."""
        fixed, shifts, cuts = list[Span](), list[Span](), list[Span]()
        for offset in range(-2, ahead + 2):
            day = self._day(today + timedelta(days=offset))
            cuts += [(begin, end) for begin, end, _ in day.cuts]
            if -1 <= offset <= ahead:
                fixed += day.fixed
                shifts += day.shifts
        for cut in cuts:
            shifts = [part for span in shifts for part in _without(span, cut)]
        merged: list[Span] = []
        for begin, end in sorted(fixed + shifts):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((begin, end))
        return merged

    def _day(self, day: date) -> _Day:
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _MOST_DAYS:
                self._days.clear()
            found = self._days[day] = self._made(day)
        return found

    def _made(self, day: date) -> _Day:
        made = _Day()
        names = (day.isoformat(), day.isoformat()[5:])
        for name, interval in self._open_on:
            if name in names and interval is not None:
                self._add(made.fixed, day, interval)
        if made.fixed:
            return made
        for name, interval in self._closed:
            if name not in names:
                continue
            if interval is None:
                made.reason = f"closed on {name}"
            else:
                made.cuts.append((*self._span(day, interval), f"closed on {name}"))
        for holidays in self._holidays:
            if day in holidays:
                made.reason = made.reason or f"holiday: {holidays.get(day)}"
        recurring = [rule for rule in self._rules if rule.meets(day)]
        for rule in recurring:
            made.cuts += [(*self._span(day, each), f"rule {rule.text}") for each in rule.closed]
        made.cuts = [cut for cut in made.cuts if cut[0] < cut[1]]
        if made.reason:
            return made
        for interval in self._week[day.weekday()]:
            self._add(made.shifts, day, interval)
        for rule in recurring:
            for interval in rule.open:
                self._add(made.shifts, day, interval)
        return made

    def _add(self, spans: list[Span], day: date, interval: Interval) -> None:
        span = self._span(day, interval)
        if span[0] < span[1]:
            spans.append(span)

    def _span(self, day: date, interval: Interval) -> Span:
        return self._at(day, interval[0]), self._at(day, interval[1])

    def _at(self, day: date, minute: int) -> float:
        """A minute of a day by the clock on the wall. "If the local time described does not occur
        …, the DATE-TIME value is interpreted using the UTC offset before the gap in local times";
        if it occurs more than once, it "refers to the first occurrence" (RFC 5545, 3.3.5)."""
        wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
        return wall.replace(tzinfo=self.zone).timestamp()


class _Recurring:
    """A rule, its dates worked out by the year."""

    def __init__(self, rule: Rule) -> None:
        self.text = rule.rrule.upper()
        self.open = [parse_interval(text) for text in rule.open]
        self.closed = [parse_interval(text) for text in rule.closed]
        self._rule = parse_rule(rule)
        self._years: dict[int, frozenset[date]] = {}

    def meets(self, day: date) -> bool:
        """Whether a date is one of the rule's."""
        dates = self._years.get(day.year)
        if dates is None:
            first, last = datetime(day.year, 1, 1), datetime(day.year, 12, 31)
            found = self._rule.between(first, last, inc=True)
            dates = self._years[day.year] = frozenset([each.date() for each in found])
        return day in dates


def _without(span: Span, cut: Span) -> list[Span]:
    begin, end = span
    if cut[1] <= begin or end <= cut[0]:
        return [span]
    return [part for part in ((begin, cut[0]), (cut[1], end)) if part[0] < part[1]]


def _date_limit(now: float) -> float:
    """How far a look from `now` goes."""
    return now + _HORIZONS[-1] * 86400.0


def made_holidays(wanted: Holidays) -> HolidayBase:
    """The holidays of a country, named in English where the calendar knows that, whatever language
    the process was started in. Raises `HoursError`.
    """
    from holidays import country_holidays  # here, because who has no holidays need not load it

    subdivision = wanted.subdivision or None
    try:
        found = country_holidays(wanted.country, subdiv=subdivision)
        if "en_US" in found.supported_languages:
            found = country_holidays(wanted.country, subdiv=subdivision, language="en_US")
        return found
    except NotImplementedError:
        raise HoursError("a country and a part of it that are known") from None


def schedules(hours: Mapping[str, Hours], sets: Mapping[str, Holidays]) -> dict[str, Schedule]:
    """All hours of a configuration that has been checked."""
    return {name: Schedule(each, sets) for name, each in hours.items()}

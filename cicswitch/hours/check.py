"""What is wrong in tables of hours and holidays, beside its line."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from cicswitch.core.toml import Decoder, KeyPath
from cicswitch.hours.model import DAYS, Holidays, Hours
from cicswitch.hours.schedule import (
    DAY_MIN,
    HoursError,
    Schedule,
    made_holidays,
    parse_date,
    parse_interval,
    parse_rule,
    parse_week,
)

__all__ = ["check_holidays", "checked_schedule"]

_WEEK_MIN = 7 * DAY_MIN


def check_holidays(name: str, wanted: Holidays, decoder: Decoder) -> None:
    """Findings for a table of holidays."""
    from holidays import list_supported_countries

    key: KeyPath = ("holidays", name)
    known = list_supported_countries()
    if wanted.country not in known:
        decoder.unknown((*key, "country"), "a country", wanted.country, known)
    elif wanted.subdivision:
        try:
            made_holidays(wanted)
        except HoursError:
            parts = known[wanted.country]
            what = f"a part of {wanted.country}"
            decoder.unknown((*key, "subdivision"), what, wanted.subdivision, parts)


def checked_schedule(
    name: str, hours: Hours, sets: Mapping[str, Holidays], decoder: Decoder
) -> Schedule:
    """A table of hours compiled, with findings; one that has any is always closed."""
    before = len(decoder.findings)
    key: KeyPath = ("hours", name)
    try:
        ZoneInfo(hours.zone)
    except (KeyError, ValueError, OSError):
        zones = available_timezones()
        last = hours.zone.rpartition("/")[2].lower()
        near = sorted(zone for zone in zones if zone.rpartition("/")[2].lower() == last)
        hint = f'did you mean "{near[0]}"?' if last and near else ""
        decoder.add((*key, "zone"), f'"{hours.zone}"', 'a time zone, like "Asia/Seoul"', hint)
    _week(key, hours, decoder)
    for index, each in enumerate(hours.holidays):
        if each not in sets:
            decoder.unknown((*key, "holidays", index), "a table of holidays", each, sets)
    for list_name in ("closed", "open_on"):
        for index, text in enumerate(getattr(hours, list_name)):
            try:
                parse_date(text, interval=list_name == "open_on")
            except HoursError as error:
                decoder.add((*key, list_name, index), f'"{text}"', str(error))
    for index, rule in enumerate(hours.rule):
        path: KeyPath = (*key, "rule", index)
        try:
            parse_rule(rule)
        except HoursError as error:
            wanted = str(error)
            at = "start" if wanted.startswith(("a date as start", "a start from")) else "rrule"
            decoder.add((*path, at), f'"{rule.start if at == "start" else rule.rrule}"', wanted)
        for list_name in ("open", "closed"):
            for number, text in enumerate(getattr(rule, list_name)):
                try:
                    parse_interval(text)
                except HoursError as error:
                    decoder.add((*path, list_name, number), f'"{text}"', str(error))
        if not rule.open and not rule.closed:
            decoder.add(path, "no effect", "open or closed, with intervals")
    if len(decoder.findings) == before:
        try:
            return Schedule(hours, sets)
        except HoursError:
            pass  # of its holidays, and said beside them
    return Schedule(Hours())


def _week(key: KeyPath, hours: Hours, decoder: Decoder) -> None:
    """The intervals of the week, and which of them overlap."""
    found: list[tuple[int, int, str, KeyPath]] = []
    for index, text in enumerate(hours.open):
        path: KeyPath = (*key, "open", index)
        try:
            days, begin, end = parse_week(text)
        except HoursError as error:
            decoder.add(path, f'"{text}"', str(error))
            continue
        found += [(day * DAY_MIN + begin, day * DAY_MIN + end, text, path) for day in days]
    for day, name in enumerate(DAYS):
        for index, text in enumerate(getattr(hours, name)):
            path = (*key, name, index)
            try:
                begin, end = parse_interval(text)
            except HoursError as error:
                decoder.add(path, f'"{text}"', str(error))
                continue
            found.append((day * DAY_MIN + begin, day * DAY_MIN + end, text, path))
    found.sort(key=lambda each: each[:2])
    if not found:
        return
    first = found[0]
    wrapped = (first[0] + _WEEK_MIN, first[1] + _WEEK_MIN, first[2], first[3])
    told: set[tuple[KeyPath, KeyPath]] = set()
    reach = found[0]
    for one, other in pairwise([*found, wrapped]):
        if one[1] > reach[1]:
            reach = one
        pair = (other[3], reach[3])
        if other[0] < reach[1] and pair not in told:
            told.add(pair)
            decoder.add(
                other[3],
                f'"{other[2]}", which overlaps "{reach[2]}"',
                "intervals that do not overlap",
            )

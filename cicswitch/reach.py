"""Whether and when a customer may be called: the hours where he is, and numbers that nobody calls.

Hours for calling (`[queue.NAME.callback] hours`) are read by the clock on the customer's wall. His
time zone is the one that he or who asked for the call says; else that of his number, as the
numbering plan knows it (a number of a country with several zones may be called while it is open in
all of them); else `zone` of the queue's callbacks, else that of the hours.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct
from msgspec.structs import replace

from cicswitch.calls.events import NumberAllowed, NumberBlocked
from cicswitch.core.toml import Decoder
from cicswitch.dialplan.match import PatternError, number_matcher
from cicswitch.hours import Holidays, Hours, Schedule

__all__ = ["DoNotCallConfig", "Reach", "check_do_not_call", "is_zone", "plain", "zones_of"]

_LOOKS = 64
"""Changes of hours that are looked through for a time that is open in all zones."""
_MOST_BYTES = 32 * 2**20
_MOST_SCHEDULES = 512


class DoNotCallConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers that the switch never calls by itself."""

    numbers: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Exact numbers, or patterns as in a route's `called`."""
    file: str = ""
    """CSV with the column `number`."""


def plain(number: str) -> str:
    """A number without what people write into it: spaces, dots, dashes, brackets and slashes."""
    return number.strip().translate(_MARKS)


_MARKS = str.maketrans("", "", " .-()/\u00a0\u2011\u2013")


@lru_cache(maxsize=65536)
def zones_of(number: str, country: str) -> tuple[str, ...]:
    """Time zones of a number, by its numbering plan; none if it tells nothing."""
    import phonenumbers  # first use costs tens of milliseconds and many need it never
    from phonenumbers import timezone as numbering

    try:
        parsed = phonenumbers.parse(number, country or None)
    except phonenumbers.NumberParseException:
        return ()
    if not phonenumbers.is_valid_number(parsed):
        return ()
    found = numbering.time_zones_for_number(parsed)
    return tuple(name for name in found if is_zone(name))


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether that is a name of the time zone database."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


class Reach:
    """Who may be called, and when."""

    def __init__(
        self,
        hours: dict[str, Hours] | None = None,
        holidays: dict[str, Holidays] | None = None,
        listed: Iterable[str] = (),
    ) -> None:
        self._hours = hours or {}
        self._holidays = holidays or {}
        self._schedules: dict[tuple[str, str], Schedule] = {}
        self._listed: set[str] = set()
        self._patterns: list[Callable[[str], object]] = []
        for number in listed:
            if number.startswith("_"):
                self._patterns.append(number_matcher(number))
            else:
                self._listed.add(plain(number))
        self.blocked: dict[str, NumberBlocked] = {}
        """Beside those of the configuration: by people, and by customers themselves."""

    def feed(self, event: NumberBlocked | NumberAllowed) -> None:
        """A number was put on the list, or taken off."""
        if isinstance(event, NumberBlocked):
            self.blocked[event.number] = event
        else:
            self.blocked.pop(event.number, None)

    def is_blocked(self, number: str) -> bool:
        """Whether nobody is to call this number."""
        number = plain(number)
        if number in self.blocked or number in self._listed:
            return True
        return any(matches(number) for matches in self._patterns)

    def opens_at(self, hours: str, zones: tuple[str, ...], now: float) -> float:
        """When a customer in these zones may be called: `now`, or later; `inf`: not in 400 days."""
        if hours not in self._hours:
            return now
        schedules = [self._schedule(hours, zone) for zone in zones or ("",)]
        at = now
        for _ in range(_LOOKS):
            shut = [each for each in schedules if not each.is_open(at)]
            if not shut:
                return at
            later = [each.next_change(at) for each in shut]
            if None in later:
                return inf
            at = max(each for each in later if each is not None)
        return inf

    def _schedule(self, hours: str, zone: str) -> Schedule:
        found = self._schedules.get((hours, zone))
        if found is None:
            if len(self._schedules) >= _MOST_SCHEDULES:
                self._schedules.clear()
            asked = self._hours[hours]
            asked = replace(asked, zone=zone) if zone else asked
            found = self._schedules[hours, zone] = Schedule(asked, self._holidays)
        return found


def check_do_not_call(
    config: DoNotCallConfig, directory: Path, decoder: Decoder
) -> tuple[str, ...]:
    """All numbers of the configuration and its file, with findings for what is wrong."""
    for index, number in enumerate(config.numbers):
        try:
            number_matcher(number)
        except PatternError as error:
            decoder.add(("do_not_call", "numbers", index), f'"{number}"', str(error))
    found = list(config.numbers)
    if config.file:
        key = ("do_not_call", "file")
        path = directory / config.file
        try:
            if path.stat().st_size > _MOST_BYTES:
                decoder.add(key, f'"{config.file}"', f"a file of {_MOST_BYTES} bytes at most")
                return tuple(config.numbers)
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                if "number" not in (rows.fieldnames or ()):
                    decoder.add(key, f'"{config.file}"', "a CSV file with the column `number`")
                    return tuple(config.numbers)
                found += [number for row in rows if (number := plain(row["number"] or ""))]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            decoder.add(key, f'"{config.file}"', f"a readable CSV file ({error})")
    return tuple(found)

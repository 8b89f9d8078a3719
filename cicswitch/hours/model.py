"""The tables of hours, as configuration and dialplans write them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["DAYS", "Holidays", "Hours", "Rule"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Text = Annotated[str, Meta(min_length=1)]


class Rule(Struct, frozen=True, kw_only=True):
    """Dates by a recurrence rule (RFC 5545, section 3.3.10), and what is open or closed on them."""

    rrule: Text
    """Like `FREQ=MONTHLY;BYDAY=-1FR`; by days, weeks, months or years."""
    start: str = ""
    """The first date that counts, 2020-01-01 without it. INTERVAL and COUNT count from it."""
    open: tuple[str, ...] = ()
    """Intervals that are open beside the week's."""
    closed: tuple[str, ...] = ()
    """Intervals that are closed."""


class Hours(Struct, frozen=True, kw_only=True):
    """Opening hours. An interval is `09:00-18:00`; one that ends before it begins goes on past
    midnight."""

    zone: str = "UTC"
    """A name of the time zone database."""
    open: tuple[str, ...] = ()
    """The week in short: `mon-fri 09:00-18:00`, `sat,sun 10:00-14:00`."""
    mon: tuple[str, ...] = ()
    """Intervals of Mondays, and so on."""
    tue: tuple[str, ...] = ()
    wed: tuple[str, ...] = ()
    thu: tuple[str, ...] = ()
    fri: tuple[str, ...] = ()
    sat: tuple[str, ...] = ()
    sun: tuple[str, ...] = ()
    holidays: tuple[str, ...] = ()
    """Tables of holidays that are closed."""
    closed: tuple[str, ...] = ()
    """Dates, `2027-02-07` or each year `12-25`; all day, or with an interval behind."""
    open_on: tuple[str, ...] = ()
    """Dates with an interval, open whatever else says: `2026-12-26 10:00-14:00`."""
    rule: tuple[Rule, ...] = ()


class Holidays(Struct, frozen=True, kw_only=True):
    """The public holidays of a country, or of a part of it."""

    country: Text
    """ISO 3166-1, like `KR`."""
    subdivision: str = ""
    """ISO 3166-2 without the country, like `BY`."""

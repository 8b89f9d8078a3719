"""When and whether a customer may be called."""

from __future__ import annotations

from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo

import pytest

from cicswitch.calls.events import NumberAllowed, NumberBlocked
from cicswitch.hours import Hours
from cicswitch.reach import Reach, is_zone, plain, zones_of

HOURS = {
    "day": Hours(zone="Asia/Seoul", open=("mon-fri 09:00-20:00",)),
    "never": Hours(open_on=("2020-01-01 10:00-11:00",)),
}


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_hours_are_those_where_the_customer_is() -> None:
    reach = Reach(HOURS)
    noon_in_seoul = at("2026-11-26 12:00", "Asia/Seoul")
    assert reach.opens_at("day", (), noon_in_seoul) == noon_in_seoul
    assert reach.opens_at("day", ("Asia/Seoul",), noon_in_seoul) == noon_in_seoul
    # It is three in the night in London then.
    assert reach.opens_at("day", ("Europe/London",), noon_in_seoul) == at(
        "2026-11-26 09:00", "Europe/London"
    )


def test_a_number_of_several_zones_is_called_while_it_is_open_in_all_of_them() -> None:
    reach = Reach(HOURS)
    zones = ("America/New_York", "America/Los_Angeles")
    early = at("2026-11-26 09:30", "America/New_York")
    assert reach.opens_at("day", zones, early) == at("2026-11-26 09:00", "America/Los_Angeles")
    late = at("2026-11-27 20:30", "America/New_York")  # a Friday
    assert reach.opens_at("day", zones, late) == at("2026-11-30 09:00", "America/Los_Angeles")


def test_hours_that_never_open_and_hours_that_nobody_wrote() -> None:
    assert Reach(HOURS).opens_at("never", (), at("2026-11-26 12:00")) == inf
    assert Reach(HOURS).opens_at("", (), 5.0) == 5.0


@pytest.mark.parametrize(
    ("number", "country", "zones"),
    [
        ("+82 2 312 3456", "", ("Asia/Seoul",)),
        ("02-312-3456", "KR", ("Asia/Seoul",)),
        ("+44 20 7946 0018", "", ("Europe/London",)),
        ("+1 212 555 0123", "", ("America/New_York",)),
        ("2001", "", ()),
        ("no number", "KR", ()),
    ],
)
def test_a_number_tells_its_zone(number: str, country: str, zones: tuple[str, ...]) -> None:
    assert zones_of(number, country) == zones


def test_a_mobile_number_of_a_large_country_has_all_its_zones() -> None:
    assert len(zones_of("+61 412 345 678", "")) > 3


def test_what_people_write_into_numbers_is_no_part_of_them() -> None:
    assert plain(" +82 (0)2-123.45 67/8 ") == "+8202123" + "45678"


def test_zones_are_names_of_the_database() -> None:
    assert is_zone("Asia/Seoul")
    assert not is_zone("Asia/Atlantis")
    assert not is_zone("../../etc/passwd")
    assert not is_zone("")


def test_numbers_are_blocked_by_the_list_by_patterns_and_by_people() -> None:
    reach = Reach(listed=("02-111", "_0700."))
    assert reach.is_blocked("02 111")
    assert reach.is_blocked("0700-5")
    assert not reach.is_blocked("0700")
    reach.feed(NumberBlocked(1.0, "0313333", "customer"))
    assert reach.is_blocked("031-3333")
    reach.feed(NumberAllowed(2.0, "0313333", "account:kim"))
    assert not reach.is_blocked("031-3333")

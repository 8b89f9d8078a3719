"""Opening hours: what is open when, and what is wrong in a table of hours."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.config import check
from cicswitch.hours import Holidays, Hours, Rule, Schedule

KOREA = {"korea": Holidays(country="KR"), "bavaria": Holidays(country="DE", subdivision="BY")}


def at(text: str, zone: str = "Asia/Seoul") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def seoul(**tables: object) -> Schedule:
    return Schedule(Hours(zone="Asia/Seoul", **tables), KOREA)  # type: ignore[arg-type]  # tables of a test


def shown(moment: float | None, zone: str = "Asia/Seoul") -> str:
    if moment is None:
        return "never"
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).isoformat(" ", "minutes")[:16]


LUNCH = ("09:00-12:00", "13:00-18:00")
WEEK = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), LUNCH)


@pytest.mark.parametrize(
    ("moment", "opened", "change"),
    [
        ("2026-11-23 08:59:59", False, "2026-11-23 09:00"),
        ("2026-11-23 09:00:00", True, "2026-11-23 12:00"),
        ("2026-11-23 12:00:00", False, "2026-11-23 13:00"),
        ("2026-11-23 17:59:59", True, "2026-11-23 18:00"),
        ("2026-11-27 18:00:00", False, "2026-11-30 09:00"),
        # Chuseok: Thursday to Saturday.
        ("2026-09-23 19:00:00", False, "2026-09-28 09:00"),
    ],
)
def test_a_week_with_holidays(moment: str, opened: bool, change: str) -> None:
    schedule = seoul(**WEEK, holidays=("korea",))
    assert schedule.is_open(at(moment)) is opened
    assert shown(schedule.next_change(at(moment))) == change


def test_the_week_in_short_and_by_days_is_the_same() -> None:
    short = seoul(open=("mon-fri 09:00-12:00", "mon-fri 13:00-18:00"))
    for hour in range(14 * 24):
        now = at("2026-11-23 00:30") + hour * 3600
        assert short.is_open(now) is seoul(**WEEK).is_open(now)


def test_a_shift_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    schedule = seoul(open=("mon-sun 20:00-02:00",), closed=("2026-12-25",))
    assert schedule.is_open(at("2026-12-25 01:59"))
    assert schedule.why(at("2026-12-25 01:59")) == "the hours of the week"
    assert not schedule.is_open(at("2026-12-25 21:00"))
    assert not schedule.is_open(at("2026-12-26 01:00"))
    assert schedule.why(at("2026-12-25 21:00")) == "closed on 2026-12-25"
    assert shown(schedule.next_change(at("2026-12-25 01:00"))) == "2026-12-25 02:00"
    assert shown(schedule.next_change(at("2026-12-25 03:00"))) == "2026-12-26 20:00"


def test_days_that_touch_are_one_stretch_and_all_the_time_never_changes() -> None:
    schedule = seoul(open=("mon-fri 00:00-24:00",))
    assert shown(schedule.next_change(at("2026-11-23 12:00"))) == "2026-11-28 00:00"
    always = seoul(open=("mon-sun 00:00-24:00",))
    assert always.is_open(at("2026-11-23 12:00"))
    assert always.next_change(at("2026-11-23 12:00")) is None
    never = seoul()
    assert not never.is_open(0.0)
    assert never.next_change(0.0) is None


def test_own_dates_close_and_open_and_go_before_holidays() -> None:
    schedule = seoul(
        **WEEK,
        holidays=("korea",),
        closed=("12-24 15:00-24:00", "12-31"),
        open_on=("2026-12-25 10:00-11:00", "12-24 17:00-18:00"),
    )
    opened = [hour for hour in range(24) if schedule.is_open(at(f"2026-12-24 {hour:02}:30"))]
    assert opened == [17]  # an open date is the whole of its day
    assert schedule.is_open(at("2026-12-25 10:30"))
    assert schedule.why(at("2026-12-25 10:30")) == "an open date"
    assert not schedule.is_open(at("2026-12-31 10:00"))
    assert not schedule.is_open(at("2027-01-01 10:00"))
    assert schedule.why(at("2027-01-01 10:00")) == "holiday: New Year's Day"
    part = seoul(**WEEK, closed=("12-24 15:00-24:00",))
    assert part.is_open(at("2026-12-24 14:59"))
    assert not part.is_open(at("2026-12-24 15:00"))


def test_a_rule_closes_the_last_friday_of_the_month_from_four() -> None:
    rule = Rule(rrule="FREQ=MONTHLY;BYDAY=-1FR", closed=("16:00-24:00",))
    schedule = seoul(**WEEK, rule=(rule,))
    assert schedule.is_open(at("2026-11-20 17:00"))
    assert schedule.is_open(at("2026-11-27 15:59"))
    assert not schedule.is_open(at("2026-11-27 16:00"))
    assert schedule.why(at("2026-11-27 16:00")) == "rule FREQ=MONTHLY;BYDAY=-1FR"
    assert shown(schedule.next_change(at("2026-11-27 13:00"))) == "2026-11-27 16:00"


def test_a_rule_opens_every_other_saturday_but_not_on_a_holiday() -> None:
    rule = Rule(rrule="freq=weekly;interval=2;byday=sa", start="2026-12-12", open=("10:00-14:00",))
    schedule = seoul(rule=(rule,), closed=("2027-01-09",))
    days = ("2026-12-05", "2026-12-12", "2026-12-19", "2026-12-26", "2027-01-09", "2027-01-23")
    assert [schedule.is_open(at(f"{day} 11:00")) for day in days] == [
        *(False, True, False, True, False, True)
    ]


def test_a_part_of_a_country_has_holidays_of_its_own() -> None:
    def opened(holidays: tuple[str, ...]) -> bool:
        hours = Hours(zone="Europe/Berlin", open=("mon-sun 09:00-18:00",), holidays=holidays)
        return Schedule(hours, KOREA).is_open(at("2026-01-06 12:00", "Europe/Berlin"))

    assert opened(())
    assert not opened(("bavaria",))


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("interval", "hours_open", "note"),
    [
        ("00:00-24:00", 23, "the day of spring is shorter"),
        ("00:00-02:00", 2, "before the gap"),
        ("02:00-03:00", 0, "in the gap"),
        ("02:30-04:00", 0.5, "02:30 is 03:30"),
    ],
)
def test_when_the_clock_goes_forward(interval: str, hours_open: float, note: str) -> None:
    schedule = Schedule(Hours(zone=BERLIN, open_on=(f"2026-03-29 {interval}",)))
    start = at("2026-03-28 12:00", BERLIN)
    found = sum(schedule.is_open(start + 60 * minute) for minute in range(2 * 1440)) / 60
    assert found == hours_open, note


@pytest.mark.parametrize(
    ("interval", "hours_open", "note"),
    [
        ("00:00-24:00", 25, "the day of autumn is longer"),
        ("00:00-02:00", 2, "until it is two for the first time"),
        ("02:00-03:00", 2, "from the first two to three, which comes once"),
        ("02:30-04:00", 2.5, "from the first half past two"),
    ],
)
def test_when_the_clock_goes_back(interval: str, hours_open: float, note: str) -> None:
    schedule = Schedule(Hours(zone=BERLIN, open_on=(f"2026-10-25 {interval}",)))
    start = at("2026-10-24 12:00", BERLIN)
    found = sum(schedule.is_open(start + 60 * minute) for minute in range(2 * 1440)) / 60
    assert found == hours_open, note


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 95), st.integers(1, 95)), max_size=6),
    st.sampled_from(["UTC", "Asia/Seoul", BERLIN, "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 400 * 96),
)
def test_the_state_changes_exactly_at_the_next_change(
    shifts: list[tuple[int, int, int]], zone: str, quarter: int
) -> None:
    """Also for weeks with overlaps: nothing changes before it, and it changes then."""
    days: dict[str, tuple[str, ...]] = {}
    for day, begin, length in shifts:
        name = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day]
        end = (begin + length) % 96
        text = f"{begin // 4:02}:{begin % 4 * 15:02}-{end // 4:02}:{end % 4 * 15:02}"
        days[name] = (*days.get(name, ()), text)
    hours = Hours(zone=zone, **days)  # type: ignore[arg-type]  # tables of a test
    now = at("2026-01-01 00:00", "UTC") + quarter * 900
    schedule = Schedule(hours)
    opened, change = schedule.is_open(now), schedule.next_change(now)
    fresh = Schedule(hours)
    if change is None:
        assert opened is bool(shifts) or not shifts
        change = now + 7 * 86400
    else:
        assert fresh.is_open(change) is not opened
    step = now
    while step < min(change, now + 8 * 86400):
        assert Schedule(hours).is_open(step) is opened
        step += 6 * 3600
    assert fresh.is_open(max(now, change - 1)) is opened


TABLE = 'dialplans = []\n[hours.h]\nzone = "Asia/Seoul"\n{}\n[holidays.korea]\ncountry = "KR"\n'


@pytest.mark.parametrize(
    ("lines", "finding"),
    [
        (
            'mon = ["9-18"]',
            'hours.h.mon[0]: found "9-18", expected an interval, like "09:00-18:00"',
        ),
        ('mon = ["09:00-24:30"]', "times from 00:00 to 24:00"),
        ('mon = ["09:00-09:00"]', "expected an interval with a length"),
        (
            'mon = ["09:00-12:00", "11:00-18:00"]',
            'hours.h.mon[1]: found "11:00-18:00", which overlaps "09:00-12:00"',
        ),
        (
            'sun = ["20:00-06:00"]\nopen = ["mon-fri 05:00-10:00"]',
            'hours.h.open[0]: found "mon-fri 05:00-10:00", which overlaps "20:00-06:00"',
        ),
        ('open = ["mo-fr 09:00-18:00"]', "expected days out of mon, tue"),
        ('open = ["09:00-18:00"]', 'expected days and hours, like "mon-fri 09:00-18:00"'),
        ('closed = ["25.12."]', 'hours.h.closed[0]: found "25.12.", expected a date'),
        ('closed = ["2026-02-30"]', "expected a date, like 2026-12-25 or 12-25"),
        ('open_on = ["2026-12-25"]', "expected a date and an interval"),
        ('holidays = ["corea"]', 'expected a table of holidays (korea) (did you mean "korea"?)'),
        ('[[hours.h.rule]]\nrrule = "FREQ=MONTHLY"', "hours.h.rule[0]: found no effect"),
        ('[[hours.h.rule]]\nrrule = "FREQ=HOURLY"\nopen = ["1:00-2:00"]', "FREQ=DAILY or WEEKLY"),
        ('[[hours.h.rule]]\nrrule = "every friday"\nopen = ["1:00-2:00"]', "parts out of FREQ"),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=MONTHLY;BYDAY=-1FRI"\nopen = ["1:00-2:00"]',
            "BYDAY of MO TU WE TH FR SA SU",
        ),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=WEEKLY;INTERVAL=0"\nopen = ["1:00-2:00"]',
            'INTERVAL from 1 to 1000, not "0"',
        ),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=WEEKLY;INTERVAL=2"\nopen = ["1:00-2:00"]',
            "a start beside INTERVAL or COUNT",
        ),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"\nopen = ["1:00-2:00"]',
            "a rule that some date meets",
        ),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=DAILY;UNTIL=x"\nopen = ["1:00-2:00"]',
            "a rule as in RFC 5545",
        ),
        (
            '[[hours.h.rule]]\nrrule = "FREQ=DAILY"\nstart = "soon"\nopen = ["1:00-2:00"]',
            'hours.h.rule[0].start: found "soon", expected a date as start',
        ),
        ('[[hours.h.rule]]\nrrule = "FREQ=DAILY"\nclosed = ["1-2"]', "hours.h.rule[0].closed[0]"),
        ('[holidays.x]\ncountry = "XX"', "holidays.x.country: found"),
        (
            '[holidays.x]\ncountry = "DE"\nsubdivision = "BX"',
            'holidays.x.subdivision: found "BX", expected a part of DE (Augsburg, BB,',
        ),
        ('[queue.q]\nhours = "hh"', 'queue.q.hours: found "hh", expected hours (h)'),
        ('[queue.q]\nat_close = "leave"', 'queue.q.at_close: found "leave"'),
    ],
)
def test_a_mistake_is_found_where_it_stands(tmp_path: Path, lines: str, finding: str) -> None:
    file = tmp_path / "c.toml"
    text = TABLE.format(lines)
    file.write_text(text)
    (found,) = [str(each) for each in check(file)]
    assert finding in found
    line = int(found.removeprefix(f"{file}:").partition(":")[0])
    assert text.splitlines()[line - 1] in lines.splitlines()


def test_an_unknown_zone_has_a_near_miss(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('dialplans = []\n[hours.h]\nzone = "Europe/Seoul"\n')
    (found,) = [str(each) for each in check(file)]
    assert found.endswith(
        'c.toml:3: hours.h.zone: found "Europe/Seoul", expected a time zone, like "Asia/Seoul"'
        ' (did you mean "Asia/Seoul"?)'
    )


def test_time_is_counted_in_what_is_open() -> None:
    schedule = seoul(**WEEK, holidays=("korea",))
    friday, monday = at("2026-11-27 17:00"), at("2026-11-30 10:00")
    assert schedule.elapsed(friday, monday) == 2 * 3600
    assert schedule.elapsed(at("2026-11-28 09:00"), at("2026-11-29 18:00")) == 0.0
    assert schedule.elapsed(monday, friday) == 0.0
    assert shown(schedule.after(friday, 3 * 3600)) == "2026-11-30 11:00"
    assert shown(schedule.after(friday, 3600)) == "2026-11-27 18:00"
    assert shown(schedule.after(at("2026-11-28 12:00"), 60)) == "2026-11-30 09:01"
    assert seoul().after(friday, 60) is None
    assert seoul(open=("mon-sun 00:00-24:00",)).after(friday, 86400) == friday + 86400


@given(st.integers(0, 14 * 24 * 60), st.integers(1, 40 * 3600))
def test_what_is_counted_forward_is_what_has_elapsed(minute: int, seconds: int) -> None:
    schedule = seoul(**WEEK)
    begin = at("2026-11-16 00:00") + minute * 60
    end = schedule.after(begin, seconds)
    assert end is not None
    assert schedule.elapsed(begin, end) == pytest.approx(seconds)


def test_tomorrow_morning_is_when_it_is_open() -> None:
    schedule = seoul(**WEEK, holidays=("korea",))
    assert shown(schedule.morning(at("2026-11-26 23:00"))) == "2026-11-27 09:00"
    assert shown(schedule.morning(at("2026-11-27 08:00"))) == "2026-11-30 09:00"
    assert shown(seoul(open=("mon-fri 08:00-17:00",)).morning(at("2026-11-26 07:00"))) == (
        "2026-11-27 09:00"
    )
    assert shown(seoul(open=("mon-fri 10:00-17:00",)).morning(at("2026-11-26 07:00"))) == (
        "2026-11-27 10:00"
    )

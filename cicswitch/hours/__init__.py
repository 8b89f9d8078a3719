"""Opening hours: of queues, and of routes and steps of a dialplan.

    model      the tables `[hours.NAME]` and `[holidays.NAME]`
    schedule   `Schedule`: open or closed at a time, why, and when that changes next
    check      findings for what is wrong in such tables

What counts on a day, the first that says anything: `open_on` of that date; `closed` of that date
and holidays; the week (`open`, `mon` to `sun`) and rules that open. Rules and dates that close for
some hours are cut out of the last of these. A shift belongs to the day on which it begins: one
that goes on past midnight goes on into a holiday.

Times are those of the clock on the wall in `zone`. One that does not occur, because the clock is
set forward, counts as if it had not been (02:30 is 03:30); of one that occurs twice the first
counts (RFC 5545, section 3.3.5).
"""

from cicswitch.hours.check import check_holidays, checked_schedule
from cicswitch.hours.model import Holidays, Hours, Rule
from cicswitch.hours.schedule import HoursError, Schedule, schedules

__all__ = [
    "Holidays",
    "Hours",
    "HoursError",
    "Rule",
    "Schedule",
    "check_holidays",
    "checked_schedule",
    "schedules",
]

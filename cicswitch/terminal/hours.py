"""`cicswitch hours`: what is open, why, and when that changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cicswitch.config import Config
from cicswitch.core.errors import NotFound
from cicswitch.hours import Schedule, schedules

__all__ = ["hours_at", "lines"]

_CHANGES = 5


def hours_at(config: Config, name: str, now: float) -> list[dict[str, Any]]:
    """All hours of a configuration and its dialplans, or one, at a time. Raises `NotFound`."""
    made = schedules(config.hours, config.holidays)
    for plan in config.plan.plans if config.plan is not None else ():
        for own, schedule in plan.hours.items():
            if own in plan.own_hours:
                made[f"{plan.name}:{own}"] = schedule
    if name and name not in made:
        raise NotFound(f'there are no hours "{name}" (there are: {", ".join(made) or "none"})')
    return [
        {
            "hours": each,
            "open": schedule.is_open(now),
            "why": schedule.why(now),
            "at": _local(now, schedule),
            "changes": _changes(schedule, now),
            "queues": [queue for queue, of in config.queue.items() if of.hours == each],
        }
        for each, schedule in made.items()
        if name in ("", each)
    ]


def _local(at: float, schedule: Schedule) -> str:
    return datetime.fromtimestamp(at, schedule.zone).isoformat(timespec="seconds")


def _changes(schedule: Schedule, now: float) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    at = schedule.next_change(now)
    while at is not None and len(found) < _CHANGES:
        found.append(
            {"at": _local(at, schedule), "open": schedule.is_open(at), "why": schedule.why(at)}
        )
        at = schedule.next_change(at)
    return found


def lines(hours: list[dict[str, Any]]) -> list[str]:
    """The same for people."""
    out: list[str] = []
    for each in hours:
        of = f", of queue {', '.join(each['queues'])}" if each["queues"] else ""
        state = "open" if each["open"] else "closed"
        out.append(f"{each['hours']}: {state} at {each['at']} ({each['why']}){of}")
        for change in each["changes"]:
            word = "opens " if change["open"] else "closes"
            out.append(f"  {word} {_day(change['at'])} ({change['why']})")
        if not each["changes"]:
            out.append("  no change within 400 days")
    return out


def _day(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%a %Y-%m-%d %H:%M %z")

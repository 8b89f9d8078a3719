"""Queues open and close by their hours. The engine knows no calendar: it is told at each change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.acd import commands as acd
from cicswitch.hours import schedules

if TYPE_CHECKING:
    from cicswitch.config import Config
    from cicswitch.core.timers import Timer
    from cicswitch.hours import Schedule
    from cicswitch.switch.conductor import Conductor

__all__ = ["Opening"]


class Opening:
    """Keeps the queues of the engine in step with their hours: from `configure` on, by a timer."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._schedules: dict[str, Schedule] = {}
        self.timer: Timer | None = None
        """For the next change of any hours."""

    def configure(self, config: Config) -> None:
        """Take over the hours of queues that are defined; those without any are open."""
        made = schedules(config.hours, config.holidays)
        self._schedules = {
            name: made[queue.hours] for name, queue in config.queue.items() if queue.hours in made
        }
        self._look()

    def schedule(self, queue: str) -> Schedule | None:
        """The hours of a queue; None: it is always open."""
        return self._schedules.get(queue)

    def _look(self) -> None:
        """Open and close what is due, and wait for the next change."""
        c = self._c
        now = c.env.clock()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        for name, queue in list(c.engine.queues.items()):
            schedule = self._schedules.get(name)
            closed = schedule is not None and not schedule.is_open(now)
            if closed and not queue.closed:
                c.command(acd.Close(name))
            elif queue.closed and not closed:
                c.command(acd.Open(name))
        changes = [schedule.next_change(now) for schedule in self._schedules.values()]
        due = min([change for change in changes if change is not None], default=None)
        if due is not None:
            self.timer = c.later(due - now, self._look)

"""Contacts that are put aside, and until when a customer is to have his answer.

    snooze, wake    aside until a time, out of its agent's capacity; back at that time, or when the
                    customer writes: to the same agent if he is there, else by its age in the queue
    asked           the customer has written: since when he waits
    answered        an agent has written: whether it came in time
    set_due         somebody says until when, in the place of the queue

A due date counts in the hours of the queue, and what was put aside waits for nobody: its due date
is later by so much. One that somebody has set stands. All of it is in events, and so on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd.agent import AgentState
from cicswitch.acd.interaction import InteractionState
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Contact, Stage
from cicswitch.core.errors import CommandError, Conflict
from cicswitch.dialplan.actions import EnterQueue

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["DAY_S", "LONGEST_S", "PATIENCE_S", "Aside"]

log = structlog.get_logger("switch")

PATIENCE_S: Final = 120.0
"""How long an agent is waited for who had it before."""
DAY_S: Final = 86400.0
LONGEST_S: Final = 366 * DAY_S


class Aside:
    """What is put aside, and what is overdue."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.snoozed: dict[str, Contact] = {}
        """By interaction."""
        self.overdue: dict[str, Contact] = {}
        """Those that are not put aside, by interaction."""

    def count(self, queue: str) -> tuple[int, int]:
        """How many of a queue are put aside, and how many overdue."""
        snoozed = sum(1 for each in self.snoozed.values() if each.origin.queue == queue)
        overdue = sum(1 for each in self.overdue.values() if each.origin.queue == queue)
        return snoozed, overdue

    # -- aside, and back -------------------------------------------------------------------------

    def tomorrow(self, contact: Contact) -> float:
        """9:00 of the next day in its queue's hours, or their next opening."""
        schedule = self._c.opening.schedule(contact.origin.queue)
        now = self._c.env.clock()
        if schedule is None:
            return now - now % DAY_S + DAY_S + 9 * 3600.0
        return schedule.morning(now)

    def snooze(self, contact: Contact, until: float, by: str) -> None:
        """Put it aside. Raises `CommandError`."""
        c = self._c
        if contact.stage is not Stage.TALKING:
            raise Conflict("no agent has it: it has to be taken first")
        if c.contacts.channels[contact.origin.channel].live:
            raise Conflict("its customer waits now: it cannot be put aside")
        if not c.now < until <= c.now + LONGEST_S:
            raise CommandError("until a time to come, a year at most")
        agent = contact.agent
        c.contacts.release(contact, "snoozed")
        try:
            # Its work is not over: there is no after-call work yet.
            c.acd(acd.WrapUp(agent, "", interaction=contact.id))
        except CommandError as error:
            log.debug("no_wrap_up", interaction_id=contact.id, reason=str(error))
        contact.stage = Stage.SNOOZED
        contact.origin = replace(
            contact.origin, snoozed_at=c.now, snoozed_until=until, snoozed_for=agent
        )
        c.emit(
            ce.ContactSnoozed(
                *(c.now, contact.id, contact.origin.conversation, contact.origin.queue),
                *(agent, until, by),
            )
        )
        self._lie(contact)

    def _lie(self, contact: Contact) -> None:
        """It is aside: its due date stands still."""
        self._stop(contact)
        self.overdue.pop(contact.id, None)
        self.snoozed[contact.id] = contact
        seconds = max(0.0, contact.origin.snoozed_until - self._c.env.clock())
        contact.due = self._c.later(seconds, lambda: self.wake(contact, "due"))

    def wake(self, contact: Contact, reason: str) -> None:
        """It is back. Raises `Conflict` if it was not put aside."""
        c, origin = self._c, contact.origin
        if contact.stage is not Stage.SNOOZED:
            raise Conflict("it is not put aside")
        self._stop(contact)
        self.snoozed.pop(contact.id, None)
        agent = origin.snoozed_for
        slept_s = self._open_s(origin.queue, origin.snoozed_at, c.now) if origin.asked_at else 0.0
        contact.origin = origin = replace(
            origin, snoozed_at=0.0, snoozed_until=0.0, snoozed_for="", again=True
        )
        contact.stage = Stage.DIALPLAN
        c.emit(ce.ContactWoken(c.now, contact.id, origin.conversation, origin.queue, agent, reason))
        if slept_s > 0.0:
            aside_s, due_at = origin.aside_s + slept_s, origin.due_at
            if not origin.due_by:
                due_at = self._due(contact, origin.asked_at, aside_s)
            self._set(contact, origin.asked_at, due_at, origin.due_by, aside_s)
        else:
            self.watch(contact)
        asked = contact.asked
        if asked is None:  # of a run before
            asked = EnterQueue(
                *(origin.queue, origin.skills, origin.priority, 0.0, origin.require),
                segment=origin.segment,
            )
        known = c.engine.agents.get(agent)
        there = known is not None and known.state is not AgentState.OFFLINE
        back = replace(
            asked,
            queue=origin.queue,
            timeout_s=0.0,
            prefer=(agent,) if there else (),
            patience_s=PATIENCE_S if there else 0.0,
        )
        c.contacts.enqueue(contact, back, origin.queued_at or origin.at)

    # -- due dates -------------------------------------------------------------------------------

    def asked(self, contact: Contact) -> None:
        """Its customer has written."""
        origin, now = contact.origin, self._c.now
        if origin.asked_at or self._waits_now(contact):
            return
        due_at = origin.due_at if origin.due_by else self._due(contact, now, 0.0)
        self._set(contact, now, due_at, origin.due_by, 0.0)

    def _waits_now(self, contact: Contact) -> bool:
        """Whether the customer is there: the service level is what counts then."""
        return self._c.contacts.channels[contact.origin.channel].live

    def placed(self, contact: Contact) -> None:
        """It is in a queue: that says how long an answer may take."""
        origin = contact.origin
        if not origin.asked_at or origin.due_by:
            return
        due_at = self._due(contact, origin.asked_at, origin.aside_s)
        if due_at != origin.due_at:
            self._set(contact, origin.asked_at, due_at, "", origin.aside_s)

    def set_due(self, contact: Contact, due_at: float, by: str) -> None:
        """Somebody says until when; 0: its queue again. Raises `CommandError`."""
        c, origin = self._c, contact.origin
        if self._waits_now(contact):
            raise Conflict("its customer waits now")
        if due_at and not c.now - LONGEST_S <= due_at <= c.now + LONGEST_S:
            raise CommandError("a time within a year")
        if due_at:
            self._set(contact, origin.asked_at, due_at, by, origin.aside_s)
        else:
            asked_at, aside_s = origin.asked_at, origin.aside_s
            found = self._due(contact, asked_at, aside_s) if asked_at else 0.0
            self._set(contact, origin.asked_at, found, "", origin.aside_s)

    def answered(self, contact: Contact, agent: str) -> None:
        """An agent has answered: nobody waits now."""
        c, origin = self._c, contact.origin
        if not origin.asked_at and not origin.due_at:
            return
        if origin.due_at:
            asked_at = origin.asked_at or c.now
            took_s = self._open_s(origin.queue, asked_at, c.now) - origin.aside_s
            c.emit(
                ce.ContactAnswered(
                    *(c.now, contact.id, origin.conversation, origin.queue, agent, asked_at),
                    *(origin.due_at, round(max(0.0, took_s), 3), c.now <= origin.due_at),
                )
            )
        self._set(contact, 0.0, 0.0, "", 0.0)

    def joined(self, contact: Contact, ended: Contact) -> None:
        """Another contact has gone into it: the earlier question counts, and due date."""
        mine, other = contact.origin, ended.origin
        asks = [each.asked_at for each in (mine, other) if each.asked_at]
        dues = [each for each in (mine, other) if each.due_at]
        if not other.asked_at and not other.due_at:
            return
        first = min(dues, key=_due_at) if dues else mine
        self._set(contact, min(asks, default=0.0), first.due_at, first.due_by, first.aside_s)

    def parted(self, contact: Contact, asked_at: float) -> None:
        """Some of its messages have gone: since when its customer waits now."""
        origin = contact.origin
        if asked_at == origin.asked_at:
            return
        due_at = origin.due_at
        if not origin.due_by:
            due_at = self._due(contact, asked_at, 0.0) if asked_at else 0.0
        self._set(contact, asked_at, due_at, origin.due_by, 0.0)

    def restore(self, contact: Contact) -> None:
        """Take it up after a restart."""
        if contact.origin.snoozed_until:
            contact.stage = Stage.SNOOZED
            self._lie(contact)
        else:
            self.watch(contact)

    def forget(self, contact: Contact) -> None:
        """It is over, or the switch stops."""
        self._stop(contact)
        self.snoozed.pop(contact.id, None)
        self.overdue.pop(contact.id, None)

    def watch(self, contact: Contact) -> None:
        """See that it is told of when it is overdue."""
        self._stop(contact)
        self.overdue.pop(contact.id, None)
        origin = contact.origin
        if not origin.due_at:
            return
        if origin.overdue:
            self.overdue[contact.id] = contact
            return
        seconds = max(0.0, origin.due_at - self._c.env.clock())
        contact.due = self._c.later(seconds, lambda: self._passed(contact))

    def _passed(self, contact: Contact) -> None:
        contact.due = None
        c, origin = self._c, contact.origin
        if contact.stage in (Stage.OVER, Stage.SNOOZED) or not origin.due_at:
            return
        contact.origin = replace(origin, overdue=True)
        self.overdue[contact.id] = contact
        c.emit(
            ce.ContactOverdue(
                *(c.now, contact.id, origin.conversation, origin.queue, contact.agent),
                origin.due_at,
            )
        )
        settings = c.env.config.queue.get(origin.queue)
        entry = c.engine.interactions.get(contact.id)
        if settings is None or not settings.due_priority or entry is None:
            return
        if entry.state is InteractionState.WAITING:
            c.contacts.prioritise(contact, entry.own_priority + settings.due_priority)

    def _set(
        self, contact: Contact, asked_at: float, due_at: float, by: str, aside_s: float
    ) -> None:
        c, origin = self._c, contact.origin
        contact.origin = replace(
            origin, asked_at=asked_at, due_at=due_at, due_by=by, aside_s=aside_s, overdue=False
        )
        c.emit(
            ce.ContactDue(
                *(c.now, contact.id, origin.conversation, origin.queue, contact.agent),
                *(asked_at, due_at, by, aside_s),
            )
        )
        if contact.stage is not Stage.SNOOZED:
            self.watch(contact)

    def _due(self, contact: Contact, asked_at: float, aside_s: float) -> float:
        """When its queue wants it answered; 0: it does not say."""
        origin = contact.origin
        settings = self._c.env.config.queue.get(origin.queue)
        if settings is None or not settings.due_s:
            return 0.0
        seconds = settings.due_s + aside_s
        schedule = self._c.opening.schedule(origin.queue)
        if schedule is None:
            return asked_at + seconds
        return schedule.after(asked_at, seconds) or 0.0

    def _open_s(self, queue: str, begin: float, end: float) -> float:
        schedule = self._c.opening.schedule(queue)
        return end - begin if schedule is None else schedule.elapsed(begin, end)

    def _stop(self, contact: Contact) -> None:
        if contact.due is not None:
            contact.due.cancel()
            contact.due = None


def _due_at(origin: ce.ContactAccepted) -> float:
    return origin.due_at

"""Guests of a call: called, on the line, gone; and who goes on when the agent's leg ends.

Nobody stays behind: with the customer's leg all others end. When the agent's leg ends

- by his hanging up while he consults somebody who has answered, that one has the customer
  (a transfer by hanging up, as on any PBX);
- in a conference, the first colleague has him, else a supervisor who has barged in;
- by being lost (no sound, no signalling), or while the third party still rings, the customer goes
  back to the queue that he came from, at the place that he had there: nobody else knows of him. A
  call that came from no queue goes on in its dialplan, as when any talk ends;
- else the talk is over, and supervisors are let go.

A third party who is gone gives the agent back to the customer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.parties import CONSULT_TABLE, Consult, ConsultInput, Guest, Mode, Role
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.ports import LegsUnavailable

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Together"]

log = structlog.get_logger("switch")

_RING_S: Final = 30.0
_MOST: Final = 20
"""Guests of a call."""


class Together:
    """Keeps the guests of all calls."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    # -- in --------------------------------------------------------------------------------------

    def invite(
        self,
        call: Call,
        role: Role,
        number: str,
        *,
        account: str = "",
        caller: str = "",
        caller_name: str = "",
        auto_answer: bool = False,
    ) -> Guest:
        """Call somebody for a call in which two talk. Raises `Conflict`, `NotFound`."""
        c = self._c
        number, auto = self._device(number)
        self.check(call, number)
        try:
            legs = c.dialling.legs(
                *(call, number, caller or call.caller, caller_name),
                auto_answer=auto_answer or auto,
                seize=True,
            )
        except LegsUnavailable as error:
            raise Conflict(f"{number} cannot be called: {error.reason}") from None
        agent = c.agent_of.get(number, "")
        guest = Guest(legs[0].id, role, number, agent, account)
        guest.ringing = {leg.id: leg for leg in legs}
        guest.timer = c.later(_RING_S, lambda: self._not_answered(call, guest))
        call.guests.append(guest)
        return guest

    def _device(self, number: str) -> tuple[str, bool]:
        """The device of a number or of an agent, and whether it answers by itself."""
        c = self._c
        agents = c.env.config.agent
        name = number.removeprefix("agent:")
        agent = agents.get(name)
        if agent is not None:
            return c.workplaces.of(name), agent.auto_answer
        if number in c.agent_of or c.env.legs.is_device(number):
            return number, False
        raise NotFound(f'"{number[:80]}" is no device and no agent')

    def check(self, call: Call, number: str) -> None:
        """Whether a phone may come into a call. Raises `Conflict` with the reason if not."""
        if call.phase is not Phase.TALKING or call.other is None:
            raise Conflict(f"nobody talks in interaction {call.id}")
        if len(call.guests) >= _MOST:
            raise Conflict(f"{_MOST} others are in interaction {call.id} already")
        peers = {call.customer.peer, call.other.peer, *(f"device:{g.number}" for g in call.guests)}
        peers |= {guest.number for guest in call.guests}
        if number in peers or f"device:{number}" in peers:
            raise Conflict(f"{number} is in interaction {call.id} already")
        if any(g.number == number for other in self._c.calls.values() for g in other.guests):
            raise Conflict(f"{number} is a guest of another interaction")

    def answered(self, call: Call, guest: Guest, leg_id: str) -> None:
        """A guest's phone is answered; his others stop."""
        leg = guest.ringing.pop(leg_id, None)
        if leg is None:
            return
        guest.leg = leg
        self._stop(guest, Reason.ANSWERED_ELSEWHERE)
        self.arrived(call, guest)

    def arrived(self, call: Call, guest: Guest) -> None:
        """A guest is on the line."""
        c = self._c
        if guest.role is Role.SUPERVISOR:
            c.emit(
                ev.SupervisorJoined(
                    *(c.now, call.id, guest.name, guest.account, guest.number, str(guest.mode))
                )
            )
        elif guest.role is Role.CONSULTED:
            call.consult = CONSULT_TABLE.next(call.consult, ConsultInput.ANSWER)
            c.emit(ev.ConsultAnswered(c.now, call.id, guest.name, call.agent))
        else:
            c.emit(ev.PartyJoined(c.now, call.id, guest.name, guest.number, call.agent))
        if guest.takes_over:
            c.supervising.takes(call, guest)
        try:
            self.refresh(call)
        except ValueError as error:
            # No port was free beside the call's: his sound cannot be mixed with it.
            log.error("guest_apart", interaction_id=call.id, error=str(error))
            call.hears = {}
            guest.leg.end(c.now, Reason.CONGESTION)
            self.gone(call, guest, Reason.CONGESTION)

    def refresh(self, call: Call) -> None:
        """After a change: who hears whom, and whether the customer is on hold, for the ACD too."""
        c = self._c
        away = call.consult in (Consult.RINGING, Consult.TALKING)
        held = call.other is not None and (call.other_held or call.on_hold or away)
        if held is not call.booked_hold:
            call.booked_hold = held
            c.queueing.hold(call, held)
            c.emit(ev.CustomerHeld(c.now, call.id, held, call.agent))
        c.listening.apply(call)

    # -- out -------------------------------------------------------------------------------------

    def ended(self, call: Call, guest: Guest, event: ev.LegEnded) -> None:
        """A leg of a guest is over."""
        if guest.ringing.pop(event.leg, None) is not None:
            if not guest.ringing and guest.leg is None:
                self.gone(call, guest, event.reason)
            return
        self.gone(call, guest, event.reason)

    def _not_answered(self, call: Call, guest: Guest) -> None:
        if guest in call.guests and guest.leg is None:
            self.remove(call, guest, Reason.NO_ANSWER)

    def remove(self, call: Call, guest: Guest, reason: Reason, outcome: str = "") -> None:
        """Let a guest go, ringing or on the line."""
        self.gone(call, guest, reason, outcome)
        self._end(guest, reason)

    def gone(self, call: Call, guest: Guest, reason: str, outcome: str = "") -> None:
        """A guest is no part of the call any more; the others are."""
        if guest not in call.guests:
            return
        call.guests.remove(guest)
        if guest.timer is not None:
            guest.timer.cancel()
            guest.timer = None
        if guest.role is Role.CONSULTED:
            call.consult = CONSULT_TABLE.next(call.consult, ConsultInput.END)
            outcome = outcome or ("left" if guest.up else "failed")
        self._tell(call, guest, reason, outcome)
        self.refresh(call)

    def _tell(self, call: Call, guest: Guest, reason: str, outcome: str) -> None:
        c = self._c
        told: Any
        if guest.role is Role.SUPERVISOR:
            told = ev.SupervisorLeft(c.now, call.id, guest.name, guest.account, str(reason))
        elif guest.role is Role.CONSULTED:
            told = ev.ConsultEnded(*(c.now, call.id, guest.name, outcome, str(reason), call.agent))
        else:
            told = ev.PartyLeft(c.now, call.id, guest.name, str(reason), call.agent)
        c.emit(told)

    def clear(self, call: Call, reason: Reason) -> None:
        """The talk is over: nobody who was called for it stays. Idempotent."""
        call.on_hold = False
        if call.guests:
            guests, call.guests = call.guests, []
            call.consult = Consult.NONE
            for guest in guests:
                self._tell(call, guest, reason, "lost")
                self._end(guest, reason)
        if call.help is not None:
            call.help = None
            self._c.emit(ev.HelpEnded(self._c.now, call.id, call.agent))

    def _end(self, guest: Guest, reason: Reason) -> None:
        leg = guest.leg
        if leg is not None:
            leg.end(self._c.now, reason)
        self._stop(guest, Reason.CANCELLED if reason is Reason.NORMAL else reason)

    def _stop(self, guest: Guest, reason: Reason) -> None:
        """End what rings."""
        if guest.timer is not None:
            guest.timer.cancel()
            guest.timer = None
        ringing, guest.ringing = guest.ringing, {}
        for leg in ringing.values():
            leg.end(self._c.now, reason)

    # -- in the agent's place --------------------------------------------------------------------

    def succeed(self, call: Call, guest: Guest, reason: Reason) -> None:
        """A guest takes the agent's place, whose leg ends with this reason if it is there yet.

        The recording goes on: it is one interaction.
        """
        c = self._c
        before, leg = call.other, guest.leg
        call.guests.remove(guest)
        third = call.consulted
        call.consult = Consult.NONE
        call.on_hold = False
        if third is not None:
            self._tell(call, third, str(reason), "lost")
            call.guests.remove(third)
            self._end(third, reason)
        if call.help is not None:
            call.help = None
            c.emit(ev.HelpEnded(c.now, call.id, call.agent))
        c.queueing.hand_over(call, guest.agent)
        call.other, call.other_held = leg, guest.held
        if before is not None:
            before.end(c.now, reason)
        self.refresh(call)
        c.emit(ev.Bridged(c.now, call.id, call.customer.id, leg.id))

    def agent_gone(self, call: Call, event: ev.LegEnded) -> bool:
        """The agent's leg is over: whether the customer is looked after."""
        c = self._c
        if not call.guests:
            return False
        third = call.consulted
        hung_up = event.remote and not event.status
        if third is not None and third.up and hung_up:
            c.consulting.completed(call, third)
            return True
        heirs = [
            guest
            for guest in call.guests
            if guest.up
            and (
                guest.role is Role.COLLEAGUE
                or (guest.role is Role.SUPERVISOR and guest.mode is Mode.BARGE)
            )
        ]
        heirs.sort(key=lambda guest: guest.role is not Role.COLLEAGUE)
        if heirs:
            heir = heirs[0]
            if heir.role is Role.SUPERVISOR:
                c.supervising.takes(call, heir)
            else:
                self.succeed(call, heir, Reason.TRANSFERRED)
            return True
        if third is None or call.asked is None or not call.connected:
            return False
        action = call.asked
        c.other_left(call)
        c.queueing.enter_again(call, action)
        return True

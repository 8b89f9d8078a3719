"""What a supervisor does with somebody's call: listen in, whisper, barge in, take over.

He uses a phone of his own, which is called, and asked to answer by itself. What he may do is asked
before: here it is done. On that phone 4, 5 and 6 go to monitor, whisper and barge, as users of
other switches know it; the last two for who may speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call
from cicswitch.calls.parties import Guest, Mode, Role
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Supervising"]

_KEYS: Final = {"4": Mode.MONITOR, "5": Mode.WHISPER, "6": Mode.BARGE}


class Supervising:
    """The supervisor's verbs."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def find(self, call: Call, account: str) -> Guest | None:
        """An account's place in a call."""
        for guest in call.guests:
            if guest.role is Role.SUPERVISOR and guest.account == account:
                return guest
        return None

    def monitor(
        self,
        call: Call,
        account: str,
        device: str,
        mode: Mode,
        *,
        may_speak: bool,
        auto_answer: bool = False,
    ) -> Guest:
        """Join a call by a phone, or go to another mode in place.

        With `auto_answer` the phone is asked to answer by itself. Raises `Conflict`, `NotFound`.
        """
        guest = self.find(call, account)
        if guest is not None:
            guest.may_speak = may_speak
            self._change(call, guest, mode)
            return guest
        guest = self._c.together.invite(
            call,
            Role.SUPERVISOR,
            device,
            account=account,
            caller_name=call.agent or call.caller_name,
            auto_answer=auto_answer,
        )
        guest.mode, guest.may_speak = mode, may_speak
        return guest

    def _change(self, call: Call, guest: Guest, mode: Mode) -> None:
        c = self._c
        previous = guest.mode
        if mode is previous:
            return
        guest.mode = mode
        if guest.up:
            c.emit(
                ev.SupervisorModeChanged(
                    *(c.now, call.id, guest.name, guest.account, str(mode), str(previous))
                )
            )
            c.together.refresh(call)

    def key(self, call: Call, guest: Guest, digit: str) -> None:
        """A key on his phone."""
        mode = _KEYS.get(digit)
        if mode is not None and (guest.may_speak or mode is Mode.MONITOR):
            self._change(call, guest, mode)

    def dialled(self, call: Call, interaction: str) -> None:
        """Who dialled a feature code goes on as a supervisor in that interaction.

        His own call ends with that as an interaction. His phone has to be on the same media worker
        as the others; the API, which calls it, sees to that.
        """
        c = self._c
        leg, target = call.customer, c.calls.get(interaction)
        number: str = call.peer.removeprefix("device:")
        try:
            if target is None:
                raise Conflict("it is over")
            c.together.check(target, number)
        except Conflict:
            c.end(call, Reason.NORMAL)
            return
        c.transfers.give_up(call)
        guest = Guest(leg.id, Role.SUPERVISOR, number, c.agent_of.get(number, ""), "")
        guest.leg, guest.may_speak = leg, True
        target.guests.append(guest)
        c.by_leg[leg.id] = target
        c.seize(leg.id, number)
        c.together.arrived(target, guest)

    def stop(self, call: Call, account: str) -> None:
        """Leave the call. Raises `Conflict` if he is not in it."""
        guest = self.find(call, account)
        if guest is None:
            raise Conflict(f"{account} is not in interaction {call.id}")
        self._c.together.remove(call, guest, Reason.NORMAL)

    def take_over(
        self, call: Call, account: str, device: str, *, auto_answer: bool = False
    ) -> Guest:
        """Take the agent's place: now, or when his phone is answered."""
        guest = self.find(call, account)
        if guest is None:
            guest = self.monitor(
                *(call, account, device, Mode.MONITOR), may_speak=True, auto_answer=auto_answer
            )
        guest.takes_over = True
        if guest.up:
            self.takes(call, guest)
        return guest

    def takes(self, call: Call, guest: Guest) -> None:
        """He is in the agent's place, whose wrap-up begins."""
        c = self._c
        previous = call.agent
        c.together.succeed(call, guest, Reason.TAKEN_OVER)
        c.emit(ev.TakenOver(c.now, call.id, guest.name, guest.account, call.agent, previous))

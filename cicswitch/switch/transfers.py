"""Transfers: REFER from a party, and the dialplan's transfer step.

The party that stays (for an agent's transfer: the customer) goes through the dialplan again, with
the target as the called number, so a transfer to a queue, a menu or a device all work alike. An
attended transfer joins the two parties that the transferor was talking to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import NotFound
from cicswitch.dialplan.run import Run

if TYPE_CHECKING:
    from cicswitch.ports import Leg
    from cicswitch.switch.conductor import Conductor

__all__ = ["Transfers"]


class Transfers:
    """Carries out transfers."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def requested(self, event: ev.LegTransfer) -> None:
        """A party asks to transfer. It hears how that goes by `transfer_progress`."""
        c = self._c
        call = c.by_leg.get(event.leg)
        if call is None or call.phase is not Phase.TALKING or call.other is None:
            if call is not None:
                self._party(call, event.leg).transfer_progress(c.now, 603)
            return
        leg = self._party(call, event.leg)
        if event.replaces:
            self._attended(call, leg, event.replaces)
            return
        if not self._can_reach(event.target):
            leg.transfer_progress(c.now, 404)
            return
        leg.transfer_progress(c.now, 200)
        self._hand_on(call, leg, event.target)

    def blind(self, call: Call, leg: Leg, target: str) -> None:
        """A party hands the other one on. Raises `NotFound` if nothing is behind the number."""
        if not self._can_reach(target):
            raise NotFound(f'nothing can be reached at "{target[:80]}"')
        self._hand_on(call, leg, target)

    def _hand_on(self, call: Call, leg: Leg, target: str) -> None:
        c = self._c
        stays: Leg = call.other if leg is call.customer else call.customer
        c.emit(ev.Transferred(c.now, call.id, leg.id, target, "blind"))
        c.other_left(call)
        c.by_leg.pop(leg.id, None)
        leg.end(c.now, Reason.TRANSFERRED)
        call.customer, call.customer_held = stays, False
        call.called = target
        if leg.id in c.seized:
            c.by_leg[leg.id] = call  # so that its end frees the agent
        self._enter(call, target)

    def _party(self, call: Call, leg_id: str) -> Leg:
        leg: Leg = call.customer if call.customer.id == leg_id else call.other
        return leg

    def _can_reach(self, target: str) -> bool:
        c = self._c
        found = c.matcher.match("device", target, "", c.now)
        return found is not None or c.env.legs.is_device(target)

    def _enter(self, call: Call, number: str) -> None:
        """The call goes through the dialplan as one to `number`."""
        c = self._c
        found = c.matcher.match("device", number, call.caller, c.now)
        c.steps.clear_timers(call)
        call.run = None
        if found is None:
            c.dialling.start(call, (number,), 60.0, c.env.music, False)
            return
        route, plan = found
        call.phase = Phase.DIALPLAN
        c.listening.apply(call)
        variables = {
            "caller": call.caller,
            "caller_name": call.caller_name,
            "called": number,
            "trunk": call.peer,
            "language": c.env.config.media.language,
        }
        call.run = Run(plan, route.flow, variables, answered=call.customer.up)
        c.steps.execute(call, call.run.start(c.now))

    def _attended(self, call: Call, leg: Leg, replaces: str) -> None:
        """Join what `leg` held with what its other leg talks to."""
        c = self._c
        second = c.by_leg.get(replaces)
        if second is None or second is call or second.phase is not Phase.TALKING:
            leg.transfer_progress(c.now, 481)
            return
        stays: Leg = call.other if leg is call.customer else call.customer
        consult: Leg = second.customer if second.customer.id == replaces else second.other
        joins: Leg = second.other if consult is second.customer else second.customer
        leg.transfer_progress(c.now, 200)
        c.emit(ev.Transferred(c.now, call.id, leg.id, second.called, "attended"))
        c.other_left(call)
        # The consultation ends here as an interaction of its own; its far party moves over.
        c.other_left(second)
        second.customer = consult
        self.give_up(second)
        for gone in (leg, consult):
            c.by_leg.pop(gone.id, None)
            self._free(gone.id)
            gone.end(c.now, Reason.TRANSFERRED)
        call.customer, call.customer_held = stays, False
        c.by_leg[joins.id] = call
        c.connect(call, joins)

    def give_up(self, call: Call) -> None:
        """A call is over as an interaction, while its customer's leg goes on in another."""
        self._c.by_leg.pop(call.customer.id, None)
        self._c.customer_gone(call, Reason.TRANSFERRED)

    def _free(self, leg_id: str) -> None:
        """Let `_ended` find the leg once more where its end frees an agent."""
        c = self._c
        if leg_id in c.seized:
            c.post(ev.LegEnded(c.now, leg_id, Reason.TRANSFERRED))

    # -- the dialplan's step ---------------------------------------------------------------------

    def step(self, call: Call, to: str, refer: bool) -> None:
        """Hand the call over: by REFER to where it came from, or through the routes here."""
        c = self._c
        if refer:
            call.transferring = call.customer
            call.customer.refer(c.now, to)
            return
        if ":" in to or c.matcher.match("device", to, call.caller, c.now) is None:
            if ":" not in to and not c.env.legs.is_device(to):
                assert call.run is not None
                c.steps.execute(call, call.run.outcome("failed", c.now))
                return
            c.emit(ev.Transferred(c.now, call.id, call.customer.id, to, "blind"))
            c.dialling.start(call, (to,), 60.0, "", False)
            return
        c.emit(ev.Transferred(c.now, call.id, call.customer.id, to, "blind"))
        call.called = to
        self._enter(call, to)

    def refer_answered(self, event: ev.ReferAnswered) -> None:
        """The far end took our REFER, or did not, or tells how it went."""
        c = self._c
        call = c.by_leg.get(event.leg)
        if call is None or call.transferring is None or event.status < 200:
            return
        call.transferring = None
        if event.status >= 300:
            if call.run is not None:
                c.steps.execute(call, call.run.outcome("failed", c.now))
            return
        c.emit(ev.Transferred(c.now, call.id, event.leg, "", "blind"))
        # RFC 3515: the referred party ends the call; if it does not, we do.
        call.timer = c.later(5.0, lambda: c.end(call, Reason.TRANSFERRED))

    def target_failed(self, call: Call) -> None:
        """A dial on behalf of a transfer reached nobody."""
        call.transferring = None
        self._c.end(call, Reason(call.failure or Reason.CONGESTION))

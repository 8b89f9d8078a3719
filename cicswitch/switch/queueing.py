"""Calls in queues: the offer to an agent, his answer, and the end of their talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CommandError
from cicswitch.dialplan.actions import EnterQueue

if TYPE_CHECKING:
    from cicswitch.ports import Leg
    from cicswitch.switch.conductor import Conductor

__all__ = ["Queueing"]

_CAUSES = {
    Reason.BUSY: "busy",
    Reason.REJECTED: "rejected",
    Reason.NO_ANSWER: "rejected",
    Reason.CANCELLED: "rejected",
}
FRONT = 1_000_000
"""Points by which who was lost by an agent is before all others: eleven days of waiting."""
_CALLERS = 20_000
_CANCELS = {
    "timed-out": Reason.NO_ANSWER,
    "rescinded": Reason.CANCELLED,
    "cancelled": Reason.CANCELLED,
}


class Queueing:
    """Between calls and the ACD."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.last_agents: dict[str, str] = {}
        """By caller: the agent who talked to him last, since the start of the switch."""

    def enter(self, call: Call, action: EnterQueue) -> None:
        """Put the call into a queue; music plays until an agent answers."""
        c = self._c
        call.phase = Phase.QUEUED
        call.queue = action.queue
        back = call.place is not None and call.place.queue == action.queue
        settings = c.env.config.queue.get(action.queue)
        overrides = settings.segments if settings is not None else {}
        priority = action.priority + c.segments.priority(action.segment, overrides)
        call.place, before = replace(action, priority=priority), call.queued_at
        call.asked = action
        call.queued_at = c.now
        try:
            c.acd(
                acd.Enqueue(
                    interaction=call.id,
                    queue=action.queue,
                    skills=action.skills,
                    require=action.require,
                    prefer=action.prefer,
                    patience_s=action.patience_s,
                    priority=priority,
                    timeout_s=action.timeout_s,
                    # Who comes back to the same queue, after a menu, has the same place.
                    queued_at=before if back else 0,
                    customer=call.caller if call.caller != "anonymous" else "",
                    segment=action.segment,
                )
            )
        except CommandError:
            self._leave(call, "failed")
            return
        entry = c.engine.interactions.get(call.id)
        if entry is not None:
            call.queued_at = entry.queued_at
        self.take_over(call)
        c.listening.apply(call)

    def moved(self, event: acd_events.InteractionMoved) -> None:
        """Another queue has the call now: its music, its comfort prompt, its recording."""
        call = self._c.calls.get(event.interaction)
        if call is None or call.phase is not Phase.QUEUED:
            return
        call.queue = event.to
        self.take_over(call)
        self._c.listening.apply(call)

    def take_over(self, call: Call) -> None:
        """What the queue says of those who wait in it: music, announcements, recording."""
        settings = self._c.env.config.queue.get(call.queue)
        if settings is None:
            return
        call.record = settings.record
        call.waiting_music = call.music = settings.music or self._c.env.music
        self._c.waiting.begin(call, settings)

    # -- offers ----------------------------------------------------------------------------------

    def reserved(self, event: acd_events.Reserved) -> None:
        """An agent was chosen: ring his device."""
        c = self._c
        call = c.calls.get(event.interaction)
        if call is None:
            c.agent_first.reserved(event)
            return
        if call.phase is not Phase.QUEUED:
            return
        call.failure = ""
        legs = c.dialling.ring(call, f"agent:{event.agent}", seize=False)
        call.offers[event.reservation] = [leg.id for leg in legs]
        if not call.agent:
            call.agent = event.agent
        if not legs:
            self._failed(call, event.reservation, call.failure)

    def leg_failed(self, call: Call, event: ev.LegEnded) -> None:
        """A leg to an agent's device ended; with the last of them the offer has failed."""
        preview = call.preview
        if preview is not None and preview.leg.id == event.leg:
            self._c.previews.end(call)
            self.declined(call, preview.reservation)  # he has hung up
            return
        for reservation, legs in call.offers.items():
            if event.leg in legs:
                legs.remove(event.leg)
                if not legs:
                    self._failed(call, reservation, event.reason)
                return

    def _failed(self, call: Call, reservation: int, reason: str) -> None:
        """The agent's device refused or cannot be reached."""
        del call.offers[reservation]
        self.offer_failed(reservation, reason)

    def offer_failed(self, reservation: int, reason: str) -> None:
        """Tell the ACD so, and why."""
        cause = _CAUSES.get(Reason(reason), "unreachable") if reason else "unreachable"
        self._try(acd.Reject(reservation, cause))

    def agent_answered(self, call: Call, leg: Leg) -> None:
        """The device answered; if the offer is over by now, the agent is let go."""
        c = self._c
        reservation = next((n for n, legs in call.offers.items() if leg.id in legs), 0)
        offer = c.engine.reservations.get(reservation)
        if offer is not None and c.previews.begin(call, leg, reservation, offer.agent.id):
            return
        self.accept(call, leg, reservation)

    def accept(self, call: Call, leg: Leg, reservation: int) -> None:
        """The agent has taken the call; if the offer is over by now, he is let go."""
        c = self._c
        call.offers.pop(reservation, None)
        if not self._try(acd.Accept(reservation)):
            call.ringing.pop(leg.id, None)
            leg.end(c.now, Reason.CANCELLED)
            return
        call.offers.clear()  # the others are told by `connect`
        call.connected, call.place = True, None
        found = c.engine.interactions.get(call.id)
        call.agent = found.agent if found is not None else ""
        if call.caller and call.agent:
            if len(self.last_agents) >= _CALLERS:
                del self.last_agents[next(iter(self.last_agents))]
            self.last_agents.pop(call.caller, None)  # so that the oldest is the first to go
            self.last_agents[call.caller] = call.agent
        c.waiting.end(call)
        c.listening.stop(call)
        c.connect(call, leg)

    def declined(self, call: Call, reservation: int) -> None:
        """The agent has looked at it and does not take it."""
        for leg_id in call.offers.pop(reservation, ()):
            call.ringing.pop(leg_id, None)
        self._try(acd.Reject(reservation))

    def reservation_ended(self, event: acd_events.ReservationEnded) -> None:
        """The offer is over without an answer: stop the agent's phone."""
        call = self._c.calls.get(event.interaction)
        reason = _CANCELS.get(event.outcome)
        if call is None or reason is None:
            return
        if call.phase is Phase.AGENT_FIRST:
            self._c.agent_first.withdrawn(call, reason)
            return
        if call.preview is not None and call.preview.reservation == event.reservation:
            self._c.previews.end(call)
        for leg_id in call.offers.pop(event.reservation, ()):
            leg = call.ringing.pop(leg_id, None)
            if leg is not None:
                leg.end(self._c.now, reason)
        if not call.offers and call.phase is Phase.QUEUED:
            call.agent = ""

    # -- the end ---------------------------------------------------------------------------------

    def left(self, event: acd_events.InteractionLeft) -> None:
        """The queue let the call go: back to the dialplan."""
        if event.outcome == "exit":
            return  # a key, and the dialplan has gone on; it may wait in a queue again
        call = self._c.calls.get(event.interaction)
        if call is not None and call.phase is Phase.QUEUED:
            known = event.outcome in ("timeout", "empty", "exhausted", "closed")
            self._leave(call, event.outcome if known else "failed")

    def key(self, call: Call, digit: str) -> None:
        """A key that may lead the caller out of the queue."""
        c, run = self._c, call.run
        if run is None or not run.leaves_by(digit):
            return
        self.leave(call)
        c.steps.execute(call, run.left_by(digit, c.now))

    def leave(self, call: Call) -> None:
        """Take a waiting call out of its queue; it is its dialplan's again."""
        c = self._c
        call.phase = Phase.DIALPLAN  # so that the queue's word of it finds nobody who waits
        call.offers.clear()
        c.previews.end(call)
        c.dialling.stop_ringing(call, Reason.CANCELLED)
        self._try(acd.Leave(call.id, "exit"))
        self._out(call)

    def refused(self, event: acd_events.QueueRefused) -> None:
        """The queue did not take the call."""
        call = self._c.calls.get(event.interaction)
        if call is not None and call.phase is Phase.QUEUED:
            self._leave(call, event.reason)

    def _out(self, call: Call) -> None:
        """The call is in no queue any more."""
        c = self._c
        c.listening.stop(call)
        c.steps.clear_timers(call)
        call.phase = Phase.DIALPLAN
        call.queue = call.agent = call.waiting_music = ""
        c.listening.apply(call)

    def _leave(self, call: Call, outcome: str) -> None:
        c = self._c
        self._out(call)
        if call.run is not None:
            c.steps.execute(call, call.run.outcome(outcome, c.now))
        else:
            c.end(call, Reason.CONGESTION)

    def hold(self, call: Call, held: bool) -> None:
        """The agent put the customer on hold, or took him back."""
        if call.connected:
            self._try(acd.Hold(call.id) if held else acd.Resume(call.id))

    def agent_lost(self, call: Call) -> None:
        """The agent's phone or browser is gone in the middle of the talk: the customer hears so
        and is the next in line, with all the time that he has waited before.
        """
        c, asked = self._c, call.asked
        assert asked is not None
        c.emit(ev.AgentLost(c.now, call.id, call.agent, call.other.id))
        self._try(acd.Lose(call.id))
        call.connected = False
        c.other_left(call)
        own = asked.priority if asked.priority >= FRONT else asked.priority + FRONT
        self.enter_again(call, replace(asked, priority=own))
        if call.phase is Phase.QUEUED and not call.offers:
            c.listening.prompts(call, ("agent-lost",), call.language or c.env.config.media.language)

    def talk_over(self, call: Call) -> None:
        """The agent's share of the call is over: wrap-up begins."""
        call.booked_hold = False
        if call.connected:
            call.connected = False
            self._try(acd.Finish(call.id))
        call.agent = call.queue = ""

    def hand_over(self, call: Call, agent: str) -> None:
        """Somebody else goes on with it: `agent`, if he is signed in; else nobody whom the ACD
        knows. If his phone was seized for this, it stays so until its leg ends.
        """
        if call.connected and agent and self._try(acd.TakeOver(call.id, agent)):
            call.agent = agent
            call.booked_hold = False
        else:
            self.talk_over(call)

    def enter_again(self, call: Call, action: EnterQueue) -> None:
        """Back into the queue where its agent came from, at the place that it had there."""
        call.place = action
        self.enter(call, action)

    def customer_gone(self, call: Call) -> None:
        """The customer hung up: an abandon, or the end of the talk."""
        if call.connected:
            self.talk_over(call)
        elif call.phase is Phase.QUEUED and call.id in self._c.engine.interactions:
            self._try(acd.Leave(call.id, "abandoned"))
            call.offers.clear()
            self._c.previews.end(call)

    def _try(self, command: acd.Command) -> bool:
        """A command that may come too late; whoever came first has won."""
        try:
            self._c.acd(command)
        except CommandError:
            return False
        return True

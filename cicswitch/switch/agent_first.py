"""Callbacks in which the agent is called before the customer (`first = "agent"`).

The promise waits in line as a caller does; who gets it is rung up, and when he has answered he
hears it ring at the customer. The call is the agent's until the customer is there: then it is
turned round, so that each has his side. A customer who is not reached was an attempt, and work of
that agent; the next one is an interaction of its own, at the same place in line.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CommandError
from cicswitch.ports import LegsUnavailable, MediaSource

if TYPE_CHECKING:
    from cicswitch.ports import Leg
    from cicswitch.switch.callbacks import Promise
    from cicswitch.switch.conductor import Conductor

__all__ = ["AgentFirst"]

log = structlog.get_logger("switch")

_STORED_S: Final = 5.0
_RINGING: Final = (
    MediaSource(tone_hz=(440.0, 480.0), duration_ms=1000),
    MediaSource(duration_ms=2000),
)


class AgentFirst:
    """From the offer to an agent to the talk with the customer."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def reserved(self, event: acd_events.Reserved) -> None:
        """An agent was chosen for somebody who is to be called: ring the agent."""
        c = self._c
        promise = c.callbacks.promises.get(event.interaction)
        if promise is None or not promise.joined or promise.call is not None:
            return
        asked, person = promise.event, c.env.config.agent.get(event.agent)
        device = c.workplaces.of(event.agent)
        try:
            legs = c.env.legs.originate(
                c.now,
                device,
                caller=asked.number,
                caller_name=asked.name,
                auto_answer=person is not None and person.auto_answer,
            )
        except LegsUnavailable:
            self._try(acd.Reject(event.reservation, "unreachable"))
            return
        leg, *others = legs
        call = Call(event.interaction, leg, leg.peer, asked.number, asked.called)
        call.started_at, call.language = c.now, asked.language
        call.caller_name, call.agent, call.queue = asked.name, event.agent, event.queue
        if asked.note:
            call.context = {"note": asked.note}
        call.phase = Phase.AGENT_FIRST
        call.offers = {event.reservation: [leg.id]}
        promise.call = call
        c.calls[call.id] = call
        for each in legs:
            c.start_leg(call, each, "out", each.peer, asked.number, device)
        for other in others:  # one phone of several that are registered
            other.end(c.now, Reason.CANCELLED)

    def withdrawn(self, call: Call, reason: Reason) -> None:
        """The offer is over without an answer."""
        call.offers.clear()
        call.customer.end(self._c.now, reason)

    def agent_answered(self, call: Call) -> None:
        """He has taken it: now the customer, once it is on disk that he is called."""
        c = self._c
        promise = c.callbacks.promises.get(call.id)
        reservation = next(iter(call.offers), 0)
        call.offers.clear()
        if promise is None or not self._try(acd.Accept(reservation)):
            c.end(call, Reason.CANCELLED)
            return
        call.connected = True
        c.env.media.play(call.customer.id, f"ring{call.id}", _RINGING, loop=True)
        event, settings = promise.event, c.callbacks.settings(promise.event.queue)
        again_at = c.now + settings.ring_s + settings.retry_s
        c.emit(ev.CallbackDialling(c.now, call.id, event.attempts + 1, again_at))
        c.env.tasks.spawn(f"callback {call.id}", self._noted(call, promise))

    async def _noted(self, call: Call, promise: Promise) -> None:
        stored = True
        try:
            await asyncio.wait_for(self._c.env.journal.committed(), _STORED_S)
        except TimeoutError:
            stored = False

        def proceed() -> None:
            if call.phase is not Phase.AGENT_FIRST or promise.call is not call:
                return
            if not stored:
                log.error("callback_not_stored", interaction_id=call.id)
                self._over(call, promise, "not dialled", 0)
            else:
                self._dial(call, promise)

        self._c.run_soon(proceed)

    def _dial(self, call: Call, promise: Promise) -> None:
        c, event = self._c, promise.event
        settings = c.callbacks.settings(event.queue)
        caller = settings.caller_id or event.called
        try:
            legs = c.env.legs.originate(c.now, event.target, caller=caller, near=call.customer.id)
        except LegsUnavailable as error:
            log.warning("callback_not_dialled", interaction_id=call.id, reason=str(error.reason))
            self._over(call, promise, "not dialled", 0)
            return
        for leg in legs:
            call.ringing[leg.id] = leg
            c.start_leg(call, leg, "out", leg.peer, caller, event.number)
        call.timer = c.later(settings.ring_s, lambda: self._not_answered(call))
        log.info("callback_dialled", interaction_id=call.id, attempt=event.attempts + 1)

    def _not_answered(self, call: Call) -> None:
        call.timer = None
        for leg in list(call.ringing.values()):
            leg.end(self._c.now, Reason.NO_ANSWER)

    def reached(self, call: Call, leg: Leg) -> None:
        """The customer is there: the call is turned round, and they talk."""
        c = self._c
        agent = call.customer
        c.env.media.stop_play(agent.id)
        del call.ringing[leg.id]
        call.customer = leg
        queue = c.env.config.queue.get(call.queue)
        call.record = queue.record if queue is not None else False
        call.music = (queue.music if queue is not None else "") or c.env.music
        call.phase = Phase.DIALLING
        c.connect(call, agent)
        c.callbacks.ended(call.id, "connected")

    def leg_failed(self, call: Call, event: ev.LegEnded) -> None:
        """A phone of the customer's does not answer; with the last of them he is not reached."""
        call.ringing.pop(event.leg, None)
        promise = self._c.callbacks.promises.get(call.id)
        if not call.ringing and promise is not None:
            self._over(call, promise, event.reason, 1)

    def agent_gone(self, call: Call, event: ev.LegEnded) -> bool:
        """The agent's leg ended before the customer was there; whether that was all: an offer that
        came to nothing."""
        c = self._c
        promise = c.callbacks.promises.get(call.id)
        if call.connected:
            if promise is not None and not c.callbacks.stopping:
                self._again(call, promise, "agent-gone", 1)
            return False
        call.phase = Phase.OVER
        del c.calls[call.id]
        if promise is not None:
            promise.call = None
        else:  # cancelled, or void, while it rang
            c.emit(ev.InteractionEnded(c.now, call.id, event.reason))
        for reservation in list(call.offers):
            c.queueing.offer_failed(reservation, event.reason)
        if not c.calls and c.on_empty is not None:
            c.on_empty()
        return True

    def _over(self, call: Call, promise: Promise, reason: str, counts: int) -> None:
        """He is not reached: the agent is let go, and wraps up."""
        self._again(call, promise, reason, counts)
        self._c.end(call, Reason.NORMAL)

    def _again(self, call: Call, promise: Promise, reason: str, counts: int) -> None:
        """The next attempt, if there is one, has the same place."""
        c, event = self._c, promise.event
        settings = c.callbacks.settings(event.queue)
        attempts = event.attempts + counts
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        log.info("callback_failed", interaction_id=call.id, attempt=attempts, reason=reason)
        last = attempts >= settings.attempts
        if not last:
            name, not_before = c.names.name(), c.now + settings.retry_s
            c.callbacks.take(
                replace(
                    event,
                    at=c.now,
                    interaction=name,
                    origin=call.id,
                    attempts=attempts,
                    not_before=not_before,
                )
            )
        # Behind the next one: a crash between the two leaves both, and of a number one counts.
        c.callbacks.promises.pop(call.id, None)
        c.emit(ev.CallbackEnded(c.now, call.id, "unreachable" if last else reason))

    def _try(self, command: acd.Command) -> bool:
        try:
            self._c.acd(command)
        except CommandError:
            return False
        return True

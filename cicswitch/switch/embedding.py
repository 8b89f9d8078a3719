"""What a program that embeds the switch can do with calls: originate, play, queue, bridge, end.

A call that the program holds is in phase EMBEDDED: no dialplan and no queue has the word until the
program gives it away. Verbs raise `Conflict` when the call is over or in another's hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound, NotReached
from cicswitch.dialplan.actions import EnterQueue
from cicswitch.ports import LegsUnavailable

if TYPE_CHECKING:
    from cicswitch.records.journal import Event
    from cicswitch.switch.conductor import Conductor

__all__ = ["Embedding"]


class Embedding:
    """The program's verbs."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    async def originate(self, target: str, caller: str, timeout_s: float) -> Call:
        """Call a device or `TRUNK:NUMBER`; the call, once it is answered.

        Raises `CommandError` with the reason if it is not.
        """
        c = self._c
        c.now = c.env.clock()
        try:
            legs = c.env.legs.originate(c.now, target, caller=caller)
        except LegsUnavailable as error:
            raise NotReached(f"{target} cannot be called: {error.reason}", error.reason) from None
        leg, *rest = legs
        for other in rest:  # a program that rings one phone wants one call
            other.end(c.now, Reason.CANCELLED)
        call = c.new_call(leg, leg.peer, caller, target)
        call.phase = Phase.EMBEDDED
        c.emit(ev.InteractionStarted(c.now, call.id, "voice", leg.peer, caller, target))
        c.start_leg(call, leg, "out", leg.peer, caller, target)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def heard(event: Event) -> None:
            if isinstance(event, ev.LegAnswered | ev.LegEnded) and event.leg == leg.id:
                reason = event.reason if isinstance(event, ev.LegEnded) else ""
                if not done.done():
                    done.set_result(reason)

        c.subscribers.append(heard)
        try:
            reason = await asyncio.wait_for(done, timeout_s)
        except TimeoutError:
            c.run_soon(lambda: c.end(call, Reason.NO_ANSWER))
            reason = Reason.NO_ANSWER
        finally:
            c.subscribers.remove(heard)
        if reason:
            raise NotReached(f"{target} did not answer: {reason}", reason)
        return call

    def answer(self, call: Call) -> None:
        """Answer an inbound call."""
        self._alive(call)
        self._c.run_soon(lambda: call.customer.answer(self._c.now))

    async def play(self, call: Call, prompts: tuple[str, ...], language: str) -> None:
        """Play prompts to the caller, to their end. Raises `NotFound` if none of them exists."""
        self._alive(call)
        c = self._c
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not c.listening.prompts(call, prompts, language):
            raise NotFound(f"none of these prompts is there: {', '.join(prompts)}")
        c.play_waiters[call.playing] = done
        await done

    def queue(
        self, call: Call, queue: str, skills: Mapping[str, int], priority: int, timeout_s: float
    ) -> None:
        """Put a call that the program holds into a queue."""
        self._alive(call)
        if queue not in self._c.engine.queues:
            raise NotFound(f'there is no queue "{queue}"')
        if call.phase not in (Phase.EMBEDDED, Phase.DIALPLAN):
            raise Conflict(f"the call is {call.phase.name.lower()}")
        recognising = self._c.recognising
        segment = recognising.segment(recognising.call(call), call.caller)
        action = EnterQueue(queue, dict(skills), priority, timeout_s, segment=segment)

        def enter() -> None:
            call.run = None
            if not call.customer.up:
                call.customer.answer(self._c.now)
            self._c.queueing.enter(call, action)

        self._c.run_soon(enter)

    def bridge(self, a: Call, b: Call) -> None:
        """Join the callers of two calls; they go on as call `a`, and `b` is over."""
        for call in (a, b):
            self._alive(call)
            if call.other is not None or not call.customer.up:
                raise Conflict("only answered calls that talk to nobody can be bridged")
        self._c.run_soon(lambda: self._join(a, b))

    def _join(self, a: Call, b: Call) -> None:
        c = self._c
        leg = b.customer
        c.listening.stop(a)
        c.listening.stop(b)
        c.transfers.give_up(b)
        a.run = None
        c.by_leg[leg.id] = a
        c.connect(a, leg)

    def hangup(self, call: Call) -> None:
        """End a call. Harmless when it is over."""
        if call.phase is not Phase.OVER:
            self._c.run_soon(lambda: self._c.end(call, Reason.NORMAL))

    @staticmethod
    def _alive(call: Call) -> None:
        if call.phase is Phase.OVER:
            raise Conflict(f"call {call.id} is over")

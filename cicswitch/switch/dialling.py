"""Ringing several targets at once: the first answer wins, the rest are told so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.ports import LegsUnavailable

if TYPE_CHECKING:
    from cicswitch.ports import Leg
    from cicswitch.switch.conductor import Conductor

__all__ = ["Dialling"]

_BUSY: Final = (Reason.BUSY, Reason.REJECTED)
_NO_ANSWER: Final = (Reason.NO_ANSWER, Reason.CANCELLED)


class Dialling:
    """Outbound legs of a call until one answers."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def start(
        self, call: Call, targets: Sequence[str], timeout_s: float, music: str, record: bool
    ) -> None:
        """Ring all targets for `timeout_s`. The run gets an outcome if none answers."""
        c = self._c
        call.phase = Phase.DIALLING
        call.failure = ""
        call.record = record
        call.waiting_music = music
        for target in targets:
            self.ring(call, target)
        if not call.ringing:
            self._nobody(call)
            return
        call.timer = c.later(timeout_s, lambda: self._not_answered(call))
        if call.customer.up:
            c.listening.apply(call)

    def ring(self, call: Call, target: str, *, seize: bool = True) -> Sequence[Leg]:
        """Call one target; no legs if that is impossible, and `call.failure` says why."""
        c = self._c
        device, auto_answer = target, False
        if target.startswith("agent:"):
            agent = c.env.config.agent.get(target.removeprefix("agent:"))
            if agent is None:
                call.failure = call.failure or Reason.NOT_FOUND
                return ()
            device = c.workplaces.of(target.removeprefix("agent:"))
            auto_answer = agent.auto_answer and not seize
        try:
            legs = self.legs(
                *(call, device, call.caller, call.caller_name),
                auto_answer=auto_answer,
                seize=seize,
            )
        except LegsUnavailable as error:
            call.failure = call.failure or error.reason
            return ()
        for leg in legs:
            call.ringing[leg.id] = leg
        return legs

    def legs(
        self,
        call: Call,
        device: str,
        caller: str,
        caller_name: str,
        *,
        auto_answer: bool,
        seize: bool,
    ) -> Sequence[Leg]:
        """Legs of a call to a device, which ring. Raises `LegsUnavailable`."""
        c = self._c
        legs: Sequence[Leg] = c.env.legs.originate(
            c.now,
            device,
            caller=caller,
            caller_name=caller_name,
            near=call.customer.id,
            codec=call.customer.codec,
            auto_answer=auto_answer,
        )
        for leg in legs:
            c.start_leg(call, leg, "out", leg.peer, caller, device)
            if seize:
                c.seize(leg.id, device)
        return legs

    def rang(self, call: Call, event: ev.LegRang) -> None:
        """A target rings: so does the caller's phone, with the far end's sound if it sends any."""
        if call.phase is not Phase.DIALLING or call.customer.up:
            return
        early = event.early_media and len(call.ringing) == 1
        call.customer.ring(self._c.now, early_media=early)
        if early:
            self._c.env.media.bridge(call.customer.id, event.leg)

    def failed(self, call: Call, event: ev.LegEnded) -> None:
        """A target ended before it answered."""
        del call.ringing[event.leg]
        if not call.failure or event.reason in _BUSY:
            call.failure = event.reason
        if call.offers:
            self._c.queueing.leg_failed(call, event)
        elif not call.ringing and call.phase is Phase.DIALLING:
            self._nobody(call)

    def stop_ringing(self, call: Call, reason: Reason, keep: str = "") -> None:
        """End all that still rings, but for the leg `keep`."""
        ringing, call.ringing = call.ringing, {}
        for leg_id, leg in ringing.items():
            if leg_id != keep:
                leg.end(self._c.now, reason)

    def _not_answered(self, call: Call) -> None:
        call.timer = None
        if call.phase is Phase.DIALLING:
            self.stop_ringing(call, Reason.NO_ANSWER)
            call.failure = Reason.NO_ANSWER
            self._nobody(call)

    def _nobody(self, call: Call) -> None:
        c = self._c
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        if call.transferring is not None:
            c.transfers.target_failed(call)
            return
        if call.run is None:
            c.end(call, Reason(call.failure or Reason.CONGESTION))
            return
        call.phase = Phase.DIALPLAN
        call.waiting_music = ""
        c.listening.apply(call)
        word = "failed"
        if call.failure in _BUSY:
            word = "busy"
        elif call.failure in _NO_ANSWER:
            word = "no_answer"
        c.steps.execute(call, call.run.outcome(word, c.now))

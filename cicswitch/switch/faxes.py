"""Faxes that come and go by calls: the terminal is the media plane's, the paper is the channel's.

    receive(call, action)    a fax step: terminal, T.38 if the far end takes it, the channel
    asked(event)             one of two who are bridged offers T.38: the other one is asked
    tone(event)              the caller is a fax machine, and its route has a flow for that
    send(…)                  a call out, a terminal, the result

The channel is given what has come, whole or half, also when the call has ended in between; the
flow goes on after it has it on disk. T.30 does not wait for a disk: the sender has the last page
confirmed by then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.contacts import events as ce
from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.contacts.messages import First
from cicswitch.core.errors import CicError, CommandError, ResourceError
from cicswitch.dialplan.actions import ReceiveFax
from cicswitch.dialplan.model import Plan
from cicswitch.dialplan.run import Run
from cicswitch.ports import FaxCall, FaxChannel, FaxEnded, FaxToneHeard

if TYPE_CHECKING:
    from cicswitch.calls.events import LegImage, LegImageAsked
    from cicswitch.contacts.messages import Attachment, Message
    from cicswitch.ports import Leg
    from cicswitch.records.rows import FaxRecord
    from cicswitch.switch.conductor import Conductor

__all__ = ["Faxes"]

log = structlog.get_logger("switch")

_AGAIN_S: Final = 0.5
_ANSWER_S: Final = 8.0
"""How long who offers T.38 waits for the other side."""
_TRIES: Final = 20
"""How often T.38 is offered while the session is busy: ten seconds."""
_FOLLOWS_S: Final = 5.0
_LATE_S: Final = 30.0
"""After a fax's own limit of time, for a result that never comes."""


class _Coming:
    """A fax that comes."""

    def __init__(self, call: Call, run: Run | None, channel: FaxChannel, fax: FaxCall) -> None:
        self.call = call
        self.run = run
        self.channel = channel
        self.fax = fax
        self.tries = 0


class Faxes:
    """All faxes of one switch that are under way."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.channels: dict[str, FaxChannel] = {}
        self._coming: dict[str, _Coming] = {}
        """By fax, which has the name of its leg."""
        self._going: dict[str, asyncio.Future[FaxResult]] = {}
        self._asked: dict[str, str] = {}
        """Leg that is asked for T.38 -> the leg that wants it."""
        self._machines: dict[str, tuple[Plan, str]] = {}
        """Leg -> plan and flow for a caller who is a fax machine."""
        self.counters = {"received": 0, "partial": 0, "failed": 0, "sent": 0, "not_sent": 0}

    # -- one number for voice and fax ------------------------------------------------------------

    def watch(self, call: Call, plan: Plan, flow: str) -> None:
        """Listen for the tone of a fax machine; the call then goes to that flow."""
        if flow:
            self._machines[call.customer.id] = (plan, flow)
            self._c.env.media.hear_fax(call.customer.id, True)

    def gone(self, leg: str) -> None:
        """A leg is over: what its terminal has done follows, unless it had none yet."""
        self._machines.pop(leg, None)
        self._asked.pop(leg, None)
        if leg in self._coming or leg in self._going:
            self._c.later(_FOLLOWS_S, lambda: self.lost(leg, "the call ended"))

    def tone(self, event: FaxToneHeard) -> None:
        """Whatever the call was doing alone, it is a fax."""
        c = self._c
        call = c.by_leg.get(event.leg)
        found = self._machines.pop(event.leg, None)
        if call is None or found is None or event.leg != call.customer.id:
            return
        if call.phase is Phase.QUEUED:
            c.queueing.leave(call)
        elif call.phase is not Phase.DIALPLAN:
            return
        old = call.run
        c.steps.clear_timers(call)
        c.listening.stop(call)
        plan, flow = found
        variables = old.variables if old is not None else {"called": call.called}
        call.run = Run(plan, flow, variables, answered=call.customer.up)
        c.steps.execute(call, call.run.start(c.now))

    # -- two machines that are bridged -----------------------------------------------------------

    def asked(self, event: LegImageAsked) -> None:
        """A far end offers T.38: taken if the other side takes it too."""
        c = self._c
        call = c.by_leg.get(event.leg)
        leg = self._leg(event.leg)
        if call is None or leg is None:
            return
        other = None
        if call.phase is Phase.TALKING and not call.guests:
            other = call.other if leg is call.customer else call.customer
        if other is None or other.id in self._asked or not other.offer_t38(c.now):
            leg.answer_t38(c.now, False)
            return
        self._asked[other.id] = leg.id
        c.later(_ANSWER_S, lambda: self._answered(other.id, False))

    def image(self, event: LegImage) -> None:
        """A leg speaks T.38 now, or sound."""
        if event.leg in self._asked:
            self._answered(event.leg, event.t38)
            return
        call = self._c.by_leg.get(event.leg)
        if not event.t38 and call is not None and call.other is not None:
            other = call.other if event.leg == call.customer.id else call.customer
            other.offer_sound(self._c.now)

    def _answered(self, asked: str, accept: bool) -> None:
        wants = self._leg(self._asked.pop(asked, ""))
        if wants is not None:
            wants.answer_t38(self._c.now, accept)

    def _leg(self, name: str) -> Leg | None:
        call = self._c.by_leg.get(name)
        if call is None:
            return None
        legs = (call.customer, call.other)
        return next((leg for leg in legs if leg is not None and leg.id == name), None)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, call: Call, action: ReceiveFax) -> None:
        """Carry out a fax step."""
        c, leg, run = self._c, call.customer, call.run
        self._machines.pop(leg.id, None)
        channel = self.channels.get(action.channel)
        if channel is None and not action.channel and len(self.channels) == 1:
            channel = next(iter(self.channels.values()))
        if channel is None or not leg.up or leg.id in self._coming:
            log.error("fax_without_channel", interaction_id=call.id, channel=action.channel)
            self._outcome(call, run, "failed", FaxResult(ok=False, code=-1, cause="no channel"))
            return
        fax = FaxCall(
            interaction=call.id,
            caller=call.caller,
            caller_name=call.caller_name,
            called=call.called,
            at=c.now,
            language=run.language if run is not None else "",
        )
        coming = _Coming(call, run, channel, fax)
        self._coming[leg.id] = coming
        job = channel.receives(fax)
        leg.take_t38(action.t38)
        c.env.media.fax(leg.id, leg.id, job)
        if action.t38:
            self._ask(coming)

    def _ask(self, coming: _Coming) -> None:
        """Offer T.38 as soon as the session can be asked."""
        leg = coming.call.customer
        if self._coming.get(leg.id) is not coming or not leg.up:
            return
        coming.tries += 1
        if not leg.offer_t38(self._c.now) and coming.tries < _TRIES:
            self._c.later(_AGAIN_S, lambda: self._ask(coming))

    def ended(self, event: FaxEnded) -> None:
        """A terminal is done."""
        going = self._going.pop(event.fax_id, None)
        if going is not None:
            if not going.done():
                going.set_result(event.result)
            return
        coming = self._coming.pop(event.fax_id, None)
        if coming is None:
            return
        result = event.result
        kind = "received" if result.ok else "partial" if result.pages else "failed"
        self.counters[kind] += 1
        c, call = self._c, coming.call
        log.info(
            "fax_received",
            interaction_id=call.id,
            ok=result.ok,
            pages=len(result.pages),
            cause=result.cause,
            t38=result.t38,
        )
        c.env.tasks.spawn(f"fax {call.id}", self._received(coming, result))

    async def _received(self, coming: _Coming, result: FaxResult) -> None:
        try:
            await coming.channel.received(coming.fax, result)
        except CicError as error:
            # It stays in the channel's folder, which takes it up again.
            log.error("fax_not_accepted", interaction_id=coming.call.id, error=str(error))
        word = "received" if result.ok else "failed"
        self._c.run_soon(lambda: self._outcome(coming.call, coming.run, word, result))

    def _outcome(self, call: Call, run: Run | None, word: str, result: FaxResult) -> None:
        if run is None or call.run is not run or call.phase is not Phase.DIALPLAN:
            return
        run.variables["fax_pages"] = str(len(result.pages))
        run.variables["fax_ident"] = result.ident
        run.variables["fax_cause"] = result.cause
        run.variables["fax_t38"] = "yes" if result.t38 else "no"
        run.variables["fax_rate"] = str(result.pages[-1].bit_rate) if result.pages else "0"
        self._c.steps.execute(call, run.outcome(word, self._c.now))
        # The flow goes on with what can be heard, if it goes on.
        call.customer.take_t38(False)
        call.customer.offer_sound(self._c.now)

    def lost(self, leg: str, error: str) -> None:
        """The worker of a leg is dead, and with it the terminal."""
        if leg in self._coming or leg in self._going:
            self.ended(FaxEnded(leg, leg, FaxResult(ok=False, code=-1, cause=error)))

    # -- sending ---------------------------------------------------------------------------------

    async def send(
        self, channel: FaxChannel, target: str, caller: str, job: FaxJob, ring_s: float
    ) -> FaxResult:
        """Call `TRUNK:NUMBER` and send. Raises `NotReached` if nobody answers, `CommandError`."""
        c = self._c
        if c.draining:
            raise ResourceError("the switch stops")
        call = await c.embedding.originate(target, caller, ring_s)
        leg = call.customer
        future: asyncio.Future[FaxResult] = asyncio.get_running_loop().create_future()
        self._going[leg.id] = future

        def begin() -> None:
            leg.take_t38(True)
            c.env.media.fax(leg.id, leg.id, job)

        try:
            if call.phase is Phase.OVER:
                raise CommandError("the call ended before the fax began")
            c.run_soon(begin)
            async with asyncio.timeout(job.most_s + _LATE_S):
                result = await future
        except TimeoutError:
            result = FaxResult(ok=False, code=-1, cause="no result came of it")
        finally:
            self._going.pop(leg.id, None)
            if call.phase is not Phase.OVER:
                c.run_soon(lambda: c.end(call, Reason.NORMAL))
        self.counters["sent" if result.ok else "not_sent"] += 1
        return result

    # -- records ---------------------------------------------------------------------------------

    def kept(self, record: FaxRecord) -> None:
        """Write down how a fax stands."""
        c = self._c
        self._c.emit(
            ce.FaxChanged(
                *(c.now, record.id, record.channel, record.direction, record.state),
                *(record.pages, record.cause, record.conversation),
            ),
            [replace(record, updated_at=c.now)],
        )

    def order(
        self,
        channel: FaxChannel,
        number: str,
        text: str,
        files: tuple[Attachment, ...],
        author: str,
        data: dict[str, str],
        subject: str = "",
    ) -> Message:
        """Write a fax that is to be sent; on disk after `stored`, and sent then."""
        first = First(
            customer=number,
            name=data.get("to", ""),
            text=text,
            subject=subject,
            data=data,
            attachments=files,
            author=author,
        )
        return self._c.starting.begin(channel, first)

"""Callbacks: a customer hangs up, keeps his place in the queue, and is called at his turn.

    ask(call, action)    the dialplan's `callback` step: promise it, put it on disk, say so
    order(...)           from elsewhere: a form on a page, another system; now or at a time
    restore(promises)    those of the run before
    cancel(interaction)  somebody thought better of it
    block(number)        call this number no more

The ACD holds an entry that is away: it has a place and no line. Once a second the next of each kind
is looked at; when an agent is expected to be free for it by the time that a customer takes to
answer, he is dialled. The answer puts the entry into line at its old place, so it is the next to
get an agent. One who cannot be reached keeps the place for the attempts that are left. One who is
to be called at a time of his own has a place in line from then on, and is called in his turn.

A promise is in the journal and in the table `pending` until an agent has the customer on the line,
so a crash makes nobody wait for a call in vain. An attempt is on disk before the first packet of it
goes out, so a crash makes nobody's phone ring twice in a row.
"""

from __future__ import annotations

import asyncio
import re
from math import isfinite, isinf
from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.acd.estimate import turn
from cicswitch.acd.interaction import Interaction
from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.config import CallbackConfig
from cicswitch.core.errors import CicError, CommandError, Conflict, NotFound
from cicswitch.dialplan.actions import EnterCallback, EnterQueue
from cicswitch.ports import AnswerHeard, LegsUnavailable, MediaSource
from cicswitch.reach import plain, zones_of
from cicswitch.switch.recognising import sure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cicswitch.records.journal import Event
    from cicswitch.switch.conductor import Conductor

__all__ = ["Callbacks", "Promise"]

log = structlog.get_logger("switch")

_NUMBER = re.compile(r"\+?[0-9*#]{2,32}")
_LOOK_S = 1.0
_MOST_LOOK_S = 5.0
"""An agent may sign in at any time: so often at least the turn is estimated again."""
_STORED_S = 5.0
"""A promise that is not on disk by then is not made."""
_UNAVAILABLE_S = 30.0
"""No line out: tried again after this, and not counted as an attempt."""
_HEAR_S = 6.0
"""By then it is known who has answered; who is not known is somebody."""
_GREETING_S = 45.0
"""No greeting is longer."""
_RUNS = 20
_MOST = 10_000
_MOST_BLOCKED = 100_000

GREETINGS = {
    "en": "Hello. This is the call back that you asked for. Please hold on for an agent.",
    "ko": "안녕하세요. 요청하신 콜백입니다. 잠시만 기다리시면 상담원을 연결해 드리겠습니다.",
}


MESSAGES = {
    "en": "Hello. You asked us to call you back. We could not reach you, and will try again.",
    "ko": "안녕하세요. 요청하신 콜백입니다. 연결되지 않아 나중에 다시 전화드리겠습니다.",
}


class Promise:
    """One who is to be called back."""

    __slots__ = ("call", "dialling", "event", "joined", "look_at", "machine", "queued")

    def __init__(self, event: ev.CallbackAccepted) -> None:
        self.event = event
        """As it stands now: with its attempts."""
        self.queued = False
        """It has its place in the queue; before, its time has not come."""
        self.call: Call | None = None
        """While he is dialled, or waits on the line."""
        self.dialling = False
        """An attempt is on its way to the disk; he is dialled when it is there."""
        self.joined = False
        """The agent is called first: he waits in line for one."""
        self.machine = ""
        """A machine has answered: `machine`, or `message-left`."""
        self.look_at = 0.0
        """When its turn is estimated next."""

    @property
    def state(self) -> str:
        """`scheduled`, `waiting`, `dialling`, or `on the line`."""
        if self.call is None:
            if self.dialling:
                return "dialling"
            return "waiting" if self.queued else "scheduled"
        rings = self.call.phase in (Phase.CALLING_BACK, Phase.AGENT_FIRST)
        return "dialling" if rings else "on the line"


class Callbacks:
    """Those who are called back, until an agent talks to them."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.promises: dict[str, Promise] = {}
        self.stopping = False
        """The switch stops: what happens to calls now changes no promise."""
        self.answer_s = 8.0
        """What customers take to answer, recent ones most: how far ahead of the turn to dial."""
        self._looking = False

    # -- asked for -------------------------------------------------------------------------------

    def ask(self, call: Call, action: EnterCallback) -> None:
        """Promise to call back; the run goes on with `accepted` or `failed`."""
        c = self._c
        place = call.place
        queue = action.queue or (place.queue if place is not None else "")
        target = self._target(call.peer, queue, action.number)
        own = action.number == call.caller
        if not target or len(self.promises) >= _MOST or self._unwanted(action.number, own=own):
            self._say(call, "failed")
            return
        if self._promised(queue, action.number) is not None:
            self._say(call, "accepted")
            return
        settings = self.settings(queue)
        same = place is not None and place.queue == queue
        asked = place if place is not None and same else EnterQueue(queue, {}, 0, 0.0)
        interaction = c.names.name()
        event = ev.CallbackAccepted(
            at=c.now,
            interaction=interaction,
            origin=call.id,
            queue=queue,
            queued_at=call.queued_at if same else c.now,
            number=action.number,
            target=target,
            called=call.called,
            peer=call.peer,
            language=call.run.language if call.run is not None else "",
            skills=asked.skills,
            require=asked.require,
            prefer=asked.prefer,
            patience_s=asked.patience_s,
            priority=asked.priority,
            segment=place.segment if place is not None else "",
            expires_at=c.now + settings.expire_s if settings.expire_s else 0.0,
        )
        self.take(event)
        c.env.tasks.spawn(f"callback {interaction}", self._confirm(call, interaction))

    def order(
        self,
        queue: str,
        number: str,
        *,
        at: float = 0.0,
        zone: str = "",
        name: str = "",
        note: str = "",
        language: str = "",
        skills: dict[str, int] | None = None,
        priority: int = 0,
        by: str = "",
    ) -> tuple[Promise, bool]:
        """Promise to call a number at a time, or as soon as it is its turn; and whether it is a new
        promise: who is promised it already gets that one. On disk when the journal is committed.

        Raises `NotFound` and `CommandError`.
        """
        c = self._c
        if queue not in c.engine.queues:
            raise NotFound(f'there is no queue "{queue[:80]}"')
        number = plain(number)
        settings = self.settings(queue)
        target = self._target("", queue, number)
        if not target:
            why = f"queue.{queue}.callback.trunk names no trunk" if not settings.trunk else "digits"
            raise CommandError(f'"{number[:40]}" cannot be called: {why}')
        if self._unwanted(number, own=False):
            raise Conflict("this number is not to be called")
        found = self._promised(queue, number)
        if found is not None:
            return found, False
        if len(self.promises) >= _MOST:
            raise Conflict("too many callbacks are promised")
        queued_at = max(at, c.now)
        event = ev.CallbackAccepted(
            at=c.now,
            interaction=c.names.name(),
            origin="",
            queue=queue,
            queued_at=queued_at,
            number=number,
            target=target,
            called=settings.caller_id,
            peer=settings.trunk,
            language=language,
            skills=skills or {},
            priority=priority,
            segment=c.recognising.segment(c.recognising.number(number), number),
            expires_at=queued_at + settings.expire_s if settings.expire_s else 0.0,
            not_before=at,
            zone=zone,
            name=name,
            note=note,
            by=by,
        )
        return self.take(event), True

    def _promised(self, queue: str, number: str) -> Promise | None:
        """What this number has been promised already."""
        for promise in self.promises.values():
            if promise.event.queue == queue and promise.event.number == number:
                return promise
        return None

    def _unwanted(self, number: str, *, own: bool) -> bool:
        """Whether the number is not to be called. Who asks for a call to the phone in his hand may
        have it."""
        return not own and self._c.reach.is_blocked(number)

    def block(self, number: str, by: str, note: str = "") -> ev.NumberBlocked:
        """Call a number no more; what it was promised is over. Raises `Conflict`."""
        c = self._c
        event = ev.NumberBlocked(c.now, plain(number), by, note)
        if len(c.reach.blocked) >= _MOST_BLOCKED:
            raise Conflict("the list is full: put numbers into a file of [do_not_call]")
        self._heard(event)
        for name, promise in list(self.promises.items()):
            if promise.call is None and plain(promise.event.number) == plain(number):
                self._leave(name, "do-not-call")
        return event

    def allow(self, number: str, by: str) -> None:
        """A number may be called again. Raises `NotFound`."""
        if plain(number) not in self._c.reach.blocked:
            raise NotFound(f'"{number[:80]}" is not on the list')
        self._heard(ev.NumberAllowed(self._c.now, plain(number), by))

    def _heard(self, event: ev.NumberBlocked | ev.NumberAllowed) -> None:
        self._c.reach.feed(event)
        self._c.emit(event)

    def _target(self, peer: str, queue: str, number: str) -> str:
        """What to dial; empty if the number cannot be called."""
        c = self._c
        if queue not in c.engine.queues or not _NUMBER.fullmatch(number):
            return ""
        if c.env.legs.is_device(number):
            return number
        trunk = self.settings(queue).trunk or peer
        return f"{trunk}:{number}" if trunk in c.env.config.trunk else ""

    def settings(self, queue: str) -> CallbackConfig:
        """How a queue calls back."""
        settings = self._c.env.config.queue.get(queue)
        return settings.callback if settings is not None else CallbackConfig()

    def take(self, event: ev.CallbackAccepted) -> Promise:
        """Note the promise, and give it its place in the queue when its time has come."""
        c = self._c
        promise = self.promises[event.interaction] = Promise(event)
        c.emit(
            ev.InteractionStarted(
                *(event.at, event.interaction, "callback", event.peer),
                *(event.number, event.called),
                customer_id=sure(c.recognising.number(event.number)),
            )
        )
        c.emit(event)
        if event.queued_at <= c.now:
            self._place(promise)
        self._look_soon()
        return promise

    def _place(self, promise: Promise) -> None:
        c, event = self._c, promise.event
        promise.queued = True
        try:
            c.acd(
                acd.Enqueue(
                    interaction=event.interaction,
                    queue=event.queue,
                    medium="callback",
                    skills=event.skills,
                    require=event.require,
                    priority=event.priority,
                    segment=event.segment,
                    queued_at=event.queued_at,
                    customer=event.number,
                    away=True,
                    timeout_s=max(1.0, event.expires_at - c.now) if event.expires_at else 0,
                )
            )
        except CommandError as error:
            log.error("callback_lost", interaction_id=event.interaction, reason=str(error))
            self.ended(event.interaction, "failed")

    async def _confirm(self, call: Call, interaction: str) -> None:
        """Tell the customer once it is on disk."""
        c, run = self._c, call.run
        outcome = "accepted"
        try:
            await asyncio.wait_for(c.env.journal.committed(), _STORED_S)
        except TimeoutError:
            outcome = "failed"

        def proceed() -> None:
            if outcome == "failed":
                log.error("callback_not_stored", interaction_id=interaction)
                self._leave(interaction, "failed")
            if call.run is run and call.phase is Phase.DIALPLAN:
                self._say(call, outcome)

        c.run_soon(proceed)

    def _say(self, call: Call, outcome: str) -> None:
        if call.run is not None:
            self._c.steps.execute(call, call.run.outcome(outcome, self._c.now))

    def restore(
        self, promises: Iterable[ev.CallbackAccepted], blocked: Iterable[ev.NumberBlocked]
    ) -> None:
        """Take up what the run before has promised, and who is not to be called."""
        self._c.now = self._c.env.clock()
        for each in blocked:
            self._c.reach.feed(each)
        for event in promises:
            if self._promised(event.queue, event.number) is None:
                self.take(event)
            else:
                self._c.emit(ev.CallbackEnded(self._c.now, event.interaction, "again"))
        if self.promises:
            log.info("callbacks_restored", count=len(self.promises))
            self._c.pump()

    def cancel(self, interaction: str) -> None:
        """Call somebody no more. Raises `NotFound`."""
        if interaction not in self.promises:
            raise NotFound(f'there is no callback "{interaction}"')
        self._c.run_soon(lambda: self._leave(interaction, "cancelled"))

    # -- at their turn ---------------------------------------------------------------------------

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._c.later(_LOOK_S, self._look)

    def _look(self) -> None:
        """Dial those whose turn is near. Of those who ask for the same, the first decides."""
        c, now = self._c, self._c.now
        self._looking = False
        if self.promises and not self.stopping:
            self._look_soon()
        if c.draining or self.stopping:
            return
        due: list[tuple[float, int, Interaction, Promise]] = []
        for name, promise in list(self.promises.items()):
            if not promise.queued and promise.event.queued_at <= now:
                self._place(promise)
            entry = c.engine.interactions.get(name)
            if entry is None or entry.queue.closed:
                continue
            idle = promise.call is None and not promise.dialling and not promise.joined
            if idle and promise.event.not_before <= now:
                due.append((entry.key, entry.sequence, entry, promise))
        due.sort(key=_in_order)
        waits: set[str] = set()
        for _, _, entry, promise in due:
            kind = f"{entry.queue.name}\n{entry.need.key}\n{entry.ring}"
            if kind in waits:
                continue
            if promise.look_at > now:
                waits.add(kind)
                continue
            if self.settings(entry.queue.name).first == "agent":
                self._try(promise)
                continue
            wait_s = turn(c.engine, entry, now, _RUNS).p50_s
            if wait_s <= self.answer_s:
                self._try(promise)
                continue
            waits.add(kind)
            ahead_s = (wait_s - self.answer_s) / 4 if isfinite(wait_s) else _MOST_LOOK_S
            promise.look_at = now + min(max(ahead_s, _LOOK_S), _MOST_LOOK_S)

    def _try(self, promise: Promise) -> None:
        """Dial him if he may be called now, once that is on disk."""
        c, event = self._c, promise.event
        settings = self.settings(event.queue)
        if event.attempts >= settings.attempts:
            self._leave(event.interaction, "unreachable")  # the last attempt ended in a crash
            return
        opens_at = self.opens_at(event)
        if opens_at:
            if isinf(opens_at):
                opens_at = c.now + 86400
            promise.event = replace(event, not_before=opens_at)
            return
        if settings.first == "agent":
            promise.joined = True
            c.acd(
                acd.Join(
                    interaction=event.interaction, prefer=event.prefer, patience_s=event.patience_s
                )
            )
            return
        promise.dialling = True
        attempts, again_at = event.attempts + 1, c.now + settings.ring_s + settings.retry_s
        c.emit(ev.CallbackDialling(c.now, event.interaction, attempts, again_at))
        c.env.tasks.spawn(f"callback {event.interaction}", self._noted(promise))

    def opens_at(self, event: ev.CallbackAccepted) -> float:
        """When the customer may be called; 0: now."""
        c = self._c
        settings = self.settings(event.queue)
        if not settings.hours:
            return 0.0
        zones: tuple[str, ...] = (event.zone,) if event.zone else ()
        if not zones:
            trunk = c.env.config.trunk.get(event.target.partition(":")[0])
            zones = zones_of(event.number, trunk.country if trunk is not None else "")
        if not zones and settings.zone:
            zones = (settings.zone,)
        at = c.reach.opens_at(settings.hours, zones, c.now)
        return at if at > c.now else 0.0

    async def _noted(self, promise: Promise) -> None:
        stored = True
        try:
            await asyncio.wait_for(self._c.env.journal.committed(), _STORED_S)
        except TimeoutError:
            stored = False

        def proceed() -> None:
            promise.dialling = False
            c, name = self._c, promise.event.interaction
            if self.stopping or c.draining or self.promises.get(name) is not promise:
                return
            if not stored:
                log.error("callback_not_stored", interaction_id=name)
                self._put_off(promise)
            elif name in c.engine.interactions:
                self._dial(promise)

        self._c.run_soon(proceed)

    def _put_off(self, promise: Promise) -> None:
        """He was not dialled: not an attempt."""
        c, event = self._c, promise.event
        not_before = c.now + _UNAVAILABLE_S
        promise.event = replace(event, not_before=not_before)
        c.emit(
            ev.CallbackTried(c.now, event.interaction, event.attempts, "not dialled", not_before)
        )

    def _dial(self, promise: Promise) -> None:
        c, event = self._c, promise.event
        settings = self.settings(event.queue)
        caller = settings.caller_id or event.called
        try:
            legs = c.env.legs.originate(c.now, event.target, caller=caller)
        except LegsUnavailable as error:
            log.warning(
                "callback_not_dialled", interaction_id=event.interaction, reason=str(error.reason)
            )
            self._put_off(promise)
            return
        leg, *others = legs
        call = Call(event.interaction, leg, leg.peer, event.number, event.called)
        call.started_at, call.language = c.now, event.language
        call.caller_name = event.name
        if event.note:
            call.context = {"note": event.note}
        call.phase = Phase.CALLING_BACK
        promise.call = call
        c.calls[call.id] = call
        for each in legs:
            c.start_leg(call, each, "out", each.peer, caller, event.number)
        for other in others:  # one phone of several that are registered
            other.end(c.now, Reason.CANCELLED)
        call.timer = c.later(settings.ring_s, lambda: leg.end(c.now, Reason.NO_ANSWER))
        log.info(
            "callback_dialled",
            interaction_id=call.id,
            attempt=event.attempts + 1,
            queue=event.queue,
        )

    def answered(self, call: Call) -> None:
        """The customer is there: into line, at the old place."""
        c = self._c
        promise = self.promises.get(call.id)
        entry = c.engine.interactions.get(call.id)
        if promise is None or entry is None:
            c.end(call, Reason.NORMAL)
            return
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        self.answer_s += (c.now - call.started_at - self.answer_s) / 8
        if self.settings(promise.event.queue).machine == "connect":
            self._join(call, promise, entry)
            return
        c.env.media.hear_answer(call.customer.id, True)
        call.timer = c.later(_HEAR_S, lambda: self._judged(call, "human"))

    def heard(self, event: AnswerHeard) -> None:
        """Who has answered."""
        call = self._c.by_leg.get(event.leg)
        if call is not None and call.customer.id == event.leg:
            self._judged(call, event.word)

    def _judged(self, call: Call, word: str) -> None:
        """A person waits for an agent; a machine does not."""
        c = self._c
        promise = self.promises.get(call.id)
        entry = c.engine.interactions.get(call.id)
        if promise is None or entry is None or call.phase is not Phase.CALLING_BACK:
            return
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        settings = self.settings(promise.event.queue)
        leaves = settings.machine == "message" and not promise.event.told
        if word == "machine":
            promise.machine = "machine"
            log.info("callback_machine", interaction_id=call.id, message=leaves)
            if leaves:
                call.timer = c.later(_GREETING_S, lambda: c.end(call, Reason.NORMAL))
                return
        c.env.media.hear_answer(call.customer.id, False)
        if word == "human":
            self._join(call, promise, entry)
        elif word == "ready" and leaves:
            call.timer = None
            self._leave_message(call, promise, settings)
        else:
            c.end(call, Reason.NORMAL)

    def _leave_message(self, call: Call, promise: Promise, settings: CallbackConfig) -> None:
        """Say what is to be said to a machine; the call ends behind it."""
        c = self._c
        language = c.waiting.language(call)
        call.phase = Phase.ANNOUNCING
        promise.machine = "message-left"
        if settings.message:
            if not c.listening.prompts(call, (settings.message,), language):
                promise.machine = "machine"
                c.end(call, Reason.NORMAL)
            return
        text = MESSAGES.get(language.partition("-")[0], MESSAGES["en"])
        c.env.tasks.spawn(f"message {call.id}", self._say_message(call, promise, text))

    async def _say_message(self, call: Call, promise: Promise, text: str) -> None:
        c, path = self._c, ""
        try:
            path = str(await c.env.speech.synthesize(text, c.waiting.language(call)))
        except CicError as error:
            log.error("callback_message_failed", interaction_id=call.id, error=str(error))

        def play() -> None:
            if call.phase is not Phase.ANNOUNCING:
                return
            if path:
                c.listening.sources(call, [MediaSource(path=path)])
            else:
                promise.machine = "machine"
                c.end(call, Reason.NORMAL)

        c.run_soon(play)

    def _join(self, call: Call, promise: Promise, entry: Interaction) -> None:
        """He waits for his agent on the line."""
        c = self._c
        call.phase, call.queue = Phase.QUEUED, entry.queue.name
        event = promise.event
        c.emit(ev.CallbackReached(c.now, call.id, event.attempts))
        c.acd(acd.Join(interaction=call.id, prefer=event.prefer, patience_s=event.patience_s))
        c.queueing.take_over(call)
        c.listening.apply(call)
        prompt = self.settings(call.queue).prompt
        if not prompt or not c.listening.prompts(call, (prompt,), c.waiting.language(call)):
            language = c.waiting.language(call).partition("-")[0]
            c.waiting.speak(call, GREETINGS.get(language, GREETINGS["en"]))

    def not_reached(self, call: Call, reason: str) -> bool:
        """The customer's leg ended before he answered; whether he will be called again."""
        c = self._c
        promise = self.promises.get(call.id)
        if promise is None:
            return False
        promise.call = None
        reason, promise.machine = promise.machine or reason, ""
        if self.stopping:
            return True
        event = promise.event
        attempts = event.attempts + 1
        settings = self.settings(event.queue)
        not_before = c.now + settings.retry_s
        promise.event = replace(
            event,
            attempts=attempts,
            not_before=not_before,
            told=event.told or reason == "message-left",
        )
        c.emit(ev.CallbackTried(c.now, call.id, attempts, reason, not_before))
        log.info("callback_failed", interaction_id=call.id, attempt=attempts, reason=reason)
        if attempts >= settings.attempts:
            self._leave(call.id, "unreachable")
        return True

    def keeps(self, interaction: str) -> bool:
        """Whether a call that ends now is only put off: the switch stops before an agent had it."""
        return self.stopping and interaction in self.promises

    # -- the end ---------------------------------------------------------------------------------

    def _leave(self, interaction: str, outcome: str) -> None:
        promise = self.promises.get(interaction)
        call = promise.call if promise is not None else None
        if call is not None and call.phase is Phase.AGENT_FIRST and call.connected:
            self.ended(interaction, outcome)  # an agent has it: it waits in no queue
        elif interaction in self._c.engine.interactions:
            self._c.acd(acd.Leave(interaction, outcome))
        elif interaction in self.promises:
            self.ended(interaction, outcome)

    def feed(self, event: Event) -> None:
        """An agent has him, or the queue let him go: the promise is kept, or over."""
        if not self.promises:
            return
        if isinstance(event, acd_events.InteractionConnected):
            promise = self.promises.get(event.interaction)
            if promise is not None and not promise.joined:
                self.ended(event.interaction, "connected")
        elif isinstance(event, acd_events.InteractionLeft):
            if event.interaction in self.promises and not self.stopping:
                outcome = "expired" if event.outcome == "timeout" else event.outcome
                self.ended(event.interaction, outcome)
        elif isinstance(event, acd_events.InteractionMoved):
            promise = self.promises.get(event.interaction)
            if promise is not None:
                promise.event = replace(promise.event, queue=event.to)

    def ended(self, interaction: str, outcome: str) -> None:
        """Nobody is to be called any more."""
        c = self._c
        promise = self.promises.pop(interaction)
        c.emit(ev.CallbackEnded(c.now, interaction, outcome))
        call = promise.call
        if call is None:
            c.emit(ev.InteractionEnded(c.now, interaction, outcome))
        elif call.phase in (Phase.CALLING_BACK, Phase.AGENT_FIRST):
            c.end(call, Reason.CANCELLED)  # its end is the interaction's

    def waiting(self, now: float) -> list[dict[str, object]]:
        """Those who are to be called, for people."""
        return [
            {
                "interaction": name,
                "queue": promise.event.queue,
                "number": promise.event.number,
                "position": self._c.engine.position(name),
                "waited_s": round(now - promise.event.queued_at, 1),
                "attempts": promise.event.attempts,
                "next_in_s": round(max(0.0, promise.event.not_before - now), 1),
                "state": promise.state,
            }
            for name, promise in self.promises.items()
        ]


def _in_order(due: tuple[float, int, Interaction, Promise]) -> tuple[float, int]:
    return due[0], due[1]

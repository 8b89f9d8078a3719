"""The conductor's tables, and who handles which event.

`post(event)` is the way in for legs and media; events are handled one after the other, and those
that a handler causes wait for it to end. `emit(event)` is the way out: the journal and the
subscribers. `command(command)` is the way in for people: the ACD's own commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from cicswitch import ports
from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.acd.engine import Engine
from cicswitch.acd.estimate import Estimator
from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.parties import Role
from cicswitch.calls.reason import Reason
from cicswitch.config import Config, QueueConfig
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Contact
from cicswitch.core.errors import CommandError
from cicswitch.core.ids import Names
from cicswitch.dialplan.match import Matcher
from cicswitch.dialplan.model import Dialplan
from cicswitch.dialplan.run import Run
from cicswitch.people import People
from cicswitch.reach import Reach
from cicswitch.records.journal import Event, Kept
from cicswitch.records.rows import Row
from cicswitch.runtime.policy import Policy, find
from cicswitch.segments import Segments
from cicswitch.switch.agent_first import AgentFirst
from cicswitch.switch.aside import Aside
from cicswitch.switch.callbacks import Callbacks
from cicswitch.switch.consulting import Consulting
from cicswitch.switch.contacts import Contacts
from cicswitch.switch.definitions import agent_definition, queue_definition
from cicswitch.switch.dialling import Dialling
from cicswitch.switch.drafts import Drafts
from cicswitch.switch.embedding import Embedding
from cicswitch.switch.environment import Environment
from cicswitch.switch.faxes import Faxes
from cicswitch.switch.features import FeatureCodes
from cicswitch.switch.joining import Joining
from cicswitch.switch.listening import Listening
from cicswitch.switch.opening import Opening
from cicswitch.switch.outbox import Outbox
from cicswitch.switch.preview import Previews
from cicswitch.switch.queueing import Queueing
from cicswitch.switch.recognising import Recognising, sure
from cicswitch.switch.starting import Starting
from cicswitch.switch.steps import Steps
from cicswitch.switch.supervising import Supervising
from cicswitch.switch.together import Together
from cicswitch.switch.transfers import Transfers
from cicswitch.switch.waiting import Waiting
from cicswitch.switch.workplaces import Workplaces

if TYPE_CHECKING:
    from cicswitch.people import Known
    from cicswitch.ports import Leg

__all__ = ["Conductor"]

log = structlog.get_logger("switch")

T = TypeVar("T")
_NEVER: Final = float("inf")
_LOST: Final = (Reason.MEDIA_TIMEOUT, Reason.SIGNALLING_LOST)
"""Ends of an agent's leg that nobody wanted."""
_PARTING_S: Final = 1.0
_VISITS: Final = frozenset(
    (
        acd_events.InteractionQueued,
        acd_events.InteractionConnected,
        acd_events.InteractionLeft,
        acd_events.InteractionMoved,
        ce.ContactAccepted,
        ce.ContactWoken,
    )
)
_OF_MEDIA: Final = frozenset(
    (
        *(ports.MediaDtmf, ports.PlayFinished, ports.MediaTimeout, ports.RecordingClosed),
        *(ports.MediaLegClosed, ports.MediaWorkerLost, ports.BrowserGone),
        *(ports.FaxEnded, ports.FaxToneHeard, ports.AnswerHeard),
    )
)
"""What the media plane says is for the conductor; the journal has what it makes of it."""


class Conductor:
    """Joins legs, dialplan, ACD and media for all calls of one switch."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.now = env.clock()
        """The time of the event in hand."""
        self.engine = Engine(check=True)
        self.estimator = Estimator(self.engine)
        self._acd_due = _NEVER
        self._defined: dict[str, acd.DefineAgent] = {}
        self.calls: dict[str, Call] = {}
        self.by_leg: dict[str, Call] = {}
        self.subscribers: list[Callable[[Event], None]] = []
        self.visitors: list[Callable[[Event], None]] = [self.estimator.feed]
        """Subscribers to how it goes with those who wait: the events of `_VISITS` only."""
        self.on_call: Callable[[Call], None] | None = None
        self.on_empty: Callable[[], None] | None = None
        """Called when the last call has ended."""
        self.draining = False
        self.counters = {"offered": 0, "refused": 0, "unknown_number": 0, "errors": 0}
        self.agent_of: dict[str, str] = {}
        """Device of an agent (`1001` or `pbx:4001`) -> the agent."""
        self.seized: dict[str, str] = {}
        """Leg -> agent whose device is in a call of its own."""
        self._info: Callable[..., None] | None = None
        self._inbox: deque[Any] = deque()
        self._busy = False
        self.names = Names(self.now, env.tokens)
        self.matcher = Matcher(env.config.plan or Dialplan())
        self.segments = Segments()
        self.reach = Reach()
        self.people = People()
        self.recognising = Recognising(self)
        self.listening = Listening(self)
        self.steps = Steps(self)
        self.queueing = Queueing(self)
        self.previews = Previews(self)
        self.workplaces = Workplaces(self)
        self.callbacks = Callbacks(self)
        self.agent_first = AgentFirst(self)
        self.visitors.append(self.callbacks.feed)
        self.waiting = Waiting(self)
        self.contacts = Contacts(self)
        self.aside = Aside(self)
        self.drafts = Drafts(self)
        self.joining = Joining(self)
        self.outbox = Outbox(self)
        self.faxes = Faxes(self)
        self.starting = Starting(self)
        self.dialling = Dialling(self)
        self.transfers = Transfers(self)
        self.together = Together(self)
        self.consulting = Consulting(self)
        self.supervising = Supervising(self)
        self.features = FeatureCodes(self)
        self.opening = Opening(self)
        self.embedding = Embedding(self)
        self.play_waiters: dict[str, Any] = {}
        """Plays that an embedding program awaits: play id -> future."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.LegRang: self._rang,
            ev.LegAnswered: self._answered,
            ev.LegEnded: self._ended,
            ev.LegHeld: self._held,
            ev.LegDigit: self._digit,
            ev.LegVideo: self._video,
            ev.LegImage: self.faxes.image,
            ev.LegImageAsked: self.faxes.asked,
            ev.LegTransfer: self.transfers.requested,
            ev.ReferAnswered: self.transfers.refer_answered,
            ports.MediaDtmf: self._media_digit,
            ports.PlayFinished: self._play_finished,
            ports.MediaTimeout: self._media_timeout,
            ports.BrowserGone: self._browser_gone,
            ports.FaxEnded: self.faxes.ended,
            ports.FaxToneHeard: self.faxes.tone,
            ports.AnswerHeard: self.callbacks.heard,
            ports.MediaLegClosed: self._media_closed,
            ports.MediaWorkerLost: self._media_lost,
            ports.RecordingClosed: self._recording_closed,
            acd_events.Reserved: self._reserved,
            acd_events.ReservationEnded: self._reservation_ended,
            acd_events.InteractionLeft: self._left,
            acd_events.QueueRefused: self._refused,
            acd_events.InteractionMoved: self._moved,
            acd_events.PolicyFailed: self._policy_failed,
            acd_events.InvariantBroken: self._invariant_broken,
        }
        # What comes of it waits for the first pump: the journal is not open yet.
        self._busy = True
        self.configure(env.config)
        self._busy = False

    # -- configuration ---------------------------------------------------------------------------

    def configure(self, config: Config) -> None:
        """Take over queues, agents and dialplan; calls in progress go on."""
        self.env.config = config
        self.matcher = Matcher(config.plan or Dialplan())
        self.segments = Segments(config.segment, config.segment_numbers)
        blocked = self.reach.blocked
        self.reach = Reach(config.hours, config.holidays, config.do_not_call_numbers)
        self.reach.blocked = blocked
        engine = self.engine
        for name, queue in config.queue.items():
            definition = queue_definition(name, queue)
            if engine.definition(name) != definition:
                self.command(definition)
            self._set_policy(name, queue)
        for name in [name for name in engine.queues if name not in config.queue]:
            self.command(acd.RemoveQueue(name))
        self.opening.configure(config)
        for name, agent in config.agent.items():
            person = agent_definition(name, agent)
            new = name not in engine.agents
            if self._defined.get(name) != person:
                self.command(person)
                self._defined[name] = person
            if new and agent.signed_in:
                self.command(acd.SignIn(name))
        for name in [name for name in engine.agents if name not in config.agent]:
            try:
                self.command(acd.RemoveAgent(name))
                self._defined.pop(name, None)
            except CommandError as error:
                log.warning("agent_kept", agent=name, reason=str(error))
        self.workplaces.configure(config)

    def _set_policy(self, name: str, queue: QueueConfig) -> None:
        self.engine.choosers.pop(name, None)
        if not queue.policy:
            return
        try:
            function = find(queue.policy, self.env.functions)
        except LookupError as error:
            log.error("policy_missing", queue=name, reason=str(error))
            return
        self.engine.choosers[name] = Policy(
            function, budget_s=queue.policy_ms / 1000, shadow=queue.policy_shadow
        )

    # -- ways in ---------------------------------------------------------------------------------

    def offer(self, leg: Leg, event: ev.LegOffered) -> None:
        """A call has arrived on `leg`."""
        self.counters["offered"] += 1
        self._guarded(lambda: self._offered(leg, event))

    def post(self, event: Any) -> None:
        """An event of a leg or of the media plane."""
        self._inbox.append(event)
        if not self._busy:
            self.pump()

    def command(self, command: acd.Command) -> None:
        """A command to the ACD. Raises `CommandError` and changes nothing if it is refused."""
        self.now = self.env.clock()
        self.acd(command)
        if not self._busy:
            self.pump()

    def acd(self, command: acd.Command) -> None:
        """Carry out a command in the course of an event, and journal it."""
        self.engine.handle(command, self.now)
        self._inbox.append(acd_events.Commanded(self.engine.now, command))

    def _acd_is_due(self, now: float) -> None:
        self._acd_due = _NEVER
        self.engine.advance(now)  # whoever fires the wheel pumps afterwards

    def _arm_acd(self) -> None:
        """See that the wheel wakes for the ACD's next deadline."""
        due = self.engine.next_due
        if due is not None and due < self._acd_due:
            self._acd_due = due
            self.env.wheel.at(due, self._acd_is_due)

    def pump(self) -> None:
        """Handle all that waits: also what the wheel's deadlines caused. Call it after firing."""
        if self._busy:
            return
        self._busy = True
        try:
            while True:
                caused = self.engine.take_events()
                if caused:
                    self._inbox.extend(caused)
                if not self._inbox:
                    self._arm_acd()
                    return
                event = self._inbox.popleft()
                self.now = self.env.clock()
                self._dispatch(event)
        finally:
            self._busy = False

    def later(self, seconds: float, work: Callable[[], None]) -> Any:
        """A timer that runs `work` like an event."""
        return self.env.wheel.at(self.env.clock() + seconds, lambda _now: self._guarded(work))

    def run_soon(self, work: Callable[[], None]) -> None:
        """Run `work` like an event: what a task does when it is done."""
        self._guarded(work)
        if not self._busy:
            self.env.rearm()

    def do(self, verb: Callable[[], T]) -> T:
        """Carry out what a person asks for, like an event; what it raises is for him."""
        self.now = self.env.clock()
        if self._busy:
            return verb()
        self._busy = True
        try:
            return verb()
        finally:
            self._busy = False
            self.pump()
            self.env.rearm()

    def _guarded(self, work: Callable[[], None]) -> None:
        if self._busy:
            work()
            return
        self._busy = True
        self.now = self.env.clock()
        try:
            work()
        except Exception:
            self.counters["errors"] += 1
            log.exception("handler_failed")
        finally:
            self._busy = False
        self.pump()

    def emit(self, event: Event, rows: Sequence[Row] = ()) -> None:
        """Journal an event, with rows that are written with it, and tell the subscribers."""
        self.env.journal.append(event, rows)
        if type(event) in _VISITS:
            for visitor in self.visitors:
                visitor(event)
        for subscriber in self.subscribers:
            subscriber(event)

    def tell(self, event: Event) -> None:
        """Tell the subscribers what no journal has to keep."""
        for subscriber in self.subscribers:
            subscriber(event)

    def behind(self, event: Event, rows: Sequence[Row]) -> None:
        """Emit behind what the ACD has just said, so that a record is complete."""
        self._inbox.extend(self.engine.take_events())
        self._inbox.append(Kept(event, rows))

    def _dispatch(self, event: Any) -> None:
        kind = type(event)
        if kind is Kept:
            self.emit(event.event, event.rows)
            return
        if kind not in _OF_MEDIA:
            self.emit(event)
        handler = self._handlers.get(kind)
        if handler is None:
            return
        try:
            handler(event)
        except Exception:
            # One call must never take the others with it: it is ended, the loop goes on.
            self.counters["errors"] += 1
            log.exception("handler_failed", event_type=kind.__name__)
            call = self.by_leg.get(getattr(event, "leg", ""))
            if call is not None:
                self.end(call, Reason.ERROR)

    # Calls and contacts in writing have the same names in the ACD: who has it is told.

    def _reserved(self, event: acd_events.Reserved) -> None:
        if event.interaction in self.contacts.live:
            self.contacts.reserved(event)
        else:
            self.queueing.reserved(event)

    def _reservation_ended(self, event: acd_events.ReservationEnded) -> None:
        if event.interaction in self.contacts.live:
            self.contacts.reservation_ended(event)
        else:
            self.queueing.reservation_ended(event)

    def _left(self, event: acd_events.InteractionLeft) -> None:
        if event.interaction in self.contacts.live:
            self.contacts.left(event)
        else:
            self.queueing.left(event)

    def _refused(self, event: acd_events.QueueRefused) -> None:
        if event.interaction in self.contacts.live:
            self.contacts.refused(event)
        else:
            self.queueing.refused(event)

    def _moved(self, event: acd_events.InteractionMoved) -> None:
        if event.interaction in self.contacts.live:
            self.contacts.moved(event)
        else:
            self.queueing.moved(event)

    def _policy_failed(self, event: acd_events.PolicyFailed) -> None:
        log.warning("policy_failed", queue=event.queue, reason=event.reason)

    def _invariant_broken(self, event: acd_events.InvariantBroken) -> None:
        log.error("invariant_broken", what=event.what, state=event.state)

    # -- calls -----------------------------------------------------------------------------------

    def new_call(self, leg: Leg, peer: str, caller: str, called: str) -> Call:
        """A call for a leg, in the tables."""
        call = Call(self.names.name(), leg, peer, caller, called)
        call.started_at = self.now
        self.calls[call.id] = call
        self.by_leg[leg.id] = call
        return call

    def _offered(self, leg: Leg, event: ev.LegOffered) -> None:
        if self.draining:
            self.counters["refused"] += 1
            leg.end(self.now, Reason.SHUTDOWN)
            return
        device = event.peer.removeprefix("device:") if event.peer.startswith("device:") else ""
        own = device or f"{event.peer}:{event.caller}"
        code = self.features.find(event.called, known=bool(device) or own in self.agent_of)
        source = "device" if device else event.peer
        found = None if code else self.matcher.match(source, event.called, event.caller, self.now)
        direct = not code and found is None and device and self.env.legs.is_device(event.called)
        call = self.new_call(leg, event.peer, event.caller, event.called)
        call.caller_name = event.caller_name
        call.context = event.context
        flow = f"{found[1].name} {found[0].flow}" if found else ""
        known = self.recognising.call(call)
        self.emit(
            ev.InteractionStarted(
                *(event.at, call.id, "voice", event.peer, event.caller, event.called, flow),
                address=self.recognising.of_call(call),
                customer_id=sure(known),
            )
        )
        self.start_leg(call, leg, "in", event.peer, event.caller, event.called)
        chat = self.contacts.talk_of(call) if event.peer.startswith("widget:") else None
        if code:
            self.features.run(call, *code, own)
        elif chat is not None:
            self.dialling.start(call, (f"agent:{chat.agent}",), 60.0, "", self._records(chat))
        elif found is not None:
            route, plan = found
            self.seize(leg.id, own)
            call.run = Run(plan, route.flow, self._variables(event, known))
            self.faxes.watch(call, plan, route.fax)
            self.steps.execute(call, call.run.start(self.now))
        elif direct:
            self.seize(leg.id, own)
            self.dialling.start(call, (event.called,), 60.0, "", False)
        else:
            self.counters["unknown_number"] += 1
            leg.end(self.now, Reason.NOT_FOUND)
        if self.on_call is not None and call.phase is not Phase.OVER:
            self.on_call(call)

    def _records(self, chat: Contact) -> bool:
        settings = self.env.config.queue.get(chat.origin.queue)
        return settings is not None and settings.record

    def _variables(self, event: ev.LegOffered, known: Known | None) -> Mapping[str, str]:
        return {
            "caller": event.caller,
            "caller_name": event.caller_name,
            "called": event.called,
            "trunk": event.peer,
            "last_agent": self.queueing.last_agents.get(event.caller, ""),
            "language": self.env.config.media.language,
            **self.recognising.variables(known, event.caller),
            **{f"context_{key}": value for key, value in event.context.items()},
        }

    def start_leg(
        self, call: Call, leg: Leg, direction: str, peer: str, caller: str, called: str
    ) -> None:
        """A leg belongs to a call from here on."""
        self.by_leg[leg.id] = call
        self.emit(
            ev.LegStarted(
                self.now, leg.id, call.id, direction, peer, caller, called, leg.sip_call_id
            )
        )

    def seize(self, leg: str, device: str) -> None:
        """If an agent's device is in a call that the ACD did not give him, he is not idle."""
        agent = self.agent_of.get(device)
        if agent is None:
            return
        try:
            self.acd(acd.Seize(agent))
        except CommandError:
            return  # offline or busy: nothing to keep him from
        self.seized[leg] = agent

    def interaction_of(self, leg: str) -> str:
        """The interaction that a leg belongs to; empty if there is none any more."""
        call = self.by_leg.get(leg)
        return call.id if call is not None else ""

    def end(self, call: Call, reason: Reason) -> None:
        """End a call from our side."""
        call.customer.end(self.now, reason)

    def end_all(self) -> None:
        """End every call: the switch stops."""
        self.now = self.env.clock()
        self.callbacks.stopping = True
        self.contacts.stopping()
        for call in list(self.calls.values()):
            self.end(call, Reason.SHUTDOWN)
        self.pump()

    # -- legs ------------------------------------------------------------------------------------

    def _rang(self, event: ev.LegRang) -> None:
        call = self.by_leg.get(event.leg)
        if call is not None and event.leg in call.ringing:
            self.dialling.rang(call, event)

    def _answered(self, event: ev.LegAnswered) -> None:
        call = self.by_leg.get(event.leg)
        if call is None:
            return
        if event.leg == call.customer.id:
            if call.run is not None and call.phase is Phase.DIALPLAN:
                self.steps.execute(call, call.run.answered(self.now))
            elif call.phase is Phase.ANNOUNCING:
                self.features.answered(call)
            elif call.phase is Phase.CALLING_BACK:
                self.callbacks.answered(call)
            elif call.phase is Phase.AGENT_FIRST:
                self.agent_first.agent_answered(call)
            return
        leg = call.ringing.get(event.leg)
        if leg is None:
            guest = call.guest(event.leg)
            if guest is not None:
                self.together.answered(call, guest, event.leg)
            return
        if call.offers:
            self.queueing.agent_answered(call, leg)
        elif call.phase is Phase.AGENT_FIRST:
            self.agent_first.reached(call, leg)
        else:
            self.connect(call, leg)

    def connect(self, call: Call, leg: Leg) -> None:
        """The leg that answered first becomes the other side."""
        self.dialling.stop_ringing(call, Reason.ANSWERED_ELSEWHERE, keep=leg.id)
        call.other, call.other_held = leg, False
        call.phase = Phase.TALKING
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        if not call.customer.up:
            call.customer.answer(self.now)
        self.listening.apply(call)
        for one, two in ((call.customer, leg), (leg, call.customer)):
            if one.has_video:
                two.offer_video(self.now)
        self.emit(ev.Bridged(self.now, call.id, call.customer.id, leg.id))
        if call.record:
            self.listening.start_recording(call)

    def _ended(self, event: ev.LegEnded) -> None:
        agent = self.seized.pop(event.leg, None)
        if agent is not None:
            try:
                self.acd(acd.Free(agent))
            except CommandError as error:
                log.debug("free_refused", agent=agent, reason=str(error))
        call = self.by_leg.pop(event.leg, None)
        if call is None or call.phase is Phase.OVER:
            return
        if event.leg == call.customer.id:
            if call.phase is Phase.AGENT_FIRST and self.agent_first.agent_gone(call, event):
                return
            self.faxes.gone(event.leg)
            self.customer_gone(call, event.reason)
        elif call.other is not None and event.leg == call.other.id:
            self.agent_left(call, event)
        elif event.leg in call.ringing:
            if call.phase is Phase.AGENT_FIRST:
                self.agent_first.leg_failed(call, event)
            else:
                self.dialling.failed(call, event)
        else:
            guest = call.guest(event.leg)
            if guest is not None:
                self.together.ended(call, guest, event)

    def customer_gone(self, call: Call, reason: str) -> None:
        """The customer's leg is over, and with it the call: nothing of it may stay behind."""
        calling = call.phase in (Phase.CALLING_BACK, Phase.ANNOUNCING)
        again = calling and self.callbacks.not_reached(call, reason)
        again = again or self.callbacks.keeps(call.id)
        talked = call.other is not None
        self.together.clear(call, Reason.NORMAL)
        self.queueing.customer_gone(call)
        call.phase = Phase.OVER
        self.steps.clear_timers(call)
        if call.voicemail is not None:
            self.steps.end_voicemail(call)
        self.listening.stop_recording(call)
        self.dialling.stop_ringing(call, Reason.CANCELLED)
        if talked:
            call.other.end(self.now, Reason.NORMAL)
        waiter = self.play_waiters.pop(call.playing, None)
        if waiter is not None:
            waiter.cancel()
        call.other = call.run = call.transferring = None
        del self.calls[call.id]
        if call.agent:
            self.recognising.keep(call.id, self.recognising.addresses_of_call(call))
        # Behind what the ACD has just said about it, so that its record is complete.
        self._inbox.extend(self.engine.take_events())
        if not again:
            self._inbox.append(ev.InteractionEnded(self.now, call.id, reason))
        if self._info is None:
            self._info = log.bind().info  # what `log.info` looks up each time
        self._info(
            "interaction",
            interaction_id=call.id,
            caller=call.caller,
            called=call.called,
            peer=call.peer,
            seconds=round(self.now - call.started_at, 3),
            reason=reason,
        )
        if not self.calls and self.on_empty is not None:
            self.on_empty()

    def agent_left(self, call: Call, event: ev.LegEnded) -> None:
        """The agent or the dialled party is gone: another one goes on with the customer, or the
        dialplan says what is next.
        """
        if self.together.agent_gone(call, event):
            return
        if call.connected and event.reason in _LOST and call.asked and not self.draining:
            self.queueing.agent_lost(call)
            return
        self.other_left(call)
        if call.run is None:
            self.end(call, Reason.NORMAL)
            return
        call.phase = Phase.DIALPLAN
        self.steps.execute(call, call.run.outcome("ended", self.now))

    def other_left(self, call: Call) -> None:
        """The other side is no part of the call any more; the customer still is."""
        self.together.clear(call, Reason.NORMAL)
        self.listening.stop_recording(call)
        self.queueing.talk_over(call)
        call.other, call.other_held = None, False
        self.listening.apply(call)

    def _held(self, event: ev.LegHeld) -> None:
        call = self.by_leg.get(event.leg)
        if call is None or call.phase is Phase.OVER:
            return
        if event.leg == call.customer.id:
            call.customer_held = event.held
        elif call.other is not None and event.leg == call.other.id:
            call.other_held = event.held
        else:
            guest = call.guest(event.leg)
            if guest is None:
                return
            guest.held = event.held
        self.together.refresh(call)

    def _video(self, event: ev.LegVideo) -> None:
        """One side shows itself: the other is asked to."""
        call = self.by_leg.get(event.leg)
        if call is not None and call.phase is Phase.TALKING and call.other is not None:
            other = call.other if event.leg == call.customer.id else call.customer
            other.offer_video(self.now)

    def _digit(self, event: ev.LegDigit) -> None:
        call = self.by_leg.get(event.leg)
        if call is None:
            return
        if call.preview is not None and event.leg == call.preview.leg.id:
            self.previews.key(call, event.digit)
            return
        if event.leg != call.customer.id:
            guest = call.guest(event.leg)
            if guest is not None and guest.role is Role.SUPERVISOR:
                self.supervising.key(call, guest, event.digit)
            return
        if call.phase is Phase.VOICEMAIL and call.voicemail and event.digit == call.voicemail[2]:
            self.steps.end_voicemail(call)
        elif call.run is not None and call.phase is Phase.DIALPLAN:
            self.steps.execute(call, call.run.digit(event.digit, self.now))
        elif call.phase is Phase.QUEUED:
            self.queueing.key(call, event.digit)

    # -- media -----------------------------------------------------------------------------------

    def _media_digit(self, event: ports.MediaDtmf) -> None:
        self._digit(ev.LegDigit(self.now, event.leg, event.digit))

    def _play_finished(self, event: ports.PlayFinished) -> None:
        waiter = self.play_waiters.pop(event.play_id, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        call = self.by_leg.get(event.leg)
        if call is None:
            return
        if call.preview is not None and call.preview.play_id == event.play_id:
            self.previews.played(call)
            return
        if call.playing != event.play_id:
            return
        call.playing = ""
        if event.error:
            self.emit(ev.AnnouncementFailed(self.now, call.id, "prompt", event.error))
        if call.phase is Phase.ANNOUNCING:
            self.end(call, Reason.NORMAL)
        elif call.phase is Phase.QUEUED:
            self.listening.restart_music(call)
        elif call.phase is Phase.VOICEMAIL:
            self.steps.begin_voicemail(call)
        elif call.run is not None and call.phase is Phase.DIALPLAN:
            self.steps.execute(call, call.run.played(self.now))

    def _media_timeout(self, event: ports.MediaTimeout) -> None:
        call = self.by_leg.get(event.leg)
        if call is None:
            return
        for leg in (call.customer, call.other, *(guest.leg for guest in call.guests)):
            if leg is not None and leg.id == event.leg:
                leg.end(self.now, Reason.MEDIA_TIMEOUT)

    def _browser_gone(self, event: ports.BrowserGone) -> None:
        """What ends by itself says so on both ways: the BYE may be a moment behind."""
        log.info("browser_gone", leg=event.leg, silent_s=event.silent_s, reason=event.reason)
        if event.silent_s >= _PARTING_S:
            self._media_timeout(ports.MediaTimeout(event.leg, event.silent_s))
        else:
            late = ports.MediaTimeout(event.leg, _PARTING_S)
            self.later(_PARTING_S, lambda: self._media_timeout(late))

    def _media_closed(self, event: ports.MediaLegClosed) -> None:
        stats = event.stats
        self.emit(
            ev.LegMedia(
                self.now,
                event.leg,
                stats.codec,
                stats.packets_received,
                stats.packets_sent,
                stats.packets_lost,
                round(stats.jitter_ms, 3),
                stats.rtt_ms,
                stats.far_lost,
                stats.far_jitter_ms,
                stats.mos,
                stats.far_mos,
            )
        )

    def _media_lost(self, event: ports.MediaWorkerLost) -> None:
        log.error("media_worker_lost", legs=len(event.legs), error=event.error)
        for leg_id in event.legs:
            call = self.by_leg.get(leg_id)
            self.faxes.lost(leg_id, event.error)
            self.emit(ev.LegMedia(self.now, leg_id, "", 0, 0, 0, 0.0, None))
            if call is None or call.phase is Phase.OVER:
                continue
            guest = call.guest(leg_id)
            if guest is not None and guest.leg is not None:
                guest.leg.end(self.now, Reason.MEDIA_LOST)
            else:
                self.end(call, Reason.MEDIA_LOST)

    def _recording_closed(self, event: ports.RecordingClosed) -> None:
        name, voicemail, box = event.recording_id.partition("-vm:")
        interaction = name.partition("-")[0]
        # A voicemail's file is named after its caller: the name stays out of logs and health.
        error = event.error.replace(Path(event.path).name, "…")
        self.env.recorded(error)
        call = self.calls.get(interaction)
        if error:
            log.error("recording_failed", interaction_id=interaction, error=error)
            if call is not None and call.recording == event.recording_id:
                call.recording = ""
        if voicemail:
            self.emit(
                ev.VoicemailLeft(
                    self.now,
                    interaction,
                    box,
                    event.path,
                    event.duration_ms,
                    event.error,
                    name,
                )
            )
            if event.error and call is not None and call.phase is Phase.VOICEMAIL:
                self.steps.end_voicemail(call, "failed")
            return
        self.emit(
            ev.RecordingEnded(
                self.now,
                interaction,
                event.recording_id,
                event.path,
                event.duration_ms,
                event.error,
            )
        )

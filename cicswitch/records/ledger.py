"""Events in, rows out. The same code books live events, and after a crash closes what was open.

Rows are written when they are complete; what is open lives in the ledger alone and is found again
by feeding it the journal from the last `SwitchStarted`.
"""

from __future__ import annotations

import msgspec

from cicswitch.acd import events as acd
from cicswitch.calls import events as calls
from cicswitch.calls.reason import Reason
from cicswitch.contacts import events as contacts
from cicswitch.records.journal import Event
from cicswitch.records.recordings import Ended, RecordingBook, Started
from cicswitch.records.rows import (
    AgentSegment,
    AlertRecord,
    AnswerRecord,
    HandledRecord,
    InteractionRecord,
    LegRecord,
    NoteRecord,
    Pending,
    QueueVisit,
    Row,
)

__all__ = ["Ledger"]

BLOCKED = "do-not-call:"
"""Before the number, where rows of `pending` have an interaction."""

_encode = msgspec.json.Encoder().encode


class _Since:
    """Since when an agent is in a state, and what for."""

    __slots__ = ("at", "code", "interaction", "queue", "state")

    def __init__(self, state: str, at: float, code: str, interaction: str, queue: str) -> None:
        self.state = state
        self.at = at
        self.code = code
        self.interaction = interaction
        self.queue = queue


class Ledger:
    """Books events into rows. Everything it holds belongs to something that is still open."""

    def __init__(self) -> None:
        self._legs: dict[str, LegRecord] = {}
        self._interactions: dict[str, InteractionRecord] = {}
        self._queued: dict[str, acd.InteractionQueued] = {}
        self._talks: dict[tuple[str, str], acd.InteractionHandled] = {}
        self._connected: dict[str, acd.InteractionConnected] = {}
        self._agents: dict[str, _Since] = {}
        self._callbacks: dict[str, calls.CallbackAccepted] = {}
        self._contacts: dict[str, contacts.ContactAccepted] = {}
        self._recordings = RecordingBook()
        self.last_at = 0.0
        self._feeders = {
            calls.LegStarted: self._leg_started,
            calls.LegRang: self._leg_rang,
            calls.LegAnswered: self._leg_answered,
            calls.LegEnded: self._leg_ended,
            calls.LegMedia: self._leg_media,
            calls.InteractionStarted: self._interaction_started,
            calls.InteractionEnded: self._interaction_ended,
            calls.RecordingStarted: self._recording_started,
            calls.RecordingEnded: self._recording_ended,
            calls.VoicemailStarted: self._voicemail_started,
            calls.VoicemailLeft: self._recording_ended,
            calls.NoteWritten: self._noted,
            calls.AlertRaised: self._alert_stands,
            calls.AlertAcknowledged: self._alert_stands,
            calls.AlertCleared: self._alert_ended,
            calls.SwitchStopped: self._stopped,
            calls.CallbackAccepted: self._callback_accepted,
            calls.CallbackDialling: self._callback_tried,
            calls.CallbackReached: self._callback_tried,
            calls.CallbackTried: self._callback_tried,
            calls.CallbackEnded: self._callback_ended,
            calls.NumberBlocked: self._number_blocked,
            calls.NumberAllowed: self._number_allowed,
            contacts.ContactAccepted: self._contact_accepted,
            contacts.ContactPlaced: self._contact_placed,
            contacts.ContactAssigned: self._contact_assigned,
            contacts.ContactFreed: self._contact_freed,
            contacts.ContactSnoozed: self._contact_snoozed,
            contacts.ContactWoken: self._contact_woken,
            contacts.ContactDue: self._contact_due,
            contacts.ContactOverdue: self._contact_overdue,
            contacts.ContactAnswered: self._contact_answered,
            contacts.ConversationMerged: self._merged,
            contacts.MessageWritten: self._written,
            acd.InteractionQueued: self._queued_up,
            acd.QueueRefused: self._refused,
            acd.InteractionConnected: self._was_connected,
            acd.InteractionLeft: self._left,
            acd.InteractionMoved: self._moved,
            acd.InteractionHandled: self._handled,
            acd.InteractionTaken: self._taken,
            acd.WrapUpEnded: self._wrapped,
            acd.AgentChanged: self._agent_changed,
        }

    @property
    def open(self) -> int:
        """How many legs and interactions are open that a crash ends."""
        kept = len(self._callbacks) + len(self._contacts)
        return len(self._legs) + len(self._interactions) - kept

    def feed(self, event: Event) -> list[Row]:
        """The rows that an event completes."""
        if event.at > self.last_at:
            self.last_at = event.at
        feeder = self._feeders.get(type(event))
        return feeder(event) if feeder is not None else []  # type: ignore[operator]  # keyed by type

    def closing_events(self, reason: Reason) -> list[Event]:
        """The events that end all that is open, at the time of the last event that was fed.

        After a crash they are journalled and fed like any others, so the books close themselves.
        Who is to be called back, or has written, keeps that: the next start takes it up.
        """
        at = self.last_at
        events: list[Event] = []
        for interaction, connected in self._connected.items():
            since = self._agents.get(connected.agent)
            talk_s = at - connected.at if since and since.interaction == interaction else 0.0
            events.append(
                acd.InteractionHandled(
                    at, interaction, connected.queue, connected.agent, talk_s, 0.0
                )
            )
        events += [
            acd.InteractionLeft(at, queued.interaction, queued.queue, str(reason), at - queued.at)
            for queued in self._queued.values()
            if queued.interaction not in self._callbacks
            and queued.interaction not in self._contacts
        ]
        closed = {
            event.interaction for event in events if isinstance(event, acd.InteractionHandled)
        }
        for key, talk in [*self._talks.items()]:
            events.append(acd.WrapUpEnded(at, talk.interaction, talk.queue, key[1], 0.0, ""))
        for connected in self._connected.values():
            if connected.interaction in closed:
                events.append(
                    acd.WrapUpEnded(
                        at, connected.interaction, connected.queue, connected.agent, 0.0, ""
                    )
                )
        for agent, since in self._agents.items():
            if since.state != "offline":
                spent_s = at - since.at
                events.append(acd.AgentChanged(at, agent, "offline", since.state, spent_s))
        for leg, record in self._legs.items():
            if record.ended_at is None:
                events.append(calls.LegEnded(at, leg, str(reason)))
            events.append(calls.LegMedia(at, leg, record.codec, 0, 0, 0, 0.0, None))
        events += self._recordings.closing_events(at, str(reason))
        events += [
            calls.InteractionEnded(at, interaction, str(reason))
            for interaction in self._interactions
            if interaction not in self._callbacks and interaction not in self._contacts
        ]
        return events

    # -- legs ------------------------------------------------------------------------------------

    def _leg_started(self, event: calls.LegStarted) -> list[Row]:
        self._legs[event.leg] = LegRecord(
            event.leg,
            event.interaction,
            event.direction,
            event.peer,
            event.caller,
            event.called,
            event.sip_call_id,
            event.at,
        )
        return []

    def _leg_rang(self, event: calls.LegRang) -> list[Row]:
        record = self._legs.get(event.leg)
        if record is not None and record.rang_at is None:
            record.rang_at = event.at
        return []

    def _leg_answered(self, event: calls.LegAnswered) -> list[Row]:
        record = self._legs.get(event.leg)
        if record is not None:
            record.answered_at = event.at
            record.codec = event.codec
            interaction = self._interactions.get(record.interaction)
            if interaction is not None and interaction.answered_at is None:
                # A callback's customer is called: a leg to his number is his.
                called = interaction.medium == "callback" and record.called == interaction.caller
                if called or record.direction == "in":
                    interaction.answered_at = event.at
        return []

    def _leg_ended(self, event: calls.LegEnded) -> list[Row]:
        record = self._legs.get(event.leg)
        if record is not None:
            record.ended_at = event.at
            record.reason, record.status, record.remote = event.reason, event.status, event.remote
        return []

    def _leg_media(self, event: calls.LegMedia) -> list[Row]:
        record = self._legs.pop(event.leg, None)
        if record is None:
            return []
        record.codec = record.codec or event.codec
        record.packets_received = event.packets_received
        record.packets_sent = event.packets_sent
        record.packets_lost = event.packets_lost
        record.jitter_ms, record.rtt_ms = event.jitter_ms, event.rtt_ms
        record.far_lost, record.far_jitter_ms = event.far_lost, event.far_jitter_ms
        record.mos, record.far_mos = event.mos, event.far_mos
        return [record]

    # -- interactions ----------------------------------------------------------------------------

    def _interaction_started(self, event: calls.InteractionStarted) -> list[Row]:
        self._interactions[event.interaction] = InteractionRecord(
            event.interaction,
            event.medium,
            event.peer,
            event.caller,
            event.called,
            event.flow,
            event.at,
            address=event.address,
        )
        return []

    def _interaction_ended(self, event: calls.InteractionEnded) -> list[Row]:
        record = self._interactions.pop(event.interaction, None)
        if record is None:
            return []
        done: list[Row] = []
        if self._contacts.pop(event.interaction, None) is not None:
            done.append(Pending(event.interaction, ""))
        record.ended_at, record.reason = event.at, event.reason
        if event.reason == "merged":
            record.outcome = "merged"
        if not record.outcome:
            record.outcome = "failed" if record.answered_at is None else "self-service"
            if record.agent:
                record.outcome = "handled"
        return [record, *done]

    def _recording_started(self, event: calls.RecordingStarted) -> list[Row]:
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.recording = event.path
        self._begun(event)
        return []

    def _voicemail_started(self, event: calls.VoicemailStarted) -> list[Row]:
        self._begun(event)
        return []

    def _begun(self, event: Started) -> None:
        key = event.interaction
        self._recordings.started(event, self._interactions.get(key), self._connected.get(key))

    def _recording_ended(self, event: Ended) -> list[Row]:
        row = self._recordings.ended(event)
        return [] if row is None else [row]

    def _noted(self, event: calls.NoteWritten) -> list[Row]:
        return [NoteRecord(event.interaction, event.at, event.agent, event.account, event.text)]

    def _stopped(self, _: calls.SwitchStopped) -> list[Row]:
        return [*self._recordings.rest()]

    # -- callbacks -------------------------------------------------------------------------------

    def _callback_accepted(self, event: calls.CallbackAccepted) -> list[Row]:
        self._callbacks[event.interaction] = event
        return [Pending(event.interaction, _encode(event).decode())]

    def _callback_tried(
        self, event: calls.CallbackTried | calls.CallbackDialling | calls.CallbackReached
    ) -> list[Row]:
        accepted = self._callbacks.get(event.interaction)
        if accepted is None:
            return []
        told = isinstance(event, calls.CallbackTried) and event.reason == "message-left"
        return self._callback_accepted(
            msgspec.structs.replace(
                accepted,
                attempts=event.attempts,
                not_before=event.not_before,
                told=accepted.told or told,
            )
        )

    def _callback_ended(self, event: calls.CallbackEnded) -> list[Row]:
        self._callbacks.pop(event.interaction, None)
        return [Pending(event.interaction, "")]

    def _number_blocked(self, event: calls.NumberBlocked) -> list[Row]:
        return [Pending(BLOCKED + event.number, _encode(event).decode())]

    def _number_allowed(self, event: calls.NumberAllowed) -> list[Row]:
        return [Pending(BLOCKED + event.number, "")]

    # -- contacts in writing ---------------------------------------------------------------------

    def _contact_accepted(self, event: contacts.ContactAccepted) -> list[Row]:
        self._contacts[event.interaction] = event
        return [Pending(event.interaction, _encode(event).decode())]

    def _contact_placed(self, event: contacts.ContactPlaced) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(
            msgspec.structs.replace(
                accepted,
                queue=event.queue,
                queued_at=event.queued_at,
                skills=event.skills,
                require=event.require,
                prefer=event.prefer,
                patience_s=event.patience_s,
                priority=event.priority,
                segment=event.segment,
                expires_at=event.expires_at,
            )
        )

    def _contact_assigned(self, event: contacts.ContactAssigned) -> list[Row]:
        return self._contact_of(event.interaction, event.agent)

    def _contact_freed(self, event: contacts.ContactFreed) -> list[Row]:
        return self._contact_of(event.interaction, "")

    def _contact_of(self, interaction: str, agent: str) -> list[Row]:
        accepted = self._contacts.get(interaction)
        if accepted is None:
            return []
        return self._contact_accepted(msgspec.structs.replace(accepted, agent=agent))

    def _contact_snoozed(self, event: contacts.ContactSnoozed) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(
            msgspec.structs.replace(
                accepted,
                agent="",
                snoozed_at=event.at,
                snoozed_until=event.until,
                snoozed_for=event.agent,
            )
        )

    def _contact_woken(self, event: contacts.ContactWoken) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(
            msgspec.structs.replace(
                accepted, snoozed_at=0.0, snoozed_until=0.0, snoozed_for="", again=True
            )
        )

    def _contact_due(self, event: contacts.ContactDue) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(
            msgspec.structs.replace(
                accepted,
                asked_at=event.asked_at,
                due_at=event.due_at,
                due_by=event.by,
                aside_s=event.aside_s,
                overdue=False,
            )
        )

    def _contact_overdue(self, event: contacts.ContactOverdue) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(msgspec.structs.replace(accepted, overdue=True))

    def _contact_answered(self, event: contacts.ContactAnswered) -> list[Row]:
        return [
            AnswerRecord(
                event.interaction,
                event.queue,
                event.agent,
                event.asked_at,
                event.at,
                event.due_at,
                event.took_s,
                1 if event.within else 0,
            )
        ]

    def _merged(self, event: contacts.ConversationMerged) -> list[Row]:
        accepted = self._contacts.get(event.interaction)
        if accepted is None:
            return []
        return self._contact_accepted(
            msgspec.structs.replace(accepted, conversation=event.conversation)
        )

    def _counted(self, interaction: str) -> bool:
        """Whether queues have counted it: it is back from being put aside."""
        accepted = self._contacts.get(interaction)
        return accepted is not None and accepted.again

    def _written(self, event: contacts.MessageWritten) -> list[Row]:
        record = self._interactions.get(event.interaction)
        if record is not None and record.answered_at is None and event.author != "customer":
            record.answered_at = event.at
        return []

    # -- alerts ----------------------------------------------------------------------------------

    def _alert_stands(self, event: calls.AlertRaised | calls.AlertAcknowledged) -> list[Row]:
        return [AlertRecord(event.alert, None, _encode(event).decode())]

    def _alert_ended(self, event: calls.AlertCleared) -> list[Row]:
        return [AlertRecord(event.alert, event.at, _encode(event).decode())]

    # -- queues ----------------------------------------------------------------------------------

    def _queued_up(self, event: acd.InteractionQueued) -> list[Row]:
        self._queued[event.interaction] = event
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.queue = event.queue
            record.segment = event.segment
        return []

    def _refused(self, event: acd.QueueRefused) -> list[Row]:
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.outcome = "flowed-out"
        outcome = f"refused-{event.reason}"
        return [QueueVisit(event.interaction, event.queue, event.at, event.at, outcome, 0.0)]

    def _was_connected(self, event: acd.InteractionConnected) -> list[Row]:
        queued = self._queued.pop(event.interaction, None)
        queued_at = queued.at if queued is not None else event.at - event.wait_s
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.agent, record.outcome = event.agent, "handled"
            record.wait_s += event.wait_s
        self._connected[event.interaction] = event
        self._recordings.connected(event)
        if self._counted(event.interaction):
            accepted = self._contacts[event.interaction]
            return self._contact_accepted(msgspec.structs.replace(accepted, again=False))
        return [
            QueueVisit(
                event.interaction,
                event.queue,
                queued_at,
                event.at,
                "answered",
                event.wait_s,
                event.agent,
            )
        ]

    def _left(self, event: acd.InteractionLeft) -> list[Row]:
        queued = self._queued.pop(event.interaction, None)
        queued_at = queued.at if queued is not None else event.at - event.wait_s
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.wait_s += event.wait_s
            if record.outcome != "handled":
                abandoned = event.outcome == "abandoned"
                record.outcome = "abandoned" if abandoned else "flowed-out"
        if event.outcome == "merged" or self._counted(event.interaction):
            return []
        return [
            QueueVisit(
                event.interaction, event.queue, queued_at, event.at, event.outcome, event.wait_s
            )
        ]

    def _moved(self, event: acd.InteractionMoved) -> list[Row]:
        """On to another queue: flowed out of the one; the other's visit begins with its event."""
        queued = self._queued.pop(event.interaction, None)
        queued_at = queued.at if queued is not None else event.at - event.wait_s
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.wait_s += event.wait_s
        if self._counted(event.interaction):
            return []
        return [
            QueueVisit(
                event.interaction, event.queue, queued_at, event.at, event.reason, event.wait_s
            )
        ]

    def _handled(self, event: acd.InteractionHandled) -> list[Row]:
        self._talks[event.interaction, event.agent] = event
        self._connected.pop(event.interaction, None)
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.talk_s += event.talk_s
            record.hold_s += event.hold_s
        return []

    def _taken(self, event: acd.InteractionTaken) -> list[Row]:
        """The interaction's row names who had it last; each has a handled row of his own."""
        record = self._interactions.get(event.interaction)
        if record is not None:
            record.agent = event.agent
        self._connected[event.interaction] = acd.InteractionConnected(
            event.at, event.interaction, event.queue, event.agent, 0.0
        )
        return []

    def _wrapped(self, event: acd.WrapUpEnded) -> list[Row]:
        talk = self._talks.pop((event.interaction, event.agent), None)
        if talk is None:
            return []
        return [
            HandledRecord(
                event.interaction,
                event.queue,
                event.agent,
                event.at,
                talk.talk_s,
                talk.hold_s,
                event.acw_s,
                event.code,
            )
        ]

    # -- agents ----------------------------------------------------------------------------------

    def _agent_changed(self, event: acd.AgentChanged) -> list[Row]:
        since = self._agents.get(event.agent)
        self._agents[event.agent] = _Since(
            event.state, event.at, event.code, event.interaction, event.queue
        )
        if since is None:
            started_at, code, interaction, queue = event.at - event.spent_s, "", "", ""
        else:
            started_at, code = since.at, since.code
            interaction, queue = since.interaction, since.queue
        if event.previous == "offline" or event.at <= started_at:
            return []
        return [
            AgentSegment(
                event.agent, event.previous, started_at, event.at, code, interaction, queue
            )
        ]

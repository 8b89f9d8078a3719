"""Recordings that are under way, and the row that each becomes when its file is closed.

A recording ends after its interaction often: the file is closed by another process. So what the
interaction knows is copied while it is there.
"""

from __future__ import annotations

from cicswitch.acd.events import InteractionConnected
from cicswitch.calls.events import (
    RecordingEnded,
    RecordingStarted,
    VoicemailLeft,
    VoicemailStarted,
)
from cicswitch.records.rows import InteractionRecord, RecordingRecord

__all__ = ["RecordingBook"]

Started = RecordingStarted | VoicemailStarted
Ended = RecordingEnded | VoicemailLeft


class RecordingBook:
    """The recordings that are open. An interaction has one at a time."""

    def __init__(self) -> None:
        self._open: dict[str, RecordingRecord] = {}
        self._of: dict[str, RecordingRecord] = {}

    def started(
        self,
        event: Started,
        interaction: InteractionRecord | None,
        connected: InteractionConnected | None,
    ) -> None:
        """A file was begun."""
        voicemail = isinstance(event, VoicemailStarted)
        record = RecordingRecord(
            event.recording,
            event.interaction,
            "voicemail" if voicemail else "recording",
            event.path,
            event.at,
            box=event.box if isinstance(event, VoicemailStarted) else "",
        )
        if interaction is not None:
            record.queue, record.segment = interaction.queue, interaction.segment
            record.caller, record.called = interaction.caller, interaction.called
        self._open[event.recording] = self._of[event.interaction] = record
        if connected is not None:
            self.connected(connected)

    def connected(self, event: InteractionConnected) -> None:
        """An agent has the interaction: what is recorded of it from now on is his."""
        record = self._of.get(event.interaction)
        if record is not None and record.kind == "recording" and not record.agent:
            record.agent, record.queue = event.agent, event.queue

    def ended(self, event: Ended) -> RecordingRecord | None:
        """The file is closed: its row."""
        record = self._open.pop(event.recording, None)
        if record is None:
            return None
        if self._of.get(record.interaction) is record:
            del self._of[record.interaction]
        # A worker that died cannot say how much there is.
        known = bool(event.duration_ms) or not event.error
        record.duration_s = (
            event.duration_ms / 1000 if known else max(0.0, event.at - record.started_at)
        )
        record.error = event.error
        return record

    def closing_events(self, at: float, reason: str) -> list[Ended]:
        """The events that end what is open."""
        events: list[Ended] = []
        for record in self._open.values():
            what = (record.path, int((at - record.started_at) * 1000), reason)
            if record.kind == "voicemail":
                events.append(
                    VoicemailLeft(at, record.interaction, record.box, *what, record.recording)
                )
            else:
                events.append(RecordingEnded(at, record.interaction, record.recording, *what))
        return events

    def rest(self) -> list[RecordingRecord]:
        """The rows of what is still open when the switch stops in order."""
        rows = list(self._open.values())
        self._open.clear()
        self._of.clear()
        return rows

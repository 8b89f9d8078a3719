"""Recordings in the books."""

from __future__ import annotations

from cicswitch.acd.events import InteractionConnected
from cicswitch.calls.events import (
    InteractionEnded,
    InteractionStarted,
    RecordingEnded,
    RecordingStarted,
    SwitchStopped,
    VoicemailLeft,
    VoicemailStarted,
)
from cicswitch.calls.reason import Reason
from cicswitch.records.journal import Event
from cicswitch.records.ledger import Ledger
from cicswitch.records.rows import RecordingRecord

BEGUN: list[Event] = [
    InteractionStarted(10.0, "i", "voice", "pbx", "2001", "5000"),
    RecordingStarted(12.0, "i", "i-1", "/r/i-1.wav"),
]


def booked(ledger: Ledger, events: list[Event]) -> list[RecordingRecord]:
    found = [row for event in events for row in ledger.feed(event)]
    return [row for row in found if isinstance(row, RecordingRecord)]


def connected(at: float, agent: str, queue: str) -> Event:
    return InteractionConnected(at, "i", queue, agent, 2.0)


def test_a_recording_is_booked_after_its_interaction_with_what_that_knew() -> None:
    events: list[Event] = [
        *BEGUN,
        connected(12.0, "kim", "support"),
        InteractionEnded(20.0, "i", "normal"),
        RecordingEnded(20.1, "i", "i-1", "/r/i-1.wav", 8000),
    ]
    (row,) = booked(Ledger(), events)
    assert row == RecordingRecord(
        *("i-1", "i", "recording", "/r/i-1.wav", 12.0, 8.0, "support", "kim", "2001", "5000")
    )


def test_each_of_two_recordings_of_an_interaction_has_its_own_agent() -> None:
    events: list[Event] = [
        *(BEGUN[0], connected(11.0, "kim", "support"), BEGUN[1]),
        RecordingEnded(15.0, "i", "i-1", "/r/i-1.wav", 3000),
        connected(16.0, "lee", "korean"),
        RecordingStarted(16.0, "i", "i-2", "/r/i-2.wav"),
        RecordingEnded(18.0, "i", "i-2", "/r/i-2.wav", 2000),
    ]
    found = booked(Ledger(), events)
    assert [(row.recording, row.agent, row.queue) for row in found] == [
        ("i-1", "kim", "support"),
        ("i-2", "lee", "korean"),
    ]


def test_a_message_is_booked_with_its_box_and_is_no_agents() -> None:
    events: list[Event] = [
        BEGUN[0],
        VoicemailStarted(12.0, "i", "main", "i-1", "/v/m.wav"),
        VoicemailLeft(15.0, "i", "main", "/v/m.wav", 3000, "", "i-1"),
    ]
    (row,) = booked(Ledger(), events)
    assert (row.kind, row.box, row.agent, row.duration_s) == ("voicemail", "main", "", 3.0)


def test_what_a_crash_or_a_stop_left_open_is_booked_too() -> None:
    message = VoicemailStarted(13.0, "j", "main", "j-1", "/v/m.wav")
    ledger = Ledger()
    assert not booked(ledger, [*BEGUN, message, InteractionEnded(14.0, "j", "normal")])
    closing = ledger.closing_events(Reason.RESTART)
    found = {row.recording: row for row in booked(ledger, closing)}
    assert (found["i-1"].duration_s, found["i-1"].error) == (2.0, "restart")
    assert (found["j-1"].duration_s, found["j-1"].kind) == (1.0, "voicemail")
    assert not ledger.closing_events(Reason.RESTART)
    ledger = Ledger()
    assert len(booked(ledger, [*BEGUN, SwitchStopped(20.0, "stopped")])) == 1


def test_what_a_dead_worker_cannot_say_is_taken_from_the_clock() -> None:
    ended = RecordingEnded(15.0, "i", "i-1", "/r/i-1.wav", 0, "a media worker died")
    (row,) = booked(Ledger(), [*BEGUN, ended])
    assert row.duration_s == 3.0

"""The tables of the books, and what is the same of them in every database."""

from __future__ import annotations

from typing import Final

from cicswitch.records.rows import (
    AgentSegment,
    AnswerRecord,
    ConversationRecord,
    CustomerRecord,
    DraftRecord,
    FaxRecord,
    HandledRecord,
    InteractionRecord,
    LegRecord,
    MessageRecord,
    NoteRecord,
    OutboxRecord,
    QueueVisit,
    RecordingRecord,
)
from cicswitch.store import contacts, history, people, recordings

__all__ = ["ALERT", "ALERTS", "INDEXES", "OLD_ALERTS", "PENDING", "TABLES"]

TABLES: Final[dict[type, str]] = {
    LegRecord: "leg",
    InteractionRecord: "interaction",
    QueueVisit: "queue_visit",
    HandledRecord: "handled",
    AnswerRecord: "answer",
    AgentSegment: "agent_segment",
    RecordingRecord: "recording",
    NoteRecord: "note",
    MessageRecord: "message",
    ConversationRecord: "conversation",
    FaxRecord: "fax",
    OutboxRecord: "outbox",
    DraftRecord: "draft",
    CustomerRecord: "customer",
}

INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS leg_interaction ON leg (interaction)",
    "CREATE INDEX IF NOT EXISTS interaction_ended ON interaction (ended_at)",
    "CREATE INDEX IF NOT EXISTS queue_visit_ended ON queue_visit (ended_at)",
    "CREATE INDEX IF NOT EXISTS handled_ended ON handled (ended_at)",
    "CREATE INDEX IF NOT EXISTS answer_answered ON answer (answered_at)",
    "CREATE INDEX IF NOT EXISTS agent_segment_ended ON agent_segment (ended_at)",
    *recordings.INDEXES,
    *history.INDEXES,
    *contacts.INDEXES,
    *people.INDEXES,
)

PENDING: Final = "SELECT data FROM pending ORDER BY rowid"
ALERT: Final = (
    "INSERT INTO alert (alert, ended_at, data) VALUES (?, ?, ?)"
    " ON CONFLICT (alert) DO UPDATE SET ended_at = excluded.ended_at, data = excluded.data"
)
ALERTS: Final = (
    "SELECT data FROM alert WHERE ended_at IS NULL UNION ALL SELECT data FROM"
    " (SELECT data, ended_at FROM alert WHERE ended_at IS NOT NULL"
    " ORDER BY ended_at DESC LIMIT ?) AS ended"
)
OLD_ALERTS: Final = (
    "DELETE FROM alert WHERE ended_at < (SELECT ended_at FROM alert WHERE ended_at IS NOT NULL"
    " ORDER BY ended_at DESC LIMIT 1 OFFSET ?)"
)

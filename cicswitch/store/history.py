"""What is kept of a customer and of an agent's day: found along indexes, never by a scan."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cicswitch.ports import Reader
from cicswitch.records.rows import AgentSegment, HandledRecord, NoteRecord, columns

__all__ = ["INDEXES", "MOST_OF_A_DAY", "Past", "agent_day", "agent_of", "contacts", "note"]

MOST_OF_A_DAY: Final = 20_000
"""Rows of one agent that a day is made of, at most."""

INDEXES: Final = (
    "CREATE INDEX IF NOT EXISTS interaction_name ON interaction (interaction)",
    "CREATE INDEX IF NOT EXISTS interaction_caller ON interaction (caller, started_at)",
    "CREATE INDEX IF NOT EXISTS interaction_address ON interaction (address, started_at)"
    " WHERE address != ''",
    "CREATE INDEX IF NOT EXISTS handled_interaction ON handled (interaction)",
    "CREATE INDEX IF NOT EXISTS handled_agent ON handled (agent, ended_at)",
    "CREATE INDEX IF NOT EXISTS agent_segment_agent ON agent_segment (agent, ended_at)",
    "CREATE INDEX IF NOT EXISTS recording_interaction ON recording (interaction)",
    "CREATE INDEX IF NOT EXISTS note_interaction ON note (interaction)",
)


class Past(Struct, frozen=True, kw_only=True):
    """A contact that is over."""

    interaction: str
    medium: str
    called: str
    started_at: float
    ended_at: float | None
    queue: str
    agent: str
    wait_s: float
    talk_s: float
    outcome: str
    reason: str
    code: str
    """The wrap-up code; empty: none was given."""
    recordings: tuple[str, ...]
    """Paths of the files that were made."""
    note: str
    note_agent: str


_CONTACTS: Final = """
SELECT rowid, interaction, medium, called, started_at, ended_at, queue, agent, wait_s, talk_s,
    outcome, reason
FROM interaction WHERE caller = ? AND (started_at, rowid) < (?, ?)
ORDER BY started_at DESC, rowid DESC LIMIT ?
"""
_CODE: Final = """
SELECT code FROM handled WHERE interaction = ? AND code != '' ORDER BY rowid DESC LIMIT 1
"""
_FILES: Final = "SELECT path FROM recording WHERE interaction = ? LIMIT 20"
_NOTE: Final = """
SELECT interaction, at, agent, account, text FROM note WHERE interaction = ?
ORDER BY rowid DESC LIMIT 1
"""
_AGENT: Final = "SELECT agent FROM interaction WHERE interaction = ? LIMIT 1"
_SINCE: Final = "WHERE agent = ? AND ended_at >= ? LIMIT ?"
_SEGMENTS: Final = f"SELECT {columns(AgentSegment)} FROM agent_segment {_SINCE}"
_HANDLED: Final = f"SELECT {columns(HandledRecord)} FROM handled {_SINCE}"


def contacts(
    db: Reader, number: str, limit: int, before: tuple[float, int] | None = None
) -> tuple[list[Past], tuple[float, int] | None]:
    """So many contacts of a caller, newest first, and the place to go on behind; None: no more."""
    found = db.execute(_CONTACTS, (number, *(before or (1e13, 0)), limit + 1)).fetchall()
    past = [_past(db, row[1:]) for row in found[:limit]]
    return past, (found[limit - 1][4], found[limit - 1][0]) if len(found) > limit else None


def _past(db: Reader, row: tuple[object, ...]) -> Past:
    names = (
        *("interaction", "medium", "called", "started_at", "ended_at", "queue", "agent"),
        *("wait_s", "talk_s", "outcome", "reason"),
    )
    values = dict(zip(names, row, strict=True))
    name = str(values["interaction"])
    code = db.execute(_CODE, (name,)).fetchone()
    written = note(db, name)
    return Past(
        **values,  # type: ignore[arg-type]  # columns by their names
        code=code[0] if code is not None else "",
        recordings=tuple(path for (path,) in db.execute(_FILES, (name,))),
        note=written.text if written is not None else "",
        note_agent=written.agent if written is not None else "",
    )


def note(db: Reader, interaction: str) -> NoteRecord | None:
    """The note to an interaction as it stands."""
    row = db.execute(_NOTE, (interaction,)).fetchone()
    return None if row is None else NoteRecord(*row)


def agent_of(db: Reader, interaction: str) -> str | None:
    """Who handled a contact that is over, empty: nobody; None: there is no such contact."""
    row = db.execute(_AGENT, (interaction,)).fetchone()
    return None if row is None else row[0] or ""


def agent_day(
    db: Reader, agent: str, since: float
) -> tuple[list[AgentSegment], list[HandledRecord]]:
    """An agent's time and what he handled, of what has ended since then."""
    values = (agent, since, MOST_OF_A_DAY)
    segments = [AgentSegment(*row) for row in db.execute(_SEGMENTS, values)]
    return segments, [HandledRecord(*row) for row in db.execute(_HANDLED, values)]

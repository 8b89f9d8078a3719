"""What is kept of a customer and of an agent's day: found along indexes, never by a scan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final

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
    peer: str
    caller: str
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
SELECT rowid, interaction, medium, peer, caller, called, started_at, ended_at, queue, agent, wait_s,
    talk_s, outcome, reason
FROM interaction WHERE {} AND (started_at, rowid) < (?, ?)
ORDER BY started_at DESC, rowid DESC LIMIT ?
"""
_BY_CALLER: Final = _CONTACTS.format("caller = ?")
_BY_NUMBER: Final = _CONTACTS.format("caller = ? AND medium NOT IN ('chat', 'email', 'task')")
_BY_MEDIUM: Final = _CONTACTS.format("caller = ? AND medium = ?")
_BY_CHANNEL: Final = _CONTACTS.format("caller = ? AND peer = ?")
_BY_ADDRESS: Final = _CONTACTS.format("address = ? AND address != ''")
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
    db: Reader, addresses: Sequence[str], limit: int, before: tuple[float, int] | None = None
) -> tuple[list[Past], tuple[float, int] | None]:
    """So many contacts of who has these addresses, newest first, and the place to go on behind;
    None: no more.

    An address is `KIND:VALUE`, or `:CALLER`: whoever has called or written so. Each is asked for
    by itself, along its index, for no more than what a page takes.
    """
    place = (*(before or (1e13, 0)), limit + 1)
    lines = [
        db.execute(query, (*values, *place)).fetchall()
        for address in addresses
        for query, values in questions(address)
    ]
    found = list(islice(_once(merge(*lines, key=_place, reverse=True)), limit + 1))
    past = [_past(db, row[1:]) for row in found[:limit]]
    return past, _place(found[limit - 1]) if len(found) > limit else None


def questions(address: str) -> list[tuple[str, tuple[str, ...]]]:
    """What finds the contacts of an address: queries, with what comes before the place."""
    kind, _, value = address.partition(":")
    proven = (_BY_ADDRESS, (address,))
    if kind == "number":
        return [(_BY_NUMBER, (value,)), proven]
    if kind == "email":
        low = value.lower()
        return [(_BY_MEDIUM, (low, "email")), (_BY_ADDRESS, (f"email:{low}",))]
    if kind == "chat":
        channel, _, name = value.partition("/")
        return [(_BY_CHANNEL, (name, channel))]
    if kind == "id":
        return [(_BY_MEDIUM, (value, "task")), proven]
    return [(_BY_CALLER, (value,))]


def _place(row: tuple[Any, ...]) -> tuple[float, int]:
    return row[6], row[0]


def _once(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """One that two addresses have found comes once: they follow each other."""
    last = None
    for row in rows:
        if row[0] != last:
            last = row[0]
            yield row


def _past(db: Reader, row: tuple[object, ...]) -> Past:
    names = (
        *("interaction", "medium", "peer", "caller", "called", "started_at", "ended_at"),
        *("queue", "agent"),
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

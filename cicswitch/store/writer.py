"""The journal's writer: one thread, group commit, and what makes up for a failure.

`append` costs the signalling loop a list append. The thread wakes every `commit_ms`, encodes and
books what has come since, and has the database write it in one transaction; the journal and the
rows booked from it are in the same transaction, so they can never differ. `await committed()`
returns when all that was appended before it is on disk.

A row of `journal` is what one commit took, a JSON array: an event costs a call six times less than
a row of its own. The view `event` shows one event a row (`at`, `type`, `data`) to whoever asks in
SQL.

Failure. A disk that is full, a database that is locked, a server that is away leaves the batch in
memory and the store `degraded` with the reason; it is tried again every second, and the switch goes
on. What waits is bounded by `MAX_PENDING` events and `MAX_TRACES` SIP ladders; past it the oldest
are counted as lost, loudly, never silently. A batch has at most `MAX_BATCH` events, so that what
has gathered in an hour can be written in pieces.
After a crash `open` finds what had no end and closes it with reason `restart`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import msgspec
import structlog
from msgspec.structs import astuple

from cicswitch.calls.events import (
    AlertAcknowledged,
    AlertCleared,
    AlertRaised,
    CallbackAccepted,
    LegDigit,
    NumberBlocked,
    SwitchStarted,
    SwitchStopped,
)
from cicswitch.calls.reason import Reason
from cicswitch.contacts.events import ContactAccepted
from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.records.alerts import ENDED
from cicswitch.records.journal import Event, Kept, decode_batch, encode_batch
from cicswitch.records.ledger import Ledger
from cicswitch.records.rows import (
    ConversationRecord,
    CustomerRecord,
    DraftRecord,
    OutboxRecord,
    Row,
)
from cicswitch.store import chat, contacts, people, tables, traces
from cicswitch.store.database import Batch, Database, Entry, Rows
from cicswitch.store.journal import batches
from cicswitch.store.traces import Trace

__all__ = ["MAX_PENDING", "StoreWriter"]

log = structlog.get_logger("store")

MAX_PENDING = 2_000_000
MAX_TRACES = 20_000
MAX_CHAT = 10_000
MAX_BATCH = 20_000
AGAIN_S = 1.0

_decode_pending: Final = msgspec.json.Decoder(
    CallbackAccepted | ContactAccepted | NumberBlocked
).decode


class StoreWriter:
    """The writer. `open` and `close` bracket its life; everything else is safe from the loop."""

    def __init__(
        self,
        database: Database,
        *,
        commit_ms: int = 50,
        trace_hours: int = 24,
        chat_days: int = 0,
        on_degraded: Callable[[str], None] | None = None,
    ) -> None:
        self.database = database
        self.degraded = ""
        """Why nothing can be written at the moment; empty when all is well."""
        self.lost = 0
        self.traces_lost = 0
        self.committed_events = 0
        self.recovered = 0
        self.last_at = 0.0
        """When the run before wrote its last event; filled by `open`."""
        self.callbacks: list[CallbackAccepted] = []
        """Who was to be called back when the switch stopped; filled by `open`."""
        self.blocked: list[NumberBlocked] = []
        """Who is not to be called; filled by `open`."""
        self.contacts: list[tuple[ContactAccepted, ConversationRecord]] = []
        """Contacts in writing that were not over when it stopped."""
        self.outbox: list[OutboxRecord] = []
        """What was not delivered yet."""
        self.drafts: list[DraftRecord] = []
        """Answers that were not sent yet."""
        self.customers: list[CustomerRecord] = []
        """Everybody who is known; filled by `open`."""
        self.alerts: list[AlertRaised | AlertAcknowledged | AlertCleared] = []
        """Alerts that were open then, and the last that had ended; filled by `open`."""
        self._commit_s = commit_ms / 1000
        self._trace_hours = trace_hours
        self.chat_days = chat_days
        """How long what colleagues write is kept; 0: for good."""
        self.chat_seq = 0
        """The last number of a message; filled by `open`."""
        self._chat: list[tuple[str, tuple[Any, ...]]] = []
        self._on_degraded = on_degraded
        self._pending: list[Event | Kept] = []
        self._traces: list[Trace] = []
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._ledger = Ledger()
        self._wake = threading.Event()
        self._stopping = False
        self._writer: threading.Thread | None = None
        self._batch: Batch | None = None
        """What was booked and not written yet: booking twice would count twice."""

    def open(self, now: float, version: str) -> int:
        """Open or make the database, close what a crash left open, start the writer.

        The number of legs and interactions that were closed. Raises `ResourceError` in one line.
        """
        self._stopping = False  # it may have been closed before
        self._wake.clear()
        opened: Future[None] = Future()
        writer = threading.Thread(
            target=self._run, args=(now, version, opened), name="store-writer", daemon=True
        )
        writer.start()
        try:
            opened.result()
        except Exception:
            writer.join()
            raise
        self._writer = writer
        return self.recovered

    def append(self, event: Event, rows: Sequence[Row] = ()) -> None:
        """Journal an event and book it. Digits can be secrets and are not kept.

        `rows` are written in the same transaction, and are no part of the journal.
        """
        if rows:
            self._pending.append(Kept(event, rows))
        elif type(event) is not LegDigit:
            self._pending.append(event)

    def append_trace(self, at: float, interaction: str, leg: str, steps: bytes) -> None:
        """Keep a leg's SIP ladder, which is in msgpack, for `trace_hours`."""
        if self._trace_hours:
            self._traces.append((at, interaction, leg, steps))

    def append_chat(self, statement: str, values: tuple[Any, ...]) -> None:
        """Keep what a colleague has written, or up to where he has read: `store.chat` has the
        statements. Raises `ResourceError` where too much waits already."""
        if len(self._chat) >= MAX_CHAT:
            raise ResourceError(self.degraded or "too much waits to be written")
        self._chat.append((statement, values))

    @property
    def pending(self) -> int:
        """Events that are not on disk yet."""
        return len(self._pending)

    async def committed(self) -> None:
        """Return when all that was appended before is on disk. Waits as long as it is not."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiters.append((loop, future))
        self._wake.set()
        await future

    def close(self, now: float, reason: str) -> None:
        """Write what is left, with the mark of an orderly end, and close. Idempotent."""
        if self._writer is None:
            return
        self.append(SwitchStopped(now, reason))
        self._stopping = True
        self._wake.set()
        self._writer.join(timeout=30)
        self._writer = None

    # -- the writer thread -----------------------------------------------------------------------

    def _run(self, now: float, version: str, opened: Future[None]) -> None:
        try:
            db = self._begin(now)
        except Exception as error:  # whatever it is: who waits for it is told
            self.database.close()
            opened.set_exception(error)
            return
        self.append(SwitchStarted(now, version))
        opened.set_result(None)
        try:
            self._serve(db)
        finally:
            self.database.close()

    def _begin(self, now: float) -> Reader:
        """Open the database and take up what the run before has left. Raises `ResourceError`."""
        try:
            db = self.database.open()
            self.recovered = self._recover(db)
            self._take_up(db)
            self._expire_chat(db, now)
            self.chat_seq = db.execute(chat.LAST).fetchone()[0]
            db.execute(tables.OLD_ALERTS, (ENDED,))
            self.alerts = [
                msgspec.json.decode(data, type=AlertRaised | AlertAcknowledged | AlertCleared)
                for (data,) in db.execute(tables.ALERTS, (ENDED,))
            ]
            self.alerts.sort(key=_when)
        except (OSError, sqlite3.Error, msgspec.MsgspecError) as error:
            name = self.database.name
            raise ResourceError(f"the store {name} cannot be opened: {error}") from None
        return db

    def _serve(self, db: Reader) -> None:
        expired_at = 0.0
        while True:
            stopping = self._stopping
            if not self._write() and stopping:
                log.error("store_lost_at_exit", events=len(self._pending), error=self.degraded)
                return
            if stopping and not (self._pending or self._traces or self._chat):
                return
            self.database.tidy()
            if self._ledger.last_at > expired_at + 600:
                expired_at = self._ledger.last_at
                self._expire_chat(db, expired_at)
                if self._trace_hours:
                    self._expire_traces(db, expired_at)
            if len(self._pending) < MAX_BATCH or self.degraded:
                self._wake.wait(AGAIN_S if self.degraded else self._commit_s)
                self._wake.clear()

    def _write(self) -> bool:
        """One group commit; False where it was refused, and all is kept for the next try."""
        self._lose_excess()
        batch = self._batch
        if batch is None:
            batch = self._batch = self._gathered()
            if batch is None:
                return True
        try:
            self.database.write(batch)
        except ResourceError as error:
            self._set_degraded(f"the store cannot be written: {error}")
            return False
        self._batch = None
        del self._pending[: batch.events]
        del self._traces[: batch.traced]
        del self._chat[: len(batch.said)]
        self.committed_events += batch.events
        self._set_degraded("")
        done, self._waiters[: batch.waiters] = self._waiters[: batch.waiters], []
        for loop, future in done:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)
        return True

    def _lose_excess(self) -> None:
        """The oldest of what is too much, behind what is being tried."""
        batch, ladders = self._batch, self._traces
        booked = 0 if batch is None else batch.events
        packed = 0 if batch is None else batch.traced
        if len(self._pending) > MAX_PENDING:
            excess = len(self._pending) - MAX_PENDING
            del self._pending[booked : booked + excess]
            self.lost += excess
            log.error("store_events_lost", lost=excess, total=self.lost, error=self.degraded)
        if len(ladders) > MAX_TRACES:
            excess = len(ladders) - MAX_TRACES
            del ladders[packed : packed + excess]
            self.traces_lost += excess
            log.error("traces_lost", lost=excess, total=self.traces_lost, error=self.degraded)

    def _gathered(self) -> Batch | None:
        """What has come since the last one; None: nothing has."""
        # Who waits is counted first: what he waits for is there by then.
        waiters = len(self._waiters)
        count, traced, said = len(self._pending), len(self._traces), len(self._chat)
        if not (count or traced or waiters or said):
            return None
        taken = count
        if taken > MAX_BATCH:
            taken, waiters = MAX_BATCH, 0
        entry: Entry | None = None
        rows: Rows = {}
        if taken:
            entry, rows = _booked(self._pending[:taken], self._ledger)
        ladders = traces.packed(self._traces[:traced]) if traced else []
        return Batch(
            entry,
            rows,
            ladders,
            self._chat[:said],
            events=taken,
            traced=traced,
            waiters=waiters,
        )

    def _set_degraded(self, reason: str) -> None:
        if reason != self.degraded:
            self.degraded = reason
            if reason:
                log.error("store_degraded", error=reason)
            else:
                log.info("store_recovered", pending=len(self._pending))
            if self._on_degraded is not None:
                self._on_degraded(reason)

    def _expire_traces(self, db: Reader, now: float) -> None:
        try:
            db.execute(traces.EXPIRE, (now - self._trace_hours * 3600,))
        except (sqlite3.Error, ResourceError) as error:
            log.warning("trace_expiry_failed", error=str(error))

    def _expire_chat(self, db: Reader, now: float) -> None:
        if not self.chat_days:
            return
        try:
            db.execute(chat.EXPIRE, (now - self.chat_days * 86400,))
        except (sqlite3.Error, ResourceError) as error:
            log.warning("chat_expiry_failed", error=str(error))

    # -- recovery --------------------------------------------------------------------------------

    def _take_up(self, db: Reader) -> None:
        """What is not done, of the run before."""
        self.callbacks, self.contacts, self.blocked = [], [], []
        for (data,) in db.execute(tables.PENDING):
            event = _decode_pending(data)
            if isinstance(event, CallbackAccepted):
                self.callbacks.append(event)
                continue
            if isinstance(event, NumberBlocked):
                self.blocked.append(event)
                continue
            found = contacts.conversation(db, event.conversation)
            if found is None:
                log.error("conversation_missing", interaction_id=event.interaction)
                continue
            self.contacts.append((event, found))
        self.outbox = contacts.outbox(db)
        self.drafts = contacts.drafts(db)
        self.customers = people.everybody(db)

    def _recover(self, db: Reader) -> int:
        """Close what was open when the switch died: the books end at its last event."""
        newest = db.execute("SELECT data FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
        if newest is None:
            return 0
        last = decode_batch(newest[0])[-1]
        self.last_at = last.at
        if isinstance(last, SwitchStopped):
            return 0
        ledger = Ledger()
        found = db.execute("SELECT coalesce(max(seq), 0) FROM journal WHERE starts").fetchone()
        for data in batches(db, found[0]):
            for event in decode_batch(data):
                if isinstance(event, SwitchStarted):
                    ledger = Ledger()
                ledger.feed(event)
        open_count = ledger.open
        closing = [*ledger.closing_events(Reason.RESTART)]
        closing.append(SwitchStopped(ledger.last_at, Reason.RESTART))
        entry, rows = _booked(closing, ledger)
        self.database.write(Batch(entry, rows, [], []))
        return open_count


def _when(event: AlertRaised | AlertAcknowledged | AlertCleared) -> float:
    return event.at


def _booked(batch: Sequence[Event | Kept], ledger: Ledger) -> tuple[Entry, Rows]:
    """The journal's entry of a batch, and the rows that it completes."""
    rows: Rows = {}
    starts = False
    events: list[Event] = []
    for each in batch:
        event: Event
        made: Sequence[Row]
        if isinstance(each, Kept):
            event = each.event
            made = [*each.rows, *ledger.feed(event)]
        else:
            event = each
            made = ledger.feed(event)
        events.append(event)
        if type(event) is SwitchStarted:
            starts = True
        for row in made:
            values = rows.get(type(row))
            if values is None:
                values = rows[type(row)] = []
            values.append(astuple(row))
    at = events[0].at if events else 0.0
    return (at, len(events), starts, encode_batch(events).decode()), rows


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

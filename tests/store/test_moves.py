"""Messages that go into another conversation, and drafts, in both stores."""

from __future__ import annotations

from collections.abc import Sequence

from cicswitch.calls import events as ev
from cicswitch.records.rows import (
    DraftRecord,
    MergeRecord,
    MessageRecord,
    OutboxRecord,
    Row,
    SplitRecord,
)
from cicswitch.runtime.place import Place
from cicswitch.store import contacts
from cicswitch.store.make import make_store
from cicswitch.store.reader import reading
from cicswitch.store.writer import StoreWriter


def write(store: StoreWriter, *rows: Row) -> None:
    """Rows, with an event that brings them."""
    store.append(ev.NoteWritten(30.0, "i", "kim", "kim", "x"), rows)


def said(name: str, conversation: str, seq: int, at: float) -> Sequence[Row]:
    return (
        MessageRecord(name, conversation, seq, "i", at, "customer", name, "[]", "mail", name),
        OutboxRecord(name, conversation, "mail", 0.0, 0, "", False),
    )


def test_messages_go_into_another_conversation_in_the_order_of_their_times(place: Place) -> None:
    store = make_store(place)
    store.open(9.0, "1")
    for name, conversation, seq, at in (
        *(("a1", "a", 1, 10.0), ("a2", "a", 2, 13.0), ("b1", "b", 1, 11.0), ("b2", "b", 2, 14.0)),
        ("other", "c", 1, 12.0),
    ):
        write(store, *said(name, conversation, seq, at))
    write(store, MergeRecord("b", "a"))
    store.close(50.0, "stopped")
    with reading(place) as db:
        found = [(each.seq, each.text) for each in contacts.messages(db, "a")]
        assert found == [(1, "a1"), (2, "b1"), (3, "a2"), (4, "b2")]
        assert contacts.messages(db, "b") == []
        assert len(contacts.messages(db, "c")) == 1
        where = {each.message: each.conversation for each in contacts.outbox(db)}
        assert where == {"a1": "a", "a2": "a", "b1": "a", "b2": "a", "other": "c"}
    store = make_store(place)
    store.open(51.0, "1")
    write(store, SplitRecord("a", "d", 3, 60.0))
    store.close(70.0, "stopped")
    with reading(place) as db:
        assert [(each.seq, each.text) for each in contacts.messages(db, "a")] == [
            *((1, "a1"), (2, "b1"))
        ]
        assert [(each.seq, each.text) for each in contacts.messages(db, "d")] == [
            *((1, "a2"), (2, "b2"))
        ]
        where = {each.message: each.conversation for each in contacts.outbox(db)}
        assert where == {"a1": "a", "b1": "a", "a2": "d", "b2": "d", "other": "c"}


def test_a_draft_is_kept_until_it_is_empty(place: Place) -> None:
    store = make_store(place)
    store.open(9.0, "1")
    for text in ("first", "last", ""):
        write(store, DraftRecord("a", "kim", "kim", 10.0, "", text))
        write(store, DraftRecord("b", "kim", "kim", 10.0, "", text or "kept"))
    store.close(50.0, "stopped")
    with reading(place) as db:
        assert [(each.conversation, each.text) for each in contacts.drafts(db)] == [("b", "kept")]

"""Conversations, faxes and what is to be delivered: of each the last state counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cicswitch.calls.events import AlertCleared, AlertRaised, SwitchStarted
from cicswitch.contacts.events import ContactAccepted
from cicswitch.ports import Reader, Rows
from cicswitch.records.rows import (
    AlertRecord,
    ConversationRecord,
    FaxRecord,
    MessageRecord,
    OutboxDone,
    OutboxRecord,
    Pending,
)
from cicswitch.runtime.place import Place
from cicswitch.store import chat, contacts
from cicswitch.store.make import make_store
from cicswitch.store.reader import reading
from cicswitch.store.sqlite import SqliteStore
from cicswitch.store.writer import StoreWriter

ALERT: dict[str, Any] = {
    "at": 3.0,
    "alert": "a1",
    "name": "long",
    "figure": "waiting",
    "subject": "support",
    "queue": "support",
    "direction": "above",
    "threshold": 5.0,
    "clear": 4.0,
    "severity": "warning",
    "value": 6.0,
    "raised_at": 3.0,
}
FILE = '[{"digest":"d1","name":"a.pdf","media_type":"application/pdf","size":7}]'


def conversation(number: int, **more: Any) -> ConversationRecord:
    values = dict.fromkeys(ConversationRecord.__struct_fields__, "")
    values |= {"id": f"c{number}", "channel": "web", "medium": "chat", "customer": f"x{number % 2}"}
    times = {"opened_at": 1.0, "updated_at": 10.0 + number // 2, "seq": 0}  # two at the same time
    return msgspec.convert({**values, **times, **more}, ConversationRecord)


def fax(number: int, **more: Any) -> FaxRecord:
    at = 10.0 + number // 2
    made = FaxRecord(f"f{number}", "out", "fax", "c1", "m1", "5551", "5000", at, at, "waiting")
    return msgspec.structs.replace(made, **more)


def message(number: int, external: str, attachments: str = "") -> MessageRecord:
    name = f"c{number % 2}"
    return MessageRecord(
        *(f"m{number}", name, number, "i1", 2.0, "customer", f"text {number}", attachments),
        *("mail", external),
    )


def fill(store: StoreWriter) -> None:
    store.open(1.0, "1")
    accepted = ContactAccepted(2.0, "i1", "c1", "web", "chat", "x1", "chat")
    raised = AlertRaised(**ALERT)
    rows: list[Any] = [
        *(conversation(number, token="t" if number == 3 else "") for number in range(8)),
        conversation(1, subject="second"),
        *(message(number, f"<{number}>#1", FILE if number == 1 else "") for number in range(4)),
        *(fax(number) for number in range(5)),
        fax(1, tiff="t" * 64, state="sent"),
        *(
            OutboxRecord(f"m{number}", "c1", "mail", 3.0, 0, "", number == 0)
            for number in (2, 0, 1)
        ),
        OutboxDone("m1"),
        Pending("i1", msgspec.json.encode(accepted).decode()),
        Pending("i2", "{}"),
        Pending("i2", ""),
        AlertRecord("a1", None, msgspec.json.encode(raised).decode()),
    ]
    store.append(SwitchStarted(2.0, "1"), rows)
    store.append_chat(chat.READ, ("kim", "supervisors", 5))
    store.append_chat(chat.READ, ("kim", "supervisors", 3))
    for number in (1, 2, 2):
        store.append_chat(chat.ADD, (number, 2.0, "supervisors", "lee", f"id{number}", "x"))
    store.close(9.0, "stopped")


@pytest.fixture
def db(place: Place) -> Iterator[Reader]:
    fill(make_store(place))
    with reading(place) as reader:
        yield reader


def test_the_last_state_of_a_conversation_counts_and_pages_have_each_once(db: Reader) -> None:
    found = contacts.conversation(db, "c1")
    assert found is not None
    assert found.subject == "second"
    seen: list[str] = []
    before = None
    while page := contacts.conversations(db, 3, before):
        seen += [each.id for _, each in page]
        before = (page[-1][1].updated_at, page[-1][0])
    assert seen == [f"c{number}" for number in range(7, -1, -1)]
    mine = contacts.conversations(db, 10, customer="x1", channel="web")
    assert [each.id for _, each in mine] == ["c7", "c5", "c3", "c1"]
    token = contacts.by_token(db, "web", "t")
    assert token is not None
    assert token.id == "c3"
    assert contacts.by_token(db, "web", "") is None


def test_messages_are_found_by_their_number_their_name_and_what_stands_before_a_hash(
    db: Reader,
) -> None:
    assert [each.text for each in contacts.messages(db, "c1")] == ["text 1", "text 3"]
    assert [each.seq for each in contacts.messages(db, "c1", after=1)] == [3]
    assert contacts.known(db, "mail", "<2>#1") == ("m2", "c0", 2)
    assert contacts.known(db, "web", "<2>#1") is None
    for names, expected in ((["<9>", "<3>"], "c1"), (["<2>#1"], "c0"), (["<"], None), ([], None)):
        found = contacts.answered(db, "mail", names)
        assert (None if found is None else found.id) == expected, names
    one = contacts.message(db, "m1")
    assert one is not None
    assert [each.name for each in one.attachments] == ["a.pdf"]


class Planned:
    """Asks, and writes down how SQLite goes about it."""

    def __init__(self, db: Reader) -> None:
        self.db, self.steps = db, list[str]()

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Rows:
        self.steps += [row[3] for row in self.db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
        return self.db.execute(query, values)


def test_what_each_message_that_comes_in_asks_goes_by_an_index_to_a_row(tmp_path: Path) -> None:
    fill(SqliteStore(tmp_path / "store.db"))
    with reading(tmp_path / "store.db") as db:
        asked = Planned(db)
        assert contacts.known(asked, "mail", "<2>#1") is not None
        assert contacts.answered(asked, "mail", ["<9>", "<3>"]) is not None
        assert contacts.heir(asked, "m1", "c1") == "c1"
        assert contacts.by_token(asked, "web", "t") is not None
        assert contacts.attachment(asked, "c1", "d1") is not None
        assert contacts.message(asked, "m1") is not None
        assert contacts.messages(asked, "c1")
    assert len(asked.steps) > 8
    for step in asked.steps:  # of one name, not of all that a channel has
        assert step.startswith("SEARCH"), step
        assert "(channel=?)" not in step, step


def test_a_file_is_named_by_its_message_and_the_pages_of_a_fax_by_it(db: Reader) -> None:
    found = contacts.attachment(db, "c1", "d1")
    assert found is not None
    assert (found.name, found.size) == ("a.pdf", 7)
    pages = contacts.attachment(db, "c1", "t" * 64)
    assert pages is not None
    assert pages.media_type == "image/tiff"
    assert contacts.attachment(db, "c0", "d1") is None
    assert [each.id for _, each in contacts.faxes(db, 3)] == ["f4", "f3", "f2"]
    sent = contacts.fax(db, "f1")
    assert sent is not None
    assert (sent.state, [each.id for _, each in contacts.faxes(db, 9, state="sent")]) == (
        "sent",
        ["f1"],
    )


def test_what_colleagues_write_is_there_once_and_what_is_read_stays_read(db: Reader) -> None:
    assert chat.counts(db, ["supervisors", "queue:none"], "kim") == {"supervisors": (0, 2)}
    assert chat.counts(db, ["supervisors"], "boss") == {"supervisors": (2, 2)}
    assert chat.counts(db, [], "kim") == {}
    own = chat.said(db, [], ["supervisors"], "lee", after=1, before=None, limit=5)
    assert [each.seq for each in own] == [2]
    assert chat.said(db, [], ["supervisors"], "kim", after=0, before=9, limit=5) == []
    found = chat.by_id(db, "lee", "id1")
    assert found is not None
    assert found.seq == 1


def test_what_is_not_done_is_taken_up_in_its_order(place: Place) -> None:
    store = make_store(place)
    fill(store)
    store.open(20.0, "1")
    assert [(each.message, each.dead) for each in store.outbox] == [("m2", False), ("m0", True)]
    assert [(event.interaction, kept.id) for event, kept in store.contacts] == [("i1", "c1")]
    assert (store.callbacks, store.chat_seq) == ([], 2)
    (alert,) = store.alerts
    assert isinstance(alert, AlertRaised)
    over = AlertCleared(**{**ALERT, "at": 21.0}, reason="back")
    store.append(over, [AlertRecord("a1", 21.0, msgspec.json.encode(over).decode())])
    store.close(22.0, "stopped")
    store.open(30.0, "1")
    assert store.alerts == [over]
    store.close(31.0, "stopped")

"""The rows of the books, one class a table.

LegRecord          a CDR, one a leg
InteractionRecord  one a contact
QueueVisit         one for each time that an interaction was offered to a queue
HandledRecord      an agent's share of an interaction, booked when its after-call work ends
AnswerRecord       an answer in writing, and whether it came in time
Pending            what has to outlive a restart, while it has to
ConversationRecord what a customer and the center write to each other; the last state counts
MessageRecord      a message of a conversation
FaxRecord          a fax that came or goes, as it stands
OutboxRecord       a message that is not delivered yet; OutboxDone: it is, or never will be
DraftRecord        an answer that is not sent yet
MergeRecord        messages that go into another conversation; SplitRecord: some of them
NoteRecord         what an agent has written down; of several the last counts
RecordingRecord    a recording or a voicemail message, booked when its file is closed
AgentSegment       a stretch of an agent's time in one state; they partition the time
CustomerRecord     a person with his addresses, as he stands; CustomerGone: he is removed
"""

from __future__ import annotations

from functools import cache

from msgspec import Struct

__all__ = [
    "AgentSegment",
    "AlertRecord",
    "AnswerRecord",
    "ConversationRecord",
    "CustomerGone",
    "CustomerRecord",
    "DraftRecord",
    "FaxRecord",
    "HandledRecord",
    "InteractionRecord",
    "LegRecord",
    "MergeRecord",
    "MessageRecord",
    "NoteRecord",
    "OutboxDone",
    "OutboxRecord",
    "Pending",
    "QueueVisit",
    "RecordingRecord",
    "Row",
    "SplitRecord",
    "columns",
]


class LegRecord(Struct, gc=False):
    """A call detail record. Times are seconds of the epoch, None where it did not happen."""

    leg: str
    interaction: str
    direction: str
    peer: str
    caller: str
    called: str
    sip_call_id: str
    started_at: float
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    status: int = 0
    remote: bool = False
    codec: str = ""
    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    rtt_ms: float | None = None
    far_lost: int | None = None
    """Of what it was sent, as its far end reported; `far_…` alike."""
    far_jitter_ms: float | None = None
    mos: float | None = None
    far_mos: float | None = None


class InteractionRecord(Struct, gc=False):
    """A contact as a whole. `outcome`: handled, abandoned, flowed-out, self-service, failed, or
    merged (into another)."""

    interaction: str
    medium: str
    peer: str
    caller: str
    called: str
    flow: str
    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    queue: str = ""
    agent: str = ""
    wait_s: float = 0.0
    talk_s: float = 0.0
    hold_s: float = 0.0
    outcome: str = ""
    reason: str = ""
    recording: str = ""
    segment: str = ""
    """Of the customer, if it was in a queue."""
    address: str = ""
    """What the customer is found by where that is not `caller`: `id:4711`, or a mail address in
    lower case, `email:park@example.com`."""


class QueueVisit(Struct, gc=False):
    """One stay in a queue. `outcome`: answered, abandoned, refused, or why it flowed out."""

    interaction: str
    queue: str
    queued_at: float
    ended_at: float
    outcome: str
    wait_s: float
    agent: str = ""


class HandledRecord(Struct, gc=False):
    """An agent's share of an interaction."""

    interaction: str
    queue: str
    agent: str
    ended_at: float
    talk_s: float
    hold_s: float
    acw_s: float
    code: str


class AnswerRecord(Struct, gc=False):
    """An answer in writing that had a due date. `took_s`: in the queue's hours, without the time
    in which it was put aside."""

    interaction: str
    queue: str
    agent: str
    asked_at: float
    answered_at: float
    due_at: float
    took_s: float
    within: int


class AgentSegment(Struct, gc=False):
    """An agent was in one state from `started_at` to `ended_at`."""

    agent: str
    state: str
    started_at: float
    ended_at: float
    code: str = ""
    interaction: str = ""
    queue: str = ""


class RecordingRecord(Struct, gc=False):
    """A file that holds what was said. `kind`: recording, voicemail. The file may be gone since."""

    recording: str
    interaction: str
    kind: str
    path: str
    started_at: float
    duration_s: float | None = None
    queue: str = ""
    agent: str = ""
    caller: str = ""
    called: str = ""
    segment: str = ""
    box: str = ""
    error: str = ""


class NoteRecord(Struct, gc=False):
    """A note to an interaction, as it was written; the last one of an interaction counts."""

    interaction: str
    at: float
    agent: str
    account: str
    text: str


class Pending(Struct, gc=False):
    """What was promised to somebody and is not done: the next start finds it again.

    `data` is the JSON of the event that promised it, as it stands now; empty: it is done.
    """

    interaction: str
    data: str


class ConversationRecord(Struct, gc=False):
    """A conversation as it stands."""

    id: str
    channel: str
    medium: str
    customer: str
    called: str
    name: str
    subject: str
    language: str
    opened_at: float
    updated_at: float
    interaction: str
    """The contact that is open; empty: none is."""
    agent: str
    """Who has it, or had it last."""
    queue: str
    seq: int
    """Of its last message."""
    token: str
    """SHA-256 of the secret by which the customer comes back to it; empty: there is none."""
    data: str
    """JSON of the channel's: what it needs to answer."""
    merged: str = ""
    """The conversation that it has gone into."""
    split: str = ""
    """The one that it was made of."""


class FaxRecord(Struct, gc=False):
    """A fax. `id` is the call that brought it, or the message that is sent."""

    id: str
    direction: str
    """`in` or `out`."""
    channel: str
    conversation: str
    message: str
    number: str
    """The far end's."""
    called: str
    """Ours."""
    at: float
    updated_at: float
    state: str
    """In: `received` or `partial`. Out: `waiting`, `sending`, `sent` or `failed`."""
    attempts: int = 0
    pages: int = 0
    cause: str = ""
    tiff: str = ""
    """The digest of its pages in the store of attachments; `pdf` likewise."""
    pdf: str = ""
    result: str = ""
    """JSON of the `FaxResult` of the last attempt that reached a fax machine."""


class MessageRecord(Struct, gc=False):
    """A message. `attachments` is JSON; `external` is what the medium knows it by."""

    id: str
    conversation: str
    seq: int
    interaction: str
    at: float
    author: str
    text: str
    attachments: str
    channel: str
    external: str
    subject: str = ""


class OutboxRecord(Struct, gc=False):
    """A message on its way out. `due_at`: the next attempt; `dead`: given up, somebody has to look
    at it."""

    message: str
    conversation: str
    channel: str
    due_at: float
    attempts: int
    error: str
    dead: bool


class OutboxDone(Struct, gc=False):
    """Nothing is left to be done for a message."""

    message: str


class DraftRecord(Struct, gc=False):
    """What an agent has written of an answer that is not sent; without text and subject: it is
    sent, or thrown away."""

    conversation: str
    agent: str
    account: str
    at: float
    subject: str
    text: str


class MergeRecord(Struct, gc=False):
    """All messages of one conversation go into another, in the order of their times."""

    conversation: str
    into: str


class SplitRecord(Struct, gc=False):
    """Messages from a number on, that were there at a time, go into another conversation."""

    conversation: str
    into: str
    seq: int
    at: float


class CustomerRecord(Struct, gc=False):
    """A person as he stands."""

    id: str
    name: str
    language: str
    segment: str
    fields: str
    """JSON of the center's own fields."""
    addresses: str
    """JSON: `["number:+82…", "email:…"]`."""
    created_at: float
    updated_at: float
    sort: str = ""
    """What lists are sorted by."""
    search: str = ""
    """All that he is found by, in lower case."""


class CustomerGone(Struct, gc=False):
    """A person is not known any more."""

    id: str


class AlertRecord(Struct, gc=False):
    """An alert as it stands: `data` is the JSON of its last event."""

    alert: str
    ended_at: float | None
    data: str


Row = (
    LegRecord
    | InteractionRecord
    | QueueVisit
    | HandledRecord
    | AnswerRecord
    | AgentSegment
    | RecordingRecord
    | NoteRecord
    | Pending
    | ConversationRecord
    | FaxRecord
    | MessageRecord
    | OutboxRecord
    | OutboxDone
    | DraftRecord
    | MergeRecord
    | SplitRecord
    | CustomerRecord
    | CustomerGone
    | AlertRecord
)


@cache
def columns(row: type) -> str:
    """The columns of a table, in the order of its Struct's fields."""
    return ", ".join(row.__struct_fields__)  # type: ignore[attr-defined]  # rows are Structs

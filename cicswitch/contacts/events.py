"""What happens to contacts in writing. What was written is in the store, never in an event."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "ContactAccepted",
    "ContactAnswered",
    "ContactAssigned",
    "ContactCalled",
    "ContactDue",
    "ContactEvent",
    "ContactFreed",
    "ContactOverdue",
    "ContactPlaced",
    "ContactSnoozed",
    "ContactWoken",
    "ConversationMerged",
    "ConversationSplit",
    "CustomerTyped",
    "DraftKept",
    "FaxChanged",
    "MessageDelivered",
    "MessageWritten",
]


class ContactAccepted(Struct, frozen=True, tag=True):
    """A contact begins: all that it takes to take it up again after a restart.

    `queue` is empty until the dialplan has found one; its place there counts from `queued_at`.
    """

    at: float
    interaction: str
    conversation: str
    channel: str
    medium: str
    customer: str
    called: str
    name: str = ""
    subject: str = ""
    language: str = ""
    context: dict[str, str] = {}
    queue: str = ""
    queued_at: float = 0.0
    skills: dict[str, int] = {}
    require: str = ""
    prefer: tuple[str, ...] = ()
    patience_s: float = 0.0
    priority: int = 0
    segment: str = ""
    expires_at: float = 0.0
    """When the queue lets it go; 0: never."""
    agent: str = ""
    """Who has it."""
    asked_at: float = 0.0
    """Since when the customer waits for an answer; 0: he does not."""
    due_at: float = 0.0
    """Until when it is to be answered; 0: nobody has said."""
    due_by: str = ""
    """Who has said so; empty: its queue."""
    overdue: bool = False
    """That time has passed, and this was told."""
    aside_s: float = 0.0
    """Open seconds of the queue, since `asked_at`, in which it was put aside."""
    snoozed_at: float = 0.0
    snoozed_until: float = 0.0
    """When it comes back; 0: it is not put aside."""
    snoozed_for: str = ""
    """The agent who has put it aside."""
    again: bool = False
    """It was answered before, and is back: queues have counted it."""


class ContactPlaced(Struct, frozen=True, tag=True):
    """It has a place in a queue."""

    at: float
    interaction: str
    queue: str
    queued_at: float
    skills: dict[str, int]
    require: str
    prefer: tuple[str, ...]
    patience_s: float
    priority: int
    segment: str
    expires_at: float


class ContactAssigned(Struct, frozen=True, tag=True, gc=False):
    """An agent has it."""

    at: float
    interaction: str
    conversation: str
    agent: str


class ContactFreed(Struct, frozen=True, tag=True, gc=False):
    """The agent has it no more, and it is not over: handed on, or given back."""

    at: float
    interaction: str
    agent: str
    reason: str


class ContactSnoozed(Struct, frozen=True, tag=True, gc=False):
    """It is put aside until a time: `agent` gets it back then."""

    at: float
    interaction: str
    conversation: str
    queue: str
    agent: str
    until: float
    by: str


class ContactWoken(Struct, frozen=True, tag=True, gc=False):
    """It is back. `reason`: `due`, `customer` (he has written), or who has called it back."""

    at: float
    interaction: str
    conversation: str
    queue: str
    agent: str
    reason: str


class ContactDue(Struct, frozen=True, tag=True, gc=False):
    """Since when its customer waits for an answer, and until when he is to have it; 0: neither."""

    at: float
    interaction: str
    conversation: str
    queue: str
    agent: str
    asked_at: float
    due_at: float
    by: str = ""
    aside_s: float = 0.0


class ContactOverdue(Struct, frozen=True, tag=True, gc=False):
    """It was to be answered by now."""

    at: float
    interaction: str
    conversation: str
    queue: str
    agent: str
    due_at: float


class ContactAnswered(Struct, frozen=True, tag=True, gc=False):
    """Its customer has an answer. `took_s` are seconds in which the queue was open and the contact
    not put aside."""

    at: float
    interaction: str
    conversation: str
    queue: str
    agent: str
    asked_at: float
    due_at: float
    took_s: float
    within: bool


class DraftKept(Struct, frozen=True, tag=True, gc=False):
    """An agent has written so many characters of an answer; 0: he has thrown it away."""

    at: float
    interaction: str
    conversation: str
    agent: str
    size: int


class ConversationMerged(Struct, frozen=True, tag=True, gc=False):
    """The messages of `merged` are in `conversation` now, with the contact `interaction`; that of
    the other, `ended`, is over."""

    at: float
    interaction: str
    conversation: str
    merged: str
    ended: str
    queue: str
    agent: str
    by: str


class ConversationSplit(Struct, frozen=True, tag=True, gc=False):
    """`message` and what follows it are the conversation `split` now, with the contact
    `interaction`."""

    at: float
    interaction: str
    conversation: str
    split: str
    message: str
    queue: str
    agent: str
    by: str


class ContactCalled(Struct, frozen=True, tag=True, gc=False):
    """Its customer calls, out of the chat: `call` is that interaction."""

    at: float
    interaction: str
    conversation: str
    call: str


class MessageWritten(Struct, frozen=True, tag=True, gc=False):
    """A message was written, and is in the store. `agent` is who has the contact."""

    at: float
    conversation: str
    interaction: str
    message: str
    seq: int
    author: str
    channel: str
    agent: str = ""


class MessageDelivered(Struct, frozen=True, tag=True, gc=False):
    """How the delivery of a message goes: `sent`, `deferred` (tried again), or
    `failed` for good."""

    at: float
    conversation: str
    message: str
    state: str
    error: str = ""


class CustomerTyped(Struct, frozen=True, tag=True, gc=False):
    """The customer types. Told to those who listen, never journalled."""

    at: float
    interaction: str
    conversation: str
    agent: str


class FaxChanged(Struct, frozen=True, tag=True, gc=False):
    """How a fax stands: `in` received or partial, `out` waiting, sending, sent or failed.

    `fax` is the call that brought it, or the message that is sent.
    """

    at: float
    fax: str
    channel: str
    direction: str
    state: str
    pages: int
    cause: str
    conversation: str


ContactEvent = (
    ContactAccepted
    | ContactPlaced
    | ContactAssigned
    | ContactFreed
    | ContactSnoozed
    | ContactWoken
    | ContactDue
    | ContactOverdue
    | ContactAnswered
    | ContactCalled
    | MessageWritten
    | MessageDelivered
    | CustomerTyped
    | DraftKept
    | ConversationMerged
    | ConversationSplit
    | FaxChanged
)

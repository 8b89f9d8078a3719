"""Conversations in writing: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.api.shapes.common import Limit, Paging

__all__ = [
    "AnswerView",
    "Answers",
    "AttachmentQuery",
    "AttachmentView",
    "ChannelTested",
    "ChannelView",
    "ConversationQuery",
    "ConversationView",
    "DraftView",
    "Drafting",
    "Merging",
    "MessageQuery",
    "MessageView",
    "OpenConversations",
    "OutboxView",
    "Reading",
    "Splitting",
    "StartBody",
    "StartingChannels",
    "StartingView",
    "TaskBody",
    "TaskTaken",
    "Writing",
]

_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]


class ConversationView(Struct, frozen=True, kw_only=True):
    """What a customer and the center write to each other over one channel."""

    conversation: str
    channel: str
    medium: str
    customer: str
    name: str
    customer_id: str = ""
    """Who it is, of those who are known: `GET /customers/KEY`."""
    customer_name: str = ""
    customer_sure: bool = True
    """False: a mail bears his address, and its server says that it may be somebody else's."""
    called: str
    """The mailbox, number or widget that it came to."""
    subject: str
    language: str
    opened_at: float
    updated_at: float
    messages: int
    interaction: str
    """The contact that is not over; empty: there is none."""
    state: str
    """Of that: `dialplan`, `queued`, `talking`; empty: it is over."""
    queue: str
    agent: str
    """Who has it, or had it last."""
    authentication: str = ""
    """Of an email: what one's own mail server says of the sender, like `dkim=pass spf=pass`."""
    signature: str = ""
    """Of an email: what is put below an answer."""
    merged: str = ""
    """The conversation that it has gone into, with its messages."""
    split: str = ""
    """The one that it was split off."""


class ConversationQuery(Paging, frozen=True, kw_only=True):
    """Which conversations."""

    customer: str = ""
    agent: str = ""
    channel: str = ""


class AttachmentView(Struct, frozen=True, kw_only=True):
    """A file of a message."""

    digest: str
    """SHA-256, hexadecimal."""
    name: str
    media_type: str
    """What its bytes say that it is."""
    size: int
    use: str = ""
    """`html`: of an email, what it looks like, made safe: `messages/M/html` shows it."""
    blocked: int = 0
    """Of that: pictures on other servers, which are left out."""
    state: str = ""
    """`unscanned` or `infected`: it is not given out; `gone`; empty: it can be had."""


class AttachmentQuery(Struct, frozen=True, kw_only=True):
    """What is uploaded."""

    conversation: Annotated[str, Meta(max_length=80)] = ""
    """The one that it is to be sent in; empty: one that is to be begun."""
    name: Annotated[str, Meta(min_length=1, max_length=400)]


class MessageView(Struct, frozen=True, kw_only=True):
    """A message."""

    message: str
    seq: int
    at: float
    author: str
    """`customer`, `agent:NAME`, `bot`, or `system`."""
    text: str
    interaction: str
    attachments: list[AttachmentView] = []
    folded: int = 0
    """Of an email: so many characters of the text are new, what follows is quoted; 0: all are."""
    delivery: str = ""
    """Of an answer: `waiting`, `failed`; empty: it was sent."""
    error: str = ""
    """Why it is not delivered."""
    subject: str = ""
    """Of an email that has one of its own."""


class MessageQuery(Struct, frozen=True, kw_only=True):
    """Which messages."""

    after: Annotated[int, Meta(ge=0)] = 0
    """Those behind this number."""
    limit: Limit = 200


class Writing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message to the customer."""

    text: Annotated[str, Meta(max_length=20_000)] = ""
    subject: Annotated[str, Meta(max_length=200)] = ""
    """Of an email; empty: that of the conversation."""
    attachments: Annotated[list[_Digest], Meta(max_length=50)] = []
    """Digests of what was uploaded for this conversation."""


class StartBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A first message to a customer."""

    channel: Annotated[str, Meta(min_length=1, max_length=64)]
    """A channel that can write first: of type `email` or `sip`."""
    to: Annotated[str, Meta(min_length=1, max_length=320)]
    """An address; of texts by SIP `TRUNK:NUMBER`, `device:NUMBER` or a device's number."""
    text: Annotated[str, Meta(max_length=20_000)] = ""
    subject: Annotated[str, Meta(max_length=200)] = ""
    """An email needs one."""
    name: Annotated[str, Meta(max_length=80)] = ""
    """The customer's."""
    called: Annotated[str, Meta(max_length=320)] = ""
    """Which of the channel's own addresses it comes from; empty: its first. A text by SIP needs
    one: the number that it comes from."""
    language: Annotated[str, Meta(max_length=16)] = ""
    attachments: Annotated[list[_Digest], Meta(max_length=50)] = []
    """Digests of what was uploaded for it, without a conversation."""


class StartingView(Struct, frozen=True, kw_only=True):
    """A channel by which a customer can be written to first."""

    channel: str
    medium: str
    called: list[str]
    """Its own addresses; empty: the number has to be given."""


class StartingChannels(Struct, frozen=True):
    """All of them."""

    items: list[StartingView]


class Drafting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer so far; without text and subject it is thrown away."""

    text: Annotated[str, Meta(max_length=20_000)] = ""
    subject: Annotated[str, Meta(max_length=200)] = ""


class DraftView(Struct, frozen=True, kw_only=True):
    """An answer that is not sent."""

    conversation: str
    text: str = ""
    subject: str = ""
    agent: str = ""
    """Who has written it; empty: there is none."""
    account: str = ""
    at: float | None = None


class Merging(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which conversation is made one with it."""

    conversation: Annotated[str, Meta(min_length=1, max_length=80)]


class Splitting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it is split: this message and what follows go."""

    message: Annotated[str, Meta(min_length=1, max_length=80)]
    subject: Annotated[str, Meta(max_length=200)] = ""
    """Of the new conversation; empty: the same."""


class OpenConversations(Struct, frozen=True):
    """Conversations that are open."""

    items: list[ConversationView]


class Reading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the agent has read."""

    seq: Annotated[int, Meta(ge=1)]


class TaskBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work that another system hands in."""

    channel: Annotated[str, Meta(min_length=1, max_length=64)]
    """A channel of type `task`."""
    subject: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(max_length=100_000)] = ""
    customer: Annotated[str, Meta(max_length=200)] = ""
    name: Annotated[str, Meta(max_length=80)] = ""
    called: Annotated[str, Meta(max_length=80)] = ""
    """What routes of the dialplan go by."""
    external: Annotated[str, Meta(max_length=200)] = ""
    """What the other system knows it by: the same again is the same task."""
    language: Annotated[str, Meta(max_length=16)] = ""
    context: Annotated[dict[_Key, Annotated[str, Meta(max_length=500)]], Meta(max_length=50)] = {}


class TaskTaken(Struct, frozen=True, kw_only=True):
    """A task is on disk and in its queue."""

    conversation: str
    interaction: str
    """Empty: it was handed in before, and is over."""
    again: bool
    """It was handed in before, and nothing was done."""


class ChannelView(Struct, frozen=True, kw_only=True):
    """A channel and how it does."""

    channel: str
    medium: str
    type: str
    contacts: int
    """That are not over."""
    undelivered: int
    dead: int
    """Messages that were given up."""
    problem: str
    figures: dict[str, float | str]


class AnswerView(Struct, frozen=True):
    """A text at hand for a conversation, with what is known filled in."""

    answer: str
    title: str
    text: str
    subject: str = ""
    """Of an email: the subject that goes with it; empty: that of the conversation."""
    whole: bool = False
    """It takes the place of what is written, and does not stand behind it."""
    fields: list[str] = []
    """What is to be filled in before it is sent: `{field:NAME}` of text and subject."""


class Answers(Struct, frozen=True):
    """All of them."""

    items: list[AnswerView]


class ChannelTested(Struct, frozen=True):
    """What a channel has found when it was asked to try itself."""

    channel: str
    found: str


class OutboxView(Struct, frozen=True, kw_only=True):
    """A message that is not delivered."""

    message: str
    conversation: str
    channel: str
    attempts: int
    due_at: float
    error: str
    dead: bool

"""What channels hand in, and what they are given to deliver."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Attachment", "First", "Incoming", "Message", "Outgoing"]


class Attachment(Struct, frozen=True):
    """A file of a message. Its bytes are in the store of attachments under `digest`."""

    digest: str
    """SHA-256, hexadecimal."""
    name: str
    media_type: str
    """What its bytes say that it is, not what the sender says."""
    size: int
    use: str = ""
    """`html`: of an email, what it looks like, made safe. Empty: a file."""
    blocked: int = 0
    """Of that: pictures on other servers, which are left out."""


class Incoming(Struct, frozen=True, kw_only=True):
    """What somebody has sent over a channel.

    `external` is what the medium knows it by (a Message-ID, a number of the client's): the same
    one again is the same message. Empty: the medium has no such thing.
    """

    customer: str
    """Who has sent it, as the medium names him: an address, a number, a visitor."""
    called: str = ""
    """What it was sent to: a mailbox, a number, a widget."""
    text: str = ""
    name: str = ""
    """The customer's, where it is known."""
    external: str = ""
    conversation: str = ""
    """The one that it belongs to; empty: a new one."""
    subject: str = ""
    language: str = ""
    context: dict[str, str] = {}
    """What is known of the customer from where he writes; for the dialplan and the agent."""
    data: dict[str, str] = {}
    """What the medium needs to know of it again, to answer."""
    token: str = ""
    """SHA-256 of the secret by which the customer comes back to a new conversation."""
    attachments: tuple[Attachment, ...] = ()
    quiet: bool = False
    """It is kept, and nobody is called to it: what a machine has sent."""


class First(Struct, frozen=True, kw_only=True):
    """What a customer is written who has not written himself.

    `external` names it: the same one again is the same message. Empty: it has no name.
    """

    customer: str
    """Whom it goes to, as the medium names him."""
    called: str = ""
    """Which of our addresses it comes from; empty: the channel's first."""
    text: str = ""
    name: str = ""
    """The customer's, where it is known."""
    subject: str = ""
    external: str = ""
    conversation: str = ""
    """One that is there, in which it is written; empty: a new one."""
    language: str = ""
    data: dict[str, str] = {}
    """What the medium needs to know to deliver it."""
    token: str = ""
    """As in `Incoming`."""
    attachments: tuple[Attachment, ...] = ()
    author: str = "system"
    """Or `agent:NAME`."""


class Message(Struct, frozen=True, kw_only=True):
    """One message of a conversation, as it is kept."""

    id: str
    conversation: str
    interaction: str
    """The contact that it was written in; empty: none was open."""
    seq: int
    """1, 2, 3 … in its conversation."""
    at: float
    author: str
    """`customer`, `agent:NAME`, `bot`, or `system`."""
    text: str
    attachments: tuple[Attachment, ...] = ()
    subject: str = ""
    """Of an email that has one of its own; empty: that of the conversation."""


class Outgoing(Struct, frozen=True, kw_only=True):
    """A message that a channel is to deliver. `message.id` is its idempotency key."""

    message: Message
    customer: str
    called: str
    subject: str
    name: str
    """The author as the customer sees him."""
    data: dict[str, str]
    """That of the customer's last message."""

"""What colleagues write to one another: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["ChatMessage", "ChatMessages", "ChatRead", "ChatRoom", "ChatText"]

To = Annotated[str, Meta(min_length=1, max_length=120)]


class ChatRoom(Struct, frozen=True, kw_only=True):
    """Somebody, or a team, to write to."""

    to: str
    """`account:NAME`, `queue:NAME` (its agents and all supervisors), `supervisors`."""
    name: str
    presence: str
    """Of a colleague: what his agent does, else `online` or `offline`; of a team empty."""
    online: bool
    """Whether he would be told at once."""
    number: str
    """What to dial to call him; empty: he has no phone here."""
    unread: int
    last: int
    """Number of the last message; 0: there is none."""


class ChatMessage(Struct, frozen=True, kw_only=True):
    """A message. It is text, never markup."""

    seq: int
    """Grows from message to message; one may miss numbers, which are others'."""
    at: float
    to: str
    """The room as the one who asks calls it: of a colleague it is he, whoever of the two wrote."""
    sender: str
    id: str
    text: str


class ChatMessages(Struct, frozen=True):
    """Messages in their order."""

    items: list[ChatMessage]
    more: bool
    """Whether there are more: ask again from the last, or before the first of these."""


class ChatText(Struct, frozen=True, forbid_unknown_fields=True):
    """What to send."""

    to: To
    text: Annotated[str, Meta(min_length=1, max_length=2000)]
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    """A name of one's own for it, like a UUID: sent again, it is not there twice."""


class ChatRead(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to where one has read."""

    to: To
    seq: Annotated[int, Meta(ge=0, le=2**53)]

"""What a mail says."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Bounce", "Mail", "Piece"]


class Piece(Struct, frozen=True):
    """A file in a mail."""

    name: str
    """As the sender calls it; empty: not at all."""
    data: bytes
    cid: str = ""
    """Content-ID, by which HTML shows it (RFC 2392); without brackets."""


class Bounce(Struct, frozen=True, kw_only=True):
    """A delivery status notification (RFC 3464)."""

    action: str
    """`failed`, `delayed`, `delivered`, `relayed`, `expanded`."""
    recipient: str = ""
    status: str = ""
    """Like `5.1.1`."""
    diagnostic: str = ""
    original: str = ""
    """The Message-ID of what was not delivered, without brackets."""


class Mail(Struct, frozen=True, kw_only=True):
    """A mail as it was read."""

    message_id: str = ""
    """Without brackets; empty: it has none, or one that is none."""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    sender: str = ""
    """The address in From, in lower case where that means the same."""
    sender_name: str = ""
    reply_to: str = ""
    recipients: tuple[str, ...] = ()
    """Of To and Cc."""
    delivered_to: tuple[str, ...] = ()
    """Of Delivered-To and X-Original-To: written by servers on the way."""
    subject: str = ""
    date: float | None = None
    text: str = ""
    html: str = ""
    """Safe to show (see `html.safe`); empty: it has none."""
    plain: bool = False
    """The text is the sender's own, and not made of the HTML."""
    pieces: tuple[Piece, ...] = ()
    automatic: str = ""
    """Why a machine seems to have written it; empty: a person has."""
    silent: str = ""
    """Why no machine may answer it; empty: one may."""
    bounce: Bounce | None = None
    hops: int = 0
    """Servers that it came by."""
    results: tuple[str, ...] = ()
    """Authentication-Results, as they stand, the last server's first."""
    problems: tuple[str, ...] = ()
    """What was not as the RFCs have it, or was left out."""

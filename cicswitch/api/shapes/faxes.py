"""Faxes that came and go."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.api.shapes.common import Paging
from cicswitch.api.shapes.conversations import AttachmentView

__all__ = ["DocumentQuery", "FaxBody", "FaxPageView", "FaxQuery", "FaxView", "PictureQuery"]

_Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
State = Literal["", "received", "partial", "waiting", "sending", "sent", "failed"]


class FaxQuery(Paging, frozen=True, kw_only=True):
    """Which faxes."""

    conversation: str = ""
    channel: str = ""
    direction: Literal["", "in", "out"] = ""
    state: State = ""


class PictureQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a picture of a page is to be."""

    width: Annotated[int, Meta(ge=100, le=1728)] = 864
    """Before it is turned."""
    turn: Annotated[int, Meta(ge=0, le=270, multiple_of=90)] = 0
    """Degrees, clockwise."""


class DocumentQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a document that is uploaded is called."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]


class FaxBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fax that is to be sent."""

    to: Annotated[str, Meta(pattern=r"^\+?[0-9*#]{1,32}$")]
    """The number."""
    channel: Annotated[str, Meta(max_length=64)] = ""
    """A channel of type `fax`; empty: the only one."""
    documents: Annotated[list[_Digest], Meta(max_length=20)] = []
    """Digests of what was uploaded for it: PDF, PNG, JPEG, GIF, TIFF, text."""
    cover: bool = False
    """A cover page before them; a text makes one too."""
    text: Annotated[str, Meta(max_length=4000)] = ""
    """On the cover page."""
    subject: Annotated[str, Meta(max_length=120)] = ""
    name: Annotated[str, Meta(max_length=80)] = ""
    """Whom the cover page is addressed to; empty: the number."""
    sender: Annotated[str, Meta(max_length=80)] = ""
    """Who it is from; empty: the channel's number."""
    header: Annotated[str, Meta(max_length=50)] = ""
    """On top of each page; empty: the channel's."""


class FaxPageView(Struct, frozen=True, kw_only=True):
    """A page as it went over the line."""

    page: int
    width: int
    length: int
    x_dpi: float
    y_dpi: float
    bad_rows: int
    bit_rate: int
    encoding: str
    ecm: bool


class FaxView(Struct, frozen=True, kw_only=True):
    """A fax and how it stands. In: `received`, `partial`. Out: `waiting`, `sending`, `sent`,
    `failed`."""

    fax: str
    direction: Literal["in", "out"]
    channel: str
    conversation: str
    number: str
    """The far end's."""
    called: str
    at: float
    updated_at: float
    state: str
    attempts: int
    pages: int
    cause: str
    """Why it is not whole or not sent; `OK`."""
    ident: str
    """What the far end's machine calls itself."""
    t38: bool
    code: int
    """The T.30 cause of the last attempt that reached a machine; 0 is success, -1 ours."""
    lines: list[FaxPageView]
    """Page by page, of that attempt."""
    pictures: bool
    """Whether its pages can be looked at."""
    pdf: AttachmentView | None = None

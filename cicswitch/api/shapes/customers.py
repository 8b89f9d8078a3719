"""Customers: what is asked and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cicswitch.api.shapes.common import Paging

__all__ = [
    "AddressBody",
    "AddressQuery",
    "AddressView",
    "ContactView",
    "CustomerBody",
    "CustomerChange",
    "CustomerQuery",
    "CustomerView",
    "ImportBody",
    "ImportFinding",
    "ImportItem",
    "Imported",
    "Joining",
    "NoteText",
    "NoteView",
]

_Name = Annotated[str, Meta(max_length=200)]
_Language = Annotated[str, Meta(pattern="^([a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*)?$", max_length=16)]
_Segment = Annotated[str, Meta(max_length=64)]
_Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
_Fields = Annotated[dict[_Key, Annotated[str, Meta(max_length=500)]], Meta(max_length=30)]
_Value = Annotated[str, Meta(min_length=1, max_length=320)]


class AddressView(Struct, frozen=True, kw_only=True):
    """By what a customer is known."""

    kind: Literal["number", "email", "chat", "id"]
    """`chat`: as a channel names him; `id`: as the center's own systems do."""
    value: str
    """Of `chat` with the channel: `line/U4af4980629`."""


class AddressBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address."""

    kind: Literal["number", "email", "chat", "id"]
    value: _Value


class AddressQuery(Struct, frozen=True, kw_only=True):
    """Which address."""

    kind: Literal["number", "email", "chat", "id"]
    value: _Value


class CustomerView(Struct, frozen=True, kw_only=True):
    """A person, whatever medium he comes by."""

    customer: str
    """His key."""
    name: str
    language: str
    segment: str
    """His own, of the configuration's; empty: that of his number."""
    fields: dict[str, str]
    """What the center keeps of him."""
    addresses: list[AddressView]
    created_at: float
    updated_at: float


class CustomerBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is to be known."""

    name: _Name = ""
    language: _Language = ""
    segment: _Segment = ""
    fields: _Fields = {}
    addresses: Annotated[list[AddressBody], Meta(max_length=50)] = []


class CustomerChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is left out stays. `fields` is all of them."""

    name: _Name | UnsetType = UNSET
    language: _Language | UnsetType = UNSET
    segment: _Segment | UnsetType = UNSET
    fields: _Fields | UnsetType = UNSET


class CustomerQuery(Paging, frozen=True, kw_only=True):
    """Which customers; both empty: all, by name."""

    q: Annotated[str, Meta(max_length=100)] = ""
    """A part of a name, an address or a field."""
    address: Annotated[str, Meta(max_length=330)] = ""
    """Whose this is: `KIND:VALUE`, or a number, a mail address or `CHANNEL/ID` alone."""


class Joining(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is the same person."""

    customer: Annotated[str, Meta(min_length=1, max_length=80)]


class ImportItem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of a list; what is wrong with it is found with it, and holds up no other."""

    name: str = ""
    language: str = ""
    segment: str = ""
    fields: dict[str, str] = {}
    addresses: Annotated[list[str], Meta(max_length=20_000)] = []
    """`KIND:VALUE`."""


class ImportBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of customers."""

    items: Annotated[list[ImportItem], Meta(min_length=1, max_length=500)]
    dry_run: bool = False
    """Look what is wrong, and write nothing."""


class ImportFinding(Struct, frozen=True, kw_only=True):
    """What is wrong with one of them."""

    item: int
    """From 0."""
    key: str
    found: str
    expected: str


class Imported(Struct, frozen=True, kw_only=True):
    """What has come of a list."""

    made: int
    changed: int
    unchanged: int
    findings: list[ImportFinding]


class ContactView(Struct, frozen=True, kw_only=True):
    """A contact of a customer that is over."""

    interaction: str
    medium: str
    peer: str
    """The trunk, device, widget or channel that it came by."""
    caller: str
    """The address that it came from."""
    called: str
    started_at: float
    ended_at: float | None
    queue: str
    agent: str
    """Who had it last; empty: nobody."""
    wait_s: float
    talk_s: float
    outcome: str
    """`handled`, `abandoned`, `flowed-out`, `self-service`, `failed`."""
    reason: str
    """Why it ended."""
    code: str
    """The wrap-up code; empty: none was given."""
    recorded: bool
    """A recording or a message is there."""
    note: str
    note_agent: str
    """Whose note it is."""


class NoteText(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be kept of an interaction."""

    text: Annotated[str, Meta(max_length=2000)]


class NoteView(Struct, frozen=True, kw_only=True):
    """What is kept of an interaction; empty: nothing was written."""

    interaction: str
    text: str
    agent: str
    account: str
    """Who wrote it."""
    at: float | None

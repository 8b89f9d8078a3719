"""Interactions: what is asked and answered."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.acd.explain import InteractionExplained
from cicswitch.api.shapes.common import Paging

__all__ = [
    "DueDate",
    "ExplainedInteraction",
    "InteractionQuery",
    "InteractionView",
    "MoveTo",
    "PartyView",
    "Placed",
    "Priority",
    "Snoozing",
]


class PartyView(Struct, frozen=True, kw_only=True):
    """Somebody beside the customer and the agent."""

    party: str
    role: str
    """`supervisor`, `consulted` or `colleague`."""
    number: str
    agent: str
    account: str
    """Of a supervisor."""
    mode: str
    """Of a supervisor: `monitor`, `whisper` or `barge`."""
    state: str
    """`ringing`, `up`, or `held` (his phone has put us on hold)."""


class InteractionView(Struct, frozen=True, kw_only=True):
    """An interaction as it is now."""

    interaction: str
    medium: str
    state: str
    """In the ACD: `waiting`, `away` (to be called back), `reserved` (offered to an agent),
    `connected`, `held`. A call that is not: what it is doing, `dialplan`, `voicemail` …"""
    phase: str
    """What the call or the contact in writing is doing, `queued` or `talking` say; empty: it is
    neither, a callback that waits."""
    queue: str
    agent: str
    priority: int
    """Its own: what `prioritise` sets."""
    segment: str
    caller: str
    caller_name: str
    customer_id: str = ""
    """Who it is, of those who are known: `GET /customers/KEY`."""
    customer_name: str = ""
    customer_sure: bool = True
    """False: a mail bears his address, and its server says that it may be somebody else's."""
    address: str = ""
    """By what he is known, or may be: `KIND:VALUE`; empty: nothing tells who it is."""
    called: str
    peer: str
    """The trunk that it came by, `device:NUMBER`, `widget:NAME`, or a channel in writing."""
    context: dict[str, str]
    """What the page says that a visitor calls from."""
    started_at: float | None
    queued_at: float | None
    """When the wait began that its place counts from."""
    connected_at: float | None
    deadline: float | None = None
    """Until when an agent has to answer who is offered it; null: nobody is."""
    on_hold: bool = False
    """The agent has put the customer on hold."""
    consult: str = ""
    """Of a consultation: `ringing`, `talking`, or `aside` (the agent is back with the customer)."""
    help: str | None = None
    """What the agent says who asks for help; null: he does not."""
    parties: list[PartyView] = []
    """Who else was called into the talk."""
    conversation: str = ""
    """Of a contact in writing: where its messages are."""
    subject: str = ""
    due_at: float | None = None
    """Until when its customer is to have an answer; null: nobody has said."""
    overdue: bool = False
    snoozed_until: float | None = None
    """Of a contact that is put aside (`phase` is `snoozed`): when it comes back to `agent`."""


class InteractionQuery(Paging, frozen=True, kw_only=True):
    """Which interactions."""

    queue: str = ""
    state: str = ""
    agent: str = ""


class MoveTo(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it goes."""

    queue: str


class Priority(Struct, frozen=True, forbid_unknown_fields=True):
    """Its own priority from now."""

    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]


class Snoozing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Until when it is put aside: one of them."""

    until: float | None = None
    preset: Literal["hour", "tomorrow"] | None = None
    """`tomorrow`: at 9:00 in the hours of its queue, or at their next opening."""


class DueDate(Struct, frozen=True, forbid_unknown_fields=True):
    """Until when it is to be answered; null: as its queue says."""

    due_at: float | None


class Placed(Struct, frozen=True):
    """Where it waits now; place 0: it is offered to an agent already."""

    interaction: str
    queue: str
    position: int


class ExplainedInteraction(Struct, frozen=True):
    """Why it waits and who could take it, in sentences and as values."""

    text: list[str]
    explained: InteractionExplained
    position: int

"""Agents: what is asked and answered."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.acd.explain import AgentExplained
from cicswitch.api.shapes.common import Paging

__all__ = [
    "AgentQuery",
    "AgentSkills",
    "AgentToday",
    "AgentView",
    "ExplainedAgent",
    "Language",
    "Level",
    "PauseCode",
    "Workplace",
    "WrapUpCode",
]

Level = Annotated[int, Meta(ge=1, le=100)]


class AgentView(Struct, frozen=True, kw_only=True):
    """An agent as he is now."""

    agent: str
    name: str
    state: str
    since: float
    """When this state began."""
    code: str
    """The pause code, or why he does not respond."""
    then: str
    """What is to come after the work in hand: `sign-out`, `pause`, or nothing."""
    interaction: str
    queue: str
    in_hand: dict[str, int]
    """Interactions in hand by medium."""
    device: str
    deadline: float | None = None
    """Until when the offer that is pending has to be answered; null: none is."""


class AgentToday(Struct, frozen=True, kw_only=True):
    """An agent's own figures since midnight, by the formulas of the reports."""

    agent: str
    since: float
    """Midnight where the switch runs."""
    at: float
    handled: int
    missed: int
    """Offers that he did not answer in time."""
    talk_s: float
    hold_s: float
    wrap_up_s: float
    aht_s: float | None
    """(talk + hold + wrap-up) ÷ handled; null: nothing was handled."""
    occupancy: float | None
    signed_in_s: float


class MediumCapacity(Struct, frozen=True):
    """What an agent may hold of a medium."""

    medium: str
    most: int
    in_hand: int
    interrupted_by: list[str]
    """Media that may come in while he has something of this one in hand."""


class AgentCapacity(Struct, frozen=True):
    """How much an agent may hold at once, and what may interrupt what."""

    agent: str
    media: list[MediumCapacity]


class AgentQuery(Paging, frozen=True, kw_only=True):
    """Which agents."""

    state: str = ""


class PauseCode(Struct, frozen=True, forbid_unknown_fields=True):
    """Why he pauses: a code of the configuration, or none."""

    code: str = ""


class Workplace(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an agent works."""

    device: Annotated[str, Meta(max_length=80)] = ""
    """A device's number, or `TRUNK:EXTENSION`; empty: his own."""


class WrapUpCode(Struct, frozen=True, forbid_unknown_fields=True):
    """What came of it: a wrap-up code of the configuration."""

    code: str
    interaction: str = ""
    """Empty: the only one that is wrapped up."""
    done: bool = True
    """The wrap-up is over."""


class AgentSkills(Struct, frozen=True, forbid_unknown_fields=True):
    """What an agent can do and how well, and how gladly: 1 to 100."""

    skills: dict[str, Level]
    desire: dict[str, Level] = {}


class ExplainedAgent(Struct, frozen=True):
    """Why an agent gets what he gets, in sentences and as values."""

    text: list[str]
    explained: AgentExplained


class Language(Struct, frozen=True):
    """The language of sentences."""

    language: str = ""
    """`en` or `ko`; empty: by Accept-Language."""

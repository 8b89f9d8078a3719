"""What has happened in the ACD. `at` is the time of the command or deadline that caused it."""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "AcdEvent",
    "AgentChanged",
    "InteractionConnected",
    "InteractionHandled",
    "InteractionLeft",
    "InteractionQueued",
    "QueueRefused",
    "ReservationEnded",
    "Reserved",
    "WrapUpEnded",
]


class InteractionQueued(Struct, frozen=True, tag=True, gc=False):
    """An interaction was offered to a queue and waits."""

    at: float
    interaction: str
    queue: str
    priority: int


class QueueRefused(Struct, frozen=True, tag=True, gc=False):
    """A queue did not take an interaction: `full` or `empty`."""

    at: float
    interaction: str
    queue: str
    reason: str


class Reserved(Struct, frozen=True, tag=True, gc=False):
    """An agent was chosen and has until `deadline` to answer."""

    at: float
    reservation: int
    interaction: str
    queue: str
    agent: str
    deadline: float


class ReservationEnded(Struct, frozen=True, tag=True, gc=False):
    """`accepted`, `rejected`, `busy`, `unreachable`, `timed-out` (RONA), `rescinded` (the caller
    left) or `cancelled` (the agent paused or signed out)."""

    at: float
    reservation: int
    interaction: str
    queue: str
    agent: str
    outcome: str


class InteractionConnected(Struct, frozen=True, tag=True, gc=False):
    """Answered by an agent after `wait_s`."""

    at: float
    interaction: str
    queue: str
    agent: str
    wait_s: float


class InteractionLeft(Struct, frozen=True, tag=True, gc=False):
    """Left the queue without an agent: `abandoned`, `timeout`, `empty`, `removed` …"""

    at: float
    interaction: str
    queue: str
    outcome: str
    wait_s: float


class InteractionHandled(Struct, frozen=True, tag=True, gc=False):
    """The agent's share is over; `talk_s` leaves the holds out."""

    at: float
    interaction: str
    queue: str
    agent: str
    talk_s: float
    hold_s: float


class WrapUpEnded(Struct, frozen=True, tag=True, gc=False):
    """After-call work is over; `code` is empty where none was given."""

    at: float
    interaction: str
    queue: str
    agent: str
    acw_s: float
    code: str


class AgentChanged(Struct, frozen=True, tag=True, gc=False):
    """An agent went from one state to another, having spent `spent_s` in the old one."""

    at: float
    agent: str
    state: str
    previous: str
    spent_s: float
    code: str = ""
    interaction: str = ""
    queue: str = ""


AcdEvent = (
    InteractionQueued
    | QueueRefused
    | Reserved
    | ReservationEnded
    | InteractionConnected
    | InteractionLeft
    | InteractionHandled
    | WrapUpEnded
    | AgentChanged
)

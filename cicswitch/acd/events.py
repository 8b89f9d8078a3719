"""What has happened in the ACD. `at` is the time of the command or deadline that caused it."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.acd.commands import Command

__all__ = [
    "AcdEvent",
    "AgentChanged",
    "Commanded",
    "InteractionConnected",
    "InteractionHandled",
    "InteractionJoined",
    "InteractionLeft",
    "InteractionMoved",
    "InteractionQueued",
    "InteractionTaken",
    "InvariantBroken",
    "PolicyFailed",
    "PreviewBegan",
    "QueueClosed",
    "QueueOpened",
    "QueueRefused",
    "Relaxed",
    "ReservationEnded",
    "Reserved",
    "WrapUpEnded",
]


class InteractionQueued(Struct, frozen=True, tag=True, gc=False):
    """An interaction was offered to a queue and waits; its place counts from `queued_at`."""

    at: float
    interaction: str
    queue: str
    priority: int
    medium: str = "voice"
    need: str = ""
    queued_at: float = 0.0
    segment: str = ""


class InteractionJoined(Struct, frozen=True, tag=True, gc=False):
    """The customer of an interaction that was away is there, and waits in line at its place."""

    at: float
    interaction: str
    queue: str
    away_s: float


class QueueRefused(Struct, frozen=True, tag=True, gc=False):
    """A queue did not take an interaction: `closed`, `full`, `long` (the estimated wait) or
    `empty`."""

    at: float
    interaction: str
    queue: str
    reason: str


class QueueClosed(Struct, frozen=True, tag=True, gc=False):
    """A queue takes nobody any more."""

    at: float
    queue: str


class QueueOpened(Struct, frozen=True, tag=True, gc=False):
    """A queue takes interactions again."""

    at: float
    queue: str


class Relaxed(Struct, frozen=True, tag=True, gc=False):
    """A waiting interaction went through a ring, the first is 1; what it asks for now.

    Ring 0 is the end of the patience for preferred agents.
    """

    at: float
    interaction: str
    queue: str
    ring: int
    need: str
    reason: str


class InteractionMoved(Struct, frozen=True, tag=True, gc=False):
    """Went on to another queue with its place: by a ring (`overflow`) or by a person (`moved`)."""

    at: float
    interaction: str
    queue: str
    to: str
    wait_s: float
    reason: str


class Reserved(Struct, frozen=True, tag=True, gc=False):
    """An agent was chosen and has until `deadline` to answer."""

    at: float
    reservation: int
    interaction: str
    queue: str
    agent: str
    deadline: float


class PreviewBegan(Struct, frozen=True, tag=True, gc=False):
    """The agent has answered, and has until `deadline` to take it or not."""

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
    """Left the queue without an agent: `abandoned`, `timeout`, `empty`, `closed`, `removed` …"""

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


class InteractionTaken(Struct, frozen=True, tag=True, gc=False):
    """Another agent goes on with it, handed over by `previous`: handled by both, answered once."""

    at: float
    interaction: str
    queue: str
    agent: str
    previous: str


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


class Commanded(Struct, frozen=True, tag=True):
    """The engine carried out a command. From these alone it decides the same again."""

    at: float
    command: Command


class PolicyFailed(Struct, frozen=True, tag=True, gc=False):
    """A policy in Python raised, took too long or chose nobody it might: the fallback decided."""

    at: float
    queue: str
    interaction: str
    reason: str


class InvariantBroken(Struct, frozen=True, tag=True, gc=False):
    """A mistake of the engine: what does not hold, and the state around it."""

    at: float
    what: str
    state: str


AcdEvent = (
    InteractionQueued
    | InteractionJoined
    | QueueRefused
    | QueueClosed
    | QueueOpened
    | Relaxed
    | InteractionMoved
    | Reserved
    | PreviewBegan
    | ReservationEnded
    | InteractionConnected
    | InteractionLeft
    | InteractionHandled
    | InteractionTaken
    | WrapUpEnded
    | AgentChanged
    | PolicyFailed
    | InvariantBroken
)

"""One call: the customer's leg, whoever is or may become the other side, and where it stands."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from cicswitch.calls.bridge_plan import NOTHING, Hears

if TYPE_CHECKING:
    from cicswitch.core.timers import Timer
    from cicswitch.dialplan.actions import EnterQueue
    from cicswitch.dialplan.run import Run

__all__ = ["Call", "Phase"]


class Phase(IntEnum):
    """What a call is doing."""

    DIALPLAN = 1
    """Its run has the word: prompts, menus, early media."""
    QUEUED = 2
    """It waits for an agent, or rings at one."""
    DIALLING = 3
    """It rings at the targets of a dial step."""
    TALKING = 4
    VOICEMAIL = 5
    ANNOUNCING = 6
    """It plays one thing and ends: feature codes."""
    EMBEDDED = 7
    """A program that embeds the switch has the word."""
    OVER = 8
    CALLING_BACK = 9
    """It rings at a customer who is called back."""


class Call:
    """The conductor's state of one interaction that is a call. `L` legs are `ports.Leg`."""

    __slots__ = (
        "agent",
        "called",
        "caller",
        "caller_name",
        "connected",
        "customer",
        "customer_held",
        "failure",
        "hears",
        "id",
        "language",
        "music",
        "offers",
        "other",
        "other_held",
        "peer",
        "phase",
        "place",
        "playing",
        "preview",
        "queue",
        "queued_at",
        "record",
        "recording",
        "recordings",
        "reminders",
        "ringing",
        "run",
        "started_at",
        "timer",
        "transferring",
        "voicemail",
        "waiting_music",
    )

    def __init__(self, call_id: str, customer: Any, peer: str, caller: str, called: str) -> None:
        self.id = call_id
        self.customer = customer
        self.peer = peer
        self.caller = caller
        self.caller_name = ""
        self.called = called
        self.phase = Phase.DIALPLAN
        self.run: Run | None = None
        self.other: Any = None
        self.ringing: dict[str, Any] = {}
        self.customer_held = False
        self.other_held = False
        self.hears: tuple[Hears, Hears] = (NOTHING, NOTHING)
        self.playing = ""
        self.timer: Timer | None = None
        self.reminders: dict[str, Timer] = {}
        """What is said again and again while it waits in a queue."""
        self.queue = ""
        self.language = ""
        """That of announcements, where no run says it."""
        self.place: EnterQueue | None = None
        """What it asked of the last queue that it entered …"""
        self.queued_at = 0.0
        """… and the time that its place there counted from."""
        self.agent = ""
        self.offers: dict[int, list[str]] = {}
        """Reservations that ring, and their legs."""
        self.preview: Any = None
        """The agent who has answered and hears who it is (`switch.preview.Preview`)."""
        self.connected = False
        """An agent handles it: the ACD must be told when the talk ends."""
        self.music = ""
        self.waiting_music = ""
        self.record = False
        self.recording = ""
        self.recordings = 0
        self.failure = ""
        self.voicemail: tuple[str, str, str] | None = None
        """(box, path, finish digit) while a message is being left."""
        self.transferring: Any = None
        """The leg whose REFER we are carrying out."""
        self.started_at = 0.0

"""One call: the customer's leg, whoever is or may become the other side, and where it stands."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from cicswitch.calls.parties import Consult, Guest, Role

if TYPE_CHECKING:
    from cicswitch.calls.bridge_plan import Hears
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
    AGENT_FIRST = 10
    """It rings at the agent who is to call a customer back, and then at the customer."""


class Call:
    """The conductor's state of one interaction that is a call. `L` legs are `ports.Leg`."""

    __slots__ = (
        "agent",
        "asked",
        "booked_hold",
        "called",
        "caller",
        "caller_name",
        "connected",
        "consult",
        "context",
        "customer",
        "customer_held",
        "failure",
        "guests",
        "hears",
        "help",
        "id",
        "joins",
        "language",
        "music",
        "offers",
        "on_hold",
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
        self.context: dict[str, str] = {}
        """What is known of the customer from where the call was made."""
        self.called = called
        self.phase = Phase.DIALPLAN
        self.run: Run | None = None
        self.other: Any = None
        self.ringing: dict[str, Any] = {}
        self.customer_held = False
        self.other_held = False
        self.guests: list[Guest] = []
        """Who was called for it beside the two: supervisors, a third party, colleagues."""
        self.consult = Consult.NONE
        self.on_hold = False
        """The agent has put the customer on hold here, not by his phone."""
        self.booked_hold = False
        """The ACD counts it as a hold."""
        self.joins = ""
        """The interaction that the caller of a feature code goes into when he is answered."""
        self.help: str | None = None
        """What the agent who asks for help says."""
        self.hears: dict[str, Hears] = {}
        """By leg; who hears nothing is left out."""
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
        self.asked: EnterQueue | None = None
        """As `place`, before its segment's points, and kept while an agent has it: he may be lost,
        and it goes back there."""
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

    def guest(self, leg: str) -> Guest | None:
        """Whose leg it is, ringing or up."""
        for guest in self.guests:
            if leg in guest.ringing or (guest.leg is not None and guest.leg.id == leg):
                return guest
        return None

    def guest_legs(self) -> list[Any]:
        """The legs of all guests."""
        found: list[Any] = []
        for guest in self.guests:
            found += guest.ringing.values()
            if guest.leg is not None:
                found.append(guest.leg)
        return found

    @property
    def consulted(self) -> Guest | None:
        """The third party of a consultation."""
        for guest in self.guests:
            if guest.role is Role.CONSULTED:
                return guest
        return None

"""The rows of the books, one class a table.

LegRecord          a CDR, one a leg
InteractionRecord  one a contact
QueueVisit         one for each time that an interaction was offered to a queue
HandledRecord      an agent's share of an interaction, booked when its after-call work ends
Pending            what has to outlive a restart, while it has to
RecordingRecord    a recording or a voicemail message, booked when its file is closed
AgentSegment       a stretch of an agent's time in one state; they partition the time
"""

from __future__ import annotations

from msgspec import Struct

__all__ = [
    "AgentSegment",
    "HandledRecord",
    "InteractionRecord",
    "LegRecord",
    "Pending",
    "QueueVisit",
    "RecordingRecord",
    "Row",
]


class LegRecord(Struct, gc=False):
    """A call detail record. Times are seconds of the epoch, None where it did not happen."""

    leg: str
    interaction: str
    direction: str
    peer: str
    caller: str
    called: str
    sip_call_id: str
    started_at: float
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    status: int = 0
    remote: bool = False
    codec: str = ""
    packets_received: int = 0
    packets_sent: int = 0
    packets_lost: int = 0
    jitter_ms: float = 0.0
    rtt_ms: float | None = None


class InteractionRecord(Struct, gc=False):
    """A contact as a whole. `outcome`: handled, abandoned, flowed-out, self-service, failed."""

    interaction: str
    medium: str
    peer: str
    caller: str
    called: str
    flow: str
    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    queue: str = ""
    agent: str = ""
    wait_s: float = 0.0
    talk_s: float = 0.0
    hold_s: float = 0.0
    outcome: str = ""
    reason: str = ""
    recording: str = ""
    segment: str = ""
    """Of the customer, if it was in a queue."""


class QueueVisit(Struct, gc=False):
    """One stay in a queue. `outcome`: answered, abandoned, refused, or why it flowed out."""

    interaction: str
    queue: str
    queued_at: float
    ended_at: float
    outcome: str
    wait_s: float
    agent: str = ""


class HandledRecord(Struct, gc=False):
    """An agent's share of an interaction."""

    interaction: str
    queue: str
    agent: str
    ended_at: float
    talk_s: float
    hold_s: float
    acw_s: float
    code: str


class AgentSegment(Struct, gc=False):
    """An agent was in one state from `started_at` to `ended_at`."""

    agent: str
    state: str
    started_at: float
    ended_at: float
    code: str = ""
    interaction: str = ""
    queue: str = ""


class RecordingRecord(Struct, gc=False):
    """A file that holds what was said. `kind`: recording, voicemail. The file may be gone since."""

    recording: str
    interaction: str
    kind: str
    path: str
    started_at: float
    duration_s: float | None = None
    queue: str = ""
    agent: str = ""
    caller: str = ""
    called: str = ""
    segment: str = ""
    box: str = ""
    error: str = ""


class Pending(Struct, gc=False):
    """What was promised to somebody and is not done: the next start finds it again.

    `data` is the JSON of the event that promised it, as it stands now; empty: it is done.
    """

    interaction: str
    data: str


Row = (
    LegRecord
    | InteractionRecord
    | QueueVisit
    | HandledRecord
    | AgentSegment
    | RecordingRecord
    | Pending
)

"""What a UserAgent reports to its transaction user. Past tense, one class an event.

Every event about a call carries its `session`; `session.data` is the transaction user's own slot.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from cicswitch.sip.flow import Flow
    from cicswitch.sip.message import Request, Response
    from cicswitch.sip.session import InviteSession
    from cicswitch.sip.transaction.server import ServerTransaction

__all__ = [
    "EndedBy",
    "Event",
    "InfoReceived",
    "InviteReceived",
    "NotifyReceived",
    "ProvisionalReceived",
    "ReferAnswered",
    "ReferReceived",
    "ReinviteAnswered",
    "ReinviteReceived",
    "ReinviteRejected",
    "RequestReceived",
    "SessionAccepted",
    "SessionAcked",
    "SessionCancelled",
    "SessionEnded",
    "SessionRejected",
]


class EndedBy(Enum):
    """Who or what ended an established session."""

    LOCAL = "local"
    REMOTE = "remote"
    TIMEOUT = "timeout"
    TRANSPORT = "transport"


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of all events, so that a shell can annotate a list of them."""


class InviteReceived(Event, frozen=True, gc=False):
    """A new inbound call; answer with the verbs of `session`. After 200 ms 100 is sent.

    `replaces` is the session named by a Replaces header (RFC 3891): accept this one, then end
    that one. A Replaces header that names nothing was answered 481 and never gets here.
    """

    session: InviteSession
    request: Request
    replaces: InviteSession | None = None


class ProvisionalReceived(Event, frozen=True, gc=False):
    """101 to 199 for our INVITE (100 is not reported). `body` may be an early answer."""

    session: InviteSession
    status: int
    body: bytes
    response: Response


class SessionAccepted(Event, frozen=True, gc=False):
    """The first 2xx for our INVITE. ACK was sent already, if the INVITE had a body.

    If it had none, `body` is the peer's offer and `session.acknowledge(now, body)` must follow.
    """

    session: InviteSession
    body: bytes
    response: Response


class SessionRejected(Event, frozen=True, gc=False):
    """Our INVITE failed; the session is over.

    `response` is None when no response did it: 408 for a timeout, 503 for the transport.
    A call that we cancelled ends here too, commonly with 487.
    """

    session: InviteSession
    status: int
    reason: str
    response: Response | None


class SessionAcked(Event, frozen=True, gc=False):
    """ACK for the 2xx that we sent. `body` is the answer after a delayed offer, else empty."""

    session: InviteSession
    body: bytes


class SessionCancelled(Event, frozen=True, gc=False):
    """The caller gave up before our final response; 487 was sent, the session is over."""

    session: InviteSession
    reason: str
    """The raw Reason header (RFC 3326), or empty."""


class SessionEnded(Event, frozen=True, gc=False):
    """An answered session is over: by BYE of either side, by timeout or by the transport.

    After our own `end()` it comes at once, LOCAL; the BYE runs on without the session.
    """

    session: InviteSession
    by: EndedBy
    reason: str
    """The raw Reason header (RFC 3326) of the BYE, or why we ended it."""


class ReinviteReceived(Event, frozen=True, gc=False):
    """A re-INVITE or UPDATE with an offer. Answer: `accept_reinvite` or `reject_reinvite`.

    `body` is empty in a re-INVITE without offer: then the answer carries our offer, and the
    peer's answer comes as `SessionAcked`. An UPDATE without body is answered by the core.
    """

    session: InviteSession
    method: str
    body: bytes


class ReinviteAnswered(Event, frozen=True, gc=False):
    """2xx for our re-INVITE or UPDATE. Without body in our re-INVITE, `acknowledge` must follow."""

    session: InviteSession
    body: bytes


class ReinviteRejected(Event, frozen=True, gc=False):
    """Our re-INVITE or UPDATE failed and the session stays as it was.

    491 is retried by the core and not reported (RFC 3261 section 14.1); 408 and 481 end the
    session, so that `SessionEnded` follows.
    """

    session: InviteSession
    status: int
    reason: str


class ReferReceived(Event, frozen=True, gc=False):
    """The peer asks us to call someone (RFC 3515). 202 and a first NOTIFY 100 were sent.

    Report progress with `session.notify_refer(now, status, reason)`; a final status ends the
    implicit subscription. `refer_to` is the URI without its headers, `replaces` the decoded
    Replaces header of that URI ("" without one): an attended transfer.
    """

    session: InviteSession
    refer_to: str
    replaces: str
    referred_by: str


class ReferAnswered(Event, frozen=True, gc=False):
    """The final response to our own REFER."""

    session: InviteSession
    status: int


class NotifyReceived(Event, frozen=True, gc=False):
    """NOTIFY inside a session: progress of our REFER. `status` is read from its sipfrag, or 0."""

    session: InviteSession
    status: int
    terminated: bool
    body: bytes


class InfoReceived(Event, frozen=True, gc=False):
    """INFO inside a session, answered 200 already: DTMF relay and the like."""

    session: InviteSession
    content_type: str
    body: bytes


class RequestReceived(Event, frozen=True, gc=False):
    """A request outside any dialog that the core does not answer: REGISTER, MESSAGE, ...

    Answer with `transaction.respond(now, status, ...)`.
    """

    request: Request
    transaction: ServerTransaction
    flow: Flow

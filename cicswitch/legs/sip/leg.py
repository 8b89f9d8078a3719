"""One side of a call over SIP: an INVITE session, its offer/answer and its media leg.

The leg owns its media leg: it opens it when the first description is needed, configures it with
each agreement, and closes it at its end. `LegEnded` is posted exactly once, whoever ends the leg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.calls import events as ev
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict
from cicswitch.legs.sip.status import reason_header, reason_of, status_of
from cicswitch.ports import MediaExhausted, MediaLegClosed, MediaParams, MediaStats
from cicswitch.sdp.model import Local, Negotiated, Origin
from cicswitch.sdp.offer_answer import accept_answer, answer, make_offer
from cicswitch.sdp.parse import SdpError
from cicswitch.sip.session import InviteSession, SessionState

if TYPE_CHECKING:
    from cicswitch.legs.sip.stack import SipStack

__all__ = ["SipLeg"]


class SipLeg:
    """Implements `ports.Leg`."""

    __slots__ = (
        "_agreed",
        "_answer",
        "_ended",
        "_local",
        "_media_open",
        "_offer",
        "_rang",
        "_session",
        "_stack",
        "codec",
        "held",
        "id",
        "max_forwards",
        "peer",
        "sip_call_id",
        "up",
    )

    def __init__(self, stack: SipStack, leg_id: str, peer: str) -> None:
        self.id = leg_id
        self.peer = peer
        self.codec = ""
        self.up = False
        self.held = False
        self.max_forwards = 70
        """What is left of the INVITE's; legs that it leads to get one less, so that loops end."""
        self.sip_call_id = ""
        self._stack = stack
        self._session: InviteSession | None = None
        self._local: Local | None = None
        self._offer = b""
        self._answer = b""
        self._agreed: Negotiated | None = None
        self._media_open = False
        self._rang = 0
        self._ended = False

    # -- media -----------------------------------------------------------------------------------

    def open_media(
        self, *, ipv6: bool, codecs: tuple[str, ...], codec: str = "", near: str | None = None
    ) -> Local:
        """Open the media leg; `codec` is offered first. Raises `MediaExhausted`."""
        address = self._stack.media.open(self.id, ipv6=ipv6, near=near)
        self._media_open = True
        if codec in codecs and codecs[0] != codec:
            codecs = (codec, *[name for name in codecs if name != codec])
        origin = Origin(str(self._stack.next_origin()))
        self._local = Local(address.host, address.port, origin, codecs)
        return self._local

    def offer(self) -> bytes:
        """Our description as an offer."""
        assert self._local is not None
        self._offer = make_offer(self._local)
        return self._offer

    def _take_offer(self, body: bytes) -> bytes:
        """Answer the far end's offer and send media as agreed. Raises `SdpError`."""
        assert self._local is not None
        text, agreed = answer(body, self._local)
        self._agree(agreed)
        return text

    def _take_answer(self, body: bytes) -> None:
        """The far end's answer to our offer. Raises `SdpError`."""
        self._agree(accept_answer(self._offer, body, self._local))

    def _agree(self, agreed: Negotiated) -> None:
        if agreed == self._agreed:
            return
        self._agreed = agreed
        self.codec = agreed.codec
        self._stack.media.configure(
            self.id,
            MediaParams(
                codec=agreed.codec,
                payload_type=agreed.payload_type,
                host=agreed.host,
                port=agreed.port,
                dtmf_payload_type=agreed.telephone_event,
                send=agreed.send,
                receive=agreed.receive,
                ptime_ms=agreed.ptime_ms,
            ),
        )

    # -- inbound ---------------------------------------------------------------------------------

    def incoming(self, session: InviteSession, body: bytes, codecs: tuple[str, ...]) -> bool:
        """Take an INVITE; False if it had to be refused at once."""
        self._session = session
        self.sip_call_id = session.call_id
        session.data = self
        now = self._stack.now
        try:
            self.open_media(ipv6=":" in session.flow.remote[0], codecs=codecs)
            if body:
                self._answer = self._take_offer(body)
        except MediaExhausted:
            self._refuse(now, 503, "No RTP port is free", (("Retry-After", "5"),))
            return False
        except SdpError as error:
            self._refuse(now, error.status, "", (("Warning", f'399 cicswitch "{error}"'),))
            return False
        return True

    def _refuse(
        self, now: float, status: int, reason: str, headers: tuple[tuple[str, str], ...]
    ) -> None:
        assert self._session is not None
        self._session.reject(now, status, reason, headers)
        self._close()

    def ring(self, now: float, *, early_media: bool = False) -> None:
        """180, or 183 with our answer."""
        status = 183 if early_media and self._answer else 180
        if self._ended or self.up or self._session is None or self._rang >= status:
            return
        self._rang = status
        self._session.ring(now, status, self._answer if status == 183 else b"")
        self._stack.touch()

    def answer(self, now: float) -> None:
        """200 with our answer, or with our offer if the INVITE had none."""
        if self._ended or self.up or self._session is None:
            return
        self.up = True
        self._session.accept(now, self._answer or self.offer())
        self._answer = b""
        self._stack.post(ev.LegAnswered(now, self.id, self.codec))
        self._stack.touch()

    def acknowledged(self, body: bytes) -> None:
        """ACK, with the answer to a delayed offer."""
        if not body:
            return
        try:
            self._take_answer(body)
        except SdpError:
            self.end(self._stack.now, Reason.NOT_ACCEPTABLE)

    # -- outbound --------------------------------------------------------------------------------

    def outgoing(self, session: InviteSession) -> None:
        """The INVITE has been sent."""
        self._session = session
        self.sip_call_id = session.call_id

    def provisional(self, status: int, body: bytes) -> None:
        """180 or 183, perhaps with early media."""
        now = self._stack.now
        if body:
            try:
                self._take_answer(body)
            except SdpError:
                body = b""  # the 2xx will say it again, or fail the call
        if status >= 180:
            self._stack.post(ev.LegRang(now, self.id, bool(body)))

    def accepted(self, body: bytes) -> None:
        """2xx."""
        now = self._stack.now
        try:
            self._take_answer(body)
        except SdpError:
            self.end(now, Reason.NOT_ACCEPTABLE)
            return
        self.up = True
        self._stack.post(ev.LegAnswered(now, self.id, self.codec))

    def rejected(self, status: int) -> None:
        """A final failure."""
        self._finish(self._stack.now, reason_of(status), remote=True, status=status)

    # -- during the call -------------------------------------------------------------------------

    def reinvited(self, body: bytes) -> None:
        """A re-INVITE or UPDATE: hold, resume, another address or codec."""
        session, now = self._session, self._stack.now
        assert session is not None
        if not body:
            session.accept_reinvite(now, self.offer())
            return
        try:
            text = self._take_offer(body)
        except SdpError as error:
            session.reject_reinvite(now, error.status)
            return
        session.accept_reinvite(now, text)
        assert self._agreed is not None
        if self._agreed.held is not self.held:
            self.held = self._agreed.held
            self._stack.post(ev.LegHeld(now, self.id, self.held))

    def refer(self, now: float, target: str) -> None:
        """REFER to a number: at the far end's own host."""
        if self._ended or self._session is None:
            return
        uri = target if target.startswith("sip:") else self._stack.uri_at(self._session, target)
        self._session.refer(now, uri)
        self._stack.touch()

    def transfer_progress(self, now: float, status: int) -> None:
        """NOTIFY with a sipfrag."""
        if self._ended or self._session is None:
            return
        self._session.notify_refer(now, status)
        self._stack.touch()

    # -- the end ---------------------------------------------------------------------------------

    def end(self, now: float, reason: Reason) -> None:
        """Refuse, cancel or hang up."""
        session = self._session
        if self._ended or session is None:
            return
        session.data = None  # what the far end still says concerns nobody
        status = 0
        try:
            if session.state is SessionState.INCOMING:
                status = status_of(reason)
                headers = (("Retry-After", str(self._stack.retry_after_s)),) * (status == 503)
                session.reject(now, status, "", headers)
            else:
                session.end(now, reason_header(reason))
        except Conflict:
            status = 0  # it ended in the same instant
        self._finish(now, reason, remote=False, status=status)
        self._stack.touch()

    def ended(self, reason: Reason) -> None:
        """The far end, or the network, ended an answered call."""
        self._finish(self._stack.now, reason, remote=True)

    def cancelled(self) -> None:
        """The caller gave up."""
        self._finish(self._stack.now, Reason.CANCELLED, remote=True, status=487)

    def _finish(self, now: float, reason: Reason, *, remote: bool, status: int = 0) -> None:
        if self._ended:
            return
        self._stack.post(ev.LegEnded(now, self.id, reason, remote, status))
        self._close()

    def _close(self) -> None:
        self._ended = True
        self.up = False
        if self._session is not None:
            self._session.data = None
            self._session = None
        self._local = self._agreed = None
        self._offer = self._answer = b""
        if self._media_open:
            self._media_open = False
            self._stack.media.close(self.id)
        else:
            self._stack.post(MediaLegClosed(self.id, MediaStats()))
        self._stack.forget(self)

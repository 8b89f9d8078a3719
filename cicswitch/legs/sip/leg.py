"""One side of a call over SIP: an INVITE session, its offer/answer and its media leg.

The leg owns its media leg: it opens it when the first description is needed, configures it with
each agreement, and closes it at its end. `LegEnded` is posted exactly once, whoever ends the leg.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from cicswitch.calls import events as ev
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, ResourceError
from cicswitch.legs.sip.status import reason_header, reason_of, status_of
from cicswitch.ports import (
    BrowserLocal,
    BrowserRemote,
    MediaExhausted,
    MediaLegClosed,
    MediaParams,
    MediaStats,
    T38Params,
)
from cicswitch.sdp import webrtc
from cicswitch.sdp.model import T38, Local, Negotiated, Origin, Web, WebNegotiated
from cicswitch.sdp.offer_answer import accept_answer, answer, make_offer
from cicswitch.sdp.parse import SdpError
from cicswitch.sdp.t38 import accept_t38_answer, answer_t38, make_t38_offer, t38_of
from cicswitch.sip.flow import WEB
from cicswitch.sip.session import InviteSession, SessionState

if TYPE_CHECKING:
    from cicswitch.legs.sip.stack import SipStack

__all__ = ["SipLeg"]

"""Transports that only browsers use."""
_TRICKLE: Final = (("Recv-Info", "trickle-ice"), ("Supported", "trickle-ice"))
"""A browser need not wait for its candidates: it may send what it finds later (RFC 8840)."""
PLANE_EVENTS: Final = 101
"""The media plane's payload type of telephone events where the browser speaks Opus."""


class Image(IntEnum):
    """Whether the leg speaks T.38.

    NO: an offer of it waits for who has the leg to say yes or no. OFFERED: one does. MAY: it is
    accepted. ASKED: we have offered it. SPOKEN: agreed.
    """

    NO = 1
    MAY = 2
    ASKED = 3
    SPOKEN = 4
    OFFERED = 5


class SipLeg:
    """Implements `ports.Leg`."""

    __slots__ = (
        "_agreed",
        "_answer",
        "_asked",
        "_ended",
        "_fallback",
        "_image",
        "_local",
        "_media_open",
        "_offer",
        "_rang",
        "_session",
        "_sound",
        "_stack",
        "_t38",
        "_web",
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
        self._image = self._fallback = Image.NO
        self._t38: T38 | None = None
        """What was agreed; None: sound is spoken."""
        self._asked = b""
        """The offer of T.38 that waits for an answer."""
        self._sound = b""
        """What we had said last before we offered T.38."""
        self._web: WebNegotiated | None = None
        """What was agreed with a browser."""
        self._rang = 0
        self._ended = False

    # -- media -----------------------------------------------------------------------------------

    def open_media(
        self,
        *,
        ipv6: bool,
        codecs: tuple[str, ...],
        codec: str = "",
        near: str | None = None,
        browser: bool = False,
        video: bool = False,
    ) -> Local:
        """Open the media leg; `codec` is offered first; `browser`: the far end is one, which has
        codecs of its own, and whether there is video for it.

        Raises `MediaExhausted`.
        """
        browsers = self._stack.webrtc if browser else None
        address = self._stack.media.open(self.id, ipv6=ipv6 and browsers is None, near=near)
        self._media_open = True
        if browsers is not None:
            codecs = self._stack.web_codecs
        elif codec in codecs and codecs[0] != codec:
            codecs = (codec, *[name for name in codecs if name != codec])
        origin = Origin(str(self._stack.next_origin()))
        self._local = Local(address.host, address.port, origin, codecs)
        if browsers is not None:
            try:
                self._local.web = _web(browsers.open(self.id, address))
            except ResourceError as error:
                raise MediaExhausted(str(error)) from None
            self._local.video = "sendrecv" if video and self._stack.video else ""
        return self._local

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What our INVITE or 2xx says besides."""
        return _TRICKLE if self._local is not None and self._local.web is not None else ()

    def offer(self) -> bytes:
        """Our description as an offer."""
        assert self._local is not None
        if self._image is Image.SPOKEN:
            self._offer = make_t38_offer(self._local)
        elif self._local.web is not None:
            self._offer = webrtc.make_offer(self._local)
        else:
            self._offer = make_offer(self._local)
        return self._offer

    def _take_offer(self, body: bytes) -> bytes:
        """Answer the far end's offer and send media as agreed. Raises `SdpError`."""
        local = self._local
        assert local is not None
        if local.web is None:
            if self._image is not Image.NO and t38_of(body) is not None:
                text, image = answer_t38(body, local)
                self._agree_t38(image)
                return text
            text, agreed = answer(body, local)
            self._agree(agreed)
            return text
        text, web = webrtc.answer(body, local)
        if self._web is not None and self._web.browser.ufrag != web.browser.ufrag:
            assert self._stack.webrtc is not None
            local.web = _web(self._stack.webrtc.restart(self.id))
            text, web = webrtc.answer(body, local)
        self._agree_web(web)
        return text

    def _take_answer(self, body: bytes) -> None:
        """The far end's answer to our offer. Raises `SdpError`."""
        local = self._local
        if self._image in (Image.ASKED, Image.SPOKEN):
            self._agree_t38(accept_t38_answer(body))
        elif local is not None and local.web is not None:
            self._agree_web(webrtc.accept_answer(body, local))
        else:
            self._agree(accept_answer(self._offer, body, local))

    def _agree_web(self, web: WebNegotiated) -> None:
        had = self.has_video
        self._web = web
        if self.has_video and not had and self.up:
            self._stack.post(ev.LegVideo(self._stack.now, self.id))
        assert self._stack.webrtc is not None
        audio = web.audio
        opus = audio.codec.lower() == "opus"
        events = audio.telephone_event
        plane = self._stack.webrtc.connect(
            self.id,
            BrowserRemote(
                fingerprint=web.browser.fingerprint,
                audio=audio.payload_type,
                opus=opus,
                events=-1 if events is None else events,
                events_hz=web.event_hz,
                video=web.video,
                video_send=web.video_send,
            ),
        )
        if opus:
            events = None if events is None else PLANE_EVENTS
            audio = replace(audio, codec="PCMU", payload_type=0, telephone_event=events)
        self._agree(replace(audio, host=plane.host, port=plane.port))
        self.codec = web.audio.codec

    def _agree(self, agreed: Negotiated) -> None:
        if agreed == self._agreed and self._t38 is None:
            return
        if self._t38 is not None:
            self._t38 = None
            self._image = self._fallback
            self._stack.post(ev.LegImage(self._stack.now, self.id, False))
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

    def _agree_t38(self, agreed: T38) -> None:
        self._image = Image.SPOKEN
        if agreed == self._t38:
            return
        self._t38 = agreed
        self._stack.media.t38(
            self.id,
            T38Params(
                host=agreed.host,
                port=agreed.port,
                recovery=agreed.recovery,
                max_datagram=agreed.max_datagram,
                max_bit_rate=agreed.max_bit_rate,
                version=agreed.version,
            ),
        )
        self._stack.post(ev.LegImage(self._stack.now, self.id, True))

    @property
    def has_video(self) -> bool:
        """Whether the far end is a browser that sends or shows video."""
        return self._web is not None and self._web.video >= 0

    # -- inbound ---------------------------------------------------------------------------------

    def incoming(self, session: InviteSession, body: bytes, codecs: tuple[str, ...]) -> bool:
        """Take an INVITE; False if it had to be refused at once."""
        self._session = session
        self.sip_call_id = session.call_id
        session.data = self
        now = self._stack.now
        try:
            browser = webrtc.is_web(body) if body else session.flow.transport in WEB
            self.open_media(
                ipv6=":" in session.flow.remote[0], codecs=codecs, browser=browser, video=browser
            )
            if body:
                self._answer = self._take_offer(body)
        except MediaExhausted as error:
            self._refuse(now, 503, str(error)[:100], (("Retry-After", "5"),))
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
        self._session.accept(now, self._answer or self.offer(), self.headers)
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

    def offer_video(self, now: float) -> None:
        """A re-INVITE with video, to a browser that has none yet."""
        local, session = self._local, self._session
        if local is None or local.web is None or session is None or not self.up:
            return
        if self.has_video or not self._stack.video:
            return
        local.video = "sendrecv"
        try:
            session.reinvite(now, self.offer())
        except Conflict:
            local.video = ""  # it is about to say something itself
        self._stack.touch()

    def take_t38(self, allowed: bool) -> None:
        """Accept an offer of T.38 from now on, or no more; what is spoken goes on."""
        self._fallback = Image.MAY if allowed else Image.NO
        if self._image in (Image.NO, Image.MAY):
            self._image = self._fallback

    def offer_t38(self, now: float) -> bool:
        """A re-INVITE with T.38; False: not now, another offer is in progress."""
        local, session = self._local, self._session
        if local is None or local.web is not None or session is None or not self.up:
            self._stack.post(ev.LegImage(now, self.id, False))
            return True
        if self._image not in (Image.NO, Image.MAY):
            return self._image is not Image.OFFERED
        self._sound = session.last_body
        try:
            session.reinvite(now, make_t38_offer(local))
        except Conflict:
            return False
        self._image = Image.ASKED
        self._stack.touch()
        return True

    def answer_t38(self, now: float, accept: bool) -> None:
        """Answer the offer of T.38 that waits; harmless where none does."""
        session = self._session
        if self._image is not Image.OFFERED or session is None:
            return
        body, self._asked = self._asked, b""
        self._image = Image.MAY if accept else Image.NO
        try:
            if accept:
                session.accept_reinvite(now, self._take_offer(body))
            else:
                session.reject_reinvite(now, 488)
        except (Conflict, SdpError):
            self._image = Image.NO  # it was taken back in the same instant
        self._stack.touch()

    def offer_sound(self, now: float) -> None:
        """A re-INVITE with sound, where T.38 is spoken."""
        session, local = self._session, self._local
        if self._image is not Image.SPOKEN or session is None or local is None:
            return
        self._image = self._fallback
        self._offer = make_offer(local)
        try:
            session.reinvite(now, self._offer)
        except Conflict:
            self._image = Image.SPOKEN  # it is about to say something itself
        self._stack.touch()

    def reinvite_answered(self, body: bytes) -> None:
        """2xx to our re-INVITE."""
        asked = self._image is Image.ASKED
        try:
            self._take_answer(body)
        except SdpError:
            self.reinvite_rejected()
            session = self._session
            if asked and session is not None:
                # It has taken the sound away and gives no image: sound again.
                try:
                    session.reinvite(self._stack.now, self.offer())
                except Conflict:
                    self.end(self._stack.now, Reason.NOT_ACCEPTABLE)

    def reinvite_rejected(self) -> None:
        """It stays as it was."""
        if self._image is Image.ASKED:
            self._image = self._fallback
            session = self._session
            if session is not None:
                session.last_body = self._sound  # what a refresh says again
            self._stack.post(ev.LegImage(self._stack.now, self.id, False))
            return
        if self._local is not None and not self.has_video:
            self._local.video = ""

    def reinvited(self, body: bytes) -> None:
        """A re-INVITE or UPDATE: hold, resume, another address or codec."""
        session, now = self._session, self._stack.now
        assert session is not None
        if not body:
            session.accept_reinvite(now, self.offer())
            return
        try:
            if self._local is not None and self._local.web is not None and self._stack.video:
                self._local.video = "sendrecv"
            text = self._take_offer(body)
        except SdpError as error:
            if self._may_be_fax(body):
                self._image, self._asked = Image.OFFERED, body
                self._stack.post(ev.LegImageAsked(now, self.id))
                return
            session.reject_reinvite(now, error.status)
            return
        session.accept_reinvite(now, text)
        if self._image is Image.SPOKEN:
            return
        assert self._agreed is not None
        if self._agreed.held is not self.held:
            self.held = self._agreed.held
            self._stack.post(ev.LegHeld(now, self.id, self.held))

    def _may_be_fax(self, body: bytes) -> bool:
        """An offer without sound that we could take: who has the leg is asked."""
        if self._image is not Image.NO or self._local is None or self._local.web is not None:
            return False
        try:
            return t38_of(body) is not None
        except SdpError:
            return False

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
        web = self._local is not None and self._local.web is not None
        self._local = self._agreed = self._web = self._t38 = None
        self._offer = self._answer = self._asked = b""
        if self._media_open:
            self._media_open = False
            if web:
                assert self._stack.webrtc is not None
                self._stack.webrtc.close(self.id)
            self._stack.media.close(self.id)
        else:
            self._stack.post(MediaLegClosed(self.id, MediaStats()))
        self._stack.forget(self)


def _web(local: BrowserLocal) -> Web:
    return Web(local.ufrag, local.password, local.fingerprint, local.hosts, local.port)

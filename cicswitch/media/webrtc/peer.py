"""One browser: where it is, its keys, its audio to and from the media plane, its video.

G.711 is passed on as it is, both ways: the payload types in our description are the ones in its
packets. RTCP about it goes along, so the media plane's reports are true from end to end. Opus is
the matter of `opus`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pylibsrtp import Error as SrtpError

from cicswitch.media.webrtc.dtls import Dtls, DtlsState
from cicswitch.media.webrtc.opus import Opus
from cicswitch.media.webrtc.video import Video

if TYPE_CHECKING:
    from cicswitch.media.webrtc.film import Film
    from cicswitch.media.webrtc.wire import Connect
    from cicswitch.media.webrtc.worker import Worker

__all__ = ["Peer"]

_RTCP_FIRST: Final = 192
_RTCP_LAST: Final = 223


class Peer:
    """A leg whose far end is a browser."""

    __slots__ = (
        "address",
        "beside",
        "credentials",
        "dtls",
        "film",
        "heard_at",
        "number",
        "opened_at",
        "opus",
        "relays_to",
        "remote",
        "rtcp_to",
        "rtp_to",
        "seen_by",
        "sees",
        "told",
        "video",
        "worker",
    )

    def __init__(self, worker: Worker, number: int, plane: tuple[str, int], now: float) -> None:
        self.worker = worker
        self.number = number
        self.rtp_to = plane
        self.rtcp_to = (plane[0], plane[1] + 1)
        self.credentials: dict[str, str] = {}
        """Passwords by user name fragment: the newest is last, the one before still counts."""
        self.address: tuple[str, int] | None = None
        self.remote: Connect | None = None
        self.dtls: Dtls | None = None
        self.sees: list[Peer] = []
        """Whose video it may be shown, the first that has some."""
        self.seen_by: set[Peer] = set()
        self.video: Video | None = None
        self.opus: Opus | None = None
        self.relays_to: Peer | None = None
        """Whose browser is sent its Opus as it is, if it speaks it."""
        self.beside = False
        self.film: Film | None = None
        """The video of it and of whom it is shown is recorded."""
        self.opened_at = now
        self.heard_at = 0.0
        """When something authentic came last; 0: nothing yet."""
        self.told = False
        """Whether its loss has been told."""

    def connect(self, remote: Connect, now: float) -> None:
        """Take what the browser's description says, again after each offer and answer."""
        before = self.remote
        self.remote = remote
        if before is None or before.fingerprint != remote.fingerprint:
            self.dtls = Dtls(self.worker.context, remote.fingerprint_kind, remote.fingerprint, now)
        if not remote.opus:
            if self.opus is not None:
                self.opus.leave(now)
            self.opus = None
        elif self.opus is None:
            self.opus = Opus(self, remote, now)
        else:
            self.opus.change(remote)
        if remote.video < 0:
            if self.video is not None:
                self.video.leave()
            self.video = None
        elif self.video is None:
            self.video = Video(self, remote.video)
        else:
            self.video.payload_type = remote.video

    def relay(self, to: Peer | None, *, beside: bool) -> None:
        """Pass Opus to another browser as it is, if both speak it."""
        self.relays_to, self.beside = to, beside
        if self.opus is not None:
            self.opus.relay(to.opus if to is not None else None, beside=beside)

    def see(self, others: list[Peer], now: float) -> None:
        """Be shown the first of these that has video, from now on and whenever that changes."""
        for other in self.sees:
            other.seen_by.discard(self)
        self.sees = others
        for other in others:
            other.seen_by.add(self)
        self._look(now)

    def pair(self, now: float) -> None:
        """Video or Opus has come or gone: look again, and let those look who are shown this one."""
        for each in self.worker.peers.values():
            if each is self or each.relays_to is self:
                each.relay(each.relays_to, beside=each.beside)
        for each in (self, *self.seen_by):
            each._look(now)

    def _look(self, now: float) -> None:
        if self.video is not None:
            wanted = self.remote is not None and self.remote.video_send
            videos = (other.video for other in self.sees if wanted)
            self.video.watch(next((each for each in videos if each is not None), None), now)

    # -- from the browser --------------------------------------------------------------------

    def received(self, data: bytes, now: float) -> None:
        """A packet that is SRTP or SRTCP by its first byte."""
        dtls = self.dtls
        if dtls is None or dtls.receiver is None or len(data) < 12:
            self.worker.early += 1
            return
        kind = data[1]
        try:
            if _RTCP_FIRST <= kind <= _RTCP_LAST:
                plain: bytes = dtls.receiver.unprotect_rtcp(data)
                self.heard_at = now
                self._rtcp(plain, now)
                return
            plain = dtls.receiver.unprotect(data)
        except (SrtpError, TypeError):
            self.worker.forged += 1
            return
        self.heard_at = now
        video = self.video
        if video is not None and kind & 0x7F == video.payload_type:
            video.received(plain, now)
        elif self.opus is not None:
            self.opus.received(plain, now)
        else:
            self.worker.to_plane(plain, self.rtp_to)

    def _rtcp(self, data: bytes, now: float) -> None:
        video = self.video
        if video is not None and video.feedback(data, now):
            return
        if self.opus is not None:
            self.opus.feedback(data, now)
        else:
            self.worker.to_plane_rtcp(data, self.rtcp_to)

    # -- to the browser ------------------------------------------------------------------------

    def from_plane(self, data: bytes, now: float) -> None:
        """An RTP packet of its leg."""
        if self.opus is not None:
            self.opus.from_plane(data, now)
        else:
            self.send(data)

    def from_plane_rtcp(self, data: bytes) -> None:
        """A report of its leg; about Opus we make our own."""
        if self.opus is None:
            self.send_rtcp(data)

    def send(self, packet: bytes) -> None:
        """Protect an RTP packet and send it."""
        dtls, address = self.dtls, self.address
        if dtls is None or dtls.sender is None or address is None:
            return
        try:
            data = dtls.sender.protect(packet)
        except (SrtpError, TypeError):
            self.worker.unsent += 1
            return
        self.worker.to_browser(data, address)

    def send_rtcp(self, packet: bytes) -> None:
        """Protect an RTCP packet and send it."""
        dtls, address = self.dtls, self.address
        if dtls is None or dtls.sender is None or address is None:
            return
        try:
            data = dtls.sender.protect_rtcp(packet)
        except (SrtpError, TypeError):
            self.worker.unsent += 1
            return
        self.worker.to_browser(data, address)

    def handshake(self, data: bytes, now: float) -> None:
        """A DTLS record."""
        dtls = self.dtls
        if dtls is None:
            return  # it comes again
        was = dtls.state
        self._flight(dtls.feed(data, now))
        if dtls.state is was:
            return
        if dtls.state is DtlsState.CONNECTED:
            self.heard_at = now
            return
        self.worker.lost(self, dtls.reason, now)

    def expire(self, now: float) -> None:
        """Look at the handshake's timer."""
        dtls = self.dtls
        if dtls is not None and dtls.shaking and now >= dtls.due:
            self._flight(dtls.expire(now))
            if dtls.state is DtlsState.FAILED:
                came = self.address is not None
                self.worker.lost(self, dtls.reason if came else "the browser never came", now)

    def close(self, now: float) -> None:
        """Tell the browser, let go of the other's sound and video."""
        if self.opus is not None:
            self.opus.leave(now)
        self.relays_to = None
        for each in self.worker.peers.values():
            if each.relays_to is self:
                each.relay(None, beside=each.beside)
        self.see([], 0.0)
        for other in list(self.seen_by):
            other.see([each for each in other.sees if each is not self], 0.0)
        if self.video is not None:
            self.video.leave()
            self.video = None
        if self.dtls is not None:
            self._flight(self.dtls.close())
            self.dtls = None

    def _flight(self, datagrams: list[bytes]) -> None:
        if self.address is not None:
            for datagram in datagrams:
                self.worker.to_browser(datagram, self.address)

    @property
    def connected(self) -> bool:
        """Whether keys are agreed."""
        return self.dtls is not None and self.dtls.state is DtlsState.CONNECTED

    def __repr__(self) -> str:
        return f"<Peer {self.number} {self.address}>"

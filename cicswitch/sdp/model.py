"""What one side of a session says of itself, and what both agreed on."""

from __future__ import annotations

from typing import Literal

import msgspec

from cicswitch.sdp.codecs import DEFAULT_CODECS

__all__ = [
    "T38",
    "Browser",
    "Local",
    "Negotiated",
    "Origin",
    "Web",
    "WebNegotiated",
    "direction_of",
]

_NAMES = {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}


def direction_of(send: bool, receive: bool) -> str:
    """The direction attribute of RFC 8866 section 6.7."""
    return _NAMES.get((send, receive), "inactive")


class Origin:
    """The o= of one session: the id stays, the version counts changes (RFC 3264 section 8)."""

    __slots__ = ("_last", "id", "version")

    def __init__(self, id: str, version: int = 1) -> None:  # noqa: A002
        self.id = id
        self.version = version
        self._last = ""

    def stamp(self, rest: str) -> int:
        """The version for a description whose other lines are `rest`."""
        if self._last and self._last != rest:
            self.version += 1
        self._last = rest
        return self.version


class Web(msgspec.Struct, frozen=True, gc=False):
    """Where a browser finds us: ICE credentials, our certificate's fingerprint, addresses, port."""

    ufrag: str
    password: str
    fingerprint: str
    hosts: tuple[str, ...]
    port: int


class Local(msgspec.Struct, gc=False):
    """Our side: address and port that are advertised, what we speak, in order of preference.

    `origin` lives as long as the session. `telephone_event` is the payload type that we offer
    (None: no DTMF events). `direction` is the most that we want.
    """

    host: str
    port: int
    origin: Origin
    codecs: tuple[str, ...] = DEFAULT_CODECS
    telephone_event: int | None = 101
    direction: str = "sendrecv"
    ptime_ms: int = 20
    web: Web | None = None
    """For a browser; `host` and `port` are of no use then."""
    video: str = ""
    """The most that we want of a browser's video; empty: none."""
    sections: tuple[tuple[str, str], ...] = (("audio", "0"),)
    """Kind and mid of the m= sections that a browser and we have agreed on, refused ones too: an
    offer keeps their order (RFC 3264 section 8)."""


class Negotiated(msgspec.Struct, frozen=True, gc=False):
    """What both sides agreed on. `send` and `receive` are our view.

    host, port: where to send to. telephone_event: the payload type of DTMF events, or None.
    """

    codec: str
    payload_type: int
    telephone_event: int | None
    host: str
    port: int
    send: bool
    receive: bool
    ptime_ms: int

    @property
    def direction(self) -> str:
        """Our direction in the words of SDP."""
        return direction_of(self.send, self.receive)

    @property
    def held(self) -> bool:
        """Whether the peer does not listen: it has put us on hold."""
        return not self.send


class Browser(msgspec.Struct, frozen=True, gc=False):
    """Who is at the other end: ICE credentials, fingerprint (`sha-256 AB:…`), DTLS role."""

    ufrag: str
    password: str
    fingerprint: str
    setup: str


class WebNegotiated(msgspec.Struct, frozen=True, gc=False):
    """What was agreed with a browser. `audio` has no address: the browser's is not in its SDP.

    `video` is the payload type of VP8, -1 without video; `video_send` and `video_receive` are our
    view.
    """

    audio: Negotiated
    browser: Browser
    video: int
    video_send: bool
    video_receive: bool
    event_hz: int = 8000
    """The clock of telephone events: that of the codec (RFC 4733 section 2.3.2), if offered."""


class T38(msgspec.Struct, frozen=True, gc=False):
    """A T.38 stream over UDPTL as one side describes it (ITU-T T.38 annex D, RFC 6913).

    What a side says of rates, recovery, buffer and datagrams is what it takes.
    """

    host: str
    port: int
    version: int = 0
    max_bit_rate: int = 14400
    rate_management: str = "transferredTCF"
    recovery: Literal["none", "redundancy", "fec"] = "redundancy"
    max_buffer: int = 2000
    max_datagram: int = 400

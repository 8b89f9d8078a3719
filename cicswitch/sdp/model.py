"""What one side of a session says of itself, and what both agreed on."""

from __future__ import annotations

import msgspec

from cicswitch.sdp.codecs import DEFAULT_CODECS

__all__ = ["Local", "Negotiated", "Origin", "direction_of"]

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

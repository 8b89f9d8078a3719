"""SIP over WebSocket (RFC 7118): a message a frame, over a connection that is up already."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cicswitch.sip.flow import Flow, Listener

if TYPE_CHECKING:
    from cicswitch.net.transports import SipTransports

__all__ = ["WebSocket"]

_PING = b"\r\n\r\n"
_PONG = b"\r\n"
MAX_MESSAGE = 65_536
"""Bytes of a SIP message in a frame, as on a stream."""


class WebSocket:
    """A connection, and its own transport: it is written to as a stream is.

    `write` takes a message and does not wait; `close` ends the connection.
    """

    __slots__ = ("_close", "_owner", "_write", "asked_for", "flow", "last_used", "transport")

    def __init__(
        self,
        owner: SipTransports,
        flow: Flow,
        write: Callable[[bytes], None],
        close: Callable[[], None],
    ) -> None:
        self._owner = owner
        self._write = write
        self._close = close
        self.flow = flow
        self.asked_for: tuple[Listener, tuple[str, int]] | None = None
        self.last_used = owner.now()
        self.transport: WebSocket | None = self

    def received(self, data: bytes) -> None:
        """A frame has come."""
        self.last_used = self._owner.now()
        if data in (_PING, _PONG):
            if data == _PING:
                self._write(_PONG)
            return
        if len(data) > MAX_MESSAGE:
            self._owner.counters["stream_malformed"] += 1
            self.close()
            return
        self._owner.received([(self.flow, data)])

    def gone(self) -> None:
        """The connection has ended."""
        if self.transport is not None:
            self.transport = None
            self._owner.stream_closed(self)

    def write(self, data: bytes) -> None:
        """Send a message."""
        self._write(data)

    def close(self) -> None:
        """End the connection; `gone` follows."""
        self._close()

"""Messages out of a byte stream (RFC 3261 section 18.3; keep-alives RFC 5626 section 3.5.1)."""

from __future__ import annotations

from cicswitch.sip.message import ParseError
from cicswitch.sip.parse import MAX_MESSAGE

__all__ = ["PONG", "StreamFramer"]

PONG = b"\r\n"
"""The answer to a keep-alive ping."""

_NAMES = (b"\ncontent-length", b"\nl")


class StreamFramer:
    """Cuts a stream into messages. Feed bytes, get whole messages; any chunking gives the same.

    `pings` counts keep-alives (CRLFCRLF between messages) since it was last taken: answer each
    with PONG. Raises ParseError when the stream cannot be cut any more: close the connection.
    """

    __slots__ = ("_buffer", "_need", "_scanned", "limit", "pings")

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self.limit = limit
        self.pings = 0
        self._buffer = bytearray()
        self._need = 0
        self._scanned = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Add bytes of the stream; the messages that are complete now."""
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        while buffer:
            if not self._need:
                if buffer[0] in b"\r\n":
                    if buffer[:4] == b"\r\n\r\n":
                        self.pings += 1
                        del buffer[:4]
                    elif len(buffer) < 4 and b"\r\n\r\n".startswith(buffer):
                        break
                    else:
                        # RFC 3261 section 7.5: "Implementations processing SIP messages over
                        # stream-oriented transports MUST ignore any CRLF appearing before the
                        # start-line."
                        del buffer[:1]
                    continue
                end = buffer.find(b"\r\n\r\n", self._scanned)
                if end < 0:
                    self._scanned = max(0, len(buffer) - 3)
                    if len(buffer) > self.limit:
                        raise ParseError("a header block without end on a stream")
                    break
                self._need = end + 4 + _length(bytes(buffer[:end]))
                if self._need > self.limit:
                    raise ParseError("a message on a stream is too large")
            if len(buffer) < self._need:
                break
            messages.append(bytes(buffer[: self._need]))
            del buffer[: self._need]
            self._need = self._scanned = 0
        return messages

    def take_pings(self) -> int:
        """Keep-alives seen since the last call."""
        pings, self.pings = self.pings, 0
        return pings


def _length(head: bytes) -> int:
    """RFC 3261 section 20.14: on a stream "the Content-Length header field MUST be used"."""
    lower = head.lower()
    for name in _NAMES:
        start = lower.find(name)
        while start >= 0:
            rest = lower[start + len(name) :].lstrip(b" \t")
            if rest[:1] == b":":
                digits = rest[1:].partition(b"\r\n")[0].strip()
                if not digits.isdigit() or len(digits) > 9:
                    raise ParseError("a malformed Content-Length on a stream", 400)
                return int(digits)
            start = lower.find(name, start + 1)
    return 0

"""The protocol of clamd: a stream of bytes out, one line back (`man clamd`, INSTREAM).

The core of it knows no socket; `scan` carries one file over one, in a thread.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from cicswitch.core.errors import ResourceError

__all__ = ["finding", "place", "scan", "stream"]

_PIECE: Final = 1 << 16
_MOST_REPLY: Final = 4096


def stream(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What is sent: each piece behind its length, and a length of 0 at the end."""
    yield b"zINSTREAM\0"
    for piece in pieces:
        if piece:
            yield len(piece).to_bytes(4, "big") + piece
    yield bytes(4)


def finding(reply: bytes) -> str:
    """What was found, empty: nothing. Raises `ResourceError` for an answer that is neither."""
    text = reply.rstrip(b"\0\n").decode("utf-8", "replace")
    told = text.removeprefix("stream: ")
    if told == "OK":
        return ""
    if told.endswith(" FOUND"):
        return told.removesuffix(" FOUND")[:200]
    raise ResourceError(f"the virus scanner says: {told[:200] or 'nothing'}")


def place(text: str) -> str | tuple[str, int]:
    """Where clamd listens: `unix:PATH` or `tcp:HOST:PORT`. Raises `ValueError`."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return rest
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdigit() and 0 < int(port) < 65536:
        return host.strip("[]"), int(port)
    raise ValueError("a place of clamd")


def scan(file: BinaryIO, where: str | tuple[str, int], timeout_s: float) -> str:
    """What clamd finds in a file, empty: nothing. Raises `ResourceError` if it cannot tell."""
    try:
        if isinstance(where, str):
            link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            link.settimeout(timeout_s)
            with link:
                link.connect(where)
                return _asked(link, file)
        with socket.create_connection(where, timeout_s) as link:
            return _asked(link, file)
    except OSError as error:
        told = error.strerror or str(error)
        raise ResourceError(f"the virus scanner cannot be reached: {told}") from None


def _asked(link: socket.socket, file: BinaryIO) -> str:
    file.seek(0)
    try:
        for piece in stream(iter(lambda: file.read(_PIECE), b"")):
            link.sendall(piece)
    except ConnectionError:
        pass  # one that has seen enough says so and closes
    reply = bytearray()
    while len(reply) < _MOST_REPLY and not reply.endswith(b"\0"):
        piece = link.recv(_MOST_REPLY)
        if not piece:
            break
        reply += piece
    return finding(bytes(reply))

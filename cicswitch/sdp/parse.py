"""Session descriptions, read in one walk over the lines (RFC 8866).

ProtocolError
└── SdpError       400 for what cannot be read, 488 for what cannot be agreed on
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cicswitch.core.errors import ProtocolError

__all__ = ["MAX_MEDIA", "Description", "Media", "SdpError", "parse_sdp"]

MAX_MEDIA: Final = 16
_MAX_SIZE: Final = 16_384
_MAX_T38: Final = 24
_DIRECTIONS: Final = frozenset(("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"))


class SdpError(ProtocolError):
    """A description that cannot be read (400) or not be agreed on (488)."""


class Media:
    """One m= section. `host` is its c= address or the session's; `ptime` 0 where none is given.

    `mappings` is payload type -> "name/clock" from rtpmap, both as text; `fmtp` likewise. Both
    may be shared with other descriptions: read them only. `text` tells equal sections apart from
    others, empty where that is not known. `t38` holds the attributes of an image section by their
    names in lower case, without `t38`.
    """

    __slots__ = (
        "direction",
        "fmtp",
        "formats",
        "host",
        "kind",
        "mappings",
        "port",
        "profile",
        "ptime",
        "t38",
        "text",
    )

    def __init__(self, kind: str, port: int, profile: str, formats: list[str], host: str) -> None:
        self.kind = kind
        self.port = port
        self.profile = profile
        self.formats = formats
        self.host = host
        self.direction = ""
        self.ptime = 0
        self.text = ""
        self.mappings: dict[str, str] = {}
        self.fmtp: dict[str, str] = {}
        self.t38: dict[str, str] = {}


class Description:
    """A session: `origin` is the raw o= value, `direction` and `host` are those of the session."""

    __slots__ = ("direction", "host", "media", "origin")

    def __init__(self) -> None:
        self.origin = ""
        self.host = ""
        self.direction = "sendrecv"
        self.media: list[Media] = []


def parse_sdp(body: bytes) -> Description:
    """Read a description. Raises SdpError(400)."""
    if len(body) > _MAX_SIZE:
        raise SdpError("the session description is too large", 400)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise SdpError("the session description is not UTF-8", 400) from None
    if text.count("\nm=") == 1:
        head, _, tail = text.partition("\r\nm=audio ")
        port, space, tail = tail.partition(" ")
        if space and "\na=" not in head and len(tail) < 1024:
            return _plain(head, port, tail)
    return _walk(text)


def _plain(head: str, port: str, tail: str) -> Description:
    """One audio stream: all calls of a peer have the same `tail`, so it is read once."""
    description = _session(head)
    read = _audio(tail)
    media = Media("audio", _port(port), read.profile, read.formats, read.host or description.host)
    media.direction, media.ptime = read.direction, read.ptime
    media.mappings, media.fmtp = read.mappings, read.fmtp
    media.text = tail
    description.media.append(media)
    return description


def _session(head: str) -> Description:
    """What comes before: only o= differs from call to call, so the rest is read once."""
    start = head.find("\r\no=")
    end = head.find("\r\n", start + 2)
    origin = head[start + 4 : end]
    if start < 0 or end < 0 or not origin or "\n" in origin or len(head) > 1024:
        return _walk(head)
    read = _rest(head[: start + 4], head[end:])
    if read.origin != "-":
        return _walk(head)  # which has several
    description = Description()
    description.origin = origin
    description.host, description.direction = read.host, read.direction
    return description


@lru_cache(maxsize=1024)
def _rest(before: str, behind: str) -> Description:
    return _walk(f"{before}-{behind}")


@lru_cache(maxsize=1024)
def _audio(tail: str) -> Media:
    """The m= section that an m=audio line, given without its port, and what follows describe."""
    return _walk(f"v=0\no=-\nm=audio 1 {tail}").media[0]


def _walk(text: str) -> Description:
    # RFC 8866 section 5: "parsers SHOULD be tolerant and also accept records terminated with a
    # single newline character."
    lines = text.replace("\r\n", "\n").split("\n")
    # "v=" comes first and is always 0.
    if lines[0] != "v=0":
        raise SdpError("a session description starts with v=0", 400)
    description = Description()
    host = ""
    media: Media | None = None
    for line in lines:
        kind = line[:2]
        if kind == "a=":
            if media is None:
                if line in _DIRECTIONS:
                    description.direction = line[2:]
            elif line[:9] == "a=rtpmap:":
                number, _, mapping = line[9:].partition(" ")
                media.mappings[number] = mapping.strip()
            elif line in _DIRECTIONS:
                media.direction = line[2:]
            elif line[:7] == "a=fmtp:":
                number, _, value = line[7:].partition(" ")
                media.fmtp[number] = value
            elif line[:5].lower() == "a=t38":
                if media.kind == "image" and len(media.t38) < _MAX_T38:
                    name, _, value = line[5:].partition(":")
                    media.t38[name.strip().lower()] = value.strip()
            elif line[:8] == "a=ptime:":
                value = line[8:].strip()
                known = value.isascii() and value.isdigit() and len(value) < 4
                media.ptime = int(value) if known and int(value) <= 200 else 0
        elif kind == "m=":
            if len(description.media) >= MAX_MEDIA:
                raise SdpError("too many m= lines", 400)
            media = _media(line, host)
            description.media.append(media)
        elif kind == "c=":
            if media is None:
                host = _connection(line)
            else:
                media.host = _connection(line)
        elif kind == "o=":
            description.origin = line[2:]
        elif line and line[1:2] != "=":
            raise SdpError(f"a malformed line in a session description: {line[:40]!r}", 400)
    if not description.origin:
        raise SdpError("a session description without o=", 400)
    description.host = host
    return description


def _media(line: str, host: str) -> Media:
    parts = line[2:].split()
    if len(parts) < 4:
        raise SdpError("a malformed m= line", 400)
    return Media(parts[0], _port(parts[1]), parts[2], parts[3:], host)


def _port(text: str) -> int:
    digits = text.partition("/")[0]
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or int(digits) > 65535:
        raise SdpError("a malformed port in an m= line", 400)
    return int(digits)


def _connection(line: str) -> str:
    parts = line[2:].split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError("a malformed c= line", 400)
    return parts[2].partition("/")[0]

"""Requests and responses as they came off the wire, with typed views that are cut out lazily.

    ProtocolError
    └── ParseError     a peer's message is malformed; `status` is the answer, 0 means none

A message keeps the bytes that it came in. `first` maps a canonical name to the first value of
that name, which is all that the hot path needs; `headers` is the full list, made on demand.
"""

from __future__ import annotations

from cicswitch.core.errors import ProtocolError
from cicswitch.sip.names import canonical
from cicswitch.sip.uri import find_tag, split_commas

__all__ = ["Message", "ParseError", "Request", "Response"]


class ParseError(ProtocolError):
    """A malformed message. `request` is what was understood, enough for the answer, or None."""

    def __init__(self, message: str, status: int = 0, request: Request | None = None) -> None:
        super().__init__(message, status)
        self.request = request


class Message:
    """What requests and responses share. `body` is bytes, never decoded."""

    __slots__ = (
        "body",
        "branch",
        "call_id",
        "cseq",
        "cseq_method",
        "data",
        "first",
        "from_",
        "from_tag",
        "repeated",
        "to",
        "to_tag",
        "via",
    )

    body: bytes
    branch: str
    """The branch of the topmost Via, empty if it has none."""
    call_id: str
    cseq: int
    cseq_method: str
    data: bytes
    """The whole message."""
    first: dict[str, str]
    from_: str
    from_tag: str
    repeated: dict[str, list[str]] | None
    to: str
    to_tag: str
    """The tag of To, empty if it has none."""
    via: str
    """The first Via line, raw; it may hold several values."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All header lines in order, names canonical, values raw."""
        pairs = []
        head = self.data.partition(b"\r\n\r\n")[0].lstrip(b"\r\n")
        for line in head.decode("utf-8", "replace").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            pairs.append((canonical(name), value.strip()))
        return pairs

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header, by its canonical name."""
        return self.first.get(name, default)

    def get_all(self, name: str) -> list[str]:
        """The values of all lines of a header, in order, not split at commas."""
        if self.repeated is not None and name in self.repeated:
            return self.repeated[name]
        value = self.first.get(name)
        return [] if value is None else [value]

    def get_list(self, name: str) -> list[str]:
        """The values of a header that allows comma lists, over all its lines, split."""
        values = self.get_all(name)
        if len(values) == 1 and "," not in values[0]:
            return values if values[0] else []
        return [item for value in values for item in split_commas(value)]

    @property
    def vias(self) -> list[str]:
        """All Via values, topmost first."""
        return self.get_list("Via")

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters."""
        value = self.first.get("Content-Type", "")
        return value.partition(";")[0].strip().lower()


class Request(Message):
    """A request. `uri` is the Request-URI, raw."""

    __slots__ = ("method", "sent_by", "uri")

    method: str
    sent_by: str
    """host or host:port of the topmost Via, raw."""
    uri: str

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    reason: str
    status: int

    @property
    def from_tag(self) -> str:  # type: ignore[override]
        """Our own tag, which came back."""
        return find_tag(self.from_)

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"

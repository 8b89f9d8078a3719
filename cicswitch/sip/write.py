"""Messages to bytes, the general way. Dialogs and transactions write theirs with f-strings."""

from __future__ import annotations

from collections.abc import Sequence

from cicswitch.sip.message import Message, Request, Response
from cicswitch.sip.names import REASONS

__all__ = ["header_lines", "write", "write_response_line"]


def write(message: Message) -> bytes:
    """A message as bytes: headers in their order under canonical names, right Content-Length."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} SIP/2.0"
    else:
        assert isinstance(message, Response)
        start = f"SIP/2.0 {message.status} {message.reason}"
    lines = [start]
    lines += [f"{name}: {value}" for name, value in message.headers if name != "Content-Length"]
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    return "\r\n".join(lines).encode() + message.body


def write_response_line(status: int, reason: str = "") -> str:
    """`SIP/2.0 200 OK` and the line end."""
    return f"SIP/2.0 {status} {reason or REASONS.get(status, 'Unknown')}\r\n"


def header_lines(headers: Sequence[tuple[str, str]]) -> str:
    """Extra headers as lines. Line breaks in values are blanked, so that none can be injected."""
    text = ""
    for name, value in headers:
        if "\r" in value or "\n" in value:
            value = " ".join(value.split())
        text += f"{name}: {value}\r\n"
    return text

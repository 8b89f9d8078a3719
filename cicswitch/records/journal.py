"""The journal's entries: every event of calls and ACD, encoded as tagged JSON.

JSON, because a journal is read for years, by people and by other programs.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cicswitch.acd.events import AcdEvent
from cicswitch.calls.events import CallEvent, LegDigit

__all__ = ["Event", "decode", "encode", "is_kept"]

Event = AcdEvent | CallEvent

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes | str], Event] = msgspec.json.Decoder(Event).decode


def is_kept(event: Event) -> bool:
    """Whether the journal keeps the event. Digits can be secrets and are not kept."""
    return type(event) is not LegDigit


def encode(event: Event) -> bytes:
    """An event as one line of JSON; `type` is its class."""
    return _encode(event)


def decode(data: bytes | str) -> Event:
    """The event of such a line. Raises `msgspec.DecodeError` or `ValidationError`."""
    return _decode(data)

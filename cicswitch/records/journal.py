"""The journal's entries: every event of calls and ACD, encoded as tagged JSON.

JSON, because a journal is read for years, by people and by other programs.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cicswitch.acd.events import AcdEvent, Commanded
from cicswitch.calls.events import CallEvent

__all__ = ["Event", "decode_batch", "encode_batch"]

Event = AcdEvent | Commanded | CallEvent

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes | str], list[Event]] = msgspec.json.Decoder(list[Event]).decode


def encode_batch(events: list[Event]) -> bytes:
    """Events as a JSON array; `type` of each is its class."""
    return _encode(events)


def decode_batch(data: bytes | str) -> list[Event]:
    """The events of such an array. Raises `msgspec.DecodeError` or `ValidationError`."""
    return _decode(data)

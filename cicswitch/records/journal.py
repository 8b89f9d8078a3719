"""The journal's entries: every event of calls and ACD, encoded as tagged JSON.

JSON, because a journal is read for years, by people and by other programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

import msgspec

from cicswitch.acd.events import AcdEvent, Commanded
from cicswitch.calls.events import CallEvent, LegDigit
from cicswitch.contacts.events import ContactEvent
from cicswitch.records.rows import Row

__all__ = ["KINDS", "Event", "Kept", "decode_batch", "encode_batch"]

Event = AcdEvent | Commanded | CallEvent | ContactEvent
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in get_args(AcdEvent | CallEvent | ContactEvent)
    if kind is not LegDigit
}
"""What programs outside may hear of, by name: no commands, and no digits, which can be secrets."""


class Kept:
    """An event with rows that are no part of the journal: written in one transaction with it."""

    __slots__ = ("at", "event", "rows")

    def __init__(self, event: Event, rows: Sequence[Row]) -> None:
        self.at = event.at
        self.event = event
        self.rows = rows


_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes | str], list[Event]] = msgspec.json.Decoder(list[Event]).decode


def encode_batch(events: list[Event]) -> bytes:
    """Events as a JSON array; `type` of each is its class."""
    return _encode(events)


def decode_batch(data: bytes | str) -> list[Event]:
    """The events of such an array. Raises `msgspec.DecodeError` or `ValidationError`."""
    return _decode(data)

"""The straight relay in C (`_relay.c`), where the build made it; else the worker's own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.media.inlet import ROW, Rows

if TYPE_CHECKING:
    from cicswitch.media._relay import Relay

__all__ = ["BUILT", "make_relay"]

try:
    from cicswitch.media import _relay
except ImportError:
    BUILT = False
else:
    BUILT = True


def make_relay(epoll: int, rows: Rows) -> Relay | None:
    """A relay on this epoll; None where it is not built."""
    return _relay.Relay(epoll, rows.block, ROW) if BUILT else None

"""Visitors of a web page who may make one kind of call: to the number of a widget.

A page asks for leave and gets a secret, which its WebSocket shows. Leave that is not used within
`UNUSED_S` is over, and so is that of a visitor whose connection has ended for as long.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict

from cicswitch.config import WidgetConfig

__all__ = ["MARK", "Guest", "Guests"]

MARK = "guest-"
"""What the name of each begins with; no device is called so."""
UNUSED_S = 60.0
_MOST = 10_000


class Guest:
    """A visitor. `name` is what he calls himself, `context` what the page says of him."""

    __slots__ = (
        "calls",
        "connections",
        "context",
        "expires_at",
        "id",
        "name",
        "number",
        "video",
        "widget",
    )

    def __init__(
        self, widget: str, config: WidgetConfig, name: str, context: dict[str, str], now: float
    ) -> None:
        self.id = MARK + secrets.token_hex(6)
        self.widget = widget
        self.number = config.number
        self.video = config.video
        self.name = name
        self.context = context
        self.connections = 0
        self.calls = 0
        self.expires_at = now + UNUSED_S


class Guests:
    """All visitors, by their secrets and by their names."""

    def __init__(self) -> None:
        self._by_secret: OrderedDict[str, Guest] = OrderedDict()
        self._by_id: dict[str, Guest] = {}

    def __len__(self) -> int:
        return len(self._by_secret)

    def admit(
        self, widget: str, config: WidgetConfig, name: str, context: dict[str, str], now: float
    ) -> tuple[str, Guest] | None:
        """A visitor and his secret; None if there are too many."""
        self._sweep(now)
        if len(self._by_secret) >= _MOST:
            return None
        guest = Guest(widget, config, name, context, now)
        secret = secrets.token_urlsafe(24)
        self._by_secret[secret] = guest
        self._by_id[guest.id] = guest
        return secret, guest

    def by_secret(self, secret: str, now: float) -> Guest | None:
        """Whose secret it is."""
        guest = self._by_secret.get(secret)
        return guest if guest is not None and self._good(guest, now) else None

    def find(self, name: str) -> Guest | None:
        """The visitor of that name, whose connection stands."""
        return self._by_id.get(name)

    def connected(self, guest: Guest) -> None:
        """A connection of his is up."""
        guest.connections += 1

    def disconnected(self, guest: Guest, now: float) -> None:
        """One has ended; he may come back for a while, with another network."""
        guest.connections -= 1
        guest.expires_at = now + UNUSED_S

    @staticmethod
    def _good(guest: Guest, now: float) -> bool:
        return guest.connections > 0 or now < guest.expires_at

    def _sweep(self, now: float) -> None:
        """Forget those whose leave is over: the oldest are looked at, and some more each time."""
        for secret in list(self._by_secret)[:50]:
            guest = self._by_secret[secret]
            if self._good(guest, now):
                self._by_secret.move_to_end(secret)
            else:
                del self._by_secret[secret]
                del self._by_id[guest.id]

"""Messages of colleagues, their rooms, and who is told at once: see `cicswitch.chat`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct

__all__ = ["SUPERVISORS", "Listener", "Said", "direct"]

SUPERVISORS = "supervisors"


class Said(Struct, frozen=True):
    """A message as it is kept."""

    seq: int
    at: float
    room: str
    sender: str
    id: str
    text: str


def direct(a: str, b: str) -> str:
    """The room of two accounts."""
    return f"direct:{min(a, b)}:{max(a, b)}"


class Listener:
    """One who is told at once. `wants` says of room and sender whether it concerns him."""

    def __init__(self, account: str, wants: Callable[[str, str], bool], wake: Callable[[], object]):
        self.account = account
        self.wants = wants
        self.wake = wake
        self.news: deque[Said] = deque()
        self.missed = False
        """He took too long: he has to ask for what there is."""

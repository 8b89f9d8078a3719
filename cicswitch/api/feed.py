"""The switch's events for those who listen: numbered, kept for a while, never more than that.

The feed hears the switch only while somebody listens to it, and for a minute after: until then an
event costs a call nothing, and then a slot in a ring. Numbers grow from event to event and from
run to run, so a number of another run is never taken for one of this. An event is encoded once,
when the first who wants it is there; those who ask for the same share the text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from cicswitch.calls.events import MessageSent
from cicswitch.records.journal import KINDS, Event

__all__ = ["KINDS", "Feed", "Filter", "Gone", "Reader"]

_SENT = frozenset(KINDS.values())
_ID_BITS = 20
"""A second of the clock at the start leaves room for a million events: numbers stay below 2**53,
what JavaScript counts with, and the next run begins above them."""
_GATHER_S = 0.05
_LINGER_S = 60.0
_AT_ONCE, _APART_S = 4, 0.004
"""So many readers are woken at a time, so far apart: to send to one takes some 0.1 ms, and calls
have their turn between them. With 200 readers an event is a quarter of a second late at most."""
_SHARED = 64
_encode = msgspec.json.Encoder().encode


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for: any of each; empty: all. An event that has no queue (no agent) is not
    sent to who asks for some."""

    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def wants(self, event: Any) -> bool:
        """Whether an event is asked for."""
        if self.kinds and type(event).__name__ not in self.kinds:
            return False
        if type(event) is MessageSent:
            return True  # to all
        if self.queues and getattr(event, "queue", "") not in self.queues:
            return False
        return not self.agents or getattr(event, "agent", "") in self.agents


class Gone(Exception):  # reads as the condition
    """What was to be read next is not kept any more: the reader is too slow."""


class Reader:
    """One who listens: where he is, and what wakes him."""

    __slots__ = ("at", "filter", "news")

    def __init__(self, at: int, wanted: Filter) -> None:
        self.at = at
        self.filter = wanted
        self.news = asyncio.Event()


class Feed:
    """Events in a ring of `size`. `subscribe` is the switch's."""

    def __init__(
        self,
        subscribe: Callable[[Callable[[Event], None]], Callable[[], None]],
        now: float,
        size: int = 16_384,
        linger_s: float = _LINGER_S,
    ) -> None:
        self._subscribe = subscribe
        self._size = size
        self._linger_s = linger_s
        self._events: list[Any] = []
        self._texts: list[bytes] = []
        self.last = int(now) << _ID_BITS
        """The number of the last event."""
        self.ready = self.last
        """That of the last event that is to be sent now: the same for all, so that they share."""
        self.oldest = self.last
        """Who has seen all up to this one misses nothing."""
        self.readers: set[Reader] = set()
        self._unsubscribe: Callable[[], None] | None = None
        self._gathering = False
        self._linger: asyncio.TimerHandle | None = None
        self._shared: dict[tuple[Filter, int], tuple[int, bytes]] = {}

    @property
    def listening(self) -> bool:
        """Whether the feed hears the switch."""
        return self._unsubscribe is not None

    def join(self, after: int | None, wanted: Filter) -> tuple[Reader, bool]:
        """A reader, from the event after `after` on or from now; and whether he has missed some."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._unsubscribe is None:
            self._events, self._texts = [None] * self._size, [b""] * self._size
            self.last += 1  # what happened while nobody listened has no number
            self.oldest = self.ready = self.last
            self._unsubscribe = self._subscribe(self.feed)
        missed = after is not None and not self.oldest <= after <= self.last
        reader = Reader(self.last if after is None or missed else after, wanted)
        self.readers.add(reader)
        return reader, missed

    def leave(self, reader: Reader) -> None:
        """A reader goes. When the last has gone and nobody comes in a minute, the ring goes too."""
        self.readers.discard(reader)
        if not self.readers and self.listening and self._linger is None:
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(self._linger_s, self.close)

    def close(self) -> None:
        """Hear the switch no more. Idempotent."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._events, self._texts = [], []
        self._shared.clear()

    def feed(self, event: Event) -> None:
        """An event of the switch. Runs in the course of a call: it puts it aside, nothing else."""
        if type(event) not in _SENT:
            return
        self.last += 1
        slot = self.last % self._size
        self._events[slot] = event
        self._texts[slot] = b""
        if self.last - self.oldest > self._size:
            self.oldest = self.last - self._size
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(_GATHER_S, self._wake)

    def flush(self) -> None:
        """Let all that there is be read."""
        self.ready = self.last
        self._shared.clear()

    def _wake(self) -> None:
        self.flush()
        self._wake_some(list(self.readers))

    def _wake_some(self, left: list[Reader]) -> None:
        for reader in left[:_AT_ONCE]:
            reader.news.set()
        loop = asyncio.get_running_loop()
        if len(left) > _AT_ONCE:
            loop.call_later(_APART_S, self._wake_some, left[_AT_ONCE:])
        elif self.last > self.ready and self.listening:
            loop.call_later(_GATHER_S, self._wake)
        else:
            self._gathering = False

    def read(self, reader: Reader, most: int = 500) -> bytes:
        """What a reader wants of the next events, as JSON objects with commas between them; empty
        if it is nothing. Raises `Gone`."""
        if reader.at < self.oldest:
            raise Gone
        key = (reader.filter, reader.at)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._made(reader, most)
            if shared[0] == self.ready and len(self._shared) < _SHARED:
                self._shared[key] = shared
        reader.at, text = shared
        return text

    def _made(self, reader: Reader, most: int) -> tuple[int, bytes]:
        wants = reader.filter.wants
        end = min(self.ready, reader.at + most)
        parts = []
        for number in range(reader.at + 1, end + 1):
            slot = number % self._size
            event = self._events[slot]
            if wants(event):
                text = self._texts[slot]
                if not text:
                    text = self._texts[slot] = b'{"id":%d,%b' % (number, _encode(event)[1:])
                parts.append(text)
        return end, b",".join(parts)

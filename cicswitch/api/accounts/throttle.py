"""Who asks or tries too often. Pure: time comes in; memory is bounded, the oldest is forgotten."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from math import ceil

__all__ = ["Attempts", "Rate", "network_of"]

_MOST = 10_000


def network_of(address: str) -> str:
    """What is counted as one place: an IPv4 address, or the /64 that an IPv6 host may choose in."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.is_loopback:
        return str(found)
    return str(ipaddress.ip_network((found, 64), strict=False))


class Attempts:
    """Failures by key: after `free` of them each further one doubles the wait, up to `most_s`.

    An attempt counts as failed from its start, so that a hundred at once are not a hundred tries.
    """

    def __init__(self, free: int, most_s: float = 300.0, keys: int = _MOST) -> None:
        self._free = free
        self._most_s = most_s
        self._keys = keys
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the next attempt is allowed; 0: now."""
        count, last = self._failed.get(key, (0, 0.0))
        if count < self._free:
            return 0.0
        return max(0.0, last + min(self._most_s, 2.0 ** min(count - self._free, 30)) - now)

    def began(self, key: str, now: float) -> None:
        """An attempt begins."""
        count, last = self._failed.pop(key, (0, now))
        # After as long again as the longest wait all is forgiven.
        count = 0 if now > last + 2 * self._most_s else count
        self._failed[key] = (count + 1, now)
        while len(self._failed) > self._keys:
            self._failed.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """It was the right one: nothing counts any more."""
        self._failed.pop(key, None)

    def undone(self, key: str) -> None:
        """It was the right one, and only it does not count: who owns an account must not clear the
        count of an address from which others are tried."""
        count, last = self._failed.get(key, (0, 0.0))
        if count > 1:
            self._failed[key] = (count - 1, last)
        else:
            self._failed.pop(key, None)

    def __len__(self) -> int:
        return len(self._failed)


class Rate:
    """A bucket for each key: `per_minute` requests, all of which may come at once."""

    def __init__(self, per_minute: int, keys: int = _MOST) -> None:
        self.per_minute = per_minute
        self._keys = keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float, cost: float = 1.0) -> tuple[bool, int, int]:
        """Whether it may, how many more it might now, and seconds until it might again (or, where
        it may, until the bucket is full)."""
        size, speed = float(self.per_minute), self.per_minute / 60.0
        left, at = self._buckets.pop(key, (size, now))
        left = min(size, left + max(0.0, now - at) * speed)
        allowed = left >= cost
        if allowed:
            left -= cost
        self._buckets[key] = (left, now)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        wait_s = (size - left) / speed if allowed else (cost - left) / speed
        return allowed, int(left), max(1, ceil(wait_s))

    def __len__(self) -> int:
        return len(self._buckets)

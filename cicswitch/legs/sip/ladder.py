"""The SIP messages of each call, a step each, for `cicswitch trace`.

While a call lives its steps are in memory, some 110 bytes each, packed as they will be stored; a
few seconds after its end they go to the store. Bodies and headers are not kept, so nothing secret
is.

The tap runs for every message, so it only puts it aside. Now and then, and whenever somebody looks,
what was put aside is sorted to its calls; nothing is decoded before somebody looks.
An INVITE that was refused before there was a leg leaves a ladder that nobody ends: those are swept,
and past `_MAX_CALLS` none is opened.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from cicswitch.core.timers import Timer, TimerWheel
from cicswitch.sip.flow import Flow

__all__ = ["Ladder", "Step", "add_step", "parse_ladder", "step_of"]

_LINGER_S: Final = 5.0
_MAX_STEPS: Final = 500
_MAX_CALLS = 100_000
_SWEEP_S: Final = 10.0
_SORT_AT: Final = 256
"""Messages put aside at most."""

_EMPTY: Final = b"\xdc\x00\x00"
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[tuple[float, str, str, bytes, bytes, bool]]).decode
_time: Final = struct.Struct(">5xd").unpack_from
"""When the first step of a ladder was: behind the marks of two lists and of a number."""


_Messages = list[tuple[Flow, bytes]]


def _built() -> Callable[[dict[bytes, bytearray], _Messages, int, float, str, int], int] | None:
    try:
        from cicswitch.sip import _scan
    except ImportError:
        return None
    return _scan.steps


_scan_steps: Final = _built()


class Step:
    """One message: `direction` is `in` or `out`, `line` its start line, `sdp`: it has a body."""

    __slots__ = ("at", "cseq", "direction", "line", "peer", "sdp")

    def __init__(
        self, at: float, direction: str, peer: str, line: str, cseq: str, sdp: bool
    ) -> None:
        self.at = at
        self.direction = direction
        self.peer = peer
        self.line = line
        self.cseq = cseq
        self.sdp = sdp


def step_of(data: bytes, at: float, direction: str, peer: str) -> tuple[bytes, bytes]:
    """The Call-ID of a message, and its step, packed; what `_scan.c` does for plain messages."""
    found = data.find(b"\nCall-ID: ")
    call_id = data[found + 10 : data.find(b"\r", found)] if found >= 0 else _call_id(data)
    found = data.find(b"\nCSeq: ")
    cseq = data[found + 7 : data.find(b"\r", found)] if found >= 0 else b""
    line = data[: data.find(b"\r")]
    return call_id, _encode((at, direction, peer, line, cseq, data[-4:] != b"\r\n\r\n"))


def add_step(ladder: bytearray, step: bytes) -> None:
    """Put a packed step at the end of a ladder: a list in msgpack, its length in 16 bits."""
    count = (ladder[1] << 8 | ladder[2]) + 1
    if count <= _MAX_STEPS:
        ladder[1], ladder[2] = count >> 8, count & 0xFF
        ladder += step


def parse_ladder(data: bytes | bytearray) -> list[Step]:
    """The steps in what a ladder kept. Raises `msgspec.DecodeError` for anything else."""
    return [
        Step(
            at,
            direction,
            peer,
            line.decode("utf-8", "replace"),
            cseq.decode("utf-8", "replace"),
            sdp,
        )
        for at, direction, peer, line, cseq, sdp in _decode(data)
    ]


class Ladder:
    """A tap of the user agent."""

    def __init__(
        self,
        wheel: TimerWheel,
        clock: Callable[[], float],
        keep: Callable[[float, str, str, bytes], None],
        live: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._wheel = wheel
        self._clock = clock
        self._keep = keep
        self._live = live
        self._calls: dict[bytes, bytearray] = {}
        self._ended: deque[tuple[float, bytes, str, str]] = deque()
        self._aside: list[tuple[float, str, list[tuple[Flow, bytes]]]] = []
        self._waiting = 0
        self._timer: Timer | None = None
        self._sweeper: Timer | None = None

    def tap(self, direction: str, messages: list[tuple[Flow, bytes]]) -> None:
        """See messages. Only calls are kept: an INVITE opens a ladder."""
        self._aside.append((self._clock(), direction, messages))
        self._waiting += len(messages)
        if self._waiting >= _SORT_AT:
            self._sort()

    def _sort(self) -> None:
        """Bring what was put aside to its calls, cut down to start line and CSeq."""
        aside, self._aside = self._aside, []
        self._waiting = 0
        for now, direction, messages in aside:
            self._take(now, direction, messages)

    def _take(self, now: float, direction: str, messages: list[tuple[Flow, bytes]]) -> None:
        calls, start = self._calls, 0
        while True:
            if _scan_steps is not None:
                start = _scan_steps(calls, messages, start, now, direction, _MAX_STEPS)
            if start >= len(messages):
                return
            flow, data = messages[start]
            start += 1
            call_id, step = step_of(data, now, direction, flow.name)
            ladder = calls.get(call_id)
            if ladder is None:
                if data[:7] != b"INVITE " or not call_id or len(calls) >= _MAX_CALLS:
                    continue
                ladder = calls[call_id] = bytearray(_EMPTY)
                if self._sweeper is None:
                    self._sweeper = self._wheel.at(now + _SWEEP_S, self._sweep)
            add_step(ladder, step)

    def raw(self, call_id: str) -> bytes:
        """The steps of a call that is in memory, for `parse_ladder`."""
        self._sort()
        return bytes(self._calls.get(call_id.encode(), _EMPTY))

    def ended(self, call_id: str, interaction: str, leg: str) -> None:
        """The leg is over; what follows its end within seconds still belongs to it."""
        due = self._clock() + _LINGER_S
        self._ended.append((due, call_id.encode(), interaction, leg))
        if self._timer is None:
            self._timer = self._wheel.at(due, self._expire)

    def drop(self, call_id: str) -> None:
        """The INVITE came to nothing that a record is kept of."""
        self._sort()
        self._calls.pop(call_id.encode(), None)

    def _expire(self, now: float) -> None:
        """Keep what has lingered: the end of one call after the other, by one timer for all."""
        self._sort()
        ended = self._ended
        while ended and ended[0][0] <= now + 0.5:
            _, call_id, interaction, leg = ended.popleft()
            self._close(now, call_id, interaction, leg)
        self._timer = self._wheel.at(ended[0][0], self._expire) if ended else None

    def _sweep(self, now: float) -> None:
        """Forget what has no leg that lives or lingers."""
        self._sort()
        owned = {call_id.encode() for call_id in self._live()}
        owned.update(entry[1] for entry in self._ended)
        for call_id, ladder in list(self._calls.items()):
            if call_id not in owned and _time(ladder)[0] < now - _LINGER_S:
                del self._calls[call_id]
        self._sweeper = self._wheel.at(now + _SWEEP_S, self._sweep) if self._calls else None

    def _close(self, now: float, call_id: bytes, interaction: str, leg: str) -> None:
        ladder = self._calls.pop(call_id, None)
        if ladder is not None:
            self._keep(now, interaction, leg, bytes(ladder))

    def flush(self) -> None:
        """Keep what is left, at the end of the process."""
        self._sort()
        now = self._clock()
        for _, call_id, interaction, leg in self._ended:
            self._close(now, call_id, interaction, leg)
        self._ended.clear()
        for call_id in list(self._calls):
            self._close(now, call_id, "", call_id.decode("utf-8", "replace"))

    def __len__(self) -> int:
        self._sort()
        return len(self._calls)


def _call_id(data: bytes) -> bytes:
    """The Call-ID of a message that spells its name in another way."""
    lower = data[:4096].lower()
    for name in (b"\ncall-id", b"\ni"):
        at = lower.find(name)
        while at >= 0:
            rest = data[at + len(name) : data.find(b"\r", at + 1)]
            if rest.lstrip()[:1] == b":":
                return rest.partition(b":")[2].strip()
            at = lower.find(name, at + 1)
    return b""

"""The SIP messages of each call, in a line each, for `cicswitch trace`.

While a call lives its lines are in memory, some 70 bytes each; a few seconds after its end they go
to the store. Bodies and headers are not kept, so nothing secret is.
"""

from __future__ import annotations

from collections.abc import Callable

from cicswitch.core.timers import TimerWheel
from cicswitch.sip.flow import Flow

__all__ = ["Ladder", "Step", "parse_ladder"]

_LINGER_S = 5.0
_MAX_BYTES = 64 * 1024


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


def parse_ladder(data: bytes) -> list[Step]:
    """The steps in what a ladder kept."""
    steps: list[Step] = []
    for row in data.decode("utf-8", "replace").splitlines():
        parts = row.split("\t")
        if len(parts) == 6:
            at, direction, peer, cseq, sdp, line = parts
            steps.append(Step(float(at), direction, peer, line, cseq, sdp == "sdp"))
    return steps


class Ladder:
    """A tap of the user agent."""

    def __init__(
        self,
        wheel: TimerWheel,
        clock: Callable[[], float],
        keep: Callable[[float, str, str, bytes], None],
    ) -> None:
        self._wheel = wheel
        self._clock = clock
        self._keep = keep
        self._calls: dict[str, bytearray] = {}

    def tap(self, direction: str, flow: Flow, data: bytes) -> None:
        """See a message. Only calls are kept: an INVITE opens a ladder."""
        at = data.find(b"\nCall-ID: ")
        if at < 0:
            at = data.lower().find(b"\ncall-id:")
            if at < 0:
                at = data.find(b"\ni:")
                if at < 0:
                    return
        start = data.index(b":", at) + 1
        end = data.find(b"\r", start)
        call_id = data[start:end].strip().decode("utf-8", "replace")
        rows = self._calls.get(call_id)
        if rows is None:
            if not data.startswith(b"INVITE "):
                return
            rows = self._calls[call_id] = bytearray()
        elif len(rows) > _MAX_BYTES:
            return
        cseq_at = data.find(b"\nCSeq: ")
        cseq = data[cseq_at + 7 : data.find(b"\r", cseq_at + 7)] if cseq_at > 0 else b""
        sdp = b"-" if data.endswith(b"\r\n\r\n") else b"sdp"
        host, port = flow.remote
        rows += b"%.6f\t%b\t%b %b:%d\t%b\t%b\t%b\n" % (
            self._clock(),
            direction.encode(),
            flow.listener.transport.encode(),
            host.encode(),
            port,
            cseq,
            sdp,
            data[: data.find(b"\r")].replace(b"\t", b" "),
        )

    def raw(self, call_id: str) -> bytes:
        """The lines of a call that is in memory, for `parse_ladder`."""
        return bytes(self._calls.get(call_id, b""))

    def ended(self, call_id: str, interaction: str, leg: str) -> None:
        """The leg is over; what follows its end within seconds still belongs to it."""
        self._wheel.at(self._clock() + _LINGER_S, self._close, call_id, interaction, leg)

    def drop(self, call_id: str) -> None:
        """The INVITE came to nothing that a record is kept of."""
        self._calls.pop(call_id, None)

    def _close(self, now: float, call_id: str, interaction: str, leg: str) -> None:
        rows = self._calls.pop(call_id, None)
        if rows:
            self._keep(now, interaction, leg, bytes(rows))

    def flush(self) -> None:
        """Keep what is left, at the end of the process."""
        for call_id in list(self._calls):
            self._close(self._clock(), call_id, "", call_id)

    def __len__(self) -> int:
        return len(self._calls)

"""Fax terminals on legs of a worker: sound in and out of RTP, or IFP packets in UDPTL.

A terminal begins with sound. When signalling has agreed on T.38 a new one takes its place, and
back: neither T.30 nor libspandsp carries anything over, and far ends change before the first page.
What has been said before that (CED, a DIS) is said again.

Sound is given to the modem as it was sent: packets in order, a lost one as a gap of known length,
with no jitter buffer before it and no clock but that of the sender. What is sent goes each 20 ms,
late rather than never, because a modem does not forgive what is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.core.errors import ResourceError
from cicswitch.fax.udptl import Receiver, Sender, UdptlError
from cicswitch.media.spandsp import FRAME, OURS, AudioTerminal, T38Terminal
from cicswitch.rtp import g711
from cicswitch.rtp.packet import HEADER

if TYPE_CHECKING:
    from cicswitch.media.leg import Leg
    from cicswitch.media.wire import T38

__all__ = ["FaxLine", "Faxes"]

PERIOD_S: Final = 0.02
MOST_LATE: Final = 25
"""Periods that are caught up; what is later than that is given up."""
HOLD: Final = 4
HOLD_S: Final = 0.08
"""How long a packet waits for those before it."""
GAP: Final = 16_000
"""Samples; a larger jump is a new beginning."""
SILENT_S: Final = 0.2
"""After so long without a packet time goes on without the far end."""


class FaxLine:
    """A terminal and its leg."""

    def __init__(self, leg: Leg, fax_id: str, job: FaxJob, now: float) -> None:
        self.leg = leg
        self.fax_id = fax_id
        self.job = job
        self.at = now
        """When the next period begins."""
        self.terminal: AudioTerminal | T38Terminal | None = None
        self.failure = ""
        """Why there is no terminal."""
        self._sender = Sender()
        self._receiver = Receiver()
        self._began = False
        self._expected = -1
        self._held: dict[int, bytes] = {}
        self._held_at = self._heard_at = now
        self.begin(leg.t38)

    @property
    def result(self) -> FaxResult | None:
        """How it ended."""
        if self.failure:
            return FaxResult(ok=False, code=OURS, cause=self.failure)
        return self.terminal.result if self.terminal is not None else None

    def begin(self, t38: T38 | None) -> None:
        """Speak as was agreed; a terminal that has finished stays as it is."""
        old = self.terminal
        if old is not None:
            if old.result is not None or old.complete:
                return
            old.job = FaxJob(receive=self.job.receive)  # what it ends with is no result
            old.close()
            self.terminal = None
        try:
            if t38 is None:
                self.terminal = AudioTerminal(self.job)
                self._began, self._expected = False, -1
                self._held.clear()
            else:
                self.terminal = T38Terminal(
                    self.job, version=t38.version, max_bit_rate=t38.max_bit_rate
                )
                self._sender = Sender(t38.recovery, max_datagram=t38.max_datagram)
                self._receiver = Receiver()
        except ResourceError as error:
            self.failure = str(error)

    def end(self, reason: str) -> FaxResult:
        """Hang up and free everything."""
        terminal, self.terminal = self.terminal, None
        if terminal is None:
            return self.result or FaxResult(ok=False, code=OURS, cause=reason)
        result = terminal.hang_up(reason)
        terminal.close()
        return result

    # -- sound ---------------------------------------------------------------------------------

    def heard(self, timestamp: int, payload: bytes, *, fresh: bool, now: float) -> None:
        """A packet of sound."""
        if not isinstance(self.terminal, AudioTerminal):
            return
        self._heard_at = now
        gap = (timestamp - self._expected) & 0xFFFF_FFFF
        if fresh or self._expected < 0 or GAP < gap < 0xFFFF_FFFF - GAP:
            self._held.clear()
            self._expected = timestamp
            gap = 0
        if gap >= 0x8000_0000:
            return  # late: the modem has gone on without it
        if not self._held:
            self._held_at = now
        self._held[timestamp] = payload
        self._drain()
        if len(self._held) >= HOLD:
            self._skip()

    def _drain(self) -> None:
        terminal, params = self.terminal, self.leg.params
        if not isinstance(terminal, AudioTerminal) or params is None:
            return
        law = g711.LAWS[params.codec]
        while (payload := self._held.pop(self._expected, None)) is not None:
            terminal.hear(law.decoder[np.frombuffer(payload, np.uint8)].tobytes())
            self._expected = (self._expected + len(payload)) & 0xFFFF_FFFF

    def _skip(self) -> None:
        """Go on behind a gap."""
        expected = self._expected
        first = min(self._held, key=lambda timestamp: (timestamp - expected) & 0xFFFF_FFFF)
        if isinstance(self.terminal, AudioTerminal):
            self.terminal.lose(min(GAP, (first - expected) & 0xFFFF_FFFF))
        self._expected = first
        self._drain()

    # -- T.38 ----------------------------------------------------------------------------------

    def datagram(self, data: bytes, now: float) -> bool:
        """A UDPTL packet; False: it is none."""
        try:
            packets = self._receiver.receive(data, now)
        except UdptlError:
            return False
        if isinstance(self.terminal, T38Terminal):
            for number, ifp in packets:
                self.terminal.receive(ifp, number)
        return True

    # -- time ----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Send what is due."""
        if now - self.at > MOST_LATE * PERIOD_S:
            self.at = now - PERIOD_S
        while self.at <= now and self.result is None:
            self.at += PERIOD_S
            if isinstance(self.terminal, T38Terminal):
                self._tick_t38(self.terminal, now)
            elif self.terminal is not None:
                self._tick_audio(self.terminal, now)

    def _tick_t38(self, terminal: T38Terminal, now: float) -> None:
        for number, ifp in self._receiver.due(now):
            terminal.receive(ifp, number)
        leg = self.leg
        for ifp, copies in terminal.tick():
            data = self._sender.send(ifp)
            if leg.address is not None:
                for _ in range(copies):
                    leg.transmit(data)
                    leg.output.sent += 1

    def _tick_audio(self, terminal: AudioTerminal, now: float) -> None:
        if self._held and now - self._held_at > HOLD_S:
            self._skip()
        elif now - self._heard_at > SILENT_S:
            self._expected = -1
            terminal.lose(FRAME)
        leg = self.leg
        samples = np.frombuffer(terminal.say(), np.int16)
        params = leg.params
        if params is None or not leg.may_send:
            return
        payload = g711.encode(samples, g711.LAWS[params.codec])
        second = params.payload_type
        if not self._began:
            self._began = True
            leg.spliced = None
            leg.output.begin(now)
            second |= 0x80
        sequence, timestamp = leg.output.next(now)
        leg.transmit(HEADER.pack(0x80, second, sequence, timestamp, leg.output.ssrc) + payload)
        leg.output.sent += 1
        leg.output.octets += len(payload)


class Faxes:
    """All fax terminals of a worker."""

    def __init__(self, ended: Callable[[Leg, FaxLine, FaxResult], None]) -> None:
        self._ended = ended
        self.lines: dict[int, FaxLine] = {}
        """By number of the leg."""

    def begin(self, leg: Leg, fax_id: str, job: FaxJob, now: float) -> None:
        """Put a terminal on a leg."""
        leg.fax = self.lines[leg.number] = FaxLine(leg, fax_id, job, now)

    def end(self, leg: Leg, reason: str) -> None:
        """Take it away; what there is becomes the result."""
        line = self.lines.pop(leg.number, None)
        if line is not None:
            leg.fax = None
            self._ended(leg, line, line.end(reason))

    def due(self) -> float:
        """When `tick` wants to be called."""
        return min(line.at for line in self.lines.values())

    def tick(self, now: float) -> None:
        """Let all terminals speak; those that are done leave."""
        for line in list(self.lines.values()):
            if line.at <= now:
                line.tick(now)
            result = line.result
            if result is not None:
                self.end(line.leg, "")

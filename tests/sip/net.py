"""Two user agents and a network between them, in virtual time and from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip.events import Event
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.settings import Settings
from cicswitch.sip.user_agent import UserAgent

E = TypeVar("E", bound=Event)
Verdict = Callable[[int, bytes], list[float]]
"""Index of a packet and its bytes -> the delays of its copies; empty loses it."""


def straight(index: int, data: bytes) -> list[float]:
    return [0.001]


class Host:
    """A user agent with one listener, and all its events."""

    def __init__(
        self, wheel: TimerWheel, name: str, address: str, seed: int, transport: str, **more: Any
    ) -> None:
        self.name = name
        self.listener = Listener(name, transport, address, 5060)
        source = random.Random(seed)
        self.ua = UserAgent(wheel, Tokens(source.randbytes), **more)
        self.events: list[Event] = []
        self.on_event: Callable[[Event, float], None] | None = None

    def one(self, kind: type[E]) -> E:
        """The only event of a kind."""
        (event,) = self.all(kind)
        return event

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class Net:
    """A and B, joined. `verdict` rules over each packet."""

    def __init__(
        self,
        verdict: Verdict = straight,
        transport: str = "UDP",
        settings: Settings | None = None,
        **more: Any,
    ) -> None:
        self.now = 100.0
        self.wheel = TimerWheel()
        self.a = Host(self.wheel, "a", "10.0.0.1", 1, transport, settings=settings, **more)
        self.b = Host(self.wheel, "b", "10.0.0.2", 2, transport, settings=settings, **more)
        connection = None if transport == "UDP" else 1
        self.to_b = Flow(self.a.listener, ("10.0.0.2", 5060), connection)
        self.to_a = Flow(self.b.listener, ("10.0.0.1", 5060), connection)
        self.verdict = verdict
        self.sent: list[tuple[str, bytes]] = []
        self._flying: list[tuple[float, int, Host, bytes]] = []
        self._serial = 0

    def flush(self) -> None:
        """Take outputs to the wire and events to the record until nothing moves."""
        moved = True
        while moved:
            moved = False
            for host, other in ((self.a, self.b), (self.b, self.a)):
                for flow, data in host.ua.take_outputs():
                    moved = True
                    index = len(self.sent)
                    self.sent.append((host.name, data))
                    assert flow.remote == (other.listener.host, 5060), (flow, data)
                    for delay in self.verdict(index, data):
                        self._serial += 1
                        self._flying.append((self.now + delay, self._serial, other, data))
                for event in host.ua.take_events():
                    moved = True
                    host.events.append(event)
                    if host.on_event is not None:
                        host.on_event(event, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        self.flush()
        while True:
            due = self.wheel.next_due()
            arrival = min(self._flying)[0] if self._flying else None
            times = [time for time in (due, arrival) if time is not None and time <= end]
            if not times:
                break
            self.now = max(self.now, min(times))
            if arrival is not None and arrival <= self.now:
                packet = min(self._flying)
                self._flying.remove(packet)
                host, data = packet[2], packet[3]
                host.ua.receive(data, self.to_b if host is self.a else self.to_a, self.now)
            self.wheel.fire(self.now)
            self.flush()
        self.now = end

    def ladder(self) -> list[str]:
        """What was sent: `a INVITE`, `b 180 INVITE`, ..."""
        out = []
        for name, data in self.sent:
            first = data.split(b"\r\n", 1)[0].decode().split(" ")
            cseq = next(line for line in data.decode().split("\r\n") if line.startswith("CSeq:"))
            method = cseq.rpartition(" ")[2]
            answer = f"{first[1]} " if first[0] == "SIP/2.0" else ""
            out.append(f"{name} {answer}{method}")
        return out

    def assert_empty(self) -> None:
        """Nothing is left of any call once the timers have run."""
        self.run(120.0)
        for host in (self.a, self.b):
            assert host.ua.sessions == 0, host.ua.session_table
            assert not host.ua.clients, list(host.ua.clients.values())
            assert not host.ua.servers, list(host.ua.servers.values())
            assert not host.ua.callers
        assert len(self.wheel) == 0

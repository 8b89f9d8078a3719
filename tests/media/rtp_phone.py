"""The far end of a leg for tests: an RTP phone on a socket of its own."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from cicswitch.media.plane import WorkerPlane
from cicswitch.media.settings import MediaSettings
from cicswitch.ports import MediaAddress, MediaEvent, MediaParams
from cicswitch.rtp import g711, tones
from cicswitch.rtp.dtmf import event_frames
from cicswitch.rtp.packet import RtpPacket, build_rtp, parse_rtp

E = TypeVar("E")
NEAR = "127.0.0.9"


class Phone(asyncio.DatagramProtocol):
    """Sends a tone (0 Hz: silence) in steps of 20 ms, keeps all that it is sent."""

    def __init__(self, leg: str, *, codec: str = "PCMU", dtmf: int | None = 101) -> None:
        self.leg = leg
        self.law = g711.LAWS[codec]
        self.payload_type = 0 if codec == "PCMU" else 8
        self.dtmf = dtmf
        self.ssrc = 0x1000 + hash(leg) % 0xFFFF
        self.sequence = 100
        self.timestamp = 5000
        self.packets: list[tuple[float, RtpPacket]] = []
        self.transport: asyncio.DatagramTransport | None = None
        self.to: tuple[str, int] = ("", 0)
        self._task: asyncio.Task[None] | None = None
        self._sample = 0
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.packets.append((time.monotonic(), parse_rtp(data)))
        self._news.set()

    def error_received(self, exc: Exception) -> None:
        pass

    async def listen(self, host: str, port: int = 0) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        assert self.transport is not None
        name = self.transport.get_extra_info("sockname")
        return name[0], name[1]

    @property
    def address(self) -> tuple[str, int]:
        assert self.transport is not None
        name = self.transport.get_extra_info("sockname")
        return name[0], name[1]

    def params(self, **changes: Any) -> MediaParams:
        host, port = self.address
        fields: dict[str, Any] = {
            "codec": self.law.name,
            "payload_type": self.payload_type,
            "host": host,
            "port": port,
            "dtmf_payload_type": self.dtmf,
        }
        return MediaParams(**(fields | changes))

    def send(
        self, payload: bytes, *, marker: bool = False, payload_type: int | None = None
    ) -> None:
        assert self.transport is not None
        self.sequence = (self.sequence + 1) & 0xFFFF
        packet = RtpPacket(
            payload_type=self.payload_type if payload_type is None else payload_type,
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            payload=payload,
            marker=marker,
        )
        self.transport.sendto(build_rtp(packet), self.to)

    def talk(self, hz: float, *, level_db: float = -10.0) -> None:
        """Speak this tone from now on."""
        self.quiet()
        self._task = asyncio.create_task(self._talk(hz, level_db))

    def quiet(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _talk(self, hz: float, level_db: float) -> None:
        due = time.monotonic()
        while True:
            samples = np.zeros(160, np.int16)
            if hz:
                samples = tones.tone((hz,), 160, level_db=level_db, fade=False, first=self._sample)
            self._sample += 160
            self.send(g711.encode(samples, self.law))
            self.timestamp = (self.timestamp + 160) & 0xFFFF_FFFF
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def say(self, samples: NDArray[np.int16]) -> None:
        """Speak these samples, in real time."""
        due = time.monotonic()
        for at in range(0, len(samples) - 159, 160):
            self.send(g711.encode(samples[at : at + 160], self.law))
            self.timestamp += 160
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def press(self, digits: str, *, duration_ms: int = 60, step_s: float = 0.004) -> None:
        """Digits as events, faster than in life."""
        assert self.dtmf is not None
        for digit in digits:
            for marker, _, payload in event_frames(digit, 8 * duration_ms):
                self.send(payload, marker=marker, payload_type=self.dtmf)
                await asyncio.sleep(step_s)
            self.timestamp += 8 * duration_ms + 400

    def audio(self, since: float = 0.0) -> NDArray[np.int16]:
        """What came, joined by timestamp: a lost packet is a gap of zeros."""
        chosen = [
            packet
            for at, packet in self.packets
            if at >= since and packet.payload_type == self.payload_type
        ]
        if not chosen:
            return np.zeros(0, np.int16)
        first = chosen[0].timestamp
        offsets = [(packet.timestamp - first) & 0xFFFF_FFFF for packet in chosen]
        joined = np.zeros(max(offsets) + 160, np.int16)
        for offset, packet in zip(offsets, chosen, strict=True):
            samples = g711.decode(packet.payload, self.law)
            joined[offset : offset + len(samples)] = samples
        return joined

    async def until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Wait for packets until this holds."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def packets_more(self, count: int) -> None:
        have = len(self.packets)
        await self.until(lambda: len(self.packets) >= have + count)

    def close(self) -> None:
        self.quiet()
        if self.transport is not None:
            self.transport.close()


class Rig:
    """A plane, its events, and phones."""

    def __init__(self, plane: WorkerPlane) -> None:
        self.plane = plane
        self.events: list[MediaEvent] = []
        self.phones: list[Phone] = []
        self._news = asyncio.Event()

    def on_event(self, event: MediaEvent) -> None:
        self.events.append(event)
        self._news.set()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def event(self, kind: type[E], count: int = 1, timeout_s: float = 8.0) -> E:
        """Wait for the so manieth event of a kind."""
        async with asyncio.timeout(timeout_s):
            while len(self.of(kind)) < count:
                self._news.clear()
                await self._news.wait()
        return self.of(kind)[count - 1]

    async def ports(self, count: int, timeout_s: float = 5.0) -> None:
        """Wait until so many ports are free: the plane tells it in a figure only."""
        async with asyncio.timeout(timeout_s):
            while self.plane.figures()["ports_free"] < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def phone(
        self, leg: str, *, configure: bool = True, host: str = "127.0.0.2", **options: Any
    ) -> Phone:
        """A phone with an open leg before it."""
        phone = Phone(leg, **options)
        self.phones.append(phone)
        await phone.listen(host)
        near: MediaAddress = self.plane.open(leg)
        phone.to = (near.host, near.port)
        if configure:
            self.plane.configure(leg, phone.params())
        return phone


def settings(port_min: int, **changes: Any) -> MediaSettings:
    fields: dict[str, Any] = {
        "host": NEAR,
        "port_min": port_min,
        "port_max": port_min + 198,
        "workers": 0,
        "pool_initial": 16,
        "pool_step": 16,
    }
    return MediaSettings(**(fields | changes))


@asynccontextmanager
async def rig(port_min: int, **changes: Any) -> AsyncIterator[Rig]:
    plane = WorkerPlane(settings(port_min, **changes))
    made = Rig(plane)
    await plane.start(made.on_event)
    try:
        yield made
    finally:
        for phone in made.phones:
            phone.close()
        await plane.stop()
        await asyncio.sleep(0.01)  # transports close in a later pass of the loop


def share(samples: NDArray[np.int16], hz: float) -> float:
    """Part of the energy that lies at this frequency, 0 to 1."""
    wave = samples.astype(np.float64)
    energy = float(np.dot(wave, wave))
    if energy < 1:
        return 0.0
    at = 2j * np.pi * hz * np.arange(len(wave)) / 8000
    return float(2 * np.abs(np.dot(wave, np.exp(-at))) ** 2 / len(wave) / energy)


def part(audio: NDArray[np.int16], hz: float) -> float:
    """As `share` of what is heard, in steps of 50 ms: a stream that is spliced may go on in another
    phase, and a packet that is missing leaves the rest as it is.
    """
    blocks = audio[: len(audio) // 400 * 400].astype(np.float64).reshape(-1, 400)
    energies = np.einsum("ij,ij->i", blocks, blocks)
    at = 2j * np.pi * hz * np.arange(400) / 8000
    found = float(np.sum(np.abs(blocks @ np.exp(-at)) ** 2)) * 2 / 400
    energy = float(np.sum(energies))
    return found / energy if energy >= 1 else 0.0


def longest_gap_ms(samples: NDArray[np.int16], hz: float, block: int = 40) -> int:
    """The longest stretch, in steps of 5 ms, in which the tone is not the sound."""
    worst = gap = 0
    for at in range(0, len(samples) - block + 1, block):
        part = samples[at : at + block]
        heard = np.abs(part.astype(np.int32)).max() > 300 and share(part, hz) > 0.6
        gap = 0 if heard else gap + block // 8
        worst = max(worst, gap)
    return worst


def trimmed(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Without what is silent before and after."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 300)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def raw_rtp(payload_type: int, sequence: int, ssrc: int, payload: bytes = b"\xff" * 160) -> bytes:
    return (
        struct.pack(
            "!BBHII", 0x80, payload_type, sequence & 0xFFFF, sequence * 160 & 0xFFFF_FFFF, ssrc
        )
        + payload
    )

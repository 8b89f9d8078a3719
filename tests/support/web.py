"""Browsers by hand: SIP over WebSocket as text, media by aiortc, which is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import os
import re
from collections.abc import AsyncIterator
from typing import Any

import aioice.ice
import av
import numpy as np
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from cicswitch.core.ids import Tokens
from cicswitch.sip.auth import Credentials, authorization
from tests.support.wire import Wire, header

__all__ = ["Caller", "Camera", "Ear", "Tone", "WebWire", "caller", "seen", "web_wire"]

RATE_HZ = 48_000
_FRAME = RATE_HZ // 50
PICTURES_HZ = 10


class WebWire(Wire):
    """A SIP peer by WebSocket (RFC 7118): what `Wire` is by UDP."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__("b7c1e0.invalid", 5060, 0)
        self.socket = socket
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Take what comes."""
        with contextlib.suppress(ConnectionClosed):
            async for message in self.socket:
                self.datagram_received(
                    message.encode() if isinstance(message, str) else message, None
                )

    def send(self, text: str) -> None:
        text = text.replace("\n", "\r\n").replace("SIP/2.0/UDP", "SIP/2.0/WS")
        task = asyncio.get_running_loop().create_task(self._send(text))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, text: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(text)


@contextlib.asynccontextmanager
async def web_wire(url: str, query: str = "", **headers: str) -> AsyncIterator[WebWire]:
    """A connection to `/sip` of a switch whose API is at `url`."""
    where = url.replace("http", "ws", 1) + "/sip" + query
    async with connect(
        where, subprotocols=[Subprotocol("sip")], additional_headers=headers, proxy=None
    ) as socket:
        one = WebWire(socket)
        listening = asyncio.create_task(one.listen())
        try:
            yield one
        finally:
            listening.cancel()


class Tone(MediaStreamTrack):
    """A microphone that hears a tone."""

    kind = "audio"

    def __init__(self, hz: float) -> None:
        super().__init__()
        self._hz = hz
        self._at = 0
        self._began = 0.0

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._at / RATE_HZ - loop.time()))
        t = (self._at + np.arange(_FRAME)) / RATE_HZ
        samples = (np.sin(2 * np.pi * self._hz * t) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.pts, frame.time_base = self._at, fractions.Fraction(1, RATE_HZ)
        self._at += _FRAME
        return frame


class Camera(MediaStreamTrack):
    """A camera that sees a grey of its own, and a white bar that moves."""

    kind = "video"

    def __init__(self, grey: int) -> None:
        super().__init__()
        self._grey = grey
        self._at = 0
        self._began = 0.0

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._at / PICTURES_HZ - loop.time()))
        picture = np.full((120, 160, 3), self._grey, np.uint8)
        left = self._at * 8 % 160
        picture[:, left : left + 8] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = self._at * 90_000 // PICTURES_HZ
        frame.time_base = fractions.Fraction(1, 90_000)
        self._at += 1
        return frame


def seen(pictures: list[Any], grey: int) -> tuple[int, int]:
    """How many pictures are of that grey, and at how many places the bar is in them."""
    places = set()
    count = 0
    for picture in pictures:
        line = picture.to_ndarray(format="gray")[60].astype(int)
        if abs(int(np.median(line)) - grey) < 12:
            count += 1
            places.add(int(line.argmax()) // 8)
    return count, len(places)


class Ear:
    """What came of a track, and how much of it a tone is."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.pictures: list[Any] = []

    async def listen(self, track: MediaStreamTrack) -> None:
        """Take frames until there are no more."""
        with contextlib.suppress(Exception):
            while True:
                frame = await track.recv()
                if isinstance(frame, av.AudioFrame):
                    channels = len(frame.layout.channels)
                    self.frames.append((frame.sample_rate, frame.to_ndarray()[0][::channels]))
                else:
                    self.pictures.append(frame)

    def share(self, hz: float, seconds: float) -> float:
        """The share of the last so many seconds that has a tone as half of its energy or more."""
        count = round(seconds * 50)
        good = 0
        for rate, samples in self.frames[-count:]:
            wave = samples.astype(float)
            at = np.abs(np.exp(-2j * np.pi * hz * np.arange(len(wave)) / rate) @ wave) ** 2
            energy = (wave**2).sum()
            good += energy > len(wave) * 200.0**2 and at * 2 / len(wave) > 0.5 * energy
        return good / count


class Caller:
    """A browser in a call."""

    def __init__(self, wire: WebWire, hz: float, video: MediaStreamTrack | None = None) -> None:
        self.wire = wire
        self.ear = Ear()
        self.connection = RTCPeerConnection()
        self.connection.addTrack(Tone(hz))
        if video is not None:
            self.connection.addTrack(video)
        self.ok = ""
        self._listening: list[asyncio.Task[None]] = []
        self.connection.on("track", self._track)

    def _track(self, track: MediaStreamTrack) -> None:
        self._listening.append(asyncio.create_task(self.ear.listen(track)))

    async def offer(self) -> str:
        """Our description as an offer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def answer(self, invite: str) -> str:
        """Our answer to an INVITE's offer."""
        await self.take(invite, "offer")
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def take(self, message: str, kind: str) -> None:
        """Take the description in a message."""
        body = message.partition("\r\n\r\n")[2]
        await self.connection.setRemoteDescription(RTCSessionDescription(body, kind))

    async def call(
        self, number: str, user: str, *, password: str = "", trickle: bool = False
    ) -> None:
        """Call a number as a device: with its password, where the connection is nobody's; with
        `trickle` our candidates are told later (RFC 8840).
        """
        sdp = (await self.offer()).replace("\r\n", "\n")
        found = re.findall(r"^a=candidate:.*\n", sdp, re.MULTILINE)
        if trickle:
            sdp = re.sub(r"^a=(candidate:.*|end-of-candidates)\n", "", sdp, flags=re.MULTILINE)
            sdp = sdp.replace("\nt=0 0\n", "\nt=0 0\na=ice-options:trickle\n")
        uri = f"sip:{number}@127.0.0.1"
        self.wire.request("INVITE", uri, user=user, body=sdp)
        if password:
            asked = header(await self.wire.expect("SIP/2.0 401"), "WWW-Authenticate")
            challenge = dict(re.findall(r'(\w+)="?([^",]+)"?', asked.partition(" ")[2]))
            who = Credentials(user, password)
            given = authorization(challenge, who, "INVITE", uri, Tokens(os.urandom))
            headers = f"Authorization: {given}\n"
            self.wire.request("INVITE", uri, user=user, body=sdp, headers=headers)
        self.ok = await self.wire.expect("SIP/2.0 200", having="INVITE")
        self.wire.ack(self.ok)
        if trickle:
            assert header(self.ok, "Recv-Info") == "trickle-ice"
            assert "a=ice-options:trickle" in self.ok
            kind = "Info-Package: trickle-ice\nContent-Type: application/trickle-ice-sdpfrag\n"
            secrets = re.findall(r"^a=ice-(?:ufrag|pwd):.*\n", sdp, re.MULTILINE)[:2]
            frag = f"{''.join(secrets)}m=audio 9 RTP/AVP 0\na=mid:0\n{''.join(found)}"
            self.wire.within(self.ok, "INFO", cseq=2, headers=kind, body=frag)
            await self.wire.expect("SIP/2.0 200", having="2 INFO")
        await self.take(self.ok, "answer")

    async def again(self, *, cseq: int = 2) -> None:
        """Offer anew in the same call: what has changed is in it."""
        sdp = (await self.offer()).replace("\r\n", "\n")
        headers = f"Content-Type: application/sdp\nContact: <sip:x@{self.wire.host};transport=ws>\n"
        self.wire.within(self.ok, "INVITE", cseq=cseq, headers=headers, body=sdp)
        answer = await self.wire.expect("SIP/2.0 200", having=f"{cseq} INVITE")
        self.wire.within(answer, "ACK", cseq=cseq)
        await self.take(answer, "answer")

    async def asked_again(self) -> None:
        """Answer an offer that comes in the same call."""
        invite = await self.wire.expect("INVITE ")
        answer = (await self.answer(invite)).replace("\r\n", "\n")
        self.wire.reply(invite, "200 OK", body=answer)
        await self.wire.expect("ACK ")

    async def pick_up(self) -> None:
        """Answer the call that comes."""
        invite = await self.wire.expect("INVITE ")
        self.wire.reply(invite, "180 Ringing")
        self.wire.reply(invite, "200 OK", body=(await self.answer(invite)).replace("\r\n", "\n"))
        await self.wire.expect("ACK ")

    async def close(self) -> None:
        """End the connection, as a page does that is closed."""
        await self.connection.close()
        for task in self._listening:
            task.cancel()

    async def die(self) -> None:
        """Be gone without a word, as a browser does that is killed."""
        ice = self.connection.getTransceivers()[0].sender.transport.transport._connection
        for protocol in ice._protocols:
            protocol.transport.abort()
        for task in self._listening:
            task.cancel()


@contextlib.asynccontextmanager
async def caller(
    wire: WebWire, hz: float, video: MediaStreamTrack | None = None
) -> AsyncIterator[Caller]:
    """A browser at a connection. Its candidate is 127.0.0.1, which aioice leaves out by itself."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    one = Caller(wire, hz, video)
    try:
        yield one
    finally:
        with contextlib.suppress(Exception):
            await one.close()


def registered(answer: str) -> bool:
    """Whether a REGISTER's answer has our contact."""
    return bool(re.search(r"^Contact: .*invalid", answer, re.MULTILINE))

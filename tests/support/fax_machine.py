"""A fax machine at the other end of a trunk: SIP by hand, a terminal of libspandsp, real time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from random import Random
from typing import Any, cast

import numpy as np

from cicswitch.contacts.faxes import FaxJob, FaxResult
from cicswitch.fax.udptl import Receiver, Recovery, Sender
from cicswitch.media.spandsp import AudioTerminal, T38Terminal
from cicswitch.rtp import g711
from cicswitch.rtp.packet import HEADER
from tests.support.wire import Wire, header

ULAW = g711.LAWS["PCMU"]


class _Media(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.append(data)


class Machine:
    """One call of a machine. `t38`: an offer of T.38 is taken, else refused with `refuses`."""

    def __init__(
        self,
        wire: Wire,
        job: FaxJob,
        *,
        t38: bool = True,
        refuses: str = "488 Not Acceptable Here",
        recovery: Recovery = "redundancy",
        loss: float = 0.0,
        speed: float = 1.0,
    ) -> None:
        self.wire, self.job, self.t38, self.refuses = wire, job, t38, refuses
        self.recovery, self.loss = recovery, loss
        self.terminal: AudioTerminal | T38Terminal = AudioTerminal(job)
        self.offers: list[str] = []
        """Descriptions with T.38 that the switch has sent."""
        self.over = asyncio.Event()
        """The switch has said BYE."""
        self._media = _Media()
        self._to: tuple[str, int] = ("", 0)
        self._ours = ""
        self._sequence = self._timestamp = 0
        self._sender, self._receiver = Sender(recovery), Receiver()
        self._random = Random(4)
        self._tasks: list[asyncio.Task[None]] = []
        self._dialog: dict[str, str] = {}
        self._cseq = 10
        self._session = 1
        self._answers: list[str] = []
        self._news = asyncio.Event()

    # -- signalling ----------------------------------------------------------------------------

    async def call(self, number: str, user: str = "0255501000") -> None:
        """Call the switch and begin; again while it says that it is overloaded, as on a machine
        that has much else to do.
        """
        for _ in range(8):
            call_id = self.wire.call(number, user=user)
            ok = await self.wire.expect("SIP/2.0 ", having=call_id)
            while ok.startswith("SIP/2.0 1"):
                ok = await self.wire.expect("SIP/2.0 ", having=call_id)
            if not ok.startswith("SIP/2.0 503"):
                break
            await asyncio.sleep(1)
        assert ok.startswith("SIP/2.0 200"), ok
        self.wire.ack(ok)
        self._dialog = {
            "from": header(ok, "From"),
            "to": header(ok, "To"),
            "call-id": header(ok, "Call-ID"),
        }
        self._heard_of(ok)
        self._begin()

    async def answer(self, timeout: float = 10.0) -> str:
        """Wait for a call of the switch, answer and begin; the INVITE."""
        invite = await self.wire.expect("INVITE", timeout)
        self.wire.reply(invite, "200 OK", body=self.wire.sdp())
        await self.wire.expect("ACK", having=header(invite, "Call-ID"))
        self._dialog = {
            "from": header(invite, "To") + ";tag=there",
            "to": header(invite, "From"),
            "call-id": header(invite, "Call-ID"),
        }
        self._heard_of(invite)
        self._begin()
        return invite

    async def ask_t38(self) -> bool:
        """Offer T.38 ourselves; whether it was accepted."""
        self._request("INVITE", self._image())
        async with asyncio.timeout(15):
            while not self._answers or self._answers[-1].startswith("SIP/2.0 1"):
                self._news.clear()
                await self._news.wait()
        answer = self._answers.pop()
        self._request("ACK", "", self._cseq)
        if answer.startswith("SIP/2.0 200") and "m=image" in answer:
            self._heard_of(answer)
            self._to_t38()
            return True
        return False

    def hang_up(self) -> None:
        """BYE."""
        self._request("BYE", "")

    def _request(self, method: str, body: str, cseq: int = 0) -> None:
        if not cseq:
            self._cseq += 1
            cseq = self._cseq
        wire, dialog = self.wire, self._dialog
        kind = "Content-Type: application/sdp\n" if body else ""
        branch = f"z9hG4bKm{cseq}{method}{time.monotonic_ns()}"
        wire.send(
            f"{method} sip:x@127.0.0.1:{wire.server} SIP/2.0\n"
            f"Via: SIP/2.0/UDP {wire.host}:{wire.port};branch={branch};rport\n"
            f"Max-Forwards: 70\nFrom: {dialog['from']}\nTo: {dialog['to']}\n"
            f"Call-ID: {dialog['call-id']}\nCSeq: {cseq} {method}\n"
            f"Contact: <sip:there@{wire.host}:{wire.port}>\n{kind}"
            f"Content-Length: {len(body.replace(chr(10), '  '))}\n\n{body}"
        )

    def _image(self) -> str:
        self._session += 1
        names = {"none": "t38UDPNoEC", "redundancy": "t38UDPRedundancy", "fec": "t38UDPFEC"}
        return (
            f"v=0\no=- 1 {self._session} IN IP4 {self.wire.host}\ns=-\n"
            f"c=IN IP4 {self.wire.host}\nt=0 0\nm=image {self.wire.port + 2} udptl t38\n"
            "a=T38FaxVersion:0\na=T38MaxBitRate:14400\na=T38FaxRateManagement:transferredTCF\n"
            f"a=T38FaxMaxDatagram:400\na=T38FaxUdpEC:{names[self.recovery]}\n"
        )

    def _heard_of(self, message: str) -> None:
        host = re.search(r"^c=IN IP4 (\S+)", message, re.MULTILINE)
        port = re.search(r"^m=(?:audio|image) ([1-9]\d*)", message, re.MULTILINE)
        assert host is not None
        assert port is not None
        self._to = (host[1], int(port[1]))

    async def _listen(self) -> None:
        """Requests within the dialog."""
        while True:
            request = await self.wire.expect("", 3600, having=f"Call-ID: {self._dialog['call-id']}")
            method = request.partition(" ")[0]
            if method == "INVITE":
                if "m=image" in request and not self.t38:
                    self.offers.append(request)
                    self.wire.reply(request, self.refuses)
                elif "m=image" in request:
                    self.offers.append(request)
                    self.wire.reply(request, "200 OK", body=self._image())
                    self._heard_of(request)
                    self._to_t38()
                else:
                    self.wire.reply(request, "200 OK", body=self.wire.sdp())
            elif method == "BYE":
                self.wire.reply(request, "200 OK")
                self.over.set()
            elif method == "SIP/2.0" and f"{self._cseq} INVITE" in header(request, "CSeq"):
                self._answers.append(request)
                self._news.set()

    def _to_t38(self) -> None:
        self.terminal.close()
        self.terminal = T38Terminal(self.job)
        self._sender, self._receiver = Sender(self.recovery), Receiver()
        self._media.came.clear()

    # -- media -----------------------------------------------------------------------------------

    def _begin(self) -> None:
        for work, name in ((self._listen(), "machine-sip"), (self._run(), "machine-media")):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(
            lambda: self._media, local_addr=(self.wire.host, self.wire.port + 2)
        )

    async def _run(self) -> None:
        at = time.monotonic()
        while True:
            at += 0.02
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            if isinstance(self.terminal, T38Terminal):
                self._tick_t38(self.terminal)
            else:
                self._tick_audio(self.terminal)

    def _send(self, data: bytes) -> None:
        assert self._media.transport is not None
        if not self.loss or self._random.random() >= self.loss:
            self._media.transport.sendto(data, self._to)

    def _tick_audio(self, terminal: AudioTerminal) -> None:
        came, self._media.came = self._media.came, []
        for data in came:
            if data[1] & 0x7F == 0 and len(data) > 12:
                terminal.hear(ULAW.decoder[np.frombuffer(data[12:], np.uint8)].tobytes())
        if not came:
            terminal.lose(160)
        samples = np.frombuffer(terminal.say(), np.int16)
        self._sequence += 1
        self._timestamp += 160
        head = HEADER.pack(0x80, 0, self._sequence & 0xFFFF, self._timestamp, 99)
        self._send(head + g711.encode(samples, ULAW))

    def _tick_t38(self, terminal: T38Terminal) -> None:
        now = time.monotonic()
        came, self._media.came = self._media.came, []
        for data in came:
            if self.loss and self._random.random() < self.loss:
                continue
            with contextlib.suppress(Exception):  # sound that was on its way
                for number, ifp in self._receiver.receive(data, now):
                    terminal.receive(ifp, number)
        for number, ifp in self._receiver.due(now):
            terminal.receive(ifp, number)
        for ifp, copies in terminal.tick():
            data = self._sender.send(ifp)
            for _ in range(copies):
                self._send(data)

    async def result(self, timeout: float = 120.0) -> FaxResult:
        """How it ended."""
        async with asyncio.timeout(timeout):
            while True:
                result = self.terminal.result
                if result is not None:
                    return result
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._media.transport is not None:
            self._media.transport.close()
        self.terminal.close()


@contextlib.asynccontextmanager
async def machine(wire: Wire, job: FaxJob, **more: Any) -> AsyncIterator[Machine]:
    """A machine behind a peer; what it sends and receives of sound and images is at its port
    beside SIP's.
    """
    one = Machine(wire, job, **more)
    await one.open()
    try:
        yield one
    finally:
        await one.close()

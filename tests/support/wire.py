"""SIP by hand over UDP: a peer that sends and sees text, where the exact text is the point."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from itertools import count
from typing import cast

from tests.support.ports import free_port

_serial = count(1)


class Wire(asyncio.DatagramProtocol):
    """One socket, at `host` and `port`."""

    def __init__(self, host: str, port: int, server: int) -> None:
        self.host, self.port, self.server = host, port, server
        self.seen: list[str] = []
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.seen.append(data.decode())
        self._news.set()

    async def expect(self, start: str, timeout: float = 10.0, *, having: str = "") -> str:
        """The first message that begins so, has this in it, and has not been expected yet."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for message in self.seen:
                        if message.startswith(start) and having in message:
                            self.seen.remove(message)
                            return message
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"no {start!r} in {timeout} s; seen: {self.seen}") from None

    def send(self, text: str) -> None:
        assert self._transport is not None
        self._transport.sendto(text.replace("\n", "\r\n").encode(), ("127.0.0.1", self.server))

    def sdp(self, codecs: str = "0 8") -> str:
        return (
            f"v=0\no=- 1 1 IN IP4 {self.host}\ns=-\nc=IN IP4 {self.host}\nt=0 0\n"
            f"m=audio {self.port + 2} RTP/AVP {codecs}\n"
        )

    def request(
        self,
        method: str,
        uri: str,
        *,
        user: str = "0299990000",
        name: str = "",
        headers: str = "",
        body: str = "",
        call_id: str = "",
        cseq: int = 1,
    ) -> str:
        """Send a request outside any dialog; its Call-ID."""
        number = next(_serial)
        call_id = call_id or f"wire{number}@{self.host}"
        at = f"{self.host}:{self.port}"
        kind = "Content-Type: application/sdp\n" if body else ""
        to = f"sip:{user}@127.0.0.1" if method == "REGISTER" else uri
        self.send(
            f"{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP {at};branch=z9hG4bKw{number};rport\n"
            f"Max-Forwards: 70\nFrom: {name}<sip:{user}@{self.host}>;tag=w{number}\nTo: <{to}>\n"
            f"Call-ID: {call_id}\nCSeq: {cseq} {method}\nContact: <sip:{user}@{at}>\n"
            f"{headers}{kind}Content-Length: {len(body.replace(chr(10), '  '))}\n\n{body}"
        )
        return call_id

    def call(self, number: str, *, user: str = "0299990000", name: str = "") -> str:
        """INVITE with an offer; its Call-ID."""
        return self.request(
            "INVITE", f"sip:{number}@127.0.0.1", user=user, name=name, body=self.sdp()
        )

    def reply(self, request: str, status: str, *, body: str = "", headers: str = "") -> None:
        """Answer a request that came."""
        kept = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*$", request, re.MULTILINE)
        lines = "\n".join(line.rstrip("\r") for line in kept)
        to = header(request, "To")
        tag = "" if ";tag=" in to or status.startswith("100") else ";tag=there"
        kind = "Content-Type: application/sdp\n" if body else ""
        self.send(
            f"SIP/2.0 {status}\n{lines}\nTo: {to}{tag}\n{headers}"
            f"Contact: <sip:there@{self.host}:{self.port}>\n{kind}"
            f"Content-Length: {len(body.replace(chr(10), '  '))}\n\n{body}"
        )

    def within(
        self, ok: str, method: str, *, cseq: int = 2, headers: str = "", body: str = ""
    ) -> None:
        """A request in the dialog that a 200 to our INVITE has made."""
        kept = re.findall(r"^(?:From|To|Call-ID): .*$", ok, re.MULTILINE)
        lines = "\n".join(line.rstrip("\r") for line in kept)
        self.send(
            f"{method} sip:x@127.0.0.1 SIP/2.0\n{lines}\nMax-Forwards: 70\nCSeq: {cseq} {method}\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bKd{next(_serial)};rport\n"
            f"{headers}Content-Length: {len(body.replace(chr(10), '  '))}\n\n{body}"
        )

    def press(self, ok: str, digit: str) -> None:
        """A digit by SIP INFO."""
        kind = "Content-Type: application/dtmf\n"
        self.within(ok, "INFO", headers=kind, body=digit)

    def ack(self, ok: str) -> None:
        """ACK a 200 to our INVITE."""
        kept = re.findall(r"^(?:From|To|Call-ID): .*$", ok, re.MULTILINE)
        lines = "\n".join(line.rstrip("\r") for line in kept)
        self.send(
            f"ACK sip:x@127.0.0.1 SIP/2.0\n{lines}\nMax-Forwards: 70\nCSeq: 1 ACK\n"
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bKa{next(_serial)};rport\n"
            "Content-Length: 0\n\n"
        )


def header(message: str, name: str) -> str:
    """The value of a header that must be there."""
    found = re.search(rf"^{name}: (.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)
    assert found is not None, (name, message)
    return found[1]


@contextlib.asynccontextmanager
async def wire(host: str, server: int, port: int = 0) -> AsyncIterator[Wire]:
    """A peer at `host` who talks to our port `server`."""
    one = Wire(host, port or free_port(), server)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: one, local_addr=(host, one.port))
    try:
        yield one
    finally:
        assert one._transport is not None
        one._transport.close()

"""Two trunks and a switch between them: what one peer says of itself, the other never sees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from tests.support.center import center
from tests.support.ports import free_port

PLAN = """
[[route]]
called = "_X."
trunk = "near"
flow = "dial"
[[flow.dial]]
do = "dial"
to = "far:{called}"
"""

SECRETS = (
    "SECRET-CALL-ID", "SECRET-TAG", "SECRET-BRANCH", "SECRET-CONTACT", "SECRET-ROUTE",
    "SECRET-HEADER", "SECRET-AGENT", "SECRET-ORIGIN", "127.0.0.2",
)  # fmt: skip

SDP = (
    "v=0\r\no=SECRET-ORIGIN 1 1 IN IP4 127.0.0.2\r\ns=SECRET-ORIGIN\r\nc=IN IP4 127.0.0.2\r\n"
    "t=0 0\r\nm=audio 30000 RTP/AVP 0\r\na=SECRET-HEADER:1\r\n"
)


class Peer(asyncio.DatagramProtocol):
    """A socket that keeps what it gets."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.queue.put_nowait(data.decode())

    def send(self, text: str, port: int) -> None:
        assert self.transport is not None
        self.transport.sendto(text.encode(), ("127.0.0.1", port))

    async def wait(self, start: str) -> str:
        async with asyncio.timeout(10):
            while not (text := await self.queue.get()).startswith(start):
                pass
        return text


def lines(text: str, *names: str) -> str:
    """The header lines of these names, as they stand."""
    head = text.partition("\r\n\r\n")[0].split("\r\n")
    return "".join(f"{line}\r\n" for line in head if line.partition(":")[0] in names)


async def test_nothing_of_one_leg_appears_on_the_other(tmp_path: Path) -> None:
    near, far = free_port("127.0.0.2"), free_port("127.0.0.3")
    extra = (
        f'[trunk.near]\naddress = "udp:127.0.0.2:{near}"\naccept = ["127.0.0.2/32"]\n'
        f'options_s = 0\n[trunk.far]\naddress = "udp:127.0.0.3:{far}"\noptions_s = 0\n'
    )
    loop = asyncio.get_running_loop()
    async with center(tmp_path, extra=extra, plan=PLAN) as c:
        left, caller = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.2", near))
        right, callee = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.3", far))
        try:
            caller.send(
                f"INVITE sip:4711@127.0.0.1:{c.port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.2:{near};rport;branch=z9hG4bKSECRET-BRANCH\r\n"
                "Record-Route: <sip:SECRET-ROUTE@127.0.0.2;lr>\r\nMax-Forwards: 70\r\n"
                "From: <sip:100@127.0.0.2>;tag=SECRET-TAG\r\n"
                f"To: <sip:4711@127.0.0.1>\r\nCall-ID: SECRET-CALL-ID@127.0.0.2\r\n"
                f"CSeq: 7 INVITE\r\nContact: <sip:SECRET-CONTACT@127.0.0.2:{near}>\r\n"
                "User-Agent: SECRET-AGENT\r\nX-Unknown: SECRET-HEADER\r\n"
                "P-Asserted-Identity: <sip:SECRET-HEADER@127.0.0.2>\r\n"
                f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
                c.port,
            )
            invite = await callee.wait("INVITE ")
            assert invite.startswith("INVITE sip:4711@")
            for secret in SECRETS:
                assert secret not in invite, secret
            assert invite.count("\r\nVia: ") == 1
            assert "\r\nRecord-Route: " not in invite

            mirror = lines(invite, "Via", "From", "To", "Call-ID", "CSeq")
            mirror = mirror.replace("\r\nCall-ID", ";tag=CALLEE-TAG\r\nCall-ID", 1)
            body = SDP.replace("127.0.0.2", "127.0.0.3").replace("SECRET", "CALLEE")
            callee.send(
                f"SIP/2.0 200 OK\r\n{mirror}Contact: <sip:CALLEE-CONTACT@127.0.0.3:{far}>\r\n"
                f"Record-Route: <sip:CALLEE-ROUTE@127.0.0.3:{far};lr>\r\nServer: CALLEE-AGENT\r\n"
                "X-Unknown: CALLEE-HEADER\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}",
                c.port,
            )
            answer = await caller.wait("SIP/2.0 200 ")
            assert "CALLEE" not in answer
            assert "127.0.0.3" not in answer
            callee_call_id = lines(invite, "Call-ID").split(": ")[1].strip()
            assert callee_call_id not in answer
            assert "tag=SECRET-TAG" in lines(answer, "From")

            ack = lines(answer, "Via", "From", "To", "Call-ID")
            caller.send(
                f"ACK sip:4711@127.0.0.1:{c.port} SIP/2.0\r\n{ack}CSeq: 7 ACK\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                c.port,
            )
            bye = ack.replace("SECRET-BRANCH", "SECRET-BRANCH2")
            caller.send(
                f"BYE sip:4711@127.0.0.1:{c.port} SIP/2.0\r\n{bye}CSeq: 8 BYE\r\n"
                "X-Unknown: SECRET-HEADER\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                c.port,
            )
            ended = await callee.wait("BYE ")
            for secret in SECRETS:
                assert secret not in ended, secret
            callee.send(
                f"SIP/2.0 200 OK\r\n{lines(ended, 'Via', 'From', 'To', 'Call-ID', 'CSeq')}"
                "Content-Length: 0\r\n\r\n",
                c.port,
            )
            await c.empty()
        finally:
            left.close()
            right.close()

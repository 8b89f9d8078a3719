"""What comes from the network may be anything: it is answered or dropped, and counted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from pathlib import Path

import pytest

from tests.support.center import center
from tests.support.phone import phone

INVITE = (
    "INVITE sip:5000@127.0.0.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch};rport\r\n"
    "From: <sip:9999@127.0.0.1>;tag=a{branch}\r\nTo: <sip:5000@127.0.0.1>\r\n"
    "Call-ID: {branch}@test\r\nCSeq: 1 INVITE\r\nContact: <sip:9999@127.0.0.1:{port}>\r\n"
    "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)


def exchange(server: tuple[str, int], messages: list[bytes], wait_s: float = 0.5) -> list[bytes]:
    """Send datagrams, and take what comes back until it is quiet."""
    replies: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(wait_s)
        port = sock.getsockname()[1]
        for number, message in enumerate(messages):
            text = message.replace(b"{port}", b"%d" % port).replace(b"{branch}", b"b%d" % number)
            sock.sendto(text, server)
        try:
            while True:
                replies.append(sock.recv(65536))
        except TimeoutError:
            return replies


async def test_malformed_messages_are_refused_or_dropped_and_never_end_the_loop(
    tmp_path: Path,
) -> None:
    rng = random.Random(7)
    good = INVITE.encode()
    messages = [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"\x00" * 2000,
        good.replace(b"CSeq: 1 INVITE", b"CSeq: x"),
        good.replace(b"Max-Forwards: 70", b"Max-Forwards: 0"),
        good.replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"),
        good.replace(b"Content-Length: 0", b"Content-Length: 999"),
        good.replace(b"INVITE sip:5000@127.0.0.1", b"INVITE \xff\xfe"),
    ]
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        messages.append(bytes(data))
    async with center(tmp_path) as c, phone("2001", c.server) as customer:
        replies = await asyncio.to_thread(exchange, ("127.0.0.1", c.port), messages)
        statuses = {int(reply.split(b" ", 2)[1]) for reply in replies if reply[:3] == b"SIP"}
        assert {400, 401, 483, 505} <= statuses
        assert not any(500 <= status < 505 for status in statuses)
        customer.do("call", to="5999")
        assert (await customer.expect("disconnected"))["status"] == 404
        await c.empty()


async def test_calls_over_the_limit_are_answered_503_while_others_go_on(tmp_path: Path) -> None:
    extra = '[sip]\nmax_calls = 1\n[trunk.t]\naddress = "udp:127.0.0.1:9"\noptions_s = 0\n'
    extra += 'accept = ["127.0.0.1/32"]\n'
    async with (
        center(tmp_path, extra=extra) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        await agent.expect("confirmed")
        replies = await asyncio.to_thread(
            exchange, ("127.0.0.1", c.port), [INVITE.encode()] * 50, 0.3
        )
        busy = [reply for reply in replies if reply.startswith(b"SIP/2.0 503")]
        assert len(busy) >= 50
        assert all(b"\r\nRetry-After: 2\r\n" in reply for reply in busy)
        assert c.switch.gate.refused >= 50
        assert c.state("kim") == "talking"
        customer.do("hangup")
        await agent.expect("disconnected")
        await c.empty()


async def test_a_stream_of_garbage_loses_its_connection_and_nothing_else(tmp_path: Path) -> None:
    async with center(tmp_path) as c:
        reader, writer = await asyncio.open_connection("127.0.0.1", c.port)
        writer.write(b"X" * 200_000)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert c.switch.sip.transports.counters["stream_malformed"] == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", c.port)
        writer.write(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.read(2), 5) == b"\r\n"  # RFC 5626 keep-alive
        writer.close()


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_who_is_neither_trunk_nor_device_cannot_call(tmp_path: Path, password: str) -> None:
    async with (
        center(tmp_path) as c,
        phone("2001", c.server, "--password", password, register=False) as stranger,
    ):
        stranger.do("call", to="5000")
        assert (await stranger.expect("disconnected"))["status"] in (401, 403)
        await c.empty()

"""A name server of a test's own: UDP on loopback, with the records that it is given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.ports import free_port

__all__ = ["Names", "names"]


class Names(asyncio.DatagramProtocol):
    """`records[name, kind]`: texts as a zone file has them. What it has not is NXDOMAIN."""

    def __init__(self, port: int) -> None:
        self.place = f"127.0.0.1:{port}"
        self.records: dict[tuple[str, str], list[str]] = {}
        self.silent = False
        self.broken: set[str] = set()
        """Names for which it says SERVFAIL."""
        self.asked: list[str] = []
        self._transport: asyncio.DatagramTransport | None = None

    def put(self, name: str, kind: str, *texts: str) -> None:
        self.records[name, kind] = [f'"{text}"' if kind == "TXT" else text for text in texts]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        if self.silent or self._transport is None:
            return
        answer = dns.message.make_response(query)
        texts = self.records.get((name, kind), [])
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif texts:
            answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", kind, texts))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        wire = answer.to_wire()
        self._transport.sendto(wire, address)


@contextlib.asynccontextmanager
async def names() -> AsyncIterator[Names]:
    """The server."""
    port = free_port()
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: Names(port), local_addr=("127.0.0.1", port)
    )
    try:
        yield server
    finally:
        transport.close()

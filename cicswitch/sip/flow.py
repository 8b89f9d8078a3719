"""Where messages leave and arrive: listeners (our sockets) and flows (a peer seen from one)."""

from __future__ import annotations

import msgspec

__all__ = ["Flow", "Listener"]


class Listener:
    """One local socket, and the address that the outside shall know it by.

    `host` and `port` are what Via and Contact say: the advertised address, which behind a NAT is
    not the bound one. An IPv6 literal is given without brackets. Compared by identity.
    """

    __slots__ = (
        "contact_params",
        "host",
        "id",
        "port",
        "reliable",
        "sent_by",
        "transport",
        "via_prefix",
    )

    def __init__(self, id: str, transport: str, host: str, port: int) -> None:  # noqa: A002
        self.id = id
        self.transport = transport
        self.host = host
        self.port = port
        self.reliable = transport != "UDP"
        self.sent_by = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        # RFC 3581 section 3: "the client [...] MUST NOT specify a value" for rport.
        self.via_prefix = f"SIP/2.0/{transport} {self.sent_by};rport;branch="
        self.contact_params = "" if transport == "UDP" else f";transport={transport.lower()}"

    def contact(self, user: str) -> str:
        """A Contact value that leads back to this listener."""
        return f"<sip:{user}@{self.sent_by}{self.contact_params}>"

    def __repr__(self) -> str:
        return f"Listener({self.id!r}, {self.transport}, {self.sent_by})"


class Flow(msgspec.Struct, frozen=True, gc=False):
    """A peer's address seen from one of our listeners; hashable, compared by value.

    `remote` is (host, port). `connection` is the shell's id of a stream connection; None on a
    stream means "open one, or use one that is open, to `remote`", and is always None on UDP.
    """

    listener: Listener
    remote: tuple[str, int]
    connection: int | None = None

    @property
    def transport(self) -> str:
        """UDP, TCP, TLS, WS or WSS."""
        return self.listener.transport

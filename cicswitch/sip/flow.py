"""Where messages leave and arrive: listeners (our sockets) and flows (a peer seen from one)."""

from __future__ import annotations

from typing import Final

__all__ = ["WEB", "Flow", "Listener"]

WEB: Final = ("WS", "WSS")
"""Transports of browsers (RFC 7118)."""


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


class Flow:
    """A peer's address seen from one of our listeners; hashable, compared by value, never changed.

    `remote` is (host, port). `connection` is the shell's id of a stream connection; None on a
    stream means "open one, or use one that is open, to `remote`", and is always None on UDP.
    `name` is the peer in words, for people; `address` what the kernel calls it, once the shell has
    written it there. `user` is who the shell knows the peer to be, so that no password is asked:
    the device of the person who is signed in where the connection came from.
    """

    __slots__ = ("address", "connection", "listener", "name", "remote", "user")

    def __init__(
        self,
        listener: Listener,
        remote: tuple[str, int],
        connection: int | None = None,
        user: str = "",
    ) -> None:
        self.listener = listener
        self.remote = remote
        self.connection = connection
        self.name = f"{listener.transport} {remote[0]}:{remote[1]}"
        self.address = b""
        self.user = user

    @property
    def transport(self) -> str:
        """UDP, TCP, TLS, WS or WSS."""
        return self.listener.transport

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Flow):
            return NotImplemented
        return (
            self.listener is other.listener
            and self.remote == other.remote
            and self.connection == other.connection
        )

    def __hash__(self) -> int:
        return hash((self.listener, self.remote, self.connection))

    def __repr__(self) -> str:
        return f"Flow({self.listener!r}, {self.remote!r}, {self.connection!r})"

"""A browser's side of ICE, DTLS and SRTP in one socket: for the bench, and for tests.

The client of the handshake is OpenSSL's, the packets are libsrtp's; nothing of the switch is used.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from aioice import stun
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, certificate_digest
from OpenSSL import SSL
from pylibsrtp import Policy, Session

__all__ = ["Browser"]

CERTIFICATE = RTCCertificate.generateCertificate()
FINGERPRINT = certificate_digest(CERTIFICATE._cert, "sha-256")


class Browser:
    """One. `address` is the switch's; `pump` runs the other side where it is in this process."""

    def __init__(
        self,
        address: tuple[str, int],
        ufrag: str,
        password: str,
        pump: Callable[[], object] = lambda: time.sleep(0.002),
    ) -> None:
        self.address = address
        self.ufrag = ufrag
        self.password = password
        self.pump = pump
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.ssl = SSL.Connection(CERTIFICATE._create_ssl_context(SRTP_PROFILES), None)
        self.ssl.set_connect_state()
        self.sender: Any = None
        self.receiver: Any = None

    def move(self) -> socket.socket:
        """Another network: a new socket; the old one."""
        old, self.socket = self.socket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        return old

    def send(self, data: bytes) -> None:
        """Send a datagram and let the other side take it."""
        self.socket.sendto(data, self.address)
        self.pump()

    def received(self) -> list[bytes]:
        """All datagrams that have come."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(2048))
            except BlockingIOError:
                return found

    def check(self, password: str = "", **more: Any) -> list[bytes]:
        """A connectivity check that nominates; what is answered."""
        message = stun.Message(
            stun.Method.BINDING,
            stun.Class.REQUEST,
            attributes={
                "USERNAME": f"{self.ufrag}:theirs",
                "PRIORITY": 1,
                "USE-CANDIDATE": None,
                "ICE-CONTROLLING": 7,
                **more,
            },
        )
        message.add_message_integrity((password or self.password).encode())
        self.send(bytes(message))
        return self.received()

    def shake_hands(self, tries: int = 8) -> bool:
        """Whether keys were agreed."""
        for _ in range(tries):
            try:
                self.ssl.do_handshake()
                break
            except SSL.WantReadError:
                pass
            except SSL.Error:
                return False
            self.flight()
        else:
            return False
        self.flight()
        chosen = self.ssl.get_selected_srtp_profile()
        profile = next(each for each in SRTP_PROFILES if each.openssl_profile == chosen)
        size = 2 * (profile.key_length + profile.salt_length)
        keys = self.ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", size)

        def session(number: int, kind: int) -> Session:
            key = profile.get_key_and_salt(keys, number)
            return Session(Policy(key, kind, srtp_profile=profile.libsrtp_profile))

        self.sender = session(0, Policy.SSRC_ANY_OUTBOUND)
        self.receiver = session(1, Policy.SSRC_ANY_INBOUND)
        return True

    def flight(self) -> None:
        """Send what DTLS has to say, take what comes."""
        data = b""
        with contextlib.suppress(SSL.Error):
            data = self.ssl.bio_read(4000)
        if data:
            self.send(data)
        else:
            self.pump()
        for data in self.received():
            if 19 < data[0] < 64:  # DTLS; sound and pictures may be on their way already
                self.ssl.bio_write(data)

    def plain(self) -> list[bytes]:
        """What has come, decrypted: RTP and RTCP."""
        return [
            self.receiver.unprotect_rtcp(data)
            if 192 <= data[1] <= 223
            else self.receiver.unprotect(data)
            for data in self.received()
            if data[0] > 127
        ]

"""DTLS as its server, and the SRTP keys that come of it (RFC 5764, RFC 8827).

Sans-IO: datagrams in, datagrams out, `due` says when `expire` wants to be called.
"""

from __future__ import annotations

import enum
import hmac
from typing import Any, Final

from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate, certificate_digest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from pylibsrtp import Policy, Session

__all__ = ["Dtls", "DtlsState", "context_of", "is_dtls"]

_MTU: Final = 1200
_RECORD: Final = 13
"""Bytes of a record's header; the last two are its length (RFC 6347 section 4.1)."""
_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_DEADLINE_S: Final = 15.0
_WINDOW: Final = 1024


class DtlsState(enum.Enum):
    """Of an association."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    FAILED = "failed"
    CLOSED = "closed"
    """The browser has said that it ends."""


def is_dtls(first: int) -> bool:
    """By the first byte of a packet (RFC 7983 section 7)."""
    return 19 < first < 64


def context_of(pem: bytes) -> Any:
    """What all associations of a process share."""
    key = serialization.load_pem_private_key(pem, None)
    certificate = x509.load_pem_x509_certificate(pem)
    made = RTCCertificate(key=key, cert=certificate)  # type: ignore[arg-type]  # it is an EC key
    return made._create_ssl_context(SRTP_PROFILES)


class Dtls:
    """One association. `kind` and `fingerprint` are those of the far end's SDP (RFC 8122)."""

    __slots__ = (
        "_deadline",
        "_fingerprint",
        "_kind",
        "_ssl",
        "due",
        "reason",
        "receiver",
        "sender",
        "state",
    )

    def __init__(self, context: Any, kind: str, fingerprint: str, now: float) -> None:
        self._kind = kind.lower()
        self._fingerprint = fingerprint.upper()
        self._ssl = SSL.Connection(context, None)
        self._ssl.set_accept_state()
        self._ssl.set_ciphertext_mtu(_MTU)
        self._deadline = now + _DEADLINE_S
        self.state = DtlsState.CONNECTING
        self.reason = ""
        self.due = self._deadline
        self.receiver: Session | None = None
        """Takes SRTP apart, once connected."""
        self.sender: Session | None = None

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Take a datagram; what to send."""
        if self.state in (DtlsState.FAILED, DtlsState.CLOSED):
            return []
        self._ssl.bio_write(data)
        if self.state is DtlsState.CONNECTING:
            try:
                self._ssl.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                self._fail(f"the handshake failed: {_words(error)}")
            else:
                self._finish()
        else:
            try:
                self._ssl.recv(_MTU)  # nothing is said over it but its end
            except SSL.ZeroReturnError:
                self.state = DtlsState.CLOSED
                self.reason = "the browser has ended it"
            except SSL.Error:
                pass
        return self._pending(now)

    @property
    def shaking(self) -> bool:
        """Whether keys are yet to be agreed."""
        return self.state is DtlsState.CONNECTING

    def expire(self, now: float) -> list[bytes]:
        """`due` has come: send the last flight again, or give up."""
        if self.state is not DtlsState.CONNECTING:
            return []
        if now >= self._deadline:
            self._fail("the handshake was not ended in time")
            return []
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"the handshake failed: {_words(error)}")
        return self._pending(now)

    def close(self) -> list[bytes]:
        """Say that we end."""
        if self.state is not DtlsState.CONNECTED:
            return []
        self.state = DtlsState.CLOSED
        try:
            self._ssl.shutdown()
        except SSL.Error:
            return []
        return self._pending(0.0)

    def _fail(self, reason: str) -> None:
        self.state = DtlsState.FAILED
        self.reason = reason

    def _finish(self) -> None:
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        try:
            digest = certificate_digest(certificate, self._kind) if certificate else ""
        except KeyError:
            digest = ""
        if not digest or not hmac.compare_digest(digest.upper(), self._fingerprint):
            self._fail("the certificate is not the one of the description")
            return
        chosen = self._ssl.get_selected_srtp_profile()
        profile = next((each for each in SRTP_PROFILES if each.openssl_profile == chosen), None)
        if profile is None:
            self._fail("no SRTP profile in common")
            return
        size = 2 * (profile.key_length + profile.salt_length)
        material = self._ssl.export_keying_material(_LABEL, size)
        # RFC 5764 section 4.2: the client's keys come first; the browser is the client.
        self.receiver = _session(profile, profile.get_key_and_salt(material, 0), inbound=True)
        self.sender = _session(profile, profile.get_key_and_salt(material, 1), inbound=False)
        self.state = DtlsState.CONNECTED

    def _pending(self, now: float) -> list[bytes]:
        parts: list[bytes] = []
        flight = b""
        while True:
            try:
                flight += self._ssl.bio_read(65536)
            except SSL.Error:
                break
        # The flight comes as one piece: cut between records, as many in a datagram as fit.
        start = at = 0
        while at + _RECORD <= len(flight):
            end = at + _RECORD + int.from_bytes(flight[at + 11 : at + 13], "big")
            if end - start > _MTU and at > start:
                parts.append(flight[start:at])
                start = at
            at = end
        if flight[start:]:
            parts.append(flight[start:])
        timeout = self._ssl.DTLSv1_get_timeout()
        if self.state is DtlsState.CONNECTING:
            self.due = self._deadline if timeout is None else min(self._deadline, now + timeout)
        return parts


def _session(profile: Any, key: bytes, *, inbound: bool) -> Session:
    policy = Policy(
        key=key,
        ssrc_type=Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=profile.libsrtp_profile,
    )
    policy.allow_repeat_tx = True
    policy.window_size = _WINDOW
    return Session(policy)


def _words(error: SSL.Error) -> str:
    try:
        return str(error.args[0][0][2])
    except (IndexError, TypeError):
        return "closed"

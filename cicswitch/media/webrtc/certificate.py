"""The certificate that browsers know us by: self-signed, new with each start (RFC 8827, 6.5).

Its fingerprint goes with the signalling, which is what makes it worth anything.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["make_certificate"]

_DAY = datetime.timedelta(days=1)


def make_certificate() -> tuple[bytes, str]:
    """A certificate with its key, as PEM, and its SHA-256 fingerprint as in SDP (RFC 8122)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cicswitch")])
    now = datetime.datetime.now(tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 3650 * _DAY)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return pem, digest

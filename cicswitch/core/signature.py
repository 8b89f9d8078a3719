"""Signatures of webhooks, by Standard Webhooks 1.0 (https://www.standardwebhooks.com).

    webhook-id: evt_19a0b1c2d3e_42_0
    webhook-timestamp: 1777885200          seconds of the epoch, of this attempt
    webhook-signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=

The signature is HMAC-SHA256 of `id.timestamp.body` by the secret, in base64. Several with blanks
between them are allowed, so that secrets can be changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

__all__ = ["LEAST", "TOLERANCE_S", "matches", "secret_key", "sign"]

TOLERANCE_S = 300
"""A timestamp that is further away is refused: somebody sends an old message again."""
LEAST = 24
"""The shortest secret, in bytes (24 to 64 by the specification)."""
_PREFIX = "whsec_"


def secret_key(secret: str) -> bytes:
    """The bytes of a secret: base64 behind `whsec_`, else the text in UTF-8.

    Raises `ValueError` with what is expected.
    """
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret[len(_PREFIX) :], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("base64 behind whsec_") from None
    else:
        key = secret.encode()
    if len(key) < LEAST:
        raise ValueError(f"a secret of {LEAST} bytes or more")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def matches(key: bytes, message_id: str, timestamp: int, body: bytes, signatures: str) -> bool:
    """Whether one of the signatures in a header is right. Takes the same time for all."""
    right = sign(key, message_id, timestamp, body).encode()
    found = False
    for each in signatures.split()[:16]:
        found |= hmac.compare_digest(right, each.encode())
    return found

"""Whether a request is the gateway's. Every comparison takes the same time for all."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from cicswitch.core.signature import TOLERANCE_S, matches, secret_key
from cicswitch.gateways.shape import Shape

__all__ = ["proven"]


def proven(
    shape: Shape,
    secret: str,
    headers: Mapping[str, str],
    query: Mapping[str, str],
    body: bytes,
    now: float,
) -> bool:
    """Whether whoever has sent this knows the secret. Names of headers are lower case."""
    if shape.proof == "standard":
        stamp = headers.get("webhook-timestamp", "")
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
            return False
        if abs(now - int(stamp)) > TOLERANCE_S:
            return False
        name, signed = headers.get("webhook-id", ""), headers.get("webhook-signature", "")
        return matches(secret_key(secret), name, int(stamp), body, signed)
    given = headers.get(shape.header, "") if shape.header else query.get("token", "")
    if shape.proof == "token":
        return hmac.compare_digest(given.encode(), secret.encode())
    digest = hmac.digest(secret.encode(), body, "sha256")
    right = digest.hex() if shape.proof == "hmac-hex" else base64.b64encode(digest).decode()
    if shape.proof == "hmac-hex":
        given = given.lower()
    return hmac.compare_digest(given.encode(), (shape.prefix + right).encode())

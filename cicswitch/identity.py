"""What a page proves of its visitor: that he is signed in there, and as whom.

The page's server, which knows him, gives the page `ID.UNTIL.PROOF` as the context `identity`:

    proof = HMAC-SHA256(secret, "4711.1790000000"), in hexadecimal

`UNTIL` is when it ends, in seconds of the epoch. What is not proven is left out of the context: a
visitor can write anything into his page, and would be somebody else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from cicswitch.core.signature import secret_key

__all__ = ["IDENTITY", "proof", "proven"]

IDENTITY: Final = "identity"
"""In the context of a visit: proof on the way in, and the id alone from here on."""
_FORM: Final = re.compile(
    r"(?P<signed>(?P<id>[^\x00-\x1f\x7f]{1,100})\.(?P<until>[0-9]{1,12}))\.(?P<proof>[0-9a-f]{64})"
)


def proof(secret: str, name: str, until: int) -> str:
    """What a page's server gives its page."""
    signed = f"{name}.{until}"
    return f"{signed}.{hmac.digest(secret_key(secret), signed.encode(), hashlib.sha256).hex()}"


def proven(context: Mapping[str, str], secret: str, now: float) -> dict[str, str]:
    """The context with the id alone, if it is proven by this secret; else without."""
    found = dict(context)
    matched = _FORM.fullmatch(found.pop(IDENTITY, ""))
    if matched is None or not secret or int(matched["until"]) < now:
        return found
    right = hmac.digest(secret_key(secret), matched["signed"].encode(), hashlib.sha256).hex()
    if hmac.compare_digest(right, matched["proof"]):
        found[IDENTITY] = matched["id"]
    return found

"""What one's own server has found out about the sender (RFC 8601): SPF, DKIM, DMARC.

Only fields of the trusted `authserv-id` count. RFC 8601 section 5 has that server remove those that
came in under its own name; the topmost one is the last that was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["verdicts"]

_COMMENT: Final = re.compile(r"\([^()]{0,500}\)")
_RESULT: Final = re.compile(r"\s*(spf|dkim|dmarc)\s*=\s*([a-z]{1,20})\b", re.IGNORECASE)


def verdicts(fields: Iterable[str], trusted: str) -> dict[str, str]:
    """`{"spf": "pass", …}` of the trusted server; empty: it says nothing."""
    found: dict[str, str] = {}
    for field in fields:
        if not trusted:
            break
        head, *rest = _COMMENT.sub(" ", _COMMENT.sub(" ", field[:5000])).split(";")
        name = head.split()[:1]
        if not name or name[0].strip('"').lower() != trusted.lower():
            continue
        for part in rest:
            result = _RESULT.match(part)
            if result is None:
                continue
            method, verdict = result[1].lower(), result[2].lower()
            # Of several signatures one that is good is enough.
            if method not in found or (method == "dkim" and verdict == "pass"):
                found[method] = verdict
        break
    return found

"""Parts of a file (RFC 9110 section 14): which bytes a request asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cicswitch.api.problems import Problem

__all__ = ["wanted"]

_ONE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


def wanted(headers: Mapping[str, str], size: int, tag: str) -> tuple[int, int] | None:
    """First byte and the one behind the last; None: the whole. Raises `Problem` 416.

    Several ranges, and what is none, are answered with the whole, which 14.2 allows. "If-Range"
    with another tag, or with a date, means the whole too (13.1.5).
    """
    text = headers.get("range", "")
    if not text or headers.get("if-range", tag).strip() != tag:
        return None
    found = _ONE.fullmatch(text.strip())
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first:
        begin = int(first)
        end = min(size, int(last) + 1) if last else size
        if last and int(last) < begin:
            return None
    else:
        begin, end = max(0, size - int(last)), size
    if begin >= size or begin >= end:
        raise Problem(416, f"it has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return begin, end

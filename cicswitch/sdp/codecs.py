"""Codecs by name and payload type (RFC 3551 section 6, RFC 4733)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["DEFAULT_CODECS", "STATIC", "codec_lines"]

STATIC: Final[dict[str, str]] = {
    "0": "PCMU/8000",
    "3": "GSM/8000",
    "4": "G723/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "13": "CN/8000",
    "18": "G729/8000",
}
"""Static payload types: what a format means without rtpmap."""

_NUMBERS: Final = {"PCMU": 0, "GSM": 3, "G723": 4, "PCMA": 8, "G722": 9, "G729": 18}
_DYNAMIC: Final = {"OPUS": (111, "opus/48000/2")}

DEFAULT_CODECS: Final[tuple[str, ...]] = ("PCMU", "PCMA")


@lru_cache(maxsize=256)
def codec_lines(codecs: tuple[str, ...], telephone_event: int | None) -> tuple[str, str]:
    """The formats of an m= line and the rtpmap and fmtp lines that go with them."""
    formats: list[str] = []
    lines = ""
    for name in codecs:
        number, mapping = _DYNAMIC.get(name.upper(), (_NUMBERS.get(name.upper()), f"{name}/8000"))
        if number is None:
            raise ValueError(f"no payload type is known for codec {name!r}")
        formats.append(str(number))
        lines += f"a=rtpmap:{number} {mapping}\r\n"
    if telephone_event is not None:
        formats.append(str(telephone_event))
        lines += (
            f"a=rtpmap:{telephone_event} telephone-event/8000\r\na=fmtp:{telephone_event} 0-15\r\n"
        )
    return " ".join(formats), lines

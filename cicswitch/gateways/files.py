"""Files at a gateway: what a message says of one, and the addresses that have to do with it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

__all__ = ["FileAt", "address", "place_of"]

_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"\{(\w+)\}")


class FileAt(Struct, frozen=True):
    """A file that a customer has sent, where it can be got."""

    kind: str
    """What the gateway calls the message; shown where the file is not there."""
    media: str = ""
    link: str = ""
    name: str = ""


def address(template: str, url: str, **values: str) -> str:
    """An address with what its channel's `url` and `values` say filled in."""
    split = urlsplit(url)
    above = split.path.rpartition("/")[0]
    known = {
        "origin": f"{split.scheme}://{split.netloc}",
        "path": above,
        "up": above.rpartition("/")[0],
        **{
            name: quote(value, safe="/" if name == "found" else "")
            for name, value in values.items()
        },
    }
    return _NAME.sub(lambda name: known.get(name[1], name[0]), template)


def place_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address. Raises `ValueError` if there is none to follow."""
    split = urlsplit(url)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("it is at no address that is followed")
    return split.scheme, split.hostname.lower(), split.port or _PORTS[split.scheme]

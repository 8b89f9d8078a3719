from collections.abc import Set

Parts = tuple[int, str, str, int, str, str, str, str, str, str, str, str, dict[str, str], bytes]

def message(data: bytes, names: Set[str], methods: Set[str], /) -> Parts | None:
    """The parts of a plain message; None for one that needs a closer look.

    Status or 0; reason or Request-URI; method and number of CSeq; branch and sent-by of the topmost
    Via; the tag of From (of a request); the tag of To; the values of Via, From, To and Call-ID; the
    values of all headers; the body. Plain: ASCII, a method that `methods` has, each header once and
    spelled as in `names`.
    """

def step(data: bytes, at: float, direction: str, peer: str, /) -> tuple[bytes, bytes] | None:
    """The Call-ID of a message, and its step of a ladder in msgpack; None if it is not plain."""

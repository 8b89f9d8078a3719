from collections.abc import Set

from cicswitch.sip.flow import Flow

Parts = tuple[int, str, str, int, str, str, str, str, str, str, str, str, dict[str, str], bytes]

def message(data: bytes, names: Set[str], methods: Set[str], /) -> Parts | None:
    """The parts of a plain message; None for one that needs a closer look.

    Status or 0; reason or Request-URI; method and number of CSeq; branch and sent-by of the topmost
    Via; the tag of From (of a request); the tag of To; the values of Via, From, To and Call-ID; the
    values of all headers; the body. Plain: ASCII, a method that `methods` has, each header once and
    spelled as in `names`.
    """

def steps(
    calls: dict[bytes, bytearray],
    messages: list[tuple[Flow, bytes]],
    start: int,
    at: float,
    direction: str,
    most: int,
    /,
) -> int:
    """Put the step of each message from `start` on at the end of its call's ladder.

    The index of the first message that is not plain, or whose Call-ID `calls` has not; how many
    messages there are if all were taken. A ladder has `most` steps at most.
    """

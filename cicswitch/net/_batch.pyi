from collections.abc import Callable

from cicswitch.sip.flow import Flow

MOST: int
"""Datagrams of one call, at most."""

class Reader:
    """Reads a UDP socket that does not block."""

    def __init__(self, file: int, /) -> None: ...
    def receive(
        self,
        batch: list[tuple[Flow, bytes]],
        flows: dict[bytes, Flow],
        make: Callable[[bytes], Flow],
        /,
    ) -> int:
        """Put what has come, up to `MOST`, at the end of `batch`: flow and data of each; how many.

        The flow is that of the sender's name (a sockaddr) in `flows`, else what `make` gives for
        it. Fewer than `MOST`: there is no more. Raises `OSError` for what the kernel reports of the
        socket.
        """

def send(file: int, messages: list[tuple[bytes, bytes]], /) -> list[tuple[int, int]]:
    """Send (name, data) each, in order; index and errno of those that the kernel did not take."""

def address(name: bytes, /) -> tuple[str, int]:
    """Host in numbers, and port, of a name. Raises `ValueError` if it is of another family."""

def name(family: int, host: str, port: int, /) -> bytes:
    """The name of a host in numbers. Raises `ValueError` if it is not."""

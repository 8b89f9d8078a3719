MOST: int
"""Datagrams of one call, at most."""

class Reader:
    """Reads a UDP socket that does not block."""

    def __init__(self, file: int, /) -> None: ...
    def receive(self) -> list[tuple[bytes, bytes]]:
        """What has come, up to `MOST`: the sender's name (a sockaddr) and the data of each.

        Fewer: there is no more. Raises `OSError` for what the kernel reports of the socket.
        """

def send(file: int, messages: list[tuple[bytes, bytes]], /) -> list[tuple[int, int]]:
    """Send (name, data) each, in order; index and errno of those that the kernel did not take."""

def address(name: bytes, /) -> tuple[str, int]:
    """Host in numbers, and port, of a name. Raises `ValueError` if it is of another family."""

def name(family: int, host: str, port: int, /) -> bytes:
    """The name of a host in numbers. Raises `ValueError` if it is not."""

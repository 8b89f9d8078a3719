class Relay:
    """Lanes by file number, and an epoll that says which have something to read."""

    errors: int
    """Sends that the kernel refused."""

    def __init__(self, epoll: int, rows: memoryview, row: int) -> None: ...
    def arm(
        self,
        number: int,
        word: int,
        timestamp: int,
        ssrc: int,
        size: int,
        word_shift: int,
        timestamp_shift: int,
        out_ssrc: int,
        out: int,
        /,
    ) -> None:
        """Let the packet with this header and size, and those that follow it, go to file `out`.

        `out` -1: to nobody.
        """
    def reached(self, number: int, /) -> tuple[int, int]:
        """First word and timestamp of the packet that an armed lane waits for now."""
    def disarm(self, number: int, /) -> None:
        """Leave the lane's packets to Python again."""
    def wait(self, seconds: float, /) -> int:
        """Wait for something to read, at most so long; how many sockets have something."""
    def carry(self) -> list[tuple[int, int, int]]:
        """Relay what `wait` found, a datagram a socket.

        What is left to do: file number, row, and the size of the datagram in it, -1 where none was
        read because the lane is not armed.
        """

"""Entry of the process that talks to browsers."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys

from cicswitch.media.webrtc.worker import Worker

__all__ = ["main"]

NICE = -10


def main() -> None:
    """Serve the sockets that were handed over; the certificate comes by standard input."""
    parser = argparse.ArgumentParser(prog="cicswitch.media.webrtc", description=__doc__)
    parser.add_argument("--fds", required=True, help="browsers, RTP, RTCP, commands")
    parser.add_argument("--lost-s", type=float, required=True)
    arguments = parser.parse_args()
    browsers, rtp, rtcp, control = (
        socket.socket(fileno=int(number)) for number in arguments.fds.split(",")
    )
    certificate = sys.stdin.buffer.read()
    worker = Worker((browsers, rtp, rtcp, control), certificate, lost_s=arguments.lost_s)

    def stop(number: int, frame: object) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C goes to the whole group; the gateway ends its process itself, in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # without the right to it, as everybody else
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    worker.run()


if __name__ == "__main__":
    main()

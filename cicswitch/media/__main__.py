"""A media worker: `python -m cicswitch.media --socket-fd N --settings JSON`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import signal
import socket

import msgspec

from cicswitch.media.settings import MediaSettings
from cicswitch.media.worker import Worker
from cicswitch.runtime.heap import keep_flat

__all__ = ["main"]

NICE = -10
"""A packet that waits for the signalling process is heard, a call set up 1 ms later is not."""
REAL_TIME = 1
"""Priority of SCHED_RR: with it no packet waits for work of this machine's other processes. The
kernel leaves them a twentieth of each core whatever happens here (sched(7))."""


def main() -> None:
    """Entry of the process."""
    parser = argparse.ArgumentParser(prog="cicswitch.media", description=__doc__)
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--settings", required=True, help="MediaSettings as JSON")
    arguments = parser.parse_args()
    keep_flat()
    settings = msgspec.json.decode(arguments.settings, type=MediaSettings)
    control = socket.socket(fileno=arguments.socket_fd)
    worker = Worker(control, settings)

    def stop(number: int, frame: object) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    # Ctrl-C goes to the whole group; the plane ends its workers itself, in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # needs CAP_SYS_NICE or a limit (LimitNICE=)
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with contextlib.suppress(OSError):  # the same (LimitRTPRIO=)
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(REAL_TIME))
    gc.collect()
    gc.freeze()
    gc.disable()
    worker.run()


if __name__ == "__main__":
    main()

"""Write to the standard output when a processor was late to wake a sleeper, until the standard
input ends: seconds of the monotonic clock, and by how many.
"""

import os
import sys
import threading
import time

STEP_S = 0.01
NOTED_S = 0.015


def watch(cpu: int) -> None:
    """Sleep in short steps on this processor."""
    os.sched_setaffinity(0, {cpu})
    while True:
        due = time.monotonic() + STEP_S
        time.sleep(STEP_S)
        now = time.monotonic()
        if now - due > NOTED_S:
            os.write(1, f"{now:.4f} {now - due:.4f}\n".encode("ascii"))


if __name__ == "__main__":
    for number in os.sched_getaffinity(0):
        threading.Thread(target=watch, args=(number,), daemon=True).start()
    sys.stdin.buffer.read()

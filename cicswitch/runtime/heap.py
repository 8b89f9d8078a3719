"""glibc's allocator, set so that a process that runs for months takes no more and no more.

Python has its own arenas for what is small; all else (tables, messages, buffers) is glibc's. Left
alone, glibc takes a large table out of a mapping of its own the first time, and once that has been
freed puts the next ones, up to 32 MiB, into the heap between what is small: it raises its threshold
by itself. A heap gives back only what lies at its end, so each rebuilt table may leave a hole, and
memory grows by steps of MiB. And each thread that comes in another's way gets a heap of its own.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_flat"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
"""Names of `mallopt(3)`."""
_SETTINGS = (
    # What glibc begins with; set, it stays.
    (_MMAP_THRESHOLD, 128 << 10),
    # Large reads are cut from the end of the heap, where they are given back at once: without some
    # room there each of them would ask the kernel.
    (_TRIM_THRESHOLD, 4 << 20),
    (_TOP_PAD, 1 << 20),
    # Python's lock keeps threads out of each other's way.
    (_ARENA_MAX, 1),
)


def keep_flat() -> bool:
    """Set the allocator for this process, before its first thread; False if it is not glibc's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(name, value) == 1 for name, value in _SETTINGS)

"""The allocator's settings, in a process of its own: they hold for good."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from cicswitch.cli import running
from cicswitch.media import __main__ as worker
from cicswitch.runtime import heap

PROGRAM = """
import ctypes, sys
from cicswitch.runtime.heap import keep_flat

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                 "uordblks", "fordblks", "keepcost")]

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.mallinfo2.restype = Info
if sys.argv[1:] == ["flat"]:
    assert keep_flat()
libc.free(libc.malloc(8 << 20))
before = libc.mallinfo2().hblks
table = libc.malloc(4 << 20)
print(libc.mallinfo2().hblks - before)
"""

glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs the allocator of glibc 2.33"
)


def mappings(*arguments: str) -> int:
    """How many mappings of its own a table gets, after a larger one has been freed."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    return int(ran.stdout)


@glibc
def test_a_large_table_has_a_mapping_of_its_own_also_after_one_was_freed() -> None:
    assert mappings("flat") == 1


@glibc
def test_by_itself_the_allocator_puts_it_into_the_heap() -> None:
    assert mappings() == 0


class Called(Exception):
    """Before anything else."""


def called() -> bool:
    raise Called


def test_the_switch_and_its_media_worker_set_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "keep_flat", called)
    monkeypatch.setattr(worker, "keep_flat", called)
    with pytest.raises(Called):
        running.run()
    monkeypatch.setattr(sys, "argv", ["worker", "--socket-fd", "-1", "--settings", "{}"])
    with pytest.raises(Called):
        worker.main()

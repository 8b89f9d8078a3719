"""Free ports below the ephemeral range."""

from __future__ import annotations

import contextlib
import os
import socket
from itertools import count

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
_PROCESSES = 6
"""Of a test run; each has its own ranges and goes round in them. With more, two would share one."""
_PORTS = 1000
_FIRST = 10_000 + WORKER % _PROCESSES * _PORTS
_REFUSED = 10_080
"""Browsers go to no page there (Fetch Standard, port blocking)."""
_steps = count(os.getpid() * 4 % 100)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that is free for UDP and TCP now, with the nine after it unlikely to be taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for step in _steps:
        port = _FIRST + step * 10 % _PORTS
        if port == _REFUSED:
            continue
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(family, kind) as probe:
                    probe.bind((host, port))
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


_RTP_FIRST, _RTP_PORTS, _RTP_SLOTS = 18_000, 200, 12
"""Above what three switches on the embedded defaults (16384 and up) take when they start."""
_rtp_steps = count()


def rtp_ports() -> str:
    """A range for the media of a switch, all of it free now: two that run at once, in this test
    process or another, have different ones."""
    for _ in range(_RTP_SLOTS):
        slot = WORKER % _PROCESSES * _RTP_SLOTS + next(_rtp_steps) % _RTP_SLOTS
        first = _RTP_FIRST + slot * _RTP_PORTS
        with contextlib.ExitStack() as probes:
            try:
                for port in range(first, first + _RTP_PORTS):
                    probe = probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return f"{first}-{first + _RTP_PORTS - 1}"
    raise AssertionError("no range of RTP ports is free")

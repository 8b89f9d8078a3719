"""What other work does to the loop of a switch with calls: OPTIONS every 20 ms, and the answers."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np

from bench.harness import Switch

__all__ = ["beside", "lag", "pinged", "port_of"]

T = TypeVar("T")


async def beside(
    work: Coroutine[Any, Any, T], switch: Switch, seconds: float
) -> tuple[T, tuple[float, float]]:
    task = asyncio.create_task(work)
    await asyncio.sleep(1)
    measured = await lag(switch, seconds)
    return await task, measured


async def lag(switch: Switch, seconds: float) -> tuple[float, float]:
    """`pinged`, beside what else the caller's loop does."""
    return await asyncio.to_thread(pinged, switch, seconds)


def pinged(switch: Switch, seconds: float) -> tuple[float, float]:
    """The 99th percentile of an OPTIONS' way there and back, in ms; the share of a core."""
    host, _, port = switch.address.partition(":")
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    peer.settimeout(1.0)
    own = peer.getsockname()[1]
    took: list[float] = []
    before, began = switch.cpu_s(), time.monotonic()
    number = 0
    while time.monotonic() - began < seconds:
        number += 1
        text = (
            f"OPTIONS sip:{host} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bKo{number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:b@127.0.0.1>;tag=t\r\nTo: <sip:{host}>\r\n"
            f"Call-ID: o{number}@bench\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        at = time.perf_counter()
        peer.sendto(text.encode(), (host, int(port)))
        try:
            peer.recv(4096)
        except TimeoutError:
            took.append(1.0)
            continue
        took.append(time.perf_counter() - at)
        time.sleep(max(0.0, 0.02 - took[-1]))
    peer.close()
    share = (switch.cpu_s() - before) / (time.monotonic() - began)
    return float(np.percentile(took, 99)) * 1000, share


def port_of(switch: Switch) -> int:
    """The port of its API."""
    text = (switch.folder / "cicswitch.toml").read_text()
    found = re.search(r'http = "127\.0\.0\.1:(\d+)"', text)
    assert found is not None
    return int(found[1])

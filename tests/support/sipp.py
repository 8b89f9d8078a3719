"""SIPp in tests: an implementation of SIP that is not ours, as customer and as far end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

SIPP = shutil.which("sipp")


async def run_uac(
    server: str, number: str, *, host: str, port: int, folder: Path, options: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Call with SIPp's built-in caller or a scenario; (exit status, what it printed)."""
    if SIPP is None:
        pytest.skip("SIPp is not installed: apt-get install sip-tester")
    scenario = () if "-sf" in options else ("-sn", "uac")
    process = await asyncio.create_subprocess_exec(
        SIPP,
        *(server, *scenario, "-s", number, "-i", host, "-p", str(port), "-nostdin"),
        *("-timeout", "20", "-timeout_error", "-trace_err", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 40)
    assert process.returncode is not None
    return process.returncode, out.decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def uas(host: str, port: int, folder: Path, *options: str) -> AsyncIterator[None]:
    """SIPp's built-in answering side, or a scenario, while the block runs."""
    if SIPP is None:
        pytest.skip("SIPp is not installed: apt-get install sip-tester")
    scenario = () if "-sf" in options else ("-sn", "uas")
    process = await asyncio.create_subprocess_exec(
        SIPP,
        *(*scenario, "-i", host, "-p", str(port), "-nostdin", "-timeout", "60", *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

"""Long computations in a process of their own, so that calls do not wait for them."""

from __future__ import annotations

import asyncio
import sys

from cicswitch.core.errors import ResourceError

__all__ = ["aside"]


async def aside(module: str, given: bytes, what: str, limit_s: float) -> tuple[bytes, str]:
    """Run `python -m module` on its standard input; what it made, and what it says went wrong.

    Raises `ResourceError` if it cannot run or takes longer than `limit_s`; `what` names it then.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C at the terminal is for the switch
        )
    except OSError as error:
        raise ResourceError(f"no process for {what}: {error.strerror}") from None
    try:
        async with asyncio.timeout(limit_s):
            made, wrong = await process.communicate(given)
    except TimeoutError:
        raise ResourceError(f"{what} took more than {limit_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not process.returncode:
        return made, ""
    lines = wrong.decode("utf-8", "replace").strip().splitlines()
    return b"", lines[-1] if lines else f"{what}: its process failed"

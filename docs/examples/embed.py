"""cicswitch inside another asyncio program: a Python dialplan step, and typed events."""

import asyncio
import sys
from pathlib import Path

import cicswitch
from cicswitch.acd.events import InteractionConnected
from cicswitch.calls.call import Call
from cicswitch.calls.events import InteractionEnded

VIPS = {"2001"}


async def rate(call: Call) -> str:
    """Called by `do = "python", call = "rate"`; its answer is the next step or flow."""
    return "vip" if call.caller in VIPS else ""


async def main(config: Path, calls: int) -> None:
    """Run a switch until so many calls have ended."""
    ended: asyncio.Queue[str] = asyncio.Queue()

    def listen(event: object) -> None:
        match event:
            case InteractionConnected():
                text = f"{event.agent} took {event.interaction} after {event.wait_s:.1f} s"
                print(text, flush=True)
            case InteractionEnded():
                ended.put_nowait(event.interaction)

    async with cicswitch.Switch(config, functions={"rate": rate}) as switch:
        switch.subscribe(listen)
        for _ in range(calls):
            print(f"ended {await ended.get()}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), 1))

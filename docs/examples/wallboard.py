"""A wallboard of one's own in a terminal: how long who waits, right after each event."""

import asyncio
import os

from rich.live import Live
from rich.table import Table

from cicswitch.client import Client


async def board(api: Client) -> Table:
    """The queues as they are now."""
    table = Table("queue", "waiting", "longest", "idle", "service level today")
    async for queue in api.queues():
        level = queue.service_level
        table.add_row(
            *(queue.queue, str(queue.waiting), f"{queue.longest_wait_s:.0f} s", str(queue.idle)),
            "" if level is None else f"{level:.0%}",
        )
    return table


async def main(switch: str, token: str) -> None:
    """Draw it anew when something happens, at most once a second."""
    async with Client(switch, token=token) as api:
        with Live(await board(api)) as live:
            async for _ in api.events():
                live.update(await board(api))
                await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(os.environ["CICSWITCH_URL"], os.environ["CICSWITCH_TOKEN"]))

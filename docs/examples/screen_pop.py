"""A CRM's page opens at the agent's before he has said hello: SCREEN_POP AGENT URL-WITH-{}."""

import asyncio
import os
import sys
import webbrowser

from cicswitch.acd.events import Reserved
from cicswitch.client import Client


async def main(switch: str, token: str, agent: str, page: str) -> None:
    """Open `page` with the caller's number in it for every offer that `agent` gets."""
    async with Client(switch, token=token) as api:
        async for event in api.events(kinds=["Reserved"], agents=[agent]):
            if isinstance(event, Reserved):
                call = await api.interaction(event.interaction)
                webbrowser.open(page.format(call.context.get("order") or call.caller))


if __name__ == "__main__":
    asyncio.run(main(os.environ["CICSWITCH_URL"], os.environ["CICSWITCH_TOKEN"], *sys.argv[1:3]))

"""A channel in a page: texts that lie in a folder go to agents, answers go into another one.

    [channel.desk]
    type = "folder"
    queue = "support"
    settings = { inbox = "inbox", outbox = "outbox" }

`inbox/park-1.txt` is from `park`. A first line `Conversation: ID` continues one.
"""

import asyncio
from pathlib import Path

from cicswitch.contacts.messages import Incoming
from cicswitch.core.errors import CicError, ResourceError


class Folder:
    medium, live, stored = "email", False, False
    silent_s = end_s = away_s = 0.0

    def __init__(self, name, config, host, archive):
        self.name, self.queue, self.host = name, config.queue, host
        try:
            self.inbox, self.outbox = (Path(config.settings[key]) for key in ("inbox", "outbox"))
        except KeyError as missing:
            told = f'channel "{name}": settings.{missing.args[0]} is missing'
            raise ResourceError(told) from None
        self.task, self.problem = None, ""

    async def start(self):
        for folder in (self.inbox, self.outbox):
            folder.mkdir(parents=True, exist_ok=True)
        self.task = asyncio.create_task(self.watch())

    async def stop(self):
        if self.task is not None:
            self.task.cancel()

    async def watch(self):
        while True:
            for file in sorted(self.inbox.glob("*.txt")):
                try:
                    await self.take(file)
                    self.problem = ""
                except (OSError, CicError) as error:
                    self.problem = f"{file.name}: {error}"  # it lies there, and is tried again
            await asyncio.sleep(0.2)

    async def take(self, file):
        text = file.read_text(errors="replace")
        head, _, rest = text.partition("\n")
        known = head.startswith("Conversation: ")
        await self.host.accept(
            self,
            Incoming(
                customer=file.stem.partition("-")[0],
                external=file.name,
                conversation=head.removeprefix("Conversation: ") if known else "",
                text=rest if known else text,
            ),
        )
        file.unlink()  # it is on disk in the switch; if we die before this, it is known again

    async def deliver(self, out):
        message = out.message
        file = self.outbox / f"{message.id}.txt"  # the same message twice is the same file
        part = file.with_suffix(".part")
        head = f"To: {out.customer}\nConversation: {message.conversation}\n\n"
        try:
            part.write_text(head + message.text)
            part.rename(file)
        except OSError as error:  # it is tried again
            raise ResourceError(f"{file}: {error.strerror}") from None

    def told(self, conversation, news):
        pass  # nobody reads along

    def state(self):
        return {"problem": self.problem, "waiting": len(list(self.inbox.glob("*.txt")))}

    async def test(self):
        return f"{self.inbox} has {len(list(self.inbox.glob('*.txt')))} texts"

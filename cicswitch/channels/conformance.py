"""Whether a channel keeps its contract: for tests of one's own channels.

    class Pager:                         # the other side of the channel, as the test plays it
        settings = {"port": 1234}
        async def send(self, text, name): ...
        async def open(self): ...
        async def answers(self): ...
        async def cut(self, away): ...

    async def test_the_pager_keeps_its_contract():
        assert await conform("pager", Pager()) == []

The channel is made as the switch makes it, and given a host that stores nothing, or refuses, when
it should not. Each finding names what was broken. docs/channels.md tells of the contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import tempfile
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

import msgspec
from msgspec import Struct

from cicswitch.channels.load import make
from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import Attachment, Incoming, Message, Outgoing
from cicswitch.core.errors import CommandError, NotFound, ResourceError
from cicswitch.ports import Accepted, Archive, Channel, ChannelHost, News
from cicswitch.records.rows import ConversationRecord

__all__ = ["Finding", "Medium", "conform"]

_SOON_S: Final = 10.0
_QUIET_S: Final = 0.5
"""How long nothing has to happen to be nothing."""
_FLAGS: Final = {
    "name": str,
    "medium": str,
    "queue": str,
    "live": bool,
    "stored": bool,
    **dict.fromkeys(("silent_s", "end_s", "away_s"), (int, float)),
}


class Finding(Struct, frozen=True):
    """Something that the channel does not do as it should."""

    check: str
    problem: str

    def __str__(self) -> str:
        return f"{self.check}: {self.problem}"


class Medium(Protocol):
    """The other side of a channel: customers, and what carries their messages."""

    settings: dict[str, Any]
    """Of the channel that speaks with it."""

    async def send(self, text: str, name: str) -> None:
        """A customer sends a message; the medium knows it by that name. It is handed to the channel
        until that acknowledges it. Sent again under the same name it is the same message."""

    async def open(self) -> int:
        """How many messages the channel has not acknowledged."""

    async def answers(self) -> list[str]:
        """The texts that have reached customers, each as often as it did."""

    async def cut(self, away: bool) -> None:
        """Be away, so that nothing can be delivered, or be there again."""


class _World:
    """The switch as a channel sees it: host and archive, in memory."""

    def __init__(self, place: Path) -> None:
        self.channel: Channel | None = None
        self.accepted: list[Incoming] = []
        self.again = 0
        self.refused = 0
        self.fails: Exception | None = None
        """What `accept` raises now."""
        self._known: dict[str, Accepted] = {}
        self._records: dict[str, ConversationRecord] = {}
        self._messages: dict[str, Message] = {}
        self._files: dict[str, bytes] = {}
        self._place = place
        self.attachments = self
        self.file_bytes = self.message_bytes = 25 << 20

    # -- host ------------------------------------------------------------------------------------

    async def accept(self, channel: Channel, incoming: Incoming) -> Accepted:
        self.channel = channel
        await asyncio.sleep(0)
        if self.fails is not None:
            self.refused += 1
            raise self.fails
        known = self._known.get(incoming.external) if incoming.external else None
        if known is not None:
            self.again += 1
            return msgspec.structs.replace(known, again=True)
        number = str(len(self.accepted) + 1)
        record = self._records.get(incoming.conversation)
        if record is None:
            record = ConversationRecord(
                id=f"c{number}",
                channel=channel.name,
                medium=channel.medium,
                customer=incoming.customer,
                called=incoming.called,
                name=incoming.name,
                subject=incoming.subject,
                language=incoming.language,
                opened_at=0.0,
                updated_at=0.0,
                interaction=f"i{number}",
                agent="",
                queue=channel.queue,
                seq=0,
                token=incoming.token,
                data="",
            )
            self._records[record.id] = record
        record.seq += 1
        if incoming.data:
            record.data = msgspec.json.encode(incoming.data).decode()
        message = Message(
            id=f"m{number}",
            conversation=record.id,
            interaction=record.interaction,
            seq=record.seq,
            at=0.0,
            author="customer",
            text=incoming.text,
            attachments=incoming.attachments,
        )
        self._messages[message.id] = message
        made = Accepted(message.id, record.id, record.seq)
        if incoming.external:
            self._known[incoming.external] = made
        self.accepted.append(incoming)
        return made

    async def undelivered(self, channel: Channel, message: Message, error: str) -> None:
        pass

    def typing(self, conversation: str) -> None:
        pass

    def away(self, conversation: str) -> None:
        pass

    def back(self, conversation: str) -> News:
        return News(state="waiting", position=1)

    def leave(self, conversation: str, reason: str = "customer") -> None:
        pass

    def shown(self, agent: str) -> str:
        return agent

    async def stored(self) -> None:
        pass

    # -- archive ---------------------------------------------------------------------------------

    def key(self, channel: str) -> bytes:
        return hashlib.sha256(channel.encode()).digest()

    def aside(self, channel: str) -> Path:
        return self._place / channel

    async def known(self, channel: str, external: str) -> Accepted | None:
        return self._known.get(external)

    async def conversation(self, name: str) -> ConversationRecord | None:
        return self._records.get(name)

    async def heir(self, message: str, name: str) -> str:
        return name

    async def answered(self, channel: str, names: Sequence[str]) -> ConversationRecord | None:
        for name in names:
            for external, accepted in self._known.items():
                if external == name or external.startswith(f"{name}#"):
                    return self._records[accepted.conversation]
        return None

    async def by_token(self, channel: str, digest: str) -> ConversationRecord | None:
        found = (each for each in self._records.values() if each.token == digest)
        return next(found, None)

    async def message(self, name: str) -> Message | None:
        return self._messages.get(name)

    async def messages(self, name: str, after: int = 0, limit: int = 200) -> list[Message]:
        found = [each for each in self._messages.values() if each.conversation == name]
        return [each for each in found if each.seq > after][:limit]

    # -- files -----------------------------------------------------------------------------------

    async def keep(
        self, given: bytes | AsyncIterable[bytes], name: str, *, clean: bool = False
    ) -> Attachment:
        raw = given if isinstance(given, bytes) else b"".join([each async for each in given])
        digest = hashlib.sha256(raw).hexdigest()
        self._files[digest] = raw
        return Attachment(digest, Path(name).name or "file", "application/octet-stream", len(raw))

    async def read(self, digest: str) -> bytes:
        if digest not in self._files:
            raise NotFound("the file is gone")
        return self._files[digest]

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, text: str) -> Outgoing:
        """An agent's answer to the last message that came."""
        incoming = self.accepted[-1]
        record = list(self._records.values())[-1]
        record.seq += 1
        made = Message(
            id=f"a{record.seq}{len(self._messages)}",
            conversation=record.id,
            interaction=record.interaction,
            seq=record.seq,
            at=0.0,
            author="agent:kim",
            text=text,
        )
        self._messages[made.id] = made
        return Outgoing(
            message=made,
            customer=incoming.customer,
            called=incoming.called,
            subject=incoming.subject,
            name="Kim",
            data=msgspec.json.decode(record.data, type=dict[str, str]) if record.data else {},
        )


class _Trial:
    """One run of the checks."""

    def __init__(self, channel: Channel, medium: Medium, world: _World) -> None:
        self.channel, self.medium, self.world = channel, medium, world
        self.findings: list[Finding] = []
        self._check = ""

    def wrong(self, problem: str) -> None:
        self.findings.append(Finding(self._check, problem))

    async def check(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._check = name
        try:
            async with asyncio.timeout(3 * _SOON_S):
                await work()
        except TimeoutError:
            self.wrong(f"it has taken more than {3 * _SOON_S:g} s")
        except Exception as error:
            self.wrong(f"{type(error).__name__}: {error}")

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it is so soon; nobody tells."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SOON_S):
                while not await holds():  # noqa: ASYNC110  # nothing tells
                    await asyncio.sleep(0.02)
                return True
        return False

    async def taken(self, count: int) -> bool:
        """Whether so many messages come to be accepted and acknowledged."""

        async def holds() -> bool:
            return len(self.world.accepted) >= count and await self.medium.open() == 0

        return await self.until(holds)

    # -- the checks ------------------------------------------------------------------------------

    async def attributes(self) -> None:
        for name, kind in _FLAGS.items():
            value = getattr(self.channel, name, None)
            if not isinstance(value, kind):  # type: ignore[arg-type]  # a type, or some
                self.wrong(f"{name} is {value!r}")

    async def starts(self) -> None:
        await self.channel.start()
        await self.channel.stop()
        await self.channel.stop()
        await self.channel.start()

    async def takes(self) -> None:
        await self.medium.send("Hello, 안녕하세요 \U0001f44b", "one")
        if not await self.taken(1):
            self.wrong(f"after {_SOON_S:g} s a message is not accepted, or not acknowledged")
            return
        found = self.world.accepted[0]
        if "안녕하세요 \U0001f44b" not in found.text:
            self.wrong(f"the text is {found.text[:80]!r}")
        if not found.customer:
            self.wrong("there is no customer")
        if not found.external:
            self.wrong("there is no external id: a crash before the acknowledgement doubles it")

    async def holds_back(self) -> None:
        world, before = self.world, len(self.world.accepted)
        world.fails = ResourceError("it is not on disk yet: send it again")
        await self.medium.send("kept back", "two")

        async def refused() -> bool:
            return world.refused > 0

        if not await self.until(refused):
            self.wrong("it was not tried to hand a message in")
        if await self.medium.open() == 0:
            self.wrong("what could not be stored was acknowledged: it is lost")
        world.fails = None
        if not await self.taken(before + 1):
            self.wrong("what could not be stored at first is not handed in again")
        if sum(each.text.startswith("kept back") for each in world.accepted) > 1:
            self.wrong("a message that came again is two: its external id is another")

    async def knows_again(self) -> None:
        world, before = self.world, len(self.world.accepted)
        await self.medium.send("Hello, 안녕하세요 \U0001f44b", "one")

        async def known() -> bool:
            return (world.again > 0 or len(world.accepted) > before) and (
                await self.medium.open() == 0
            )

        if not await self.until(known):
            self.wrong("a message that came before is not acknowledged")
        if len(world.accepted) > before:
            self.wrong("a message that came before is another: its external id has changed")

    async def refuses(self) -> None:
        world, before = self.world, len(self.world.accepted)
        world.refused = 0
        world.fails = CommandError("nobody takes it")
        await self.medium.send("nobody's", "three")

        async def refused() -> bool:
            return world.refused > 0

        await self.until(refused)
        world.fails = None
        await self.medium.send("after it", "four")

        async def after() -> bool:
            return any(each.text.startswith("after it") for each in world.accepted[before:])

        if not await self.until(after):
            self.wrong("after a message that nobody takes nothing is taken any more")

    async def delivers(self) -> None:
        out = self.world.answer("An answer")
        await self.channel.deliver(out)
        await self.channel.deliver(out)
        found = [each for each in await self.medium.answers() if "An answer" in each]
        if not found:
            self.wrong("an answer does not arrive")
        elif len(found) > 1:
            self.wrong("the same message twice reaches the customer twice: message.id tells")

    async def survives(self) -> None:
        await self.medium.cut(True)
        out = self.world.answer("A later answer")
        try:
            async with asyncio.timeout(_SOON_S):
                await self.channel.deliver(out)
        except ResourceError:
            pass
        except TimeoutError:
            self.wrong(f"a delivery takes more than {_SOON_S:g} s while the medium is away")
        except Exception as error:
            self.wrong(f"while the medium is away it raises {type(error).__name__}: {error}")
        else:
            self.wrong("while the medium is away it says that a message is delivered")
        await self.medium.cut(False)
        await self.channel.deliver(out)
        if not any("A later answer" in each for each in await self.medium.answers()):
            self.wrong("when the medium is there again the answer does not arrive")

    async def tells(self) -> None:
        state = self.channel.state()
        msgspec.json.encode(state)
        for name, value in dict[str, object](state).items():
            if not isinstance(value, str | int | float):
                self.wrong(f"state()[{name!r}] is {value!r}")
        if state.get("problem"):
            self.wrong(f"state() has a problem while all is well: {state['problem']}")
        found = await self.channel.test()
        if not found or "\n" in found:
            self.wrong(f"test() says {found!r}: one line is meant")
        if self.world.accepted:
            self.channel.told("c1", News(state="talking", name="Kim", typing=True, read=1))
            self.channel.told("no such one", News(state="ended"))

    async def stops(self) -> None:
        await self.channel.stop()
        before = len(self.world.accepted)
        sending = asyncio.ensure_future(self.medium.send("late", "five"))
        await asyncio.sleep(_QUIET_S)
        if len(self.world.accepted) > before:
            self.wrong("after stop() a message was taken")
        await self.channel.start()
        with contextlib.suppress(Exception):
            await sending  # a medium that pushes may have found nobody
        if not await self.taken(before + 1):
            self.wrong("what came while it was stopped is not taken after start()")
        await self.channel.stop()


async def conform(
    kind: str, medium: Medium, name: str = "conforming", **config: Any
) -> list[Finding]:
    """What a channel of this type does not do as it should, against the other side of the test's.

    `config` has what stands in `[channel.NAME]` beside type and settings. Raises `ResourceError`
    for a channel that cannot be made.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        world = _World(Path(folder))
        settings = ChannelConfig(
            type=kind, settings=medium.settings, **{"queue": "support", **config}
        )
        host, archive = cast("ChannelHost", world), cast("Archive", world)
        trial = _Trial(make(name, settings, host, archive), medium, world)
        for label, work in (
            ("it has what the switch asks for", trial.attributes),
            ("it starts, and stops twice", trial.starts),
            ("a message is taken", trial.takes),
            ("what is not on disk is not acknowledged", trial.holds_back),
            ("a message that comes again is the same", trial.knows_again),
            ("a message that is refused holds up no other", trial.refuses),
            ("an answer arrives once", trial.delivers),
            ("a medium that is away loses nothing", trial.survives),
            ("it says how it does", trial.tells),
            ("it stops, and goes on", trial.stops),
        ):
            await trial.check(label, work)
    return trial.findings

"""Chat with visitors of a page: JSON messages over any transport that keeps their order.

    the page sends                              and is told
    hello {secret, after, name, context}        welcome {seq, state …}, then what it has missed
    say   {id, text}                            ack {id, seq}, once it is on disk
    typing, leave                               said {seq, author, name, text, at}, status {…}

The page makes up its `secret` and the `id` of each message: with them it comes back after a lost
connection, a reload or a restart of the switch, and says again what was not acknowledged; nothing
is lost, nothing is doubled. The store keeps a digest of the secret only.

What a visitor is told comes from the store, in order, from where he was: a message is sent to him
when it is on disk, and a visit that was behind catches up the same way.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
import structlog
from msgspec import Meta, Struct
from msgspec.structs import replace

from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import Attachment, Incoming, Message, Outgoing
from cicswitch.core.errors import CicError, CommandError
from cicswitch.identity import IDENTITY, proven
from cicswitch.ports import Archive, ChannelHost, News

__all__ = ["Chat", "Visit"]

log = structlog.get_logger("chat")

MOST_TEXT: Final = 4000
_MOST_WAITING: Final = 100
"""What a page may say before the first of it is on disk."""
_BURST, _BURST_S = 20, 10.0
_TYPING_S: Final = 1.0
"""More often nobody is told that he types."""
_VISITS: Final = 50_000
_PAGE: Final = 200

_Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Key = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]


class Hello(Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """The first message of a connection."""

    secret: Annotated[str, Meta(min_length=32, max_length=128)]
    after: Annotated[int, Meta(ge=0)] = 0
    """The number of the last message that the page has."""
    name: Annotated[str, Meta(max_length=80)] = ""
    language: Annotated[str, Meta(max_length=16)] = ""
    context: Annotated[dict[_Key, Annotated[str, Meta(max_length=200)]], Meta(max_length=20)] = {}


class Say(Struct, frozen=True, forbid_unknown_fields=True, tag="say"):
    """The visitor says something."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""
    files: Annotated[list[_Digest], Meta(max_length=20)] = []
    """Digests of what he has uploaded."""


class Typing(Struct, frozen=True, forbid_unknown_fields=True, tag="typing"):
    """He types."""


class Leave(Struct, frozen=True, forbid_unknown_fields=True, tag="leave"):
    """He ends it."""


class Welcome(Struct, frozen=True, tag="welcome"):
    """How it stands; `seq` is the number of the last message, 0: nothing was said yet."""

    seq: int
    state: str = ""
    name: str = ""
    position: int = 0


class Ack(Struct, frozen=True, tag="ack"):
    """A message is on disk."""

    id: str
    seq: int


class Said(Struct, frozen=True, tag="said"):
    """A message."""

    seq: int
    author: str
    """`customer`, `agent`, `bot` or `system`."""
    name: str
    text: str
    at: float
    files: tuple[Attachment, ...] = ()


class Status(Struct, frozen=True, tag="status"):
    """What has changed beside messages."""

    state: str = ""
    name: str = ""
    position: int = 0
    typing: bool = False
    read: int = 0
    reason: str = ""


class Refused(Struct, frozen=True, tag="refused"):
    """Something was not done; with the `id` of what was said: `again` tells whether it may be said
    again later."""

    why: str
    id: str = ""
    again: bool = False


_decode = msgspec.json.Decoder(Hello | Say | Typing | Leave).decode
_encode = msgspec.json.Encoder().encode


def digest_of(secret: str) -> str:
    """What the store keeps of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Chat:
    """`ports.Channel` of type `chat`."""

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.medium, self.live, self.stored = "chat", True, True
        self.host = host
        self.archive = archive
        self.queue = config.queue
        self.silent_s, self.end_s = config.silent_s, config.end_s
        self.away_s = float(config.away_s)
        self.visits: set[Visit] = set()
        self.by_conversation: dict[str, list[Visit]] = {}
        self.opening: dict[str, asyncio.Lock] = {}
        """By digest: of several tabs one begins the conversation."""
        self._stopped = False

    async def start(self) -> None:
        """The pages' connections come by the HTTP server."""
        self._stopped = False

    async def stop(self) -> None:
        """End all visits."""
        self._stopped = True
        for visit in list(self.visits):
            visit.close()

    def open(
        self,
        called: str,
        write: Callable[[bytes], None],
        close: Callable[[], None],
        secret: str = "",
    ) -> Visit | None:
        """A connection of a page; None: there are too many. `secret` is the widget's, by which its
        server proves who somebody is."""
        if self._stopped or len(self.visits) >= _VISITS:
            return None
        visit = Visit(self, called, write, close, secret)
        self.visits.add(visit)
        return visit

    async def deliver(self, out: Outgoing) -> None:
        """Wake who has the conversation before him; who has not reads it when he comes."""
        for visit in self.by_conversation.get(out.message.conversation, ()):
            visit.wake()

    def told(self, conversation: str, news: News) -> None:
        """See `ports.Channel`."""
        status = Status(news.state, news.name, news.position, news.typing, news.read, news.reason)
        for visit in self.by_conversation.get(conversation, ()):
            visit.tell(status)

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        return {"visits": len(self.visits), "conversations": len(self.by_conversation)}

    async def test(self) -> str:
        """See `ports.Channel`."""
        return f"{len(self.visits)} visitors are connected"


class Visit:
    """One connection of a page. `received` is given what it sends, `gone` is called at its end."""

    def __init__(
        self,
        chat: Chat,
        called: str,
        write: Callable[[bytes], None],
        close: Callable[[], None],
        secret: str = "",
    ) -> None:
        self._chat = chat
        self._secret = secret
        self._called = called
        self._write = write
        self._close = close
        self._hello: Hello | None = None
        self._digest = ""
        self._conversation = ""
        self._after = 0
        self._said: deque[float] = deque(maxlen=_BURST)
        self._typed_at = -_TYPING_S
        self._waiting: deque[Hello | Say] = deque()
        self._working: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._catching: asyncio.Task[None] | None = None
        self.over = False

    # -- from the page -----------------------------------------------------------------------

    def received(self, data: bytes | str) -> None:
        """Take a message of the page's. What is malformed is refused; the connection goes on."""
        if self.over:
            return
        try:
            message = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self.tell(Refused(f"not understood: {error}"[:300]))
            return
        if isinstance(message, Say) and not (message.text.strip() or message.files):
            self.tell(Refused("there is nothing in it", message.id))
            return
        if isinstance(message, Hello) is (self._hello is not None):
            self.tell(Refused("hello comes first, and once"))
            return
        match message:
            case Typing():
                now = asyncio.get_running_loop().time()
                if self._conversation and now - self._typed_at >= _TYPING_S:
                    self._typed_at = now
                    self._chat.host.typing(self._conversation)
            case Leave():
                if self._conversation:
                    self._chat.host.leave(self._conversation)
            case _:
                self._take(message)

    def _take(self, message: Hello | Say) -> None:
        """One after the other, each when the one before is on disk."""
        if isinstance(message, Hello):
            context = proven(message.context, self._secret, time.time())
            self._hello = message = replace(message, context=context)
            self._digest = digest_of(message.secret)
        else:
            now = asyncio.get_running_loop().time()
            if len(self._said) == _BURST and now - self._said[0] < _BURST_S:
                self.tell(Refused("too fast", message.id, again=True))
                return
            self._said.append(now)
        if len(self._waiting) >= _MOST_WAITING:
            assert isinstance(message, Say)
            self.tell(Refused("too much at once", message.id, again=True))
            return
        self._waiting.append(message)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="chat-visit")

    async def _work(self) -> None:
        try:
            while self._waiting and not self.over:
                message = self._waiting.popleft()
                try:
                    if isinstance(message, Hello):
                        await self._begin(message)
                    else:
                        await self._say(message)
                except CicError as error:
                    again = not isinstance(error, CommandError)
                    name = message.id if isinstance(message, Say) else ""
                    self.tell(Refused(str(error), name, again))
                    if isinstance(message, Hello):
                        self.close()
                except Exception:
                    # A mistake of ours: the page says it again, the others do not notice.
                    log.exception("chat_failed", channel=self._chat.name)
                    name = message.id if isinstance(message, Say) else ""
                    self.tell(Refused("see the log of the switch", name, again=True))
        finally:
            self._working = None

    async def _begin(self, hello: Hello) -> None:
        self._after = hello.after
        found = await self._chat.archive.by_token(self._chat.name, self._digest)
        if self.over:
            return
        if found is None:
            self.tell(Welcome(0))
            return
        self._join(found.id)
        news = self._chat.host.back(found.id)
        self.tell(Welcome(found.seq, news.state, news.name, news.position))
        self.wake()

    async def _say(self, said: Say) -> None:
        hello, chat = self._hello, self._chat
        assert hello is not None
        lock = chat.opening.setdefault(self._digest, asyncio.Lock())
        try:
            async with lock:
                if not self._conversation:
                    found = await chat.archive.by_token(chat.name, self._digest)
                    if found is not None:
                        self._join(found.id)
                external = f"{self._digest[:32]}:{said.id}"
                files = await self._files(said, external)
                identity = hello.context.get(IDENTITY, "")
                incoming = Incoming(
                    customer=f"visitor:{self._digest[:16]}",
                    called=self._called,
                    text=said.text,
                    name=hello.name,
                    external=external,
                    conversation=self._conversation,
                    language=hello.language,
                    context=hello.context,
                    data={IDENTITY: identity} if identity else {},
                    token=self._digest,
                    attachments=files,
                )
                accepted = await chat.host.accept(chat, incoming)
                if files:
                    await chat.archive.attachments.sent(self._digest, files)
        finally:
            if not lock.locked():
                chat.opening.pop(self._digest, None)
        if self.over:
            # He went while it was written; whether he comes back is seen from now on.
            if accepted.conversation not in chat.by_conversation:
                chat.host.away(accepted.conversation)
            return
        if not self._conversation:
            self._join(accepted.conversation)
            news = chat.host.back(accepted.conversation)
            self.tell(Status(news.state, news.name, news.position))
        self.tell(Ack(said.id, accepted.seq))
        for visit in chat.by_conversation.get(accepted.conversation, ()):
            visit.wake()

    async def _files(self, said: Say, external: str) -> tuple[Attachment, ...]:
        """What goes with it; nothing where it was said before, and is only acknowledged again."""
        archive = self._chat.archive
        if not said.files or await archive.known(self._chat.name, external) is not None:
            return ()
        return await archive.attachments.offered(self._digest, said.files)

    def _join(self, conversation: str) -> None:
        self._conversation = conversation
        self._chat.by_conversation.setdefault(conversation, []).append(self)

    # -- to the page ---------------------------------------------------------------------------

    def wake(self) -> None:
        """There is something that it has not seen."""
        self._woken.set()
        if self._catching is None and not self.over:
            self._catching = asyncio.create_task(self._catch_up(), name="chat-catch-up")

    async def _catch_up(self) -> None:
        try:
            while self._woken.is_set() and not self.over:
                self._woken.clear()
                while True:
                    found = await self._chat.archive.messages(
                        self._conversation, self._after, _PAGE
                    )
                    for message in found:
                        self._after = max(self._after, message.seq)
                        self.tell(self._shown(message))
                    if len(found) < _PAGE or self.over:
                        break
        except CicError as error:
            log.warning("chat_behind", channel=self._chat.name, error=str(error))
            self.close()  # it comes again, from where it is
        finally:
            self._catching = None

    def _shown(self, message: Message) -> Said:
        kind, _, name = message.author.partition(":")
        shown = self._chat.host.shown(name) if kind == "agent" else ""
        return Said(message.seq, kind, shown, message.text, message.at, message.attachments)

    def tell(self, message: Welcome | Ack | Said | Status | Refused) -> None:
        """Send a message to the page."""
        if not self.over:
            self._write(_encode(message))

    def close(self) -> None:
        """End the connection."""
        if not self.over:
            self._close()

    def gone(self) -> None:
        """The connection has ended. Idempotent."""
        if self.over:
            return
        self.over = True
        chat = self._chat
        chat.visits.discard(self)
        visits = chat.by_conversation.get(self._conversation)
        if visits is not None:
            visits.remove(self)
            if not visits:
                del chat.by_conversation[self._conversation]
                chat.host.away(self._conversation)

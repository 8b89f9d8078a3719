"""`bench channels`: messages in and answers out beside 100 live calls, and 100,000 open emails.

Customers write by each medium at a rate; the dialplan answers each with a line and hangs up, so a
message is a contact, its place on disk, and a message out. Beside it 100 calls talk, and two things
are measured: how long their packets take from one far end to the other, and how long an OPTIONS
takes. A rate counts if the 99th percentile of the packets' way is that of the calls alone (the
median of runs before each rate) to a tenth of a millisecond, which is what far ends that look every
0.3 ms can tell; if no packet is lost, OPTIONS takes no more than 5 ms longer at the 99th
percentile, all messages are acknowledged and all answers have arrived. Who writes has a process of
his own, which gives way to the switch: customers and their mail servers are elsewhere. The open
emails are `bench.emails`: a process that takes them and dies, and one that starts on what is there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP
from websockets.asyncio.client import connect

from bench.beside import pinged, port_of
from bench.harness import DIAL_PLAN, Switch, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sound import WARM_S, Heard, built, driven, held
from cicswitch.core.errors import ResourceError

__all__ = ["run"]

_SECRET = "of the bench, and of nobody else"  # on loopback, for a minute
_CALLS = 100
_CONNECTIONS = 16
_VISITORS = 100
"""Of the chat: one alone may not write so fast."""
_RATES = (25, 50, 100, 200, 400, 600, 800)
_MOST_PER_S = {"chat": 2 * _VISITORS, "webhook": 800, "email": 800}
"""By each medium; in a chat as much as the visitors may write."""
_MOST_MS = 5.0
_TELL_MS = 0.1
"""More than that is longer."""
_OPEN = 100_000
_PORTS = {"line": 15301, "smtp": 15302, "lmtp": 15303}
_EXTRA = f"""
[channel.chat]
type = "chat"
[widget.shop]
chat = "chat"
[channel.webhook]
type = "webhook"
[channel.webhook.settings]
shape = "line"
secret = "{_SECRET}"
url = "http://127.0.0.1:{_PORTS["line"]}/push"
[channel.email]
type = "email"
[channel.email.settings]
addresses = ["support@example.com"]
per_hour = 1000000
[channel.email.settings.send]
server = "127.0.0.1"
port = {_PORTS["smtp"]}
security = "none"
[channel.email.settings.receive]
listen = "127.0.0.1:{_PORTS["lmtp"]}"
connections = 100
"""
_PLAN = DIAL_PLAN + "".join(
    f'\n[[route]]\ntrunk = "{each}"\nflow = "answer"' for each in ("chat", "webhook", "email")
)
_PLAN += '\n[[flow.answer]]\ndo = "say"\ntext = "We have it."\n[[flow.answer]]\ndo = "hangup"\n'
_TEXT = "My order has not arrived yet. " * 10

Say = Callable[[int], Awaitable[None]]
Sender = Callable[[int], Awaitable[Say]]
"""Makes connection N; that sends message M and returns when it is acknowledged, and closes at -1
(the chat's stay open)."""


def run(options: Options) -> list[Result]:
    """First the media beside calls, then the open emails."""
    seconds = 4.0 if options.quick else 10.0
    result = Result("channels", x_label="messages a second", y_label="ms from end to end at p99")
    with (
        switch_under_test(extra=_EXTRA, plan=_PLAN) as switch,
        held(switch, _CALLS, 3600) as legs,
        tempfile.TemporaryDirectory() as name,
        _writers(port_of(switch)) as writers,
    ):
        talk = _Talk(switch, built(Path(name), "sender"), legs, seconds)
        _measure(talk, writers, options, result)
    _emails(options.calls or (_OPEN // 10 if options.quick else _OPEN), result)
    return [result]


class _Seen(msgspec.Struct):
    """Calls for some seconds, beside whatever else there was."""

    rate: float
    heard: Heard
    options_ms: float
    core: float
    done: bool = True
    """All that was written was taken and answered."""


class _Talk:
    """The calls: sound, and OPTIONS."""

    def __init__(self, switch: Switch, sender: Path, legs: list[str], seconds: float) -> None:
        self.switch, self.sender, self.legs, self.seconds = switch, sender, legs, seconds

    def __call__(self, rate: float = 0.0) -> _Seen:
        with ThreadPoolExecutor(1) as pool:
            sound = pool.submit(driven, self.sender, self.legs, self.seconds, self.switch.cpu_s)
            time.sleep(WARM_S)
            options_ms, _ = pinged(self.switch, self.seconds)
            used, heard = sound.result()
        seen = _Seen(rate, heard, options_ms, used / self.seconds)
        progress(
            f"{f'{rate:g}/s' if rate else 'calls alone'}: packets p99 {heard.p99_ms:.2f} ms,"
            f" {heard.sent - heard.got} lost, OPTIONS p99 {options_ms:.2f} ms, core {seen.core:.1%}"
        )
        return seen


def _measure(talk: _Talk, writers: Executor, options: Options, result: Result) -> None:
    alone = [talk()]
    seen: dict[str, list[_Seen]] = {}
    span = talk.seconds + WARM_S + 1
    for name, most in _MOST_PER_S.items():
        rows = seen[name] = []
        for rate in (options.rate,) if options.rate else _RATES:
            if rate > most:
                break
            alone.append(talk())
            writing = writers.submit(_write, name, rate, span)
            rows.append(talk(rate))
            done, lost = writing.result()
            progress(f"  {name}: {done / span:.0f}/s acknowledged, {lost} unanswered")
            rows[-1].done = done >= 0.98 * rate * span and not lost
            if not rows[-1].done or not _quiet(rows[-1], alone, slack=10):
                break
    packets = [each.heard.p99_ms for each in alone]
    core = median(each.core for each in alone)
    result.add("live_calls", _CALLS)
    result.add("packet_ms_p99_alone", median(packets), "ms")
    result.add("packet_ms_p99_alone_longest", max(packets), "ms")
    result.add("options_ms_p99_alone", median(each.options_ms for each in alone), "ms")
    for name, rows in seen.items():
        good = list(itertools.takewhile(lambda row: row.done and _quiet(row, alone), rows))
        best = good[-1].rate if good else 0.0
        result.add(f"{name}_per_s", best, "messages in and out/s", least=25)
        if good:
            more = good[-1].heard.p99_ms - median(packets)
            result.add(f"{name}_packet_ms_p99_more", more, "ms")
            result.add(f"{name}_core_ms", 1000 * (good[-1].core - core) / best, "ms")
        at = [row.rate for row in rows]
        result.series.append(Series(name, at, [row.heard.p99_ms for row in rows]))
    result.series.append(Series("calls alone", at, [median(packets)] * len(at)))


def _quiet(seen: _Seen, alone: list[_Seen], slack: int = 1) -> bool:
    """Whether the calls were as they are alone."""
    packets = median(each.heard.p99_ms for each in alone) + slack * _TELL_MS
    options_ms = median(each.options_ms for each in alone) + _MOST_MS
    return seen.heard.p99_ms <= packets and not seen.heard.loss and seen.options_ms <= options_ms


@contextlib.contextmanager
def _writers(port: int) -> Iterator[Executor]:
    """The process that writes, with one `_Writers` in it."""
    with ProcessPoolExecutor(1, get_context("spawn"), _start, (port,)) as pool:
        yield pool


class _Writers:
    """Who writes, and the loop that they write in."""

    def __init__(self, port: int) -> None:
        self.loop, self.far, self.port = asyncio.new_event_loop(), _Far(), port
        self.visitors: list[Say] = []
        """They stay on the page: a page may not be come to so often."""
        self.loop.run_until_complete(self.far.start())

    def write(self, name: str, rate: float, seconds: float) -> tuple[int, int]:
        """How many messages were acknowledged, and how many of them not answered."""
        return self.loop.run_until_complete(self._write(name, rate, seconds))

    async def _write(self, name: str, rate: float, seconds: float) -> tuple[int, int]:
        before = self.far.answers
        ready = self.visitors if name == "chat" else []
        ready = ready or await self._connect(name, _VISITORS if name == "chat" else _CONNECTIONS)
        done = await _load(ready, rate, seconds)
        lost = await self.far.settled(before + done)
        if name == "chat":
            self.visitors = ready
        else:
            await asyncio.gather(*(each(-1) for each in ready))
        return done, lost

    async def _connect(self, name: str, count: int) -> list[Say]:
        far = self.far
        sender = {"chat": far.chat, "webhook": far.webhook, "email": far.email}[name](self.port)
        return await asyncio.gather(*(sender(each) for each in range(count)))


_one: _Writers
"""Of the process that writes."""


def _start(port: int) -> None:
    global _one  # what a process is started with
    os.nice(10)
    _one = _Writers(port)


def _write(name: str, rate: float, seconds: float) -> tuple[int, int]:
    return _one.write(name, rate, seconds)


async def _load(ready: list[Say], rate: float, seconds: float) -> int:
    """Send at a rate over connections that stay; how many messages were acknowledged."""
    loop, done, connections = asyncio.get_running_loop(), 0, len(ready)
    began, most = loop.time(), int(rate * seconds)

    async def client(first: int) -> None:
        nonlocal done
        for number in range(first, most, connections):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            if loop.time() - began > 2 * seconds:
                return
            await ready[first](number)
            done += 1

    await asyncio.gather(*(client(first) for first in range(connections)))
    return done


class _Far:
    """The other side of all media: who writes, and what takes the answers."""

    def __init__(self) -> None:
        self.answers = 0
        self._numbers = itertools.count()

    async def start(self) -> None:
        """Listen for the answers of the webhook and the email channel."""
        loop = asyncio.get_running_loop()
        await asyncio.start_server(self._pushed, "127.0.0.1", _PORTS["line"])
        await loop.create_server(self._smtp, "127.0.0.1", _PORTS["smtp"])

    async def settled(self, meant: int) -> int:
        """How many answers are missing after a while."""
        for _ in range(100):
            if self.answers >= meant:
                break
            await asyncio.sleep(0.1)
        return max(0, meant - self.answers)

    async def _pushed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(size or 0))
                self.answers += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    def _smtp(self) -> SMTP:
        far = self

        class Handler:
            async def handle_DATA(self, *_: Any) -> str:  # noqa: N802  # aiosmtpd's
                far.answers += 1
                return "250 OK"

        return SMTP(Handler(), hostname="bench", loop=asyncio.get_running_loop())

    def chat(self, port: int) -> Sender:
        """Visitors of a page; each has his answer over his connection."""

        async def visitor(_: int) -> Say:
            socket = await connect(
                f"ws://127.0.0.1:{port}/widget/shop/chat",
                additional_headers={"Origin": f"http://127.0.0.1:{port}"},
                proxy=None,
            )
            secret = hashlib.sha256(f"{next(self._numbers)}".encode()).hexdigest()
            await socket.send(json.dumps({"type": "hello", "secret": secret, "after": 0}))
            acks: asyncio.Queue[None] = asyncio.Queue()

            async def read() -> None:
                async for raw in socket:
                    told = json.loads(raw)
                    if told["type"] == "ack":
                        acks.put_nowait(None)
                    elif told["type"] == "said" and told.get("author") != "customer":
                        self.answers += 1
                    elif told["type"] == "refused":
                        raise ResourceError(f"a message is refused: {told}")

            reading = asyncio.create_task(read())

            async def say(_: int) -> None:
                await socket.send(
                    json.dumps({"type": "say", "id": f"m{next(self._numbers)}", "text": _TEXT})
                )
                getting = asyncio.ensure_future(acks.get())
                await asyncio.wait({getting, reading}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    reading.result()
                    raise ResourceError("the chat was closed")

            return say

        return visitor

    def webhook(self, port: int) -> Sender:
        """A gateway that posts."""

        async def poster(_: int) -> Say:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)

            async def post(number: int) -> None:
                if number < 0:
                    writer.close()
                    return
                name = str(next(self._numbers))
                message = {"id": name, "type": "text", "text": _TEXT}
                event = {"type": "message", "source": {"type": "user", "userId": name}}
                body = json.dumps({"events": [{**event, "message": message}]}).encode()
                digest = hmac.digest(_SECRET.encode(), body, "sha256")
                head = (
                    f"POST /channel/webhook HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                    f"X-Line-Signature: {base64.b64encode(digest).decode()}\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                reply = await reader.readuntil(b"\r\n\r\n")
                size = reply.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(size or 0))
                if b" 200 " not in reply.partition(b"\r\n")[0]:
                    raise ResourceError(f"a message is answered {reply.partition(bytes(2))[0]!r}")

            return post

        return poster

    def email(self, _port: int) -> Sender:
        """A mail server that hands mails in by LMTP."""

        async def server(_: int) -> Say:
            reader, writer = await asyncio.open_connection("127.0.0.1", _PORTS["lmtp"])

            async def told() -> bytes:
                while True:
                    line = await reader.readline()
                    if line[3:4] != b"-":
                        return line

            async def command(text: str, *meant: bytes) -> None:
                writer.write(text.encode() + b"\r\n")
                line = await told()
                if line[:1] not in meant:
                    raise ResourceError(f"a mail server is told {line!r}")

            await told()
            await command("LHLO bench", b"2")

            async def mail(number: int) -> None:
                if number < 0:
                    writer.close()
                    return
                name = next(self._numbers)
                await command(f"MAIL FROM:<c{name}@example.com>", b"2")
                await command("RCPT TO:<support@example.com>", b"2")
                await command("DATA", b"3")
                head = (
                    f"From: c{name}@example.com\r\nTo: support@example.com\r\n"
                    f"Subject: Order {name}\r\nMessage-ID: <{name}@example.com>\r\n\r\n"
                )
                await command(f"{head}{_TEXT}\r\n.", b"2")

            return mail

        return server


def _emails(count: int, result: Result) -> None:
    """So many open emails: what they take, a start on them, how fast they go to agents."""

    def child(folder: str, work: str) -> dict[str, float]:
        command = [sys.executable, "-m", "bench.emails", folder, work, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
        if done.returncode:
            raise ResourceError(f"bench.emails {work}: {done.stderr[-500:]}")
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    with tempfile.TemporaryDirectory(prefix="cicswitch-bench-") as folder:
        filled = child(folder, "fill")
        progress(f"{count} emails taken: {count / filled['seconds']:.0f}/s")
        opened = child(folder, "open")
        progress(f"start on them: {opened['start_s']:.1f} s, {opened['mib']:.0f} MiB")
    whole = opened["waiting"] == count
    result.add("open_emails", count, "emails")
    result.add("taken_core_ms", 1000 * filled["cpu_s"] / count, "ms an email")
    result.add("kib_per_email", 1024 * filled["mib"] / count, "KiB")
    result.add("restart_s", opened["start_s"], "s", most=10, done=whole)
    result.add("restart_mib", opened["mib"], "MiB")
    result.add("dispatched_per_s", opened["answered"] / opened["seconds"], "emails/s")
    result.add("dispatch_core_ms", 1000 * opened["cpu_s"] / opened["answered"], "ms an email")

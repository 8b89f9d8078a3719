"""`bench channels`: messages in and answers out beside 100 live calls, and 100,000 open emails.

Customers write by each medium at a rate; the dialplan answers each with a line and hangs up, so a
message is a contact, its place on disk, and a message out. What that does to the loop is told as in
`bench api`; a rate counts if it adds no more than 5 ms at the 99th percentile, all messages are
acknowledged and all answers have arrived. The open emails are `bench.emails`: a process that takes
them and dies, and one that starts on what is there.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP
from websockets.asyncio.client import connect

from bench.beside import beside, lag, port_of
from bench.harness import DIAL_PLAN, Switch, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import far_end, start_caller, stop
from cicswitch.core.errors import ResourceError

__all__ = ["run"]

_SECRET = "of the bench, and of nobody else"  # on loopback, for a minute
_CALLS_PER_S = 25
_HOLD_S = 4.0
_CONNECTIONS = 16
_VISITORS = 100
"""Of the chat: one alone may not write so fast."""
_RATES = (25, 50, 100, 200, 400, 600, 800)
_MOST_MS = 5.0
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

Sender = Callable[[int], Awaitable[Callable[[int], Awaitable[None]]]]
"""Makes connection N; that sends message M and returns when it is acknowledged."""


def run(options: Options) -> list[Result]:
    """First the media beside calls, then the open emails."""
    seconds = 4.0 if options.quick else 10.0
    result = Result("channels", x_label="messages a second", y_label="ms added at p99")
    with (
        switch_under_test(extra=_EXTRA, plan=_PLAN) as switch,
        tempfile.TemporaryDirectory() as name,
        far_end(switch, Path(name)),
    ):
        caller = start_caller(
            *(switch, Path(name), "4711"),
            rate=_CALLS_PER_S,
            count=1_000_000,
            hold_ms=round(_HOLD_S * 1000),
        )
        try:
            time.sleep(_HOLD_S + 2)
            asyncio.run(_measure(switch, seconds, options, result))
        finally:
            stop(caller)
    _emails(options.calls or (_OPEN // 10 if options.quick else _OPEN), result)
    return [result]


async def _measure(switch: Switch, seconds: float, options: Options, result: Result) -> None:
    far = _Far()
    await far.start()
    media: dict[str, Sender] = {
        "chat": far.chat(port_of(switch)),
        "webhook": far.webhook(port_of(switch)),
        "email": far.email(),
    }
    quiet, used = await lag(switch, seconds)
    progress(f"calls alone: p99 {quiet:.2f} ms, {used:.1%} of a core")
    result.add("live_calls", _CALLS_PER_S * _HOLD_S)
    result.add("quiet_ms_p99", quiet, "ms")
    for name, sender in media.items():
        best = served = 0.0
        rates, lags = [], []
        count = _VISITORS if name == "chat" else _CONNECTIONS
        ready = await asyncio.gather(*(sender(each) for each in range(count)))
        for rate in (options.rate,) if options.rate else _RATES:
            if name == "chat" and rate > 2 * count:
                break  # as much as they may write
            before = far.answers
            work = _load(ready, rate, seconds)
            done, (late, cpu) = await beside(work, switch, seconds)
            lost = await far.settled(before + done)
            told = f"{done / (seconds + 1):.0f}/s, p99 {late:.2f} ms, {cpu:.1%}, {lost} unanswered"
            progress(f"{name} {rate:g}/s: {told}")
            rates.append(float(rate))
            lags.append(late - quiet)
            if late - quiet > _MOST_MS or done < 0.98 * rate * (seconds + 1) or lost:
                break
            best, served = rate, cpu - used
        await asyncio.gather(*(each(-1) for each in ready))
        result.add(f"{name}_per_s", best, "messages in and out/s", least=25)
        result.add(f"{name}_core_ms", 1000 * served / best if best else 0, "ms")
        result.series.append(Series(name, rates, lags))
    await far.stop()


async def _load(ready: list[Callable[[int], Awaitable[None]]], rate: float, seconds: float) -> int:
    """Send at a rate over connections that stay; how many messages were acknowledged."""
    loop, done, connections = asyncio.get_running_loop(), 0, len(ready)
    began, most = loop.time(), int(rate * (seconds + 1))

    async def client(first: int) -> None:
        nonlocal done
        for number in range(first, most, connections):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            if loop.time() - began > 2 * (seconds + 1):
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
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """Listen for the answers of the webhook and the email channel."""
        loop = asyncio.get_running_loop()
        self._servers = [
            await asyncio.start_server(self._pushed, "127.0.0.1", _PORTS["line"]),
            await loop.create_server(self._smtp, "127.0.0.1", _PORTS["smtp"]),
        ]

    async def stop(self) -> None:
        """Stop."""
        for server in self._servers:
            server.close()

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

        async def visitor(_: int) -> Callable[[int], Awaitable[None]]:
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

            async def say(number: int) -> None:
                if number < 0:
                    await asyncio.sleep(1)
                    reading.cancel()
                    await socket.close()
                    return
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

        async def poster(_: int) -> Callable[[int], Awaitable[None]]:
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

    def email(self) -> Sender:
        """A mail server that hands mails in by LMTP."""

        async def server(_: int) -> Callable[[int], Awaitable[None]]:
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

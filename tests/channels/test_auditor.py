"""kill -9 under the load of all channels and of calls; then an auditor compares what peers have
sent with what the store has, and what was answered with what peers have received.

What a medium cannot prevent is counted and told: an email that the switch had given away in the
instant of its death is given away again, under the same Message-ID ("mail copies"). A call that was
answered in the last moment before it may be in no book: nothing was promised for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import smtplib
from collections import Counter
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.smtp import SMTP
from websockets.exceptions import ConnectionClosed

from cicswitch.api.accounts.directory import AccountFile
from cicswitch.api.accounts.model import Account, Actor
from cicswitch.api.accounts.roles import Role
from cicswitch.runtime.place import Place
from cicswitch.store.reader import reading
from tests.channels.test_chat import CHANNELS
from tests.channels.test_webhook import customers
from tests.operation.test_daemon import configure, running
from tests.support.chat import Visitor
from tests.support.gateway import Gateway, event, gateway, post, section
from tests.support.ports import free_port
from tests.support.wire import wire

EACH = 3
"""Who writes, of each medium."""
AGENTS = ("kim", "lee")
KINDS = ("chat", "line", "mail", "task", "answers", "calls", "pictures")
EMAIL = """
[channel.mail]
type = "email"
queue = "support"
[channel.mail.settings]
addresses = ["support@cic.test"]
per_hour = 1000000
quote = false
[channel.mail.settings.send]
server = "127.0.0.1"
port = {out}
security = "none"
[channel.mail.settings.receive]
listen = "127.0.0.1:{come}"
[channel.crm]
type = "task"
queue = "support"
[trunk.near]
address = "udp:127.0.0.2:{near}"
options_s = 0
"""


class Audit:
    """What everybody outside knows."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.sent: Counter[str] = Counter()
        """By medium: messages that were acknowledged."""
        self.replies: dict[str, bool] = {}
        """What agents have written -> whether that was acknowledged."""
        self.mails: list[tuple[str, str]] = []
        """Message-ID and first line of what came to the mail server."""
        self.calls = 0
        self.shown: list[str] = []
        """SHA-256 of pictures that were acknowledged."""

    async def chat(self, page: Visitor, number: int) -> None:
        """A visitor who writes, loses the switch, and comes again."""
        said = 0
        while not self.stop.is_set():
            with contextlib.suppress(ConnectionClosed, OSError, TimeoutError):
                await page.try_to_come()
                while not self.stop.is_set():
                    said += 1
                    await page.say_surely(f"chat {number}:{said}")
                    await asyncio.sleep(0.05)
            await page.go()

    async def mail(self, port: int, number: int) -> None:
        """A mail server that hands mails in until they are taken."""
        said = 0
        while not self.stop.is_set():
            said += 1
            message = EmailMessage()
            message["From"], message["To"] = f"c{number}@customer.test", "support@cic.test"
            message["Message-ID"] = f"<{number}-{said}@customer.test>"
            message["Subject"] = "Order"
            message.set_content(f"mail {number}:{said}")
            while not await asyncio.to_thread(self._handed, port, message):
                if self.stop.is_set():
                    return
                await asyncio.sleep(0.05)
            self.sent["mail"] += 1

    @staticmethod
    def _handed(port: int, message: EmailMessage) -> bool:
        try:
            with smtplib.LMTP("127.0.0.1", port, timeout=5) as server:
                server.send_message(message)
        except (OSError, smtplib.SMTPException):
            return False
        return True

    async def pictures(self, line: Gateway, where: str) -> None:
        """A customer of the messenger who sends pictures, of which some are not there at once."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while not self.stop.is_set():
                name = f"p{len(self.shown) + 1}"
                data = b"\x89PNG" + name.encode()
                line.files[f"/content/{name}"] = (200 if len(self.shown) % 3 else 503, data)
                image = {**event("U-pictures", name, ""), "message": {"id": name, "type": "image"}}
                while not self.stop.is_set():
                    with contextlib.suppress(httpx.TransportError):
                        if (await post(client, where, image)).status_code == 200:
                            self.shown.append(hashlib.sha256(data).hexdigest())
                            break
                    await asyncio.sleep(0.02)
                line.files[f"/content/{name}"] = (200, data)
                await asyncio.sleep(0.1)

    async def task(self, url: str, headers: dict[str, str], number: int) -> None:
        """A system that hands work in until it is taken."""
        said = 0
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=5) as client:
            while not self.stop.is_set():
                said += 1
                name = f"task {number}:{said}"
                body = {"channel": "crm", "subject": "Claim", "text": name, "external": name}
                while True:
                    with contextlib.suppress(httpx.TransportError):
                        reply = await client.post(f"{url}/api/v1/tasks", json=body)
                        if reply.status_code in (200, 201):
                            break
                    if self.stop.is_set():
                        return
                    await asyncio.sleep(0.05)
                self.sent["task"] += 1
                await asyncio.sleep(0.05)

    async def agent(self, url: str, headers: dict[str, str], name: str) -> None:
        """An agent who takes what he is offered, answers it, and is done."""
        async with httpx.AsyncClient(
            base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=5
        ) as api:
            while not self.stop.is_set():
                with contextlib.suppress(httpx.TransportError):
                    await self._works(api, name)
                await asyncio.sleep(0.05)

    async def _works(self, api: httpx.AsyncClient, name: str) -> None:
        mine = await api.get(f"/agents/{name}")
        if mine.status_code == 200 and mine.json()["state"] in ("offline", "not-responding"):
            await api.post(f"/agents/{name}/sign-in")
            await api.post(f"/agents/{name}/ready")
        listed = await api.get("/interactions")
        if listed.status_code != 200:
            return
        for each in listed.json()["items"]:
            if each["medium"] == "voice" or not each.get("conversation"):
                continue
            place = f"/interactions/{each['interaction']}"
            if each["state"] == "reserved":
                await api.post(f"{place}/take")
            if each["medium"] != "task":
                text = f"re {name} {len(self.replies)}"
                self.replies[text] = False
                path = f"/conversations/{each['conversation']}/messages"
                written = await api.post(path, json={"text": text})
                self.replies[text] = written.status_code == 201
            await api.post(f"{place}/finish")

    async def call(self, near: Any) -> None:
        """Callers who wait until the switch is gone."""
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError, AssertionError, OSError):
                near.call("5000")
                ok = await near.expect("SIP/2.0 200", 1.0)
                near.ack(ok)
                self.calls += 1
            await asyncio.sleep(0.2)

    # -- the comparison --------------------------------------------------------------------------

    def compare(self, place: Place, pages: list[Visitor], line: Gateway) -> dict[str, int]:
        """Everything in its place; how often each thing was seen."""
        with reading(place) as db:
            kept = Counter(
                text.strip()
                for (text,) in db.execute("SELECT text FROM message WHERE author = 'customer'")
                if text and text != "[image]"
            )
            files = Counter(digest for (digest,) in db.execute("SELECT digest FROM attachment"))
            answers = Counter(
                text
                for (text,) in db.execute("SELECT text FROM message WHERE author LIKE 'agent:%'")
            )
            waiting = {
                text
                for (text,) in db.execute(
                    "SELECT text FROM message JOIN outbox ON message.id = outbox.message"
                )
            }
            open_, pending = (
                sorted(row[0] for row in db.execute(query))
                for query in (
                    "SELECT interaction FROM conversation WHERE interaction != ''",
                    "SELECT interaction FROM pending",
                )
            )
            unended = db.execute("SELECT count(*) FROM interaction WHERE ended_at IS NULL")
            (still,) = unended.fetchone()
            counted = db.execute(
                "SELECT count(*), count(DISTINCT interaction), count(*) FILTER (WHERE"
                " reason = 'restart') FROM interaction WHERE medium = 'voice'"
            )
            booked, once, cut = counted.fetchone()
        assert max(kept.values()) == 1, kept.most_common(3)
        assert max(answers.values(), default=1) == 1
        assert not set(self.shown) - set(files)  # also those that were not there at once
        assert max(files.values(), default=1) == 1
        self.sent["chat"] = sum(len(page.acked) for page in pages)
        for medium, sent in self.sent.items():
            found = [text for text in kept if text.startswith(f"{medium} ")]
            assert sent <= len(found) <= sent + EACH, (medium, sent, len(found))
            for number in range(EACH):
                own = {int(text.partition(":")[2]) for text in found if f" {number}:" in text}
                assert own == set(range(1, len(own) + 1)), (medium, number)
        assert open_ == pending
        assert still <= len(open_)
        assert booked == once  # a call is booked once, also one that the death has cut
        told = self._received(pages, line, answers, waiting)
        told |= {"pictures": len(self.shown)}
        return {**told, "calls booked": booked, "calls cut": cut}

    def _received(
        self, pages: list[Visitor], line: Gateway, answers: Counter[str], waiting: set[str]
    ) -> dict[str, int]:
        read = Counter(
            message["text"]
            for page in pages
            for message in page.said.values()
            if message["author"] == "agent"
        )
        pushed, mailed = Counter(line.texts), Counter(text for _, text in self.mails)
        for text, acknowledged in self.replies.items():
            assert answers[text] or not acknowledged, text  # what was acknowledged is there
        for text in answers:
            came = (read[text] > 0) + (pushed[text] > 0) + (mailed[text] > 0)
            assert came + (text in waiting) == 1, (text, came)
        for text in (*read, *pushed, *mailed):
            assert text in self.replies
        assert max(read.values(), default=1) == 1
        assert max(pushed.values(), default=1) == 1  # by the key that says which message it is
        assert len({name for name, _ in self.mails}) == len(mailed)  # a copy has the same name
        return {
            **self.sent,
            "answers": len(answers),
            "calls": self.calls,
            "waiting": len(waiting),
            "mail copies": len(self.mails) - len(mailed),
        }


def accounts(folder: Path) -> dict[str, dict[str, str]]:
    """Somebody for each agent, and one for tasks; headers by name."""
    file, root = AccountFile(folder / "var" / "accounts.db"), Actor("root", "command-line")
    (folder / "var").mkdir(exist_ok=True)
    file.open()
    made = {}
    for name in (*AGENTS, "crm"):
        role: Role = "agent" if name in AGENTS else "administrator"
        account = Account(name=name, role=role, agent=name if name in AGENTS else "")
        file.people.add(root, 1.0, account, "")
        _, secret = file.tokens.add(root, 1.0, name, "test", tuple(account.scopes), None)
        made[name] = {"Authorization": f"Bearer {secret}"}
    file.close()
    return made


@contextlib.asynccontextmanager
async def mail_server(audit: Audit, port: int) -> Any:
    """What takes answers by SMTP."""

    class Handler:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            head, _, body = envelope.content.decode().partition("\r\n\r\n")
            name = head.lower().partition("message-id: ")[2].partition("\r\n")[0]
            audit.mails.append((name, body.strip().partition("\r\n")[0]))
            return "250 OK"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(Handler(), hostname="far", loop=loop), "127.0.0.1", port
    )
    try:
        yield
    finally:
        server.close()


async def over_and_over(folder: Path, place: Place, kills: int, seed: int) -> dict[str, int]:
    """Kill it so often, at points of the seed's; what the auditor has found."""
    sip, http, out, come, near = (free_port() for _ in range(5))
    audit, draw, url = Audit(), random.Random(seed), f"http://127.0.0.1:{http}"
    async with (
        gateway() as line,
        mail_server(audit, out),
        wire("127.0.0.2", sip, near) as caller,
    ):
        chats = CHANNELS.replace("away_s = 1", "away_s = 600")
        content = line.url.replace("/push", "/content/{media}")
        extra = (
            chats
            + section(line.url, f'fetch = "{content}"')
            + EMAIL.format(out=out, come=come, near=near)
        )
        file = configure(folder, sip, http, extra + "[http]\nrequests_per_minute = 1000000\n")
        who = accounts(folder)
        pages = [Visitor(url, name=str(number)) for number in range(EACH)]
        working = [
            *(audit.chat(page, number) for number, page in enumerate(pages)),
            *(audit.mail(come, number) for number in range(EACH)),
            *(audit.task(url, who["crm"], number) for number in range(EACH)),
            *(audit.agent(url, who[name], name) for name in AGENTS),
            audit.call(caller),
            audit.pictures(line, f"{url}/channel/line"),
        ]
        tasks = [asyncio.create_task(each) for each in working]
        webhook = [
            asyncio.create_task(customers(line, f"{url}/channel/line", audit.stop, number))
            for number in range(EACH)
        ]
        for _ in range(kills):
            async with running(file) as daemon:
                await asyncio.sleep(draw.uniform(0.1, 1.5))
                daemon.process.kill()
                await daemon.process.wait()
        async with running(file):
            await asyncio.sleep(1)
            audit.stop.set()
            audit.sent["line"] = sum(await asyncio.gather(*webhook))
            await asyncio.gather(*tasks)
            for page in pages:  # what was answered while they were gone
                await page.try_to_come()
            await settled(place, folder / "store-line.files")
            await asyncio.sleep(0.5)
            for page in pages:
                await page.go()
    return audit.compare(place, pages, line)


async def settled(place: Place, wanted: Path) -> None:
    """Wait until nothing is on its way out, and no file is still to be got."""
    async with asyncio.timeout(60):
        while True:
            with reading(place) as db:
                (left,) = db.execute("SELECT count(*) FROM outbox WHERE NOT dead").fetchone()
            if not left and not any(wanted.glob("*")):
                return
            await asyncio.sleep(0.2)


async def test_nothing_is_lost_between_all_of_them(tmp_path: Path) -> None:
    found = await over_and_over(tmp_path, tmp_path / "store.db", 3, seed=3)
    assert all(found[name] > 0 for name in KINDS)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
async def test_nothing_is_lost_with_the_books_on_a_server(tmp_path: Path, stored: Place) -> None:
    found = await over_and_over(tmp_path, stored, 1, seed=5)
    assert all(found[name] > 0 for name in ("chat", "line", "mail", "task", "answers"))


@pytest.mark.soak
async def test_nothing_is_lost_over_200_kills(tmp_path: Path, stored: Place) -> None:
    print(await over_and_over(tmp_path, stored, 200, seed=17))

"""Email through Postfix and Dovecot: in by LMTP and by IMAP, out by SMTP, back by a bounce."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from cicswitch.core.errors import ResourceError
from cicswitch.mail import token
from cicswitch.mail.parse import parse
from tests.api.served import EXTRA, Served, served
from tests.channels.test_attachments import PNG
from tests.channels.test_chat import offered, taken, until, written
from tests.mail.samples import BOUNCE
from tests.support.center import PLAN, center
from tests.support.disk import small_disk
from tests.support.mailservers import MailServers, mailing

CHANNEL = """
[channel.mail]
type = "email"
queue = "support"
[channel.mail.settings]
addresses = ["support@cic.test", "sales@cic.test"]
name = "Example Support"
signature = "{{agent}}\\nExample Inc."
trusted = "mx.test"
{more}
[channel.mail.settings.send]
server = "127.0.0.1"
port = {smtp}
security = "none"
timeout_s = 10
[channel.mail.settings.receive]
listen = "127.0.0.1:{ours}"
{parts}
"""
IMAP = """
[channel.box]
type = "email"
queue = "support"
[channel.box.settings]
addresses = ["{user}"]
[channel.box.settings.send]
server = "127.0.0.1"
port = {smtp}
security = "none"
[channel.box.settings.imap]
server = "127.0.0.1"
port = {imap}
security = "none"
user = "{user}"
password = "secret"
{more}
"""


def channel(servers: MailServers, more: str = "", parts: str = "") -> str:
    return CHANNEL.format(smtp=servers.smtp, ours=servers.ours, more=more, parts=parts)


def mailbox(servers: MailServers, user: str, more: str = "") -> str:
    return IMAP.format(smtp=servers.smtp, imap=servers.imap, user=user, more=more)


@contextlib.asynccontextmanager
async def mailed(
    folder: Path, extra: str, plan: str = ""
) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    """A switch with email, and lee, who is there."""
    async with served(folder, extra=extra + EXTRA, plan=PLAN + plan) as api:
        await (await api.token("administrator")).post("/api/v1/agents/kim/sign-out")
        lee = await api.token("agent")
        await lee.post("/api/v1/agents/lee/sign-in")
        yield api, lee


async def arrived(servers: MailServers, address: str, count: int = 1) -> list[EmailMessage]:
    """The mails of a mailbox, once there are so many."""
    async with asyncio.timeout(20):
        while len(found := await asyncio.to_thread(servers.box, address)) < count:  # noqa: ASYNC110  # as below
            await asyncio.sleep(0.1)
    return found


async def send(servers: MailServers, message: EmailMessage | bytes, *to: str) -> None:
    recipients = to or ("support@cic.test",)
    await asyncio.to_thread(servers.send, message, "park@customer.test", *recipients)


def figures(api: Served) -> Callable[[], dict[str, Any]]:
    return api.switch.conductor.contacts.channels["mail"].state


async def finish(lee: httpx.AsyncClient, contact: Any) -> None:
    reply = await lee.post(f"/api/v1/interactions/{contact.id}/finish")
    assert reply.status_code < 300
    await lee.post("/api/v1/agents/lee/ready")


async def test_a_mail_is_answered_and_the_answer_answered(
    tmp_path: Path, servers: MailServers
) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, lee):
        mail = mailing(
            text="Where is my order?\n\nOn Thu, 26 Nov 2026 at 09:00, A <a@b.c> wrote:\n> Hello",
            From="Park <anna@customer.test>",
            Message_ID="<first@customer.test>",
            References="<zero@customer.test>",
            Authentication_Results="mx.test; spf=pass smtp.mailfrom=x; dkim=fail; dmarc=none",
        )
        mail.add_attachment(PNG, maintype="image", subtype="svg+xml", filename="../photo.png")
        await send(servers, mail, "sales@cic.test", "support@cic.test")
        contact = await taken(api, lee)
        assert contact.origin.medium == "email"
        assert (contact.origin.customer, contact.origin.name) == ("anna@customer.test", "Park")
        assert contact.origin.subject == "Order 4711"
        assert contact.origin.language == "en"
        assert contact.origin.context["mail_from_domain"] == "customer.test"
        name = contact.origin.conversation
        view = (await lee.get(f"/api/v1/conversations/{name}")).json()
        assert view["authentication"] == "dkim=fail dmarc=none spf=pass"
        assert view["signature"] == "lee\nExample Inc."
        path = f"/api/v1/conversations/{name}/messages"
        await until(lambda: figures(api)()["received"] == 1)  # it is on disk
        (message,) = (await lee.get(path)).json()
        assert message["text"][: message["folded"]] == "Where is my order?"
        (file,) = message["attachments"]
        assert (file["name"], file["media_type"]) == ("photo.png", "image/png")
        kept = await lee.get(f"/api/v1/conversations/{name}/attachments/{file['digest']}")
        assert kept.content == PNG
        # The answer: its thread, its quotation, its signature, its file.
        query = {"conversation": name, "name": "계약.pdf"}
        up = await lee.post("/api/v1/attachments", params=query, content=b"%PDF-1.4")
        body = {"text": "It is on its way.", "attachments": [up.json()["digest"]]}
        answer = written(await lee.post(path, json=body))
        (got,) = await arrived(servers, "anna@customer.test")
        assert got["In-Reply-To"] == "<first@customer.test>"
        assert got["References"] == "<zero@customer.test> <first@customer.test>"
        assert got["Subject"] == "Re: Order 4711"
        assert got["From"] in (
            "Example Support <sales@cic.test>",
            "Example Support <support@cic.test>",
        )
        assert got["Auto-Submitted"] is None
        assert got["Message-ID"].startswith(f"<{answer['message']}.")
        text = got.get_body().get_content().replace("\r\n", "\n")  # type: ignore[union-attr]  # it has one
        assert text.startswith("It is on its way.\n\nlee\nExample Inc.\n\nOn 20")
        assert text.endswith(" Park wrote:\n> Where is my order?\n")
        (sent,) = got.iter_attachments()
        assert (sent.get_filename(), sent.get_content()) == ("계약.pdf", b"%PDF-1.4")
        await until(lambda: not api.switch.conductor.outbox.waiting)
        # He answers: the same conversation, also after it was over, and to the same agent.
        await finish(lee, contact)
        again = mailing("AW: Order 4711", "Thanks", In_Reply_To=got["Message-ID"])
        await send(servers, again)
        second = await taken(api, lee)
        assert second.origin.conversation == name
        assert second.id != contact.id
        await finish(lee, second)
        # One that knows the subject only begins another; one that knows his own Message-ID does
        # so too, unless it is he who writes.
        await send(servers, mailing("Re: Order 4711", "x", In_Reply_To="<first@customer.test>"))
        third = await taken(api, lee)
        assert third.origin.conversation != name
        await finish(lee, third)
        own = {"From": "ANNA@customer.test", "In_Reply_To": "<first@customer.test>"}
        await send(servers, mailing("x", "y", **own))
        fourth = await taken(api, lee)
        assert fourth.origin.conversation == name
        state = api.switch.conductor.contacts.channels["mail"].state()
        assert (state["received"], state["sent"], state["problem"]) == (4, 1, "")
        assert "takes mails" in await api.switch.conductor.contacts.channels["mail"].test()


async def test_the_same_mail_twice_is_one(tmp_path: Path, servers: MailServers) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, _):
        for text in ("once", "once", "another with this Message-ID"):
            await send(servers, mailing(text=text, Message_ID="<same@customer.test>"))
        await until(lambda: len(api.switch.conductor.contacts.live) == 2, 30)
        await send(servers, mailing(text="last", Message_ID="<last@customer.test>"))
        await until(lambda: len(api.switch.conductor.contacts.live) == 3)
        assert len(await api.center.rows("message")) == 3


async def test_rules_are_the_dialplans(tmp_path: Path, servers: MailServers) -> None:
    plan = """
[[route]]
trunk = "mail"
called = "sales@cic.test"
flow = "sales"
[[flow.sales]]
do = "if"
variable = "mail_from_domain"
equals = "customer.test"
otherwise = "any"
[[flow.sales]]
do = "if"
variable = "language"
equals = "ko"
otherwise = "any"
[[flow.sales]]
do = "if"
variable = "subject"
equals = "주문"
then = "korean"
[[flow.sales]]
name = "any"
do = "queue"
queue = "support"
[[flow.sales]]
name = "korean"
do = "queue"
queue = "korean"
"""
    async with mailed(tmp_path, channel(servers), plan) as (api, _):
        contacts = api.switch.conductor.contacts.live
        await send(servers, mailing("주문", "안녕하세요, 주문 문의입니다."), "sales@cic.test")
        await until(lambda: len(contacts) == 1)
        assert [each.origin.queue for each in contacts.values()] == ["korean"]
        await send(servers, mailing("x", "안녕하세요"), "sales@cic.test")
        await until(lambda: len(contacts) == 2)
        assert [each.origin.queue for each in contacts.values()] == ["korean", "support"]


async def test_what_did_not_arrive_is_seen_at_its_message(
    tmp_path: Path, servers: MailServers
) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, lee):
        state = figures(api)
        # The server does not take it: for good.
        await send(servers, mailing(From="kim@gone.test"))
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        waiting = api.switch.conductor.outbox.waiting
        await until(lambda: any(each.dead for each in waiting.values()))
        (_, message) = (await lee.get(path)).json()
        assert message["delivery"] == "failed"
        assert "nobody is there" in message["error"]
        await finish(lee, contact)
        # It takes it, and sends it back later: who has the conversation sees it.
        lost = await refusing(servers)
        try:
            await send(servers, mailing(From="kim@echo.test"))
            contact = await taken(api, lee)
            name = contact.origin.conversation
            path = f"/api/v1/conversations/{name}/messages"
            written(await lee.post(path, json={"text": "Good day."}))
            await until(lambda: state()["bounces"])
            await until(lambda: state()["received"] == 3)
        finally:
            lost.close()
        messages = (await lee.get(path)).json()
        assert [each["delivery"] for each in messages] == ["", "failed", ""]
        assert "5.1.1" in messages[1]["error"]
        assert "mailbox is closed" in messages[1]["error"]
        assert messages[2]["author"] == "customer"
        root = await api.token("administrator")
        dead = (await root.get("/api/v1/outbox")).json()
        assert messages[1]["message"] in [each["message"] for each in dead if each["dead"]]
        # A bounce that anybody may have made up says nothing of ours.
        assert state()["bounces"] == 1
        await send(servers, BOUNCE, "support@cic.test")
        await until(lambda: state()["received"] == 4)
        assert state()["bounces"] == 1
        # One that comes when all was over: an agent is called, into the same conversation.
        await finish(lee, contact)
        intake = api.switch.conductor.contacts.channels["mail"].intake  # type: ignore[attr-defined]  # it is an Email
        ours = token.message_id(messages[1]["message"], name, "cic.test", intake._key)
        later = BOUNCE.replace(b"ours.abc@example.com", ours.encode())
        await send(servers, later.replace(b"<bounce@", b"<later@"), "support@cic.test")
        back = await taken(api, lee)
        assert back.origin.conversation == name
        assert state()["bounces"] == 2


async def refusing(servers: MailServers) -> asyncio.Server:
    class Handler:
        async def handle_RCPT(
            self, server: LMTP, session: Session, envelope: Envelope, address: str, _: list[str]
        ) -> str:
            return "550 5.1.1 the mailbox is closed"

    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: LMTP(Handler(), loop=loop, hostname="echo"), "127.0.0.1", servers.echo
    )


async def test_machines_are_kept_and_not_answered(tmp_path: Path, servers: MailServers) -> None:
    plan = """
[[route]]
trunk = "mail"
called = "support@cic.test"
flow = "bot"
[[flow.bot]]
do = "say"
text = "We have got your mail."
[[flow.bot]]
do = "queue"
queue = "support"
"""
    async with mailed(tmp_path, channel(servers), plan) as (api, _):
        contacts, state = api.switch.conductor.contacts, api.switch.conductor.contacts.channels
        robot = {"From": "robot@customer.test", "Auto_Submitted": "auto-generated"}
        await send(servers, mailing("a", **robot))
        await until(lambda: state["mail"].state()["automatic"] == 1)
        assert contacts.live == {}  # nobody is called
        (row,) = await api.center.rows("conversation")
        assert (row["customer"], row["interaction"]) == ("robot@customer.test", "")
        # Out of office, to an answer of ours: into its conversation, which goes on as it was.
        await send(servers, mailing("b", From="berta@customer.test"))
        (got,) = await arrived(servers, "berta@customer.test")
        assert got["Auto-Submitted"] == "auto-replied"
        assert got["Return-Path"] in (None, "<>")
        assert len(contacts.live) == 1
        office = {"Auto_Submitted": "auto-replied", "In_Reply_To": got["Message-ID"]}
        await send(servers, mailing("away", From="berta@customer.test", **office))
        await until(lambda: state["mail"].state()["automatic"] == 2)
        assert len(contacts.live) == 1
        # And one that is suppressed is queued, and gets no answer.
        quiet = {"From": "clara@customer.test", "X_Auto_Response_Suppress": "OOF"}
        await send(servers, mailing("c", **quiet))
        await until(lambda: len(contacts.live) == 2)
        assert await asyncio.to_thread(servers.box, "clara@customer.test") == []
        written_by = [row["author"] for row in await api.center.rows("message")]
        assert written_by == ["customer", "customer", "bot", "customer", "customer"]


async def test_a_loop_of_answers_ends(tmp_path: Path, servers: MailServers) -> None:
    """With a machine that answers everything, and says of nothing that it is one."""
    plan = """
[[route]]
trunk = "mail"
called = "support@cic.test"
flow = "bot"
[[flow.bot]]
do = "say"
text = "We have got your mail."
[[flow.bot]]
do = "hangup"
"""
    got: list[bytes] = []
    echo = await echoing(servers, got)
    try:
        async with mailed(tmp_path, channel(servers, "per_hour = 10"), plan) as (api, _):
            await send(servers, mailing("hello", From="echo@echo.test"))
            state = figures(api)
            await until(lambda: state()["unanswered"] == 1, 30)
            assert len(got) == 3
            assert state()["received"] == 4
            waiting = api.switch.conductor.outbox.waiting
            assert ["3 automatic" in each.error for each in waiting.values()] == [True]
            # Our own mail, come back.
            before = state()["loops"]
            await send(servers, got[0])
            await until(lambda: state()["loops"] == before + 1)
            assert state()["received"] == 4
    finally:
        echo.close()


async def echoing(servers: MailServers, got: list[bytes]) -> asyncio.Server:
    class Handler:
        async def handle_DATA(self, server: LMTP, session: Session, envelope: Envelope) -> str:
            raw = envelope.original_content
            assert isinstance(raw, bytes)
            got.append(raw)
            answer = mailing(
                f"I am away {len(got)}",
                From="echo@echo.test",
                In_Reply_To=f"<{parse(raw).message_id}>",
            )
            await send(servers, answer)
            return "250 OK"

    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: LMTP(Handler(), loop=loop, hostname="echo"), "127.0.0.1", servers.echo
    )


async def lmtp(servers: MailServers, *lines: str) -> list[str]:
    """What is answered to commands, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", servers.ours)
    answers = []
    try:
        async with asyncio.timeout(20):
            for line in ("", *lines):
                if line:
                    writer.write(line.replace("\n", "\r\n").encode() + b"\r\n")
                while True:
                    answer = (await reader.readline()).decode().strip()
                    if answer[3:4] != "-":
                        break
                answers.append(answer)
                if not answer:
                    break
    finally:
        writer.close()
    return answers


BEGIN = ("LHLO x", "MAIL FROM:<a@customer.test>")


async def test_what_is_not_taken(tmp_path: Path, servers: MailServers) -> None:
    few = channel(servers, "most_mb = 1", "connections = 2")
    files = "[attachments]\nfile_mb = 1\nmessage_mb = 1\nquota_mb = 1\n"
    async with mailed(tmp_path, few + files) as (api, _):
        # No relay, no address but its own.
        for address in ("a@customer.test", "support@elsewhere.test", "support"):
            answers = await lmtp(servers, *BEGIN, f"RCPT TO:<{address}>")
            assert answers[-1].startswith("550"), answers
        answers = await lmtp(servers, *BEGIN, "RCPT TO:<Support+x@CIC.test>")
        assert answers[-1].startswith("250")
        assert (await lmtp(servers, "EHLO x"))[-1].startswith("500")
        # Too large: at once if it says so, or at its end.
        answers = await lmtp(servers, "LHLO x", "MAIL FROM:<a@b.c> SIZE=2000000")
        assert answers[-1].startswith("552"), answers
        large = "x: y\n\n" + "word " * 15 + "\n"
        data = ("RCPT TO:<sales@cic.test>", "DATA", large * 14_000 + ".")
        assert (await lmtp(servers, *BEGIN, *data))[-1].startswith("552")
        # Two connections are open: a third is told so.
        held = [await asyncio.open_connection("127.0.0.1", servers.ours) for _ in range(2)]
        for reader, _writer in held:
            assert (await reader.readline()).startswith(b"220")
        assert (await lmtp(servers))[0].startswith("421")
        for _reader, writer in held:
            writer.close()
        link = api.switch.conductor.contacts.channels["mail"]
        await until(lambda: link.state()["connections"] == 0)
        # No room for its file: later.
        await api.switch.attachments.keep(bytes(900_000), "x")
        mail = mailing()
        mail.add_attachment(bytes(200_000), maintype="x", subtype="y", filename="x")
        two = ("RCPT TO:<sales@cic.test>", "RCPT TO:<support@cic.test>")
        answers = await lmtp(servers, *BEGIN, *two, "DATA", mail.as_string() + "\n.")
        assert answers[-1].startswith("451"), answers
        assert api.switch.conductor.contacts.live == {}
        assert api.switch.counters["errors"] == 0


async def test_a_store_that_is_locked_is_waited_for(tmp_path: Path, servers: MailServers) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, _):
        db = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        db.execute("BEGIN IMMEDIATE")
        mail = mailing(Message_ID="<locked@customer.test>")
        await send(servers, mail)
        raw = mail.as_string() + "\n."
        two = ("RCPT TO:<sales@cic.test>", "RCPT TO:<support@cic.test>")
        answers = await lmtp(servers, *BEGIN, *two, "DATA", raw)
        assert answers[-1].startswith("451"), answers
        assert await asyncio.to_thread(servers.waiting) == 1
        db.execute("ROLLBACK")
        db.close()
        await asyncio.to_thread(servers.flush)
        await until_empty(servers)
        assert len(await api.center.rows("message")) == 1


async def until_empty(servers: MailServers) -> None:
    async with asyncio.timeout(30):
        while await asyncio.to_thread(servers.waiting):
            await asyncio.to_thread(servers.flush)
            await asyncio.sleep(0.3)


# -- IMAP ----------------------------------------------------------------------------------------


async def test_a_mailbox_is_read_and_read_on_after_its_server_was_away(
    tmp_path: Path, servers: MailServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.channels.email.imap._LONGEST_WAIT_S", 1.0)
    user = "support@box.test"
    await send(servers, mailing("before", To=user), user)
    await arrived(servers, user)
    async with mailed(tmp_path, mailbox(servers, user)) as (api, lee):
        contacts = api.switch.conductor.contacts
        await until(lambda: len(contacts.live) == 1)  # what was there
        await until(lambda: contacts.channels["box"].state()["connected"] == 1)
        begun = asyncio.get_running_loop().time()
        await send(servers, mailing("by IDLE", To=user), user)
        await until(lambda: len(contacts.live) == 2)
        assert asyncio.get_running_loop().time() - begun < 10
        await until_flags(servers, user, 2, b"Seen")
        # The server goes, and mails wait for it.
        await asyncio.to_thread(servers.stop_dovecot)
        await until(lambda: "IMAP" in str(contacts.channels["box"].state()["problem"]))
        with pytest.raises(ResourceError):
            await contacts.channels["box"].test()
        await send(servers, mailing("while it was away", To=user), user)
        await asyncio.to_thread(servers.start_dovecot)
        await asyncio.to_thread(servers.flush)
        await until(lambda: len(contacts.live) == 3, 30)
        await until(lambda: contacts.channels["box"].state()["problem"] == "")
        subjects = [each.origin.subject for each in contacts.live.values()]
        assert subjects == ["before", "by IDLE", "while it was away"]
        found = await contacts.channels["box"].test()
        assert "3 mails in INBOX" in found
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        got = await arrived(servers, "park@customer.test")
        assert f"lee <{user}>" in [each["From"] for each in got]
        root = await api.token("administrator")
        (view,) = (await root.get("/api/v1/channels")).json()
        assert (view["type"], view["figures"]["received"]) == ("email", 3)


async def until_flags(servers: MailServers, user: str, count: int, flag: bytes) -> None:
    async with asyncio.timeout(15):
        while True:
            found = await asyncio.to_thread(servers.flags, user)
            if sum(flag.decode() in each for each in found) == count:
                return
            await asyncio.sleep(0.1)


async def test_a_mailbox_whose_mails_are_moved(tmp_path: Path, servers: MailServers) -> None:
    user, more = "moved@box.test", 'move_to = "Done"\nidle_s = 1'
    async with mailed(tmp_path, mailbox(servers, user, more)) as (api, _):
        contacts = api.switch.conductor.contacts
        await send(servers, mailing("x", To=user), user)
        await until(lambda: len(contacts.live) == 1)
        async with asyncio.timeout(15):
            while not await asyncio.to_thread(servers.flags, user, "Done"):  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.1)
        assert await asyncio.to_thread(servers.flags, user) == []
        assert await offered(api)


async def test_mail_that_cannot_be_sent_now_is_sent_later(
    tmp_path: Path, servers: MailServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.switch.outbox._FIRST_S", 0.2)
    dead = channel(servers).replace(f"port = {servers.smtp}", f"port = {servers.echo}")
    async with mailed(tmp_path, dead) as (api, lee):
        await send(servers, mailing(From="dora@customer.test"))
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        waiting = api.switch.conductor.outbox.waiting
        await until(lambda: any(each.attempts for each in waiting.values()))
        (_, message) = (await lee.get(path)).json()
        assert message["delivery"] == "waiting"
        assert "mail server" in message["error"]
        got: list[bytes] = []
        server = await taking(servers, got)
        try:
            await until(lambda: not waiting)
        finally:
            server.close()
        assert len(got) == 1


async def taking(servers: MailServers, got: list[bytes]) -> asyncio.Server:
    """A server that refuses once, for now, and then takes."""
    told = ["451 later", "250 OK"]

    class Handler:
        async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
            answer = told.pop(0)
            if answer.startswith("250"):
                assert isinstance(envelope.content, bytes)
                got.append(envelope.content)
            return answer

    loop = asyncio.get_running_loop()
    return await loop.create_server(
        lambda: SMTP(Handler(), loop=loop, hostname="x"), "127.0.0.1", servers.echo
    )


async def test_over_tls_and_with_a_password(
    tmp_path: Path, servers: MailServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicswitch.switch.outbox._FIRST_S", 0.5)
    user = "tls@box.test"
    box = mailbox(servers, user, f'ca = "{servers.certificate}"')
    box = box.replace(f"port = {servers.imap}\nsecurity", f"port = {servers.imaps}\nsecurity")
    box = box.replace('security = "none"\nuser', 'security = "tls"\nuser')
    given = f'security = "starttls"\nca = "{servers.certificate}"\nuser = "{user}"\npassword = '
    box = box.replace('security = "none"', given + '"wrong"', 1)
    async with mailed(tmp_path, box) as (api, lee):
        link = api.switch.conductor.contacts.channels["box"]
        await send(servers, mailing("x", To=user, From="eva@customer.test"), user)
        contact = await taken(api, lee)
        # A password that is wrong is no fault of the message's: it waits.
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        await until(lambda: "SMTP" in str(link.state()["problem"]))
        with pytest.raises(ResourceError, match="mail server"):
            await link.test()
        waiting = api.switch.conductor.outbox.waiting
        assert [each.dead for each in waiting.values()] == [False]
    async with center(tmp_path, extra=box.replace('"wrong"', '"secret"')) as c:
        assert len(await arrived(servers, "eva@customer.test")) == 1
        assert "mails in INBOX" in await c.switch.conductor.contacts.channels["box"].test()
    # A certificate that nobody known has signed.
    strange = box.replace(f'ca = "{servers.certificate}"', 'ca = ""')
    async with center(tmp_path, extra=strange) as c:
        link = c.switch.conductor.contacts.channels["box"]
        await until(lambda: "certificate" in str(link.state()["problem"]).lower())
        assert link.state()["connected"] == 0


async def test_a_disk_that_is_full_is_waited_for(tmp_path: Path, servers: MailServers) -> None:
    with small_disk(tmp_path / "small", 2) as disk:
        files = f"[attachments]\ndirectory = '{disk.path}/files'\n"
        async with mailed(tmp_path, channel(servers) + files) as (api, _):
            disk.fill()
            mail = mailing(Message_ID="<full@customer.test>")
            mail.add_attachment(bytes(50_000), maintype="x", subtype="y", filename="x")
            data = ("RCPT TO:<sales@cic.test>", "DATA", mail.as_string() + "\n.")
            answers = await lmtp(servers, *BEGIN, *data)
            assert answers[-1].startswith("451"), answers
            await send(servers, mail)
            async with asyncio.timeout(15):
                while not await asyncio.to_thread(servers.waiting):  # noqa: ASYNC110  # as above
                    await asyncio.sleep(0.1)
            assert api.switch.conductor.contacts.live == {}
            disk.make_room()
            await until_empty(servers)
            assert len(await api.center.rows("message")) == 1
            assert len(await api.center.rows("attachment")) == 1


async def test_whatever_is_said_to_it_is_answered(tmp_path: Path, servers: MailServers) -> None:
    async with center(tmp_path, extra=channel(servers, parts="accept = ['127.0.0.2']")):
        assert (await lmtp(servers))[0].startswith("554")
    async with mailed(tmp_path, channel(servers)) as (api, _):
        draw = random.Random(3)
        words = [b"LHLO x", b"MAIL FROM:<a@b.c>", b"MAIL FROM:<>", b"RCPT TO:<sales@cic.test>"]
        words += [b"DATA", b".", b"RSET", b"NOOP", b"VRFY x", b"AUTH PLAIN AAAA", b"STARTTLS", b""]
        words += [b"\xff\xfe\x00", b"x" * 3000, b"MAIL FROM:<\xe9@b.c> SMTPUTF8", b"RCPT TO:<"]
        for _ in range(40):
            reader, writer = await asyncio.open_connection("127.0.0.1", servers.ours)
            said = draw.choices(words, k=draw.randint(1, 12))
            writer.write(b"\r\n".join([*said, b"QUIT", b""]))
            writer.write_eof()
            async with asyncio.timeout(10):
                while await reader.read(65536):
                    pass
            writer.close()
        assert api.switch.counters["errors"] == 0
        answers = await lmtp(servers, *BEGIN, "RCPT TO:<sales@cic.test>")
        assert answers[-1].startswith("250")


async def test_handed_in_by_smtp_and_what_machines_send_queued(
    tmp_path: Path, servers: MailServers
) -> None:
    more, parts = 'automatic = "queue"\nper_hour = 2\nquote = false', 'protocol = "smtp"'
    async with mailed(tmp_path, channel(servers, more, parts)) as (api, lee):
        contacts, state = api.switch.conductor.contacts.live, figures(api)
        hello = ("EHLO x", "MAIL FROM:<>", "RCPT TO:<sales@cic.test>", "DATA")
        robot = {"From": "robot@customer.test", "Auto_Submitted": "auto-generated"}
        raw = mailing("a", **robot).as_string() + "\n."
        assert (await lmtp(servers, *hello, raw))[-1] == "250 2.0.0 it is on disk"
        await until(lambda: len(contacts) == 1)
        assert state()["automatic"] == 1
        # A form of our own site writes under our address: that is no loop.
        raw = mailing("form", From="support@cic.test").as_string() + "\n."
        assert (await lmtp(servers, *hello, raw))[-1].startswith("250")
        assert len(contacts) == 2
        # The third of one sender within an hour is kept, and calls nobody.
        for subject, count in (("b", 3), ("c", 3)):
            raw = mailing(subject, From="robot@customer.test").as_string() + "\n."
            assert (await lmtp(servers, *hello, raw))[-1].startswith("250")
            assert len(contacts) == count
        assert state()["throttled"] == 1
        assert len(await api.center.rows("conversation")) == 4
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Good day."}))
        (got,) = await arrived(servers, "robot@customer.test")
        text = got.get_body().get_content()  # type: ignore[union-attr]  # it has one
        assert text.split("\n")[0].strip() == "Good day."
        assert "wrote:" not in text

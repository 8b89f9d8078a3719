"""A customer is written to first: his mail arrives once, and what he answers finds its way."""

from __future__ import annotations

from pathlib import Path

from tests.api.served import problem
from tests.channels.email.test_email import arrived, channel, figures, finish, mailed, send
from tests.channels.test_attachments import PNG
from tests.channels.test_chat import taken, until, written
from tests.support.center import center
from tests.support.mailservers import MailServers, mailing
from tests.support.ports import free_port

WHERE = "/api/v1/conversations"
BODY = {
    "channel": "mail",
    "to": "mina@customer.test",
    "name": "Mina",
    "subject": "Your order",
    "text": "It is late.",
}


async def test_a_mail_begins_a_conversation_and_is_answered(
    tmp_path: Path, servers: MailServers
) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, lee):
        up = await lee.post("/api/v1/attachments", params={"name": "photo.png"}, content=PNG)
        digest = up.json()["digest"]
        body = BODY | {"called": "SALES@cic.test", "attachments": [digest]}
        key = {"Idempotency-Key": "first-mail"}
        begun = written(await lee.post(WHERE, json=body, headers=key))
        assert await api.center.rows("conversation")  # it is on disk
        assert written(await lee.post(WHERE, json=body, headers=key)) == begun
        assert (begun["agent"], begun["state"], begun["messages"]) == ("lee", "", 1)
        (got,) = await arrived(servers, "mina@customer.test")
        assert (got["Subject"], got["From"]) == ("Your order", "Example Support <sales@cic.test>")
        assert (got["Auto-Submitted"], got["In-Reply-To"]) == (None, None)
        text = got.get_body().get_content().replace("\r\n", "\n")  # type: ignore[union-attr]  # it has one
        assert text == "It is late.\n\nlee\nExample Inc.\n"
        (file,) = got.iter_attachments()
        assert file.get_content() == PNG
        await until(lambda: not api.switch.conductor.outbox.waiting)
        # Kim is there too; it goes to who has written.
        await (await api.token("administrator")).post("/api/v1/agents/kim/sign-in")
        answer = mailing(
            "Re: Your order", "When?", In_Reply_To=got["Message-ID"], From="Seo <seo@customer.test>"
        )
        await send(servers, answer, "sales@cic.test")
        contact = await taken(api, lee)
        assert contact.origin.conversation == begun["conversation"]
        path = f"{WHERE}/{begun['conversation']}/messages"
        written(await lee.post(path, json={"text": "Tomorrow."}))
        (second,) = await arrived(servers, "seo@customer.test")
        assert second["Subject"] == "Re: Your order"
        await finish(lee, contact)
        assert figures(api)()["sent"] == 2
        # Of a program that has no agent: a machine has written it, and any number of them goes.
        root = await api.token("administrator", "conversations:start")
        able = (await lee.get("/api/v1/channels/starting")).json()["items"]
        own = ["support@cic.test", "sales@cic.test"]
        assert able == [{"channel": "mail", "medium": "email", "called": own}]
        for number in range(4):
            many = BODY | {"to": "many@customer.test", "text": str(number)}
            written(await root.post(WHERE, json=many))
        mails = await arrived(servers, "many@customer.test", 4)
        assert {each["Auto-Submitted"] for each in mails} == {"auto-generated"}


async def test_what_cannot_be_written_to_is_told(tmp_path: Path, servers: MailServers) -> None:
    async with mailed(tmp_path, channel(servers)) as (api, lee):
        for change, told in (
            ({"channel": "none"}, "a channel that can write first: mail"),
            ({"to": "mina"}, "to: "),
            ({"to": "a@b.test, c@d.test"}, "one address"),
            ({"to": "support@cic.test"}, "an address of this channel"),
            ({"called": "other@cic.test"}, "called: none of this channel's"),
            ({"subject": " "}, "subject: a mail needs one"),
            ({"text": " "}, "a text or attachments"),
            ({"text": "x" * 20_001}, "20000"),
            ({"attachments": ["0" * 64]}, ""),
        ):
            reply = await lee.post(WHERE, json=BODY | change)
            assert 400 <= reply.status_code < 500, reply.text
            assert told in reply.text
        problem(await (await api.token("planner")).post(WHERE, json=BODY), 403)
        assert not await api.center.rows("message")


async def test_what_a_switch_that_dies_has_not_sent_arrives_once(
    tmp_path: Path, servers: MailServers
) -> None:
    away = channel(servers).replace(f"port = {servers.smtp}", f"port = {free_port()}")
    body = BODY | {"to": "later@customer.test"}
    async with mailed(tmp_path, away) as (api, lee):
        name = written(await lee.post(WHERE, json=body))["conversation"]
        await until(
            lambda: any(each.error for each in api.switch.conductor.outbox.waiting.values())
        )
    async with center(tmp_path, extra=channel(servers)) as switch:
        waiting = switch.switch.conductor.outbox.waiting
        assert [each.conversation for each in waiting.values()] == [name]
        (got,) = await arrived(servers, "later@customer.test")
        assert got["Subject"] == "Your order"
        await until(lambda: not waiting)
    assert len(await arrived(servers, "later@customer.test")) == 1

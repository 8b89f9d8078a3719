"""Contacts that are put aside and come back, and due dates."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import httpx

from cicswitch.acd import commands as acd
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Stage
from tests.api.served import Served, problem
from tests.channels.test_chat import offered, taken, until, written
from tests.support.chat import Visitor
from tests.support.letters import come, letter, letters

DUE = """
[queue.mails]
wrap_up_s = 30
due_s = 0.3
due_priority = 50
[alerts.late]
figure = "overdue"
above = 0
"""


async def snoozed(lee: httpx.AsyncClient, contact: Any, **body: Any) -> dict[str, Any]:
    reply = await lee.post(f"/api/v1/interactions/{contact.id}/snooze", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


CHAT = """
[channel.chat]
type = "chat"
queue = "support"
[widget.shop]
chat = "chat"
"""


def answered(api: Served) -> dict[str, Any]:
    return api.switch.today.queue("support")


async def test_what_is_put_aside_comes_back_to_its_agent_at_its_time(tmp_path: Path) -> None:
    async with letters(tmp_path) as (api, lee):
        await come(api, letter())
        contact = await taken(api, lee)
        queued_at = contact.origin.queued_at
        until_s = time.time() + 0.5
        view = await snoozed(lee, contact, until=until_s)
        assert (view["phase"], view["agent"]) == ("snoozed", "lee")
        assert abs(view["snoozed_until"] - until_s) < 0.01
        # It takes none of his capacity, and there is no after-call work before the work is over.
        assert api.center.state("lee") == "idle"
        (own,) = (await lee.get("/api/v1/interactions?agent=lee")).json()["items"]
        assert own["phase"] == "snoozed"
        queue = (await lee.get("/api/v1/queues/support")).json()
        assert queue["snoozed"] == 1
        await api.center.event(ce.ContactWoken, interaction=contact.id, reason="due", agent="lee")
        assert (await taken(api, lee)) is contact
        assert contact.origin.queued_at == queued_at
        # Queues have counted it once.
        assert (answered(api)["offered"], answered(api)["answered"]) == (1, 1)
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        await lee.post("/api/v1/agents/lee/ready")
        visits = await api.center.rows("queue_visit")
        assert [each["outcome"] for each in visits] == ["answered"]
        handled = await api.center.rows("handled")
        assert sum(each["talk_s"] for each in handled) < 0.4  # not while it lay aside
        notes = [each.action for each in await api.audit()]
        assert "interaction.snooze" in notes


async def test_the_customer_brings_it_back_by_writing_and_a_machine_does_not(
    tmp_path: Path,
) -> None:
    async with letters(tmp_path) as (api, lee):
        await come(api, letter(Message_ID="<a@example.org>"))
        contact = await taken(api, lee)
        await snoozed(lee, contact, preset="tomorrow")
        away = {"In_Reply_To": "<a@example.org>", "Auto_Submitted": "auto-replied"}
        await come(api, letter("I am on holiday.", **away))
        assert contact.stage is Stage.SNOOZED
        await come(api, letter("Hello?", In_Reply_To="<a@example.org>"))
        assert (await taken(api, lee)) is contact
        # He is gone: it waits in its queue, for anybody, by its age.
        await snoozed(lee, contact, preset="hour")
        api.switch.command(acd.SignOut("lee"))
        reply = await lee.post(f"/api/v1/interactions/{contact.id}/wake")
        assert reply.json()["state"] == "waiting"
        assert contact.origin.prefer == ()
        assert api.switch.engine.interactions[contact.id].queued_at == contact.origin.queued_at
        api.switch.command(acd.SignIn("kim"))
        assert (await offered(api, "kim")) is contact


async def test_what_cannot_be_put_aside_is_told(tmp_path: Path) -> None:
    async with letters(tmp_path, CHAT) as (api, lee):
        await come(api, letter())
        contact = await offered(api)
        path = f"/api/v1/interactions/{contact.id}"
        body = {"preset": "hour"}
        root = await api.token("administrator")
        assert "taken first" in problem(await root.post(f"{path}/snooze", json=body), 409)["detail"]
        assert "not put aside" in problem(await root.post(f"{path}/wake"), 409)["detail"]
        await lee.post(f"{path}/take")
        problem(await lee.post(f"{path}/snooze", json={}), 422)
        problem(await lee.post(f"{path}/snooze", json={"until": 5e9, "preset": "hour"}), 422)
        for never in (1.0, time.time() + 400 * 86400):
            reply = await lee.post(f"{path}/snooze", json={"until": never})
            assert "a year at most" in problem(reply, 422)["detail"]
        problem(await lee.post(f"{path}/due", json={"due_at": 1e12}), 422)
        assert contact.stage is Stage.TALKING
        await lee.post(f"{path}/finish")
        await lee.post("/api/v1/agents/lee/ready")
        page = Visitor(api.url)
        await page.come()
        await page.say_surely("Hello?")
        contact = await taken(api, lee)
        reply = await lee.post(f"/api/v1/interactions/{contact.id}/snooze", json=body)
        assert "waits now" in problem(reply, 409)["detail"]
        await page.go()


async def test_it_lies_aside_over_a_crash(tmp_path: Path) -> None:
    after = tmp_path / "after"
    after.mkdir()
    async with letters(tmp_path) as (api, lee):
        await come(api, letter())
        contact = await taken(api, lee)
        await snoozed(lee, contact, preset="tomorrow")
        for file in tmp_path.glob("store.db*"):  # as a crash leaves it
            shutil.copy(file, after)
    async with letters(after) as (api, lee):
        (again,) = api.switch.conductor.contacts.live.values()
        assert (again.id, again.stage) == (contact.id, Stage.SNOOZED)
        assert again.origin.snoozed_for == "lee"
        assert again.due is not None
        assert abs(again.due.due - contact.origin.snoozed_until) < 0.01
        assert (await lee.post(f"/api/v1/interactions/{again.id}/wake")).status_code == 200
        assert (await taken(api, lee)) is again
        await lee.post(f"/api/v1/interactions/{again.id}/finish")
        visits = await api.center.rows("queue_visit")
        assert [each["outcome"] for each in visits] == ["answered"]


async def test_a_due_date_is_the_queues_and_lateness_is_told_and_counted(tmp_path: Path) -> None:
    async with letters(tmp_path, DUE, queue="mails") as (api, lee):
        api.switch.command(acd.SignOut("lee"))
        await come(api, letter())
        (contact,) = api.switch.conductor.contacts.live.values()
        assert abs(contact.origin.due_at - contact.origin.at - 0.3) < 0.01
        await api.center.event(ce.ContactOverdue, interaction=contact.id, queue="mails")
        assert api.switch.engine.interactions[contact.id].own_priority == 50
        view = (await (await api.token("supervisor")).get("/api/v1/interactions")).json()["items"]
        assert [each["overdue"] for each in view] == [True]
        assert await api.switch.alerting.look() >= 0
        (alert,) = api.switch.alerting.alerts
        assert (alert.subject, alert.value) == ("mails", 1.0)
        api.switch.command(acd.SignIn("lee"))
        await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        written(await lee.post(path, json={"text": "Tomorrow."}))
        assert contact.origin.due_at == contact.origin.asked_at == 0.0
        assert not api.switch.conductor.aside.overdue
        # The next question in the same contact has a due date of its own.
        await come(api, letter("Really?", In_Reply_To="<x>", References=_of(api, contact)))
        await until(lambda: contact.origin.due_at)
        written(await lee.post(path, json={"text": "Yes."}))
        rows = await api.center.rows("answer")
        assert [each["within"] for each in rows] == [0, 1]
        assert rows[0]["took_s"] > 0.3 > rows[1]["took_s"]
        planner = await api.token("planner")
        report = (await planner.get("/api/v1/reports")).json()
        (mails,) = (each for each in report["queues"] if each["queue"] == "mails")
        assert (mails["replies"], mails["reply_level"]) == (2, 0.5)
        assert "due date" in report["formulas"]["reply_level"]


def _of(api: Served, contact: Any) -> str:
    """The Message-ID of the customer's first mail."""
    channel: Any = api.switch.conductor.contacts.channels["mail"]
    from cicswitch.mail import token

    return f"<{token.message_id('x', contact.origin.conversation, 'e.x', channel.intake._key)}>"


async def test_a_due_date_that_somebody_has_set_stands(tmp_path: Path) -> None:
    due = DUE.replace("due_s = 0.3", "due_s = 3600")
    async with letters(tmp_path, due, queue="mails") as (api, lee):
        await come(api, letter())
        contact = await taken(api, lee)
        path, at = f"/api/v1/interactions/{contact.id}", time.time() + 0.3
        before = contact.origin.due_at
        # Aside, nobody waits for it: its due date is later by so much.
        await snoozed(lee, contact, until=time.time() + 0.2)
        await api.center.event(ce.ContactWoken)
        assert 0.1 < contact.origin.due_at - before < 1.0
        await taken(api, lee)
        view = (await lee.post(f"{path}/due", json={"due_at": at})).json()
        assert abs(view["due_at"] - at) < 0.01
        assert contact.origin.due_by == "agent"
        await api.center.event(ce.ContactOverdue, agent="lee")
        view = (await lee.post(f"{path}/due", json={"due_at": None})).json()
        assert view["due_at"] > time.time() + 3000
        assert not view["overdue"]

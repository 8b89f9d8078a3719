"""Conversations that are merged and split."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import httpx

from cicswitch.acd import commands as acd
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Stage
from cicswitch.mail import token
from tests.api.served import Served, problem
from tests.channels.test_chat import offered, taken, written
from tests.support.letters import come, letter, letters


def answer_to(api: Served, message: dict[str, Any] | str, conversation: str) -> str:
    """The Message-ID of what the customer was sent, or another of that conversation."""
    key = api.switch.conductor.contacts.channels["mail"].intake._key  # type: ignore[attr-defined]  # an Email
    name = message if isinstance(message, str) else message["message"]
    return f"<{token.message_id(name, conversation, 'example.com', key)}>"


async def texts(client: httpx.AsyncClient, conversation: str) -> list[tuple[int, str]]:
    read = (await client.get(f"/api/v1/conversations/{conversation}/messages")).json()
    return [(each["seq"], each["text"]) for each in read]


async def test_two_become_one_and_answers_to_either_go_there(tmp_path: Path) -> None:
    async with letters(tmp_path) as (api, lee):
        root = await api.token("administrator")
        contacts = api.switch.conductor.contacts
        await come(api, letter("one"))
        first = await taken(api, lee)
        older = first.origin.conversation
        path = f"/api/v1/conversations/{older}"
        assert (await lee.get(f"{path}/mergeable")).json()["items"] == []
        await come(api, letter("two"))
        await come(api, letter("a stranger", From="kang@example.org"))
        second = contacts.by_conversation[contacts.live[list(contacts.live)[1]].origin.conversation]
        newer, strange = (each.origin.conversation for each in list(contacts.live.values())[1:])
        assert second.stage is Stage.QUEUED
        said = written(await lee.post(f"{path}/messages", json={"text": "three"}))
        found = (await lee.get(f"{path}/mergeable")).json()["items"]
        assert [each["conversation"] for each in found] == [newer]
        reply = await lee.post(f"{path}/merge", json={"conversation": strange})
        assert "different customers" in problem(reply, 409)["detail"]
        reply = await lee.post(f"{path}/merge", json={"conversation": older})
        assert "the same" in problem(reply, 409)["detail"]
        problem(
            await lee.post(f"/api/v1/conversations/{strange}/merge", json={"conversation": newer}),
            403,
        )
        # The younger one names it: the older stays all the same.
        other = f"/api/v1/conversations/{newer}"
        merged = (await lee.post(f"{other}/merge", json={"conversation": older})).json()
        assert (merged["conversation"], merged["interaction"]) == (older, first.id)
        assert merged["messages"] == 3
        assert await texts(lee, older) == [(1, "one"), (2, "two"), (3, "three")]
        view = (await root.get(other)).json()
        assert (view["merged"], view["state"], view["interaction"]) == (older, "", "")
        assert await texts(root, newer) == []
        event = await api.center.event(ce.ConversationMerged, by="agent")
        assert (event.conversation, event.merged, event.ended) == (older, newer, second.id)
        assert first.origin.asked_at  # "two" is not answered
        # Answers to either come to the one, also after a crash.
        await come(api, letter("four", In_Reply_To=answer_to(api, "x", newer)))
        await come(api, letter("five", In_Reply_To=answer_to(api, said, older)))
        assert await texts(lee, older) == [*enumerate(("one", "two", "three", "four", "five"), 1)]
        # Figures count neither twice.
        await lee.post(f"/api/v1/interactions/{first.id}/finish")
        visits = await api.center.rows("queue_visit")
        assert [each["interaction"] for each in visits] == [first.id]
        assert api.switch.today.queue("support")["offered"] == 2  # with the stranger
        outcomes = {
            each["interaction"]: each["outcome"] for each in await api.center.rows("interaction")
        }
        assert outcomes == {first.id: "handled", second.id: "merged"}
        assert "conversation.merge" in [each.action for each in await api.audit()]
        after = tmp_path / "after"
        after.mkdir()
        for file in tmp_path.glob("store.db*"):
            shutil.copy(file, after)
        for file in tmp_path.glob("store*key*"):
            shutil.copy(file, after)
        name = answer_to(api, "x", newer)
    async with letters(after, agent=False) as (api, _):
        await come(api, letter("six", In_Reply_To=name))
        root = await api.token("administrator")
        assert (await texts(root, older))[-1] == (6, "six")


async def test_of_two_contacts_the_one_stays_that_an_agent_has(tmp_path: Path) -> None:
    async with letters(tmp_path, agent=False) as (api, lee):
        contacts = api.switch.conductor.contacts
        await come(api, letter("one"))
        await come(api, letter("two"))
        first, second = list(contacts.live.values())
        older, newer = first.origin.conversation, second.origin.conversation
        root = await api.token("administrator")
        move = {"queue": "korean"}
        await root.post(f"/api/v1/interactions/{first.id}/move", json=move)
        api.switch.command(acd.SignIn("lee"))
        assert await taken(api, lee) is second
        await lee.put(f"/api/v1/conversations/{newer}/draft", json={"text": "Good d"})
        path = f"/api/v1/conversations/{newer}/merge"
        merged = (await lee.post(path, json={"conversation": older})).json()
        assert (merged["conversation"], merged["interaction"]) == (older, second.id)
        assert (merged["agent"], merged["state"], merged["queue"]) == ("lee", "talking", "support")
        assert list(contacts.live) == [second.id]
        draft = (await lee.get(f"/api/v1/conversations/{older}/draft")).json()
        assert draft["text"] == "Good d"
        (pending,) = await api.center.rows("pending")
        assert f'"conversation":"{older}"' in pending["data"]
        (draft,) = await api.center.rows("draft")
        assert draft["conversation"] == older
        written(await lee.post(f"/api/v1/conversations/{older}/messages", json={"text": "three"}))
        assert [text for _, text in await texts(lee, older)] == ["one", "two", "three"]


async def test_a_message_and_what_follows_become_another(tmp_path: Path) -> None:
    async with letters(tmp_path) as (api, lee):
        await come(api, letter("one", Message_ID="<a@example.org>"))
        contact = await taken(api, lee)
        old = contact.origin.conversation
        path = f"/api/v1/conversations/{old}"
        await lee.post(f"{path}/messages", json={"text": "answer"})
        own = {"In_Reply_To": "<a@example.org>"}
        await come(api, letter("and another thing", Message_ID="<b@example.org>", **own))
        await come(api, letter("hello?", **own))
        lines = (await lee.get(f"{path}/messages")).json()
        said = written(await lee.post(f"{path}/messages", json={"text": "to the other thing"}))
        for number, status in ((0, 409), (1, 409)):
            body = {"message": lines[number]["message"]}
            problem(await lee.post(f"{path}/split", json=body), status)
        problem(await lee.post(f"{path}/split", json={"message": "none"}), 404)
        body = {"message": lines[2]["message"], "subject": "Another thing"}
        reply = await lee.post(f"{path}/split", json=body)
        assert reply.status_code == 200, reply.text
        new = reply.json()
        assert (new["split"], new["subject"], new["messages"]) == (old, "Another thing", 3)
        assert await texts(lee, old) == [(1, "one"), (2, "answer")]
        name = new["conversation"]
        assert await texts(lee, name) == [
            (1, "and another thing"),
            (2, "hello?"),
            (3, "to the other thing"),
        ]
        written(await lee.post(f"{path}/messages", json={"text": "to the first"}))
        assert (await texts(lee, old))[-1] == (3, "to the first")
        # What answers a message goes where that is now.
        await come(api, letter("more", In_Reply_To=answer_to(api, said, old)))
        await come(api, letter("thanks", In_Reply_To="<b@example.org>"))
        await come(api, letter("first", In_Reply_To=answer_to(api, "x", old)))
        assert [text for _, text in await texts(lee, name)][3:] == ["more", "thanks"]
        assert (await texts(lee, old))[-1] == (4, "first")
        # Who was written to in another conversation names a message of this one in vain.
        kang = {"From": "kang@example.org"}
        await come(api, letter("kang", **kang))
        strange = list(api.switch.conductor.contacts.live.values())[-1].origin.conversation
        forged = answer_to(api, said, strange)
        await come(api, letter("forged", In_Reply_To=forged, **kang))
        root = await api.token("administrator")
        assert [text for _, text in await texts(root, strange)] == ["kang", "forged"]
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        await lee.post("/api/v1/agents/lee/ready")
        other = await offered(api)
        assert other.id == new["interaction"]
        assert other.origin.queued_at == contact.origin.queued_at
        assert "conversation.split" in [each.action for each in await api.audit()]

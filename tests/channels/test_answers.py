"""Texts at hand for agents who write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cicswitch.config import check
from tests.api.served import problem
from tests.channels.test_chat import CHANNELS, chatting, taken, written
from tests.support.chat import Visitor
from tests.support.letters import come, letter, letters

ANSWERS = """
[answer.hello]
text = "Good day {name}, this is {agent} of {queue}. You wrote to {called} as {customer}."
title = "Greeting"
[answer.korean]
text = "안녕하세요."
language = "ko"
[answer.letter]
text = "Dear {name}"
media = ["email"]
[answer.mine]
text = "Mine."
media = ["chat"]
queues = ["support"]
[answer.theirs]
text = "Theirs."
queues = ["korean"]
"""


async def test_an_agent_has_the_texts_of_his_queue_medium_and_language(tmp_path: Path) -> None:
    async with chatting(tmp_path, CHANNELS + ANSWERS) as (api, lee):
        page = Visitor(api.url, name="Park {agent}")
        await page.come()
        await page.say_surely("Hello?")
        contact = await taken(api, lee)
        conversation = contact.origin.conversation
        path = f"/api/v1/conversations/{conversation}/answers"
        found = (await lee.get(path)).json()["items"]
        assert [(each["answer"], each["title"]) for each in found] == [
            ("hello", "Greeting"),
            ("mine", "mine"),
        ]
        record = api.switch.conductor.contacts.records[conversation]
        text = "Good day Park {agent}, this is lee of support. You wrote to shop as"
        assert found[0]["text"] == f"{text} {record.customer}."
        problem(await (await api.token("planner")).get(path), 403)
        problem(await lee.get("/api/v1/conversations/none/answers"), 404)
        await page.go()


def test_mistakes_are_told_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "cicswitch.toml"
    path.write_text(
        'dialplans = []\n[answer.a]\ntext = "Dear {nmae}"\nqueues = ["x"]\nmedia = ["letter"]\n'
    )
    found = [str(each) for each in check(path)]
    assert len(found) == 3, found
    assert "{nmae}" in "".join(found)
    assert "answer.a.queues" in "".join(found)
    assert "answer.a.media" in "".join(found)


TEMPLATES = """
[answer.refund]
whole = true
subject = "Refund for {field:order number}, {name}"
text = "Dear {name}, we have sent {field:amount} for {field: order number }."
"""


async def test_a_template_asks_for_its_fields_and_none_is_sent_without_them(
    tmp_path: Path,
) -> None:
    async with letters(tmp_path, TEMPLATES) as (api, lee):
        await come(api, letter())
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}"
        (found,) = (await lee.get(f"{path}/answers")).json()["items"]
        assert found["fields"] == ["order number", "amount"]
        assert found["whole"] is True
        assert found["subject"] == "Refund for {field:order number}, Park"
        assert found["text"].startswith("Dear Park, we have sent {field:amount}")
        text = {"text": found["text"]}
        refused = problem(await lee.post(f"{path}/messages", json=text), 422)
        assert "{field:amount} is not filled in" in refused["detail"]
        assert refused["errors"][0]["pointer"] == "/text"
        subject = {"text": "x", "subject": found["subject"]}
        refused = problem(await lee.post(f"{path}/messages", json=subject), 422)
        assert refused["errors"][0]["pointer"] == "/subject"
        made = written(
            await lee.post(f"{path}/messages", json={"text": "Dear", "subject": "Refund 4711"})
        )
        assert made["subject"] == "Refund 4711"
        (_, read) = (await lee.get(f"{path}/messages")).json()
        assert read["subject"] == "Refund 4711"
        channel: Any = api.switch.conductor.contacts.channels["mail"]
        record = api.switch.conductor.contacts.records[contact.origin.conversation]
        message = await api.switch.archive.message(made["message"])
        assert message is not None
        out = api.switch.conductor.outbox._outgoing(message, record)
        raw, _ = await channel.post._written(out, "park@example.org", False)
        assert b"\r\nSubject: Refund 4711\r\n" in raw
        assert b"\r\nIn-Reply-To: <" in raw
        plain = replace(out, message=replace(message, subject=""))
        raw, _ = await channel.post._written(plain, "park@example.org", False)
        assert b"\r\nSubject: Re: Order 4711\r\n" in raw


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('text = "{field:}"', "{field:}"),
        ('text = "a {field: x"', "{field: x"),
        ('text = "a"\nsubject = "{nmae}"', "{nmae}"),
        ('text = "a"\nsubject = "a\\nb"', "one line of 200 characters"),
    ],
)
def test_fields_that_are_none_are_told(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "cicswitch.toml"
    path.write_text(f"dialplans = []\n[answer.a]\n{line}\n")
    found = [str(each) for each in check(path)]
    assert len(found) == 1, found
    assert told.strip("{}") in found[0]

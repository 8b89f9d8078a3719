"""Texts at hand for agents who write."""

from __future__ import annotations

from pathlib import Path

from cicswitch.config import check
from tests.api.served import problem
from tests.channels.test_chat import CHANNELS, chatting, taken
from tests.support.chat import Visitor

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

"""Answers that are being written."""

from __future__ import annotations

import shutil
from pathlib import Path

from cicswitch.acd import commands as acd
from cicswitch.contacts import events as ce
from tests.api.served import problem
from tests.channels.test_chat import offered, taken, written
from tests.support.letters import come, letter, letters


async def test_a_draft_is_whosevers_turn_it_is_until_it_is_sent(tmp_path: Path) -> None:
    after = tmp_path / "after"
    after.mkdir()
    async with letters(tmp_path) as (api, lee):
        await come(api, letter())
        contact = await offered(api)
        path = f"/api/v1/conversations/{contact.origin.conversation}"
        root = await api.token("administrator")
        assert (
            "taken first"
            in problem(await root.put(f"{path}/draft", json={"text": "x"}), 409)["detail"]
        )
        await lee.post(f"/api/v1/interactions/{contact.id}/take")
        empty = await lee.get(f"{path}/draft")
        assert (empty.json()["text"], empty.json()["agent"]) == ("", "")
        tag = {"If-Match": empty.headers["etag"]}
        kept = await lee.put(f"{path}/draft", json={"text": "Good d", "subject": "S"}, headers=tag)
        assert (kept.status_code, kept.json()["agent"]) == (200, "lee")
        problem(await lee.put(f"{path}/draft", json={"text": "y"}, headers=tag), 412)
        problem(await lee.put(f"{path}/draft", json={"text": "x" * 20_001}), 422)
        event = await api.center.event(ce.DraftKept, agent="lee")
        assert event.size == 6
        assert not hasattr(event, "text")
        assert "draft" not in " ".join(each.action for each in await api.audit())
        for file in tmp_path.glob("store.db*"):  # as a crash leaves it
            shutil.copy(file, after)
        # A colleague takes over, and goes on with it.
        await lee.post(f"/api/v1/interactions/{contact.id}/transfer", json={"to": "agent:kim"})
        api.switch.command(acd.SignIn("kim"))
        assert await offered(api, "kim") is contact
        problem(await lee.put(f"{path}/draft", json={"text": "late"}), 403)
        await root.patch("/api/v1/accounts/agent", json={"agent": "kim"})
        kim = await api.token("agent")
        await kim.post(f"/api/v1/interactions/{contact.id}/take")
        found = (await kim.get(f"{path}/draft")).json()
        assert (found["text"], found["subject"], found["agent"]) == ("Good d", "S", "lee")
        written(await kim.post(f"{path}/messages", json={"text": "Good day"}))
        assert (await kim.get(f"{path}/draft")).json()["text"] == ""
        assert await api.center.rows("draft") == []
        # What was begun goes with the contact.
        await kim.put(f"{path}/draft", json={"text": "And"})
        assert len(await api.center.rows("draft")) == 1
        await kim.put(f"{path}/draft", json={"text": ""})
        assert await api.center.rows("draft") == []
        await kim.put(f"{path}/draft", json={"text": "And"})
        await kim.post(f"/api/v1/interactions/{contact.id}/finish")
        assert await api.center.rows("draft") == []
        assert api.switch.conductor.drafts.kept == {}
        problem(await root.put(f"{path}/draft", json={"text": "x"}), 409)
    async with letters(after) as (api, lee):
        contact = await taken(api, lee)
        path = f"/api/v1/conversations/{contact.origin.conversation}"
        assert (await lee.get(f"{path}/draft")).json()["text"] == "Good d"

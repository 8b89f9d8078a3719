"""Customers over the API: their history, notes, and agents' own figures."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd.events import ReservationEnded, Reserved
from cicswitch.api.resources.agents import midnight
from cicswitch.calls import events as ev
from tests.api.served import Served, problem, served
from tests.support.center import Center
from tests.support.phone import phone

pytestmark = pytest.mark.interop
HISTORY = "/api/v1/customers/2001/history"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as found:
        yield found


def lee_alone(c: Center) -> None:
    c.command(acd.SignOut("kim"))
    c.command(acd.SignIn("lee"))


async def called_once(c: Center) -> str:
    """A call of 2001 that an agent answers; the interaction."""
    async with phone("1002", c.server, "--answer-after", "0"), phone("2001", c.server) as customer:
        customer.do("call", to="5000")
        bridged = await c.event(ev.Bridged)
        customer.do("hangup")
        await c.until(lambda: not c.switch.calls)
        c.command(acd.WrapUp("lee", "resolved"))
    await c.switch.store.committed()
    return str(bridged.interaction)


async def past(client: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    reply = await client.get(HISTORY + query)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["items"]
    return found


async def test_a_supervisor_sees_what_a_customer_called_for(api: Served) -> None:
    lee_alone(api.center)
    name = await called_once(api.center)
    (item,) = await past(await api.token("supervisor"))
    assert (item["interaction"], item["medium"], item["called"]) == (name, "voice", "5000")
    assert (item["queue"], item["agent"], item["outcome"]) == ("support", "lee", "handled")
    assert (item["code"], item["note"]) == ("resolved", "")
    assert item["recorded"] is True
    for path in api.center.folder.rglob("*.wav"):
        path.unlink()
    client = await api.token("supervisor")
    assert (await past(client))[0]["recorded"] is False
    assert (await client.get("/api/v1/customers/200/history")).json()["items"] == []
    problem(await client.get(f"{HISTORY}?cursor=a2lt"), 422)
    problem(await (await api.token("planner")).get(HISTORY), 403)
    problem(await api.client().get(HISTORY), 401)


async def test_an_agent_sees_it_while_he_has_the_customer_and_not_before_or_after(
    api: Served,
) -> None:
    c, agent = api.center, await api.token("agent")
    lee_alone(c)
    problem(await agent.get(HISTORY), 403)
    async with phone("1002", c.server) as desk, phone("2001", c.server) as customer:
        customer.do("call", to="5000")
        await desk.expect("incoming")
        assert c.state("lee") == "alerting"
        assert await past(agent) == []
        problem(await agent.get("/api/v1/customers/2002/history"), 403)
        desk.do("answer")
        await c.event(ev.Bridged)
        assert await past(agent) == []
        customer.do("hangup")
        await c.until(lambda: c.state("lee") == "wrap-up")
        await c.switch.store.committed()
        assert [each["agent"] for each in await past(agent)] == ["lee"]
        c.command(acd.WrapUp("lee", "resolved"))
        problem(await agent.get(HISTORY), 403)


async def test_who_hides_his_number_has_no_history(api: Served) -> None:
    c = api.center
    for name in ("anonymous", "Anonymous", "unknown"):
        c.switch.store.append(ev.InteractionStarted(1.0, name, "voice", "pbx", name, "5000"))
        c.switch.store.append(ev.InteractionEnded(2.0, name, "normal"))
    await c.switch.store.committed()
    client = await api.token("supervisor")
    for name in ("anonymous", "Anonymous", "unknown"):
        assert (await client.get(f"/api/v1/customers/{name}/history")).json()["items"] == []


async def test_a_note_of_the_agent_who_talks_is_on_disk_and_in_the_history(api: Served) -> None:
    c, agent, root = api.center, await api.token("agent"), await api.token("administrator")
    lee_alone(c)
    async with phone("1002", c.server) as desk, phone("2001", c.server) as customer:
        customer.do("call", to="5000")
        await desk.expect("incoming")
        offered = agent_work(c)
        where = f"/api/v1/interactions/{offered}/note"
        problem(await agent.put(where, json={"text": "too soon"}), 409)
        desk.do("answer")
        await c.event(ev.Bridged)
        first = await agent.put(where, json={"text": "wants a lens"})
        assert first.status_code == 200, first.text
        assert c.switch.store.pending == 0
        assert (await agent.get(where)).headers["etag"] == first.headers["etag"]
        stale = {"If-Match": first.headers["etag"]}
        assert (await root.put(where, json={"text": "wants two"})).json()["account"] == (
            "administrator"
        )
        problem(await agent.put(where, json={"text": "lost"}, headers=stale), 412)
        problem(await agent.put(where, json={"text": "x" * 2001}), 422)
        customer.do("hangup")
        await c.until(lambda: c.state("lee") == "wrap-up")
        last = "렌즈 두 개\n" + "x" * 1990
        assert (await agent.put(where, json={"text": last})).status_code == 200
        c.command(acd.WrapUp("lee", "resolved"))
        problem(await agent.put(where, json={"text": "too late"}), 404)
    await c.switch.store.committed()
    (item,) = await past(root)
    assert (item["note"], item["note_agent"]) == (last, "lee")
    assert (await root.get(where)).json()["text"] == last
    entries = [each for each in await api.audit() if each.action == "interaction.note"]
    assert [(each.who, each.target, each.after["characters"]) for each in entries] == [
        ("agent", offered, 12),
        ("administrator", offered, 9),
        ("agent", offered, len(last)),
    ]


async def test_a_note_to_another_agents_interaction_is_refused(api: Served) -> None:
    c, agent = api.center, await api.token("agent")
    async with (
        phone("1001", c.server, "--answer-after", "0"),
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        bridged = await c.event(ev.Bridged)
        where = f"/api/v1/interactions/{bridged.interaction}/note"
        problem(await agent.put(where, json={"text": "not mine"}), 403)
        problem(await agent.get(where), 403)
        reader = await api.token("quality")
        assert (await reader.get(where)).json()["at"] is None
        problem(await reader.put(where, json={"text": "x"}), 403)
        customer.do("hangup")
        await c.until(lambda: not c.switch.calls)


async def test_a_note_that_does_not_reach_the_disk_is_not_acknowledged(
    api: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    c, root = api.center, await api.token("administrator")
    lee_alone(c)
    name = await called_once(c)
    monkeypatch.setattr("cicswitch.api.resources.notes._STORED_S", 0.3)
    other = sqlite3.connect(c.folder / "store.db", isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        reply = await root.put(f"/api/v1/interactions/{name}/note", json={"text": "kept?"})
        problem(reply, 503)
        other.execute("ROLLBACK")
    await c.switch.store.committed()
    assert (await root.get(f"/api/v1/interactions/{name}/note")).json()["text"] == "kept?"


def agent_work(c: Center) -> str:
    (assignment,) = c.switch.engine.agents["lee"].work.values()
    return str(assignment.interaction.id)


async def test_an_agent_sees_his_own_figures_of_today_and_the_deadline_of_an_offer(
    api: Served,
) -> None:
    c, agent = api.center, await api.token("agent")
    lee_alone(c)
    where = "/api/v1/agents/lee/today"
    before = (await agent.get(where)).json()
    assert (before["handled"], before["aht_s"], before["missed"]) == (0, None, 0)
    assert before["since"] == midnight(before["at"])
    async with phone("1002", c.server) as desk, phone("2001", c.server) as customer:
        customer.do("call", to="5000")
        await desk.expect("incoming")
        reserved = await c.event(Reserved)
        view = (await agent.get("/api/v1/agents/lee")).json()
        assert view["deadline"] == pytest.approx(reserved.deadline, abs=0.001)
        offered = (await agent.get(f"/api/v1/interactions/{view['interaction']}")).json()
        assert (offered["caller"], offered["deadline"]) == ("2001", view["deadline"])
        desk.do("answer")
        await c.event(ev.Bridged)
        assert (await agent.get("/api/v1/agents/lee")).json()["deadline"] is None
        held = (await agent.get("/api/v1/agents/lee/capacity")).json()["media"]
        by_medium = {each.pop("medium"): each for each in held}
        assert by_medium["voice"] == {"most": 1, "in_hand": 1, "interrupted_by": []}
        assert by_medium["email"]["interrupted_by"] == ["callback", "chat", "video", "voice"]
        problem(await agent.get("/api/v1/agents/kim/capacity"), 403)
        customer.do("hangup")
        await c.until(lambda: c.state("lee") == "wrap-up")
        c.command(acd.WrapUp("lee", "resolved"))
    await c.switch.store.committed()
    after = (await agent.get(where)).json()
    (record,) = await c.rows("handled")
    assert after["handled"] == 1
    assert after["talk_s"] == round(record["talk_s"], 1)
    total = record["talk_s"] + record["hold_s"] + record["acw_s"]
    assert after["aht_s"] == pytest.approx(total, abs=0.06)
    assert 0 < after["occupancy"] < 1
    problem(await agent.get("/api/v1/agents/kim/today"), 403)
    assert (await (await api.token("planner")).get(where)).status_code == 200
    problem(await (await api.token("planner")).get("/api/v1/agents/nobody/today"), 404)


async def test_an_offer_that_is_not_answered_is_missed(tmp_path: Path) -> None:
    async with (
        served(tmp_path, ring_s=2) as api,
        phone("1002", api.center.server) as desk,
        phone("2001", api.center.server) as customer,
    ):
        c, agent = api.center, await api.token("agent")
        lee_alone(c)
        customer.do("call", to="5000")
        await desk.expect("incoming")
        await c.event(ReservationEnded, outcome="timed-out", timeout=15)
        assert (await agent.get("/api/v1/agents/lee/today")).json()["missed"] == 1
        customer.do("hangup")
        await c.until(lambda: not c.switch.calls)


def test_a_day_begins_at_midnight_where_the_switch_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        for zone, begins in (("KST-9", 1777820400.0), ("UTC", 1777852800.0)):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert midnight(1777885200.0) == begins
    finally:
        monkeypatch.undo()
        time.tzset()

"""Queues, agents, interactions and the rest, with calls by hand from a trunk."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from cicswitch.acd import events as acd
from cicswitch.calls import events as ev
from cicswitch.config import Config
from cicswitch.core.toml import Secret
from cicswitch.reporting import gather, limits_of
from tests.api.served import EXTRA, Served, problem, served
from tests.support.center import PLAN
from tests.support.ports import free_port
from tests.support.wire import Wire, wire

MORE = """
[[route]]
called = "5010"
flow = "back"
[[flow.back]]
do = "callback"
queue = "korean"
[[flow.back]]
do = "hangup"
"""


class Parties(NamedTuple):
    api: Served
    near: Wire
    root: httpx.AsyncClient

    async def wait(self, number: str = "5000", user: str = "0299990000") -> str:
        """A customer calls and waits; his interaction."""
        engine = self.api.switch.engine
        before = set(engine.interactions)
        call = self.near.call(number, user=user)
        self.near.ack(await self.near.expect("SIP/2.0 200", having=f"Call-ID: {call}"))
        await self.api.center.until(lambda: set(engine.interactions) - before)
        (name,) = set(engine.interactions) - before
        return name


@pytest.fixture
async def p(tmp_path: Path) -> AsyncIterator[Parties]:
    """A switch where nobody is ready, a trunk, and a client that may do everything."""
    port = free_port()
    trunk = f'[trunk.near]\naddress = "udp:127.0.0.2:{port}"\noptions_s = 0\npassword = "hidden"\n'
    async with (
        served(tmp_path, extra=EXTRA + trunk, plan=PLAN + MORE) as api,
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        root = await api.token("administrator")
        assert (await root.post("/api/v1/agents/kim/pause", json={})).status_code == 200
        yield Parties(api, near, root)


async def get(p: Parties, path: str, **query: Any) -> Any:
    reply = await p.root.get(f"/api/v1{path}", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def post(p: Parties, path: str, body: Any = None) -> Any:
    reply = await p.root.post(f"/api/v1{path}", json=body)
    assert reply.status_code in (200, 204), reply.text
    return reply.json() if reply.content else None


# -- queues and interactions ---------------------------------------------------------------------


async def test_a_queue_has_its_figures(p: Parties) -> None:
    assert (await get(p, "/queues/support"))["waiting"] == 0
    await p.wait()
    p.api.web.api.figures.clear()  # they are kept for a second
    view = await get(p, "/queues/support")
    assert (view["waiting"], view["offered"], view["answered"]) == (1, 1, 0)
    assert (view["signed_in"], view["idle"], view["open"]) == (1, 0, True)
    assert view["service_level"] is None
    items = (await get(p, "/queues"))["items"]
    assert [item["queue"] for item in items] == ["korean", "support"]
    assert items[1] == view
    problem(await p.root.get("/api/v1/queues/none"), 404)


async def test_figures_are_those_of_the_engine_and_worked_out_once_a_second(p: Parties) -> None:
    engine, now = p.api.switch.engine, p.api.switch.clock.now()
    await p.wait("5002")
    await post(p, "/agents/lee/sign-in")
    p.api.web.api.figures.clear()
    for item in (await get(p, "/queues"))["items"]:
        seen = engine.view(item["queue"], now)
        expected = (seen.waiting, seen.signed_in, seen.idle)
        assert (item["waiting"], item["signed_in"], item["idle"]) == expected
        assert item["longest_wait_s"] == pytest.approx(seen.longest_wait_s, abs=2)
    before = await get(p, "/queues/korean")
    await p.wait("5002")
    assert (await get(p, "/queues/korean"))["waiting"] == before["waiting"]
    at, view = p.api.web.api.figures["korean"]
    p.api.web.api.figures["korean"] = (at - 1, view)
    assert (await get(p, "/queues/korean"))["waiting"] == before["waiting"] + 1


async def test_interactions_are_found_by_queue_state_and_agent(p: Parties) -> None:
    one, two = await p.wait(), await p.wait("5002")
    items = (await get(p, "/interactions"))["items"]
    assert [item["interaction"] for item in items] == [one, two]
    view = await get(p, f"/interactions/{one}")
    assert view == items[0]
    assert (view["state"], view["queue"], view["medium"]) == ("waiting", "support", "voice")
    assert (view["caller"], view["called"], view["peer"]) == ("0299990000", "5000", "near")
    for query, expected in (
        ({"queue": "korean"}, [two]),
        ({"state": "waiting"}, [one, two]),
        ({"state": "connected"}, []),
        ({"agent": "kim"}, []),
    ):
        found = (await get(p, "/interactions", **query))["items"]
        assert [item["interaction"] for item in found] == expected, query
    problem(await p.root.get("/api/v1/interactions/none"), 404)


async def test_an_interaction_is_moved_prioritised_and_ended(p: Parties) -> None:
    one, two = await p.wait(), await p.wait(user="0299990001")
    path = f"/interactions/{two}"
    tag = (await p.root.get(f"/api/v1{path}")).headers["etag"]
    assert await post(p, f"{path}/prioritise", {"priority": 50}) == {
        "interaction": two,
        "queue": "support",
        "position": 1,
    }
    assert (await get(p, path))["priority"] == 50
    reply = await p.root.post(
        f"/api/v1{path}/move", json={"queue": "korean"}, headers={"If-Match": tag}
    )
    problem(reply, 412)
    assert (await post(p, f"{path}/move", {"queue": "korean"}))["queue"] == "korean"
    await p.api.center.event(acd.InteractionMoved, interaction=two, to="korean")
    problem(await p.root.post(f"/api/v1{path}/move", json={"queue": "none"}), 404)
    assert await post(p, f"{path}/hang-up") is None
    await p.api.center.event(ev.InteractionEnded, interaction=two)
    assert [item["interaction"] for item in (await get(p, "/interactions"))["items"]] == [one]
    actions = [(entry.action, entry.target) for entry in await p.api.audit()]
    assert actions[-3:] == [
        (f"interaction.{what}", two) for what in ("prioritise", "move", "hang-up")
    ]
    problem(await p.root.post(f"/api/v1{path}/hang-up"), 404)


async def test_an_agent_sees_and_ends_only_what_he_has(p: Parties) -> None:
    name = await p.wait()
    lee = await p.api.token("agent")
    assert (await lee.get("/api/v1/interactions")).json()["items"] == []
    problem(await lee.get(f"/api/v1/interactions/{name}"), 403)
    problem(await lee.post(f"/api/v1/interactions/{name}/hang-up"), 403)
    p.api.switch.engine.interactions[name].agent = "lee"
    items = (await lee.get("/api/v1/interactions")).json()["items"]
    assert [item["interaction"] for item in items] == [name]
    assert (await lee.get(f"/api/v1/interactions/{name}")).status_code == 200
    problem(await lee.get(f"/api/v1/interactions/{name}/explain"), 403)
    p.api.switch.engine.interactions[name].agent = ""


async def test_explanations_are_in_the_language_asked_for(p: Parties) -> None:
    name = await p.wait("5002")
    found = await get(p, f"/interactions/{name}/explain")
    assert found["position"] == 1
    assert found["explained"]["ruled_out"][0]["agent"] in ("kim", "lee")
    assert any("kim" in line for line in found["text"])
    korean = await get(p, "/agents/kim/explain", language="ko")
    assert korean["explained"]["language"] == "ko"
    reply = await p.root.get("/api/v1/agents/kim/explain", headers={"Accept-Language": "ko-KR,en"})
    assert reply.json()["text"][0] == korean["text"][0]
    english = (await get(p, "/agents/kim/explain"))["text"]
    assert english[0] != korean["text"][0]
    problem(await p.root.get("/api/v1/interactions/none/explain"), 404)


# -- agents --------------------------------------------------------------------------------------


async def test_an_agent_goes_through_his_day(p: Parties) -> None:
    seen = []
    for action, body in (
        *(("sign-in", None), ("pause", {"code": "meal"}), ("ready", None)),
        *(("pause", {}), ("sign-out", None)),
    ):
        view = await post(p, f"/agents/lee/{action}", body)
        seen.append((view["state"], view["code"]))
        assert view["state"] == p.api.center.state("lee")
    assert seen == [
        *(("idle", ""), ("paused", "meal"), ("idle", ""), ("paused", "")),
        ("offline", ""),
    ]
    view = await get(p, "/agents/lee")
    assert view["since"] == pytest.approx(p.api.switch.clock.now(), abs=5)
    assert view["device"] == "1002"
    reply = await p.root.post("/api/v1/agents/kim/pause", json={"code": "nap"})
    assert problem(reply, 422)["errors"][0]["pointer"] == "/code"
    reply = await p.root.post("/api/v1/agents/kim/wrap-up", json={"code": "meal"})
    assert problem(reply, 422)["errors"][0]["found"] == '"meal"'
    problem(await p.root.post("/api/v1/agents/kim/wrap-up", json={"code": "resolved"}), 409)
    problem(await p.root.post("/api/v1/agents/leo/sign-in"), 404)


async def test_skills_that_are_changed_count_at_once_and_are_kept(p: Parties) -> None:
    name = await p.wait("5002")
    await post(p, "/agents/lee/sign-in")
    agent = p.api.switch.engine.agents["lee"]
    agent.cost, agent.attributes, agent.name = 2.5, {"calm": 1.0}, "Lee"
    reply = await p.root.get("/api/v1/agents/lee/skills")
    assert reply.json() == {"skills": {}, "desire": {}}
    body = {"skills": {"korean": 70}, "desire": {"korean": 20}}
    tag = reply.headers["etag"]
    reply = await p.root.put("/api/v1/agents/lee/skills", json=body, headers={"If-Match": tag})
    assert (reply.status_code, reply.json()) == (200, body)
    await p.api.center.event(acd.Reserved, interaction=name, agent="lee")
    assert (agent.cost, agent.attributes, agent.name) == (2.5, {"calm": 1.0}, "Lee")
    assert agent.capacity.limits["voice"] == 1
    assert agent.capacity.interrupted_by["email"] == {"voice", "video", "callback", "chat"}
    assert p.api.switch.reload_file() == []  # nothing of him has changed in the file
    assert (await get(p, "/agents/lee/skills")) == body
    body = {"skills": {"klingon": 70}, "desire": {}}
    error = problem(await p.root.put("/api/v1/agents/lee/skills", json=body), 422)["errors"][0]
    assert error["pointer"] == "/skills/klingon"


async def test_an_agent_works_at_another_phone_until_he_signs_out(p: Parties) -> None:
    near, center, workplaces = p.near, p.api.center, p.api.switch.conductor.workplaces

    async def take(device: str, agent: str = "lee") -> httpx.Response:
        return await p.root.put(f"/api/v1/agents/{agent}/device", json={"device": device})

    assert (await take("near:4001")).json()["device"] == "near:4001"
    await post(p, "/agents/lee/sign-in")
    name = await p.wait()
    offer = await near.expect("INVITE sip:4001@")  # an extension behind the trunk rings
    problem(await take("1002"), 409)  # while he is at it
    near.reply(offer, "486 Busy Here")
    await center.event(acd.ReservationEnded, interaction=name)
    problem(await take("9999"), 404)
    problem(await take("nowhere:4001"), 404)
    await post(p, "/agents/lee/sign-out")
    await center.until(lambda: workplaces.of("lee") == "1002")
    assert p.api.switch.conductor.agent_of["1002"] == "lee"
    # Another's desk, while he is not there; then it is taken.
    await post(p, "/agents/kim/sign-out")
    assert (await take("1001")).status_code == 200
    await post(p, "/agents/lee/sign-in")
    reply = await p.root.post("/api/v1/agents/kim/sign-in")
    assert "lee works at 1001" in problem(reply, 409)["detail"]
    assert "agent.device" in [each.action for each in await p.api.audit()]
    assert p.api.switch.reload_file() == []
    assert workplaces.of("lee") == "1001"


# -- the rest ------------------------------------------------------------------------------------


async def test_callbacks_are_listed_and_cancelled(p: Parties) -> None:
    p.near.ack(
        await p.near.expect("SIP/2.0 200", having=f"Call-ID: {p.near.call('5010', user='021234')}")
    )
    promises = p.api.switch.conductor.callbacks.promises
    await p.api.center.until(lambda: promises)
    (item,) = (await get(p, "/callbacks"))["items"]
    assert (item["queue"], item["number"], item["state"]) == ("korean", "021234", "waiting")
    one = await get(p, f"/callbacks/{item['interaction']}")
    assert one == {**item, "position": 1}
    path = f"/api/v1/callbacks/{item['interaction']}"
    problem(await p.root.delete(path, headers={"If-Match": '"x"'}), 412)
    assert (await p.root.delete(path)).status_code == 204
    await p.api.center.event(ev.CallbackEnded, outcome="cancelled")
    problem(await p.root.delete(path), 404)
    assert (await p.api.audit())[-1].action == "callback.cancel"


async def test_trunks_and_devices_say_whether_they_can_be_reached(p: Parties) -> None:
    (trunk,) = (await get(p, "/trunks"))["items"]
    assert (trunk["trunk"], trunk["up"], trunk["problem"]) == ("near", True, "")
    assert await get(p, "/trunks/near") == trunk
    devices = (await get(p, "/devices"))["items"]
    assert [item["device"] for item in devices] == ["1001", "1002", "1003", "2001", "2002"]
    assert (devices[0]["agent"], devices[0]["registered"]) == ("kim", False)


async def test_the_configuration_is_shown_without_its_secrets(p: Parties) -> None:
    reply = await p.root.get("/api/v1/configuration")
    found = reply.json()
    assert found["trunk"]["near"]["password"] == "…"
    assert found["queue"]["support"]["ring_s"] == 20
    for secret in secrets_of(p.api.switch.config):
        assert secret not in reply.text
    assert list(await get(p, "/configuration", section="queue")) == ["queue"]
    problem(await p.root.get("/api/v1/configuration?section=plan"), 422)
    codes = await get(p, "/codes")
    assert codes["pause"]["2"] == "meal"
    assert codes["skills"] == {"korean": ""}


def secrets_of(config: Config) -> set[str]:
    def walk(value: Any) -> Any:
        if isinstance(value, Secret):
            yield value.reveal()
        elif isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                yield from walk(getattr(value, name))
        elif isinstance(value, dict):
            for item in value.values():
                yield from walk(item)

    found = {secret for secret in walk(config) if secret}
    assert {"hidden", "phone-1001"} <= found
    return found


async def test_a_configuration_is_checked_and_changes_nothing(p: Parties, tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    good = file.read_text()
    assert (await post(p, "/configuration/check", {"text": good}))["findings"] == []
    bad = good + "[queue.new]\nrang_s = 1\n"
    (finding,) = (await post(p, "/configuration/check", {"text": bad}))["findings"]
    assert finding["key"] == "queue.new.rang_s"
    assert finding["line"] == bad.count("\n")
    assert file.read_text() == good
    assert "new" not in p.api.switch.engine.queues


async def test_a_reload_takes_over_the_file_or_changes_nothing(p: Parties, tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    good = file.read_text()
    file.write_text(good + "[queue.new]\nrang_s = 1\n")
    reply = await p.root.post("/api/v1/configuration/reload")
    assert "rang_s" in problem(reply, 422)["errors"][0]["detail"]
    file.write_text(good.replace('path = "store.db"', 'path = "other.db"') + "[queue.new]\n")
    notes = (await post(p, "/configuration/reload"))["notes"]
    assert notes == ["store takes effect at the next start"]
    assert (await get(p, "/queues/new"))["waiting"] == 0


async def test_a_report_says_what_the_books_say(p: Parties) -> None:
    name = await p.wait()
    await post(p, f"/interactions/{name}/hang-up")
    await p.api.center.event(ev.InteractionEnded, interaction=name)
    await p.api.switch.store.committed()
    now = p.api.switch.clock.now()
    since = now - 3600
    found = await get(p, "/reports", since=since, until=now + 1, interval_s=900)
    config = p.api.switch.config
    expected = gather(
        p.api.switch.place,
        limits_of(config),
        since,
        now + 1,
        "answered_or_abandoned",
        interval_s=900,
    )
    assert found == msgspec.to_builtins(expected)
    (queue,) = found["queues"]
    assert (queue["queue"], queue["offered"]) == ("support", 1)
    parts = [part["queues"] for part in found["intervals"]]
    assert len(parts) == 5
    assert sum(len(part) for part in parts) == 1
    assert parts[-1] or parts[-2]
    (row,) = (await get(p, "/reports", by="segment", since=since))["queues"]
    assert row["queue"] == "-"
    for query, parameter in (
        ({"since": now, "until": since}, "until"),
        ({"since": 1, "until": now}, "since"),
        ({"since": now - 86400 * 30, "interval_s": 60}, "interval_s"),
        ({"by": "agent"}, "by"),
        ({"service_level": "mine"}, "service_level"),
    ):
        reply = await p.root.get("/api/v1/reports", params=query)
        assert problem(reply, 422)["errors"][0]["parameter"] == parameter


async def test_the_trace_of_a_call_is_there_while_it_lives_and_after(p: Parties) -> None:
    name = await p.wait()
    live = (await get(p, f"/calls/{name}/trace"))["steps"]
    assert live[0]["line"].startswith("INVITE sip:5000@")
    assert live[0]["direction"] == "in"
    await post(p, f"/interactions/{name}/hang-up")
    p.near.reply(await p.near.expect("BYE"), "200 OK")
    await p.api.center.event(ev.InteractionEnded, interaction=name)
    with contextlib.suppress(AssertionError):
        await p.api.center.until(lambda: not len(p.api.switch.sip.ladder), 15)
    await p.api.switch.store.committed()
    after = (await get(p, f"/calls/{name}/trace"))["steps"]
    assert [step["line"] for step in after[: len(live)]] == [step["line"] for step in live]
    assert any(step["line"].startswith("BYE") for step in after)
    (leg,) = (await get(p, f"/calls/{name}/trace"))["legs"]
    assert (leg["live"], leg["packets_received"], leg["mos"]) == (False, 0, None)
    assert leg["packets_sent"] > 0
    problem(await p.root.get("/api/v1/calls/none/trace"), 404)

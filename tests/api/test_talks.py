"""Talks by the API, with phones: what agents may do with theirs, and supervisors with all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from cicswitch.acd import commands as acd
from cicswitch.calls import events as ev
from tests.api.served import Served, problem, served
from tests.support.phone import Phone, phone

pytestmark = pytest.mark.interop


class Desk(NamedTuple):
    """A customer talks to lee, whose account is `agent`; 1001 and 1003 answer when they ring."""

    api: Served
    path: str
    agent: httpx.AsyncClient
    supervisor: httpx.AsyncClient
    phones: dict[str, Phone]

    async def do(self, who: httpx.AsyncClient, verb: str, **body: Any) -> Any:
        reply = await who.post(f"{self.path}/{verb}", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def see(self, who: httpx.AsyncClient) -> Any:
        reply = await who.get(self.path)
        assert reply.status_code == 200, reply.text
        return reply.json()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with (
        served(tmp_path) as api,
        phone("1001", api.center.server, "--answer-after", "0") as kim,
        phone("1002", api.center.server, "--answer-after", "0") as lee,
        phone("1003", api.center.server, "--answer-after", "0") as other,
        phone("2001", api.center.server) as customer,
    ):
        c = api.center
        c.command(acd.SignOut("kim"))
        c.command(acd.SignIn("lee"))
        customer.do("call", to="5000")
        bridged = await c.event(ev.Bridged)
        agent, supervisor = await api.token("agent"), await api.token("supervisor")
        phones = {"1001": kim, "1002": lee, "1003": other, "2001": customer}
        path = f"/api/v1/interactions/{bridged.interaction}"
        yield Desk(api, path, agent, supervisor, phones)
        c.switch.conductor.end_all()
        await c.empty()


async def test_an_agent_steers_his_call(desk: Desk) -> None:
    c, agent = desk.api.center, desk.agent
    assert (await desk.do(agent, "hold"))["on_hold"] is True
    problem(await agent.post(f"{desk.path}/hold"), 409)
    assert (await desk.do(agent, "resume"))["on_hold"] is False
    view = await desk.do(agent, "consult", to="kim")
    assert view["consult"] in ("ringing", "talking")
    (party,) = view["parties"]
    assert (party["role"], party["number"], party["agent"]) == ("consulted", "1001", "kim")
    await c.event(ev.ConsultAnswered)
    assert (await desk.see(agent))["consult"] == "talking"
    assert (await desk.do(agent, "consult/swap"))["consult"] == "aside"
    assert (await desk.do(agent, "consult/back"))["parties"] == []
    await desk.phones["1001"].expect("disconnected")
    view = await desk.do(agent, "conference", to="1003")
    assert view["parties"][0]["role"] == "colleague"
    await c.event(ev.PartyJoined)
    name = view["parties"][0]["party"]
    problem(await agent.delete(f"{desk.path}/parties/nobody"), 404)
    assert (await agent.delete(f"{desk.path}/parties/{name}")).json()["parties"] == []
    assert (await desk.do(agent, "help", note="he shouts"))["help"] == "he shouts"
    assert (await agent.delete(f"{desk.path}/help")).json()["help"] is None
    problem(await agent.post(f"{desk.path}/transfer", json={"to": "4711"}), 404)
    await desk.do(agent, "consult", to="1003")
    await c.until(lambda: len([e for e in c.events if isinstance(e, ev.ConsultAnswered)]) == 2)
    assert (await desk.do(agent, "consult/complete"))["consult"] == ""
    await desk.phones["1002"].expect("disconnected")
    assert c.state("lee") == "wrap-up"
    # It is his no more.
    problem(await agent.post(f"{desk.path}/hold"), 403)
    noted = [entry.action for entry in await desk.api.audit()]
    for verb in ("hold", "resume", "consult", "swap", "back", "conference", "remove", "complete"):
        assert f"interaction.{verb}" in noted


async def test_one_who_hangs_up_by_hand(desk: Desk) -> None:
    await desk.do(desk.agent, "leave")
    await desk.phones["1002"].expect("disconnected")
    await desk.phones["2001"].expect("disconnected")


async def test_a_prompt_over_the_talk(desk: Desk) -> None:
    await desk.do(desk.agent, "announce", prompt="agent-ready", to="customer")
    problem(await desk.agent.post(f"{desk.path}/announce", json={"prompt": "none"}), 404)
    body = {"prompt": "agent-ready", "to": "everybody"}
    errors = problem(await desk.agent.post(f"{desk.path}/announce", json=body), 422)["errors"]
    assert errors[0]["pointer"] == "/to"
    await desk.do(desk.agent, "hold")
    body["to"] = "customer"
    problem(await desk.agent.post(f"{desk.path}/announce", json=body), 409)


async def test_a_supervisor_joins_changes_takes_over(desk: Desk) -> None:
    c, supervisor = desk.api.center, desk.supervisor
    errors = problem(await supervisor.post(f"{desk.path}/monitor", json={}), 422)["errors"]
    assert errors[0]["pointer"] == "/device"
    problem(await supervisor.delete(f"{desk.path}/monitor"), 409)
    problem(await supervisor.post(f"{desk.path}/monitor", json={"device": "pbx:00900"}), 404)
    view = await desk.do(supervisor, "monitor", device="1003")
    assert [(p["mode"], p["account"]) for p in view["parties"]] == [("monitor", "supervisor")]
    await c.event(ev.SupervisorJoined)
    # Whom he listens to does not see him; once he is heard, he does.
    assert (await desk.see(desk.agent))["parties"] == []
    view = await desk.do(supervisor, "monitor", mode="whisper")
    assert view["parties"][0]["state"] == "up"
    assert (await desk.see(desk.agent))["parties"][0]["mode"] == "whisper"
    await desk.do(supervisor, "monitor", mode="barge")
    view = await desk.do(supervisor, "take-over")
    assert view["parties"] == []
    await desk.phones["1002"].expect("disconnected")
    assert c.state("lee") == "wrap-up"
    await c.event(ev.TakenOver, account="supervisor", previous="lee")
    noted = [entry.action for entry in await desk.api.audit()]
    for verb in ("monitor", "whisper", "barge", "take-over"):
        assert f"interaction.{verb}" in noted


async def test_who_may_only_listen(desk: Desk) -> None:
    quality = await desk.api.token("quality")
    problem(await quality.post(f"{desk.path}/take-over", json={"device": "1003"}), 403)
    for mode in ("whisper", "barge"):
        body = {"mode": mode, "device": "1003"}
        problem(await quality.post(f"{desk.path}/monitor", json=body), 403)
    await desk.do(quality, "monitor", device="1003")
    await desk.api.center.event(ev.SupervisorJoined)
    problem(await quality.post(f"{desk.path}/monitor", json={"mode": "barge"}), 403)
    desk.phones["1003"].do("dtmf", digits="6")
    reply = await quality.delete(f"{desk.path}/monitor")
    assert reply.json()["parties"] == []
    modes = [e for e in desk.api.center.events if isinstance(e, ev.SupervisorModeChanged)]
    assert modes == []


async def test_a_supervisors_own_phone_is_asked_to_answer_and_no_other(desk: Desk) -> None:
    root = await desk.api.token("administrator")
    asked: list[tuple[str, bool]] = []
    legs = desk.api.switch.conductor.env.legs
    whole = type(legs).originate

    def originate(self: Any, now: float, target: str, **more: Any) -> Any:
        asked.append((target, more["auto_answer"]))
        return whole(self, now, target, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(legs), "originate", originate)
        await desk.do(desk.supervisor, "monitor", device="1003")
        await desk.supervisor.delete(f"{desk.path}/monitor")
        await root.patch("/api/v1/accounts/supervisor", json={"agent": "kim"})
        await desk.do(desk.supervisor, "monitor")
    assert asked == [("1003", False), ("1001", True)]


async def test_others_steer_nothing(desk: Desk) -> None:
    root = await desk.api.token("administrator")
    await root.patch("/api/v1/accounts/agent", json={"agent": "kim"})
    for verb in ("hold", "consult/swap", "leave"):
        problem(await desk.agent.post(f"{desk.path}/{verb}"), 403)
    for verb in ("monitor", "take-over"):
        problem(await desk.agent.post(f"{desk.path}/{verb}", json={}), 403)
    problem(await desk.agent.post(f"{desk.path}/consult", json={"to": "1003"}), 403)
    # A supervisor may for all.
    assert (await desk.do(desk.supervisor, "hold"))["on_hold"] is True

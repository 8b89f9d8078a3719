"""Customers as persons: one who calls by phone, writes an email and chats is one, with one history;
who may make, change, link and merge them; lists of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd.events import ReservationEnded, Reserved
from cicswitch.calls import events as ev
from cicswitch.contacts import events as ce
from cicswitch.identity import proof
from tests.api.served import EXTRA, Served, problem, served
from tests.support.chat import Visitor
from tests.support.letters import CHANNEL, come, letter
from tests.support.phone import phone
from tests.support.ports import free_port

SECRET = "the shop knows who is signed in"
PLACES = f"""
[segment.gold]
priority = 50
[segment.old]
numbers = ["2001"]
[channel.web]
type = "chat"
queue = "support"
[channel.texts]
type = "sip"
queue = "support"
[widget.shop]
chat = "web"
secret = "{SECRET}"
"""
PLAN = """
[[route]]
trunk = "web"
flow = "write"
[[route]]
trunk = "mail"
flow = "write"
[[route]]
called = "5000"
flow = "write"
[[flow.write]]
do = "if"
variable = "customer_language"
equals = "ko"
then = "korean"
[[flow.write]]
do = "queue"
queue = "support"
[[flow.korean]]
do = "queue"
queue = "korean"
"""
KIM: dict[str, Any] = {
    "name": "Park Jihye",
    "language": "ko",
    "segment": "gold",
    "fields": {"contract": "C-1"},
    "addresses": [
        {"kind": "number", "value": "2001"},
        {"kind": "email", "value": "Park@example.org"},
        {"kind": "id", "value": "4711"},
    ],
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    mail = CHANNEL.format(
        queue="support", more="verify = false", send=free_port(), receive=free_port()
    )
    async with served(tmp_path, extra=mail + PLACES + EXTRA, plan=PLAN) as found:
        yield found


async def made(who: httpx.AsyncClient, **body: Any) -> Any:
    reply = await who.post("/api/v1/customers", json={**KIM, **body})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def history(who: httpx.AsyncClient, customer: str, query: str = "") -> list[Any]:
    reply = await who.get(f"/api/v1/customers/{customer}/history{query}")
    assert reply.status_code == 200, reply.text
    items: list[Any] = reply.json()["items"]
    return items


async def shown(who: httpx.AsyncClient, interaction: str) -> Any:
    return (await who.get(f"/api/v1/interactions/{interaction}")).json()


# -- one person ------------------------------------------------------------------------------------


@pytest.mark.interop
async def test_who_calls_writes_and_chats_is_one_person_with_one_history(api: Served) -> None:
    c, boss = api.center, await api.token("supervisor")
    person = await made(boss)
    key = person["customer"]
    async with (
        phone("1001", c.server, "--answer-after", "0"),
        phone("2001", c.server) as customer,
    ):
        customer.do("call", to="5000")
        call = str((await c.event(ev.Bridged)).interaction)
        view = await shown(boss, call)
        assert (view["customer_id"], view["customer_name"]) == (key, "Park Jihye")
        assert (view["queue"], view["segment"], view["address"]) == (
            "korean",
            "gold",
            "number:2001",
        )
        customer.do("hangup")
        await c.until(lambda: not c.switch.calls)
    c.command(acd.SignOut("kim"))
    mail = letter(From="PARK@Example.org")
    await come(api, mail)
    written = await c.event(ce.ContactAccepted, medium="email")
    page = Visitor(
        api.url, "shop", context={"identity": proof(SECRET, "4711", 2**33), "order": "9"}
    )
    await page.come()
    await page.say_surely("hello")
    chat = await c.event(ce.ContactAccepted, medium="chat")
    assert chat.context == {"identity": "4711", "order": "9"}
    stranger = Visitor(api.url, "shop", context={"identity": "4711"})
    await stranger.come()
    await stranger.say_surely("I am 4711")
    for each in (written, chat):
        view = await shown(boss, each.interaction)
        assert (view["customer_id"], view["queue"]) == (key, "korean")
        talk = (await boss.get(f"/api/v1/conversations/{each.conversation}")).json()
        assert (talk["customer_id"], talk["customer_sure"]) == (key, True)
    began = {
        each.interaction: each.customer_id
        for each in c.events
        if type(each) is ev.InteractionStarted
    }
    assert [*began.values()] == [key, key, key, ""]
    for name in began:
        await boss.post(f"/api/v1/interactions/{name}/finish")
    await page.go()
    await stranger.go()
    await c.switch.store.committed()
    found = await history(boss, key)
    assert [each["medium"] for each in found] == ["chat", "email", "voice"]
    assert [each["interaction"] for each in found] == [*began][2::-1]
    for address in ("2001", "park@EXAMPLE.org", "id:4711", "number:2001"):
        assert await history(boss, address) == found
    first = (await boss.get(f"/api/v1/customers/{key}/history?limit=2")).json()
    rest = await history(boss, key, f"?limit=2&cursor={first['next']}")
    assert first["items"] + rest == found
    # An address goes, and its contacts with it; it comes back.
    path, query = (
        f"/api/v1/customers/{key}/addresses",
        {"kind": "email", "value": "park@example.org"},
    )
    reply = await boss.delete(path, params=query)
    assert len(reply.json()["addresses"]) == 2
    assert [each["medium"] for each in await history(boss, key)] == ["chat", "voice"]
    assert (await boss.post(path, json=query)).status_code == 200
    assert await history(boss, key) == found


async def test_a_mail_that_may_be_somebody_elses_is_shown_so_and_routed_as_a_strangers(
    api: Served,
) -> None:
    boss = await api.token("supervisor")
    key = (await made(boss))["customer"]
    settings = api.switch.config.channel["mail"].settings
    assert settings["verify"] is False
    conductor = api.switch.conductor
    for checked, sure in (
        ("dmarc=fail spf=pass", False),
        ("spf=softfail", False),
        ("dmarc=pass spf=fail", True),
        ("dkim=none", True),
    ):
        data = f'{{"authentication":"{checked}"}}'
        known = conductor.recognising.written("email", "mail", "park@example.org", data)
        assert known is not None
        assert (known.person.id, known.sure) == (key, sure), checked
        told = conductor.recognising.variables(known, "park@example.org")
        assert (told["customer_id"], told["segment"]) == ((key, "gold") if sure else ("", ""))


async def test_a_number_is_known_also_of_callbacks_and_texts_and_its_owners_segment_counts(
    api: Served,
) -> None:
    recognising = api.switch.conductor.recognising
    assert recognising.number("2001") is None
    assert recognising.segment(None, "2001") == "old"
    boss = await api.token("supervisor")
    key = (await made(boss))["customer"]
    assert recognising.segment(recognising.number("2001"), "2001") == "gold"
    known = recognising.written("chat", "texts", "2001", "")
    assert known is not None
    assert known.person.id == key
    assert recognising.written("chat", "web", "2001", "") is None
    await boss.patch(f"/api/v1/customers/{key}", json={"segment": ""})
    assert recognising.segment(recognising.number("2001"), "2001") == "old"


# -- what is kept ----------------------------------------------------------------------------------


async def test_a_customer_is_made_read_changed_found_and_removed(api: Served) -> None:
    boss = await api.token("supervisor")
    person = await made(boss)
    path = f"/api/v1/customers/{person['customer']}"
    assert person["addresses"][1] == {"kind": "email", "value": "Park@example.org"}
    await made(boss, name="Lee", addresses=[{"kind": "number", "value": "+82 (2) 100"}], fields={})
    for asked in ("?q=JIHYE", "?q=c-1", "?q=4711", "?address=park@example.org", "?limit=1&cursor="):
        reply = await boss.get(f"/api/v1/customers{asked}")
        names = [each["name"] for each in reply.json()["items"]]
        assert names == (["Lee"] if "limit" in asked else ["Park Jihye"]), asked
    pages = (await boss.get("/api/v1/customers?limit=1")).json()
    rest = await boss.get(f"/api/v1/customers?limit=1&cursor={pages['next']}")
    assert [each["name"] for each in rest.json()["items"]] == ["Park Jihye"]
    assert (await boss.get("/api/v1/customers/%2B822100")).json()["name"] == "Lee"
    read = await boss.get(path)
    tag = {"If-Match": read.headers["ETag"]}
    changed = await boss.patch(path, json={"fields": {"contract": "C-2"}}, headers=tag)
    assert (changed.json()["fields"], changed.json()["name"]) == ({"contract": "C-2"}, "Park Jihye")
    problem(await boss.patch(path, json={"name": "x"}, headers=tag), 412)
    problem(await boss.post(f"{path}/addresses", json=KIM["addresses"][0], headers=tag), 412)
    problem(await boss.delete(path, headers=tag), 412)
    assert (await boss.delete(path)).status_code == 204
    problem(await boss.get(path), 404)
    log = [
        (each.action, each.target) for each in await api.audit() if each.action[:9] == "customer."
    ]
    assert [action for action, _ in log] == [
        *("customer.add", "customer.add", "customer.change", "customer.remove")
    ]
    assert "Park" not in str([each.after for each in await api.audit()])


async def test_what_is_wrong_is_told_and_changes_nothing(api: Served) -> None:
    boss = await api.token("supervisor")
    key = (await made(boss))["customer"]
    told = problem(await boss.post("/api/v1/customers", json={**KIM, "name": "Lee"}), 409)
    assert f'"number:2001" is of customer {key} (Park Jihye)' in told["detail"]
    for wrong, pointer in (
        ({"segment": "platin", "addresses": []}, "/segment"),
        ({"language": "korean!"}, "/language"),
        ({"addresses": [{"kind": "number", "value": "hello"}]}, "/addresses/0/value"),
        ({"fields": {"Bad Key": "x"}}, ""),
    ):
        found = problem(await boss.post("/api/v1/customers", json={**KIM, **wrong}), 422)
        assert found["errors"][0]["pointer"].startswith(pointer), found
    many = [{"kind": "number", "value": str(number)} for number in range(10_000)]
    problem(await boss.post("/api/v1/customers", json={"addresses": many}), 422)
    for number in range(50, 97):
        body = {"kind": "number", "value": str(number)}
        assert (await boss.post(f"/api/v1/customers/{key}/addresses", json=body)).is_success
    body = {"kind": "number", "value": "97"}
    told = problem(await boss.post(f"/api/v1/customers/{key}/addresses", json=body), 409)
    assert "at most 50" in told["detail"]
    assert len(api.switch.conductor.people.by_id) == 1


async def test_two_are_made_one_and_both_know_their_contacts(api: Served) -> None:
    boss = await api.token("supervisor")
    one = await made(boss)
    two = await made(boss, name="P. Jihye", addresses=[{"kind": "number", "value": "010"}])
    for number, caller in enumerate(("2001", "010", "011")):
        name = f"i{number}"
        api.switch.store.append(
            ev.InteractionStarted(1.0 + number, name, "voice", "pbx", caller, "5")
        )
        api.switch.store.append(ev.InteractionEnded(2.0 + number, name, "normal"))
    await api.switch.store.committed()
    path = f"/api/v1/customers/{one['customer']}"
    assert [each["caller"] for each in await history(boss, one["customer"])] == ["2001"]
    assert [each["caller"] for each in await history(boss, "011")] == ["011"]
    reply = await boss.post(f"{path}/merge", json={"customer": two["customer"]})
    assert reply.json()["name"] == "Park Jihye"
    assert [each["caller"] for each in await history(boss, one["customer"])] == ["010", "2001"]
    problem(await boss.get(f"/api/v1/customers/{two['customer']}"), 404)
    problem(await boss.post(f"{path}/merge", json={"customer": one["customer"]}), 409)
    gone = await api.center.event(ev.CustomerRemoved)
    assert (gone.customer_id, gone.into) == (two["customer"], one["customer"])


async def test_all_of_it_is_there_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path, extra=PLACES + EXTRA) as first:
        key = (await made(await first.token("supervisor")))["customer"]
    async with served(tmp_path, extra=PLACES + EXTRA, people=False) as again:
        known = again.switch.conductor.people.recognise("voice", "pbx", "2001")
        assert known is not None
        assert (known.person.id, known.person.own) == (key, {"contract": "C-1"})


# -- an agent --------------------------------------------------------------------------------------


async def test_an_agent_links_who_he_has_in_hand_and_nobody_else(api: Served) -> None:
    c, lee = api.center, await api.token("agent")
    boss = await api.token("supervisor")
    key = (await made(boss, addresses=[]))["customer"]
    await boss.post("/api/v1/agents/kim/sign-out")
    path, body = (
        f"/api/v1/customers/{key}/addresses",
        {"kind": "email", "value": "park@example.org"},
    )
    problem(await lee.post(path, json=body), 403)
    problem(await lee.get(f"/api/v1/customers/{key}/history"), 403)
    await lee.post("/api/v1/agents/lee/sign-in")
    await come(api, letter())
    contact = await c.event(ce.ContactAccepted, medium="email")
    await c.event(Reserved)
    assert (await shown(lee, contact.interaction))["address"] == "email:park@example.org"
    problem(await lee.post(path, json={"kind": "number", "value": "2001"}), 403)
    problem(await lee.patch(f"/api/v1/customers/{key}", json={"name": "x"}), 403)
    assert (await lee.get("/api/v1/customers?q=park")).json()["items"][0]["customer"] == key
    for address, status in (({"kind": "number", "value": "2001"}, 403), (body, 201)):
        reply = await lee.post("/api/v1/customers", json={"name": "x", "addresses": [address]})
        assert reply.status_code == status
    await boss.delete(f"/api/v1/customers/{reply.json()['customer']}")
    assert (await lee.post(path, json=body)).status_code == 200
    assert (await shown(lee, contact.interaction))["customer_id"] == key
    assert await history(lee, key) == []
    await lee.post(f"/api/v1/interactions/{contact.interaction}/take")
    await c.event(ReservationEnded)
    await lee.post(f"/api/v1/interactions/{contact.interaction}/finish")
    await c.switch.store.committed()
    assert c.state("lee") == "wrap-up"
    assert [each["interaction"] for each in await history(lee, key)] == [contact.interaction]
    # Of a chat that is over too, while he wraps it up.
    await lee.post("/api/v1/agents/lee/wrap-up", json={"code": "resolved"})
    page = Visitor(api.url, "shop", context={"identity": proof(SECRET, "4711", 2**33)})
    await page.come()
    await page.say_surely("hello")
    chat = await c.event(ce.ContactAccepted, medium="chat")
    await c.event(Reserved, interaction=chat.interaction)
    await lee.post(f"/api/v1/interactions/{chat.interaction}/take")
    await lee.post(f"/api/v1/interactions/{chat.interaction}/finish")
    assert c.state("lee") == "wrap-up"
    assert (await lee.post(path, json={"kind": "id", "value": "4711"})).status_code == 200
    await page.go()


# -- lists -----------------------------------------------------------------------------------------


async def test_of_a_list_a_bad_one_is_told_and_the_others_are_there(api: Served) -> None:
    boss = await api.token("supervisor")
    key = (await made(boss))["customer"]
    await made(boss, name="Lee", addresses=[{"kind": "id", "value": "1"}])
    items = [
        {"name": "Choi", "addresses": ["number:02-100", "email:choi@x.example"]},
        {"name": "Park J.", "fields": {"plan": "b"}, "addresses": ["id:4711", "number:099"]},
        {"addresses": ["number:2001", "id:1"]},
        {"name": "Bad", "segment": "gld", "addresses": ["number:hello", "fax:1"]},
        {"name": "Nobody"},
        {"name": "Many", "addresses": [f"number:{number}" for number in range(10_000)]},
        {"name": "Choi", "addresses": ["number:02100"]},
    ]
    body = {"items": items, "dry_run": True}
    dry = (await boss.post("/api/v1/customers/import", json=body)).json()
    assert (dry["made"], dry["changed"], len(dry["findings"])) == (2, 1, 6)
    assert len(api.switch.conductor.people.by_id) == 2
    found = (await boss.post("/api/v1/customers/import", json={"items": items})).json()
    assert (found["made"], found["changed"], found["unchanged"]) == (1, 1, 1)
    wrong = [(each["item"], each["key"]) for each in found["findings"]]
    assert wrong == [
        *((2, "addresses"), (3, "number"), (3, "fax"), (3, "segment"), (4, "addresses")),
        (5, "addresses"),
    ]
    assert 'did you mean "gold"' in found["findings"][3]["expected"]
    park = (await boss.get(f"/api/v1/customers/{key}")).json()
    assert (park["name"], park["fields"]) == ("Park J.", {"contract": "C-1", "plan": "b"})
    assert len(park["addresses"]) == 4
    again = (await boss.post("/api/v1/customers/import", json={"items": items})).json()
    assert (again["made"], again["changed"], again["unchanged"]) == (0, 0, 3)

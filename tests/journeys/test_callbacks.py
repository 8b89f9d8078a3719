"""Customers who hang up and are called back at their turn, with peers on the wire."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.api.handlers import handlers_of
from cicswitch.calls import events as ev
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.runtime.place import Place
from cicswitch.store.reader import reading
from tests.operation import test_keys as keys
from tests.operation.test_daemon import configure, running
from tests.operation.test_keys import Parties, parties
from tests.support.center import center
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.wire import wire

PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "q"
keys = { 1 = "back" }
[[flow.back]]
do = "callback"
on_failed = "sorry"
[[flow.back]]
do = "hangup"
[[flow.sorry]]
do = "voicemail"
box = "main"
"""
EXTRA = """
[agent.a]
device = "far:7001"
signed_in = true
[queue.q]
agents = ["a"]
music = "none"
record = false
wrap_up_s = 0
[queue.q.callback]
{keys}
"""
CUSTOMER = "0299990000"


@pytest.fixture(autouse=True)
def plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PLAN", PLAN)


@contextlib.asynccontextmanager
async def busy(folder: Path, keys: str = "", more: str = "") -> AsyncIterator[Parties]:
    """A queue whose only agent is away."""
    async with parties(folder, extra=EXTRA.format(keys=keys) + more) as p:
        p.c.command(acd.Pause("a", "meal"))
        yield p


async def ask(p: Parties, user: str = CUSTOMER) -> str:
    """A customer waits, presses 1 and is let go; the callback's interaction."""
    before = set(p.c.switch.conductor.callbacks.promises)
    ok = await wait(p, user)
    p.near.press(ok, "1")
    p.near.reply(await p.near.expect("BYE"), "200 OK")
    await p.c.until(lambda: not p.c.switch.calls)
    (name,) = set(p.c.switch.conductor.callbacks.promises) - before or {""}
    return name


async def wait(p: Parties, user: str = CUSTOMER) -> str:
    """A customer waits in the queue; the answer that he got."""
    before = p.c.switch.engine.queue("q").waiting
    call = p.near.call("5000", user=user)
    ok = await p.near.expect("SIP/2.0 200", having=f"Call-ID: {call}")
    p.near.ack(ok)
    await p.c.until(lambda: p.c.switch.engine.queue("q").waiting > before)
    return ok


async def connect(p: Parties, user: str = CUSTOMER) -> Any:
    """The customer is dialled and answers, then the agent."""
    invite = await p.near.expect(f"INVITE sip:{user}@")
    p.near.reply(invite, "180 Ringing")
    p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
    p.far.reply(await p.far.expect("INVITE sip:7001@"), "200 OK", body=p.far.sdp("0"))
    return await p.c.event(ev.Bridged)


def pending(p: Parties) -> list[str]:
    with reading(p.c.switch.place) as db:
        return [name for (name,) in db.execute("SELECT interaction FROM pending")]


async def test_a_customer_hangs_up_and_is_called_when_an_agent_is_free(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        # He was let go after it was on disk, and waits in no line.
        assert pending(p) == [name]
        view = p.c.switch.engine.view("q", p.c.switch.clock.now())
        assert view.waiting == 0
        assert p.c.switch.engine.position(name) == 1
        p.c.command(acd.Ready("a"))
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        assert "sip:5000@" in invite  # he sees the number that he had called
        p.near.reply(invite, "180 Ringing")
        assert p.c.state("a") == "idle"
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        agents = await p.far.expect("INVITE sip:7001@")
        assert f"sip:{CUSTOMER}@" in agents
        p.far.reply(agents, "200 OK", body=p.far.sdp("0"))
        bridged = await p.c.event(ev.Bridged)
        assert bridged.interaction == name
        ended = await p.c.event(ev.CallbackEnded)
        assert (ended.interaction, ended.outcome) == (name, "connected")
        p.c.switch.hangup(p.c.switch.calls[name])
        await p.c.event(ev.InteractionEnded, interaction=name)
        rows = {row["medium"]: row for row in await p.c.rows("interaction")}
        assert rows["voice"]["outcome"] == "flowed-out"
        back = rows["callback"]
        assert (back["outcome"], back["agent"], back["caller"]) == ("handled", "a", CUSTOMER)
        assert back["answered_at"] > back["started_at"]
        visits = [(v["outcome"], v["agent"]) for v in await p.c.rows("queue_visit")]
        assert visits == [("exit", ""), ("answered", "a")]
        assert pending(p) == []
        await p.c.empty()


async def test_a_callback_keeps_the_segment_of_its_customer_and_his_agent_hears_who_it_is(
    tmp_path: Path,
) -> None:
    vip = f'[segment.vip]\nnumbers = ["{CUSTOMER}"]\npriority = 40\n'
    extra = EXTRA.format(keys="").replace("signed_in", "auto_answer = true\nsigned_in")
    async with parties(tmp_path, extra=extra + vip) as p:
        p.c.command(acd.Pause("a", "meal"))
        name = await ask(p)
        entry = p.c.switch.engine.interactions[name]
        assert (entry.segment, entry.priority) == ("vip", 40)
        p.c.command(acd.Ready("a"))
        await connect(p)
        kinds = [type(event) for event in p.c.events]
        assert acd_events.PreviewBegan in kinds


async def test_the_place_is_kept_before_those_who_came_later(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        await wait(p, "0211111111")
        await wait(p, "0222222222")
        assert p.c.switch.engine.position(name) == 1
        # The agent takes who is on the line. Talks take minutes: he is not dialled yet …
        p.c.command(acd.Ready("a"))
        first = await p.far.expect("INVITE sip:7001@")
        p.far.reply(first, "180 Ringing")
        assert "0211111111" in first
        (row,) = handlers_of(p.c.switch)["callbacks"]({})
        assert row["state"] == "waiting"
        # … but he would be if customers took longer to answer.
        p.c.switch.conductor.callbacks.answer_s = 3600.0
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        await p.c.until(lambda: p.c.switch.engine.queue("q").waiting == 2)
        p.far.reply(first, "486 Busy Here")
        await p.c.until(lambda: p.c.state("a") == "not-responding")
        p.c.command(acd.Ready("a"))
        assert f"sip:{CUSTOMER}@" in await p.far.expect("INVITE sip:7001@")


async def test_who_does_not_answer_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    async with busy(tmp_path, "attempts = 2\nretry_s = 1\nring_s = 1") as p:
        name = await ask(p)
        p.c.command(acd.Ready("a"))
        p.near.reply(await p.near.expect(f"INVITE sip:{CUSTOMER}@"), "486 Busy Here")
        tried = await p.c.event(ev.CallbackTried)
        assert (tried.attempts, tried.reason) == (1, "busy")
        assert p.c.switch.engine.position(name) == 1
        (row,) = handlers_of(p.c.switch)["callbacks"]({})
        assert (row["attempts"], row["state"]) == (1, "waiting")
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        p.near.reply(invite, "180 Ringing")
        cancel = await p.near.expect("CANCEL")
        p.near.reply(cancel, "200 OK")
        p.near.reply(invite, "487 Request Terminated")
        ended = await p.c.event(ev.CallbackEnded)
        assert ended.outcome == "unreachable"
        await p.c.event(ev.InteractionEnded, interaction=name)
        await p.c.rows("queue_visit")
        assert pending(p) == []
        assert p.c.state("a") == "idle"
        await p.c.empty()


async def test_who_hangs_up_on_the_line_is_an_abandon(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        p.c.command(acd.Ready("a"))
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        await p.far.expect("INVITE sip:7001@")
        p.c.switch.hangup(p.c.switch.calls[name])
        ended = await p.c.event(ev.CallbackEnded)
        assert ended.outcome == "abandoned"
        row = next(r for r in await p.c.rows("interaction") if r["medium"] == "callback")
        assert row["outcome"] == "abandoned"
        assert pending(p) == []
        await p.c.until(lambda: p.c.state("a") == "idle")


async def test_a_second_request_is_the_same_promise_and_one_can_be_cancelled(
    tmp_path: Path,
) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        assert await ask(p) == ""
        assert len(p.c.switch.conductor.callbacks.promises) == 1
        do = handlers_of(p.c.switch)["callbacks"]
        with pytest.raises(NotFound, match='no callback "nobody"'):
            do({"cancel": "nobody"})
        assert do({"cancel": name}) == []
        assert (await p.c.event(ev.CallbackEnded)).outcome == "cancelled"
        await p.c.rows("interaction")
        assert pending(p) == []
        await p.c.empty()


async def test_a_promise_is_void_after_its_time(tmp_path: Path) -> None:
    async with busy(tmp_path, "expire_s = 2") as p:
        await ask(p)
        assert (await p.c.event(ev.CallbackEnded)).outcome == "expired"
        await p.c.empty()


async def test_the_queue_says_by_which_trunk_and_number_it_calls(tmp_path: Path) -> None:
    async with busy(tmp_path, 'trunk = "far"\ncaller_id = "0215880000"\nprompt = "comfort"') as p:
        await ask(p)
        p.c.command(acd.Ready("a"))
        invite = await p.far.expect(f"INVITE sip:{CUSTOMER}@")
        assert "sip:0215880000@" in invite
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        await p.c.until(lambda: any(call.playing for call in p.c.switch.calls.values()))


async def test_a_number_that_cannot_be_called_is_told_at_once(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        ok = await wait(p, "anonymous")
        p.near.press(ok, "1")
        await p.c.until(lambda: any(c.voicemail for c in p.c.switch.calls.values()))
        assert not p.c.switch.conductor.callbacks.promises


async def test_what_cannot_be_stored_is_not_promised(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        ok = await wait(p)
        with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            p.near.press(ok, "1")
            await p.c.until(lambda: any(c.voicemail for c in p.c.switch.calls.values()))
            assert (await p.c.event(ev.CallbackEnded)).outcome == "failed"
            lock.execute("ROLLBACK")
        await p.c.until(lambda: not p.c.switch.store.degraded)
        await p.c.rows("interaction")
        assert pending(p) == []


async def test_a_stop_in_order_keeps_the_promise_and_its_place(
    tmp_path: Path, stored: Place
) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        entry = p.c.switch.engine.interactions[name]
        before = (entry.queued_at, entry.own_priority)
        p.c.command(acd.Ready("a"))
        # The switch stops while the customer waits on the line for the agent.
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        await p.far.expect("INVITE sip:7001@")
    async with busy(tmp_path) as p:
        entry = p.c.switch.engine.interactions[name]
        assert (entry.queued_at, entry.own_priority) == before
        p.c.command(acd.Ready("a"))
        bridged = await connect(p)
        assert bridged.interaction == name
        p.c.switch.hangup(p.c.switch.calls[name])
        (row,) = [r for r in await p.c.rows("interaction") if r["medium"] == "callback"]
        assert row["outcome"] == "handled"


async def test_a_promise_survives_a_kill(tmp_path: Path) -> None:
    a, b = free_port(), free_port()
    extra = (
        f'[trunk.near]\naddress = "udp:127.0.0.2:{a}"\noptions_s = 0\n'
        f'[trunk.far]\naddress = "udp:127.0.0.3:{b}"\noptions_s = 0\n'
        + EXTRA.format(keys="").replace("signed_in = true", "signed_in = false")
    )
    file = configure(tmp_path, (port := free_port()), free_port(), extra=extra, plan=PLAN)
    async with wire("127.0.0.2", port, a) as near, wire("127.0.0.3", port, b) as far:
        async with running(file) as daemon:
            near.call("5000")
            ok = await near.expect("SIP/2.0 200")
            near.ack(ok)
            near.press(ok, "1")
            await near.expect("BYE")
            daemon.process.kill()
        for _ in range(2):  # a second crash, before anybody was called
            async with running(file) as daemon:
                rows: Any = daemon.ask(do="callbacks")
                (row,) = rows
                assert (row["number"], row["position"]) == (CUSTOMER, 1)
                daemon.process.kill()
        async with running(file) as daemon:
            daemon.ask(do="agent", agent="a", action="sign-in")
            invite = await near.expect(f"INVITE sip:{CUSTOMER}@")
            near.reply(invite, "200 OK", body=near.sdp("0"))
            far.reply(await far.expect("INVITE sip:7001@"), "200 OK", body=far.sdp("0"))
            await far.expect("ACK")
            assert daemon.ask(do="callbacks") == []
            assert "Traceback" not in daemon.output


@pytest.mark.interop
async def test_a_phone_is_called_back_and_talks_to_the_agent(tmp_path: Path) -> None:
    extra = '[queue.q]\nagents = ["kim"]\nmusic = "none"\n'
    async with (
        center(tmp_path, extra=extra, plan=PLAN) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("2001", c.server, "--answer-after", "0") as customer,
    ):
        c.command(acd.Pause("kim", ""))
        customer.do("call", to="5000")
        await customer.expect("confirmed")
        customer.do("dtmf", digits="1")
        await customer.expect("disconnected")
        c.command(acd.Ready("kim"))
        await customer.expect("confirmed")
        await agent.expect("confirmed")
        await c.event(ev.Bridged)
        agent.do("hangup")
        await customer.expect("disconnected")
        await c.empty()


async def test_who_comes_back_to_the_queue_after_a_menu_has_the_old_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = PLAN.replace('keys = { 1 = "back" }', 'keys = { 1 = "queue" }')
    monkeypatch.setattr(keys, "PLAN", again)
    async with busy(tmp_path) as p:
        first = await wait(p, "0211111111")
        await wait(p, "0222222222")
        p.near.press(first, "1")
        await p.c.event(acd_events.InteractionLeft, outcome="exit")
        await p.c.until(lambda: p.c.switch.engine.queue("q").waiting == 2)
        p.c.command(acd.Ready("a"))
        assert "0211111111" in await p.far.expect("INVITE sip:7001@")


async def test_nobody_is_called_while_the_queue_is_closed(tmp_path: Path) -> None:
    async with busy(tmp_path) as p:
        name = await ask(p)
        p.c.command(acd.Close("q"))
        p.c.command(acd.Ready("a"))
        with pytest.raises(AssertionError, match="no 'INVITE"):
            await p.near.expect(f"INVITE sip:{CUSTOMER}@", timeout=2.5)
        assert p.c.switch.engine.position(name) == 1
        p.c.command(acd.Open("q"))
        await connect(p)


ORDER = {"keys": 'trunk = "near"\ncaller_id = "0215880000"'}


def order(p: Parties, number: str = CUSTOMER, **said: Any) -> tuple[Any, bool]:
    conductor = p.c.switch.conductor
    return conductor.do(lambda: conductor.callbacks.order("q", number, **said))


async def test_somebody_is_called_whom_another_system_names(tmp_path: Path) -> None:
    async with busy(tmp_path, ORDER["keys"]) as p:
        promise, new = order(p, "02 9999-0000", name="Kim Minji", note="invoice of May", by="x")
        assert new
        assert promise.event.number == CUSTOMER
        assert order(p) == (promise, False)  # once, whoever asks how often
        p.c.command(acd.Ready("a"))
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        assert "sip:0215880000@" in invite
        # The attempt was on disk before the first packet of it.
        await p.c.rows("interaction")
        with reading(p.c.switch.place) as db:
            ((data,),) = db.execute("SELECT data FROM pending").fetchall()
        assert '"attempts":1' in data
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        agents = await p.far.expect("INVITE sip:7001@")
        assert '"Kim Minji"' in agents
        (call,) = p.c.switch.calls.values()
        assert call.context == {"note": "invoice of May"}


async def test_who_wants_to_be_called_at_a_time_is_called_then(tmp_path: Path) -> None:
    async with busy(tmp_path, ORDER["keys"]) as p:
        at = p.c.switch.clock.now() + 1.5
        promise, _ = order(p, at=at)
        assert promise.state == "scheduled"
        name = promise.event.interaction
        assert name not in p.c.switch.engine.interactions
        p.c.command(acd.Ready("a"))
        await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        assert p.c.switch.clock.now() >= at
        # His place counts from then: nobody who came before is behind him.
        assert p.c.switch.engine.interactions[name].queued_at == at


async def test_nobody_is_called_outside_of_the_hours_where_he_is(tmp_path: Path) -> None:
    hours = '[hours.calling]\nopen_on = ["2020-01-01 10:00-11:00"]\n'
    async with busy(
        tmp_path, ORDER["keys"] + '\nhours = "calling"\nzone = "Asia/Seoul"', hours
    ) as p:
        promise, _ = order(p)
        p.c.command(acd.Ready("a"))
        await p.c.until(lambda: promise.event.not_before > p.c.switch.clock.now())
        assert promise.state == "waiting"
        assert promise.event.attempts == 0


async def test_a_number_that_nobody_is_to_call_is_not_called(tmp_path: Path) -> None:
    never = '[do_not_call]\nnumbers = ["_0700."]\n'
    other = "0288880000"
    async with busy(tmp_path, ORDER["keys"], never) as p:
        callbacks = p.c.switch.conductor.callbacks
        with pytest.raises(Conflict, match="not to be called"):
            order(p, "0700-12345")
        promise, _ = order(p, other)
        p.c.switch.conductor.do(lambda: callbacks.block("02-8888-0000", "account:lee"))
        ended = await p.c.event(ev.CallbackEnded, interaction=promise.event.interaction)
        assert ended.outcome == "do-not-call"
        with pytest.raises(Conflict):
            order(p, other)
        p.c.switch.conductor.do(lambda: callbacks.block(CUSTOMER, "account:lee"))
        assert await ask(p)  # who asks for a call to the phone in his hand gets it
    async with busy(tmp_path, ORDER["keys"], never) as p:
        callbacks = p.c.switch.conductor.callbacks
        with pytest.raises(Conflict):
            order(p, other)
        p.c.switch.conductor.do(lambda: callbacks.allow(other, "account:lee"))
        assert order(p, other)[1]


async def test_an_attempt_that_a_crash_has_cut_off_is_not_made_again_at_once(
    tmp_path: Path,
) -> None:
    async with busy(tmp_path, ORDER["keys"] + "\nattempts = 2\nretry_s = 2\nring_s = 1") as p:
        promise, _ = order(p)
        cut_off = replace(
            promise.event,
            interaction="cut-off",
            number="0277770000",
            target="near:0277770000",
            attempts=1,
            not_before=p.c.switch.clock.now() + 2,
        )
        last = replace(cut_off, interaction="last", number="02777", attempts=2, not_before=0.0)
        callbacks = p.c.switch.conductor.callbacks
        callbacks.cancel(promise.event.interaction)
        callbacks.restore([cut_off, last], [])
        p.c.command(acd.Ready("a"))
        ended = await p.c.event(ev.CallbackEnded, interaction="last")
        assert ended.outcome == "unreachable"
        await p.near.expect("INVITE sip:0277770000@", timeout=5)
        assert p.c.switch.clock.now() >= cut_off.not_before

"""Callbacks for which the agent is called before the customer, with peers on the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.calls import events as ev
from tests.journeys.test_callbacks import CUSTOMER, busy, order
from tests.operation.test_keys import Parties
from tests.support.wire import header

KEYS = 'trunk = "near"\ncaller_id = "0215880000"\nfirst = "agent"\nretry_s = 2\nattempts = 2'


async def agent_answers(p: Parties) -> str:
    """The agent is rung up, and answers; his INVITE."""
    p.c.command(acd.Ready("a"))
    invite = await p.far.expect("INVITE sip:7001@")
    p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
    return invite


def promises(p: Parties) -> list[Any]:
    return list(p.c.switch.conductor.callbacks.promises.values())


async def test_the_agent_is_called_and_then_the_customer(tmp_path: Path) -> None:
    async with busy(tmp_path, KEYS) as p:
        promise, _ = order(p, name="Kim", note="an invoice")
        name = promise.event.interaction
        offer = await agent_answers(p)
        assert f'"Kim" <sip:{CUSTOMER}@' in offer
        invite = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        assert "sip:0215880000@" in invite
        assert p.c.state("a") == "talking"
        p.near.reply(invite, "180 Ringing")
        p.near.reply(invite, "200 OK", body=p.near.sdp("0"))
        bridged = await p.c.event(ev.Bridged)
        assert bridged.interaction == name
        call = p.c.switch.calls[name]
        assert (call.customer.peer, call.other.peer) == ("near", "far")
        assert (await p.c.event(ev.CallbackEnded, interaction=name)).outcome == "connected"
        assert not promises(p)
        p.c.switch.hangup(call)
        await p.c.event(ev.InteractionEnded, interaction=name)
        (row,) = await p.c.rows("interaction")
        assert (row["outcome"], row["agent"], row["medium"]) == ("handled", "a", "callback")
        assert row["answered_at"] >= bridged.at - 0.1
        await p.c.empty()


async def test_a_customer_who_is_not_reached_is_tried_again_at_the_same_place(
    tmp_path: Path,
) -> None:
    async with busy(tmp_path, KEYS) as p:
        promise, _ = order(p)
        first, queued_at = promise.event.interaction, promise.event.queued_at
        await agent_answers(p)
        p.near.reply(await p.near.expect(f"INVITE sip:{CUSTOMER}@"), "486 Busy Here")
        await p.far.expect("BYE")
        ended = await p.c.event(ev.CallbackEnded, interaction=first)
        assert ended.outcome == "busy"
        await p.c.event(ev.InteractionEnded, interaction=first)
        (again,) = promises(p)
        event = again.event
        assert (event.attempts, event.origin, event.queued_at) == (1, first, queued_at)
        # The second time is the last; the agent hangs up while it rings.
        invite = await p.far.expect("INVITE sip:7001@")
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        ringing = await p.near.expect(f"INVITE sip:{CUSTOMER}@")
        assert p.c.switch.clock.now() >= event.not_before
        p.near.reply(ringing, "180 Ringing")
        ack = await p.far.expect("ACK", having=header(invite, "Call-ID"))
        turned = ack.replace("From:", "T:").replace("To:", "From:").replace("T:", "To:")
        p.far.within(turned, "BYE")
        await p.near.expect("CANCEL")
        ended = await p.c.event(ev.CallbackEnded, interaction=event.interaction)
        assert ended.outcome == "unreachable"
        assert not promises(p)


async def test_an_agent_who_does_not_answer_is_no_attempt(tmp_path: Path) -> None:
    async with busy(tmp_path, KEYS, "") as p:
        promise, _ = order(p)
        name = promise.event.interaction
        p.c.command(acd.Ready("a"))
        invite = await p.far.expect("INVITE sip:7001@")
        p.far.reply(invite, "603 Decline")
        await p.c.event(acd_events.ReservationEnded, interaction=name)
        assert not p.c.switch.calls
        assert promise.event.attempts == 0
        assert p.c.switch.engine.position(name) == 1
        p.c.command(acd.Ready("a"))
        p.far.reply(await p.far.expect("INVITE sip:7001@"), "180 Ringing")
        # It is cancelled while it rings: nobody is called.
        p.c.switch.conductor.callbacks.cancel(name)
        await p.far.expect("CANCEL")
        assert (await p.c.event(ev.CallbackEnded, interaction=name)).outcome == "cancelled"
        assert not promises(p)


async def test_it_is_cancelled_while_it_rings_at_the_customer(tmp_path: Path) -> None:
    async with busy(tmp_path, KEYS) as p:
        promise, _ = order(p)
        name = promise.event.interaction
        await agent_answers(p)
        p.near.reply(await p.near.expect(f"INVITE sip:{CUSTOMER}@"), "180 Ringing")
        p.c.switch.conductor.callbacks.cancel(name)
        await p.near.expect("CANCEL")
        await p.far.expect("BYE")
        assert (await p.c.event(ev.CallbackEnded, interaction=name)).outcome == "cancelled"
        await p.c.event(ev.InteractionEnded, interaction=name)
        assert not promises(p)
        assert p.c.switch.conductor.counters["errors"] == 0

"""Texts by SIP: RFC 3428 by hand over a trunk, and SIPp as a phone that proves who it is."""

from __future__ import annotations

import sqlite3
from itertools import count
from pathlib import Path

import pytest

from cicswitch.switch import outbox
from tests.channels.test_chat import CHANNELS, chatting, taken, until, written
from tests.support.ports import free_port
from tests.support.scenarios import write
from tests.support.sipp import run_uac
from tests.support.wire import Wire, header, wire

TEXTS = """
[channel.texts]
type = "sip"
queue = "support"
[trunk.near]
address = "udp:127.0.0.2:{port}"
options_s = 0
"""
CUSTOMER = "0299990000"
_serial = count(1)


def text(near: Wire, said: str, *, kind: str = "text/plain", call_id: str = "") -> str:
    """A MESSAGE; its Call-ID."""
    headers = f"Content-Type: {kind}\n"
    size = len(said.encode())
    call_id = call_id or f"m{next(_serial)}@near"
    near.send(
        f"MESSAGE sip:5000@127.0.0.1 SIP/2.0\n"
        f"Via: SIP/2.0/UDP {near.host}:{near.port};branch=z9hG4bK{next(_serial)};rport\n"
        f"Max-Forwards: 70\nFrom: Kim <sip:{CUSTOMER}@{near.host}>;tag=1\n"
        f"To: <sip:5000@127.0.0.1>\nCall-ID: {call_id}\nCSeq: 7 MESSAGE\n"
        f"{headers}Content-Length: {size}\n\n{said}"
    )
    return call_id


async def test_a_customer_writes_by_a_trunk_and_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST_S", 0.05)
    port = free_port()
    async with (
        chatting(tmp_path, CHANNELS + TEXTS.format(port=port)) as (api, lee),
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        first = text(near, "안녕하세요")
        await near.expect("SIP/2.0 202", having=first)
        with sqlite3.connect(tmp_path / "store.db") as db:
            ((kept,),) = db.execute("SELECT text FROM message").fetchall()
        assert kept == "안녕하세요"
        contact = await taken(api, lee)
        origin = contact.origin
        assert (origin.customer, origin.called, origin.name) == (CUSTOMER, "5000", "Kim")
        path = f"/api/v1/conversations/{origin.conversation}/messages"
        # Sent again, as after an answer that was lost long ago, it is the same message.
        text(near, "안녕하세요", call_id=first)
        await near.expect("SIP/2.0 202", having=first)
        await near.expect("SIP/2.0 202", having=text(near, "Still there?"))
        assert [each["text"] for each in (await lee.get(path)).json()] == [
            *("안녕하세요", "Still there?")
        ]
        # The answer; one that the far end does not take now is given again, in its order.
        written(await lee.post(path, json={"text": "Good day."}))
        written(await lee.post(path, json={"text": "What can I do?"}))
        said = await near.expect("MESSAGE sip:0299990000@")
        assert said.endswith("Good day.")
        assert header(said, "Content-Type") == "text/plain;charset=UTF-8"
        assert "sip:5000@" in header(said, "From")
        near.reply(said, "503 Service Unavailable")
        again = await near.expect("MESSAGE sip:0299990000@")
        assert again.endswith("Good day.")
        assert header(again, "Call-ID") == header(said, "Call-ID")
        near.reply(again, "200 OK")
        said = await near.expect("MESSAGE sip:0299990000@")
        assert said.endswith("What can I do?")
        near.reply(said, "200 OK")
        # A long one goes in pieces that a datagram takes.
        written(await lee.post(path, json={"text": "word " * 300}))
        got: list[str] = []
        while len(got) < 300:
            said = await near.expect("MESSAGE sip:0299990000@")
            assert len(said.encode()) < 1300
            got += said.partition("\r\n\r\n")[2].split()
            near.reply(said, "202 Accepted")
        assert got == ["word"] * 300
        # What will not be taken at all is told to who has written it.
        written(await lee.post(path, json={"text": "No."}))
        near.reply(await near.expect("MESSAGE sip:0299990000@"), "403 Forbidden")
        waiting = api.switch.conductor.outbox.waiting
        await until(lambda: any(each.dead for each in waiting.values()))
        assert "answers 403" in next(iter(waiting.values())).error


async def test_a_customer_is_written_to_first_and_answers(tmp_path: Path) -> None:
    port = free_port()
    async with (
        chatting(tmp_path, CHANNELS + TEXTS.format(port=port)) as (api, lee),
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        body = {"channel": "texts", "to": f"near:{CUSTOMER}", "called": "5000", "text": "Hello"}
        for change in ({"called": ""}, {"to": "far:1"}, {"to": "9999"}, {"to": "near:a b"}):
            assert (await lee.post("/api/v1/conversations", json=body | change)).status_code == 422
        begun = written(await lee.post("/api/v1/conversations", json=body))
        said = await near.expect(f"MESSAGE sip:{CUSTOMER}@")
        assert said.endswith("Hello")
        assert "sip:5000@" in header(said, "From")
        near.reply(said, "200 OK")
        await near.expect("SIP/2.0 202", having=text(near, "Who is it?"))
        contact = await taken(api, lee)
        assert contact.origin.conversation == begun["conversation"]
        reply = await lee.post("/api/v1/conversations", json=body)
        assert (reply.status_code, "open contact" in reply.json()["detail"]) == (409, True)
        await lee.post(f"/api/v1/interactions/{contact.id}/finish")
        # Written to again, he is in the same conversation.
        again = written(await lee.post("/api/v1/conversations", json=body | {"text": "Again"}))
        assert (again["conversation"], again["messages"]) == (begun["conversation"], 3)
        assert (await near.expect(f"MESSAGE sip:{CUSTOMER}@")).endswith("Again")


async def test_what_is_no_text_and_what_nobody_takes(tmp_path: Path) -> None:
    port = free_port()
    extra = TEXTS.format(port=port).replace('queue = "support"', "")
    async with (
        chatting(tmp_path, CHANNELS + extra) as (api, _),
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        refused = await near.expect("SIP/2.0 415", having=text(near, "<b>", kind="text/html"))
        assert "text/plain" in header(refused, "Accept")
        await near.expect("SIP/2.0 404", having=text(near, "to nobody"))
        typing = "<isComposing><state>active</state></isComposing>"
        kind = "application/im-iscomposing+xml"
        await near.expect("SIP/2.0 202", having=text(near, typing, kind=kind))
        assert not api.switch.conductor.contacts.live
        async with wire("127.0.0.5", api.center.port) as stranger:
            asked = await stranger.expect("SIP/2.0 401", having=text(stranger, "who am I"))
            assert header(asked, "WWW-Authenticate")


async def test_a_text_that_cannot_be_stored_is_to_be_sent_again(tmp_path: Path) -> None:
    port = free_port()
    async with (
        chatting(tmp_path, CHANNELS + TEXTS.format(port=port)) as (api, _),
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        with sqlite3.connect(tmp_path / "store.db") as lock:
            lock.execute("BEGIN EXCLUSIVE")
            late = await near.expect("SIP/2.0 503", having=text(near, "Hello"))
            assert header(late, "Retry-After")
            lock.execute("ROLLBACK")
        await until(lambda: not api.switch.store.degraded)


MESSAGE = """
<send retrans="500"><![CDATA[
MESSAGE sip:5000@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:2001@[remote_ip]>;tag=[call_number]
To: <sip:5000@[remote_ip]>
Call-ID: [call_id]
CSeq: {cseq} MESSAGE
Content-Type: text/plain
{auth}Content-Length: [len]

By a phone]]></send>
"""


async def test_a_phone_writes_and_has_to_prove_who_it_is(tmp_path: Path) -> None:
    steps = (
        MESSAGE.format(cseq=1, auth="")
        + '<recv response="401" auth="true"></recv>'
        + MESSAGE.format(cseq=2, auth="[authentication username=2001 password=phone-2001]\n")
        + '<recv response="202"></recv>'
    )
    file = write(tmp_path, "message", steps)
    # SIPp knows the older digest only.
    extra = CHANNELS + TEXTS.format(port=free_port()) + '[sip]\ndigest = ["MD5"]\n'
    async with chatting(tmp_path, extra) as (api, lee):
        server = f"127.0.0.1:{api.center.port}"
        status, printed = await run_uac(
            server,
            "5000",
            host="127.0.0.7",
            port=free_port(),
            folder=tmp_path,
            options=("-sf", str(file), "-m", "1", "-auth_uri", f"5000@{server}"),
        )
        assert status == 0, printed
        contact = await taken(api, lee)
        assert contact.origin.customer == "2001"
        path = f"/api/v1/conversations/{contact.origin.conversation}/messages"
        assert [each["text"] for each in (await lee.get(path)).json()] == ["By a phone"]
